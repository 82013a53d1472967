"""Files of gold and predicted tags: the input of conlleval, which is also what `evaluate` writes.

A line holds a token and further columns, the last two of them the gold and the predicted tag, with blanks or tabs
between; a blank line, or one whose first column is `-X-`, ends a sentence. Only the tags of distinct lines are looked
at, so that ten million lines are a matter of seconds.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import starmap, zip_longest
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from nertool.corpus.column_files import Sentence
from nertool.corpus.files import numbered_lines, open_bytes, translate_read_errors
from nertool.errors import InvalidData, MissingInput
from nertool.scoring.scorer import Array, Scorer

BLOCK = 1 << 23
"""Bytes read at a time."""
MOST_KNOWN = 1 << 20
"""Distinct ends of lines that are remembered."""
LINES_LOOKED_AT = 10_000
"""Lines that decide whether the first of two columns holds tokens."""
TAG = re.compile(rb"O|[BIESLU]-.+")
BOUNDARY = re.compile(rb"^-X-(?=\s).*$", re.MULTILINE)
FORM = (
    "A line holds a token and, as its last two columns, the gold and the predicted tag; a blank line ends a sentence."
)


class Tagged(NamedTuple):
    """A sentence with both its tags, and the 1-based number of its first line."""

    tokens: list[str]
    gold: list[str]
    predicted: list[str]
    line: int


class _Ends(dict[bytes, int]):
    """Ends of lines, from the first blank on -> a number that stands for their two tags; 0 for a blank line."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.columns = 0
        self.whole = False
        self.gold, self.predicted = [-1], [-1]
        self._scorer = scorer
        self._numbers: dict[tuple[bytes, bytes], int] = {}

    def __missing__(self, end: bytes) -> int:
        fields = end.split()
        if fields and len(fields) != self.columns:
            raise ValueError(f"{len(fields)} columns")
        self[end] = self._number(fields[-2], fields[-1]) if fields else 0
        return self[end]

    def _number(self, gold: bytes, predicted: bytes) -> int:
        if (gold, predicted) not in self._numbers:
            mine, theirs = self._scorer.numbers((gold.decode("utf-8"), predicted.decode("utf-8")))
            self._numbers[gold, predicted] = len(self.gold)
            self.gold.append(mine)
            self.predicted.append(theirs)
        return self._numbers[gold, predicted]


def score_file(name: str, scorer: Scorer) -> None:
    """Count a file of gold and predicted tags, `-` for standard input; memory does not grow with it.

    Raises:
        MissingInput: there is no such file.
        InvalidData: a line without two tags, or with more or fewer columns than the first one; a tag that is not UTF-8
            (names file and line).
    """
    with _opened(name) as (file, path), translate_read_errors(path):
        ends, lines_before, open_sentence = _Ends(scorer), 0, np.empty(0, np.int64)
        for lines in _blocks(file):
            open_sentence = _count(
                scorer, np.append(open_sentence, _numbers(ends, lines, str(path), lines_before)), ends
            )
            lines_before += len(lines)
            if len(ends) > MOST_KNOWN:
                ends.clear()
        _count(scorer, np.append(open_sentence, 0), ends)


def _numbers(ends: _Ends, lines: list[bytes], name: str, lines_before: int) -> list[int]:
    """A number for the tags of each line."""
    if not ends.columns and (first := next((line.split() for line in lines if line.strip()), [])):
        ends.whole = len(first) == 2
        ends.columns = max(len(first) - 1, 2)
        if ends.whole and _first_column_holds_tokens(lines):
            raise InvalidData(f"{name}: two columns, a token and a tag: there are no predictions to score", FORM)
    try:
        if ends.whole:
            return [ends[line] for line in lines]
        return [ends[line[line.find(b" ") :]] for line in lines]
    except ValueError as error:
        raise _told_line(ends, lines, name, lines_before, error) from error


def _first_column_holds_tokens(lines: list[bytes]) -> bool:
    """Most words of the first of two columns are neither tags with a prefix nor values of the second column."""
    rows = [line.split() for line in lines[:LINES_LOOKED_AT]]
    pairs = [(row[0], row[1]) for row in rows if len(row) == 2]
    tags = {second for _, second in pairs}
    tokens = sum(first not in tags and not TAG.fullmatch(first) for first, _ in pairs)
    return 2 * tokens > len(pairs)


def _told_line(ends: _Ends, lines: list[bytes], name: str, lines_before: int, error: ValueError) -> InvalidData:
    for number, line in enumerate(lines, start=lines_before + 1):
        try:
            _ = ends[line if ends.whole else line[line.find(b" ") :]]
        except ValueError:
            text = line.decode("utf-8", "replace")
            if isinstance(error, UnicodeDecodeError):
                return InvalidData(f"{name}:{number}: not UTF-8: {text!r}", FORM)
            wanted = ends.columns + (not ends.whole)
            return InvalidData(f"{name}:{number}: {len(text.split())} columns in place of {wanted}: {text!r}", FORM)
    raise AssertionError("some line was not as it should be")


