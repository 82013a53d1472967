"""CSV: one token a row, a column that says which sentence it belongs to, a first line that names the columns."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from nertool.corpus.column_files import Sentence, TaggedRow, group_sentences
from nertool.corpus.records import QUOTE_HELP, csv_rows
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.bad_lines import BadLines
from nertool.sources.readers.char_spans import tag_texts
from nertool.sources.readers.columns import ESCAPES
from nertool.sources.readers.layout import SENTENCE_NAMES, TOKEN_NAMES, Layout, find_column, tag_columns
from nertool.sources.readers.rows import may_hold_texts, read_rows
from nertool.sources.readers.span_records import SPAN_KEYS, TEXT_KEYS, SpanRecords
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines

Rows = Iterator[tuple[int, list[str]]]
SENTENCE_HELP = (
    "Name the column with a sentence's id: --sentence-column; or a token that ends sentences: --sentence-end ."
)
LIST = re.compile(r"\[.*\]", re.DOTALL)
WITHOUT_COMMA = re.compile(r"""['"]\s+['"]""")
"""Between strings as NumPy writes them, which Python would read as one."""
LONGEST_SENTENCE = 100_000
"""Rows without the end of a sentence, beyond which nothing seems to end one."""


class Columns(NamedTuple):
    """Width of the table, and the 0-based index of each column that is read.

    `sentence_at` is None where no column holds the sentence's id: then an empty row ends a sentence.
    """

    width: int
    sentence_at: int | None
    token_at: int
    tag_at: int


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Read the sentences of a CSV file.

    A sentence begins where the sentence id is another, and not empty; without such a column, behind an empty row. A
    file whose rows hold lists of tokens and of tags, as pandas writes them, has a sentence a row; one whose rows hold
    a text and a list of spans has a text a row.

    Raises:
        InvalidData: a row with more or fewer columns, without a tag, or a quote that is never closed (names file and
            line); a sentence whose rows do not stand together.
        InvalidOption: there is no such column.
    """
    rows = _table(path, layout, tally)
    header = [name.strip() for name in next(rows, (1, []))[1]]
    if not any(header):
        raise InvalidData(f"{path}:1: no columns are named here", "The first line of CSV names them.")
    first = list(_first_filled(rows))
    if first and _is_text_with_spans(first[0][1], header, layout):
        texts = SpanRecords(path, layout, tally).read(_records(path, header, chain(first, rows), layout))
        yield from tag_texts(texts, layout, tally)
        return
    token = find_column(path, layout.token_column, "--token-column", header, TOKEN_NAMES)
    tag = find_column(path, layout.tag_column, "--tag-column", header, tag_columns(layout.task))
    columns = Columns(len(header), _sentence_column(path, layout, header), header.index(token), header.index(tag))
    if first and _holds_lists(first[0][1], columns):
        lists = _rows_of_lists(path, chain(first, rows), columns, (token, tag))
        yield from read_rows(lists, path, layout, [token, tag], tally)
    else:
        bad = BadLines(layout.on_error, tally)
        tagged = _tagged_rows(path, layout, columns, chain(first, rows), bad)
        yield from group_sentences(bad.guard(tagged))


def _sentence_column(path: Path, layout: Layout, header: list[str]) -> int | None:
    """Index of the sentence id's column; None where none is asked for and none is likely."""
    likely = {name.lower() for name in header} & {*SENTENCE_NAMES}
    if not layout.sentence_column and not likely:
        return None
    return header.index(find_column(path, layout.sentence_column, "--sentence-column", header, SENTENCE_NAMES))


def _first_filled(rows: Rows) -> Rows:
    for number, fields in rows:
        if any(fields):
            yield number, fields
            return


def _table(path: Path, layout: Layout, tally: Tally) -> Rows:
    lines = (line + "\n" for _, line in text_lines(path, tally, encoding=layout.encoding))
    return csv_rows(path, lines, ESCAPES.get(layout.delimiter, layout.delimiter))


# -- a token a row ---------------------------------------------------------------------------------


def _tagged_rows(path: Path, layout: Layout, columns: Columns, rows: Rows, bad: BadLines) -> Iterator[TaggedRow]:
    """Give the token and tag of each row; None where a sentence ends."""
    ends = SentenceEnds(path, layout, columns)
    for number, fields in rows:
        if not any(fields):
            if columns.sentence_at is None:
                ends.here()
                yield number, None
            continue
        if found := _find_error(fields, columns, ends.current):
            what, hint = found
            bad.add(number, InvalidData(f"{path}:{number}: {what}", hint))
            continue
        if ends.before(number, fields):
            yield number, None
        token = fields[columns.token_at]
        yield number, (token, fields[columns.tag_at])
        if layout.sentence_end and token == layout.sentence_end:
            ends.here()
            yield number, None
    ends.finish()


