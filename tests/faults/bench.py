"""Copies of a trained workspace, and calls of every stage that change something in it, one fault after the other."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.forks import End, Forks
from helpers import snapshot

from nertool.workspace.workspace import Workspace

TRAIN = ["--num-epochs", "2", "--batch-size", "16", "--learning-rate", "5e-3", "--save-steps", "2"]
CALLS = {
    "download": ["--train-file", "{}/test.txt", "--dev-file", "{}/dev.txt", "--test-file", "{}/train.txt", "--force"],
    "preprocess": ["--max-length", "12"],
    "labels": [],
    "train": [*TRAIN, "--overwrite-output-dir"],
    "train with TensorBoard": [*TRAIN, "--overwrite-output-dir", "--report-to", "tensorboard"],
    "evaluate": ["--split", "dev", "--force"],
    "quantize": ["--tolerance", "0.9", "--force"],
    "quantize to static": ["--tolerance", "0.9", "--approach", "static", "--force"],
    "quantize in training": ["--tolerance", "0.9", "--approach", "qat", "--qat-epochs", "0.1", "--force"],
    "quantize with ONNX": ["--tolerance", "0.9", "--backend", "onnx", "--force"],
    "quantize with ONNX to static": ["--tolerance", "0.9", "--backend", "onnx", "--approach", "static", "--force"],
    "predict": ["--split", "dev", "--force"],
}
"""Arguments of a stage, which is the first word of the name."""
FULL = ("No space left on device", "File too large", "the disk is full")
"""What the first line says of a full disk."""


class Bench:
    """Runs stages in copies of a workspace.

    Args:
        forks: runs commands.
        trained: a workspace filled up to `train`.
        model: directory of the model that it was trained from.
        folder: for the copies.
    """

    def __init__(self, forks: Forks, trained: Path, model: str, folder: Path) -> None:
        self.forks, self.trained, self.model, self.folder = forks, trained, model, folder
        self.numbers = itertools.count()

    def copy(self, parent: Path | None = None) -> Path:
        """A new copy of the workspace."""
        parent = parent or self.folder / f"{next(self.numbers)}"
        return Path(shutil.copytree(self.trained, parent / "workspace"))

    def run(self, call: str, workspace: Path, *more: str, **fault: int) -> End:
        """Run a stage in a workspace; see `forks.set_fault`."""
        stage = call.partition(" ")[0]
        model = ["--model", self.model] if stage in ("preprocess", "train") else []
        stale = ["--allow-stale"] if stage in ("evaluate", "quantize", "predict") else []
        arguments = [word.format(self.trained) for word in CALLS[call]]
        return self.forks.run(stage, *arguments, *model, *stale, *more, "-w", str(workspace), **fault)


def is_two_lines(end: End) -> bool:
    """An error that the user can mend, and nothing else but notes."""
    lines = end.err.splitlines()
    return end.code == 1 and "Traceback" not in end.err and len(lines) >= 2 and lines[-2].startswith("error: ")


# -- full disks ------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own, to be filled."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small file system, and not everywhere")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def leave_free(disk: Path, size: int) -> None:
    """Let the small disk have room for so many bytes more; all of its room for -1."""
    usage = shutil.disk_usage(disk)
    room = usage.used + size if size >= 0 else 64 << 20
    subprocess.run(["mount", "-o", f"remount,size={room}", str(disk)], check=True)


def check_full(bench: Bench, call: str, size: int) -> bool:
    """Run a stage on a disk with so much room: it is done, or told in two lines and undone, and is done with room.

    Returns:
        whether the disk was too small.
    """
    with small_disk(bench.folder / "disk") as disk:
        workspace = bench.copy(disk)
        if call.startswith("train"):
            shutil.rmtree(workspace / ".examples")
        before = snapshot(workspace)
        leave_free(disk, size)
        end = bench.run(call, workspace)
        if end.code == 0:
            return False
        _check_told(end, workspace, before)
        leave_free(disk, -1)
        end = bench.run(call, workspace)
        assert end.code == 0, end.err
        return True


def check_file_limit(bench: Bench, call: str, size: int) -> bool:
    """The same where no file may have more than so many bytes."""
    workspace = bench.copy()
    if call.startswith("train"):
        shutil.rmtree(workspace / ".examples")
    before = snapshot(workspace)
    end = bench.run(call, workspace, largest=size)
    if end.code:
        _check_told(end, workspace, before)
    shutil.rmtree(workspace.parent)
    return end.code != 0


def _check_told(end: End, workspace: Path, before: dict[str, bytes]) -> None:
    assert is_two_lines(end), end.err
    error = end.err.splitlines()[-2]
    assert str(workspace) in error and any(words in error for words in FULL), end.err
    now = {name: content for name, content in snapshot(workspace).items() if not name.startswith("logs/")}
    assert now == before
    assert not list(workspace.glob(".partial-*")) and Workspace(workspace).status()
