"""Records of CSV, JSON, Parquet and Arrow files: one dialect and one set of limits for all commands.

How long a record may be: a line in files.py, an element of a JSON list in json_stream.py, all others here.

A row or line that cannot be read comes as a `BadRecord` or a `ValueError` with the reason, so that the caller decides
whether to refuse the file or to go on without it.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.corpus.files import translate_read_errors
from nertool.corpus.memory import MOST_MEMORY, within_memory
from nertool.errors import InvalidData, InvalidOption

if TYPE_CHECKING:
    from pyarrow import DataType, RecordBatch, Schema
    from pyarrow.parquet import ParquetFile

BYTE_ORDER_MARK = "\ufeff"
DELIMITERS = ",;\t|"
"""What may separate the columns of CSV; without --delimiter, the one that the header has most of."""
SEPARATOR_LINE = re.compile(r"sep=(.)\s*", re.IGNORECASE)
"""A first line by which Excel is told what separates the columns."""
QUOTED = re.compile(r'"[^"]*"')
LONGEST_FIELD = 1 << 24
"""Characters of a CSV field; a longer one is a quote that is never closed."""
QUOTE_HELP = "Quote a field that holds the delimiter, a quote or a line break; double a quote inside one."
DEEPEST = 200
"""Lists and objects inside each other that a JSON record may hold; Python's JSON gives up at about 1,000."""
TOO_DEEP = f"lists or objects more than {DEEPEST} deep"
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""A surrogate as JSON spells it; only a pair of them is a character."""
CAS = "%FEATURE_STRUCTURES"
"""What only UIMA's CAS in JSON has, as INCEpTION exports it."""
DECODED_BYTES, BYTES_OF_OBJECT = 1 << 28, 64
"""Memory of rows that are decoded together, and about that of each value as an object of Python."""
REPEATED_BYTES = 1 << 25
"""Bytes of the texts that rows of Parquet repeat, and that are unpacked at a time."""
BATCH_ROWS = 1000
"""Rows of Parquet, Arrow and data sets that are decoded at a time."""


@dataclass(frozen=True)
class BadRecord:
    """Stands for a row that cannot be read; the reason follows a file and a row in an error message."""

    reason: str


def csv_rows(path: Path, lines: Iterator[str], delimiter: str = "") -> Iterator[tuple[int, list[str]]]:
    """Read rows of CSV, the header among them, each with the 1-based number of its last line.

    Args:
        path: the file, for errors.
        lines: each with its line end.
        delimiter: what separates the columns; empty: found in the first line.

    Raises:
        InvalidData: a quote that is never closed or ends inside a field (names file and line).
        InvalidOption: the delimiter is no single character.
    """
    csv.field_size_limit(LONGEST_FIELD)
    header = next(lines, "")
    before = 0
    if named := SEPARATOR_LINE.fullmatch(header):
        delimiter, before = delimiter or named[1], 1
        header = next(lines, "")
    delimiter = delimiter or max(DELIMITERS, key=QUOTED.sub("", header).count)
    if len(delimiter) != 1:
        raise InvalidOption(f"{path}: --delimiter {delimiter!r}", "CSV has a delimiter of one character.")
    table = csv.reader(chain([header], lines), delimiter=delimiter, strict=True)
    try:
        for fields in table:
            yield before + table.line_num, fields
    except csv.Error as error:
        raise InvalidData(f"{path}:{before + table.line_num}: not CSV: {error}", QUOTE_HELP) from error


class JsonDecoder(json.JSONDecoder):
    """Decodes JSON as usual, and remembers a key that stands in an object with two values, of which the last stays.

    Attributes:
        repeated: that key, as JSON has it; empty without one.
    """

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=self._object)
        self.repeated = ""

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            self.repeated = next((repr(key) for key, value in pairs if found[key] != value), self.repeated)
        return found

    def check(self) -> None:
        """Look back at the value that was decoded.

        Raises:
            ValueError: a key stands there with two values.
        """
        repeated, self.repeated = self.repeated, ""
        if repeated:
            raise ValueError(f"the key {repeated[:60]} stands in one object with two values")


def parse_json(text: str) -> Any:
    """Parse the JSON text of one record.

    Raises:
        ValueError: it is not JSON, or as `check_json`, or a key has two values; the error's text is the reason.
    """
    decoder = JsonDecoder()
    try:
        record = decoder.decode(text)
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error
    except ValueError as error:
        raise ValueError(f"not JSON: {str(error).partition(';')[0]}") from error
    decoder.check()
    check_json(record, text)
    return record


