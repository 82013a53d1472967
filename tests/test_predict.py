"""Tagging: order, places and forms of what comes out, from Python; the shell's view is in test_cli.py."""

from __future__ import annotations

import io
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nertool.errors import InvalidData, InvalidOption, MissingInput
from nertool.stages import evaluate, predict
from nertool.tagger import load_tagger
from nertool.workspace import Workspace


def tag(trained: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, **options: object) -> str:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    return "".join(predict.tag_files(Workspace(trained), predict.Options(**options)))  # type: ignore[arg-type]


def test_tokens_in_and_tags_out(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tag(trained, monkeypatch, b"anna\nvisited\noslo\n.\n\nbruno O\nleft O\nvienna O\n! O\n")
    assert out == "anna B-PER\nvisited O\noslo B-LOC\n. O\n\nbruno B-PER\nleft O\nvienna B-LOC\n! O\n\n"


def test_text_in_and_places_in_the_text_out(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tag(trained, monkeypatch, b"anna visited  new lisbon.\n", format="jsonl")
    row = json.loads(out)
    assert [(entity["label"], entity["text"]) for entity in row["entities"]] == [("PER", "anna"), ("LOC", "new lisbon")]
    for entity in row["entities"]:
        assert row["text"][entity["start"] : entity["end"]] == entity["text"]


def test_files_are_tagged_in_their_order(trained: Path, tmp_path: Path) -> None:
    names = []
    for name, line in (("b", "bruno left oslo ."), ("a", "anna left vienna .")):
        (tmp_path / name).write_text(line + "\n")
        names.append(str(tmp_path / name))
    out = list(predict.tag_files(Workspace(trained), predict.Options(files=names)))
    assert [text.split(" ")[0] for text in out] == ["bruno", "anna"]


def test_sentences_come_out_in_order_whatever_their_length(trained: Path) -> None:
    tagger = load_tagger(trained / "model")
    sentences = [["anna"] * length for length in (5, 190, 1, 0, 33, 200, 2)]
    assert [len(tags) for tags in tagger.tag(sentences)] == [5, 190, 1, 0, 33, 200, 2]
    assert (tagger.windowed, tagger.without_subwords) == (2, 0)


def test_a_sentence_is_tagged_the_same_alone_and_among_others(trained: Path) -> None:
    tagger = load_tagger(trained / "model")
    sentences = [["clara", "saw", "new", "lisbon", "!"], ["oslo"], ["anna", "left"] * 20]
    assert [next(tagger.tag([one])) for one in sentences] == list(tagger.tag(sentences))


def test_the_stream_is_read_as_it_is_tagged(trained: Path) -> None:
    """Memory does not grow with the input: the reader is never far ahead of the writer."""
    from nertool.tagger import SENTENCES_AHEAD

    read = 0

    def endless():  # type: ignore[no-untyped-def]
        nonlocal read
        while True:
            read += 1
            yield ["anna"]

    tagged = load_tagger(trained / "model").tag(endless())
    next(tagged)
    assert read == SENTENCES_AHEAD


def test_predictions_of_a_split_are_those_of_evaluate(trained: Path, tmp_path: Path) -> None:
    workspace = Workspace(shutil.copytree(trained, tmp_path / "copy"))
    evaluate.run(workspace, evaluate.Options(split=["dev"]))
    predict.run(workspace, predict.Options(split="dev"))
    scored = (workspace / "evaluation/dev_predictions.txt").read_text().splitlines()
    tagged = (workspace / "predictions/dev.conll").read_text().splitlines()
    assert [line.split(" ")[-1] for line in scored] == [line.split(" ")[-1] for line in tagged]


def test_bad_input_is_named(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidData, match="standard input:2: not UTF-8"):
        tag(trained, monkeypatch, b"anna\n\xff\n", input="tokens")
    with pytest.raises(MissingInput, match="nowhere.txt: no such file"):
        tag(trained, monkeypatch, b"", files=["nowhere.txt"])
    with pytest.raises(InvalidOption, match="no such split"):
        predict.run(Workspace(trained), predict.Options(split="validation"))
    assert tag(trained, monkeypatch, b"") == ""


def test_tags_go_to_stdout_while_a_terminal_shows_progress(trained: Path) -> None:
    screen, terminal = pty.openpty()
    command = [sys.executable, "-m", "nertool", "predict", "--input", "text", "-w", str(trained)]
    done = subprocess.run(command, input=b"anna left oslo .\n" * 50, stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    assert done.stdout == b"anna B-PER\nleft O\noslo B-LOC\n. O\n\n" * 50
    assert b"predict" in os.read(screen, 10_000)
    os.close(screen)


def test_a_split_is_read_as_evaluate_reads_it(trained: Path, tmp_path: Path) -> None:
    """White space inside a token that is no space or line end belongs to the token."""
    workspace = Workspace(shutil.copytree(trained, tmp_path / "copy"))
    with (workspace / "test.txt").open("a") as file:
        file.write("new\u00a0lisbon B-LOC\n\u0085 O\n\n")
    predict.run(workspace, predict.Options(split="test", allow_stale=True))
    evaluate.run(workspace, evaluate.Options(split=["test"], allow_stale=True))
    tagged = (workspace / "predictions/test.conll").read_text().split("\n")[-4:]
    scored = (workspace / "evaluation/test_predictions.txt").read_text().split("\n")[-4:]
    assert [line.split(" ")[0] for line in tagged] == ["new\u00a0lisbon", "\u0085", "", ""]
    assert [line.split(" ")[0] for line in tagged] == [line.split(" ")[0] for line in scored]
