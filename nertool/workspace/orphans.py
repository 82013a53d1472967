"""Let processes end with the one that started them: when that fails, is interrupted, or is killed without time for it.

Only Linux tells the children of a process that it was killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

PR_SET_PDEATHSIG = 1
"""What `prctl` takes to send a signal when the parent ends; see <linux/prctl.h>."""


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
def worker_processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes that leave Ctrl-C to this one; all are killed if the block fails.

    Must be called in the main thread: what a thread forks ends with the thread.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)  # forks have all modules
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(count, context, _begin_worker, (os.getpid(),))
    try:
        yield pool
    except BaseException:
        for process in multiprocessing.active_children():
            if process not in others:
                process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)
