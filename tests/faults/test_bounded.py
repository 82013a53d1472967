"""Files that are far too long, or nested far too deep, are refused before they fill memory or time."""

from __future__ import annotations

import gzip
import json
import os
import re
import resource
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from nertool.cli import config_files
from nertool.corpus import memory
from nertool.corpus.files import LOOKED_AT, numbered_lines
from nertool.corpus.records import BadRecord, batch_rows, parquet_batches
from nertool.documents.reader import Reader
from nertool.errors import DownloadFailed, InvalidData, NertoolError
from nertool.models.calibration import read_calibration
from nertool.models.settings import read_settings, read_table
from nertool.models.thresholds import read_thresholds
from nertool.sources import fetch, hub
from nertool.sources.convert_tags import read_type_map
from nertool.sources.readers import conll2012, csv_rows, read_file
from nertool.sources.readers.tag_names import read_tag_names
from nertool.sources.shell_filters import BLOCK, blocks_of_lines
from nertool.stages.labels import distinct_tags
from nertool.workspace.digests import FILE_LIMIT, read_json
from nertool.workspace.run_log import last_command_line
from nertool.workspace.workspace import Workspace

DEEP = ('{"a":' * 100_000, f'{{"a":{"[" * 100_000}{"]" * 100_000}}}')
RECORDS: dict[str, Callable[[Path], object]] = {
    "workspace.json": lambda folder: Workspace(folder).status(),
    "model/quantization.json": lambda folder: read_table(folder / "model"),
    "model/calibration.json": lambda folder: read_calibration(folder / "model", ["O"]),
    "model/tagging.json": lambda folder: read_settings(folder / "model"),
    "settings.json": lambda folder: config_files.read(folder / "settings.json"),
    "tag_names.json": lambda folder: read_tag_names(folder / "tag_names.json"),
    "type_map.json": lambda folder: read_type_map(folder / "type_map.json"),
    "thresholds.json": lambda folder: read_thresholds(folder / "thresholds.json"),
}
"""Files of JSON and what reads them."""


@pytest.mark.parametrize("content", DEEP, ids=["an object of objects", "an object of lists"])
@pytest.mark.parametrize("name", RECORDS)
def test_json_nested_too_deep_is_two_lines(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / name).write_text(content)
    with pytest.raises(NertoolError) as error:
        RECORDS[name](tmp_path)
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize("name", RECORDS)
def test_json_that_is_too_long_is_two_lines(name: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / name).touch()
    os.truncate(tmp_path / name, FILE_LIMIT + 1)
    with pytest.raises(NertoolError) as error:
        RECORDS[name](tmp_path)
    assert len(str(error.value).splitlines()) == 2 and len(str(error.value)) < 1000


def test_json_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 128 MiB"):
        read_json(Path("/dev/zero"))


def test_a_log_without_a_line_end_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "runs.jsonl").touch()
    os.truncate(tmp_path / "runs.jsonl", FILE_LIMIT + 1)
    assert last_command_line(tmp_path, "labels") == ""


# -- lines -----------------------------------------------------------------------------------------


class Pieces:
    """A source that counts the bytes it is asked for; its only line feed is the last byte."""

    def __init__(self, blocks: int) -> None:
        self.left = blocks

    def read(self, size: int) -> bytes:
        self.left -= 1
        return b"a" * size if self.left > 0 else b"\n" if self.left == 0 else b""


def test_a_long_line_is_joined_once() -> None:
    (line,) = blocks_of_lines(Pieces(200))  # type: ignore[arg-type]
    assert len(line) == 199 * BLOCK + 1


def test_labels_of_one_long_line(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes(b"a" * (20 * BLOCK) + b" B-PER\nb O\n")
    assert distinct_tags([tmp_path / "train.txt"]) == ["B-PER", "O"]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("shift", [-2, -1, 0, 1])
def test_the_line_that_is_not_utf_8_is_named_wherever_blocks_end(end: bytes, shift: int, tmp_path: Path) -> None:
    lines = [b"a" * (LOOKED_AT - len(end) + shift), b"\xc3\xa4", b"b" * LOOKED_AT, b"", b"M\xfcller"]
    (tmp_path / "made.txt").write_bytes(end.join(lines))
    with pytest.raises(InvalidData, match="not UTF-8 in line 5"):
        list(numbered_lines(tmp_path / "made.txt"))


def test_memory_stays_bounded_where_a_long_line_is_not_utf_8(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "own.txt.gz", "wb", compresslevel=1) as file:
        file.write(b"\xff")
        for _ in range(400):
            file.write(b"a" * (1 << 20))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))

    code = "import sys; from pathlib import Path; from nertool.corpus.files import numbered_lines\n"
    code += "try: list(numbered_lines(Path(sys.argv[1])))\nexcept Exception as error: print(type(error).__name__)"
    command = [sys.executable, "-c", code, str(tmp_path / "own.txt.gz")]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit)
    assert done.stdout == "InvalidData\n", done.stderr


