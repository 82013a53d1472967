"""Standard streams that are closed or full, in every command: no traceback, and no message in a file of data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import commands

from nertool.workspace.workspace import Workspace

STREAMS = {
    "usual": ("open", "open", "open"),
    ">/dev/full": ("open", "full", "open"),
    ">&-": ("open", "closed", "open"),
    "2>/dev/full": ("open", "open", "full"),
    "2>&-": ("open", "open", "closed"),
    "<&-": ("closed", "open", "open"),
    "<&- >&- 2>&-": ("closed", "closed", "closed"),
}
"""Standard input, output and error, by the words of the shell."""
LIGHT = {"--version", "--help", "labels", "status"}
OF_ALL = ("usual", ">/dev/full", "<&- >&- 2>&-")
"""For the commands that take longer."""
LOST = {"full": "No space left on device", "closed": "Bad file descriptor"}
DRIVER = """
import json, os, sys, traceback
from importlib import import_module
from nertool.cli.main import main

cases, folder = json.load(open(sys.argv[1])), sys.argv[2]
for name in sys.argv[3:]:
    import_module(name)  # once for all commands
for number, (arguments, streams) in enumerate(cases):
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        with open(f"{folder}/{number}.code", "w") as file:
            file.write(str(os.waitstatus_to_exitcode(status)))
        continue
    code = 1
    try:
        for descriptor, kind in enumerate(streams):
            place = "/dev/full" if kind == "full" else f"{folder}/{number}.{descriptor}"
            opened = os.open(place, os.O_RDWR | os.O_CREAT)
            os.dup2(opened, descriptor)
            os.close(opened)
        for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
            if streams[descriptor] == "closed":  # as Python finds it at its start
                os.close(descriptor)
                setattr(sys, name, None)
        sys.argv = ["nertool", *arguments]
        main()
    except SystemExit as ending:
        code = ending.code
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # to tear down the interpreter takes longer than most commands
"""
"""Runs each command in a process of its own that has loaded what is heavy already."""
LOADED = [
    *("nertool.chain", "nertool.cli.tables", "nertool.cli.commands", "nertool.models.tagger", "nertool.stages.check"),
    *("nertool.scoring.score_files", "nertool.scoring.bootstrap", "nertool.documents.writers"),
    *("transformers.models.bert.modeling_bert", "rich.table", "filelock"),
]
"""Modules that the commands need."""
TRAINED = ["--num-epochs", "8", "--batch-size", "4", "--learning-rate", "5e-3", "--save-steps", "1000"]
"""How `helpers.fill` trains, so that there is nothing to do."""


def run_all(folder: Path, cases: list[tuple[list[str], tuple[str, ...]]]) -> list[tuple[int, str, str]]:
    """Run commands; returns exit status, standard output and standard error of each."""
    folder.mkdir()
    (folder / "cases").write_text(json.dumps(cases))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    subprocess.run([sys.executable, "-c", DRIVER, folder / "cases", folder, *LOADED], check=True, env=environment)
    return [
        (int(read(folder / f"{n}.code")), read(folder / f"{n}.1"), read(folder / f"{n}.2")) for n in range(len(cases))
    ]


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.fixture
def calls(copy: Workspace, tiny_model: str, tmp_path: Path) -> dict[str, list[str]]:
    """A call of every command that ends with 0 and prints something; those that take long have nothing to do."""
    place, model = ["-w", str(copy.path)], ["--model", tiny_model]
    columns = tmp_path / "columns"
    columns.write_text("anna B-PER B-PER\nleft O O\n")
    new = str(tmp_path / "new")
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
        "predict -o": ["predict", str(copy / "dev.txt"), "-o", str(tmp_path / "out"), "--force", *place],
        "predict": ["predict", str(copy / "dev.txt"), *place],
        "predict --split": ["predict", "--split", "dev", *place, "--force"],
        "check": ["check", "--json", *place],
        "score": ["score", str(columns)],
        "status": ["status", *place],
        "run": ["run", "--until", "labels", *model, *place],
    }


@pytest.mark.slow
def test_every_command_with_every_stream(calls: dict[str, list[str]], copy: Workspace, tmp_path: Path) -> None:
    assert {name.partition(" ")[0] for name in calls} >= commands().keys()
    kinds = [(kind, name) for kind in STREAMS for name in calls if name in LIGHT or kind in OF_ALL]
    ends = dict(
        zip(kinds, run_all(tmp_path / "ends", [(calls[name], STREAMS[kind]) for kind, name in kinds]), strict=True)
    )
    for (kind, name), (code, out, err) in ends.items():
        _, usual, _ = ends["usual", name]
        lost = LOST.get(STREAMS[kind][1]) if usual else None
        assert code == (1 if lost else 0), (kind, name, err)
        assert out == ("" if STREAMS[kind][1] in LOST else usual), (kind, name)
        assert "Traceback" not in err and "Exception ignored" not in err
        if lost and STREAMS[kind][2] == "open":
            assert err.splitlines()[-2] == f"error: standard output cannot be written: {lost}", (kind, name)
    files = [file for file in tmp_path.rglob("*") if file.is_file() and file.parent.name != "ends"]
    assert (tmp_path / "out") in files and (tmp_path / "new/train.txt.tmp") in files, "the work is done"
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
