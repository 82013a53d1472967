"""CSV: a token a row, a sentence a row as lists, or a text a row with spans; the first line names the columns."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

from nertool.corpus.column_files import TOKEN_NAMES, Sentence, is_entity_tag
from nertool.corpus.files import LONGEST_LINE
from nertool.corpus.records import QUOTE_HELP, csv_rows
from nertool.errors import InvalidData
from nertool.sources.readers.bad_lines import BadLines
from nertool.sources.readers.char_spans import SPANS_WAY, tag_texts
from nertool.sources.readers.column_roles import (
    NAMES_AGAIN,
    Table,
    empty_is_outside,
    holds_prefixes,
    holds_types,
    joined_tag,
    token_counter,
)
from nertool.sources.readers.columns import ESCAPES, trim
from nertool.sources.readers.layout import (
    Layout,
    column_index,
    tag_columns,
)
from nertool.sources.readers.rows import may_hold_texts, read_rows
from nertool.sources.readers.span_records import SPAN_KEYS, TEXT_KEYS, SpanRecords
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines
from nertool.sources.readers.token_rows import TokenColumns, id_columns, read_token_rows

Rows = Iterator[tuple[int, list[str]]]
LIST = re.compile(r"\[.*\]", re.DOTALL)
WITHOUT_COMMA = re.compile(r"""['"]\s+['"]""")
"""Between strings as NumPy writes them, which Python would read as one."""
ROWS_AHEAD = 1000
"""Rows from which the form is told."""
ONE_COLUMN_HELP = (
    "Say what separates the columns: --delimiter; a file with a token and its tag a line, and no names of columns, has "
    "another name, such as .conll."
)
HEADER_HELP = "Put a line in front that names all columns, such as sentence_id,token,tag."


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Read the sentences of a CSV file.

    A sentence begins where the sentence id is another, and not empty; without such a column, behind an empty row. A
    file whose rows hold tokens and tags as lists, as pandas writes them, or with blanks between, has a sentence a row;
    one whose rows hold a text and a list of spans has a text a row.

    Raises:
        InvalidData: a row with more or fewer columns, without a tag, or a quote that is never closed (names file and
            line); a sentence whose rows do not stand together; no names of columns.
        InvalidOption: there is no such column.
    """
    rows = _table(path, layout, tally)
    header = _header(path, next(rows, (1, []))[1])
    rows = _without_names(rows, header, tally)
    ahead = list(islice(rows, ROWS_AHEAD))
    filled = [fields for _, fields in ahead if any(fields) and len(fields) == len(header)]
    rows = chain(ahead, rows)
    if any(_is_text_with_spans(fields, header, layout) for fields in filled):
        texts = SpanRecords(path, layout, tally).read(_records(path, header, rows, layout))
        yield from tag_texts(texts, layout, tally)
        return
    _refuse_spans(path, layout, header)
    columns = _columns(path, layout, header, filled, tally)
    columns = _with_ends(columns, header, [fields for _, fields in ahead])
    kind_at = None if layout.tag_column else _types(header, filled, columns)
    if kind_at is not None:
        told = f"{header[columns.tag_at]} and {header[kind_at]} hold prefixes and types of tags, and are joined"
        tally.note(f"{path.name}: {told} (--tag-column)")
        rows = _joined(rows, columns, kind_at)
    names = (header[columns.token_at], header[columns.tag_at])
    if filled and _hold_sentences(filled, columns):
        listed = [LIST.fullmatch(filled[0][at].strip()) is not None for at in (columns.token_at, columns.tag_at)]
        lists = _rows_of_lists(path, rows, columns, names, listed)
        yield from read_rows(lists, path, layout, names, tally)
    else:
        _refuse_texts(path, layout, filled, columns)
        yield from read_token_rows(path, layout, columns, rows, BadLines(layout.on_error, tally), tally)


def _header(path: Path, fields: list[str]) -> list[str]:
    """Names of the columns.

    Raises:
        InvalidData: the first line is empty, or holds a token and its tag.
    """
    header = [name.strip() for name in fields]
    if not any(header):
        raise InvalidData(f"{path}:1: no columns are named here", HEADER_HELP)
    if len(header) == 1:
        raise InvalidData(f"{path}:1: one column: {header[0][:60]!r}", ONE_COLUMN_HELP)
    tags = list(filter(is_entity_tag, header))
    if tags:
        raise InvalidData(f"{path}:1: the first line holds the tag {tags[0]}, and names no columns", HEADER_HELP)
    return header


def _without_names(rows: Rows, header: list[str], tally: Tally) -> Rows:
    """Give an empty row in place of one that names the columns again, as files that were joined have."""
    for number, fields in rows:
        fields = trim(fields, len(header))
        if fields and fields[0].strip() == header[0] and [field.strip() for field in fields] == header:
            tally.add(NAMES_AGAIN)
            yield number, []
        else:
            yield number, fields


def _refuse_spans(path: Path, layout: Layout, header: Sequence[str]) -> None:
    """Refuse a table with one span a row, as Amazon Comprehend has.

    Raises:
        InvalidData: it is one.
    """
    names = {re.sub(r"[\s_]", "", name.lower()) for name in header}
    tagged = layout.tag_column or not names.isdisjoint(tag_columns(layout.task))
    if not tagged and names & {"start", "startoffset", "begin", "beginoffset"} and names & {"end", "endoffset"}:
        raise InvalidData(f"{path}:1: a row holds one span, which is not read", SPANS_WAY)


def _columns(path: Path, layout: Layout, header: list[str], rows: Sequence[list[str]], tally: Tally) -> TokenColumns:
    """Find the columns.

    Args:
        rows: the first ones, each as long as the header.

    Raises:
        InvalidOption: one is not there, or several have its name.
    """
    token_at = column_index(path, layout.token_column, "--token-column", header, TOKEN_NAMES)
    tag_at = column_index(path, layout.tag_column, "--tag-column", header, tag_columns(layout.task))
    likely = tag_columns(layout.task) if not layout.tag_column else ()
    others = [at for at, name in enumerate(header) if name.lower() in likely and at != tag_at]
    others = [at for at in others if rows and all(is_entity_tag(row[at]) for row in rows)]
    if others:
        shown = ", ".join(header[at] for at in others)
        tally.note(f"{path.name}: the tags are those of {header[tag_at]}, not those of {shown} (--tag-column)")
    empty = layout.task != "pos" and empty_is_outside([row[tag_at] for row in rows])
    return TokenColumns(len(header), id_columns(path, layout, header, rows), token_at, tag_at, empty)


def _with_ends(columns: TokenColumns, header: list[str], ahead: Sequence[list[str]]) -> TokenColumns:
    """The columns, with what the first rows tell of where sentences end.

    Beside a column of ids, empty rows end sentences too, unless there is one behind each row, as some programs write.
    """
    sentences: list[list[list[str]]] = [[]]
    for fields in ahead:
        if not any(fields):
            sentences.append([])
        elif len(fields) == columns.width:
            sentences[-1].append(fields)
    rows_end = not columns.id_at or any(len(sentence) > 1 for sentence in sentences)
    return columns._replace(
        counter_at=token_counter(Table(header, True, sentences), columns.token_at, columns.tag_at, columns.id_at),
        rows_end=rows_end,
    )


def _types(header: list[str], rows: list[list[str]], columns: TokenColumns) -> int | None:
    """0-based index of the column with the types of tags, where that of the tags holds their prefixes alone."""
    table = Table(header, True, [rows])
    if not holds_prefixes(table, columns.tag_at):
        return None
    others = [at for at in range(len(header)) if at not in (columns.tag_at, columns.token_at, *columns.id_at)]
    return next((at for at in others if holds_types(table, columns.tag_at, at)), None)


def _joined(rows: Rows, columns: TokenColumns, kind_at: int) -> Rows:
    """Give the rows with the whole tag in place of its prefix."""
    for number, fields in rows:
        if len(fields) == columns.width and any(fields):
            fields = [*fields]
            fields[columns.tag_at] = joined_tag(fields[columns.tag_at], fields[kind_at])
        yield number, fields


def _refuse_texts(path: Path, layout: Layout, rows: Sequence[list[str]], columns: TokenColumns) -> None:
    """Refuse a table of which most rows hold a text in place of a token.

    Raises:
        InvalidData: it is one.
    """
    if 2 * _several_words(rows, columns) > len(rows) and not layout.as_is:
        what = f"{path}:1: most rows hold several words, and neither a list of spans nor a tag for each"
        raise InvalidData(what, f"{SPANS_WAY} To take texts for tokens: --accept-as-is.")


def _table(path: Path, layout: Layout, tally: Tally) -> Rows:
    lines = (line + "\n" for _, line in text_lines(path, tally, encoding=layout.encoding))
    return csv_rows(path, lines, ESCAPES.get(layout.delimiter, layout.delimiter))


# -- a text a row ----------------------------------------------------------------------------------


def _is_text_with_spans(fields: list[str], header: list[str], layout: Layout) -> bool:
    """Whether a row holds a text, and a list of its spans as text."""
    if not may_hold_texts(header, layout):
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
        elif not record[name].strip():
            record[name] = None
    return record


def _as_lists(value: Any) -> Any:
    """Lists in place of tuples."""
    return [_as_lists(one) for one in value] if isinstance(value, (list, tuple)) else value


# -- a sentence a row ------------------------------------------------------------------------------


def _hold_sentences(rows: Sequence[list[str]], columns: TokenColumns) -> bool:
    """Whether rows hold whole sentences: the first one, or most of them where some have a single word."""
    if _holds_sentence(rows[0], columns):
        return True
    several = sum(_holds_sentence(row, columns) for row in rows)
    single = sum(len(row[columns.token_at].split()) == len(row[columns.tag_at].split()) == 1 for row in rows)
    return several > 0 and 2 * (several + single) > len(rows) and _several_words(rows, columns) == several


def _several_words(rows: Sequence[list[str]], columns: TokenColumns) -> int:
    return sum(len(row[columns.token_at].split()) > 1 for row in rows)


def _holds_sentence(fields: list[str], columns: TokenColumns) -> bool:
    """Whether the cells of tokens and tags hold several: as lists, or as many with blanks between."""
    tokens, tags = fields[columns.token_at], fields[columns.tag_at]
    if LIST.fullmatch(tags.strip()):
        broken = tokens.lstrip().startswith(("[", "{", "("))
        return LIST.fullmatch(tokens.strip()) is not None or (len(tokens.split()) > 1 and not broken)
    return 1 < len(tokens.split()) == len(tags.split())


def _rows_of_lists(
    path: Path, rows: Rows, columns: TokenColumns, names: tuple[str, str], listed: Sequence[bool]
) -> Iterator[tuple[int, dict[str, Any] | InvalidData]]:
    """Give each row as an object of its two lists, or what is wrong with it.

    Args:
        listed: whether tokens, and tags, stand there as a list; else with blanks between.
    """
    for number, fields in rows:
        if any(fields):
            try:
                yield number, _parse_row(f"{path}:{number}", fields, columns, names, listed)
            except InvalidData as error:
                yield number, error


def _parse_row(
    place: str, fields: list[str], columns: TokenColumns, names: tuple[str, str], listed: Sequence[bool]
) -> dict[str, Any]:
    if len(fields) != columns.width:
        raise InvalidData(f"{place}: {len(fields)} columns, the first line names {columns.width}", QUOTE_HELP)
    cells = (fields[columns.token_at], fields[columns.tag_at])
    row: dict[str, Any] = {}
    for name, cell, is_list in zip(names, cells, listed, strict=True):
        row[name] = _parse_list(place, cell) if is_list else cell.split()
    return row


def _parse_list(place: str, cell: str) -> list[Any]:
    """Read a list of JSON, or one that Python printed; nothing in it is run.

    Raises:
        InvalidData: it is none.
    """
    hint = "Write JSON Lines: an object with the lists tokens and tags a line."
    if len(cell) > LONGEST_LINE:
        raise InvalidData(f"{place}: a list of {len(cell):,} characters: {cell[:60]}", hint)
    if WITHOUT_COMMA.search(cell):
        raise InvalidData(f"{place}: a list without commas, as NumPy prints: {cell[:60]}", hint)
    found: Any = None
    with suppress(ValueError, RecursionError):
        found = json.loads(cell)
    if isinstance(found, list):
        return found
    try:
        found = ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise InvalidData(f"{place}: no list: {cell[:60]}", hint) from error
    if not isinstance(found, list):
        raise InvalidData(f"{place}: no list: {cell[:60]}", hint)
    return found
