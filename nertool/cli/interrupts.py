"""Let no Ctrl-C be lost: Python drops one that comes at an unlucky moment, or notices it with the next key."""

from __future__ import annotations

import _thread
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

SECONDS = 0.2
"""After which Python looks at signals again where it waits for a key, or a dropped Ctrl-C comes once more."""


@contextmanager
def noticed_while_waiting() -> Iterator[None]:
    """Let a Ctrl-C end a block that waits for a key, even one that comes just before the wait begins."""
    before = signal.signal(signal.SIGALRM, _do_nothing)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _do_nothing(*_: Any) -> None:
    pass


def raise_dropped_ones_again() -> None:
    """Let a Ctrl-C that comes while an object is freed, where Python ignores all errors, come once more."""
    before = sys.unraisablehook

    def hook(ignored: Any) -> None:
        if issubclass(ignored.exc_type, KeyboardInterrupt):
            again = Timer(SECONDS, _thread.interrupt_main)
            again.daemon = True
            again.start()
        else:
            before(ignored)

    sys.unraisablehook = hook
