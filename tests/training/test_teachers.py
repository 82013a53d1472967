"""Teachers: whose words and labels are which, what is kept, what the loss is, what is refused."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import commands

from nertool.corpus.column_files import read_sentences
from nertool.errors import InvalidData, InvalidOption, MissingInput, NertoolError
from nertool.models.encode import NO_WORD
from nertool.models.load_tagger import load_tagger
from nertool.stages import train
from nertool.training.batches import Collator
from nertool.training.distillation import Teaching
from nertool.training.examples import Source, load_examples
from nertool.training.fine_tuned import local_models
from nertool.training.teacher_labels import match_labels
from nertool.training.teachers import Teachers, mean_probabilities
from nertool.training.unlabelled import UnlabelledSource
from nertool.workspace.names import EXAMPLES
from nertool.workspace.seals import seal
from nertool.workspace.workspace import Workspace

torch = pytest.importorskip("torch")

from nertool.training.taught_examples import load_taught_examples  # noqa: E402

LABELS = ("B-LOC", "B-PER", "I-LOC", "O")
TEXT = "anna visited oslo .\nclara praised new lisbon !\n\n"


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tokenizer that knows letters alone, so that every word has as many sub-words."""
    from transformers import BertTokenizerFast

    folder = tmp_path_factory.mktemp("letters")
    characters = "abcdefghijklmnopqrstuvwxyz.!"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *(f"##{letter}" for letter in characters)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    return BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=128)


def text_file(folder: Path, text: str = TEXT) -> Path:
    path = folder / "more.txt.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def teacher(directory: Path, scheme: str = "") -> Teachers:
    """The model of a directory as the only teacher of LABELS."""
    return Teachers((directory,), LABELS, scheme, weight=0.5, temperature=1.0)


# -- labels ----------------------------------------------------------------------------------------


def test_labels_are_matched_by_name_in_any_order_and_spelling(caplog: pytest.LogCaptureFixture) -> None:
    match = match_labels("it", ["O", "I-LOC", "B-LOC", "B-PER"], LABELS)
    assert match.moves.argmax(1).tolist() == [3, 2, 0, 1] and match.known.all()
    assert not caplog.records
    assert match_labels("it", ["O", "LOC-I", "LOC-B", "PER-B"], LABELS).moves.tolist() == match.moves.tolist()


def test_labels_that_one_side_lacks_are_told(caplog: pytest.LogCaptureFixture) -> None:
    match = match_labels("it", ["O", "B-LOC", "I-LOC", "B-MISC"], LABELS)
    assert match.known.tolist() == [True, False, True, True]
    assert match.moves[3].tolist() == [0, 0, 0, 1]
    assert "lacks the labels B-PER" in caplog.text and "the labels B-MISC beside ours: they count for O" in caplog.text
    plain = match_labels("it", ["NOUN", "VERB", "X"], ["NOUN", "VERB"])
    assert plain.moves[2].tolist() == [0, 0]


def test_labels_of_another_scheme_count_for_those_of_ours_by_type(caplog: pytest.LogCaptureFixture) -> None:
    """What counted for O would teach that the only word of an entity is none."""
    match = match_labels("it", ["O", "B-LOC", "I-LOC", "E-LOC", "S-LOC", "S-PER"], LABELS)
    assert match.moves.argmax(1).tolist() == [3, 0, 2, 2, 0, 1] and match.known.all()
    assert caplog.messages == [
        "--teacher it has labels of another scheme, which count for ours: E-LOC for I-LOC, S-LOC for B-LOC, "
        "S-PER for B-PER"
    ]
    match = match_labels("it", ["O", "B-LOC", "M-LOC", "W-LOC"], ["O", "B-LOC", "I-LOC", "L-LOC", "U-LOC"])
    assert match.moves.argmax(1).tolist() == [0, 1, 2, 4] and match.known.tolist() == [True, True, True, False, True]
    assert match_labels("it", ["O", "B-LOC", "I-LOC"], ["I-LOC", "O"]).moves.argmax(1).tolist() == [1, 0, 0]
    assert match_labels("it", ["O", "B-LOC", "I-LOC"], ["O", "B-LOC", "E-LOC"]).moves.argmax(1).tolist() == [0, 1, 2]
    assert match_labels("it", ["O", "B-LOC"], ["O", "S-LOC"]).moves.argmax(1).tolist() == [0, 1]