def test_of_long_lines_few_are_read_ahead() -> None:
    batching = pytest.importorskip("nertool.models.batching")
    read: list[int] = []

    def sentences() -> Iterator[list[str]]:
        for number in range(100):
            read.append(number)
            yield ["a" * (1 << 20)]

    blocks = batching.blocks_of(sentences())
    first = next(blocks)
    assert len(first) == len(read) < 40
    assert [len(block) for block in (first, *blocks)] == [33, 33, 33, 1]


# -- patterns --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (fetch.HTML, b"<!---->" * 500),
        (fetch.HTML, b"<?xml?>" * 500),
        (conll2012.CELL, f"({'a' * 100_000}*("),
    ],
)
def test_a_pattern_takes_no_time_over_what_does_not_fit(pattern: re.Pattern[Any], text: Any) -> None:
    begun = time.process_time()
    assert not pattern.fullmatch(text)
    assert time.process_time() - begun < 1


# -- tables ----------------------------------------------------------------------------------------


@contextmanager
def little_memory() -> Iterator[None]:
    """The block holds at most 100 MB of Python's objects at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def test_a_value_that_stands_once_for_many_rows_is_decoded_row_by_row() -> None:
    pa = pytest.importorskip("pyarrow")
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1000), pa.array(["a" * (1 << 20)]))
    with little_memory():
        rows = batch_rows([pa.record_batch([texts], names=["text"])])
        assert sum(len(row["text"]) for _, row in islice(rows, 300)) == 300 << 20  # type: ignore[call-overload, index]


@pytest.mark.parametrize("stored", [True, False])
def test_a_text_that_stands_once_in_parquet_does_not_fill_the_memory(stored: bool, tmp_path: Path) -> None:
    """Less than a kilobyte holds 40 GB of text, which pyarrow would unpack."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 40_000, pa.int32()), pa.array(["word " * 200_000]))
    path = tmp_path / "own.parquet"
    parquet.write_table(pa.table({"text": texts}), str(path), store_schema=stored, compression="zstd")
    assert path.stat().st_size < 2000
    before = pa.default_memory_pool().max_memory()
    rows = islice(batch_rows(parquet_batches(path)), 5)
    assert [len(row["text"]) for _, row in rows] == [1_000_000] * 5  # type: ignore[index]
    assert pa.default_memory_pool().max_memory() < before + (100 << 20)


def repeated(form: str, rows: int) -> Any:
    """A table with a column of lists or structures that hold the same text of a million characters."""
    import pyarrow as pa

    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 10 * rows, pa.int32()), pa.array(["word " * 200_000]))
    if "structures" in form:
        texts = pa.StructArray.from_arrays([texts], ["s"])
    if "lists" in form:
        texts = pa.ListArray.from_arrays(pa.array(range(0, len(texts) + 1, 10), pa.int32()), texts)
    return pa.table({"text": pa.array(["Anna"] * len(texts)), "others": texts})


