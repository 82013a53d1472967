"""Exports of annotation tools as input of predict: the text is found, or it is said where it may be."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from nertool.documents.document import Document
from nertool.documents.log_counts import log_counts
from nertool.documents.reader import Reader
from nertool.errors import InvalidData

REGION = {"value": {"start": 0, "end": 4, "text": "Anna", "labels": ["PER"]}, "type": "labels"}
TASK = {"id": 7, "data": {"text": "Anna left", "source": "a"}, "annotations": [{"result": [REGION]}], "project": 3}


def read(records: Any, in_lines: bool = False, **options: Any) -> tuple[list[Document], Reader]:
    text = "".join(json.dumps(one) + "\n" for one in records) if in_lines else json.dumps(records, indent=1)
    reader = Reader(stdin=io.BytesIO(text.encode()), **options)
    return list(reader.read("-")), reader


def tokens(documents: list[Document]) -> list[list[str]]:
    return [[token for words in one.sentences for token in words.tokens] for one in documents]


@pytest.mark.parametrize("in_lines", [True, False])
def test_a_task_of_label_studio_is_its_text(in_lines: bool, caplog: pytest.LogCaptureFixture) -> None:
    bare = {"data": {"text": "Oslo , too"}}
    documents, reader = read([TASK, bare], in_lines)
    assert tokens(documents) == [["Anna", "left"], ["Oslo", ",", "too"]]
    assert [one.record for one in documents] == [{"source": "a", "id": 7}, {}]
    assert documents[0].text == "Anna left" and documents[0].is_record
    log_counts({"tasks": reader.counts.tasks})
    assert "2 records came as tasks of Label Studio" in caplog.text and "annotations are not" in caplog.text


def test_the_only_text_of_a_task_is_taken_whatever_its_name() -> None:
    task = {"id": 1, "data": {"ner": "Anna left", "id": 5, "year": 1990}}
    documents, _ = read([task])
    assert tokens(documents) == [["Anna", "left"]]
    assert documents[0].record == {"id": 5, "year": 1990, "task_id": 1}


def test_of_several_texts_of_a_task_an_option_chooses_one() -> None:
    task = {"id": 1, "data": {"title": "Hello", "body": "Anna left"}}
    with pytest.raises(InvalidData, match="neither a text 'text'") as raised:
        read([task])
    assert "title, body" in raised.value.hint and "--text-column" in raised.value.hint
    documents, _ = read([task], text_column="body")
    assert tokens(documents) == [["Anna", "left"]] and documents[0].record == {"title": "Hello", "id": 1}


def test_json_min_doccano_and_prodigy_have_their_text_in_a_field() -> None:
    for record in (
        {"text": "Anna left", "id": 1, "label": [{"start": 0, "end": 4, "text": "Anna", "labels": ["PER"]}]},
        {"id": 1, "text": "Anna left", "entities": [{"id": 1, "label": "PER", "start_offset": 0, "end_offset": 4}]},
        {"text": "Anna left", "tokens": [{"text": "Anna", "start": 0, "end": 4, "id": 0}], "spans": []},
    ):
        assert tokens(read([record], in_lines=True)[0]) == [["Anna", "left"]]
    with pytest.raises(InvalidData) as raised:
        read([{"id": 1, "data": "Anna left", "label": []}])
    assert "id, data, label: name one by --text-column" in raised.value.hint


@pytest.mark.parametrize(
    ("record", "hint"),
    [
        ({"examples": [{"content": "Anna left"}]}, "jq -c '.\"examples\"[]' FILE"),
        ({"%TYPES": {}, "%FEATURE_STRUCTURES": [{"%ID": 1, "sofaString": "Anna left"}]}, "WebAnno TSV 3.3"),
        ({"sentence": "Anna left", "entities": [{"label": "PER", "start": 0}]}, "has sentence, entities: name one by"),
        ({"data": {"dialogue": [{"author": "a", "text": "Anna left"}]}}, "this task have dialogue"),
    ],
)
def test_a_record_that_holds_its_text_deeper_is_refused_with_the_way(record: dict[str, Any], hint: str) -> None:
    with pytest.raises(InvalidData) as raised:
        read([record], in_lines=True)
    assert hint in raised.value.hint


def test_names_of_fields_are_told_to_be_useless_where_there_are_none(caplog: pytest.LogCaptureFixture) -> None:
    list(Reader("text", text_column="body", stdin=io.BytesIO(b"Anna left\n")).read("-"))
    assert "have no field body (--text-column)" in caplog.text
