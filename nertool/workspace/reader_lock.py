"""Let readers see what is published before or after a commit, never in the midst of it.

Readers share a lock on the workspace's directory for the short time in which they read. A commit waits for them and
keeps new ones waiting while it moves files. The lock writes nothing, so readers need no right to write. Where a file
system has no such locks, readers and commits go on without.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nertool.progress import logger


@contextmanager
def reading(root: Path) -> Iterator[None]:
    """Keep commits to a workspace waiting while the block reads; for a directory that is none it does nothing."""
    with _locked(root, fcntl.LOCK_SH):
        yield


@contextmanager
def publishing(root: Path) -> Iterator[None]:
    """Wait for those who read, and keep others waiting while the block moves files.

    Must not be called by a thread that is `reading` the same workspace: it would wait for itself.
    """
    with _locked(root, fcntl.LOCK_EX):
        yield


@contextmanager
def _locked(root: Path, kind: int) -> Iterator[None]:
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # there is nothing to read, or whoever reads it will tell why not
        yield
        return
    try:
        with suppress(OSError):  # some network file systems lock no directories
            _wait(descriptor, root, kind)
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # at once, even if a child process holds a copy
        os.close(descriptor)


def _wait(descriptor: int, root: Path, kind: int) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        if kind == fcntl.LOCK_EX:
            logger.info("%s is being read: its new files wait until that has ended", root)
        fcntl.flock(descriptor, kind)
