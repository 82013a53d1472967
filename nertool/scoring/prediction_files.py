"""Read files of gold and predicted tags: the input of conlleval, which is also what `evaluate` writes.

A line holds a token and further columns, the last two of them the gold and the predicted tag, with blanks or tabs
between. A blank line, or one whose first column is `-X-`, ends a sentence. `score_file` looks at the tags of distinct
lines only, so ten million lines take seconds.
"""

from __future__ import annotations

import re
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from nertool.arrays import Array
from nertool.corpus.column_files import ENTITY_TAG, TAG_NAMES, Sentence, group_rows
from nertool.corpus.files import foreign, numbered_lines, open_bytes, translate_read_errors
from nertool.corpus.records import BYTE_ORDER_MARK
from nertool.errors import InvalidData, MissingInput
from nertool.scoring.scorer import Scorer
from nertool.spelling import spelling_of_labels, stands_for_outside
from nertool.tags import OUTSIDE

BLOCK = 1 << 23
"""Bytes read at a time."""
MOST_KNOWN = 1 << 20
"""Distinct ends of lines that are remembered."""
LINES_LOOKED_AT = 10_000
"""Lines that decide whether the first of two columns holds tokens."""
TAG = re.compile(rb"O|[BIESLU]-.+")
NAMES = frozenset({*TAG_NAMES, "gold", "true", "y_true", "pred", "predicted", "prediction"})
"""Names that a column of gold tags has."""
IN_QUOTES = re.compile(r"""(['"]).+\1""")
BOUNDARY = re.compile(rb"^-X-(?=\s).*$", re.MULTILINE)
NUL = "a NUL byte: this is no text in UTF-8"
IN_FRONT = re.compile(rb"^ +", re.MULTILINE)
INNER_BLANK = b"_"
"""Takes the place of a blank inside a column, where columns have another delimiter."""
FORM = (
    "A line holds a token and, as its last two columns, the gold and the predicted tag; a blank line ends a sentence."
)
BLANK_HELP = "A blank line ends a sentence."


class Tagged(NamedTuple):
    """A sentence with both its tags, and the 1-based number of its first line."""

    tokens: list[str]
    gold: list[str]
    predicted: list[str]
    line: int


class _Ends(dict[bytes, int]):
    """Numbers of pairs of tags by the end of a line, which reaches from the first blank on; 0 for a blank line.

    Args:
        scorer: gives each tag its number.

    Attributes:
        columns: fields of an end of line; 0 until the first line with tags.
        whole: a line has no token before its tags, so its end is the whole line.
        gold, predicted: the scorer's number of the gold and of the predicted tag, by the number of the pair.
    """

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.columns = 0
        self.whole = False
        self.gold, self.predicted = [-1], [-1]
        self._scorer = scorer
        self._numbers: dict[tuple[str, str], int] = {}

    def of(self, line: bytes) -> bytes:
        """The end of a line."""
        return line if self.whole else line[line.find(b" ") :]

    def tags(self) -> tuple[set[str], set[str]]:
        """The gold and the predicted tags so far."""
        return {gold for gold, _ in self._numbers}, {predicted for _, predicted in self._numbers}

    def __missing__(self, end: bytes) -> int:
        count = len(end.split())
        if count not in (0, self.columns):
            raise ValueError(f"{count} columns")
        tags = end.decode("utf-8").split()[-2:]
        if count and len(tags) < 2:
            raise ValueError("no tag but a blank")
        self[end] = self._number(*tags) if count else 0
        return self[end]

    def _number(self, gold: str, predicted: str) -> int:
        if (gold, predicted) not in self._numbers:
            gold_number, predicted_number = self._scorer.numbers((gold, predicted))
            self._numbers[gold, predicted] = len(self.gold)
            self.gold.append(gold_number)
            self.predicted.append(predicted_number)
        return self._numbers[gold, predicted]


