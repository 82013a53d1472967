"""Publish a directory that stands for itself: whole or not at all, and never in place of what is somebody else's."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE

from nertool.errors import InvalidOption, Locked, Unwritable
from nertool.workspace.atomic import flush, remove, share
from nertool.workspace.digests import digest
from nertool.workspace.names import RECORDS, join_names

SUMS = "SHA256SUMS"
"""Digests of all other files, as `sha256sum -c` reads them."""
LONGEST_SUMS = 1 << 16
"""Characters of that file which are looked at; those of an export are a few hundred."""
CACHE = "__pycache__"
"""What Python writes beside a script that it runs."""


@contextmanager
def publishing(target: Path, force: bool, protected: Path) -> Iterator[Path]:
    """Give an empty directory that becomes `target` when the block ends without an error.

    A kill leaves the old directory or the new one; where it comes between two renames, the next call puts the old one
    back.

    Args:
        target: if it is there, an export that nobody has changed, or empty.
        force: it may hold anything else.
        protected: the workspace, which is not written into.

    Raises:
        InvalidOption: no directory can be written there, or one is in the way.
        Locked: another process writes it.
        Unwritable: the disk is full, or a file may not be used.
    """
    target = check_target(target, force, protected)
    partial, aside = target.with_name(f".{target.name}.partial"), target.with_name(f".{target.name}.replaced")
    with _translate_errors(target), _locked(partial, target):
        try:
            _put_back(target, aside)
            _check_replaced(target, force)
            for path in partial.iterdir():  # of an export that was killed
                remove(path)
            yield partial
            _flush(partial)
            if target.exists():
                os.replace(target, aside)
            os.replace(partial, target)
        finally:
            _put_back(target, aside)
            remove(partial)


def check_target(target: Path, force: bool, protected: Path) -> Path:
    """Check that `publishing` could write there; gives the place without links.

    Raises:
        InvalidOption: it could not.
    """
    if "\0" in str(target):
        raise InvalidOption(f"--output {target}: no file can have this name", "Name a directory.")
    target = Path(os.path.realpath(target))
    with _translate_errors(target):
        _check_place(target, protected)
        _check_replaced(target, force)
    return target


@contextmanager
def _translate_errors(target: Path) -> Iterator[None]:
    """Turn what goes wrong with files into two lines.

    Raises:
        Unwritable: something did.
    """
    try:
        yield
    except OSError as error:
        raise Unwritable(
            f"{target} cannot be written: {error.strerror or error}; nothing was changed",
            "Make room, or change permissions, or name another directory.",
        ) from error


@contextmanager
def _locked(partial: Path, target: Path) -> Iterator[None]:
    """Hold the directory that a process writes to before it publishes; it is made if need be."""
    partial.mkdir(exist_ok=True)
    descriptor = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Locked(f"{target} is being written by another process", "Wait until that has ended.") from error
    finally:
        os.close(descriptor)


def _put_back(target: Path, aside: Path) -> None:
    """Bring the old directory back, or remove it where the new one is in its place."""
    if aside.exists() and not target.exists():
        os.replace(aside, target)
    remove(aside)


def _check_place(target: Path, protected: Path) -> None:
    """Refuse places where there can be no directory, or that nobody could mean to replace, whatever is forced."""
    workspace = Path(os.path.realpath(protected))
    if target == workspace or target.is_relative_to(workspace):
        raise InvalidOption(f"--output {target} lies in the workspace", "Name a directory outside of it.")
    for place in (workspace, Path.cwd(), Path.home()):
        if place.is_relative_to(target):
            raise InvalidOption(f"--output {target} holds {place}", "Name a directory of its own for the export.")
    if target.exists() and not target.is_dir():
        raise InvalidOption(f"--output {target} is no directory", "Name another one.")
    if not target.parent.is_dir():
        raise InvalidOption(f"--output {target}: there is no directory {target.parent}", "Make it first.")


def _check_replaced(target: Path, force: bool) -> None:
    """Refuse to replace a directory that holds anything but an export as it was written.

    Raises:
        InvalidOption: it does; or, even if forced, it is a workspace or a repository.
    """
    names = sorted(os.listdir(target)) if target.is_dir() else []
    own = [name for name in (RECORDS, ".git") if name in names]
    if own:
        raise InvalidOption(f"--output {target} holds {join_names(own)}", "Name a directory of its own for the export.")
    if force or not names:
        return
    written = _sums(target)
    foreign = [name for name in names if name not in (*written, SUMS, CACHE)]
    edited = [name for name in written if name in names and digest(target / name)["sha256"] != written[name]]
    if not written or foreign:
        what = f"holds {join_names(foreign or names)}, which is no part of an export"
    elif edited:
        what = f"holds an export in which {join_names(edited)} changed"
    else:
        return
    raise InvalidOption(f"--output {target} {what}", "Name another directory, or replace it: --force")


def _sums(directory: Path) -> dict[str, str]:
    """The digests of an export, by the names of its files; none of another directory."""
    if not (directory / SUMS).is_file():
        return {}
    try:
        with (directory / SUMS).open(encoding="utf-8") as file:
            lines = file.read(LONGEST_SUMS).splitlines()
    except (OSError, ValueError):
        return {}
    return {name: sha for sha, _, name in (line.partition("  ") for line in lines) if name and "/" not in name}


def write_sums(directory: Path) -> None:
    """Write the digests of all files of a directory."""
    lines = [f"{digest(path)['sha256']}  {path.name}\n" for path in sorted(directory.iterdir())]
    (directory / SUMS).write_text("".join(lines), encoding="utf-8")


def _flush(directory: Path) -> None:
    """Bring all files to the disk, readable for whom the umask says."""
    share(directory, S_IMODE(directory.stat().st_mode))
    for path in directory.iterdir():
        flush(path)