def test_labels_of_other_words_under_the_same_names_are_refused(copy: Workspace) -> None:
    teacher(copy / "model", "iobes").matches()
    with pytest.raises(InvalidOption, match=r"tags in iob2, and the data are in iob1.*\n.* --scheme iob2"):
        teacher(copy / "model", "iob1").matches()


def test_a_teacher_without_any_of_our_labels_is_refused() -> None:
    with pytest.raises(InvalidOption, match="--teacher it has none of our labels: it has O, B-DRUG, and we have B-LOC"):
        match_labels("it", ["O", "B-DRUG"], LABELS)


# -- probabilities ---------------------------------------------------------------------------------


class Fixed:
    """A tagger that gives every word the same logits."""

    def __init__(self, *logits: float) -> None:
        self.given = np.array(logits, np.float32)

    def word_logits(self, sentences: Any) -> Any:
        return (np.tile(self.given, (len(words), 1)) for words in sentences)


def test_several_teachers_are_averaged_over_those_that_have_the_label_and_read_the_word() -> None:
    first, second = Fixed(np.log(0.5), np.log(0.25), np.log(0.25)), Fixed(np.log(0.9), np.log(0.1))
    matches = [match_labels("a", ["B-LOC", "B-PER", "O"], LABELS), match_labels("b", ["O", "B-LOC"], LABELS)]
    (row,) = mean_probabilities([first, second], matches, [["anna"]])  # type: ignore[list-item]
    expected = np.array([0.3, 0.25, 0, 0.575])  # I-LOC is what neither has
    assert row == pytest.approx(expected / expected.sum(), abs=1e-6)
    unread = Fixed(np.nan, np.nan)
    assert mean_probabilities([unread], matches[1:], [["x"]]).tolist() == [[0, 0, 0, 0]]  # type: ignore[list-item]
    (alone,) = mean_probabilities([first, unread], matches, [["anna"]])  # type: ignore[list-item]
    assert alone.tolist() == pytest.approx([0.5, 0.25, 0, 0.25])


@pytest.mark.parametrize("all_subwords", [False, True])
def test_each_subword_has_its_word_whatever_the_tokenizers_are(
    all_subwords: bool, trained: Path, letters: Any, tmp_path: Path
) -> None:
    """The model that learns cuts words into letters and sentences into windows; its teacher does neither."""
    source = Source(trained / "train.txt", LABELS, 12, all_subwords, taught=True)
    more = UnlabelledSource(text_file(tmp_path), LABELS, 12, all_subwords, taught=True)
    examples = load_taught_examples(source, more, letters, tmp_path / "cache", teacher(trained / "model"))
    examples.teach()
    sentences = [sentence.tokens for sentence in read_sentences(trained / "train.txt")]
    sentences += [line.split() for line in TEXT.splitlines() if line]
    words = [word for sentence in sentences for word in sentence]
    tagger = load_tagger(trained / "model", decoding="argmax")
    tags = [tag for sentence in tagger.tag(sentences) for tag in sentence]
    best = examples.teaching.rows(np.arange(len(words))).argmax(1)
    assert [LABELS[label] for label in best] == tags
    seen = []
    assert examples.unlabelled
    count = len(examples) + len(examples.unlabelled)
    for number, example in enumerate(examples.take([examples_slot(number) for number in range(count)])):
        texts = letters.convert_ids_to_tokens(example["input_ids"])
        before = NO_WORD
        for text, target, label in zip(texts, example["targets"], example["labels"], strict=True):
            if target != NO_WORD and target != before:
                assert words[target].startswith(text)
                seen.append(target)
            assert target == NO_WORD or not text.startswith("[")
            assert (label == -100) == (target == NO_WORD or number >= len(examples))
            before = target
    assert sorted(seen) == list(range(len(words)))


