"""Bytes of a file or of standard input: a look at the beginning, then lines or pieces; read no further than asked."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO

from nertool.corpus.files import LINE_LIMIT, foreign, long_line, open_bytes, translate_read_errors
from nertool.corpus.records import BYTE_ORDER_MARK
from nertool.documents.hints import Unreadable
from nertool.documents.table_rows import UTF8_HELP, bad_record, log_byte_order_mark
from nertool.errors import InvalidOption

LONGEST_BEGINNING = 1 << 20
"""Bytes of a beginning, at the most; a line may have no end."""
Lines = Iterator[tuple[int, bytes]]
"""Lines with their 1-based numbers."""


class ByteSource:
    """Reads bytes, and names the file in errors.

    Args:
        label: the file's name, for messages.
        file: an open file of bytes.
    """

    def __init__(self, label: str, file: IO[bytes]) -> None:
        self.label = label
        self._file = file
        self._ahead = b""
        self._begun = False

    def beginning(self) -> bytes:
        """Look at the bytes up to the first line with more than an opening bracket; they are read again later.

        Raises:
            InvalidData: the file cannot be read, or is no text by its first bytes.
        """
        with translate_read_errors(Path(self.label)):
            while self._ahead.strip() in (b"", b"[") and len(self._ahead) < LONGEST_BEGINNING:
                piece = self._file.readline(LONGEST_BEGINNING)
                if not piece:
                    break
                self._ahead += self._checked(piece)
        return self._ahead

    def lines(self) -> Lines:
        """Read lines with their numbers.

        Raises:
            InvalidData: the file cannot be read, is no text by its first bytes, or a line has more than LINE_LIMIT.
        """
        with translate_read_errors(Path(self.label)):
            ahead, self._ahead = self._ahead, b""
            if ahead and not ahead.endswith(b"\n"):
                ahead += self._file.readline(LINE_LIMIT)
            rest = iter(partial(self._file.readline, LINE_LIMIT + 1), b"")
            for number, line in enumerate(chain(io.BytesIO(ahead), rest), start=1):
                if len(line) > LINE_LIMIT:
                    raise long_line(self.label, number)
                yield number, line if self._begun else self._checked(line)

    def read(self, size: int) -> bytes:
        """Read some bytes, as many as there are by now; none at the end.

        Raises:
            InvalidData: the file cannot be read, or is no text by its first bytes.
        """
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            return ahead
        read_some = getattr(self._file, "read1", self._file.read)  # a program at the other end may wait for answers
        with translate_read_errors(Path(self.label)):
            return self._checked(read_some(size))

    def _checked(self, piece: bytes) -> bytes:
        """Refuse a file that is no text by its first bytes, and take a byte order mark off."""
        if self._begun:
            return piece
        self._begun = True
        if error := foreign(self.label, piece):
            raise error
        mark = BYTE_ORDER_MARK.encode("utf-8")
        if piece.startswith(mark):
            log_byte_order_mark(self.label)
        while piece.startswith(mark):
            piece = piece.removeprefix(mark)
        return piece


@contextmanager
def open_source(path: Path | None, stdin: IO[bytes] | None) -> Iterator[ByteSource]:
    """Open a file, or take standard input where there is no path.

    Raises:
        InvalidData: the file cannot be read.
        InvalidOption: standard input is closed.
    """
    if path is not None:
        with translate_read_errors(path):
            file = open_bytes(path)
        with file:
            yield ByteSource(str(path), file)
    elif stdin is None:
        raise InvalidOption("standard input is closed", "Name files that exist; - is standard input.")
    else:
        yield ByteSource("standard input", stdin)


def decode_line(label: str, number: int, line: bytes) -> str:
    """Decode a line.

    Raises:
        InvalidData: it is not UTF-8, or holds a NUL (names file and line).
    """
    if b"\0" in line:
        raise bad_record(f"{label}:{number}", "a NUL byte: this is no text in UTF-8")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"{label}:{number}: not UTF-8: {error.reason}"
        raise Unreadable(what, UTF8_HELP, "skip") from error
