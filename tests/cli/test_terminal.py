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


@pytest.mark.parametrize("columns", ["0", "1", "40", "80"])
def test_a_table_loses_nothing_however_narrow_the_terminal_is(columns: str, trained: Path, forks: Forks) -> None:
    shown = on_terminal(forks, "status", "-w", str(trained), COLUMNS=columns, TERM="dumb")
    words = re.findall(r"[^\s│┃]+", shown)
    assert {"preprocess", "quantize", "sentences:", "train.txt.tmp,", "1.0000,", "figures"} <= set(words)
    assert "…" not in shown


def test_an_error_is_told_in_no_columns_too(tmp_path: Path, forks: Forks) -> None:
    shown = on_terminal(forks, "labels", "-w", str(tmp_path / "none"), code=1, COLUMNS="0", NO_COLOR="1")
    assert f"{tmp_path}/none/train.txt is missing" in shown


@pytest.mark.model
@pytest.mark.parametrize("typed", [b"anna saw oslo\n\x04", b"\x04"])
def test_an_end_that_is_typed_ahead_ends_predict(typed: bytes, trained: Path, forks: Forks) -> None:
    shown = on_terminal(forks, "predict", "--interactive", "-w", str(trained), typed=typed)
    assert ("(LOC)" in shown) == (b"oslo" in typed)
    assert shown.endswith("> \r\n"), "the shell's prompt gets a line of its own"
