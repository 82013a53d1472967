"""`predict --interactive` on a terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from pathlib import Path

import pytest
from faults.forks import Forks


def on_terminal(forks: Forks, trained: Path, typed: bytes) -> str:
    """What the terminal shows where this is typed before the prompt is there."""
    screen, keyboard = pty.openpty()
    os.write(screen, typed)
    command = forks.command("predict", "--interactive", "-w", str(trained))
    with subprocess.Popen(command, stdin=keyboard, stdout=keyboard, stderr=keyboard) as process:
        os.close(keyboard)
        shown = b""
        while select.select([screen], [], [], 60)[0]:
            try:
                shown += os.read(screen, 1 << 16)
            except OSError:  # nobody has the terminal open any more
                break
        else:
            process.kill()
            pytest.fail(f"it goes on after the input has ended: {shown.decode()}")
    os.close(screen)
    assert process.returncode == 0
    return shown.decode()


@pytest.mark.model
@pytest.mark.parametrize("typed", [b"anna saw oslo\n\x04", b"\x04"])
def test_an_end_that_is_typed_ahead_ends_it(typed: bytes, trained: Path, forks: Forks) -> None:
    shown = on_terminal(forks, trained, typed)
    assert ("(LOC)" in shown) == (b"oslo" in typed)
    assert shown.endswith("> \r\n"), "the shell's prompt gets a line of its own"
