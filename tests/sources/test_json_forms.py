"""JSON as people have it: objects behind each other, keys twice, relations, and records of yet other tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from nertool.corpus.records import parse_json
from nertool.errors import InvalidData
from tests.own_file import taken

TWICE = '{"text": "Anna left", "entities": [[0, 4, "PER"]], "entities": []}'
LEFT = "Anna B-PER left O / "


@pytest.mark.parametrize(
    ("name", "content"),
    [("own.jsonl", TWICE), ("own.json", TWICE), ("own.json", f"[{TWICE}]"), ("own.json", f'{{"data": [{TWICE}]}}')]
    + [("own.jsonl", '{"tokens": ["Anna"], "tags": ["O"], "meta": {"a": 1, "a": 2}}')],
)
def test_a_key_with_two_values_is_refused(name: str, content: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"own\.jsonl?:1: .*stands in one object (with two values|twice)"):
        taken(tmp_path, name, content)


def test_a_record_with_a_key_twice_can_be_left_out(tmp_path: Path) -> None:
    sound = '{"text": "Anna left", "text": "Anna left", "entities": [[0, 4, "PER"]]}'
    found, counts = taken(tmp_path, "own.jsonl", f"{TWICE}\n{sound}\n", line_errors="skip")
    assert found == LEFT and counts == {"lines that cannot be read, left out": 1}


def test_a_key_twice_with_one_value_says_one_thing() -> None:
    assert parse_json('{"a": [1, {"b": 2, "b": 2}], "a": [1, {"b": 2}]}') == {"a": [1, {"b": 2}]}


@pytest.mark.parametrize("name", ["own.json", "own.jsonl.json"])
def test_objects_behind_each_other_over_several_lines_are_refused(name: str, tmp_path: Path) -> None:
    one = '{"text": "Anna left",\n "entities": [[0, 4, "PER"]]}\n'
    with pytest.raises(InvalidData, match="there is more behind the object") as error:
        taken(tmp_path, name, one + one)
    assert "jq -c . FILE" in error.value.hint


def test_what_stands_behind_the_list_of_an_object_is_read(tmp_path: Path) -> None:
    content = (
        '{"examples": [{"content": "Anna left", "annotations": [{"start": 0, "end": 4, "tag": "PER"}]}], "schema": '
    )
    assert taken(tmp_path, "own.json", content + '{"rows": [1]}, "rows": [2]}')[0] == LEFT
    with pytest.raises(InvalidData, match="broken JSON, or cut short"):
        taken(tmp_path, "cut.json", content)