def _count(scorer: Scorer, numbers: Array, ends: _Ends) -> Array:
    """Count the whole sentences of a block; returns what is left of the last one."""
    blank = np.flatnonzero(numbers == 0)
    if not len(blank):
        return numbers
    whole, rest = numbers[: blank[-1] + 1], numbers[blank[-1] + 1 :]
    kept = (whole != 0) | (np.append(0, whole[:-1]) != 0)  # of several blank lines one, and none in front
    scorer.add_numbers(np.array(ends.gold)[whole[kept]], np.array(ends.predicted)[whole[kept]])
    return rest


def _blocks(file: IO[bytes]) -> Iterator[list[bytes]]:
    """Lines by the block, without their ends; tabs are blanks, and a boundary is a blank line."""
    rest = b""
    while data := file.read(BLOCK):
        block, newline, rest = (rest + data).rpartition(b"\n")
        if newline:
            yield _lines(block)
    if rest:
        yield _lines(rest)


def _lines(block: bytes) -> list[bytes]:
    if b"-X-" in block:
        block = BOUNDARY.sub(b"", block)
    return block.replace(b"\t", b" ").split(b"\n")


@contextmanager
def _opened(name: str) -> Iterator[tuple[IO[bytes], Path]]:
    if name == "-":
        yield sys.stdin.buffer, Path("standard input")
        return
    if not Path(name).is_file():
        raise MissingInput(f"{name}: there is no such file", "Name a file of tokens with gold and predicted tags.")
    with translate_read_errors(Path(name)), open_bytes(Path(name)) as file:
        yield file, Path(name)


# -- with their tokens -----------------------------------------------------------------------------


def read_tagged(path: Path) -> Iterator[Tagged]:
    """The sentences of a file of token, gold and predicted tag, one at a time.

    Raises:
        InvalidData: a line with fewer columns, or bytes that are not UTF-8 (names file and line).
    """
    for rows, line in _sentences(path, columns=3):
        yield Tagged([row[0] for row in rows], [row[-2] for row in rows], [row[-1] for row in rows], line)


def read_both(gold: Path, predicted: Path) -> Iterator[Tagged]:
    """The sentences of two files side by side; the first column of each is the token, the last one the tag.

    Raises:
        InvalidData: the one has other tokens or sentences than the other (names both places), or as `read_tagged`.
    """
    sides = (_sentences(path, columns=2) for path in (gold, predicted))
    for pair in zip_longest(*(starmap(_one_tag, side) for side in sides)):
        check_same(pair[0], gold, pair[1], predicted)
        yield Tagged(pair[0].tokens, pair[0].tags, pair[1].tags, pair[0].line)


def _one_tag(rows: list[list[str]], line: int) -> Sentence:
    return Sentence([row[0] for row in rows], [row[-1] for row in rows], line)


def _sentences(path: Path, columns: int) -> Iterator[tuple[list[list[str]], int]]:
    """The fields of each line of a sentence, and the 1-based number of its first line."""
    rows: list[list[str]] = []
    first = 0
    for number, line in numbered_lines(path):
        fields = line.split()
        if fields and fields[0] != "-X-":
            if len(fields) < columns:
                what = f"{len(fields)} columns where there should be {columns} at least"
                raise InvalidData(f"{path}:{number}: {what}: {line.rstrip()!r}", FORM)
            first = first or number
            rows.append(fields)
        elif rows:
            yield rows, first
            rows, first = [], 0
    if rows:
        yield rows, first


def check_same(ours: Sentence | Tagged | None, gold: Path, theirs: Sentence | Tagged | None, other: Path) -> None:
    """Two files must hold the same sentences.

    Raises:
        InvalidData: they do not (names both places).
    """
    hint = "Score what was predicted for just these sentences."
    if ours is None or theirs is None:
        more, fewer, sentence = (other, gold, theirs) if ours is None else (gold, other, ours)
        assert sentence
        raise InvalidData(f"{more}:{sentence.line}: a sentence that {fewer} does not have: it has fewer", hint)
    for number, (mine, another) in enumerate(zip_longest(ours.tokens, theirs.tokens)):
        if mine != another:
            place = f"{other}:{theirs.line + number}: {_quoted(another)}"
            raise InvalidData(f"{place} where {gold}:{ours.line + number} has {_quoted(mine)}", hint)


def _quoted(token: str | None) -> str:
    return "no token" if token is None else repr(token)
