"""CSV and Parquet files as rows, one that cannot be read among them told from those that can."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, cast

from nertool.corpus.files import foreign, open_text, translate_read_errors
from nertool.errors import InvalidData
from nertool.progress import logger

BOM = b"\xef\xbb\xbf"
NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What no row of a table of text holds; bytes that are not UTF-8 are read as surrogates."""

Rows = tuple[Sequence[str], Iterator["dict[str, Any] | str"]]
"""Names of columns, and rows; in place of one that cannot be read, what is wrong with it."""


def csv_rows(path: Path) -> Rows:
    """Names of columns and rows of a CSV file with a header.

    Raises:
        InvalidData: it is no CSV, or its header is no text (names file and line).
    """
    csv.field_size_limit(1 << 30)
    rows = filter(None, _csv_fields(path))
    columns = next(rows, [])
    if no_text := [name for name in columns if NO_TEXT.search(name)]:
        raise bad(f"{path}:1", f"the name of a column is no text in UTF-8: {no_text[0]!a}")
    return columns, (_csv_row(columns, fields) for fields in rows)


def _csv_row(columns: Sequence[str], fields: Sequence[str]) -> dict[str, Any] | str:
    if len(fields) > len(columns):
        return f"{len(fields)} fields, but {len(columns)} columns"
    if found := NO_TEXT.search("".join(fields)):
        return "a NUL byte" if found[0] == "\0" else "not UTF-8"
    return {**dict.fromkeys(columns), **dict(zip(columns, fields, strict=False))}


def _csv_fields(path: Path) -> Iterator[list[str]]:
    with translate_read_errors(path), open_text(path, newline="", errors="surrogateescape") as file:
        first = first_line(str(path), next(file, "").encode("utf-8", "surrogateescape"))
        reader = csv.reader(chain([first.decode("utf-8", "surrogateescape")], file), strict=True)
        try:
            yield from reader
        except csv.Error as error:
            what = f"{path}:{reader.line_num}: not CSV: {error}"
            raise InvalidData(what, "Quote fields with commas or line breaks; double a quote inside one.") from error


def parquet_rows(path: Path) -> Rows:
    """Names of columns and rows of a Parquet file.

    Raises:
        InvalidData: it is none.
    """
    from pyarrow import parquet

    with _arrow_told(path):
        file = parquet.ParquetFile(path)
    return file.schema_arrow.names, _batches(path, file)


def _batches(path: Path, file: Any) -> Iterator[dict[str, Any] | str]:
    with _arrow_told(path):
        for batch in file.iter_batches(batch_size=1000):
            try:
                yield from batch.to_pylist()
            except (ValueError, OverflowError):
                yield from (_arrow_row(batch.slice(number, 1)) for number in range(batch.num_rows))


def _arrow_row(batch: Any) -> dict[str, Any] | str:
    try:
        (row,) = batch.to_pylist()
    except (ValueError, OverflowError) as error:
        return f"not UTF-8: {error.reason}" if isinstance(error, UnicodeDecodeError) else str(error)
    return cast(dict[str, Any], row)


@contextmanager
def _arrow_told(path: Path) -> Iterator[None]:
    import pyarrow

    with translate_read_errors(path):
        try:
            yield
        except (OSError, pyarrow.ArrowException) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            hint = "Name the form that it has: --input FORM"
            raise InvalidData(f"{path} is no Parquet file: {error}", hint) from error


def first_line(label: str, line: bytes) -> bytes:
    """A first line without a byte order mark.

    Raises:
        InvalidData: it is that of a file that is no text.
    """
    if error := foreign(label, line):
        raise error
    if line.startswith(BOM):
        logger.info("%s: a byte order mark at its beginning is left out", label)
    return line.removeprefix(BOM)


def bad(place: str, what: str) -> InvalidData:
    """The error of a record that cannot be read."""
    return InvalidData(f"{place}: {what}", "Mend it, or go on without it: --on-error skip (or null)")
