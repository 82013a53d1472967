"""Columns and rows of Parquet files; the tags in them are those of test_cluster.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nertool.documents import parquet
from nertool.documents.parquet import TAGGED, schema_for, write
from nertool.documents.reader import Reader
from nertool.documents.redaction import Redaction
from nertool.errors import InvalidData, InvalidOption
from nertool.models.tagging import Tagging


def written(source: Path, reader: Reader, redaction: Redaction | None = None) -> pa.Table:
    """The table of a file whose every token is a place."""
    target = source.with_name("out.parquet")

    def tagged(tokens: int) -> Tagging:
        return Tagging(["B-LOC"] * tokens, [0.5] * tokens, span_scores=[0.5] * tokens)

    documents = ((one, [tagged(len(words.tokens)) for words in one.sentences]) for one in reader.read(str(source)))
    counts = write(target, schema_for(reader, source, redaction), documents, redaction)
    table = pq.read_table(target)
    assert counts["documents"] == table.num_rows
    return table


def of_records(tmp_path: Path, *records: dict[str, Any]) -> pa.Table:
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return written(tmp_path / "in.jsonl", Reader("jsonl"))


def test_the_same_columns_with_and_without_entities(tmp_path: Path) -> None:
    full, empty = (of_records(tmp_path, {"text": text}) for text in ("oslo", ""))
    assert full.schema.equals(pa.schema(TAGGED)) and empty.schema.equals(full.schema)
    assert of_records(tmp_path).schema.equals(full.schema)
    assert full.to_pylist() == [
        {
            "text": "oslo",
            "tokens": ["oslo"],
            "tags": ["B-LOC"],
            "entities": [{"label": "LOC", "start": 0, "end": 4, "text": "oslo", "score": 0.5}],
        }
    ]


def test_redacted_rows_have_neither_tokens_nor_words_of_entities(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    rows = [{"text": "oslo", "id": 1}, {"tokens": ["new", "oslo"], "text": "new oslo", "redactions": 1}, {"text": ""}]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = written(source, Reader("jsonl"), Redaction("#", read=["text", "tokens"]))
    assert table.column_names == ["id", "text", "redactions"]
    assert table["text"].to_pylist() == ["####", "### ####", ""] and table["id"].to_pylist() == [1, None, None]
    first = {"label": "LOC", "start": 0, "end": 4, "new_start": 0, "new_end": 4, "score": 0.5}
    assert [len(places) for places in table["redactions"].to_pylist()] == [1, 2, 0]
    assert table["redactions"][0].as_py() == [first]


@pytest.mark.parametrize(
    ("values", "kind", "wanted"),
    [
        ([1, None], pa.int64(), [1, None]),
        ([1, 0.5], pa.float64(), [1.0, 0.5]),
        ([True, False], pa.bool_(), [True, False]),
        (["a", "b"], pa.string(), ["a", "b"]),
        ([None, None], pa.null(), [None, None]),
        ([[1], [], [0.5], None], pa.list_(pa.float64()), [[1.0], [], [0.5], None]),
        ([1, "a", True], pa.string(), ["1", '"a"', "true"]),
        ([{"a": 1}, None], pa.string(), ['{"a": 1}', None]),
        ([[["a"]], "å"], pa.string(), ['[["a"]]', '"å"']),
        ([1, 1 << 63], pa.string(), ["1", str(1 << 63)]),
    ],
)
def test_fields_have_the_type_that_all_their_values_fit(
    values: list[Any], kind: pa.DataType, wanted: list[Any], tmp_path: Path
) -> None:
    table = of_records(tmp_path, *({"text": "oslo", "x": value} for value in values))
    assert (table.schema.field("x").type, table["x"].to_pylist()) == (kind, wanted)
    marked = (table.schema.field("x").metadata or {}).get(b"format") == b"json"
    assert marked == (kind == pa.string() and values != ["a", "b"])


def test_columns_of_parquet_keep_their_types(tmp_path: Path) -> None:
    others = {
        "day": pa.array([1, None], pa.date32()),
        "at": pa.array([1, 2], pa.timestamp("ns", "Europe/Oslo")),
        "kind": pa.array(["a", "b"]).dictionary_encode(),
        "nested": pa.array([{"a": [1]}, None], pa.struct([("a", pa.list_(pa.int8()))])),
    }
    columns = {**others, "body": pa.array(["oslo", ""]), "tags": pa.array([1, 2])}
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    reader = Reader("parquet", text_column="body")
    table = written(tmp_path / "in.parquet", reader)
    assert table.column_names == [*others, "text", "tokens", "tags", "entities"]
    for name, column in others.items():
        assert table[name].combine_chunks().equals(column), name
    assert table["text"].to_pylist() == ["oslo", ""] and reader.counts.replaced == 2


def test_a_column_that_is_not_read_in_one_row_is_passed_on_there(tmp_path: Path) -> None:
    columns = {"text": ["oslo", "vienna"], "words": [["anna"], None]}
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    rows = written(tmp_path / "in.parquet", Reader("parquet", tokens_column="words")).to_pylist()
    assert [(row["text"], row["words"], row["tokens"]) for row in rows] == [
        ("oslo", None, ["anna"]),
        ("vienna", None, ["vienna"]),
    ]


def test_rows_come_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 2)
    table = of_records(tmp_path, *({"text": "oslo", "id": number} for number in range(5)))
    assert table["id"].to_pylist() == [0, 1, 2, 3, 4]
    assert pq.ParquetFile(tmp_path / "out.parquet").num_row_groups == 3


def test_bad_input_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "in.parquet")
    with pytest.raises(InvalidOption, match="lacks a column 'text' or 'tokens'"):
        written(tmp_path / "in.parquet", Reader("parquet"))
    (tmp_path / "in.parquet").write_text("oslo")
    with pytest.raises(InvalidData, match="is no whole Parquet file"):
        written(tmp_path / "in.parquet", Reader("parquet"))
