"""Tagged documents as Parquet: which columns a file gets, and its rows, a bounded number at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from nertool.documents.document import TAGGED_FIELDS, Document
from nertool.documents.reader import Reader
from nertool.documents.redaction import Redaction
from nertool.documents.writers import as_row
from nertool.models.tagging import Tagging

GROUP_TOKENS = 200_000
"""Tokens after which a row group ends: enough to be read well, few enough to keep memory flat."""
GROUP_ROWS = 5_000
"""Rows after which it ends; their other fields may be long."""
AS_JSON = {"format": "json"}
"""Metadata of a column whose values are JSON texts: objects, or values of several types."""
ENTITY = pa.struct(
    [
        pa.field("label", pa.string()),
        pa.field("start", pa.int64()),
        pa.field("end", pa.int64()),
        pa.field("text", pa.string()),
        pa.field("score", pa.float64()),
    ]
)
TAGGED = [
    pa.field("text", pa.string()),
    pa.field("tokens", pa.list_(pa.string())),
    pa.field("tags", pa.list_(pa.string())),
    pa.field("entities", pa.list_(ENTITY)),
]
"""Columns of every file; `text` is null where the input was tokens already."""
PLACES = {
    "label": pa.string(),
    **dict.fromkeys(("start", "end", "new_start", "new_end"), pa.int64()),
    "score": pa.float64(),
}
REDACTED = [pa.field("text", pa.string()), pa.field("redactions", pa.list_(pa.struct(list(PLACES.items()))))]
"""Columns in their place where entities are replaced."""
RowOf = Callable[[Document, Sequence[Tagging]], "dict[str, Any] | None"]
"""A document and the tags of its sentences -> its row; None for a gap."""
SIMPLE = {type(None): pa.null(), bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


def schema_for(reader: Reader, source: Path, redaction: Redaction | None = None) -> pa.Schema:
    """Columns of the output: the input's other columns or fields, then text, tokens, tags and entities.

    With a redaction these are the text and its redactions, and no column that a text may be read from.

    A Parquet file tells the types of its columns; fields of records get the type that all their values fit, and so
    their file is read once more, before anything is tagged.

    Raises:
        InvalidData, InvalidOption: as `Reader.read`, of any record of the file.
    """
    untagged = replace(reader, split=lambda _: ())  # no text is cut for this
    documents = untagged.read(str(source))
    if reader.form == "parquet":
        next(documents, None)  # complains of what is no Parquet, or lacks the columns
        others = _other_columns(parquet.read_schema(source), reader)
    else:
        others = _other_fields(documents)
    own = REDACTED if redaction else TAGGED
    replaced = {*TAGGED_FIELDS, *(field.name for field in own), *(redaction.read if redaction else ())}
    return pa.schema([*(field for field in others if field.name not in replaced), *own])


def _other_columns(schema: pa.Schema, reader: Reader) -> list[pa.Field]:
    """Where texts and tokens are both there, a row may be read from either, and the other one is passed on."""
    read = {reader.text_column, reader.tokens_column}
    kept = read if read <= set(schema.names) else set()
    last = {field.name: field for field in schema}  # of columns with one name, as in the documents
    return [field.remove_metadata() for name, field in last.items() if name not in read - kept]


def _other_fields(documents: Iterable[Document]) -> list[pa.Field]:
    types: dict[str, pa.DataType | None] = {}
    for document in documents:
        for name, value in document.record.items():
            types[name] = _common(types.get(name, pa.null()), _type_of(value))
    return [
        pa.field(name, pa.string(), metadata=AS_JSON) if kind is None else pa.field(name, kind)
        for name, kind in types.items()
    ]


def _type_of(value: Any) -> pa.DataType | None:
    """The type of a value, or of a list of such values; None for what only JSON holds."""
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return None
    if not isinstance(value, list):
        return SIMPLE.get(type(value))
    common: pa.DataType | None = pa.null()
    for element in value:
        common = _common(common, None if isinstance(element, list) else _type_of(element))
    return None if common is None else pa.list_(common)


def _common(one: pa.DataType | None, other: pa.DataType | None) -> pa.DataType | None:
    """The type that holds the values of both."""
    if one is None or other is None or one == other:
        return one if one == other else None
    if pa.types.is_null(one) or pa.types.is_null(other):
        return other if pa.types.is_null(one) else one
    if {one, other} == {pa.int64(), pa.float64()}:
        return pa.float64()
    if pa.types.is_list(one) and pa.types.is_list(other):
        common = _common(one.value_type, other.value_type)
        return None if common is None else pa.list_(common)
    return None


def write(
    target: Path,
    schema: pa.Schema,
    tagged: Iterable[tuple[Document, Sequence[Tagging]]],
    redaction: Redaction | None = None,
) -> dict[str, int]:
    """Write tagged documents in their order, a gap as a row of nulls; gives counts of `documents` and `tokens`."""
    counts = {"documents": 0, "tokens": 0}
    with parquet.ParquetWriter(target, schema, compression="zstd") as out:
        for rows, tokens in _groups(tagged, redaction.row if redaction else as_row):
            columns = [_column(field, [row.get(field.name) for row in rows]) for field in schema]
            out.write_table(pa.Table.from_arrays(columns, schema=schema))
            counts["documents"] += len(rows)
            counts["tokens"] += tokens
    return counts


def _groups(
    tagged: Iterable[tuple[Document, Sequence[Tagging]]], row_of: RowOf
) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Give the rows of each row group, and the number of their tokens."""
    rows: list[dict[str, Any]] = []
    tokens = 0
    for document, tags in tagged:
        rows.append(row_of(document, tags) or {})
        tokens += sum(len(one.tags) for one in tags)
        if tokens >= GROUP_TOKENS or len(rows) >= GROUP_ROWS:
            yield rows, tokens
            rows, tokens = [], 0
    if rows:
        yield rows, tokens


def _column(field: pa.Field, values: list[Any]) -> pa.Array:
    if field.metadata == {key.encode(): value.encode() for key, value in AS_JSON.items()}:
        values = [None if value is None else _as_json(value) for value in values]
    elif field.name == "text":  # a field of this name may hold anything where the tokens were given
        values = [value if value is None or isinstance(value, str) else _as_json(value) for value in values]
    return pa.array(values, type=field.type)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