def score_file(name: str, scorer: Scorer, delimiter: str = "") -> None:
    """Count a file of gold and predicted tags, `-` for standard input; memory does not grow with it.

    Args:
        delimiter: of the columns; blanks and tabs without one.

    Raises:
        MissingInput: there is no such file.
        InvalidData: a line without two tags, or with more or fewer columns than the first one; a tag that is not UTF-8
            (names file and line).
    """
    with _opened(name) as (file, path), translate_read_errors(path):
        ends, lines_before, unfinished = _Ends(scorer), 0, np.empty(0, np.int64)
        for lines in _blocks(file, path, delimiter.encode()):
            numbers = _numbers(ends, lines, str(path), lines_before)
            unfinished = _count(scorer, np.append(unfinished, numbers), ends)
            lines_before += len(lines)
            if len(ends) > MOST_KNOWN:
                ends.clear()
        check_columns(str(path), *ends.tags())


def check_columns(name: str, gold: set[str], predicted: set[str]) -> None:
    """Check that the columns hold tags: no probabilities, tokens or names, none in quotes, and both spelled alike.

    Raises:
        InvalidData: they hold anything else; one holds no tag of an entity in the spelling of the other.
    """
    with_prefix = [any(map(ENTITY_TAG.match, tags)) for tags in (gold, predicted)]
    named = sorted(tag for tag in gold if tag.lower() in NAMES)
    if with_prefix[0] and named:
        raise InvalidData(f"{name}: {named[0]!r} is no tag, but the name of a column", "Take out the line of names.")
    for tags in (gold, predicted):
        quoted = sorted(filter(IN_QUOTES.fullmatch, tags))
        if 2 * len(quoted) > len(tags):
            raise InvalidData(f"{name}: tags such as {quoted[0]} stand in quotes", f"Write them without. {FORM}")
        if stray := stands_for_outside(dict.fromkeys(tags, 1)):
            what = f"{name}: the tags of entities have no O, and {stray} stands beside them"
            raise InvalidData(what, f"Write O in its place. {FORM}")
    if not any(with_prefix) and min(len(gold), len(predicted)) > 1 and gold.isdisjoint(predicted):
        what = f"the last two columns have no tag in common: {_some(gold)} and {_some(predicted)}"
        raise InvalidData(f"{name}: {what}", FORM)
    if with_prefix[0] == with_prefix[1] or (gold & predicted) - {OUTSIDE}:
        return
    if with_prefix[0] and (strange := predicted - {OUTSIDE}):
        what = f"the last column holds no predicted tags: {_some(strange)} where the one in front has {_some(gold)}"
        raise InvalidData(f"{name}: {what}", FORM)
    unprefixed = spelling_of_labels(sorted(gold)).order in ("plain", "types")
    if with_prefix[1] and unprefixed and (strange := gold - {OUTSIDE}):
        what = f"the last column but one holds no gold tags: {_some(strange)} where the last has {_some(predicted)}"
        raise InvalidData(f"{name}: {what}", FORM)


def _some(tags: set[str]) -> str:
    return ", ".join(sorted(tags)[:3])


def _numbers(ends: _Ends, lines: list[bytes], name: str, lines_before: int) -> list[int]:
    """Give each line the number of its pair of tags, 0 for a blank line; shape (lines,)."""
    if not ends.columns:
        _learn_columns(ends, lines, name)
    try:
        if ends.whole:
            return [ends[line] for line in lines]
        return [ends[line[line.find(b" ") :]] for line in lines]  # `ends.of` in place: a call a line takes longer
    except ValueError as error:
        raise _located(error, ends, lines, name, lines_before) from error


def _learn_columns(ends: _Ends, lines: list[bytes], name: str) -> None:
    """Take the number of columns from the first line that is not blank."""
    first = next(filter(bytes.split, lines), None)
    if first:
        ends.whole = len(first.split()) == 2
        ends.columns = max(len(ends.of(first).split()), 2)
        if ends.whole and _first_column_holds_tokens(lines):
            raise InvalidData(f"{name}: two columns, a token and a tag: there are no predictions to score", FORM)


