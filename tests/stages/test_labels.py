"""Labels: the same bytes as the README's pipeline of `cat`, `cut`, `grep`, `sort` and `uniq`."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from helpers import write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from nertool.corpus import blocks as line_blocks
from nertool.errors import InvalidData, MissingInput
from nertool.stages import labels
from nertool.workspace.workspace import Workspace

PIPELINE = 'cat train.txt dev.txt test.txt | cut -d " " -f 2 | grep -v "^$" | LC_ALL=C sort | uniq'
WORD = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=5)
LINE = st.one_of(st.just(""), st.tuples(WORD, WORD).map(" ".join), st.tuples(WORD, WORD, WORD).map(" ".join))
SPLITS = st.fixed_dictionaries({name: st.lists(LINE, max_size=10) for name in ("train", "dev", "test")})


def shell(folder: Path) -> bytes:
    command = ["bash", "-c", PIPELINE]
    return subprocess.run(command, cwd=folder, env={**os.environ, "LC_ALL": "C"}, capture_output=True).stdout


def made(folder: Path, **splits: str) -> Workspace:
    for split in ("train", "dev", "test"):
        (folder / f"{split}.txt").write_text(splits.get(split, ""), encoding="utf-8", newline="\n")
    return Workspace(folder)


@pytest.mark.parametrize(
    "splits",
    [
        {"train": "a O\nb B-PER\n\nc I-PER\n", "dev": "d O\n\n", "test": "e B-LOC\n"},
        {"train": "a O\n\n", "dev": "b I-ORGderiv\n\n"},
        {"train": "a B-Größe\nb B-Zahl\nc B-Ähre\nd b\ne 0\nf B-é\ng B-e\nh B-\U0001f600\ni B-\uffff\n"},
        {"train": "a O\n\n\n\nb B-creative-work", "dev": "\n\n", "test": "c I-X extra\n"},
        {"train": "# O\n\u200b B-X\n\x96 B-Y\n#tag B-#\n"},
        {"train": "a O \nb B-X  \n  \nc B-x\n"},
    ],
)
def test_labels_are_the_bytes_of_the_pipeline(tmp_path: Path, splits: dict[str, str]) -> None:
    workspace = made(tmp_path, **splits)
    result = labels.run(workspace, labels.Options())
    written = (workspace / "labels.txt").read_bytes()
    assert written == shell(tmp_path)
    assert result.facts == {"labels": written.count(b"\n"), "tags": written.decode().splitlines()}


@settings(max_examples=40, deadline=None)
@given(SPLITS)
def test_any_files_give_the_labels_of_the_pipeline(splits: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made(folder, **{split: "".join(f"{line}\n" for line in lines) for split, lines in splits.items()})
        found = labels.distinct_tags(folder / f"{split}.txt" for split in splits)
        assert "".join(f"{tag}\n" for tag in found).encode() == shell(folder)


def test_a_split_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "dev.txt").write_text("a B-X\n")
    assert labels.run(Workspace(tmp_path), labels.Options()).facts["tags"] == ["B-X"]


@pytest.mark.parametrize("line", ["token", "token ", "token  B-X"])
def test_a_line_without_tag_is_named_and_nothing_is_published(tmp_path: Path, line: str) -> None:
    workspace = made(tmp_path, train="a O\n\n", dev=f"b O\n\n{line}\n")
    with pytest.raises(InvalidData, match=r"dev\.txt:3: no tag behind the token"):
        labels.run(workspace, labels.Options())
    assert not (workspace / "labels.txt").exists()
    assert "labels" not in workspace.records()


def test_without_preprocess_the_command_that_helps_is_named(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    with pytest.raises(MissingInput, match=r"train\.txt is missing") as error:
        labels.run(Workspace(tmp_path), labels.Options())
    assert error.value.hint == f"Run: nertool preprocess -w {tmp_path}"


def test_a_second_run_does_nothing_and_a_changed_split_runs_again(tmp_path: Path) -> None:
    workspace = made(tmp_path, train="a O\n", dev="b B-X\n")
    assert not labels.run(workspace, labels.Options()).fresh
    before = json.loads((workspace / "workspace.json").read_text())
    assert labels.run(workspace, labels.Options()).fresh
    assert json.loads((workspace / "workspace.json").read_text()) == before
    (workspace / "test.txt").write_text("c B-Y\n")
    again = labels.run(workspace, labels.Options())
    assert (again.fresh, again.why, again.facts["tags"]) == (False, "again: test.txt changed", ["B-X", "B-Y", "O"])


@settings(max_examples=60, deadline=None)
@given(splits=SPLITS, block=st.integers(1, 5), longest=st.integers(1, 5), remembered=st.integers(0, 5))
def test_blocks_and_what_is_remembered_of_them_change_no_label(
    splits: dict[str, list[str]], block: int, longest: int, remembered: int
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        made(folder, **{split: "".join(f"{line}\n" for line in lines) for split, lines in splits.items()})
        whole = labels.distinct_tags(folder / f"{split}.txt" for split in splits)
        patch.setattr(line_blocks, "LINES_AHEAD", block)
        patch.setattr(line_blocks, "LONGEST_SENTENCE", longest)
        patch.setattr(labels, "REMEMBERED_LINES", remembered)
        assert labels.distinct_tags(folder / f"{split}.txt" for split in splits) == whole
    tags = {line.split(" ")[1] for lines in splits.values() for line in lines if line}
    assert whole == sorted(tags, key=str.encode)


@settings(max_examples=60, deadline=None)
@given(
    sound=st.lists(LINE, max_size=10),
    more=st.lists(LINE | st.just("token"), max_size=5),
    line=st.sampled_from(["token", "token ", "token  B-X"]),
    block=st.integers(1, 12),
    remembered=st.integers(0, 5),
)
def test_the_first_line_without_tag_is_named_whatever_the_blocks(
    sound: list[str], more: list[str], line: str, block: int, remembered: int
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "LINES_AHEAD", block)
        patch.setattr(labels, "REMEMBERED_LINES", remembered)
        path = Path(name) / "dev.txt"
        path.write_text("".join(f"{line}\n" for line in [*sound, line, *more]), encoding="utf-8", newline="\n")
        with pytest.raises(InvalidData, match=rf"dev\.txt:{len(sound) + 1}: no tag behind the token: '{line}'"):
            labels.distinct_tags([path])


def test_a_file_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    workspace = made(tmp_path, train="a O\n")
    (tmp_path / "dev.txt").write_bytes(b"b O\n\n\xe4 B-X\n")
    with pytest.raises(InvalidData, match=r"dev\.txt: not UTF-8 in line 3"):
        labels.run(workspace, labels.Options())
    assert not (workspace / "labels.txt").exists()


def test_lines_with_more_fields_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    workspace = made(tmp_path, train="a NNP B-PER\nb VBD O\n", dev="a B-PER \n")
    assert labels.run(workspace, labels.Options()).facts["tags"] == ["B-PER", "NNP", "VBD"]
    assert "train.txt: lines with more than a token and a tag, such as 'NNP B-PER'" in caplog.text
    assert "dev.txt" not in caplog.text
