"""A bound on the memory that a library takes for what a file holds, which may be far more than the file."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
STATM = Path("/proc/self/statm")
DATA = 5
"""Place in it of the number of pages that the process may write to."""
MOST_MEMORY = 2 << 30
"""Bytes that a library may take for rows that it reads together."""


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Let a block take MOST_MEMORY more than the process has; there is no bound where the system is not Linux.

    Source: getrlimit(2), RLIMIT_DATA; proc_pid_statm(5).

    Raises:
        MemoryError: the block asks for more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        limit = int(STATM.read_text().split()[DATA]) * os.sysconf("SC_PAGE_SIZE") + MOST_MEMORY
    except OSError:
        yield
        return
    limits = [limit, *(other for other in (soft, hard) if other != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def within_memory(items: Iterator[Item]) -> Iterator[Item]:
    """Give what an iterator gives, each within `bounded_memory`.

    Raises:
        MemoryError: an item takes more.
    """
    while True:
        with bounded_memory():
            try:
                item = next(items)
            except StopIteration:
                return
        yield item
