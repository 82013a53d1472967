"""Publish a stage's files, all or nothing.

One rename turns a staging directory into `.commit/`: the point of no return. From there the files are moved to their
places, and the records are written last. The next process that opens the workspace finishes a commit that was cut
short. So a kill at any moment leaves the old state or the new one.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nertool.errors import NertoolError
from nertool.workspace.digests import write_json
from nertool.workspace.records import RECORDS

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_COMMIT, _PLAN = ".commit", "commit.json"


def publish(root: Path, staging: Path, plan: Mapping[str, Any]) -> None:
    """Publish the files in `staging/files`.

    Args:
        root: the workspace.
        staging: on the same file system; gone afterwards.
        plan: `entries`, the files and directories to move, a directory replacing the one there as a whole; `remove`,
            files that go; `content`, what workspace.json will hold.

    Raises:
        NertoolError: a file or directory is in the way, and nothing was changed; or the disk is full.
    """
    for entry in plan["entries"]:
        _check_target(root, entry, (staging / "files" / entry).is_dir())
    write_json(staging / _PLAN, plan)
    os.replace(staging, root / _COMMIT)
    finish(root)


def is_pending(root: Path) -> bool:
    """Whether a commit was cut short."""
    return (root / _COMMIT).exists()


def finish(root: Path) -> None:
    """Finish a commit, if there is one. It may be cut short and started again any number of times."""
    commit = root / _COMMIT
    if not (commit / _PLAN).exists():
        shutil.rmtree(commit, ignore_errors=True)
        return
    plan = json.loads((commit / _PLAN).read_text(encoding="utf-8"))
    with translate_full_disk(root, "the result is whole, and the next command puts it in its place"):
        for number, entry in enumerate(plan["entries"]):
            _move(commit / "files" / entry, root / entry, commit / f"old-{number}")
        for name in plan["remove"]:
            (root / name).unlink(missing_ok=True)
            _prune((root / name).parent, root)
        write_json(root / RECORDS, plan["content"])
        (commit / _PLAN).unlink()
        shutil.rmtree(commit)


def _check_target(root: Path, entry: str, is_directory: bool) -> None:
    """Check that no file stands where a directory goes, and no directory where a file goes.

    Raises:
        NertoolError: there is one, and the commit would stop halfway.
    """
    target = root / entry
    for folder in reversed(target.parents):
        if folder.exists() and not folder.is_dir():
            raise _in_the_way(folder, entry)
    if target.exists() and target.is_dir() != is_directory:
        raise _in_the_way(target, entry)


def _in_the_way(path: Path, entry: str) -> NertoolError:
    return NertoolError(f"{path} is in the way of {entry}", "Move it to another place first.")


def _move(source: Path, target: Path, aside: Path) -> None:
    if not source.exists():
        return  # moved before the commit was cut short
    if target.is_dir():
        os.replace(target, aside)  # a rename does not replace a directory that is not empty
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)


def _prune(directory: Path, root: Path) -> None:
    """Remove a directory that holds nothing but checkpoints."""
    if directory == root or not directory.is_dir():
        return
    if all(path.name.startswith("checkpoint-") for path in directory.iterdir()):
        shutil.rmtree(directory)


@contextmanager
def translate_full_disk(path: Path, state: str) -> Iterator[None]:
    """Turn the error of a full disk into a NertoolError that says in what state the workspace is."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        raise NertoolError(
            f"{path}: {error.strerror}; {state}", "Make room, or take a workspace on another disk: -w DIR"
        ) from error
