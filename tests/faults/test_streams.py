"""Standard streams that are closed or full, in every command: no traceback, and no message in a file of data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from faults.bench import Bench
from helpers import commands

STREAMS = {
    ">/dev/full": ("open", "full", "open"),
    ">&-": ("open", "closed", "open"),
    "2>/dev/full": ("open", "open", "full"),
    "2>&-": ("open", "open", "closed"),
    "<&-": ("closed", "open", "open"),
    "<&- >&- 2>&-": ("closed", "closed", "closed"),
    ">/dev/full 2>/dev/full": ("open", "full", "full"),
    ">&- 2>/dev/full": ("open", "closed", "full"),
    "<&- >/dev/full": ("closed", "full", "open"),
}
"""Standard input, output and error, by the words of the shell."""
LIGHT = {"--version", "--help", "labels", "status"}
OF_ALL = (">/dev/full", "<&- >&- 2>&-")
"""For the commands that take longer."""
LOST = {"full": "No space left on device", "closed": "Bad file descriptor"}
TRAINED = ["--num-epochs", "8", "--batch-size", "4", "--learning-rate", "5e-3", "--save-steps", "1000"]
"""How `helpers.fill` trains, so that there is nothing to do."""


def calls_in(bench: Bench) -> dict[str, list[str]]:
    """A call of every command that ends with 0 and prints something; those that take long have nothing to do."""
    copy = bench.copy()
    place, model = ["-w", str(copy)], ["--model", bench.model]
    columns = copy.parent / "columns"
    columns.write_text("anna B-PER B-PER\nleft O O\n")
    new = str(copy.parent / "new")
    return {
        "--version": ["--version"],
        "--help": ["--help"],
        "-h": ["train", "-h"],
        "download": ["download", "--train-file", str(copy / "train.txt"), "-w", new, "--force"],
        "preprocess": ["preprocess", *model, *place, "--force"],
        "labels": ["labels", *place, "--force"],
        "train": ["train", *model, *TRAINED, *place],
        "evaluate": ["evaluate", *place],
        "quantize": ["quantize", "--print-config", *place],
        "predict -o": ["predict", str(copy / "dev.txt"), "-o", str(copy.parent / "out"), "--force", *place],
        "predict": ["predict", str(copy / "dev.txt"), *place],
        "predict --split": ["predict", "--split", "dev", *place, "--force"],
        "check": ["check", "--json", *place],
        "score": ["score", str(columns)],
        "status": ["status", *place],
        "run": ["run", "--until", "labels", *model, *place],
        "serve": ["serve", "--print-config", *place],
        "export": ["export", "--print-config", "-o", str(copy.parent / "export"), *place],
    }


def check_stream(bench: Bench, call: list[str], kind: str, usual: str) -> None:
    """Run a command with streams that are closed or full.

    Args:
        usual: what it prints on standard output where that is open.
    """
    _, out, err = STREAMS[kind]
    end = bench.forks.run(*call, streams=STREAMS[kind])
    lost = LOST.get(out) if usual else None
    assert end.code == (1 if lost else 0), end.err
    assert end.out == ("" if out in LOST else usual)
    assert "Traceback" not in end.err and "Exception ignored" not in end.err, end.err
    if lost and err == "open":
        assert end.err.splitlines()[-2] == f"error: standard output cannot be written: {lost}"


def usual_output(bench: Bench, call: list[str]) -> str:
    """What a command prints; it is run twice, as the second time it may find less to do."""
    ends = [bench.forks.run(*call) for _ in range(2)]
    assert [end.code for end in ends] == [0, 0], ends[0].err
    return ends[1].out


@pytest.mark.slow
def test_every_command_with_every_stream(bench: Bench) -> None:
    calls = calls_in(bench)
    assert {name.partition(" ")[0] for name in calls} >= commands().keys()
    for name, call in calls.items():
        usual = usual_output(bench, call)
        for kind in STREAMS if name in LIGHT else OF_ALL:
            check_stream(bench, call, kind, usual)
    files = [file for file in bench.folder.rglob("*") if file.is_file()]
    assert {"out", "train.txt.tmp"} <= {file.name for file in files}, "the work is done"
    assert [file for file in files if b"done in" in file.read_bytes()] == [], "no message is in a file of data"


@pytest.mark.parametrize("streams", [">/dev/full", ">&-"])
def test_an_error_is_told_where_there_is_no_output(streams: str, tmp_path: Path) -> None:
    """By the shell itself: of the error and of lost output the first one counts."""
    shell = f"{sys.executable} -m nertool labels -w {tmp_path}/none {streams}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {tmp_path}/none/train.txt is missing",
        f"Run: nertool preprocess -w {tmp_path}/none",
    ]


def test_the_streams_of_a_shell(tmp_path: Path) -> None:
    call = f"{sys.executable} -m nertool status -w {tmp_path}"
    for streams, code in {">&-": 1, ">/dev/full": 1, "2>&-": 0, "2>/dev/full": 0, "<&-": 0, "| head -0": 1}.items():
        done = subprocess.run(["bash", "-o", "pipefail", "-c", f"{call} {streams}"], capture_output=True, text=True)
        assert done.returncode == code
        assert len(done.stderr.splitlines()) == (2 if streams.startswith(">") else 0), done.stderr
