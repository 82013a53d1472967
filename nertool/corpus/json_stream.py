"""Records of one JSON list, or of one object's list, read piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from nertool.corpus.records import BYTE_ORDER_MARK, TOO_DEEP, BadRecord, JsonDecoder, check_json

CHUNK = 1 << 16
"""Characters of the first piece; each next one that a record needs is twice as large."""
LONGEST_RECORD = 1 << 27
"""Characters at most of a record in a list; one of JSON Lines is a line, see `files.LINE_LIMIT`."""
BLANKS = " \t\r\n"
HELD = object()
"""Stands for a list that is not read yet."""


class BrokenJson(ValueError):
    """The text is no JSON, or is cut short; `line` is where its record begins."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


class Text(Protocol):
    """What text is read from, such as a file."""

    def read(self, size: int, /) -> str:
        """Give some characters more; none at the end."""


class JsonStream:
    """Decodes values from a text file, and forgets what is behind.

    Attributes:
        line: 1-based number of the line that is reached.
    """

    def __init__(self, file: Text) -> None:
        self.file = file
        self.text, self.at, self.line = "", 0, 1
        self.ended = False
        self.decoder = JsonDecoder()
        while self.peek() == BYTE_ORDER_MARK:
            self.at += 1

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in BLANKS:
                self.line += self.text[self.at] == "\n"
                self.at += 1
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more(CHUNK):
                return ""

    def ahead(self) -> str:
        """The text that comes next, as far as it is read; some 64,000 characters at least."""
        if len(self.text) - self.at < CHUNK:
            self._more(CHUNK)
        return self.text[self.at :]

    def take(self, wanted: str) -> None:
        """Go behind a character.

        Raises:
            BrokenJson: another one comes next.
        """
        if self.peek() != wanted:
            raise BrokenJson(self.line, f"{wanted} is missing")
        self.at += 1

    def value(self) -> Any:
        """The next value.

        Raises:
            BrokenJson: there is no whole one, or it is too long or too deep.
        """
        self.peek()
        line = self.line
        found = self.value_or_bad()
        if isinstance(found, BadRecord):
            raise BrokenJson(line, found.reason)
        return found

    def value_or_bad(self) -> Any:
        """The next value; a BadRecord in its place if it is whole, but nothing that other files can hold.

        Raises:
            BrokenJson: there is no whole one, or it is too long.
        """
        self.peek()
        found, end = self._decode()
        text = self.text[self.at : end]
        self.line += text.count("\n")
        self.at = end
        try:
            self.decoder.check()
            check_json(found, text)
        except ValueError as error:
            return BadRecord(str(error))
        return found

    def _decode(self) -> tuple[Any, int]:
        """Decode the next value; gives the place behind it too."""
        size = CHUNK
        while True:
            self.decoder.repeated = ""
            try:
                found, end = self.decoder.raw_decode(self.text, self.at)
                if end < len(self.text) or self.ended or not self._more(size):
                    return found, end
            except RecursionError as error:
                raise BrokenJson(self.line, TOO_DEEP) from error
            except ValueError as error:
                if len(self.text) - self.at > LONGEST_RECORD:
                    raise BrokenJson(self.line, f"a record of over {LONGEST_RECORD:,} characters") from error
                if not self._more(size):
                    raise BrokenJson(self.line, str(error).partition(":")[0]) from error
            size *= 2

    def _more(self, size: int) -> bool:
        """Read on; False at the end."""
        piece = self.file.read(size)
        if piece:
            self.text, self.at = self.text[self.at :] + piece, 0
        self.ended = not piece
        return bool(piece)


def list_items(stream: JsonStream, give_bad: bool = False) -> Iterator[tuple[int, Any]]:
    """Values of the list that comes next, each with the line it begins in.

    Args:
        give_bad: give a BadRecord in place of a value that other files cannot hold; else such a value is an error.

    Raises:
        BrokenJson: the list is broken or cut short.
    """
    stream.take("[")
    line = stream.line
    more = stream.peek() != "]"
    while more:
        stream.peek()
        line = stream.line
        yield line, stream.value_or_bad() if give_bad else stream.value()
        more = stream.peek() == ","
        if more:
            stream.take(",")
    if stream.peek() != "]":
        raise BrokenJson(line, "a comma or ] is missing")
    stream.take("]")


def object_items(stream: JsonStream, is_records: Callable[[str, str], bool]) -> Iterator[tuple[str, Any]]:
    """Keys and values of the object that comes next; HELD for the list that holds the records.

    Whoever is given HELD reads that list from the stream before the next key. No other list is held.

    Args:
        is_records: tells by a key, and the text where its list begins, whether that is the list of records.

    Raises:
        BrokenJson: the object is broken or cut short, or a key stands there twice.
    """
    keys: set[str] = set()
    held = False
    stream.take("{")
    while stream.peek() == '"':
        key = stream.value()
        if key in keys:
            raise BrokenJson(stream.line, f"the key {key[:60]!r} stands in one object twice")
        keys.add(key)
        stream.take(":")
        if not held and stream.peek() == "[" and is_records(key, stream.ahead()):
            held = True
            yield key, HELD
        else:
            yield key, stream.value()
        if stream.peek() != ",":
            break
        stream.take(",")
    stream.take("}")
