"""Records of one token each, as JSON, Parquet and Arrow hold a table with a token a row -> sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from nertool.corpus.column_files import Sentence
from nertool.corpus.records import BadRecord
from nertool.errors import InvalidData
from nertool.sources.readers.bad_lines import BadLines
from nertool.sources.readers.column_roles import Table, empty_is_outside, token_counter
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.tag_names import TagNames
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.token_rows import TokenColumns, id_columns, read_token_rows

Records = Iterable[tuple[int, Any]]
RECORDS_AHEAD = 1000
"""Records from which the column of the sentence's id is told."""


def holds_token(record: Any, token_column: str, tag_column: str) -> bool:
    """Whether a record holds a single token and its tag, not lists of them."""
    if not isinstance(record, Mapping):
        return False
    token, tag = record.get(token_column), record.get(tag_column)
    return isinstance(token, str) and isinstance(tag, (str, int)) and len(token.split()) == 1


def read_token_records(
    records: Records,
    path: Path | str,
    layout: Layout,
    columns: Sequence[str],
    found: tuple[str, str],
    names: TagNames,
    tally: Tally,
) -> Iterator[Sentence]:
    """Read the sentences of records of one token each; see `token_rows`.

    Args:
        columns: keys of the records.
        found: those of the token and the tag.
        names: of tags that are integers.

    Raises:
        InvalidData: a record without its token or tag; a sentence whose records do not stand together.
        InvalidOption: nothing ends a sentence.
    """
    bad = BadLines(layout.on_error, tally)
    rows = _rows(records, columns, found, names, bad, str(path))
    ahead = list(islice(rows, RECORDS_AHEAD))
    cells = [fields for _, fields in ahead]
    token_at, tag_at = columns.index(found[0]), columns.index(found[1])
    empty = layout.task != "pos" and empty_is_outside([fields[tag_at] for fields in cells])
    header = list(columns)
    ids = id_columns(path, layout, header, cells)
    counter_at = token_counter(Table(header, True, [cells]), token_at, tag_at, ids)
    places = TokenColumns(len(columns), ids, token_at, tag_at, empty, counter_at)
    yield from read_token_rows(path, layout, places, chain(ahead, rows), bad, tally)


def _rows(
    records: Records, columns: Sequence[str], found: tuple[str, str], names: TagNames, bad: BadLines, path: str
) -> Iterator[tuple[int, list[str]]]:
    """Give the values of each record as text, in the order of the columns; empty where it has none."""
    for number, record in records:
        place = f"{path}:{number}"
        try:
            yield number, _fields(record, columns, found, names, place)
        except InvalidData as error:
            bad.add(number, error)


def _fields(record: Any, columns: Sequence[str], found: tuple[str, str], names: TagNames, place: str) -> list[str]:
    if isinstance(record, InvalidData):
        raise record
    if isinstance(record, BadRecord) or not isinstance(record, Mapping):
        what = record.reason if isinstance(record, BadRecord) else f"not a JSON object: {str(record)[:60]!r}"
        raise InvalidData(f"{place}: {what}", "Every record holds a token and its tag, as the first does.")
    token, tag = record.get(found[0]), names.find(record.get(found[1]), place)
    for value in (token, tag):
        if value is not None and not isinstance(value, str):
            what = f"{place}: {str(value)[:60]!r} is no text"
            raise InvalidData(what, "Every record holds a token and its tag, as the first does.")
    return [_text({**record, found[1]: tag}.get(column)) for column in columns]


def _text(value: Any) -> str:
    """A value as CSV would hold it."""
    if value is None or value != value:  # NaN stands for nothing in tables of pandas
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else str(value)
