"""A JSON list as input of predict: told from JSON Lines and from text, read record by record, errors with the line."""

from __future__ import annotations

import gzip
import io
import json
import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nertool.corpus import json_stream
from nertool.corpus.running_text import Words
from nertool.documents.document import Document
from nertool.documents.reader import Reader
from nertool.errors import InvalidData

RECORDS = [{"text": "Anna left Oslo.", "id": 1}, {"tokens": ["Clara", ",", "too"], "id": 2}]
TOKENS = [["Anna", "left", "Oslo", "."], ["Clara", ",", "too"]]


def read(data: bytes, **options: Any) -> list[Document]:
    return list(Reader(stdin=io.BytesIO(data), **options).read("-"))


def read_file(path: Path, data: bytes, **options: Any) -> list[Document]:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return list(Reader(**options).read(str(path)))


def words(documents: list[Document]) -> list[list[str]]:
    return [[token for sentence in one.sentences for token in sentence.tokens] for one in documents]


@pytest.fixture(params=[1, 3, json_stream.CHUNK])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", request.param)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\n \n"])
@pytest.mark.parametrize("form", ["auto", "jsonl"])
def test_a_list_of_objects_is_read_from_standard_input(
    indent: int | None, before: bytes, form: str, chunk: None
) -> None:
    documents = read(before + json.dumps(RECORDS, indent=indent).encode(), form=form)
    assert words(documents) == TOKENS
    assert [(one.number, one.record) for one in documents] == [(1, {"id": 1}), (2, {"id": 2})]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.ndjson", "a", "a.txt", "a.json.gz"])
def test_a_list_is_read_from_files_of_any_name(name: str, tmp_path: Path) -> None:
    assert words(read_file(tmp_path / name, json.dumps(RECORDS).encode())) == TOKENS


@pytest.mark.parametrize("indent", [None, 1])
def test_a_list_of_texts_is_read(indent: int | None) -> None:
    texts = ["Anna left Oslo.", "", 'Zoë said "no".\nNow.']
    documents = read(json.dumps(texts, indent=indent).encode())
    assert [one.text for one in documents] == texts
    assert [len(one.sentences) for one in documents] == [1, 0, 2]


def test_other_columns_are_named_and_fields_are_passed_on() -> None:
    documents = read(b'[{"body": "Anna left Oslo.", "n": NaN}]', text_column="body")
    assert (words(documents), documents[0].record) == (TOKENS[:1], {"n": None})


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"[Laughter] Anna left\n", [["[", "Laughter", "]", "Anna", "left"]]),
        (b'["No" said Anna\n', [["[", '"', "No", '"', "said", "Anna"]]),
        (b"[\nAnna\n", [["[", "Anna"]]),
        (b"[\n\n", [["["]]),
        (b'{"text": "Anna left"}\n{"text": "[x"}\n', [["Anna", "left"], ["[", "x"]]),
    ],
)
def test_text_in_brackets_and_json_lines_are_no_lists(data: bytes, wanted: list[list[str]]) -> None:
    assert words(read(data)) == wanted


def test_json_files_may_hold_lines_or_an_empty_list(tmp_path: Path) -> None:
    assert words(read_file(tmp_path / "a.json", b'{"text": "Anna left Oslo."}\n{"tokens": ["Clara"]}\n')) == [
        TOKENS[0],
        ["Clara"],
    ]
    assert read_file(tmp_path / "b.json", b" [ ]\n") == []


BAD = {  # a record of a list, and what is wrong with it
    "a number": (b"5", "neither a JSON object nor a text"),
    "a list": (b'["anna"]', "neither a JSON object nor a text"),
    "null": (b"null", "neither a JSON object nor a text"),
    "no text": (b'{"x": 1}', "neither a text 'text' nor a list of tokens 'tokens'"),
    "half a character": (rb'{"text": "\ud800"}', "half a character (a lone surrogate): '\\ud800'"),
    "too deep": (b'{"x": ' + b"[" * 300 + b"]" * 300 + b"}", "lists or objects more than 200 deep"),
    "not UTF-8": (b'{"text": "\xff"}', "not UTF-8"),
    "a name that is not UTF-8": (b'{"\xff": 1, "text": "anna"}', "not UTF-8"),
}


@pytest.mark.parametrize(("record", "what"), BAD.values(), ids=BAD)
def test_a_bad_record_stops_is_skipped_or_stands_as_a_gap(record: bytes, what: str, chunk: None) -> None:
    data = b'[{"text": "oslo"},\n\n' + record + b',\n{"text": "Z\xc3\xbcrich"}]'
    with pytest.raises(InvalidData) as error:
        read(data)
    assert error.value.message == f"standard input:3: record 2: {what}"
    for on_error, wanted in (("skip", [False, False]), ("null", [False, True, False])):
        reader = Reader(stdin=io.BytesIO(data), on_error=on_error)  # type: ignore[arg-type]
        documents = list(reader.read("-"))
        assert [one.broken for one in documents] == wanted
        assert (documents[-1].text, documents[-1].number, reader.counts.broken) == ("Zürich", 3, 1)


@pytest.mark.parametrize("on_error", ["stop", "skip", "null"])
@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b'[{"text": "a"},\n{"text": "b"', ":2: broken JSON, or cut short"),
        (b'[{"text": "a"}\n', ":1: broken JSON, or cut short: a comma or ] is missing"),
        (b'[{"text": "a"}\n{"text": "b"}]', ":1: broken JSON, or cut short: a comma or ] is missing"),
        (b'[{"text": "a"},\n{"text": "b\0"}]', ":2: broken JSON"),
        (b'[{"text": "a"},\n]', ":2: broken JSON"),
        (b'[{"text": "a"}]\n\n{"text": "b"}', ":3: broken JSON, or cut short: there is more behind the list"),
    ],
)
def test_a_broken_list_is_an_error_as_nothing_behind_can_be_read(data: bytes, what: str, on_error: str) -> None:
    with pytest.raises(InvalidData) as error:
        read(data, on_error=on_error)
    assert error.value.message.startswith(f"standard input{what}")
    assert "JSON Lines" in error.value.hint


def test_records_come_as_soon_as_they_are_there() -> None:
    outlet, inlet = os.pipe()
    with os.fdopen(outlet, "rb") as stdin, os.fdopen(inlet, "wb", 0) as feed:
        feed.write(b'[{"text": "anna"},\n')
        documents = Reader(stdin=stdin).read("-")
        ended = threading.Timer(20, feed.close)  # so that a reader that waits for more fails
        ended.start()
        assert next(documents).text == "anna"
        feed.write(b'{"text": "oslo"}, {"text": "clara"}]')
        assert next(documents).text == "oslo"
        assert next(documents).text == "clara"
        ended.cancel()


class Endless(io.RawIOBase):
    """A list of records without line ends, some 30 million bytes, made as it is read."""

    def __init__(self) -> None:
        self.pieces: Iterator[bytes] = iter([b"[", *[b'{"text": "' + b"anna " * 600 + b'"},'] * 10_000, b'"end"]'])

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = next(self.pieces, b"")
        buffer[: len(piece)] = piece
        return len(piece)


def test_memory_is_bounded_however_long_the_line_is() -> None:
    reader = Reader(stdin=io.BufferedReader(Endless()), cut=lambda *_: Words([]))
    tracemalloc.start()
    count = sum(1 for _ in reader.read("-"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 10_001
    assert peak < 12_000_000
