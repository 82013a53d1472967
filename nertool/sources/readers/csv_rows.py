"""CSV: one token a row, a column that says which sentence it belongs to, a first line that names the columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from nertool.corpus.column_files import Sentence
from nertool.corpus.files import LONGEST_LINE
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.column_text import ESCAPES
from nertool.sources.readers.layout import SENTENCE_NAMES, TAG_NAMES, TOKEN_NAMES, Layout, find_column
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines

DELIMITERS = ",;\t|"
"""What may separate columns; where nobody says, the one that the first line has most of."""


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of a CSV file; a new sentence begins where the sentence id is another, and not empty.

    Raises:
        InvalidData: a row with more or fewer columns, without a tag, or a quote that is never closed (names file and
            line).
        InvalidOption: there is no such column.
    """
    csv.field_size_limit(LONGEST_LINE)
    lines = (line + "\n" for _, line in text_lines(path, tally))
    first_line = next(lines, "")
    delimiter = ESCAPES.get(layout.delimiter, layout.delimiter) or max(DELIMITERS, key=first_line.count)
    if len(delimiter) != 1:
        raise InvalidOption(f"{path}: --delimiter {delimiter!r}", "CSV has a delimiter of one character.")
    table = csv.reader(chain([first_line], lines), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(table, [])]
        if not any(header):
            raise InvalidData(f"{path}:1: no columns are named here", "The first line of CSV names them.")
        likely = (f"{layout.task}_tags", layout.task, *TAG_NAMES)
        sentence_at, token_at, tag_at = (
            header.index(find_column(path, wanted, option, header, names))
            for wanted, option, names in (
                (layout.sentence_column, "--sentence-column", SENTENCE_NAMES),
                (layout.token_column, "--token-column", TOKEN_NAMES),
                (layout.tag_column, "--tag-column", likely),
            )
        )
        tokens: list[str] = []
        tags: list[str] = []
        first, current = 0, ""
        for row in table:
            if not any(row):
                continue
            if len(row) != len(header):
                raise InvalidData(
                    f"{path}:{table.line_num}: {len(row)} columns, the first line names {len(header)}",
                    "A token that holds the delimiter or a quote stands in quotes.",
                )
            if not row[tag_at].strip():
                raise InvalidData(f"{path}:{table.line_num}: no tag for {row[token_at]!r}", "Every token needs a tag.")
            if not row[sentence_at] and not current:
                raise InvalidData(f"{path}:{table.line_num}: no sentence id yet", "Another column: --sentence-column")
            if tokens and row[sentence_at] not in ("", current):
                yield Sentence(tokens, tags, first)
                tokens, tags, first = [], [], 0
            current = row[sentence_at] or current
            first = first or table.line_num
            tokens.append(row[token_at])
            tags.append(row[tag_at])
        if tokens:
            yield Sentence(tokens, tags, first)
    except csv.Error as error:
        raise InvalidData(
            f"{path}:{table.line_num}: {error}", "A token that holds the delimiter or a quote stands in quotes."
        ) from error