@pytest.mark.parametrize("form", ["lists", "structures", "lists of structures"])
def test_texts_in_lists_and_structures_of_parquet_come_row_by_row_where_they_fill_the_memory(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    monkeypatch.setattr(memory, "MOST_MEMORY", 200 << 20)
    path = tmp_path / "own.parquet"
    parquet.write_table(repeated(form, 400), str(path), store_schema=False, compression="zstd")
    assert path.stat().st_size < 4000
    before = pa.default_memory_pool().max_memory()
    rows = list(islice(batch_rows(parquet_batches(path)), 5))
    assert [number for number, _ in rows] == [1, 2, 3, 4, 5] and all(row["text"] == "Anna" for _, row in rows)  # type: ignore[index]
    assert pa.default_memory_pool().max_memory() < before + (400 << 20)


def test_a_list_of_parquet_without_end_is_two_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kilobyte holds a list of 100 million values."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    monkeypatch.setattr(memory, "MOST_MEMORY", 200 << 20)
    numbers = pa.nulls(100_000_000)
    lists = pa.ListArray.from_arrays(pa.array([0, len(numbers)], pa.int32()), numbers)
    path = tmp_path / "own.parquet"
    parquet.write_table(pa.table({"text": ["Anna"], "numbers": lists}), str(path))
    assert path.stat().st_size < 4000
    with pytest.raises(InvalidData, match="unpack to more than"):
        list(Reader().read(str(path)))


def test_texts_of_parquet_that_differ_come_without_those_before(tmp_path: Path) -> None:
    """Else each batch holds all texts so far, and the time grows with their square."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "own.parquet"
    parquet.write_table(pa.table({"text": [f"text {number}" for number in range(2500)]}), str(path))
    batches = list(parquet_batches(path))
    assert [batch.num_rows for batch in batches] == [1000, 1000, 500]
    assert {batch.schema.field("text").type for batch in batches} == {pa.string()}


def test_a_row_of_a_list_without_end_is_left_to_the_caller() -> None:
    pa = pytest.importorskip("pyarrow")
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 40_000, pa.int32()), pa.array(["word " * 200_000]))
    one_row = pa.ListArray.from_arrays(pa.array([0, 40_000], pa.int32()), texts)
    with little_memory():
        rows = list(batch_rows([pa.record_batch([one_row], names=["tokens"])]))
    assert rows == [(1, BadRecord("a row of more than 256 MiB"))]


def test_texts_of_parquet_are_read_as_they_are_where_many_are_alike(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    spoiled = pa.array([b"a\xff", b"ok", b"ok"]).view(pa.string())
    rows = {"tokens": [["Anna", None], None, []], "text": ["a", "a", None], "large": ["b"] * 3}
    table = pa.table({**rows, "large": pa.array(rows["large"], pa.large_string()), "n": [1, 2, 3]})
    for number, group in enumerate((table, table.slice(1)), start=1):
        parquet.write_table(group, str(tmp_path / "own.parquet"))
        read = [row for _, row in batch_rows(parquet_batches(tmp_path / "own.parquet"))]
        assert read == group.to_pylist() and len(read) == 4 - number
    parquet.write_table(pa.table({"text": spoiled}), str(tmp_path / "own.parquet"))
    read = [row for _, row in batch_rows(parquet_batches(tmp_path / "own.parquet"))]
    assert isinstance(read[0], BadRecord) and read[1:] == [{"text": "ok"}] * 2


def test_rows_that_take_no_room_are_decoded_some_at_a_time() -> None:
    pa = pytest.importorskip("pyarrow")
    with little_memory():
        rows = batch_rows([pa.record_batch([pa.nulls(1_000_000)], names=["text"])])
        assert next(rows) == (1, {"text": None})


def test_a_list_in_a_cell_of_csv_is_no_longer_than_a_line() -> None:
    with pytest.raises(InvalidData, match=r"a\.csv:2: a list of 2,097,154 characters"):
        csv_rows._parse_list("a.csv:2", f"[{'0,' * (1 << 20)}]")


def test_a_table_of_columns_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text" + ",a" * 20_000 + "\nAnna\n")
    with pytest.raises(InvalidData, match="20,001 columns"):
        list(Reader().read(str(tmp_path / "a.csv")))


# -- spans -----------------------------------------------------------------------------------------


def write_spans(folder: Path, words: int, lines: Iterator[str]) -> Path:
    """Annotations of brat's of a text of words of a letter."""
    (folder / "a.txt").write_text("a " * words)
    (folder / "a.ann").write_text("".join(f"T{number}\tPER {line}\n" for number, line in enumerate(lines)))
    return folder / "a.ann"


def test_spans_of_another_text_take_no_time(tmp_path: Path) -> None:
    """Each was looked for in the whole text, whose tokens were gone through for each."""
    path = write_spans(tmp_path, 20_000, (f"{2 * place} {2 * place + 1}\tb" for place in range(20_000)))
    begun = time.process_time()
    with pytest.raises(InvalidData, match="20,000 of 20,000 spans are no whole tokens"):
        list(read_file.read(path, read_file.Layout(), read_file.Tally()))
    assert time.process_time() - begun < 10


def test_a_text_that_repeats_takes_no_time(tmp_path: Path) -> None:
    """A span's own text is everywhere in it, and nowhere whole tokens."""
    (tmp_path / "a.txt").write_text("a" * 1_000_000)
    (tmp_path / "a.ann").write_text("".join(f"T{number}\tPER 0 1\t{'a' * (2 + number)}\n" for number in range(200)))
    begun = time.process_time()
    with pytest.raises(InvalidData, match="200 of 200 spans are no whole tokens"):
        list(read_file.read(tmp_path / "a.ann", read_file.Layout(), read_file.Tally()))
    assert time.process_time() - begun < 10


def test_spans_in_each_other_without_end_are_refused(tmp_path: Path) -> None:
    path = write_spans(tmp_path, 20_000, (f"0 {place + 1}\tx" for place in range(20_000)))
    begun = time.process_time()
    with pytest.raises(InvalidData, match=r"a\.ann: 20,000 spans that overlap, of 200,010,000 characters together"):
        list(read_file.read(path, read_file.Layout(), read_file.Tally()))
    assert time.process_time() - begun < 10


# -- what a library or int() refuses ---------------------------------------------------------------


def test_an_offset_of_thousands_of_digits_is_no_offset(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Anna\n")
    (tmp_path / "a.ann").write_text(f"T1\tPER 0 4\tAnna\nT2\tPER 0 {'9' * 5000}\tAnna\n")
    with pytest.raises(InvalidData, match=r"a\.ann:2: no line of brat's"):
        list(read_file.read(tmp_path / "a.ann", read_file.Layout(), read_file.Tally()))


def test_a_data_set_holds_its_data_itself(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"tokens": [["a"]], "tags": [["O"]]}).save_to_disk(str(tmp_path / "data/train"))
    os.mkfifo(tmp_path / "pipe.arrow")
    (state,) = (tmp_path / "data").rglob("state.json")
    for content in ({"_data_files": [{"filename": "../../pipe.arrow"}]}, {"_data_files": 3}, []):
        state.write_text(json.dumps(content))
        with pytest.raises(InvalidData, match="is not what save_to_disk writes"):
            hub.load(str(state.parent))
    (tmp_path / "data/dataset_dict.json").write_text('{"splits": ["train"]}')
    with pytest.raises(InvalidData, match="is not what save_to_disk writes"):
        hub.load(str(tmp_path / "data"))


def test_a_card_of_a_data_set_makes_no_objects(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "README.md").write_text("---\na: !!python/object/apply:os.getcwd []\n---\n")
    (tmp_path / "train.jsonl").write_text('{"tokens": ["a"], "tags": ["O"]}\n')
    with pytest.raises(DownloadFailed, match="could not determine a constructor"):
        hub.load(str(tmp_path))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["README.md", ".huggingface.yaml"])
