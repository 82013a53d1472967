"""Annotated texts: offsets that do not count characters, several annotators and labels, forms of annotation tools."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from own_file import lines, taken

from nertool.errors import InvalidData, InvalidOption, NertoolError
from nertool.sources.readers import char_spans
from nertool.stages import download
from nertool.workspace.workspace import Workspace

ANNA = "Anna left Nordbank."
ANNA_TAGS = "Anna B-PER left O Nordbank B-ORG . O"


def own(text: str, *spans: tuple[int, int, str, str]) -> dict[str, Any]:
    """A record whose spans carry their text."""
    return {"text": text, "spans": [{"start": a, "end": b, "label": kind, "text": said} for a, b, kind, said in spans]}


# -- offsets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        (own("😀 Anna saw Bern", (3, 7, "PER", "Anna"), (12, 16, "LOC", "Bern")), "in UTF-16"),
        (own("Hi\r\nAnna saw\r\nBern", (3, 7, "PER", "Anna"), (12, 16, "LOC", "Bern")), "with CR LF as one"),
        (own("😀😀\r\nAnna saw Bern", (5, 9, "PER", "Anna"), (14, 18, "LOC", "Bern")), "in UTF-16 with CR LF"),
        (own("Ö Anna saw Bern", (3, 7, "PER", "Anna"), (12, 16, "LOC", "Bern")), "in bytes of UTF-8"),
        (own("Anna saw Bern", (0, 3, "PER", "Anna"), (9, 12, "LOC", "Bern")), "with the end included"),
        (own("Anna saw Bern", (5, 9, "PER", "Anna"), (14, 18, "LOC", "Bern")), "from another beginning"),
        ({"text": "😀 Anna saw Bern", "spans": [[3, 7, "PER"], [12, 16, "LOC"]]}, "in UTF-16"),
        ({"text": "Hi\r\nAnna saw\r\nBern", "label": [[3, 7, "PER"], [12, 16, "LOC"]]}, "with CR LF as one"),
        ({"text": "Ö 😀 Anna saw Bern", "label": [[5, 9, "PER"], [14, 18, "LOC"]]}, "in UTF-16"),
    ],
)
def test_offsets_that_do_not_count_characters_are_found_and_told(record: Any, wanted: str, tmp_path: Path) -> None:
    found, counts = taken(tmp_path, "own.jsonl", lines(record))
    assert "Anna B-PER" in found and "Bern B-LOC" in found and found.count("B-") == 2 and "I-" not in found
    [(told, number)] = counts.items()
    assert told.startswith(f"texts with spans counted {wanted}") and number == 1


NAMES = ["Anna", "Bo", "Cem", "Dov", "Eli", "Fyr", "Gus", "Hal", "Ian", "Jo", "Kat"]


@pytest.mark.parametrize(
    ("before", "behind", "wanted"),
    [(0, -1, "with the end included"), (1, 1, "from 1"), (1, 0, "from 1 with the end included"), (0, 0, "")],
)
def test_a_file_of_many_spans_without_text_shows_how_it_counts(
    before: int, behind: int, wanted: str, tmp_path: Path
) -> None:
    records = [{"text": f"so {name} ran", "label": [[3 + before, 3 + len(name) + behind, "PER"]]} for name in NAMES]
    found, counts = taken(tmp_path, "own.jsonl", lines(*records))
    assert found.count(" B-PER ") == len(NAMES) and " I-" not in found
    assert counts == ({f"texts with spans counted {wanted}": len(NAMES)} if wanted else {})


def test_offsets_in_bytes_without_text_are_found(tmp_path: Path) -> None:
    record = {"text": "Zoë sah Bern und Ülm.", "label": [[0, 4, "PER"], [9, 13, "LOC"], [18, 22, "LOC"]]}
    found, counts = taken(tmp_path, "own.jsonl", lines(record))
    assert found == "Zoë B-PER sah O Bern B-LOC und O Ülm B-LOC . O / "
    assert counts == {"texts with spans counted in bytes of UTF-8": 1}


@pytest.mark.parametrize(
    "texts",
    [
        ["Anna ran", "Bo ran"],  # too few
        [f"{name}a ran" for name in NAMES],  # an ending that all of them leave out
    ],
)
def test_a_file_of_which_most_spans_are_no_whole_tokens_is_refused(texts: list[str], tmp_path: Path) -> None:
    records = [{"text": text, "label": [[0, text.index(" ") - 1, "PER"]]} for text in texts]
    with pytest.raises(InvalidData, match=f"{len(texts)} of {len(texts)} spans are no whole tokens") as error:
        taken(tmp_path, "own.jsonl", lines(*records))
    assert "--alignment expand" in error.value.hint
    assert taken(tmp_path, "wide.jsonl", lines(*records), alignment="expand")[0].count("B-PER") == len(texts)


@pytest.mark.parametrize(
    ("record", "wanted", "told"),
    [
        (own("I met A B today", (8, 9, "PER", "A")), "A B-PER B O", "spans found by their own text"),
        (own("I met A B A today", (8, 9, "PER", "A")), "A O B O A O", "spans whose own text is not there, left out"),
        (own("I met B today", (6, 7, "PER", "A")), "B O", "spans whose own text is not there, left out"),
        (own("Bern " + "x " * 300 + "Anna", (0, 4, "PER", "Anna")), "Bern O", "spans whose own text is not there"),
        (own("Annabel met B", (12, 13, "PER", "Anna")), "Annabel O", "spans whose own text is not there, left out"),
    ],
)
def test_a_span_whose_own_text_says_otherwise_never_tags_another_word(
    record: Any, wanted: str, told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found, counts = taken(tmp_path, "own.jsonl", lines(record))
    assert wanted in found
    [(kind, number)] = counts.items()
    assert kind.startswith(told) and number == 1
    assert any("own.jsonl:1: span " in message for message in caplog.messages), "told with its place"


@pytest.mark.parametrize("said", ["Anna  Keller", "anna keller", "Anna\\nKeller", "Anna\nKeller"])
def test_white_space_and_case_of_a_spans_own_text_do_not_count(said: str, tmp_path: Path) -> None:
    found, counts = taken(tmp_path, "own.jsonl", lines(own("Anna Keller left", (0, 11, "PER", said))))
    assert (found, counts) == ("Anna B-PER Keller I-PER left O / ", {})


def test_one_span_without_text_proves_nothing_unless_the_file_has_proven_it(tmp_path: Path) -> None:
    one = {"text": "😀 Anna left", "label": [[3, 7, "PER"]]}
    found, counts = taken(tmp_path, "one.jsonl", lines(one))
    assert "Anna O" in found and counts["texts with spans perhaps not counted in characters"] == 1
    two = {"text": "😀 Anna saw Bern", "label": [[3, 7, "PER"], [12, 16, "LOC"]]}
    found, counts = taken(tmp_path, "two.jsonl", lines(two, one))
    assert found.count("Anna B-PER") == 2 and counts == {"texts with spans counted in UTF-16": 2}


# -- Label Studio ----------------------------------------------------------------------------------


def region(start: Any, end: Any, *labels: str, kind: str = "labels", **more: Any) -> dict[str, Any]:
    return {"type": kind, "value": {"start": start, "end": end, kind: list(labels), **more}}


def task(*annotations: Any, data: Any = None, **more: Any) -> dict[str, Any]:
    return {"id": 1, "data": data or {"text": ANNA}, "annotations": list(annotations), **more}


PER, ORG = region(0, 4, "PER", text="Anna"), region(10, 18, "ORG", text="Nordbank")
BOTH = {"completed_by": 7, "result": [PER, ORG]}


@pytest.mark.parametrize("kind", ["labels", "hypertextlabels", "paragraphlabels", "HyperTextLabels"])
def test_every_type_of_result_that_marks_text_is_read(kind: str, tmp_path: Path) -> None:
    marked = [region(0, 4, "PER", kind=kind), {"type": "relation"}, region(10, 18, "ORG", kind="labels")]
    marked[0]["value"] = {"start": 0, "end": 4, kind.lower(): ["PER"]}
    assert taken(tmp_path, "own.json", [task({"result": marked})]) == (f"{ANNA_TAGS} / ", {"relations left out": 1})


def test_regions_of_another_type_and_without_a_label_are_counted(tmp_path: Path) -> None:
    unlabelled = {"type": "labels", "value": {"start": 5, "end": 9, "text": "left"}}
    results = [PER, unlabelled, region(10, 18), ORG, region(0, 1, "X", kind="rectanglelabels")]
    found, counts = taken(tmp_path, "own.json", [task({"result": results})])
    assert found == f"{ANNA_TAGS} / "
    assert counts == {"regions without a label left out": 2, "regions of type rectanglelabels left out": 1}


def test_what_says_more_of_a_region_is_none_and_a_region_of_another_kind_is_counted(tmp_path: Path) -> None:
    surely = {"id": "a", "type": "choices", "value": {"start": 0, "end": 4, "choices": ["sure"]}}
    results = [{**PER, "id": "a"}, surely, {**ORG, "id": "b"}]
    assert taken(tmp_path, "own.json", [task({"result": results})]) == (f"{ANNA_TAGS} / ", {})
    _, counts = taken(tmp_path, "other.json", [task({"result": [*results, region(5, 9, "X", kind="taxonomy")]})])
    assert counts == {"regions of type taxonomy left out": 1}


def test_the_text_of_a_span_may_stand_in_front_of_its_label(tmp_path: Path) -> None:
    record = {"text": ANNA, "label": [[0, 4, "Anna", "PER"], [10, 18, "ORG", "Nordbank"]]}
    assert taken(tmp_path, "own.jsonl", lines(record)) == (f"{ANNA_TAGS} / ", {})


@pytest.mark.parametrize("places", [(0, 0), (-1, 4), (99, 104), ("x", "y"), (None, None), (0.0, 4.0)])
def test_one_bad_region_does_not_refuse_a_file(places: tuple[Any, Any], tmp_path: Path) -> None:
    found, counts = taken(tmp_path, "own.json", [task({"result": [region(*places, "PER"), region("10", "18", "ORG")]})])
    assert found == "Anna O left O Nordbank B-ORG . O / "
    assert counts == {"regions without a place in the text left out": 1}


def test_of_several_labels_the_first_is_taken_and_told(tmp_path: Path) -> None:
    found, counts = taken(tmp_path, "own.json", [task({"result": [region(0, 4, "LOC", "ORG"), ORG]})])
    assert found.startswith("Anna B-LOC")
    assert counts == {"spans with several labels, of which the first is taken": 1}


SEVERAL = "texts with several annotators, of which the first is taken"
EVE = {"completed_by": {"id": 23, "email": "eve@example.org", "first_name": "Eve", "last_name": "Lee"}, "result": [ORG]}


@pytest.mark.parametrize(
    ("wanted", "tagged"),
    [
        ("", "Anna Nordbank"),
        ("7", "Anna Nordbank"),
        ("23", "Nordbank"),
        ("eve@example.org", "Nordbank"),
        ("Eve Lee", "Nordbank"),
        ("1", "Anna Nordbank"),
        ("2", "Nordbank"),
    ],
)
def test_one_annotator_of_several_is_taken(wanted: str, tagged: str, tmp_path: Path) -> None:
    found, counts = taken(tmp_path, "own.json", [task(BOTH, EVE)], annotator=wanted)
    assert [token for token in ("Anna", "Nordbank") if f"{token} B-" in found] == tagged.split()
    assert counts == ({} if wanted else {SEVERAL: 1})


def test_the_ground_truth_of_several_annotations_is_taken(tmp_path: Path) -> None:
    first = {"result": [], "completed_by": 1, "ground_truth": False}
    right = {"result": [region(0, 4, "PER", text="Anna")], "completed_by": 2, "ground_truth": True}
    found, counts = taken(tmp_path, "own.json", [task(first, right)])
    assert found.startswith("Anna B-PER")
    assert counts == {"texts of which the ground truth of several annotations is taken": 1}
    assert taken(tmp_path, "alone.json", [task(right)])[1] == {}
    assert taken(tmp_path, "one.json", [task(first, right)], annotator="1")[0].startswith("Anna O")


def test_a_second_annotation_of_nobody_has_a_number(tmp_path: Path) -> None:
    found, _ = taken(tmp_path, "own.json", [task(BOTH, {"result": []})], annotator="2")
    assert "B-" not in found


def test_texts_that_the_annotator_did_not_see_are_left_out(tmp_path: Path) -> None:
    found, counts = taken(tmp_path, "own.json", [task(BOTH), task(BOTH, EVE)], annotator="23")
    assert found.count("Anna") == 1 and counts == {"texts that the annotator did not annotate, left out": 1}


def test_an_annotator_who_is_not_there_is_refused_with_those_who_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="no text that bob annotated") as error:
        taken(tmp_path, "own.json", [task(BOTH, EVE)], annotator="bob")
    assert "7, 23" in error.value.hint


def test_a_number_that_turns_out_to_be_an_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="--annotator 2 is an id here"):
        taken(tmp_path, "own.json", [task(BOTH, EVE), task({"completed_by": 2, "result": []})], annotator="2")


def test_tasks_with_predictions_only_are_left_out_and_counted(tmp_path: Path) -> None:
    guessed = task(predictions=[{"result": [PER]}])
    found, counts = taken(tmp_path, "own.json", [guessed, task(BOTH)])
    assert (found, counts) == (f"{ANNA_TAGS} / ", {"texts with predictions only, left out": 1})
    with pytest.raises(InvalidData, match="predictions only"):
        taken(tmp_path, "guessed.json", [guessed])


def test_a_single_task_and_a_dialogue_are_read(tmp_path: Path) -> None:
    assert taken(tmp_path, "one.json", json.dumps(task(BOTH), indent=1))[0] == f"{ANNA_TAGS} / "
    said = [{"author": "a", "text": "Hello ."}, {"author": "b", "text": "Anna left"}]
    marked = region("1", "1", "PER", kind="paragraphlabels", startOffset=0, endOffset=4, text="Anna")
    found, counts = taken(tmp_path, "talk.json", [task({"result": [marked]}, data={"dialogue": said})])
    assert (found, counts) == ("Hello O . O / Anna B-PER left O / ", {})


def test_html_is_refused_with_the_way_out(tmp_path: Path) -> None:
    marked = region("/p[1]", "/p[1]", "PER", kind="hypertextlabels", globalOffsets={"start": 0, "end": 4}, text="Anna")
    with pytest.raises(InvalidData, match="HTML") as error:
        taken(tmp_path, "own.json", [task({"result": [marked]}, data={"text": "<p>Anna left</p>"})])
    assert "JSON Lines" in error.value.hint


# -- other tools -----------------------------------------------------------------------------------

SPANS = [[0, 4, "PER"], [10, 18, "ORG"]]
OBJECTS = [{"start": 0, "end": 4, "tag": "PER", "value": "Anna"}, {"start": 10, "end": 18, "tag": "ORG"}]
RECORDS: dict[str, tuple[str, Any]] = {
    "doccano, key data": ("own.jsonl", {"id": 1, "data": ANNA, "label": SPANS}),
    "doccano, key labels": ("own.jsonl", {"id": 1, "text": ANNA, "labels": SPANS}),
    "an empty list before a filled one": ("own.jsonl", {"text": ANNA, "entities": [], "label": SPANS}),
    "an empty list behind a filled one": ("own.jsonl", {"text": ANNA, "label": SPANS, "spans": [], "entities": []}),
    "classes beside spans": ("own.jsonl", {"text": ANNA, "labels": SPANS, "label": ["news"], "entities": None}),
    "names of classes beside spans": ("own.jsonl", {"text": ANNA, "entities": SPANS, "labels": ["PER", "ORG"]}),
    "null beside spans": ("own.jsonl", {"text": ANNA, "entities": None, "spans": SPANS}),
    "label before places": ("own.jsonl", {"text": ANNA, "annotation": [["PER", 0, 4], ["ORG", 10, 18]]}),
    "LightTag": ("own.json", {"examples": [{"content": ANNA, "annotations": OBJECTS}], "relations": []}),
    "Tecoholic": ("own.json", {"classes": ["PER"], "annotations": [[ANNA, {"entities": SPANS}]]}),
    "spaCy's to_json": (
        "own.json",
        [{"text": ANNA, "ents": [{"start": 0, "end": 4, "label": "PER"}, {"start": 10, "end": 18, "label": "ORG"}]}],
    ),
    "GLiNER": (
        "own.json",
        [{"tokenized_text": ["Anna", "left", "Nordbank", "."], "ner": [[0, 0, "PER"], [2, 2, "ORG"]]}],
    ),
    "SpERT": (
        "own.json",
        [
            {
                "tokens": ["Anna", "left", "Nordbank", "."],
                "entities": [{"type": "PER", "start": 0, "end": 1}, {"type": "ORG", "start": 2, "end": 3}],
                "relations": [],
            }
        ],
    ),
    "plain tokens beside a text": ("own.jsonl", {"text": ANNA, "tokens": ["Anna", "left"], "entities": SPANS}),
}


@pytest.mark.parametrize("form", RECORDS)
def test_forms_of_other_tools_are_read(form: str, tmp_path: Path) -> None:
    name, content = RECORDS[form]
    assert taken(tmp_path, name, content) == (f"{ANNA_TAGS} / ", {})


def test_ends_of_dataturks_are_those_of_the_last_character(tmp_path: Path) -> None:
    points = [{"start": 0, "end": 3, "text": "Anna"}, {"start": 10, "end": 17, "text": "Nordbank"}]
    records = [{"content": ANNA, "annotation": [{"label": ["PER"], "points": points}]}]
    found, counts = taken(tmp_path, "own.json", lines(*records, {"content": "Rain .", "annotation": None}))
    assert (found, counts) == ("Anna B-PER left O Nordbank B-PER . O / Rain O . O / ", {})


def test_null_in_a_list_is_counted(tmp_path: Path) -> None:
    content = {"classes": [], "annotations": [None, [ANNA, {"entities": SPANS}], None]}
    assert taken(tmp_path, "own.json", content) == (f"{ANNA_TAGS} / ", {"empty records left out": 2})


def test_gliners_ends_are_included_and_sperts_are_not(tmp_path: Path) -> None:
    words = ["New", "York", "left", "Bern"]
    gliner = {"tokenized_text": words, "ner": [[0, 1, "LOC"], [3, 3, "LOC"], [0, 0, "X"]]}
    wanted = "New B-LOC York I-LOC left O Bern B-LOC / "
    assert taken(tmp_path, "own.jsonl", lines(gliner)) == (wanted, {"overlapping spans left out": 1})
    with pytest.raises(InvalidData, match="outside the 4 tokens"):
        taken(tmp_path, "bad.jsonl", lines({**gliner, "ner": [[3, 4, "LOC"]]}))


def test_documents_of_spacy_2_keep_their_tags(tmp_path: Path) -> None:
    tagged = [{"orth": "Anna", "ner": "U-PER", "tag": "NNP"}, {"orth": "left", "ner": "-", "tag": "VBD"}]
    content = [{"id": 0, "paragraphs": [{"raw": "Anna left", "sentences": [{"tokens": tagged}, {"tokens": tagged}]}]}]
    wanted = "Anna U-PER left O / Anna U-PER left O / "
    assert taken(tmp_path, "own.json", content) == (wanted, {"tokens without a tag, so O": 2})
    assert taken(tmp_path, "pos.json", content, task="pos")[0].startswith("Anna NNP left VBD")


def test_keys_are_taken_by_option(tmp_path: Path) -> None:
    record = {"note": "x", "said": ANNA, "marks": SPANS, "text": "other", "label": []}
    found = taken(tmp_path, "own.jsonl", lines(record), text_column="said", spans_column="marks")
    assert found == (f"{ANNA_TAGS} / ", {})


@pytest.mark.parametrize(
    ("record", "message", "hint"),
    [
        ({"text": ANNA, "marks": SPANS}, "no record has a list of spans", "--spans-column"),
        ({"text": ANNA, "label": {"name": {"Anna": [[0, 3]]}}}, "label holds no list of spans", "JSON Lines"),
        ({"id": 1, "documents": [{"passages": []}]}, "no list of records", "JSON Lines"),
    ],
)
def test_what_is_not_known_is_refused_with_the_way_out(record: Any, message: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=message) as error:
        taken(tmp_path, "own.json", record)
    assert hint in error.value.hint and "\n" not in error.value.hint


GROUPS = {"sc": [{"start": 0, "end": 4, "label": "PER"}, {"start": 10, "end": 18, "label": "ORG"}], "other": []}


@pytest.mark.parametrize(
    "record",
    [
        {"text": ANNA, "ents": [], "spans": GROUPS},  # spaCy's Doc.to_json, for its SpanCategorizer
        {"text": ANNA, "spans": GROUPS},
        {"text": ANNA, "ents": GROUPS["sc"], "spans": {}},
        {"text": ANNA, "entities": {"start": [0, 10], "end": [4, 18], "label": ["PER", "ORG"]}},  # of `datasets`
    ],
)
def test_spans_in_an_object_are_read(record: Any, tmp_path: Path) -> None:
    assert taken(tmp_path, "own.jsonl", lines(record)) == (f"{ANNA_TAGS} / ", {})


def test_sentences_of_spacy_stay_parted(tmp_path: Path) -> None:
    words = [(0, 4), (5, 9), (10, 18), (18, 19), (20, 23)]
    record = {
        "text": f"{ANNA} Yes",
        "ents": [{"start": 0, "end": 4, "label": "PER"}, {"start": 10, "end": 18, "label": "ORG"}],
        "sents": [{"start": 0, "end": 19}, {"start": 20, "end": 23}],
        "tokens": [{"id": number, "start": start, "end": end} for number, (start, end) in enumerate(words)],
    }
    assert taken(tmp_path, "own.jsonl", lines(record)) == (f"{ANNA_TAGS} / Yes O / ", {})


@pytest.mark.parametrize("more", [{"ents": []}, {}])
def test_several_groups_of_spans_are_refused(more: Any, tmp_path: Path) -> None:
    record = {"text": ANNA, **more, "spans": {**GROUPS, "other": GROUPS["sc"][:1]}}
    with pytest.raises(InvalidData, match="spans holds no list of spans") as error:
        taken(tmp_path, "own.jsonl", lines(record))
    assert "several: sc, other" in error.value.hint


def test_a_yes_to_one_span_says_nothing_of_other_words(tmp_path: Path) -> None:
    spans = [{"start": 0, "end": 4, "label": "PER"}]
    judged = {"text": ANNA, "spans": spans, "_is_binary": True, "answer": "accept"}
    counts = {"texts of which one span alone was judged": 1}
    assert taken(tmp_path, "own.jsonl", lines(judged))[1] == counts
    assert taken(tmp_path, "all.jsonl", lines({**judged, "_is_binary": False}))[1] == {}


def test_a_span_that_is_there_twice_is_one(tmp_path: Path) -> None:
    twice = {"text": ANNA, "entities": [*SPANS, SPANS[0]]}
    assert taken(tmp_path, "own.jsonl", lines(twice)) == (f"{ANNA_TAGS} / ", {})
    other = {"text": ANNA, "entities": [*SPANS, [0, 4, "ORG"]]}
    assert taken(tmp_path, "other.jsonl", lines(other)) == (f"{ANNA_TAGS} / ", {"overlapping spans left out": 1})


def test_texts_without_a_token_are_counted(tmp_path: Path) -> None:
    content = lines({"text": ANNA, "entities": SPANS}, {"text": "", "entities": []}, {"text": " \n", "entities": []})
    assert taken(tmp_path, "own.jsonl", content) == (f"{ANNA_TAGS} / ", {"texts without a token left out": 2})


def test_a_cas_of_uima_is_refused_with_the_form_to_export(tmp_path: Path) -> None:
    with pytest.raises(InvalidData) as error:
        taken(tmp_path, "own.json", {"%TYPES": {}, "%FEATURE_STRUCTURES": [{"sofaString": ANNA}]})
    assert "WebAnno TSV 3.3" in error.value.hint


@pytest.mark.parametrize("record", [{"text": ANNA, "entities": [], "labels": ["PER"]}, {"text": ANNA, "ents": []}])
def test_an_empty_list_is_a_text_without_entities(record: Any, tmp_path: Path) -> None:
    assert taken(tmp_path, "own.jsonl", lines(record)) == ("Anna O left O Nordbank O . O / ", {})


@pytest.mark.parametrize(
    "record", [{"sentences": [["Anna"]], "ner": [[[0, 0, "PER"]]]}, {"data_row": {"row_data": ANNA}}]
)
def test_records_without_a_known_key_are_refused_with_their_keys(record: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="neither tokens nor a text") as error:
        taken(tmp_path, "own.jsonl", lines(record))
    assert f"Its keys are {', '.join(record)}: " in error.value.hint and "--text-column" in error.value.hint


def test_records_that_cannot_be_read_are_named_together_or_left_out(tmp_path: Path) -> None:
    good = {"text": ANNA, "spans": SPANS}
    content = lines(good, {"text": 3}, {"text": "a", "spans": [[0, 9, "X"]]}, {"text": "a", "spans": [3]}, good) + "{\n"
    with pytest.raises(InvalidData, match=r"own\.jsonl:2: no text \(1 more: line 4\)|own\.jsonl:6: not JSON"):
        taken(tmp_path, "own.jsonl", content)
    found, counts = taken(tmp_path, "skip.jsonl", content, line_errors="skip")
    assert found == f"{ANNA_TAGS} / {ANNA_TAGS} / " and counts == {"lines that cannot be read, left out": 4}


def test_people_who_annotated_records_or_spans_are_told_apart(tmp_path: Path) -> None:
    by: Sequence[dict[str, Any]] = [
        {"text": ANNA, "spans": SPANS[:n], "_annotator_id": who} for n, who in ((1, "a"), (2, "b"))
    ]
    found, counts = taken(tmp_path, "own.jsonl", lines(*by))
    assert found.count("Anna") == 1 and "Nordbank O" in found
    assert counts == {"texts again by another annotator, left out": 1}
    found, _ = taken(tmp_path, "b.jsonl", lines(*by), annotator="b")
    assert found == f"{ANNA_TAGS} / "
    users = [{"start_offset": a, "end_offset": b, "label": kind, "user": b} for a, b, kind in SPANS]
    found, counts = taken(tmp_path, "users.jsonl", lines({"text": ANNA, "annotations": users}))
    assert "Anna B-PER" in found and "Nordbank O" in found and counts == {SEVERAL: 1}


# -- rows and sizes --------------------------------------------------------------------------------


def test_lists_are_read_piece_by_piece_wherever_a_piece_ends(tmp_path: Path) -> None:
    records = [{"text": f"Anna saw {'x' * (n % 97)} 😀 end", "spans": [[0, 4, "PER"]], "n": n} for n in range(3000)]
    found, _ = taken(tmp_path, "own.json", json.dumps(records, indent=1))
    assert found.count("Anna B-PER") == 3000
    long = [{"text": "Anna " * 60_000, "spans": [[0, 4, "PER"]]}, {"text": "Anna", "spans": []}]
    assert taken(tmp_path, "long.json", long)[0].count("Anna") == 60_001


@pytest.mark.parametrize("content", ["[" * 100_000, '[{"text": ' + "[" * 100_000, '{"a": ' * 100_000])
def test_json_that_is_too_deep_is_refused(content: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"own\.json:1: broken JSON"):
        taken(tmp_path, "own.json", content)


def parquet(metadata: dict[bytes, bytes], tags: Sequence[Any]) -> bytes:
    import io

    import pyarrow.parquet

    target = io.BytesIO()
    table = pyarrow.table({"tokens": [["Anna"]], "tags": [list(tags)], "extra": [b"x"]})
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), target)
    return target.getvalue()


FEATURES = {"tokens": {"_type": "Sequence"}, "extra": {"_type": "Hologram"}}
NAMED = {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}, "_type": "Sequence"}


@pytest.mark.parametrize(
    "metadata",
    [b"not JSON", b"[]", b'{"info": null}', json.dumps({"info": {"features": FEATURES}}).encode(), b"\xff\xfe"],
)
def test_features_of_parquet_that_are_not_needed_are_not_looked_at(metadata: bytes, tmp_path: Path) -> None:
    found, _ = taken(tmp_path, "own.parquet", parquet({b"huggingface": metadata}, ["B-PER"]))
    assert found == "Anna B-PER / "
    with pytest.raises(InvalidData, match="without a name"):
        taken(tmp_path, "numbers.parquet", parquet({b"huggingface": metadata}, [1]))


@pytest.mark.parametrize("feature", [NAMED, [NAMED["feature"]], {**NAMED, "_type": "List"}])
def test_names_of_integers_are_read_beside_an_unknown_feature(feature: Any, tmp_path: Path) -> None:
    metadata = json.dumps({"info": {"features": {**FEATURES, "tags": feature}}}).encode()
    assert taken(tmp_path, "own.parquet", parquet({b"huggingface": metadata}, [1]))[0] == "Anna B-PER / "


TABLES = {
    "CSV of objects": ("own.csv", "text,entities\n\"Anna left\",\"[{'start': 0, 'end': 4, 'label': 'PER'}]\"\n"),
    "CSV of tuples": ("own.csv", 'id,text,label\n7,"Anna left","[(0, 4, \'PER\')]"\n'),
}


@pytest.mark.parametrize(("name", "content"), TABLES.values(), ids=TABLES)
def test_texts_with_spans_in_a_table(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    workspace = Workspace(tmp_path / "w")
    download.run(workspace, download.Options(train_file=str(tmp_path / name)))
    assert (workspace / "train.txt.tmp").read_text() == "Anna B-PER\nleft O\n\n"


@pytest.mark.parametrize("options", [{"train_file": "own.parquet"}, {"dataset": "folder"}])
def test_texts_with_spans_in_parquet(options: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    if "dataset" in options:
        pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)
    table = pyarrow.table({"text": ["Anna left"], "spans": [[{"start": 0, "end": 4, "label": "PER"}]], "n": [1]})
    (tmp_path / "folder").mkdir()
    for path in ("own.parquet", "folder/train.parquet"):
        parquet.write_table(table, path)
    workspace = Workspace(tmp_path / "w")
    download.run(workspace, download.Options(**options))
    assert (workspace / "train.txt.tmp").read_text() == "Anna B-PER\nleft O\n\n"


def test_labels_that_are_integers_take_their_names_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text('{"text": "Anna left", "label": [[0, 4, 1]]}\n')
    (tmp_path / "names.txt").write_text("ORG\nPER\n")
    options = {"train_file": str(tmp_path / "own.jsonl")}
    workspace = Workspace(tmp_path / "w")
    with pytest.raises(InvalidData, match="label 1 is an integer without a name") as raised:
        download.run(workspace, download.Options(**options))
    assert "--tag-names" in raised.value.hint
    download.run(workspace, download.Options(**options, tag_names=str(tmp_path / "names.txt")))
    assert (workspace / "train.txt.tmp").read_text() == "Anna B-PER\nleft O\n\n"


# -- Label Studio's tasks of several texts, and those that nobody annotated -------------------------


def region_of(to_name: str, start: int, end: int, label: str) -> dict[str, Any]:
    value = {"start": start, "end": end, "labels": [label]}
    return {"type": "labels", "from_name": "label", "to_name": to_name, "value": value}


def task_of(*regions: dict[str, Any], **data: str) -> dict[str, Any]:
    return {"data": data, "annotations": [{"result": [*regions]}]}


TWO_TEXTS = task_of(region_of("title", 0, 4, "LOC"), region_of("text", 0, 4, "PER"), title="Bern now", text="Anna left")


def test_regions_of_another_text_of_the_task_are_left_out(tmp_path: Path) -> None:
    assert taken(tmp_path, "own.json", [TWO_TEXTS]) == (
        "Anna B-PER left O / ",
        {"regions of another text left out": 1},
    )
    assert taken(tmp_path, "own.json", [TWO_TEXTS], text_column="title", spans_column="")[0] == "Bern B-LOC now O / "


@pytest.mark.parametrize(
    "regions",
    [
        [region_of("title", 0, 4, "LOC")],
        [region_of("a", 0, 4, "LOC"), region_of("b", 0, 4, "PER")],
    ],
)
def test_regions_of_which_nothing_tells_the_text_are_refused(regions: list[Any], tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="which is another text") as error:
        taken(tmp_path, "own.json", [task_of(*regions, title="Bern now", text="Anna left")])
    assert "--text-column" in error.value.hint


@pytest.mark.parametrize("beside", [{}, {"drafts": [{"result": [region_of("text", 0, 4, "PER")]}]}])
def test_a_task_that_nobody_annotated_is_left_out(beside: dict[str, Any], tmp_path: Path) -> None:
    lonely = {"data": {"text": "Bo ran"}, "annotations": [], "predictions": [], **beside}
    found, counts = taken(tmp_path, "own.json", [lonely, task_of(region_of("text", 0, 4, "PER"), text="Anna left")])
    assert found == "Anna B-PER left O / " and counts == {"texts that nobody annotated, left out": 1}
    with pytest.raises(InvalidData, match="nobody annotated a text") as error:
        taken(tmp_path, "all.json", [lonely])
    assert "export again" in error.value.hint


def test_an_empty_list_of_csv_is_a_text_without_entities(tmp_path: Path) -> None:
    content = (
        'id,label,text\n1,,Rain.\n2,"[{""start"": 0, ""end"": 4, ""labels"": [""PER""], ""x"": null}]",Anna left\n'
    )
    assert taken(tmp_path, "own.csv", content) == ("Rain O . O / Anna B-PER left O / ", {})


# -- cloud providers -------------------------------------------------------------------------------

JOB = {"annotations": {"entities": [{"label": "PER", "startOffset": 0, "endOffset": 4}], "labels": [{"label": "PER"}]}}
SEGMENT = {"text_extraction": {"text_segment": {"end_offset": 4}}, "display_name": "PER"}


@pytest.mark.parametrize(
    "record",
    [
        {"source": "Anna left", "my-job": JOB, "my-job-metadata": {"type": "groundtruth/text-span"}},
        {"annotations": [SEGMENT], "text_snippet": {"content": "Anna left"}},
        {
            "textContent": "Anna left",
            "textSegmentAnnotations": [{"startOffset": 0, "endOffset": 4, "displayName": "PER"}],
        },
        {"text_content": "Anna left", "text_segment_annotations": [{"end_offset": 4, "display_name": "PER"}]},
    ],
    ids=["SageMaker Ground Truth", "AutoML", "Vertex AI", "Vertex AI, snake case"],
)
def test_exports_of_cloud_providers_are_read(record: Any, tmp_path: Path) -> None:
    assert taken(tmp_path, "own.jsonl", lines(record))[0] == "Anna B-PER left O / "
    with pytest.raises(NertoolError):
        taken(tmp_path, "bad.jsonl", lines(json.loads(json.dumps(record).replace("PER", "").replace("4", '"4"'))))


def test_a_text_whose_tokens_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(char_spans, "LONGEST_TEXT", 12)
    records = [{"text": "Anna left us now", "spans": [[0, 4, "PER"]]}, {"text": "Bo ran", "spans": [[0, 2, "PER"]]}]
    with pytest.raises(InvalidData, match=r"own\.json:1: a text of 16 characters") as error:
        taken(tmp_path, "own.json", records)
    assert "Split it" in error.value.hint
    assert taken(tmp_path, "rest.json", records, line_errors="skip")[0] == "Bo B-PER ran O / "
