"""`runs.jsonl`: every run of a stage with its times and its command line; the records themselves hold no clock."""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypedDict

from nertool.errors import command
from nertool.workspace.atomic import replacing
from nertool.workspace.digests import FILE_LIMIT, json_text
from nertool.workspace.names import RUNS

TRUST = ("--trust-remote-code", "--trust_remote_code")
"""How the option is written that lets code of a model run."""


class Run(TypedDict):
    """A line of `runs.jsonl`."""

    stage: str  # name of the record, such as `train` or `evaluate:dev`
    started: str  # time in UTC, such as 2026-01-31T12:00:00Z
    seconds: float  # duration
    outcome: str  # done, failed or interrupted
    command: str  # the command line; empty where the stage was run from Python


@contextmanager
def logged(root: Path, stage: str, invocation: str) -> Iterator[None]:
    """Append one line when the block ends."""
    started, outcome = time.time(), "failed"
    try:
        yield
        outcome = "done"
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    finally:
        line: Run = {
            "stage": stage,
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            "seconds": round(time.time() - started, 3),
            "outcome": outcome,
            "command": invocation,
        }
        with suppress(OSError):  # keep the first error
            _part_from_others(root / RUNS)
            with (root / RUNS).open("a", encoding="utf-8") as log:
                log.write(json_text(line, indent=None))


def _part_from_others(path: Path) -> None:
    """Give a file that has other names (hard links) a content of its own: a copy that cp -al made stays as it is."""
    if path.exists() and path.stat().st_nlink > 1:
        with replacing(path) as partial:
            shutil.copyfile(path, partial)


def last_command_line(root: Path, stage: str) -> str:
    """The command line that ran a stage last without an error, on this workspace; empty where none is known."""
    last = ""
    with suppress(OSError), (root / RUNS).open(encoding="utf-8", errors="replace") as log:
        while line := log.readline(FILE_LIMIT):
            last = _command_in(line, stage) or last
    return kept_command(root, last, stage)


def kept_command(root: Path, line: str, stage: str, without: Collection[str] = ()) -> str:
    """A command line out of a file of the workspace, for a hint; a stranger may have written the file.

    Empty for one that runs another stage. The person at the terminal says anew which code is trusted.

    Args:
        line: as it was logged.
        stage: that it should run.
        without: switches that are left out.
    """
    again = on_workspace(root, line, (*without, *TRUST))
    return again if shlex.split(again)[1:2] in ([stage.partition(":")[0]], ["run"]) else ""


def _command_in(line: str, stage: str) -> str:
    """The command of a log line, if it says that `stage` is done."""
    try:
        run = json.loads(line)
    except (ValueError, RecursionError):  # a line that a full disk cut short
        return ""
    if not isinstance(run, dict) or (run.get("stage"), run.get("outcome")) != (stage, "done"):
        return ""
    text = run.get("command")
    return text if isinstance(text, str) else ""


def on_workspace(root: Path, line: str, without: Collection[str] = ()) -> str:
    """A logged command line for the workspace `root`, which may have been moved or named otherwise since.

    Empty for one that is empty or damaged.

    Args:
        without: switches that are left out.
    """
    try:
        arguments = shlex.split(line)
    except ValueError:  # a quote that is not closed
        return ""
    kept = []
    rest = iter(arguments[1:])
    for argument in rest:
        if argument in ("-w", "--workspace"):
            next(rest, None)
        elif not argument.startswith(("--workspace=", "-w")) and argument not in without:
            kept.append(argument)
    return command(root, *kept) if kept else ""