def test_a_card_of_a_data_set_that_unfolds_without_end_is_refused(name: str, tmp_path: Path) -> None:
    """Ten lines stand for three billion names of files."""
    pytest.importorskip("datasets")
    words = ["x", *(f"*{key}" for key in "abcdefghi")]
    lines = [f"{key}: &{key} [{', '.join([word] * 9)}]" for key, word in zip("abcdefghij", words, strict=True)]
    card = [*lines, "configs:", "- config_name: default", "  data_files: *j"]
    (tmp_path / name).write_text("\n".join(["---", *card, "---", ""] if name == "README.md" else card))
    (tmp_path / "train.jsonl").write_text('{"tokens": ["a"], "tags": ["O"]}\n')
    with pytest.raises(InvalidData, match="has names for parts of its YAML"):
        hub.load(str(tmp_path))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("more", "message"), [("b" * (1 << 20), "more than 1 MiB"), ("\n" * 500_000, "a hundred empty lines together")]
)
def test_a_card_of_a_data_set_without_end_is_not_read(more: str, message: str, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "README.md").write_text(f"---\na: b{more}x")
    (tmp_path / "train.jsonl").write_text('{"tokens": ["a"], "tags": ["O"]}\n')
    with pytest.raises(InvalidData, match=rf"README\.md has {message}"):
        hub.load(str(tmp_path))


@pytest.mark.timeout(60)
def test_a_pipe_among_the_files_of_a_data_set_makes_nobody_wait(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    os.mkfifo(tmp_path / "train.arrow")
    with pytest.raises(DownloadFailed, match="doesn't contain any data files"):
        hub.load(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"), [("train.zip", b"none"), ("train.jsonl.gz", b"\x1f\x8b\x08\x00"), ("train.tar", b"")]
)
def test_a_damaged_archive_of_a_data_set_is_two_lines(name: str, content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NertoolError) as error:
        hub.load(str(tmp_path))
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize("name", ["../elsewhere.jsonl", "{}/elsewhere.jsonl", "data/../../elsewhere.jsonl"])
def test_a_card_of_a_data_set_names_no_files_elsewhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets")
    folder = tmp_path / "own"
    (folder / "data").mkdir(parents=True)
    for path in (tmp_path / "elsewhere.jsonl", folder / "data/train.jsonl"):
        path.write_text('{"tokens": ["a"], "tags": ["O"]}\n')
    card = "---\nconfigs:\n- config_name: default\n  data_files: {}\n---\n"
    (folder / "README.md").write_text(card.format(name.format(tmp_path)))
    with pytest.raises(InvalidData, match=r"README.md names a file outside the folder: .*elsewhere.jsonl"):
        hub.load(str(folder))
    (folder / "README.md").write_text(card.format("data/*.jsonl"))
    monkeypatch.chdir(folder)
    assert len(hub.load(str(folder))["train"]) == len(hub.load(".")["train"]) == 1
