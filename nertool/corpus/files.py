"""Open text files, packed or not, and translate errors in reading them."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TextIO, cast

from nertool.errors import InvalidData
from nertool.workspace.disk_errors import FULL_DISK

LONGEST_LINE = 1 << 20
"""Characters of a line beyond which a file is taken for binary."""
PACKED = (".gz", ".bz2", ".xz")
"""Suffixes of packed files."""
LINE_LIMIT = 64 << 20
"""Bytes at most of a line, and so of a record of JSON Lines, whatever it holds."""
MAGIC = {
    rb"\x1f\x8b": "a gzip archive",
    rb"BZh[1-9]1AY&SY": "a bzip2 archive",
    rb"\xfd7zXZ": "an xz archive",
    rb"PK\x03\x04": "a zip archive",
    rb"\x28\xb5\x2f\xfd": "a Zstandard archive",
    rb"PAR1[\x00-\x1f]": "a Parquet file",
    rb"ARROW1|\xff{4}[\x00-\xff]{3}\x00": "an Arrow file",
    rb"%PDF-": "a PDF",
    rb"\x80[\x02-\x05][\x5d\x7d\x63\x80-\x9f]": "a pickle of Python",
    rb"\x93NUMPY": "an array of NumPy",
    rb"SQLite format 3": "a database of SQLite",
    rb"\{\\rtf": "a document in RTF",
    rb"\xd0\xcf\x11\xe0": "a file of an old Office",
    rb"\xff\xfe\x00\x00|\x00\x00\xfe\xff": "UTF-32",
    rb"\xff\xfe|\xfe\xff": "UTF-16",
    rb"(?:[\x01-\x7f]\x00){2}": "UTF-16LE",
    rb"(?:\x00[\x01-\x7f]){2}": "UTF-16BE",
}
"""First bytes (a pattern) of files that are not text in UTF-8 -> what they are."""
NO_TEXT = (
    *("a PDF", "a pickle of Python", "an array of NumPy", "a database of SQLite"),
    *("a document in RTF", "a file of an old Office"),
)
ENCODINGS = ["cp1252", "gb18030", "cp1251", "shift_jis", "euc_kr", "big5"]
"""Those of older files of Western Europe, China, Russia, Japan, Korea and Taiwan."""
LOOKED_AT = 1 << 20
"""Bytes from which an encoding is told."""


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Read the lines of a UTF-8 file with their 1-based numbers; lines end as in Python's text mode.

    Raises:
        InvalidData: bytes that are not UTF-8 (names file and line).
    """
    with open_text(path) as file, translate_read_errors(path):
        yield from enumerate(file, start=1)


class BoundedLines(io.BufferedIOBase):
    """A file of bytes that refuses to go on in a line without end, so that no line fills the memory.

    Args:
        inner: the file.
        path: its name, for the message.
    """

    def __init__(self, inner: IO[bytes], path: Path) -> None:
        self.inner, self.path = inner, path
        self.line, self.length = 1, 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read1(self, size: int = -1, /) -> bytes:
        """Read some bytes.

        Raises:
            InvalidData: a line has more than LINE_LIMIT.
        """
        piece = self.inner.read1(size)  # type: ignore[attr-defined]
        last = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
        self.length = len(piece) - last - 1 if last >= 0 else self.length + len(piece)
        self.line += piece.count(b"\n")
        if self.length > LINE_LIMIT:
            raise long_line(str(self.path), self.line)
        return bytes(piece)

    def close(self) -> None:
        """Close the file."""
        self.inner.close()
        super().close()


def long_line(label: str, number: int) -> InvalidData:
    """The error for a line that is longer than LINE_LIMIT."""
    return InvalidData(
        f"{label}:{number}: a line of more than {LINE_LIMIT >> 20} MiB",
        "A line holds one token, sentence or record: look at how the file was made.",
    )


def open_text(
    path: Path, newline: str | None = None, errors: str = "strict", encoding: str = "utf-8", in_lines: bool = True
) -> TextIO:
    """Open a file of text, unpacked where its name ends in .gz, .bz2 or .xz.

    Args:
        in_lines: it is read line by line, so that a line without end is refused.

    Raises:
        InvalidData: the file cannot be read, or its first bytes are those of another kind of file.
    """
    with translate_read_errors(path):
        with open_bytes(path) as file:
            head = file.read(16)
        binary = open_bytes(path)
    if encoding == "utf-8" and (error := foreign(str(path), head)):
        binary.close()
        raise error
    bounded = in_lines and _may_have_long_lines(path)  # lines come a little slower through it
    source = cast(IO[bytes], BoundedLines(binary, path)) if bounded else binary
    return io.TextIOWrapper(source, encoding=encoding, newline=newline, errors=errors)


def _may_have_long_lines(path: Path) -> bool:
    """Whether a line may be longer than LINE_LIMIT: in a larger file, an archive, or a pipe, which has no size."""
    return path.suffix in PACKED or not path.is_file() or path.stat().st_size > LINE_LIMIT