def check_json(record: Any, text: str) -> None:
    """Check what JSON may hold and other files may not.

    Args:
        record: a parsed value.
        text: what it was parsed from.

    Raises:
        ValueError: it is too deep, or holds a lone surrogate, which UTF-8 cannot express.
    """
    if text.count("[") + text.count("{") > DEEPEST and _depth(record) > DEEPEST:
        raise ValueError(TOO_DEEP)
    if SURROGATE.search(text):
        try:
            json.dumps(record, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            surrogate = ascii(error.object[error.start])
            raise ValueError(f"half a character (a lone surrogate): {surrogate}") from error


def _depth(value: Any) -> int:
    """Count how many lists and objects are inside each other."""
    depth = 0
    level = [value]
    while True:
        inner: list[Any] = []
        found = False
        for element in level:
            if isinstance(element, dict):
                inner.extend(element.values())
                found = True
            elif isinstance(element, list):
                inner.extend(element)
                found = True
        if not found:
            return depth
        depth += 1
        level = inner


def open_parquet(path: Path) -> ParquetFile:
    """Open a Parquet file.

    Raises:
        InvalidData: it cannot be read, or is not Parquet.
    """
    from pyarrow import parquet

    with translate_arrow_errors(path, "Parquet"):
        return parquet.ParquetFile(path)


def parquet_batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[RecordBatch]:
    """The rows of a Parquet file, so many at a time that they take little memory, however often they repeat a text.

    Args:
        columns: to be read; None for all.

    Raises:
        pyarrow.ArrowException: the file is damaged, or a single row takes more than `MOST_MEMORY`.
    """
    from pyarrow import parquet

    file = parquet.ParquetFile(path)
    schema = file.schema
    texts = [schema.column(at).path for at in range(len(schema)) if _is_text(schema.column(at))]
    if columns is not None:
        texts = [name for name in texts if name in columns]
    packed = parquet.ParquetFile(path, read_dictionary=texts)
    for group in range(file.num_row_groups):
        rows = _rows_at_a_time(packed, group, texts) if texts else BATCH_ROWS
        yield from _group_batches(file, group, rows, columns)


def _group_batches(file: ParquetFile, group: int, rows: int, columns: Sequence[str] | None) -> Iterator[RecordBatch]:
    """The rows of a row group, so many at a time, and one by one from where those are too much for the memory.

    Lists and structures may hold any number of equal values in a few bytes.
    """
    given = 0
    try:
        for batch in within_memory(file.iter_batches(rows, row_groups=[group], columns=columns)):
            yield batch
            given += batch.num_rows
    except MemoryError:
        single = within_memory(file.iter_batches(1, row_groups=[group], columns=columns))
        yield from islice(single, given, None)


def _rows_at_a_time(file: ParquetFile, group: int, texts: Sequence[str]) -> int:
    """How many rows of a row group may be decoded together, by the longest texts that it holds once for many rows.

    The first row brings the whole dictionary of its group. What the file says of the chunks of its columns is not asked
    for: where it is damaged, pyarrow 26 ends the process.
    """
    from pyarrow import compute

    longest = 0
    for batch in islice(within_memory(file.iter_batches(1, row_groups=[group], columns=texts)), 1):
        for column in batch.columns:
            longest += compute.max(compute.binary_length(column.dictionary)).as_py() or 0
    return max(1, min(BATCH_ROWS, REPEATED_BYTES // max(1, longest)))


def _is_text(column: Any) -> bool:
    """Whether a column of Parquet holds a text a row."""
    is_text = column.physical_type == "BYTE_ARRAY" and column.logical_type.type in ("STRING", "NONE")
    return is_text and "." not in column.path


@contextmanager
def open_arrow(path: Path) -> Iterator[tuple[Schema, Iterator[RecordBatch]]]:
    """Open an Arrow file, streaming (as `save_to_disk` writes) or random-access (Feather): its schema and its batches.

    Nobody has looked at the batches: see `check_batch`.

    Raises:
        InvalidData: as `translate_arrow_errors`, of what is done with the batches, too.
    """
    import pyarrow

    with translate_arrow_errors(path, "Arrow"), pyarrow.memory_map(str(path)) as source:
        feather = source.read(6) == b"ARROW1"
        source.seek(0)
        if feather:
            reader = pyarrow.ipc.open_file(source)
            batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
            yield reader.schema, within_memory(batches)
        else:
            stream = pyarrow.ipc.open_stream(source)
            yield stream.schema, within_memory(iter(stream))


def check_batch(batch: RecordBatch) -> None:
    """Check the places that a batch holds: pyarrow follows them without a look, and a wrong one ends the process.

    Text that is not UTF-8 passes, as it harms its own row alone.

    Raises:
        pyarrow.ArrowInvalid: a length, an offset or an index leads out of the batch.
    """
    import pyarrow

    try:
        batch.validate(full=True)
    except pyarrow.ArrowInvalid:
        batch.validate()
        for column in batch.columns:
            column.view(_without_text(column.type)).validate(full=True)


def _without_text(kind: DataType) -> DataType:
    """The type of the same buffers that takes them for bytes where they should hold text."""
    import pyarrow
    from pyarrow import types

    if types.is_string(kind):
        return pyarrow.binary()
    if types.is_large_string(kind):
        return pyarrow.large_binary()
    if types.is_list(kind):
        return pyarrow.list_(_without_text(kind.value_type))
    if types.is_large_list(kind):
        return pyarrow.large_list(_without_text(kind.value_type))
    if types.is_struct(kind):
        return pyarrow.struct([field.with_type(_without_text(field.type)) for field in kind])
    if types.is_dictionary(kind):
        return pyarrow.dictionary(kind.index_type, _without_text(kind.value_type), kind.ordered)
    return kind


def batch_rows(batches: Iterable[RecordBatch]) -> Iterator[tuple[int, dict[str, Any] | BadRecord]]:
    """Give the rows of batches with their 1-based numbers.

    Raises:
        pyarrow.ArrowInvalid: as `check_batch`.
    """
    number = 0
    for batch in batches:
        check_batch(batch)
        for start in range(0, batch.num_rows, BATCH_ROWS):
            for row in _rows_within_memory(batch.slice(start, BATCH_ROWS)):
                number += 1
                yield number, row


def _rows_within_memory(batch: RecordBatch) -> Iterator[dict[str, Any] | BadRecord]:
    """Give the rows of a batch, decoded together if that takes little memory, else one by one."""
    if sum(map(_decoded_bytes, batch.columns)) <= DECODED_BYTES:
        yield from _decoded_rows(_without_dictionaries(batch))
        return
    for at in range(batch.num_rows):
        row = batch.slice(at, 1)
        if sum(map(_decoded_bytes, row.columns)) > DECODED_BYTES:
            yield BadRecord(f"a row of more than {DECODED_BYTES >> 20} MiB")
        else:
            yield from _decoded_rows(row)


def _without_dictionaries(batch: RecordBatch) -> RecordBatch:
    """The batch with a value for each row, which Python takes in half the time."""
    import pyarrow
    from pyarrow import compute

    columns = []
    for column in batch.columns:
        if pyarrow.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        elif pyarrow.types.is_list(column.type) and pyarrow.types.is_dictionary(column.type.value_type):
            decoded = column.flatten().dictionary_decode()
            lengths = compute.fill_null(column.value_lengths(), 0).to_numpy(zero_copy_only=False)
            offsets = pyarrow.array([0, *lengths.cumsum().tolist()], pyarrow.int32())
            column = pyarrow.ListArray.from_arrays(offsets, decoded, mask=column.is_null())
        columns.append(column)
    return pyarrow.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _decoded_bytes(column: Any) -> int:
    """About how many bytes a column takes as objects of Python, where each row has a value of its own."""
    import pyarrow
    from pyarrow import compute, types

    kind = column.type
    if types.is_dictionary(kind):
        values = column.dictionary
        if types.is_string(values.type) or types.is_binary(values.type) or types.is_large_string(values.type):
            lengths = compute.fill_null(compute.binary_length(values), 0).cast(pyarrow.int64())
            repeated = compute.sum(lengths.take(column.indices)).as_py() or 0
            return int(repeated) + BYTES_OF_OBJECT * len(column)
        return len(column) * _decoded_bytes(values)
    if types.is_run_end_encoded(kind):
        return len(column) * _decoded_bytes(column.values)
    own = BYTES_OF_OBJECT * len(column)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return own + _decoded_bytes(column.flatten())
    if types.is_struct(kind):
        return own + sum(map(_decoded_bytes, column.flatten()))
    return own + int(column.nbytes)


def _decoded_rows(batch: RecordBatch) -> Iterable[dict[str, Any] | BadRecord]:
    try:
        return batch.to_pylist()  # type: ignore[no-any-return]
    except (ValueError, OverflowError):
        return (_decoded_row(batch.slice(at, 1)) for at in range(batch.num_rows))


def _decoded_row(batch: RecordBatch) -> dict[str, Any] | BadRecord:
    try:
        return batch.to_pylist()[0]  # type: ignore[no-any-return]
    except UnicodeDecodeError as error:
        return BadRecord(f"not UTF-8: {error.reason}")
    except (ValueError, OverflowError) as error:
        return BadRecord(str(error))


@contextmanager
def translate_arrow_errors(path: Path, form: str) -> Iterator[None]:
    """Translate errors in reading a Parquet or Arrow file.

    Raises:
        InvalidData: the file cannot be read, is damaged or is not of this form.
    """
    import pyarrow

    with translate_read_errors(path):
        try:
            yield
        except MemoryError as error:
            what = f"{path}: rows that stand together unpack to more than {MOST_MEMORY >> 30} GiB"
            raise InvalidData(
                what, "Write it anew with shorter lists and texts, or with fewer rows together."
            ) from error
        except (OSError, pyarrow.ArrowException) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InvalidData(
                f"{path} is no whole {form} file: {reason}", "Fetch or write it anew, or name the form that it has."
            ) from error