class SentenceEnds:
    """Tells where sentences end: at another id, or at an empty row.

    Attributes:
        current: id of the sentence; empty before the first.
    """

    def __init__(self, path: Path, layout: Layout, columns: Columns) -> None:
        self.path, self.columns, self.as_is = path, columns, layout.as_is
        self.current = ""
        self.ended: set[int] = set()
        self.rows = self.ends = 0

    def here(self) -> None:
        """A sentence ends behind the last row."""
        self.rows, self.ends = 0, self.ends + 1

    def before(self, number: int, fields: list[str]) -> bool:
        """Whether a sentence ends in front of this row.

        Raises:
            InvalidData: the row belongs to a sentence that has ended already.
            InvalidOption: nothing ends sentences.
        """
        at = self.columns.sentence_at
        self.rows += 1
        if at is None:
            if self.rows > LONGEST_SENTENCE:
                raise self._endless()
            return False
        if fields[at] in ("", self.current):
            return False
        if hash(fields[at]) in self.ended and not self.as_is:
            raise InvalidData(
                f"{self.path}:{number}: sentence {fields[at]!r} goes on here, but other rows stand between",
                "Sort the rows by sentence; if its ids begin again here: --accept-as-is.",
            )
        self.ended.add(hash(fields[at]))
        self.current = fields[at]
        return True

    def finish(self) -> None:
        """End the file.

        Raises:
            InvalidOption: nothing ended a sentence.
        """
        if self.columns.sentence_at is None and self.rows and not self.ends:
            raise self._endless()

    def _endless(self) -> InvalidOption:
        return InvalidOption(f"{self.path}: no column of sentence ids and no empty row", SENTENCE_HELP)


def _find_error(fields: list[str], columns: Columns, sentence: str) -> tuple[str, str] | None:
    """What is wrong with a row, and the hint; None where nothing is."""
    if len(fields) != columns.width:
        return f"{len(fields)} columns, the first line names {columns.width}", QUOTE_HELP
    if not fields[columns.tag_at].strip():
        return f"no tag for {fields[columns.token_at]!r}", "Every token needs a tag."
    if columns.sentence_at is not None and not (fields[columns.sentence_at] or sentence):
        return "no sentence id yet", "Another column: --sentence-column"
    return None


# -- a text a row ----------------------------------------------------------------------------------


def _is_text_with_spans(fields: list[str], header: list[str], layout: Layout) -> bool:
    """Whether a row holds a text, and a list of its spans as text."""
    if len(fields) != len(header) or not may_hold_texts(header, layout):
        return False
    cells = dict(zip(header, fields, strict=True))
    text, spans = _named(cells, layout.text_column, TEXT_KEYS), _named(cells, layout.spans_column, SPAN_KEYS)
    return LIST.fullmatch(text.strip()) is None and LIST.fullmatch(spans.strip()) is not None


def _named(cells: dict[str, str], wanted: str, likely: Sequence[str]) -> str:
    return next((cells[name] for name in ([wanted] if wanted else likely) if name in cells), "")


def _records(
    path: Path, header: list[str], rows: Rows, layout: Layout
) -> Iterator[tuple[int, dict[str, Any] | InvalidData]]:
    """Give each row as an object, or what is wrong with it."""
    spans = {layout.spans_column} if layout.spans_column else {*SPAN_KEYS}
    for number, fields in rows:
        if any(fields):
            try:
                yield number, _parse_record(f"{path}:{number}", header, fields, spans)
            except InvalidData as error:
                yield number, error


def _parse_record(place: str, header: list[str], fields: list[str], spans: set[str]) -> dict[str, Any]:
    """The cells of a row by column, with the list of spans as a list."""
    if len(fields) != len(header):
        raise InvalidData(f"{place}: {len(fields)} columns, the first line names {len(header)}", QUOTE_HELP)
    record: dict[str, Any] = dict(zip(header, fields, strict=True))
    for name in spans & {*header}:
        if LIST.fullmatch(record[name].strip()):
            record[name] = _as_lists(_parse_list(place, record[name]))
    return record


def _as_lists(value: Any) -> Any:
    """Lists in place of tuples."""
    return [_as_lists(one) for one in value] if isinstance(value, (list, tuple)) else value


# -- a sentence a row ------------------------------------------------------------------------------


def _holds_lists(fields: list[str], columns: Columns) -> bool:
    """Whether the cells of tokens and tags hold lists as text."""
    if len(fields) != columns.width:
        return False
    return all(LIST.fullmatch(fields[at].strip()) for at in (columns.token_at, columns.tag_at))


def _rows_of_lists(
    path: Path, rows: Rows, columns: Columns, names: tuple[str, str]
) -> Iterator[tuple[int, dict[str, Any] | InvalidData]]:
    """Give each row as an object of its two lists, or what is wrong with it."""
    for number, fields in rows:
        if any(fields):
            try:
                yield number, _parse_row(f"{path}:{number}", fields, columns, names)
            except InvalidData as error:
                yield number, error


def _parse_row(place: str, fields: list[str], columns: Columns, names: tuple[str, str]) -> dict[str, Any]:
    if len(fields) != columns.width:
        raise InvalidData(f"{place}: {len(fields)} columns, the first line names {columns.width}", QUOTE_HELP)
    cells = (fields[columns.token_at], fields[columns.tag_at])
    return {name: _parse_list(place, cell) for name, cell in zip(names, cells, strict=True)}


def _parse_list(place: str, cell: str) -> list[Any]:
    """Read a list that Python printed; nothing in it is run.

    Raises:
        InvalidData: it is none.
    """
    hint = "Write JSON Lines: an object with the lists tokens and tags a line."
    if WITHOUT_COMMA.search(cell):
        raise InvalidData(f"{place}: a list without commas, as NumPy prints: {cell[:60]}", hint)
    try:
        found = ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise InvalidData(f"{place}: no list: {cell[:60]}", hint) from error
    if not isinstance(found, list):
        raise InvalidData(f"{place}: no list: {cell[:60]}", hint)
    return found
