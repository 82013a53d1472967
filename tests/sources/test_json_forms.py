"""JSON as people have it: objects behind each other, keys twice, relations, and records of yet other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nertool.corpus.records import parse_json
from nertool.errors import InvalidData, InvalidOption
from tests.own_file import lines, taken

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


# -- what stands beside the spans ------------------------------------------------------------------

SPAN = {"start": 0, "end": 4, "label": "PER"}
REGION = {"type": "labels", "id": "a", "value": {"start": 0, "end": 4, "text": "Anna", "labels": ["PER"]}}
RELATION = {"type": "relation", "from_id": "a", "to_id": "a", "labels": ["knows"]}
RELATED: dict[str, tuple[str, Any]] = {
    "Doccano and Prodigy": ("own.jsonl", lines({"text": "Anna left", "spans": [SPAN], "relations": [{}, {}]})),
    "Label Studio": (
        "own.json",
        [{"data": {"text": "Anna left"}, "annotations": [{"result": [REGION, RELATION, RELATION]}]}],
    ),
    "SpERT": (
        "own.json",
        [{"tokens": ["Anna", "left"], "entities": [{"type": "PER", "start": 0, "end": 1}], "relations": [{}, {}]}],
    ),
    "LightTag": (
        "own.json",
        {"examples": [{"content": "Anna left", "annotations": [{**SPAN, "tag": "PER"}]}], "relations": [{}, {}]},
    ),
    "UBIAI": (
        "own.json",
        [
            {
                "document": "Anna left",
                "tokens": [{"text": "Anna", "start": 0, "end": 4, "entityLabel": "PER"}],
                "relations": [{}, {}],
            }
        ],
    ),
}


@pytest.mark.parametrize("form", RELATED)
def test_relations_are_left_out_and_counted(form: str, tmp_path: Path) -> None:
    assert taken(tmp_path, *RELATED[form]) == (LEFT, {"relations left out": 2})


@pytest.mark.parametrize("nothing", [{}, []])
def test_a_record_with_nothing_marked_has_no_entities(nothing: Any, tmp_path: Path) -> None:
    found, counts = taken(
        tmp_path, "own.json", [["Bo ran", {"entities": nothing}], ["Anna left", {"entities": [[0, 4, "PER"]]}]]
    )
    assert found == "Bo O ran O / " + LEFT and not counts


@pytest.mark.parametrize(
    "entity",
    [
        {"start": 0, "end": 4, "entity": "PER", "value": "ann"},  # a synonym of Rasa's
        {"start_idx": 0, "end_idx": 3, "entity": "Anna", "type": "PER"},
        {"beginOffset": 0, "endOffset": 4, "label": "PER"},
        ["T1", 0, 4, "PER"],
        {"span": [0, 4], "type": "PER", "name": "Anna"},
        {"indices": [0, 4], "label": "PER"},
        {"offsets": [[0, 4]], "type": "PER", "text": ["Anna"]},
    ],
)
def test_spans_of_other_tools_are_read(entity: Any, tmp_path: Path) -> None:
    assert taken(tmp_path, "own.jsonl", lines({"text": "Anna left", "entities": [entity]}))[0] == LEFT


def test_spans_of_which_none_has_a_label_are_refused(tmp_path: Path) -> None:
    nameless = {"start": 0, "end": 4, "sort": "PER"}
    with pytest.raises(InvalidData, match="'sort': 'PER'.* has no label, as no span of this file has") as error:
        taken(tmp_path, "own.jsonl", lines({"text": "Bo", "spans": []}, {"text": "Anna left", "spans": [nameless]}))
    assert '"label": "PER"' in error.value.hint
    _, counts = taken(tmp_path, "two.jsonl", lines({"text": "Anna left", "spans": [nameless, SPAN]}))
    assert counts == {"regions without a label left out": 1}


def test_a_project_of_pictures_is_refused(tmp_path: Path) -> None:
    box = {"type": "rectanglelabels", "value": {"x": 1, "rectanglelabels": ["PER"]}}
    task = {"data": {"picture": "http://x/y.png"}, "annotations": [{"result": [box]}]}
    with pytest.raises(InvalidData, match="no region marks text, as regions of type rectanglelabels do not"):
        taken(tmp_path, "own.json", [task])


# -- a text with a tag for each word ---------------------------------------------------------------

PER, OUT = "B-PER", "O"


@pytest.mark.parametrize(
    "record",
    [
        {"text": "Anna left", "tags": [PER, OUT]},
        {"text": "Anna  left", "labels": [PER, OUT], "id": 1},
        {"tokens": "Anna left", "ner_tags": f"{PER} {OUT}"},
        {"sentence": "Anna left", "words": "Anna left", "label": f"{PER} {OUT}"},
    ],
)
def test_a_text_with_a_tag_for_each_word_is_a_sentence(record: Any, tmp_path: Path) -> None:
    single = {
        **record,
        **{key: value.split()[0] for key, value in record.items() if value in ("Anna left", "Anna  left")},
    }
    single |= {key: value[:1] if isinstance(value, list) else PER for key, value in record.items() if PER in str(value)}
    assert taken(tmp_path, "own.jsonl", lines(record, single))[0] == LEFT + "Anna B-PER / "


def test_a_text_with_a_tag_for_each_character_is_a_sentence(tmp_path: Path) -> None:
    record = {"text": "山田は", "labels": ["B-PER", "I-PER", "O"]}
    assert taken(tmp_path, "own.jsonl", lines(record))[0] == "山 B-PER 田 I-PER は O / "


def test_a_text_with_too_few_tags_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"own\.jsonl:2: column text holds a str, not a list"):
        taken(
            tmp_path, "own.jsonl", lines({"text": "Anna left", "tags": [PER, OUT]}, {"text": "Bo ran", "tags": [PER]})
        )


def test_classes_of_a_text_are_no_tags_of_its_words(tmp_path: Path) -> None:
    record = {"text": "Anna left", "labels": ["news", "people"], "spans": [{"start": 0, "end": 4, "label": "PER"}]}
    assert taken(tmp_path, "own.jsonl", lines(record))[0] == LEFT


def test_an_empty_job_of_ground_truth_hides_no_filled_one(tmp_path: Path) -> None:
    filled = {"annotations": {"entities": [{"label": "PER", "startOffset": 0, "endOffset": 4}]}}
    record = {"source": "Anna left", "first": {"annotations": {"entities": []}}, "second": filled}
    assert taken(tmp_path, "own.jsonl", lines(record))[0] == LEFT


def test_jobs_of_ground_truth_with_other_spans_are_asked_for(tmp_path: Path) -> None:
    spans = [{"label": "PER", "startOffset": 0, "endOffset": 4}]
    more = [*spans, {"label": "ACT", "startOffset": 5, "endOffset": 9}]
    record = {"source": "Anna left"}
    record |= {name: {"annotations": {"entities": found}} for name, found in (("first", spans), ("again", more))}
    with pytest.raises(InvalidOption, match=r"own\.jsonl:1: the labelling jobs first, again have other spans") as error:
        taken(tmp_path, "own.jsonl", lines(record))
    assert "--spans-column again" in error.value.hint
    assert taken(tmp_path, "own.jsonl", lines(record), spans_column="first")[0] == LEFT
    assert taken(tmp_path, "two.jsonl", lines(record), spans_column="again")[0] == "Anna B-PER left B-ACT / "


CAPITALS = {
    "all": {"TEXT": "Anna left", "ENTITIES": [{"START": 0, "END": 4, "LABEL": "PER"}]},
    "first letters": {"Text": "Anna left", "Label": [[0, 4, "PER"]]},
    "Comprehend": {
        "Text": "Anna left",
        "Entities": [{"BeginOffset": 0, "EndOffset": 4, "Text": "Anna", "Type": "PER"}],
    },
    "no span": {"Text": "Anna left", "Entities": []},
    "spans alone": {"text": "Anna left", "spans": [{"Start": 0, "End": 4, "Label": "PER"}]},
}


@pytest.mark.parametrize("record", CAPITALS.values(), ids=CAPITALS)
def test_keys_may_be_in_capitals(record: dict[str, Any], tmp_path: Path) -> None:
    more = lines(CAPITALS["first letters"])
    assert taken(tmp_path, "own.jsonl", lines(record) + more)[0].endswith(LEFT)


def test_keys_that_options_name_stay(tmp_path: Path) -> None:
    record = {"Text": "Anna left", "Spans": [{"start": 0, "end": 4, "label": "PER"}]}
    assert taken(tmp_path, "own.jsonl", lines(record), text_column="Text", spans_column="Spans")[0] == LEFT
    rows = lines({"Sentence": 1, "Text": "Anna", "Label": "B-PER"}, {"Sentence": 1, "Text": "left", "Label": "O"})
    assert taken(tmp_path, "rows.jsonl", rows)[0] == LEFT
