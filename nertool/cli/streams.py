"""Standard input, output and error of the command, where they are closed or full too."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from nertool.errors import Unwritable

DIRECTIONS = (os.O_WRONLY, os.O_RDONLY, os.O_RDONLY)
"""How /dev/null stands in for a closed input, output and error: reading or writing still fails, as it would there."""


def set_up_streams() -> None:
    """Let results that cannot be written be an error in two lines, and let lost messages break no work.

    A descriptor that is closed is taken first, or the next file that is opened would get it, and messages with it.
    `sys.stdin` stays None where standard input is closed.
    """
    for descriptor, direction in enumerate(DIRECTIONS):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, direction), True)  # the lowest free one is this one
    sys.stdout = _text(_Results(1, "w", closefd=False), sys.stdout)
    sys.stderr = _text(_Messages(2, "w", closefd=False), sys.stderr)


def _text(raw: io.FileIO, old: TextIO | None) -> io.TextIOWrapper:
    """A text stream in the encoding of `old`, which Python has set up; a character that it lacks is escaped."""
    unbuffered = isinstance(raw, _Messages) or getattr(old, "write_through", False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=old.encoding if old else "utf-8",
        errors="backslashreplace",
        line_buffering=unbuffered or raw.isatty(),
        write_through=unbuffered,
    )


class _Results(io.FileIO):
    """Standard output. What comes after an error is dropped, so that the error is told once."""

    failed = False

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Write some bytes.

        Raises:
            BrokenPipeError: the reader has left.
            Unwritable: they cannot be written.
        """
        if self.failed:
            return len(data)
        try:
            return super().write(data)
        except BrokenPipeError:
            self.failed = True
            raise
        except OSError as error:
            self.failed = True
            raise Unwritable(
                f"standard output cannot be written: {error.strerror}",
                "Let it go to a file on a disk that has room, or to /dev/null.",
            ) from error


class _Messages(io.FileIO):
    """Standard error. Nobody can be told that it cannot be written."""

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Write some bytes, or lose them.

        Raises:
            BrokenPipeError: the reader has left.
        """
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError:
            return len(data)