def foreign(label: str, head: bytes) -> InvalidData | None:
    """The error for a file whose first bytes show that it is not text in UTF-8; None for any other."""
    for magic, what in MAGIC.items():
        if re.match(magic, head):
            return InvalidData(f"{label}:1: this is {what}, not text in UTF-8", _way_out(what))
    return None


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file of bytes; it is unpacked if its name ends in .gz, .bz2 or .xz."""
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path))
    if path.suffix == ".bz2":
        return bz2.open(path)
    return lzma.open(path) if path.suffix == ".xz" else path.open("rb")


def _way_out(what: str) -> str:
    if what.startswith("UTF-"):
        return f"Convert it first: iconv -f {what} -t UTF-8 FILE; download takes --encoding {what}."
    if what == "an Arrow file":
        return "Write it as Parquet or JSON Lines; download reads it by the end of its name: .arrow or .feather."
    if what == "a zip archive":
        return "Unpack it; or if it is a table of Excel, save it as CSV in UTF-8."
    if what in NO_TEXT:
        return "Write what it holds as text: JSON Lines, CSV, or a token and its tag a line."
    return "Unpack it, or give it the name that tells what it is (.gz, .bz2, .xz, .parquet)."


@contextmanager
def translate_read_errors(path: Path, encoding: str = "utf-8", is_data: bool = True) -> Iterator[None]:
    """Turn what goes wrong in reading `path` into two lines.

    Args:
        is_data: it holds sentences, which `download` reads in other encodings too.

    Raises:
        InvalidData: the file cannot be read, is a damaged archive, or is not in this encoding (names file and line).
    """
    try:
        yield
    except UnicodeDecodeError as error:
        if encoding != "utf-8" and is_data:
            raise InvalidData(f"{path}: not {encoding}: {error.reason}", "Name another: --encoding") from error
        if encoding != "utf-8":
            raise InvalidData(f"{path}: damaged {encoding}: {error.reason}", "Save it anew, in UTF-8.") from error
        likely = likely_encodings(path)
        also = f"; download takes --encoding {' or '.join(likely)}" if is_data else ""
        raise InvalidData(
            f"{path}: not UTF-8 in line {_bad_line(path)}: {error.reason}",
            f"Convert it first: iconv -f {likely[0]} -t UTF-8 FILE{also}.",
        ) from error
    except UnicodeEncodeError:  # of writing another file meanwhile
        raise
    except UnicodeError as error:  # UTF-16 and UTF-32 without a byte order mark
        raise InvalidData(f"{path}: not {encoding}: {error}", "Name another: --encoding; or leave it out.") from error
    except (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InvalidData(
            f"{path} is no whole archive of the kind its name says: {error}", "Fetch or pack it anew, or rename it."
        ) from error
    except OSError as error:
        if error.errno in FULL_DISK:  # an error of writing another file meanwhile
            raise
        if path.suffix in PACKED and error.errno is None:  # bz2 has no error of its own
            raise InvalidData(f"{path} is not the archive its name says: {error}", "Rename it, or pack it.") from error
        raise InvalidData(
            f"{path} cannot be read: {error.strerror or error}", "Name a file that is there and can be read."
        ) from error


def likely_encodings(path: Path) -> list[str]:
    """Encodings that a file which is not UTF-8 may have, the likeliest first.

    Characters of several bytes come as runs of bytes above 127, single letters of Western Europe stand alone. NUL bytes
    come beside the ASCII characters of UTF-16.
    """
    with open_bytes(path) as file:
        head = file.read(LOOKED_AT)
    if b"\0" in head:
        return ["UTF-16LE" if head[1::2].count(0) > head[::2].count(0) else "UTF-16BE"]
    head = head[: head.rfind(b"\n") + 1] or head
    runs = re.findall(rb"[\x80-\xff]+", head)
    alone = sum(len(run) == 1 for run in runs)
    names = ENCODINGS if 2 * alone > len(runs) else [*ENCODINGS[1:], ENCODINGS[0]]
    found = []
    for name in names:
        with suppress(UnicodeDecodeError):
            head.decode(name)
            found.append(name)
    return found[:3] or ["ISO-8859-1"]


def is_utf8(path: Path) -> bool:
    """Whether the beginning of a file has characters beyond ASCII, all of them in UTF-8: hardly by chance."""
    with open_bytes(path) as file:
        head = file.read(LOOKED_AT)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return not head.isascii()


def _bad_line(path: Path) -> int:
    """1-based number of the first line that is not UTF-8, lines ending as in Python's text mode."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    number, last = 1, b""
    with open_bytes(path) as file:
        while block := file.read(LOOKED_AT):  # a line may be longer than the memory
            number -= last == b"\r" and block[:1] == b"\n"
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                return number + _line_ends(error.object[: error.start])
            number, last = number + _line_ends(block), block[-1:]
    return number


def _line_ends(text: bytes) -> int:
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")
