"""What a terminal shows: tables in few columns, errors, and `predict --interactive`."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from pathlib import Path

import pytest
from faults.forks import Forks

from nertool.cli.cells import table_of
from nertool.cli.output import print_table


def on_terminal(forks: Forks, *arguments: str, typed: bytes = b"", code: int = 0, **environment: str) -> str:
    """What the terminal shows of a command where this is typed before it starts."""
    screen, keyboard = pty.openpty()
    os.write(screen, typed)
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), keyboard)
    with subprocess.Popen(forks.command(*arguments), env={**os.environ, **environment}, **streams) as process:
        os.close(keyboard)
        shown = b""
        while select.select([screen], [], [], 30)[0]:
            try:
                shown += os.read(screen, 1 << 16)
            except OSError:  # nobody has the terminal open any more
                break
        else:
            process.kill()
            pytest.fail(f"it goes on after the input has ended: {shown.decode()}")
    os.close(screen)
    assert process.returncode == code
    return shown.decode()


def plain(shown: str) -> str:
    """What a terminal shows, without bold face and colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


@pytest.mark.parametrize("columns", ["0", "1", "40", "80"])
def test_a_table_loses_nothing_however_narrow_the_terminal_is(columns: str, trained: Path, forks: Forks) -> None:
    shown = on_terminal(forks, "status", "-w", str(trained), COLUMNS=columns, NO_COLOR="1")
    words = re.findall(r"[^\s│┃]+", plain(shown))
    assert {"preprocess", "quantize", "sentences:", "train.txt.tmp,", "1.0000,", "figures"} <= set(words)
    assert "…" not in shown


ROWS = [
    {"type": label, "precision": 0.9392, "95 % of f1": "0.9271 to 0.9758", "why": "a b"} for label in ("PER", "LOC")
]
FRAMED, BARE = 9 + 3 + 16 + 4 + 13, 9 + 3 + 16 + 4 + 3
"""Columns that these rows take, the frame and its blanks included, and without it."""


@pytest.mark.parametrize(
    ("columns", "framed", "lines"), [(FRAMED, True, 6), (FRAMED - 1, False, 4), (BARE, False, 4), (20, False, 10)]
)
def test_a_table_that_a_terminal_is_too_narrow_for_has_no_frame_or_is_told_row_by_row(
    columns: int, framed: bool, lines: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    print_table(table_of("", ROWS))
    shown = plain(capsys.readouterr().out).splitlines()
    assert ("│" in "".join(shown), len(shown)) == (framed, lines)
    assert max(map(len, shown)) <= max(columns, len("precision  0.9271 to 0.9758"))
    assert sum("0.9271 to 0.9758" in line for line in shown) == 2


def test_an_error_is_told_in_no_columns_too(tmp_path: Path, forks: Forks) -> None:
    shown = on_terminal(forks, "labels", "-w", str(tmp_path / "none"), code=1, COLUMNS="0", NO_COLOR="1")
    assert f"{tmp_path}/none/train.txt is missing" in shown


@pytest.mark.model
@pytest.mark.parametrize("typed", [b"anna saw oslo\n\x04", b"\x04"])
def test_an_end_that_is_typed_ahead_ends_predict(typed: bytes, trained: Path, forks: Forks) -> None:
    shown = on_terminal(forks, "predict", "--interactive", "-w", str(trained), typed=typed)
    assert ("(LOC)" in shown) == (b"oslo" in typed)
    assert shown.endswith("> \r\n"), "the shell's prompt gets a line of its own"


def test_a_table_says_how_often_something_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(table_of("", [{"": "train", "changes": {"empty rows left out": 1200, "tags rid of blanks": 1}}]))
    shown = capsys.readouterr().out
    assert "│ 1,200 empty rows left out │" in shown and "│ 1 tags rid of blanks      │" in shown
