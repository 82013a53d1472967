"""Bringing a stage's files to their places, all or nothing.

One rename turns a staging directory into `.commit/`, the point of no return; from there the files are moved to their
places, and the records are written last. Whoever opens the workspace next finishes a commit that was cut short, so a
kill at any moment leaves the old state or the new one.
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
    """Move what lies in `staging/files` to its place.

    Args:
        root: the workspace.
        staging: on the same file system; gone afterwards.
        plan: `entries`, the files and directories to move, a directory replacing the one there as a whole; `remove`,
            files that go; `content`, what workspace.json will hold.

    Raises:
        NertoolError: something is in the way, and nothing was changed; or the disk is full.
    """
    for entry in plan["entries"]:
        _check_place(root, entry, (staging / "files" / entry).is_dir())
    write_json(staging / _PLAN, plan)
    os.replace(staging, root / _COMMIT)
    finish(root)


def is_pending(root: Path) -> bool:
    """A commit was cut short."""
    return (root / _COMMIT).exists()


def finish(root: Path) -> None:
    """Carry out a commit, if there is one; may be cut short and begun again."""
    commit = root / _COMMIT
    if not (commit / _PLAN).exists():
        shutil.rmtree(commit, ignore_errors=True)
        return
    plan = json.loads((commit / _PLAN).read_text(encoding="utf-8"))
    with full_disk_told(root, "the result is whole, and the next command puts it in its place"):
        for number, entry in enumerate(plan["entries"]):
            _move(commit / "files" / entry, root / entry, commit / f"old-{number}")
        for name in plan["remove"]:
            (root / name).unlink(missing_ok=True)
            _prune((root / name).parent, root)
        write_json(root / RECORDS, plan["content"])
        (commit / _PLAN).unlink()
        shutil.rmtree(commit)


def _check_place(root: Path, entry: str, directory: bool) -> None:
    """A file must not stand where a directory goes, nor a directory where a file goes: a commit would stop halfway."""
    target = root / entry
    above = [root.joinpath(*Path(entry).parts[:length]) for length in range(1, len(Path(entry).parts))]
    blocked = [path for path in above if path.exists() and not path.is_dir()]
    blocked += [target] if target.exists() and target.is_dir() != directory else []
    if blocked:
        raise NertoolError(f"{blocked[0]} is in the way of {entry}", "Move it to another place first.")


def _move(source: Path, target: Path, aside: Path) -> None:
    if not source.exists():
        return  # moved before the commit was cut short
    if target.is_dir():
        os.replace(target, aside)  # a rename does not replace a directory that is not empty
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)


def _prune(directory: Path, root: Path) -> None:
    """Remove a directory whose files are gone; checkpoints alone are no model."""
    if directory == root or not directory.is_dir():
        return
    if all(path.name.startswith("checkpoint-") for path in directory.iterdir()):
        shutil.rmtree(directory)


@contextmanager
def full_disk_told(path: Path, state: str) -> Iterator[None]:
    """Turn a full disk into two lines that end with `state`."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        raise NertoolError(
            f"{path}: {error.strerror}; {state}", "Make room, or take a workspace on another disk: -w DIR"
        ) from error
