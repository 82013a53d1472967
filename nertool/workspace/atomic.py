"""Write plain files whole or not at all, readable for whom the umask says."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give an empty file beside `path` to write to; it becomes `path` when the block ends without an error.

    A reader sees the old file or the new one, never a part. After an error, or ^C, `path` is as it was.
    The new file is on the disk before it gets its name, and its permissions are those of the umask. It is always a
    new one: a link in its place is removed, not followed.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(exist_ok=False)
        permissions = stat.S_IMODE(partial.stat().st_mode)
        yield partial
        set_permissions(partial, permissions)
        move_into_place(partial, path)
    except BaseException:
        with suppress(OSError):  # the first error is the one to see
            partial.unlink(missing_ok=True)
        raise


def move_into_place(partial: Path, path: Path) -> None:
    """Give a file that is whole its final name, on the same file system; an older file of that name is replaced."""
    flush(partial)
    os.replace(partial, path)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; do nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Give a file a second name; on a file system without hard links, a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def flush(path: Path) -> None:
    """Bring a written file to the disk, so that a rename cannot outrun its content in a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_permissions(path: Path, permissions: int) -> None:
    """Give a file or directory these permissions; some file systems have none, which is left alone."""
    if stat.S_IMODE(path.stat().st_mode) != permissions:
        with suppress(PermissionError):
            path.chmod(permissions)


def share(directory: Path, permissions: int) -> None:
    """Give everything below `directory` the permissions that the process gives new files.

    Some libraries write files that only their owner may read.

    Args:
        permissions: of a new directory (0o777 less the umask); files get those without the right to execute.
    """
    for path in directory.rglob("*"):
        if not path.is_symlink():
            set_permissions(path, permissions if path.is_dir() else permissions & 0o666)
