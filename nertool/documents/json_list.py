"""Records of one JSON list, read one by one."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from nertool.corpus.json_stream import CHUNK, BrokenJson, JsonStream, list_items
from nertool.corpus.records import BadRecord
from nertool.documents.byte_source import ByteSource
from nertool.errors import InvalidData

LIST = re.compile(rb'\s*\[\s*(?:\{|"(?:[^"\\]|\\.)*"\s*(?:[,\]]|\Z))', re.DOTALL)
"""How a list of objects or of texts begins, where nothing else says that a file holds JSON."""
NO_UTF8 = re.compile("[\udc80-\udcff]")
"""What stands for bytes that are not UTF-8."""


class DecodedText:
    """Text of a source in UTF-8, read in pieces.

    Attributes:
        spoiled: some of it was not UTF-8.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.spoiled = False

    def read(self, size: int, /) -> str:
        """Give some characters more, as many as there are by now, or `size` for a long record; none at the end."""
        wanted = size if size > CHUNK else 1
        pieces: list[str] = []
        while wanted > 0:
            piece = self._source.read(size)
            pieces.append(self._decoder.decode(piece, final=not piece))
            wanted -= len(pieces[-1])
            if not piece:
                break
        text = "".join(pieces)
        self.spoiled = self.spoiled or NO_UTF8.search(text) is not None
        return text


def is_json_list(beginning: bytes, named_json: bool) -> bool:
    """Tell a JSON list from JSON Lines and from text in brackets.

    Args:
        beginning: the first bytes of a file.
        named_json: its name says that it is a JSON file, so a bracket is enough.
    """
    return beginning.lstrip().startswith(b"[") if named_json else LIST.match(beginning) is not None


def read_json_list(source: ByteSource) -> Iterator[tuple[int, Any]]:
    """Read the values of a list, each with the 1-based number of its line; a BadRecord for one that cannot be taken.

    Raises:
        InvalidData: it is broken or cut short, or something stands behind it (names file and line).
    """
    text = DecodedText(source)
    try:
        stream = JsonStream(text)
        for line, value in list_items(stream, give_bad=True):
            yield line, BadRecord("not UTF-8") if text.spoiled and _is_spoiled(value) else value
        if stream.peek():
            raise BrokenJson(stream.line, "there is more behind the list")
    except BrokenJson as error:
        what = f"{source.label}:{error.line}: broken JSON, or cut short: {error}"
        raise InvalidData(
            what, "What follows cannot be read: write it anew, or as JSON Lines, a record a line."
        ) from error


def _is_spoiled(value: Any) -> bool:
    return not isinstance(value, BadRecord) and NO_UTF8.search(json.dumps(value, ensure_ascii=False)) is not None
