"""`tokenizers` alone gives the sub-words that transformers gives, for every family; else transformers stays in use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertool.models.names import load_tokenizer, quiet_transformers

transformers = pytest.importorskip("transformers")
quiet_transformers()

from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors  # noqa: E402
from tokenizers.models import BPE, Unigram, WordPiece  # noqa: E402

from nertool.models.encode import Encoder  # noqa: E402
from nertool.models.stored_tokenizer import (  # noqa: E402
    ENCODING,
    TOKENIZER,
    Encoding,
    load_stored_tokenizer,
    read_encoding,
    store_encoding,
)

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,'-"
ANSWER = Encoding(["B-PER", "O"], 12, 0, True)


def word_piece(**normalization: bool) -> Tokenizer:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    entries = [*special, *LETTERS, *(f"##{one}" for one in LETTERS), "anna", "An", "##na", "\u4e2d", "e\u0301"]
    tokenizer = Tokenizer(WordPiece({entry: number for number, entry in enumerate(entries)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(**normalization)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(special)
    return tokenizer


def byte_level(add_prefix_space: bool) -> Tokenizer:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    entries = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet()), "An", "\u0120A", "\u0120An"]
    merges = [("A", "n"), ("\u0120", "A"), ("\u0120A", "n")]
    tokenizer = Tokenizer(BPE({entry: number for number, entry in enumerate(entries)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=add_prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    return tokenizer


def unigram(special: list[str], unknown: int) -> Tokenizer:
    pieces = [*((one, 0.0) for one in special), *((one, -5.0) for one in [*LETTERS, "\u2581", "\u2581An", "na"])]
    tokenizer = Tokenizer(Unigram(pieces, unk_id=unknown))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    ids = [(one, number) for number, one in enumerate(special)]
    first, last = special[0], special[2]
    tokenizer.post_processor = processors.TemplateProcessing(f"{first} $A {last}", special_tokens=ids)
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(special)
    return tokenizer


def byte_fallback() -> Tokenizer:
    special = ["<unk>", "<s>", "</s>"]
    entries = [*special, *(f"<0x{number:02X}>" for number in range(256)), *LETTERS, "\u2581", "\u2581A", "An"]
    vocabulary = {entry: number for number, entry in enumerate(entries)}
    merges = [("\u2581", "A"), ("A", "n")]
    tokenizer = Tokenizer(BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens(special)
    return tokenizer


BERT = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
ROBERTA = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
XLM = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
FAMILIES: dict[str, tuple[str, str, Callable[[], Tokenizer], dict[str, Any]]] = {
    "uncased": ("bert", "BertTokenizer", lambda: word_piece(lowercase=True), {**BERT, "do_lower_case": True}),
    "cased": ("bert", "BertTokenizer", lambda: word_piece(lowercase=False), {**BERT, "do_lower_case": False}),
    "cased by its configuration": ("bert", "BertTokenizer", word_piece, {**BERT, "do_lower_case": False}),
    "accents": (
        *("distilbert", "DistilBertTokenizer", word_piece),
        {**BERT, "do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False},
    ),
    "electra": ("electra", "ElectraTokenizer", word_piece, {**BERT, "do_lower_case": True}),
    "roberta": ("roberta", "RobertaTokenizer", lambda: byte_level(False), ROBERTA),
    "roberta with a space": (
        *("roberta", "RobertaTokenizer", lambda: byte_level(False)),
        {**ROBERTA, "add_prefix_space": True},
    ),
    "gpt2": ("gpt2", "GPT2Tokenizer", lambda: byte_level(False), {"eos_token": "</s>", "unk_token": "<unk>"}),
    "xlm-roberta": ("xlm-roberta", "XLMRobertaTokenizer", lambda: unigram(XLM, 3), ROBERTA),
    "albert": ("albert", "AlbertTokenizer", lambda: unigram(["[CLS]", "<pad>", "[SEP]", "<unk>"], 3), {}),
    "llama": (
        "llama",
        "LlamaTokenizer",
        byte_fallback,
        {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    ),
    "any": ("bert", "PreTrainedTokenizerFast", lambda: word_piece(lowercase=True), BERT),
}
"""Kind of model, class of tokenizer, its backend, and the fields of tokenizer_config.json."""


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer as it is published, with truncation and padding, as some are."""
    kind, name, build, fields = FAMILIES[request.param]
    folder = tmp_path_factory.mktemp("tokenizer")
    backend = build()
    backend.enable_truncation(16)
    backend.enable_padding(length=16)
    backend.save(str(folder / TOKENIZER))
    config = {"tokenizer_class": name, "model_max_length": 12, **fields}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    return folder


@pytest.fixture(scope="module")
def encoders(folder: Path) -> tuple[Encoder, Encoder]:
    """By transformers, and by `tokenizers` alone from what was stored."""
    tokenizer = load_tokenizer(str(folder))
    pad_id = int(tokenizer.pad_token_id or 0)
    assert store_encoding(folder, tokenizer, Encoding(["O"], 12, pad_id, True))
    stored = load_stored_tokenizer(folder, pad_id)
    assert len(stored) == len(tokenizer)
    return Encoder(tokenizer, 12), Encoder(stored, 12)


WORDS = st.lists(st.text(max_size=6) | st.text(LETTERS, min_size=1, max_size=8), min_size=1, max_size=8)


@settings(max_examples=40)
@given(words=WORDS)
def test_sub_words_and_windows_are_those_of_transformers(words: list[str], encoders: tuple[Encoder, Encoder]) -> None:
    theirs, ours = encoders
    assert (ours.prefix, ours.suffix, ours.budget) == (theirs.prefix, theirs.suffix, theirs.budget)
    (expected,), (found,) = theirs.encode([words]), ours.encode([words])
    assert found == expected
    if found.ids:
        assert ours.windows(found) == theirs.windows(expected)


def test_transformers_reads_what_was_stored_as_before(folder: Path, encoders: tuple[Encoder, Encoder]) -> None:
    again = Encoder(load_tokenizer(str(folder)), 12)
    words = [["Anna", "flew", "to", "Bern", ".", "\u4e2d\u6587", "caf\u00e9", "[SEP]", "<s>"]]
    assert again.encode(words) == encoders[0].encode(words) and again.prefix == encoders[0].prefix


def test_what_tokenizers_alone_does_otherwise_is_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    word_piece().save(str(tmp_path / TOKENIZER))
    before = (tmp_path / TOKENIZER).read_bytes()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=word_piece(), **BERT)
    call = type(tokenizer).__call__

    def upper(self: Any, text: Any, **options: Any) -> Any:
        return call(self, text.upper(), **options)

    monkeypatch.setattr(transformers.PreTrainedTokenizerFast, "__call__", upper)
    assert not store_encoding(tmp_path, tokenizer, ANSWER)
    assert not (tmp_path / ENCODING).exists() and (tmp_path / TOKENIZER).read_bytes() == before


def test_a_slow_tokenizer_is_not_stored(tmp_path: Path) -> None:
    class Slow:
        is_fast = False

    assert not store_encoding(tmp_path, Slow(), ANSWER) and not list(tmp_path.iterdir())


def test_after_an_edit_transformers_is_asked_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="nertool")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=word_piece(), **BERT)
    (tmp_path / "config.json").write_text("{}")
    assert read_encoding(tmp_path) is None and "it has no encoding.json" in caplog.text
    assert store_encoding(tmp_path, tokenizer, ANSWER) and read_encoding(tmp_path) == ANSWER
    (tmp_path / "config.json").write_text('{"id2label": {}}')
    assert read_encoding(tmp_path) is None and "config.json changed" in caplog.text
