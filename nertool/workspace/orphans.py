"""Let processes end with the one that started them, when that is killed and has no time to end them.

On Linux alone, where the kernel sends a signal to the children of a process that ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PR_SET_PDEATHSIG = 1
"""What `prctl` takes to send a signal when the parent ends; see <linux/prctl.h>."""
_parents: list[int] = []


def end_with(parent: int) -> None:
    """Let this process be killed when its parent ends.

    Args:
        parent: its number; where it has ended already, this process ends at once.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


@contextmanager
def children_end_too() -> Iterator[None]:
    """Let processes that the block forks, such as those of a pool, be killed when this one is.

    Must be called in the main thread: what a thread forks ends with the thread.
    """
    _parents.append(os.getpid())
    try:
        yield
    finally:
        _parents.pop()


def _after_fork() -> None:
    if _parents:
        parent = _parents[-1]
        _parents.clear()
        end_with(parent)


os.register_at_fork(after_in_child=_after_fork)
