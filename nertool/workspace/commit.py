"""Publish a stage's files, all or nothing.

A commit is a directory: `files/` with what is published, the new `workspace.json`, and a plan. One rename of a staging
directory to `.commit/` is the point of no return. From there old files are set aside, new ones are moved to their
places, and `workspace.json` comes last. The next process that opens the workspace finishes a commit that a kill cut
short. So a kill at any moment leaves the old state or the new one.

What can fail is tried before. Where a move fails all the same, the old files are put back and the commit waits. The
next command tries again, and says what is in its way.

A workspace may come from a stranger. So a commit is finished only where it was begun: its plan holds the inode and the
time of change of the marker `begun`. A copy, an archive or a checkout has others, and no program can set that time.
Whatever the marker says, a plan names only files that its stage publishes, in folders inside the workspace.
"""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from nertool.errors import NertoolError
from nertool.progress import logger
from nertool.workspace.atomic import flush
from nertool.workspace.digests import json_text, read_json, write_json
from nertool.workspace.disk_errors import failed_path, translate_disk_errors
from nertool.workspace.links import STAGING
from nertool.workspace.names import RECORDS, is_output
from nertool.workspace.reader_lock import publishing
from nertool.workspace.records import Records, read_records
from nertool.workspace.seals import identity

_COMMIT, _PLAN, _MARKER = ".commit", "commit.json", "begun"
_ELSEWHERE = "Let it be a folder of the workspace itself, which you may write to; or take another workspace: -w DIR"


class Plan(TypedDict):
    """What a commit does."""

    stage: str  # name of the record
    entries: list[str]  # files and directories to move; a directory replaces the one there as a whole
    remove: list[str]  # files that go


class _Move(NamedTuple):
    """A step of a commit, which may be repeated.

    Attributes:
        source: what is moved to `target`; None where the target only goes.
        target: its place.
        aside: where the old one is kept until the commit is done.
    """

    source: Path | None
    target: Path
    aside: Path

    def make(self) -> None:
        if self.source is None:
            if os.path.lexists(self.target):
                os.replace(self.target, self.aside)
        elif os.path.lexists(self.source):  # else it was moved before the commit was cut short
            self.target.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(self.target):
                _set_aside(self.target, self.aside)
            os.replace(self.source, self.target)

    def undo(self) -> None:
        if self.source is not None and not os.path.lexists(self.source):
            os.replace(self.target, self.source)
        if os.path.lexists(self.aside):
            os.replace(self.aside, self.target)


def _set_aside(target: Path, aside: Path) -> None:
    """Keep the old file under another name. It keeps its own too, if it is no directory: no reader misses it."""
    if target.is_dir() and not target.is_symlink():
        os.replace(target, aside)  # a rename does not replace a directory that is not empty
        return
    aside.unlink(missing_ok=True)
    try:
        os.link(target, aside, follow_symlinks=False)
    except OSError:  # a file system without hard links
        os.replace(target, aside)


# -- a new commit ----------------------------------------------------------------------------------


def publish(root: Path, staging: Path, plan: Plan, records: Records) -> None:
    """Publish the files in `staging/files`.

    Args:
        root: the workspace.
        staging: a directory in it; gone afterwards.
        plan: what is moved and removed.
        records: what workspace.json will hold.

    Raises:
        NertoolError: something is in the way, and nothing was changed.
    """
    for name in (*plan["entries"], *plan["remove"]):
        assert is_output(plan["stage"], name), name
    entries = {entry: (staging / "files" / entry).is_dir() for entry in plan["entries"]}
    check_places(root, staging, entries, plan["remove"])
    (staging / RECORDS).write_text(json_text(records), encoding="utf-8")
    flush(staging / RECORDS)
    (staging / _MARKER).touch()
    write_json(staging / _PLAN, {**plan, "begun": identity(staging / _MARKER)})
    with publishing(root):
        os.replace(staging, root / _COMMIT)
        _finish(root)


def check_places(root: Path, staging: Path, entries: Mapping[str, bool], removed: Iterable[str] = ()) -> None:
    """Check that files could be published: before work that may take hours, and after it.

    Args:
        root: the workspace.
        staging: a directory in it.
        entries: names of what is moved to its place, and whether each is a directory.
        removed: names of files that are removed.

    Raises:
        NertoolError: something is in the way, or permissions do not allow it.
    """
    names = [*entries, *removed]
    for name in names:
        _check_folders(root, name)
    for folder in {_nearest_folder(root / name) for name in names} | {root}:
        _try_move(staging, folder)
    for entry, is_directory in entries.items():
        _check_replaced(root, entry, is_directory)


def _check_folders(root: Path, name: str) -> None:
    """Check that the folders of a name are folders inside the workspace, or can be made.

    Raises:
        NertoolError: a file, or a link that leads out of the workspace, is in the way.
    """
    top = root.resolve()
    for folder in reversed((root / name).parents[: len(Path(name).parts) - 1]):
        if os.path.lexists(folder) and not folder.is_dir():
            raise _in_the_way(folder, name)
        if not folder.resolve().is_relative_to(top):
            raise NertoolError(f"{folder} leads out of the workspace, and {name} would be written there", _ELSEWHERE)


def _nearest_folder(path: Path) -> Path:
    """The nearest folder above that exists."""
    return next(folder for folder in path.parents if folder.is_dir())


def _try_move(staging: Path, folder: Path) -> None:
    """Try to move a file from the staging directory into a folder.

    Raises:
        NertoolError: permissions do not allow it, or the folder is on another file system.
    """
    probe, place = staging / "probe", folder / f"{STAGING}probe"
    probe.touch()
    try:
        os.replace(probe, place)
        place.unlink()
    except OSError as error:
        raise NertoolError(
            f"nothing can be moved to {folder}: {error.strerror}; nothing was changed", _ELSEWHERE
        ) from (error)


