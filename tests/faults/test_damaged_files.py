"""Files of every form with damage anywhere are two lines: no signal, no traceback, no hang."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from faults import mutations

NEEDS = {"dataset": "datasets", "spacy": "spacy"}
"""Form -> what it is written by; the other tables need pyarrow."""
COUNT = {**dict.fromkeys(mutations.FORMS, 200), **dict.fromkeys(mutations.TABLES, 300)}


def damage(form: str, folder: Path, count: int, seed: int) -> tuple[int, int, str]:
    """Read damaged files in a process of its own; returns how many, how many of them went wrong, and its errors."""
    command = [sys.executable, mutations.__file__, form, str(folder), str(count), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1000)
    *numbers, last = done.stdout.splitlines() or [""]
    if done.returncode == 0:
        return len(numbers), int(last.removeprefix("wrong ")), done.stderr
    return len(numbers), 1, f"file {last}, status {done.returncode}: {done.stderr}"


@pytest.mark.parametrize("form", mutations.FORMS)
def test_damage_never_ends_the_process(form: str, tmp_path: Path) -> None:
    pytest.importorskip(NEEDS.get(form, "pyarrow"))
    read, wrong, errors = damage(form, tmp_path, COUNT[form], seed=0)
    assert (read, wrong) == (COUNT[form], 0), errors[-4000:]