def examples_slot(number: int) -> Any:
    from nertool.training.steps import Slot

    return Slot(number)


# -- the loss --------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.1, 1.0, 2.0, 20.0])
def test_the_divergence_is_that_of_the_words_at_the_temperature_over_known_labels(temperature: float) -> None:
    """Also where probabilities are too small for half precision, and where their powers are too small for any."""
    chances = np.array([[0.7, 1e-12, 0.0, 0.3], [0.3, 0.36, 0.0, 0.34], [0, 0, 0, 0]])
    with np.errstate(divide="ignore"):
        rows = np.log(chances).astype(np.float16)
    known = np.array([True, True, False, True])
    teaching = Teaching([rows[:1], rows[1:]], LABELS, known, 0.25, temperature)
    scores = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    targets = torch.tensor([[NO_WORD, 1, 0, 2, NO_WORD]])
    expected = 0.0
    for position, word in ((1, 1), (2, 0)):
        soft = chances[word][known] ** (1 / temperature)
        soft /= soft.sum()
        logits = scores[0, position].detach().double().numpy()[known] / temperature
        own = logits - np.log(np.exp(logits).sum())
        expected += float((soft * (np.log(soft) - own)).sum())
    divergence = teaching.divergence(scores, targets)
    assert float(divergence.detach()) == pytest.approx(expected, rel=2e-3)
    divergence.backward()
    assert not scores.grad[0, [0, 3, 4]].any() and not scores.grad[0, :, 2].any()
    loss = teaching.loss(torch.tensor(2.0), torch.tensor(3.0))
    assert float(loss) == pytest.approx(0.75 * 2 + 0.25 * temperature**2 * 3)
    assert float(teaching.divergence(scores.detach(), torch.full((1, 5), NO_WORD))) == 0


def test_other_subwords_of_a_word_learn_that_it_goes_on() -> None:
    rows = np.array([[-0.5, -1.2, -2.3, -np.inf]], np.float16)
    teaching = Teaching([rows], LABELS, np.ones(4, bool), 1.0, 1.0)
    targets = torch.tensor([[NO_WORD, 0, 0]])
    first, other = teaching._targets(targets, targets != NO_WORD).exp().tolist()
    assert first == pytest.approx(np.exp(rows[0].astype(float)), abs=1e-3)
    assert other == pytest.approx([0.0, first[1], first[0] + first[2], 0.0], abs=1e-3)


def test_targets_go_along_with_labels_into_a_batch() -> None:
    examples = [
        {"input_ids": [2, 7, 3], "labels": [-100, 1, -100], "targets": [NO_WORD, 4, NO_WORD]},
        {"input_ids": [2, 3], "labels": [-100, -100], "targets": [5, NO_WORD]},
    ]
    step = Collator(0)(examples)
    assert step["batches"][0]["targets"].tolist() == [[-1, 4, -1], [5, -1, -1]]
    assert (step["words"], step["taught"]) == (1, 2)


# -- training --------------------------------------------------------------------------------------


def taught(workspace: Workspace, model: str, teacher: Path | str, **options: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"num_epochs": 2.0, "batch_size": 8, "learning_rate": 5e-3, **options}
    return train.run(workspace, train.Options(model=model, teachers=[str(teacher)], **settings)).facts


