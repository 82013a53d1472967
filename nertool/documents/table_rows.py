"""Rows of CSV and Parquet files; one that cannot be read comes as a `BadRecord` among the others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from nertool.corpus.files import open_text, translate_read_errors
from nertool.corpus.records import (
    BYTE_ORDER_MARK,
    BadRecord,
    batch_rows,
    csv_rows,
    open_parquet,
    parquet_batches,
    translate_arrow_errors,
)
from nertool.documents.hints import Unreadable
from nertool.errors import InvalidData
from nertool.progress import logger

NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""Characters that no row of text holds; bytes that are not UTF-8 are read as surrogates."""
UTF8_HELP = "Convert it first: iconv -f ISO-8859-1 -t UTF-8; or"

Table = tuple[Sequence[str], Iterator["dict[str, Any] | BadRecord"]]
"""Names of columns, and rows."""


def csv_table(path: Path) -> Table:
    """Read a CSV file with a header.

    Raises:
        InvalidData: it is no CSV, or its header is no text (names file and line).
    """
    rows = _filled_csv_rows(path)
    columns = next(rows, [])
    for name in columns:
        if NO_TEXT.search(name):
            raise bad_record(f"{path}:1", f"the name of a column is no text in UTF-8: {name!a}")
    return columns, (_csv_row(columns, fields) for fields in rows)


def _filled_csv_rows(path: Path) -> Iterator[list[str]]:
    with translate_read_errors(path), open_text(path, newline="", errors="surrogateescape") as file:
        first = next(file, "")
        if first.startswith(BYTE_ORDER_MARK):
            log_byte_order_mark(str(path))
        for _, fields in csv_rows(path, chain([first.lstrip(BYTE_ORDER_MARK)], file)):
            if fields:
                yield fields


def _csv_row(columns: Sequence[str], fields: Sequence[str]) -> dict[str, Any] | BadRecord:
    if len(fields) > len(columns):
        return BadRecord(f"{len(fields)} fields, but {len(columns)} columns")
    no_text = NO_TEXT.search("".join(fields))
    if no_text:
        return BadRecord("a NUL byte" if no_text[0] == "\0" else "not UTF-8")
    row: dict[str, Any] = dict(zip(columns, fields, strict=False))
    for name in columns[len(fields) :]:
        row.setdefault(name, None)
    return row


def parquet_table(path: Path) -> Table:
    """Read a Parquet file.

    Raises:
        InvalidData: it cannot be read, or is not Parquet.
    """
    file = open_parquet(path)
    return file.schema_arrow.names, _parquet_rows(path, parquet_batches(path))


def _parquet_rows(path: Path, batches: Iterable[Any]) -> Iterator[dict[str, Any] | BadRecord]:
    with translate_arrow_errors(path, "Parquet"):
        for _, row in batch_rows(batches):
            yield row


def log_byte_order_mark(label: str) -> None:
    """Log that a byte order mark is left out."""
    logger.info("%s: a byte order mark at its beginning is left out", label)


def bad_record(place: str, what: str) -> InvalidData:
    """Make the error of a record that cannot be read."""
    mend = UTF8_HELP if what.startswith("not UTF-8") else "Mend it, or"
    return Unreadable(f"{place}: {what}", mend, "skip")
