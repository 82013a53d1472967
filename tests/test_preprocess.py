"""Preprocess: the original script's few lines as oracle, what is counted and said, and what is refused."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertool.encode import Subwords, load_tokenizer
from nertool.errors import InvalidData, InvalidOption, MissingInput
from nertool.stages import download, labels, preprocess
from nertool.stages.preprocess import Counts, Options, fit_lines
from nertool.workspace import Workspace

SPLITS = ("train", "dev", "test")
GONE = ["\x96", "\x80\x96", "\u200b", "\xad", "\x01", "\ufffd"]
TOKEN = st.one_of(
    st.sampled_from(
        ["anna", "oslo", "Vienna", "visited", ".", "#x", "[SEP]", "[PAD]", "\x85", "\x1c", "a\xa0b", *GONE]
    ),
    st.text(st.sampled_from("abcxyz019-'@"), min_size=1, max_size=40),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n"), min_size=1, max_size=4),
)
LINE = st.one_of(
    st.sampled_from(["", "", " ", "\t", "  \x0b"]),
    st.builds(
        lambda token, tag: token + tag, TOKEN, st.sampled_from([" O", " B-X", "  O ", "\tO", " O\x96", " O\r", "", " "])
    ),
)
CONTENT = st.builds(lambda lines, end: "\n".join(lines) + end, st.lists(LINE, max_size=30), st.sampled_from(["", "\n"]))


@pytest.fixture(scope="module")
def tokenizers(tiny_model: str) -> dict[str, Any]:
    """The same vocabulary, read by the fast tokenizer and by the slow one."""
    from transformers import BertTokenizer

    return {"fast": load_tokenizer(tiny_model), "slow": BertTokenizer.from_pretrained(tiny_model)}


def script(path: Path, tokenizer: Any, max_length: int) -> str:
    """What the original script prints."""
    printed = ""
    counter = 0
    max_length -= tokenizer.num_special_tokens_to_add()
    with path.open(encoding="utf-8") as file:
        for line in file:
            line = line.rstrip()
            if not line:
                printed += line + "\n"
                counter = 0
                continue
            length = len(tokenizer.tokenize(line.split()[0]))
            if length == 0:
                continue
            if counter + length > max_length:
                printed += "\n" + line + "\n"
                counter = length
                continue
            counter += length
            printed += line + "\n"
    return printed


def fitted(lines: Iterable[str], tokenizer: Any, budget: int) -> tuple[str, Counts]:
    counts = Counts()
    return "".join(fit_lines(lines, Subwords(tokenizer), budget, counts)), counts


def counted(before: str, after: str) -> Counts:
    """The counts, from the files alone."""
    lines = [line.strip() for line in io.StringIO(before, newline=None)]
    kept = after.split("\n")[:-1]
    sentences = sum(bool(line) and not last for line, last in zip(kept, ["", *kept], strict=False))
    tokens = sum(map(bool, kept))
    return Counts(sentences, tokens, sum(map(bool, lines)) - tokens, kept.count("") - lines.count(""))


def write(folder: Path, train: str | bytes) -> Workspace:
    folder.mkdir(exist_ok=True)
    (folder / "train.txt.tmp").write_bytes(train.encode() if isinstance(train, str) else train)
    return Workspace(folder)


@pytest.mark.parametrize("kind", ["fast", "slow"])
@settings(max_examples=200, deadline=None)
@given(content=CONTENT, budget=st.integers(1, 14), block=st.integers(1, 40))
def test_any_file_becomes_what_the_original_script_prints(
    kind: str, content: str, budget: int, block: int, tokenizers: dict[str, Any]
) -> None:
    tokenizer = tokenizers[kind]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(preprocess, "LINES_AHEAD", block)
        path = Path(folder) / "file.txt.tmp"
        path.write_text(content, encoding="utf-8", newline="\n")
        with path.open(encoding="utf-8") as lines:
            after, counts = fitted(lines, tokenizer, budget)
        assert after == script(path, tokenizer, budget + tokenizer.num_special_tokens_to_add())
        assert counts == counted(content, after)


@pytest.mark.parametrize("kind", ["fast", "slow"])
@pytest.mark.parametrize(
    ("content", "budget", "wanted"),
    [
        ("abc O\nde O\n", 5, "abc O\nde O\n"),
        ("abc O\nde O\n", 4, "abc O\n\nde O\n"),
        ("abcdef O\na O\n", 3, "\nabcdef O\n\na O\n"),
        ("a O\n\nabcdef O\n\na O\n", 3, "a O\n\n\nabcdef O\n\na O\n"),
        ("\n\n\na O\n\n\nb O\n\n\n", 3, "\n\n\na O\n\n\nb O\n\n\n"),
        ("ab O\n\x96 O\nc O\n", 3, "ab O\nc O\n"),
        ("\x96 O\n\n\x96 O\na O", 3, "\na O\n"),
        ("ab B-X\ncd I-X\n", 3, "ab B-X\n\ncd I-X\n"),
        ("a O  \nb\tO\t\n \t \nc\n", 3, "a O\nb\tO\n\nc\n"),
        ("ab O\r\n\r\ncd O\re O\r\n", 3, "ab O\n\ncd O\ne O\n"),
        ("\x85 abcd O\n", 3, "\n\x85 abcd O\n"),
        ("", 3, ""),
    ],
)
def test_the_rules_one_by_one(
    kind: str, content: str, budget: int, wanted: str, tokenizers: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "file.txt.tmp"
    path.write_text(content, encoding="utf-8", newline="")
    with path.open(encoding="utf-8") as lines:
        assert fitted(lines, tokenizers[kind], budget)[0] == wanted
    assert script(path, tokenizers[kind], budget + 2) == wanted


def test_a_run_writes_every_split_and_counts(tiny_model: str, tokenizers: dict[str, Any], tmp_path: Path) -> None:
    workspace = write(tmp_path, "anna O\n\x96 O\n" + "abcdefgh O\n" * 3 + "\n\n\u200b O\n\n")
    (tmp_path / "test.txt.tmp").write_text("oslo B-LOC")
    result = preprocess.run(workspace, Options(model=tiny_model, max_length=20))
    for split in ("train", "test"):
        written = (workspace / f"{split}.txt").read_bytes().decode()
        assert written == script(workspace / f"{split}.txt.tmp", tokenizers["slow"], 20)
    assert not (workspace / "dev.txt").exists()
    assert result.facts == {
        "train": {"sentences": 2, "tokens": 4, "dropped": 2, "breaks": 1},
        "test": {"sentences": 1, "tokens": 1, "dropped": 0, "breaks": 0},
    }


def test_exactly_the_maximum_length_fits(tiny_model: str, tmp_path: Path) -> None:
    workspace = write(tmp_path, "abcdefgh O\n")
    assert preprocess.run(workspace, Options(model=tiny_model, max_length=10)).facts["train"]["breaks"] == 0
    assert preprocess.run(workspace, Options(model=tiny_model, max_length=9)).facts["train"]["breaks"] == 1


def test_what_is_dropped_or_broken_is_said(
    tiny_model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("nertool"), "propagate", True)
    workspace = write(tmp_path, "\x96 O\nanna O\n\x96 O\n" + "abcdefgh O\n" * 3)
    (tmp_path / "dev.txt.tmp").write_text("\x80 O\n", encoding="utf-8")
    preprocess.run(workspace, Options(model=tiny_model, max_length=20))
    said = [record.getMessage() for record in caplog.records if record.name == "nertool"]
    assert said == [
        "tokens without sub-words, dropped: 2 in train, 1 in dev",
        "blank lines put in, so that no sentence passes 20 sub-words: 1 in train",
    ]


def test_nothing_is_said_where_nothing_is_lost(
    workspace: Workspace, tiny_model: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("nertool"), "propagate", True)
    preprocess.run(workspace, Options(model=tiny_model))
    assert [record for record in caplog.records if record.name == "nertool"] == []
    for split in SPLITS:
        assert (workspace / f"{split}.txt").read_bytes() == (workspace / f"{split}.txt.tmp").read_bytes()


def test_a_second_run_is_fresh_and_another_length_or_file_runs_again(workspace: Workspace, tiny_model: str) -> None:
    assert not preprocess.run(workspace, Options(model=tiny_model)).fresh
    record = (workspace / "workspace.json").read_bytes()
    assert preprocess.run(workspace, Options(model=tiny_model)).fresh
    assert (workspace / "workspace.json").read_bytes() == record
    assert preprocess.run(workspace, Options(model=tiny_model, max_length=30)).why == "again: max length is another"
    with (workspace / "dev.txt.tmp").open("a") as dev:
        dev.write("anna B-PER\n")
    assert preprocess.run(workspace, Options(model=tiny_model, max_length=30)).why == "again: dev.txt.tmp changed"
    assert (workspace / "dev.txt").read_text().endswith("\nanna B-PER\n")


@pytest.mark.parametrize("max_length", [2, 1, 0, -5])
def test_a_length_without_room_is_refused(workspace: Workspace, tiny_model: str, max_length: int) -> None:
    with pytest.raises(InvalidOption, match=f"--max-length {max_length} leaves no room"):
        preprocess.run(workspace, Options(model=tiny_model, max_length=max_length))
    assert not (workspace / "train.txt").exists()
    assert workspace.records() == {}


def test_a_model_that_is_not_there_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="no tokenizer for --model") as error:
        preprocess.run(workspace, Options(model=str(tmp_path / "nothing")))
    assert "minilm" in error.value.hint


def test_without_download_the_command_that_helps_is_named(tmp_path: Path, tiny_model: str) -> None:
    with pytest.raises(MissingInput, match=r"train\.txt\.tmp is missing") as error:
        preprocess.run(Workspace(tmp_path), Options(model=tiny_model))
    assert error.value.hint == f"Run: nertool download RECIPE -w {tmp_path}"


def test_a_file_that_is_not_utf8_is_named_with_its_line_and_no_split_is_published(
    workspace: Workspace, tiny_model: str
) -> None:
    (workspace / "dev.txt.tmp").write_bytes(b"anna O\n\nM\xfcller B-PER\n")
    with pytest.raises(InvalidData, match=r"dev\.txt\.tmp: not UTF-8 in line 3"):
        preprocess.run(workspace, Options(model=tiny_model))
    assert not list(workspace.path.glob("*.txt"))
    assert workspace.records() == {}


@pytest.mark.parametrize("max_length", [128, 24])
def test_the_edge_cases_are_those_of_the_original_script(max_length: int, shared: Path, tmp_path: Path) -> None:
    folder = shared / "expected/preprocess"
    workspace = write(tmp_path, (folder / "edge.txt.tmp").read_bytes())
    model = str(shared / "models/bert-base-multilingual-cased")
    preprocess.run(workspace, Options(model=model, max_length=max_length))
    assert (workspace / "train.txt").read_bytes() == (folder / f"edge.mbert-{max_length}.txt").read_bytes()


@pytest.mark.parametrize(
    ("recipe", "model"), [("germeval2014", "bert-base-multilingual-cased"), ("wnut17", "bert-base-cased")]
)
def test_real_data_becomes_what_the_original_script_prints(
    recipe: str, model: str, shared: Path, tmp_path: Path
) -> None:
    germeval, mark, wnut = (shared / "expected/README.md").read_text(encoding="utf-8").partition("| wnut17")
    table = germeval if recipe == "germeval2014" else mark + wnut
    wanted = dict(re.findall(r"\| ([\w.]+)(?: \(\d+ tags\))? \| ([0-9a-f]{64})", table))
    assert sorted(wanted) == sorted(
        ["labels.txt", *(f"{split}{end}" for split in SPLITS for end in (".txt", ".txt.tmp"))]
    )
    workspace = Workspace(tmp_path)
    download.run(workspace, download.Options(recipe=recipe, source=str(shared / "data" / recipe)))
    preprocess.run(workspace, Options(model=str(shared / "models" / model)))
    labels.run(workspace, labels.Options())
    assert {name: hashlib.sha256((workspace / name).read_bytes()).hexdigest() for name in wanted} == wanted