def test_a_model_learns_from_a_teacher_alone_what_is_computed_once(
    ready: Workspace, trained: Path, tiny_model: str, tmp_path: Path
) -> None:
    more = [str(text_file(tmp_path)), str(tmp_path / "rows.jsonl")]
    Path(more[1]).write_text(json.dumps({"text": "bruno left vienna"}) + "\n")
    facts = taught(ready, tiny_model, trained, num_epochs=4.0, distil_weight=1.0, unlabelled=more)
    assert facts["dev_f1"] > 0.9
    assert (facts["teachers"], facts["unlabelled"]) == ([trained.name], 3)
    assert "| distil_weight | `1.0` |" in (ready / "model/README.md").read_text()
    assert facts["steps"] == 4 * 15  # of 8 sentences, 4 are of train
    record = ready.records()["train"]
    names = {"teacher-1/model.safetensors", "teacher-1/config.json", "unlabelled-1/more.txt.gz"}
    assert names <= {*record["sources"]} and record["options"]["teachers"] == [trained.name]
    files = sorted((ready / EXAMPLES).glob("teachers/*/*/logarithms.npy"))
    assert [np.load(file).dtype for file in files] == [np.float16, np.float16]
    stamps = [file.stat().st_mtime_ns for file in files]
    taught(ready, tiny_model, trained / "model", seed=2, unlabelled=more, overwrite_output_dir=True, layers="1")
    assert [file.stat().st_mtime_ns for file in files] == stamps
    train.run(ready, train.Options(model=tiny_model, num_epochs=1.0, overwrite_output_dir=True))
    assert all(file.exists() for file in files)
    np.save(files[0], np.zeros((3, 4), np.float16))
    seal(files[0].parent)  # as a stranger would
    with pytest.raises(InvalidData, match="does not hold what the teachers say of these words"):
        taught(ready, tiny_model, trained / "model", seed=3, unlabelled=more, overwrite_output_dir=True)


def test_a_workspace_stands_for_the_model_that_was_trained_last(
    trained: Path, copy: Workspace, tiny_model: str, tmp_path: Path
) -> None:
    assert local_models(str(trained)) == [trained / "model"]
    train.run(copy, train.Options(model=tiny_model, num_epochs=1.0, output_dir="other"))
    assert local_models(str(copy.path)) == [copy / "other"]
    shutil.rmtree(copy / "other")
    with pytest.raises(MissingInput, match="other/config.json is missing"):
        local_models(str(copy.path))
    assert local_models(str(trained / "model")) == [trained / "model"]
    assert local_models("nobody/nothing") == []


@pytest.mark.parametrize(
    ("content", "errors", "message"),
    [
        (b"\n \n", "stop", "no sentence in the files of --unlabelled"),
        (b"anna left\n\xff\xfe\xfa\n", "stop", "2: not UTF-8.*\n.* --unlabelled-on-error skip$"),
        (b'{"text": "anna left"}\n{"words": 1}\n', "stop", "2: neither.*\n.*: --unlabelled-on-error skip$"),
        (b"#begin document (a); part 000\n", "stop", "this looks like CoNLL-2012.*\n.* JSON Lines with a field text"),
    ],
)
def test_unlabelled_text_that_is_none_is_refused(content: bytes, errors: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(InvalidData, match=message):
        UnlabelledSource(path, LABELS, 12, on_error=errors).totals()


UNREADABLE = {
    "a list": ("a.jsonl", b"[1]"),
    "broken JSON": ("a.jsonl", b'{"text": "anna"}\n{"text"'),
    "a NUL byte": ("a.txt", b"anna left\nole\0\n"),
    "a table of texts": ("a.txt", b"1\tanna left oslo\n2\tclara left vienna\n"),
    "CSV without a text": ("a.csv", b"id,note\n1,anna left\n"),
    "CSV of tokens": ("a.csv", b"sentence_id,word,tag\n1,anna,O\n"),
    "a number alone": ("a.txt", b"1 anna O\n2 left O\n3\n"),
    "no CoNLL-U": ("a.conllu", b"1\tanna\n"),
    "XML": ("a.txt", b"<?xml version='1.0'?>\n"),
    "WebAnno": ("a.tsv", b"#FORMAT=WebAnno TSV 3\n"),
    "columns in front": ("a.txt", b"sentence_id\tword\ttag\n1\tanna\tO\n"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_hints_about_unlabelled_files_name_only_options_that_train_has(what: str, tmp_path: Path) -> None:
    name, content = UNREADABLE[what]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NertoolError) as refused:
        UnlabelledSource(tmp_path / name, LABELS, 12).totals()
    known = {option for parameter in commands()["train"].params for option in parameter.opts}
    assert {*re.findall(r"(?<![\w-])--[a-z-]+", refused.value.hint)} <= {*known, "--unlabelled"}


def test_unlabelled_lines_that_are_no_text_are_left_out_with_a_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"anna left oslo\n\xff\xfe\xfa\nclara saw anna !\n")
    source = UnlabelledSource(path, LABELS, 12, on_error="skip")
    assert source.totals() == source.totals() == (2, 7)
    assert caplog.messages == ["1 record could not be read: left out"]


def test_the_form_of_unlabelled_files_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"anna\nleft\noslo\n")
    with caplog.at_level("INFO", logger="nertool"):
        source = UnlabelledSource(path, LABELS, 12)
        assert source.totals() == (1, 3) and len([*source.tagged()]) == 1
    assert caplog.messages == ["read as one token a line (JSON Lines with a field text say that it is text)"]