def _check_replaced(root: Path, entry: str, is_directory: bool) -> None:
    """Check that what an entry replaces is of its kind, and can be removed.

    Raises:
        NertoolError: it is not, or cannot.
    """
    target = root / entry
    if target.exists() and target.is_dir() != is_directory:
        raise _in_the_way(target, entry)
    if os.path.ismount(target):
        raise NertoolError(f"{target} is a mount point and cannot be replaced; nothing was changed", _ELSEWHERE)
    if target.is_dir() and not target.is_symlink():
        for folder, _, _ in os.walk(target):
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise NertoolError(f"{folder} cannot be replaced: Permission denied; nothing was changed", _ELSEWHERE)


def _in_the_way(path: Path, entry: str) -> NertoolError:
    return NertoolError(f"{path} is in the way of {entry}", "Move it to another place first.")


# -- the rest of a commit --------------------------------------------------------------------------


def is_pending(root: Path) -> bool:
    """Whether a commit was cut short."""
    return os.path.lexists(root / _COMMIT)


def finish(root: Path) -> None:
    """Finish a commit, if there is one. It may be cut short and started again any number of times.

    Raises:
        NertoolError: it was not begun in this place, and is left alone; or something is in its way, and what was there
            before is there again.
    """
    if is_pending(root):
        with publishing(root), translate_disk_errors(root):
            _finish(root)


def _finish(root: Path) -> None:
    commit = root / _COMMIT
    plan = _read_plan(root)
    if plan is None:  # all is done but for the cleaning
        _sweep(commit)
        return
    if (commit / RECORDS).exists():
        _move_all(root, plan)
    for name in plan["remove"]:
        _remove_if_empty((root / name).parent, root)
    (commit / _PLAN).unlink()
    _sweep(commit)


def _move_all(root: Path, plan: Plan) -> None:
    """Move what is left to move; the records last."""
    commit, moves = root / _COMMIT, _moves(root, plan)
    try:
        (commit / "old").mkdir(exist_ok=True)
        for move in moves:
            move.make()
        os.replace(commit / RECORDS, root / RECORDS)
    except OSError as error:
        raise _stopped(commit, error, _undo(moves)) from error


def _read_plan(root: Path) -> Plan | None:
    """The plan of a commit that was begun in this workspace; None where there is none left.

    Raises:
        NertoolError: it was not, or names files that the stage does not publish.
    """
    commit = root / _COMMIT
    try:
        plan = read_json(commit / _PLAN)
    except FileNotFoundError:
        return None
    except (NotADirectoryError, IsADirectoryError, ValueError, RecursionError) as error:
        raise _foreign(commit, f"its plan is not JSON: {str(error).splitlines()[0]}") from error
    if not _is_plan(plan):
        raise _foreign(commit, "its plan names files that the stage does not publish")
    if not (commit / _MARKER).exists() or plan.get("begun") != identity(commit / _MARKER):
        raise _foreign(commit, "it was begun in another place, or copied")
    read_records(commit)
    for name in (*plan["entries"], *plan["remove"]):
        _check_folders(root, name)
    for name in plan["remove"]:
        if (root / name).is_dir():
            raise _foreign(commit, f"it would remove the folder {name}")
    return {"stage": plan["stage"], "entries": plan["entries"], "remove": plan["remove"]}


def _is_plan(plan: Any) -> bool:
    if not isinstance(plan, dict) or not isinstance(plan.get("stage"), str):
        return False
    for part in ("entries", "remove"):
        names = plan.get(part)
        if not isinstance(names, list) or not all(is_output(plan["stage"], name) for name in names):
            return False
    return True


def _moves(root: Path, plan: Plan) -> list[_Move]:
    commit = root / _COMMIT
    moves: list[_Move] = []
    for entry in plan["entries"]:
        moves.append(_Move(commit / "files" / entry, root / entry, commit / "old" / str(len(moves))))
    for name in plan["remove"]:
        moves.append(_Move(None, root / name, commit / "old" / str(len(moves))))
    return moves


def _undo(moves: Sequence[_Move]) -> bool:
    """Put back what was there before; False where that fails too."""
    try:
        for move in reversed(moves):
            move.undo()
    except OSError:
        return False
    return True


def _stopped(commit: Path, error: OSError, undone: bool) -> NertoolError:
    place = failed_path(error, commit)
    state = "the old files are in place" if undone else "the files are old in part"
    drop = f", or drop it: rm -r {shlex.quote(str(commit))}" if undone else ""
    return NertoolError(
        f"{place}: {error.strerror}; {state}, and the result waits in {commit}",
        f"Mend that, then run any command: it puts the result in its place{drop}",
    )


def _foreign(commit: Path, reason: str) -> NertoolError:
    return NertoolError(
        f"{commit} is no commit of this workspace: {reason}; nothing was changed",
        f"Look at it, then remove it: rm -r {shlex.quote(str(commit))}",
    )


def _remove_if_empty(directory: Path, root: Path) -> None:
    if directory != root:
        with suppress(OSError):  # it holds other files
            directory.rmdir()


def _sweep(commit: Path) -> None:
    """Remove a commit that is done; move what cannot be removed out of the way of the next one."""
    try:
        shutil.rmtree(commit)
    except OSError as error:
        rest = commit.with_name(f"{STAGING}removed-{time.time_ns()}")
        os.replace(commit, rest)
        logger.warning("%s could not be removed (%s): remove it by hand", rest, error.strerror)
