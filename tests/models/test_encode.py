"""Words to sub-words for each family of tokenizers: a tag on each first sub-word, each word read in one window."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertool.errors import InvalidOption, NertoolError
from nertool.models.encode import IGNORE, NO_SUBWORD, Encoded, Encoder, Subwords, frame_of, labelled_windows
from nertool.models.model_directory import stored_labels
from nertool.models.names import LONGEST_WINDOW, load_tokenizer, model_sources, usable_length
from nertool.training.pretrained import Pretrained

WORDS = [
    "anna",
    "oslo",
    "Vienna",
    "ab-cd",
    "x",
    ".",
    "#tag",
    "ß",
    "日本",
    "\x96",
    "\u200b",
    "[SEP]",
    "</s>",
    "oslo" * 9,
]
WORD = st.sampled_from(WORDS) | st.text(st.characters(exclude_categories=("Cs", "Z", "Cc")), min_size=1, max_size=5)
MERGES = ["o s", "l o", "os lo", "Ġ oslo", "a n", "an n", "Ġ ann", "Ġann a", "Ġ x"]


def byte_level(folder: Path) -> tuple[str, str]:
    """Vocabulary and merges of a tiny byte-level BPE in which a word's first sub-word holds the space before it."""
    from tokenizers.pre_tokenizers import ByteLevel

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"]
    entries = [*special, *sorted(ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in MERGES)]
    (folder / "vocab.json").write_text(json.dumps({entry: number for number, entry in enumerate(entries)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{merge}\n" for merge in MERGES))
    return str(folder / "vocab.json"), str(folder / "merges.txt")


def unigram(_: Path) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import XLMRobertaTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = ["▁", "▁oslo", "▁ann", "oslo", "▁x", *"abcdefghijklmnopqrstuvwxyzV.-#ß"]
    tokenizer = Tokenizer(
        models.Unigram([*((entry, 0.0) for entry in special), *((entry, -2.0) for entry in pieces)], unk_id=3)
    )
    tokenizer.normalizer = normalizers.Nmt()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return XLMRobertaTokenizerFast(tokenizer_object=tokenizer)


def gpt2(folder: Path) -> Any:
    from transformers import GPT2TokenizerFast

    return GPT2TokenizerFast(*byte_level(folder))


def roberta(folder: Path) -> Any:
    from transformers import RobertaTokenizerFast

    return RobertaTokenizerFast(*byte_level(folder))


def byt5(_: Path) -> Any:
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer(extra_ids=0)


BUILT: dict[str, Callable[[Path], Any]] = {"gpt2": gpt2, "roberta": roberta, "unigram": unigram, "byt5": byt5}
FAMILIES = {  # fast, special tokens of a sentence, words of WORDS without sub-words
    "wordpiece": (True, 2, {"\x96", "\u200b"}),
    "slow wordpiece": (False, 2, {"\x96", "\u200b"}),
    "gpt2": (True, 0, set()),
    "roberta": (True, 2, set()),
    "unigram": (True, 2, set()),
    "byt5": (False, 1, set()),
}
every_family = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module")
def tokenizers(tiny_model: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A tokenizer of each family, as it is loaded from a model's directory."""
    from transformers import BertTokenizer

    loaded = {"wordpiece": load_tokenizer(tiny_model), "slow wordpiece": BertTokenizer.from_pretrained(tiny_model)}
    for name, build in BUILT.items():
        folder = tmp_path_factory.mktemp(name)
        build(folder).save_pretrained(folder)
        loaded[name] = load_tokenizer(str(folder))
    return loaded


LEADS = {"gpt2": " ", "roberta": " ", "byt5": " "}
"""Families whose words begin with the space before them."""


def alone(tokenizer: Any, word: str) -> list[int]:
    ids: list[int] = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(word))
    return ids


def by_word(tokenizer: Any, family: str, words: list[str]) -> Encoded:
    """Each word tokenized alone, one behind the other."""
    pieces = [alone(tokenizer, LEADS.get(family, "") + word) for word in words]
    begins = accumulate(map(len, pieces), initial=0)
    starts = [begin if ids else NO_SUBWORD for begin, ids in zip(begins, pieces, strict=False)]
    return Encoded([number for ids in pieces for number in ids], starts)


@every_family
def test_the_families_are_what_they_should_be(family: str, tokenizers: dict[str, Any]) -> None:
    tokenizer, (fast, special, without) = tokenizers[family], FAMILIES[family]
    assert tokenizer.is_fast or not fast  # transformers 5 has no slow WordPiece any more
    assert tokenizer.num_special_tokens_to_add() == special
    assert {word for word in WORDS if not tokenizer.tokenize(word)} == without
    assert len(tokenizer.tokenize("oslo" * 9)) > 1


@every_family
def test_words_are_kept_apart(family: str, tokenizers: dict[str, Any]) -> None:
    one, two = Encoder(tokenizers[family], 32).encode([["anna", "oslo", "oslo"], ["annaoslo", "oslo"]])
    assert one.ids != two.ids
    assert one.ids[one.starts[1] : one.starts[2]] == one.ids[one.starts[2] :]
    assert one.ids[one.starts[1] : one.starts[2]] == alone(tokenizers[family], LEADS.get(family, "") + "oslo")


@every_family
def test_a_token_alone_has_as_many_subwords_as_tokenize_gives(family: str, tokenizers: dict[str, Any]) -> None:
    tokens = [*WORDS, *WORDS[::-1], "a\xa0b", "\ufeff"]
    known = Subwords(tokenizers[family])(tokens)
    assert [len(known[token]) for token in tokens] == [len(tokenizers[family].tokenize(token)) for token in tokens]


@every_family
@settings(max_examples=40, deadline=None)
@given(sentences=st.lists(st.lists(WORD, max_size=8), max_size=4))
def test_a_sentence_is_its_words_one_behind_the_other(
    family: str, sentences: list[list[str]], tokenizers: dict[str, Any]
) -> None:
    tokenizer = tokenizers[family]
    assert Encoder(tokenizer, 32).encode(sentences) == [by_word(tokenizer, family, words) for words in sentences]


@every_family
def test_a_sentence_that_fits_is_one_window_as_the_tokenizer_itself_makes_it(
    family: str, tokenizers: dict[str, Any]
) -> None:
    tokenizer = tokenizers[family]
    words = ["anna", "oslo", "x"]
    length = len(by_word(tokenizer, family, words).ids) + tokenizer.num_special_tokens_to_add()
    encoder = Encoder(tokenizer, length)
    (window,) = encoder.windows(encoder.encode([words])[0])
    assert window.ids == tokenizer(LEADS.get(family, "") + " ".join(words))["input_ids"]
    assert len(window.ids) == length


@every_family
@settings(max_examples=25, deadline=None)
@given(words=st.lists(WORD, min_size=1, max_size=30), room=st.integers(1, 40))
def test_each_words_tag_stands_on_its_first_subword_and_nowhere_else(
    family: str, words: list[str], room: int, tokenizers: dict[str, Any]
) -> None:
    tokenizer = tokenizers[family]
    special = tokenizer.num_special_tokens_to_add()
    tags = [f"tag-{number}" for number in range(len(words))]
    ids = {tag: number for number, tag in enumerate(tags)}
    (examples,) = labelled_windows(Encoder(tokenizer, room + special), [words], [tags], ids)
    read: list[int] = []
    for example in examples:
        assert len(example.labels) == len(example.input_ids) <= room + special
        for position, label in enumerate(example.labels):
            if label != IGNORE:
                read.append(label)
                assert example.input_ids[position] == alone(tokenizer, LEADS.get(family, "") + words[label])[0]
    assert read == [number for number, word in enumerate(words) if alone(tokenizer, LEADS.get(family, "") + word)]


@every_family
def test_a_sentence_without_subwords_is_a_window_without_tags(family: str, tokenizers: dict[str, Any]) -> None:
    encoder = Encoder(tokenizers[family], 16)
    words = sorted(FAMILIES[family][2])
    for sentence in ([], words):
        (window,) = encoder.windows(encoder.encode([sentence])[0])
        assert (window.words, window.positions) == ([], [])
        assert len(window.ids) == tokenizers[family].num_special_tokens_to_add()


@every_family
def test_many_sentences_give_what_each_gives_alone(family: str, tokenizers: dict[str, Any]) -> None:
    chance = random.Random(0)
    sentences = [chance.choices(WORDS, k=chance.randrange(9)) for _ in range(50)]
    encoder = Encoder(tokenizers[family], 32)
    assert encoder.encode(sentences) == [encoder.encode([words])[0] for words in sentences]
    assert encoder.encode([]) == []


@pytest.mark.parametrize("family", ["wordpiece", "gpt2", "byt5"])
@settings(max_examples=150, deadline=None)
@given(lengths=st.lists(st.integers(0, 9), max_size=60), room=st.integers(1, 50))
def test_long_sentences_are_read_in_windows_each_word_once_and_with_context(
    family: str, lengths: list[int], room: int, tokenizers: dict[str, Any]
) -> None:
    encoder = Encoder(tokenizers[family], room + FAMILIES[family][1])
    starts = [
        begin if length else NO_SUBWORD for begin, length in zip(accumulate([0, *lengths]), lengths, strict=False)
    ]
    encoded = Encoded(list(range(1000, 1000 + sum(lengths))), starts)
    windows = encoder.windows(encoded)
    assert [word for window in windows for word in window.words] == [n for n, length in enumerate(lengths) if length]
    before, after = len(encoder.prefix), len(encoder.suffix)
    for window in windows:
        assert window.ids[:before] == encoder.prefix
        assert window.ids[len(window.ids) - after :] == encoder.suffix
        body = window.ids[before : len(window.ids) - after]
        assert len(body) <= room
        assert body == list(range(body[0], body[0] + len(body))) if body else not encoded.ids
        assert [window.ids[position] for position in window.positions] == [encoded.ids[starts[n]] for n in window.words]
        for position in window.positions:
            at = position - before
            assert at >= room // 4 or body[0] == encoded.ids[0]
            assert len(body) - at >= room // 4 or body[-1] == encoded.ids[-1]


@every_family
def test_a_length_without_room_is_refused(family: str, tokenizers: dict[str, Any]) -> None:
    special = FAMILIES[family][1]
    Encoder(tokenizers[family], special + 1)
    with pytest.raises(InvalidOption, match="leaves no room"):
        Encoder(tokenizers[family], special)


@every_family
def test_every_tokenizer_can_pad(family: str, tokenizers: dict[str, Any]) -> None:
    batch = tokenizers[family].pad({"input_ids": [[7], [7, 8, 9]]})
    assert batch["attention_mask"] == [[1, 0, 0], [1, 1, 1]]


@pytest.mark.model
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no/such-model", "there is no such directory; the hub cannot be reached, and no copy is kept here"),
        ("mininlm", "there is no such directory; the hub cannot be reached, and no copy is kept here"),
        ("./nothing-here", "there is no such directory"),
        ("/dev/nothing/here", "there is no such directory"),
        (__file__, "it is a file, and a model is a directory"),
    ],
)
def test_a_tokenizer_that_cannot_be_had_is_told_in_one_line(name: str, reason: str) -> None:
    with pytest.raises(InvalidOption) as error:
        load_tokenizer(name)
    assert error.value.message == f"no tokenizer for --model {name}: {reason}"
    assert ("Did you mean minilm?" in error.value.hint) == (name == "mininlm")


@pytest.mark.model
def test_a_directory_with_a_tokenizer_alone_is_told_to_lack_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[UNK]\n")
    with pytest.raises(NertoolError, match="holds no model: it has no config.json"):
        load_tokenizer(str(tmp_path))


@pytest.mark.model
def test_a_directory_without_a_type_of_model_is_told_without_the_list_of_all_types(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "vocab.txt").write_text("[UNK]\n")
    for refused in (lambda: load_tokenizer(str(tmp_path)), lambda: stored_labels(tmp_path)):
        with pytest.raises(NertoolError, match="model_type|backend tokenizer") as error:  # of transformers 4, of 5
            refused()
        assert len(error.value.message) < 500


def test_a_local_models_files_are_named_without_its_place(tiny_model: str) -> None:
    sources = model_sources(tiny_model, ["vocab*", "config.json"])
    assert list(sources) == [f"{Path(tiny_model).name}/config.json", f"{Path(tiny_model).name}/vocab.txt"]
    assert all(path.is_file() for path in sources.values())
    assert model_sources("bert-base-cased", ["*"]) == {}


def test_positions_that_roberta_does_not_use_are_not_counted(tokenizers: dict[str, Any]) -> None:
    from transformers import BertConfig, RobertaConfig, XLNetConfig

    tokenizer = tokenizers["roberta"]  # it has no limit of its own
    assert usable_length(tokenizer, RobertaConfig(max_position_embeddings=514, pad_token_id=1)) == 512
    assert usable_length(tokenizer, BertConfig(max_position_embeddings=512)) == 512
    assert usable_length(tokenizer, BertConfig(max_position_embeddings=512), 128) == 128
    for config in (XLNetConfig(), BertConfig(max_position_embeddings=10**8)):  # no limit, or one that no memory holds
        assert usable_length(tokenizer, config) == LONGEST_WINDOW
    assert usable_length(tokenizer, XLNetConfig(), 2 * LONGEST_WINDOW) == 2 * LONGEST_WINDOW
    assert usable_length(tokenizers["wordpiece"], BertConfig(max_position_embeddings=512)) == 128
    for odd in ({"max_position_embeddings": "many"}, {"max_position_embeddings": [1]}, {"pad_token_id": "x"}):
        config = RobertaConfig()
        vars(config).update(odd)  # transformers 5 refuses them itself
        with pytest.raises(NertoolError, match="no model that transformers can load"):
            usable_length(tokenizer, config)


def without_a() -> Any:
    """A tokenizer that deletes the letter a."""
    from tokenizers import normalizers

    backend = of_whole_words(["[UNK]", "nn", "oslo"])
    backend.normalizer = normalizers.Replace("a", "")
    return backend


def of_whole_words(entries: list[str]) -> Any:
    """A tokenizer of words between special tokens, with token types of its own."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    special = ["[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {entry: number for number, entry in enumerate([*special, *entries])}
    backend = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS]:2 [MASK]:0 $A:1 [SEP]:2", special_tokens=[(entry, vocabulary[entry]) for entry in special]
    )
    return backend


@pytest.mark.parametrize(
    "backend", [without_a(), of_whole_words(["[UNK]", "a"]), of_whole_words(["a"])], ids=["deleted", "known", "unknown"]
)
def test_what_stands_around_a_sentence_does_not_hang_on_the_words_that_a_tokenizer_knows(backend: Any) -> None:
    from transformers import PreTrainedTokenizerFast

    frame = frame_of(PreTrainedTokenizerFast(tokenizer_object=backend))
    assert (frame.before, frame.behind) == ([0, 2], [1])
    assert frame.types(5) == [2, 0, 1, 1, 2]


def test_words_are_taken_as_they_are_where_blanks_part_none() -> None:
    from tokenizers import pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = of_whole_words(["[UNK]", "anna", "oslo"])
    backend.pre_tokenizer = pre_tokenizers.Punctuation()
    (encoded,) = Encoder(PreTrainedTokenizerFast(tokenizer_object=backend), 8).encode([["anna", "oslo"]])
    assert encoded.ids == [4, 5]


def test_a_word_has_the_same_subwords_each_time(tmp_path: Path) -> None:
    """Some models are published with the BPE dropout of their training."""
    tokenizer = roberta(tmp_path)
    tokenizer.backend_tokenizer.model.dropout = 0.5
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path))
    assert {tuple(loaded(" oslo")["input_ids"]) for _ in range(20)} == {tuple(roberta(tmp_path)(" oslo")["input_ids"])}


@pytest.fixture
def byte_level_model(tmp_path: Path) -> Path:
    """A fine-tuned model with a byte-level tokenizer that says nothing of blanks, as others publish them."""
    from transformers import RobertaConfig, RobertaForTokenClassification

    folder = tmp_path / "byte-level"
    folder.mkdir()
    roberta(folder).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = RobertaConfig(vocab_size=300, pad_token_id=1, id2label={0: "O", 1: "B-PER"}, **sizes)
    RobertaForTokenClassification(config).save_pretrained(folder)
    return folder


def state(model: Path, prefix: str) -> None:
    path = model / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "word_prefix": prefix}))


def test_the_blank_before_words_is_told_and_can_be_left_out(
    byte_level_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from nertool.models.load_tagger import load_tagger

    with caplog.at_level("INFO"):
        of_texts = load_tagger(byte_level_model).encoder.encode([["oslo", "ann"]])
    assert '"word_prefix": ""' in caplog.text
    tokenizer = load_tokenizer(str(byte_level_model))
    assert tokenizer.convert_ids_to_tokens(of_texts[0].ids) == ["Ġoslo", "Ġann"]
    caplog.clear()
    for prefix, expected in (("", ["oslo", "ann"]), (" ", ["Ġoslo", "Ġann"])):
        state(byte_level_model, prefix)
        with caplog.at_level("INFO"):
            encoded = load_tagger(byte_level_model).encoder.encode([["oslo", "ann"]])
        assert tokenizer.convert_ids_to_tokens(encoded[0].ids) == expected
    assert "word_prefix" not in caplog.text


def test_a_training_states_the_blank_that_it_puts_before_words(byte_level_model: Path, tmp_path: Path) -> None:
    for stated in (None, "", " "):
        if stated is not None:
            state(byte_level_model, stated)
        Pretrained(str(byte_level_model), "", "", False, False, {}).tokenizer().save_pretrained(tmp_path / "new")
        kept = json.loads((tmp_path / "new" / "tokenizer_config.json").read_text())["word_prefix"]
        assert kept == (" " if stated is None else stated)


def test_a_tokenizer_that_adds_the_blank_itself_gets_none(tmp_path: Path) -> None:
    """As run_ner.py makes them, for RoBERTa, GPT-2, BLOOM and DeBERTa."""
    from transformers import RobertaTokenizerFast

    RobertaTokenizerFast(*byte_level(tmp_path), add_prefix_space=True).save_pretrained(tmp_path)
    tokenizer = load_tokenizer(str(tmp_path))
    words = [word for word in WORDS if word not in tokenizer.all_special_tokens]
    encoded = Encoder(tokenizer, 512).encode([words])[0]
    assert encoded.ids == tokenizer(words, is_split_into_words=True, add_special_tokens=False)["input_ids"]