def _first_column_holds_tokens(lines: list[bytes]) -> bool:
    """Say whether most words of the first of two columns are neither prefixed tags nor words of the second column."""
    first_column: list[bytes] = []
    second_column: set[bytes] = set()
    for line in lines[:LINES_LOOKED_AT]:
        fields = line.split()
        if len(fields) == 2:
            first_column.append(fields[0])
            second_column.add(fields[1])
    tokens = 0
    for word in first_column:
        tokens += word not in second_column and not TAG.fullmatch(word)
    return 2 * tokens > len(first_column)


def _located(error: ValueError, ends: _Ends, lines: list[bytes], name: str, lines_before: int) -> InvalidData:
    """Find the line that caused an error, and make the message that names it."""
    for number, line in enumerate(lines, start=lines_before + 1):
        try:
            _ = ends[ends.of(line)]
        except ValueError:
            text = line.decode("utf-8", "replace")
            if isinstance(error, UnicodeDecodeError):
                return InvalidData(f"{name}:{number}: not UTF-8: {text!r}", FORM)
            wanted = ends.columns + (not ends.whole)
            found = len(ends.of(line).decode("utf-8", "replace").split()) + (not ends.whole and b" " in line)
            mend = f"{FORM} If something else separates them: --delimiter." if found == 1 else FORM
            return InvalidData(f"{name}:{number}: {found} columns in place of {wanted}: {text!r}", mend)
    raise AssertionError("some line was not as it should be")


def _count(scorer: Scorer, numbers: Array, ends: _Ends) -> Array:
    """Count the whole sentences of a block.

    Args:
        numbers: of the pair of tags of each line, 0 for a blank line; shape (lines,).

    Returns:
        the numbers of the last sentence, which the block does not end.
    """
    blank = np.flatnonzero(numbers == 0)
    if not len(blank):
        return numbers
    whole, rest = numbers[: blank[-1] + 1], numbers[blank[-1] + 1 :]
    kept = (whole != 0) | (np.append(0, whole[:-1]) != 0)  # of several blank lines one, and none in front
    scorer.add_numbers(np.array(ends.gold)[whole[kept]], np.array(ends.predicted)[whole[kept]])
    return rest


def _blocks(file: IO[bytes], path: Path, delimiter: bytes) -> Iterator[list[bytes]]:
    """Give the lines of each block without line ends; a blank parts columns, a line of `-X-` becomes a blank line.

    A blank line stands behind the last one, as it ends a sentence.

    Raises:
        InvalidData: the first bytes are those of another kind of file, or there is a NUL byte.
    """
    rest, data = b"", file.read(BLOCK)
    if error := foreign(str(path), data):
        raise error
    data = data.removeprefix(BOM_UTF8)
    while ahead := file.read(BLOCK):
        block, newline, rest = (rest + data).rpartition(b"\n")
        if newline:
            yield _lines(block, path, delimiter)
        data = ahead
    last = rest + data
    if b"\n" not in last:  # line ends of old Macs
        last = last.replace(b"\r", b"\n")
    yield [*_lines(last, path, delimiter), b""]


def _lines(block: bytes, path: Path, delimiter: bytes) -> list[bytes]:
    if b"\0" in block:
        raise InvalidData(f"{path}: {NUL}", FORM)
    if delimiter:
        block = block.replace(b" ", INNER_BLANK).replace(delimiter, b" ").replace(b"\t", INNER_BLANK)
    if b"-X-" in block:
        block = BOUNDARY.sub(b"", block)
    block = block.replace(b"\t", b" ")
    if b"\n " in block or block.startswith(b" "):
        block = IN_FRONT.sub(b"", block)
    return block.split(b"\n")


@contextmanager
def _opened(name: str) -> Iterator[tuple[IO[bytes], Path]]:
    if name == "-":
        yield sys.stdin.buffer, Path("standard input")
        return
    if Path(name).is_dir():
        raise MissingInput(f"{name} is a directory", "Name a file in it, of tokens with gold and predicted tags.")
    if not Path(name).is_file():
        raise MissingInput(f"{name}: there is no such file", "Name a file of tokens with gold and predicted tags.")
    with translate_read_errors(Path(name)), open_bytes(Path(name)) as file:
        yield file, Path(name)


