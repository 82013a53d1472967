"""CSV: one token a row, a column that says which sentence it belongs to, a first line that names the columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from nertool.corpus.column_files import Sentence, TaggedRow, group_sentences
from nertool.corpus.files import LONGEST_LINE
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.columns import ESCAPES
from nertool.sources.readers.layout import SENTENCE_NAMES, TAG_NAMES, TOKEN_NAMES, Layout, find_column
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines

DELIMITERS = ",;\t|"
"""What may separate columns; without --delimiter, the one that the first line has most of."""
QUOTE_HELP = "A token that holds the delimiter or a quote stands in quotes."


class Columns(NamedTuple):
    """Width of the table, and the 0-based index of each column that is read."""

    width: int
    sentence_at: int
    token_at: int
    tag_at: int


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Read the sentences of a CSV file; one begins where the sentence id is another, and not empty.

    Raises:
        InvalidData: a row with more or fewer columns, without a tag, or a quote that is never closed (names file and
            line).
        InvalidOption: there is no such column.
    """
    yield from group_sentences(_tagged_rows(path, layout, tally))


def _tagged_rows(path: Path, layout: Layout, tally: Tally) -> Iterator[TaggedRow]:
    rows = _table(path, layout.delimiter, tally)
    columns = _find_columns(path, layout, next(rows, (1, []))[1])
    width, sentence_at, token_at, tag_at = columns
    current = ""  # sentence id
    for number, fields in rows:
        if not any(fields):
            continue
        if len(fields) != width or not fields[tag_at].strip() or not (fields[sentence_at] or current):
            raise _bad_row(f"{path}:{number}", fields, columns)
        if fields[sentence_at] not in ("", current):
            current = fields[sentence_at]
            yield number, None
        yield number, (fields[token_at], fields[tag_at])


def _table(path: Path, delimiter: str, tally: Tally) -> Iterator[tuple[int, list[str]]]:
    """Give the fields of each row, with the number of its last line."""
    csv.field_size_limit(LONGEST_LINE)
    lines = (line + "\n" for _, line in text_lines(path, tally))
    first_line = next(lines, "")
    delimiter = ESCAPES.get(delimiter, delimiter) or max(DELIMITERS, key=first_line.count)
    if len(delimiter) != 1:
        raise InvalidOption(f"{path}: --delimiter {delimiter!r}", "CSV has a delimiter of one character.")
    table = csv.reader(chain([first_line], lines), delimiter=delimiter, strict=True)
    try:
        for fields in table:
            yield table.line_num, fields
    except csv.Error as error:
        raise InvalidData(f"{path}:{table.line_num}: {error}", QUOTE_HELP) from error


def _find_columns(path: Path, layout: Layout, first_row: list[str]) -> Columns:
    """Find the columns by the names in the first row."""
    header = [name.strip() for name in first_row]
    if not any(header):
        raise InvalidData(f"{path}:1: no columns are named here", "The first line of CSV names them.")
    tag_names = (f"{layout.task}_tags", layout.task, *TAG_NAMES)
    sentence = find_column(path, layout.sentence_column, "--sentence-column", header, SENTENCE_NAMES)
    token = find_column(path, layout.token_column, "--token-column", header, TOKEN_NAMES)
    tag = find_column(path, layout.tag_column, "--tag-column", header, tag_names)
    return Columns(len(header), header.index(sentence), header.index(token), header.index(tag))


def _bad_row(place: str, fields: list[str], columns: Columns) -> InvalidData:
    if len(fields) != columns.width:
        return InvalidData(f"{place}: {len(fields)} columns, the first line names {columns.width}", QUOTE_HELP)
    if not fields[columns.tag_at].strip():
        return InvalidData(f"{place}: no tag for {fields[columns.token_at]!r}", "Every token needs a tag.")
    return InvalidData(f"{place}: no sentence id yet", "Another column: --sentence-column")
