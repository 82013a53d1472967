"""Tables with a token a row: a column says which sentence it belongs to, or an empty row ends one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nertool.corpus.column_files import Sentence, TaggedRow, group_sentences, marks_document
from nertool.corpus.records import QUOTE_HELP
from nertool.errors import InvalidData
from nertool.sources.readers.bad_lines import BadLines
from nertool.sources.readers.column_roles import EMPTY_TAGS, Table, counts_up, numbers_tokens
from nertool.sources.readers.layout import DOCUMENT_NAMES, SENTENCE_NAMES, Layout, column_index, plain_name
from nertool.sources.readers.sentence_ends import Restarts, SentenceEnds
from nertool.sources.readers.tag_names import named
from nertool.sources.readers.tally import Tally
from nertool.tags import OUTSIDE

Rows = Iterable[tuple[int, list[str]]]


class TokenColumns(NamedTuple):
    """Width of the table, and the 0-based index of each column that is read.

    Attributes:
        id_at: columns of the sentence's id, behind that of its document; empty where there is none: then an empty row
            ends a sentence.
        empty_is_outside: an empty tag stands for O.
        counter_at: column that counts the tokens of each sentence; None without one.
        rows_end: an empty row ends a sentence.
    """

    width: int
    id_at: Sequence[int]
    token_at: int
    tag_at: int
    empty_is_outside: bool = False
    counter_at: int | None = None
    rows_end: bool = True


def read_token_rows(
    path: Path | str, layout: Layout, columns: TokenColumns, rows: Rows, bad: BadLines, tally: Tally
) -> Iterator[Sentence]:
    """Read the sentences of rows, each with its 1-based number.

    Raises:
        InvalidData: a row with more or fewer columns, or without a tag; a sentence whose rows do not stand together.
        InvalidOption: nothing ends a sentence.
    """
    tally.form = "a token a row"
    tagged = _tagged_rows(path, layout, columns, rows, bad, tally)
    yield from named(group_sentences(bad.guard(tagged), path), path, layout.tag_names, tally)


def id_columns(path: Path | str, layout: Layout, header: list[str], rows: Sequence[list[str]]) -> list[int]:
    """Indices of the columns with the id of the document and the sentence; empty where no column is likely to be that.

    A column that counts the rows, or the tokens of each sentence, is none.
    """
    names = list(map(plain_name, header))
    if not layout.sentence_column:
        likely = [names.index(name) for name in SENTENCE_NAMES if name in names]
        table = Table(header, True, [[*rows]])
        likely = [
            at
            for at in likely
            if layout.as_is or not (counts_up([row[at] for row in rows]) or numbers_tokens(table, at))
        ]
        if not likely:
            return []
        sentence_at = likely[0]
    else:
        sentence_at = column_index(path, layout.sentence_column, "--sentence-column", header)
    documents = [names.index(name) for name in DOCUMENT_NAMES if name in names]
    return [*documents[:1], sentence_at] if documents[:1] != [sentence_at] else [sentence_at]


def _tagged_rows(
    path: Path | str, layout: Layout, columns: TokenColumns, rows: Rows, bad: BadLines, tally: Tally
) -> Iterator[TaggedRow]:
    """Give the token and tag of each row; None where a sentence ends."""
    ends = SentenceEnds(path, layout, columns.id_at)
    restarts = Restarts(columns.counter_at)
    for number, fields in rows:
        if not any(fields):
            if columns.rows_end and ends.gap():
                yield number, None
            continue
        if found := _find_error(fields, columns, ends.current):
            what, hint = found
            bad.add(number, InvalidData(f"{path}:{number}: {what}", hint))
            continue
        if restarts.before(fields):
            ends.here()
            yield number, None
        if ends.before(number, fields):
            yield number, None
        token, tag = fields[columns.token_at], fields[columns.tag_at]
        if marks_document(token):
            tally.add("-DOCSTART- rows left out")
            ends.here()
            yield number, None
            continue
        if not tag.strip():
            tally.add(EMPTY_TAGS)
            tag = OUTSIDE
        ends.note(token)
        yield number, (token, tag)
        if layout.sentence_end and token == layout.sentence_end:
            ends.here()
            yield number, None
    ends.finish()


def _find_error(fields: list[str], columns: TokenColumns, sentence: str) -> tuple[str, str] | None:
    """What is wrong with a row, and the hint; None where nothing is."""
    if len(fields) != columns.width:
        return f"{len(fields)} columns, the first line names {columns.width}", QUOTE_HELP
    token = fields[columns.token_at]
    if "\n" in token.strip():
        return f"a token over several lines: {token[:60]!r}", QUOTE_HELP
    if not fields[columns.tag_at].strip() and not columns.empty_is_outside:
        return f"no tag for {token!r}", "Every token needs a tag."
    if columns.id_at and not (fields[columns.id_at[-1]] or sentence):
        return "no sentence id yet", "Another column: --sentence-column"
    return None