# -- with their tokens -----------------------------------------------------------------------------


def read_tagged(path: Path, delimiter: str = "") -> Iterator[Tagged]:
    """Read the sentences of a file of token, gold and predicted tag, one at a time.

    Args:
        delimiter: of the columns; white space without one.

    Raises:
        InvalidData: a line with fewer columns, or bytes that are not UTF-8 (names file and line).
    """
    for line, rows in _sentences(path, 3, delimiter):
        yield Tagged(_column(rows, 0), _column(rows, -2), _column(rows, -1), line)


def read_both(gold: Path, predicted: Path, delimiter: str = "") -> Iterator[Tagged]:
    """Read the sentences of two files side by side; the first column of each is the token, the last one the tag.

    Args:
        delimiter: of the columns of both; white space without one.

    Raises:
        InvalidData: the one has other tokens or sentences than the other (names both places), or as `read_tagged`.
    """
    for with_gold, with_predicted in zip_longest(_with_last_tag(gold, delimiter), _with_last_tag(predicted, delimiter)):
        check_same(with_gold, gold, with_predicted, predicted)
        yield Tagged(with_gold.tokens, with_gold.tags, with_predicted.tags, with_gold.line)


def _with_last_tag(path: Path, delimiter: str) -> Iterator[Sentence]:
    for line, rows in _sentences(path, 2, delimiter):
        yield Sentence(_column(rows, 0), _column(rows, -1), line)


def _sentences(path: Path, least: int, delimiter: str) -> Iterator[tuple[int, list[list[str]]]]:
    return group_rows(_rows(path, least, delimiter), path, lambda row: sum(map(len, row)), BLANK_HELP)


def _column(rows: list[list[str]], number: int) -> list[str]:
    return [row[number] for row in rows]


def _rows(path: Path, columns: int, delimiter: str) -> Iterator[tuple[int, list[str] | None]]:
    """Give the fields of each line, with its 1-based number; None where a sentence ends."""
    for number, line in numbered_lines(path):
        if "\0" in line:
            raise InvalidData(f"{path}:{number}: {NUL}", FORM)
        line = line.lstrip(BYTE_ORDER_MARK) if number == 1 else line
        fields = (_with_blanks(line, delimiter) if delimiter else line).split()
        if not fields or fields[0] == "-X-":
            yield number, None
            continue
        if len(fields) < columns:
            what = f"{len(fields)} columns where there should be {columns} at least"
            raise InvalidData(f"{path}:{number}: {what}: {line.rstrip()!r}", FORM)
        yield number, fields


def _with_blanks(line: str, delimiter: str) -> str:
    """Part the columns of a line by blanks in place of the delimiter."""
    inner = INNER_BLANK.decode()
    return line.rstrip("\n").replace(" ", inner).replace(delimiter, " ").replace("\t", inner)


def check_same(
    first: Sentence | Tagged | None, path: Path, second: Sentence | Tagged | None, second_path: Path
) -> None:
    """Check that a sentence of two files has the same tokens in both.

    Args:
        first, second: the sentence in either file; None where the file has ended.
        path, second_path: the files, for the message.

    Raises:
        InvalidData: tokens differ, or one file has ended (names both places).
    """
    hint = "Score what was predicted for just these sentences."
    if first is None or second is None:
        more, fewer, sentence = (second_path, path, second) if first is None else (path, second_path, first)
        assert sentence
        raise InvalidData(f"{more}:{sentence.line}: a sentence that {fewer} does not have: it has fewer", hint)
    for number, (token, other) in enumerate(zip_longest(first.tokens, second.tokens)):
        if token != other:
            place = f"{second_path}:{second.line + number}: {_quoted(other)}"
            raise InvalidData(f"{place} where {path}:{first.line + number} has {_quoted(token)}", hint)


def _quoted(token: str | None) -> str:
    return "no token" if token is None else repr(token)