def test_the_same_bytes_under_another_name_are_other_sentences(tmp_path: Path, letters: Any) -> None:
    (tmp_path / "a.txt").write_text("text\nanna left oslo\n")
    shutil.copy(tmp_path / "a.txt", tmp_path / "a.csv")
    words = []
    for name in ("a.txt", "a.csv"):
        source = UnlabelledSource(tmp_path / name, LABELS, 12, taught=True)
        words.append(load_examples(source, letters, tmp_path / "cache").counts["words"])
    assert words == [4, 3]


def test_teachers_that_cannot_teach_are_refused_in_two_lines(
    ready: Workspace, trained: Path, tiny_model: str, tmp_path: Path
) -> None:
    def refused(message: str, teacher: Path | str, **options: Any) -> None:
        with pytest.raises(NertoolError, match=message) as error:
            taught(ready, tiny_model, teacher, **options)
        assert error.value.hint and not (ready / "model").exists()

    refused("no such directory, and no model of the Hub", "nobody/nothing")
    refused(r"holds a model without a head for tags\n.*: nertool train --model", tiny_model)
    refused("holds no model: it has no config.json", tmp_path)
    other = shutil.copytree(trained / "model", tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    own = {**config, "id2label": {"0": "B-X", "1": "I-X", "2": "B-Y", "3": "O"}}
    (other / "config.json").write_text(json.dumps(own))
    refused("--teacher .*other has none of our labels", other)
    code = {**config, "model_type": "own", "auto_map": {"AutoConfig": "own.Own"}}
    (other / "config.json").write_text(json.dumps(code))
    refused("comes with code of its own, which is not run", other, trust_remote_code=True)
    refused("--layers 9: .* has 2 layers", trained, layers="9")
    refused(r"the Trainer refuses its arguments.*\n.*lr_scheduler_type=x", trained, settings=["lr_scheduler_type=x"])
    unread = tmp_path / "unread.txt"
    unread.write_bytes(b"\xff\xfa\n")
    refused("unread.txt:1: not UTF-8", trained, unlabelled=[str(unread)])
    assert not (ready / EXAMPLES / "teachers").exists()
    short = {"max_tokens_per_batch": 12, "batch_size": 32}
    unread.write_text("anna left\n")
    refused(
        r"a budget of 1 sub-words for gold .*\n.*another --unlabelled-share",
        trained,
        unlabelled=[str(unread)],
        unlabelled_share=0.9,
        **short,
    )
    with pytest.raises(MissingInput, match="--unlabelled nowhere.txt: no such file"):
        taught(ready, tiny_model, trained, unlabelled=["nowhere.txt"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ensemble": True}, "--ensemble is for --seeds"),
        ({"distil_weight": 0.3}, "--distil-weight is for --teacher"),
        ({"unlabelled": ["x"]}, "--unlabelled is for --teacher"),
        ({"teachers": ["x"], "unlabelled_share": 0.2}, "--unlabelled-share is for --unlabelled"),
        ({"teachers": ["x"], "distil_temperature": 0.0}, "--distil-temperature 0.0: out of range"),
    ],
)
def test_options_that_nothing_would_use_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        train.Options(**options)
