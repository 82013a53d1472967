"""What is in the file of an ONNX graph that ONNX Runtime would follow or repeat, before it reads the file.

The file is gone through as Protocol Buffers write it: that takes no other package, and no look at the weights.

Source: onnx.proto of ONNX; https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple

REPEATING = (b"Loop", b"Scan", b"SequenceMap")
"""Operators that run a graph inside them again and again."""
MODEL, GRAPH, NODE, ATTRIBUTE, TENSOR, SPARSE, ENTRY = range(7)
FUNCTIONS = 25
"""Number of the field of a model that holds functions, which may call each other."""
PARTS = {
    MODEL: {7: GRAPH},
    GRAPH: {1: NODE, 5: TENSOR, 15: SPARSE},
    NODE: {5: ATTRIBUTE},
    ATTRIBUTE: {5: TENSOR, 6: GRAPH, 10: TENSOR, 11: GRAPH, 22: SPARSE, 23: SPARSE},
    TENSOR: {13: ENTRY},
    SPARSE: {1: TENSOR, 2: TENSOR},
    ENTRY: {},
}
"""Messages -> numbers of their fields that are looked into -> the messages there."""
OPERATOR, KEY, VALUE = 4, 1, 2
"""Numbers of fields: the operator of a node, and the parts of an entry about a file."""
MOST_FIELDS = 2_000_000
"""Fields that are gone through; a large model has a tenth of that."""
LONGEST = 4096
"""Bytes of a name that is looked at: no file has a longer one."""
FIXED = {1: 8, 5: 4}
"""Bytes of values of a fixed size, by their kind."""
TEXT = 2
"""Kind of fields that say how long they are: texts, and other messages."""


class GraphFile(NamedTuple):
    """What a graph asks for.

    Attributes:
        files: names of files that its weights are in.
        repeats: an operator that runs a graph again and again, or `functions`; empty where there is none.
    """

    files: list[str]
    repeats: str


def look_into(path: Path) -> GraphFile:
    """What the graph in a file asks for.

    Raises:
        ValueError: the file holds no graph, or one of more fields than any.
    """
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        files: list[str] = []
        repeats = ""
        count = 0
        waiting = [(MODEL, 0, len(content))]
        while waiting:
            kind, start, end = waiting.pop()
            fields = list(_fields(content, start, end, MOST_FIELDS - count))
            count += len(fields)
            inside = PARTS[kind]
            waiting += [(inside[number], first, behind) for number, first, behind in fields if number in inside]
            if kind == MODEL and any(number == FUNCTIONS for number, *_ in fields):
                repeats = "functions"
            elif kind in (NODE, ENTRY):
                texts = [(number, content[first : min(behind, first + LONGEST)]) for number, first, behind in fields]
                repeats = next((text.decode() for text in REPEATING if (OPERATOR, text) in texts), repeats)
                is_place = kind == ENTRY and (KEY, b"location") in texts
                files += [os.fsdecode(text) for number, text in texts if is_place and number == VALUE]
        return GraphFile(files, repeats)


def _fields(content: mmap, at: int, end: int, most: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a message: number, place of the first byte, and place behind the last.

    The number is 0 for what is neither a text nor a message.

    Raises:
        ValueError: it is no message, or has groups, which ONNX has not; or more fields than `most`.
    """
    for _ in range(most):
        if at == end:
            return
        tag, at = _number(content, at, end, 5)
        kind = tag & 7
        if tag >> 32 or kind not in (0, TEXT, *FIXED):
            raise ValueError("it is no message of Protocol Buffers")
        length, at = _number(content, at, end, 10) if kind in (0, TEXT) else (FIXED[kind], at)
        behind = at + length if kind else at
        if behind > end:
            raise ValueError("it ends too early")
        yield tag >> 3 if kind == TEXT else 0, at, behind
        at = behind
    raise ValueError(f"it has more than {MOST_FIELDS:,} parts")


def _number(content: mmap, at: int, end: int, most: int) -> tuple[int, int]:
    """A number in up to so many bytes of 7 bits, the lowest first; and the place behind it."""
    number = 0
    for shift in range(min(most, end - at)):
        byte = content[at + shift]
        number |= (byte & 127) << 7 * shift
        if byte < 128:
            return number, at + shift + 1
    raise ValueError("it ends too early")
