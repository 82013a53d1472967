"""Label errors: every difference is a place once, and the most implausible gold comes first."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nertool.report.label_page import write_label_page
from nertool.scoring.label_errors import (
    Judged,
    Suggestion,
    corrected_tags,
    differences,
    entities_of,
    suggest,
    type_columns,
    types_of,
)
from nertool.spelling import Reading, Spelling, spelling_of_labels
from nertool.tags import Span, broken, convert, pairs, spans

TAGS = st.lists(st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]), min_size=8, max_size=8)
LABELS = ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
TYPES = ["O", "LOC", "PER"]


def judged(line: int, gold: list[Span], predicted: list[Span], *rows: list[float]) -> Judged:
    return Judged("dev.txt", line, ["a"] * len(rows), gold, predicted, np.array(rows, np.float32))


@given(TAGS, TAGS)
def test_each_difference_is_in_one_place(gold: list[str], predicted: list[str]) -> None:
    ours, theirs = {*spans(gold)}, {*spans(predicted)}
    groups = list(differences(ours, theirs))
    assert [span for group in groups for span in group[0]] == sorted(ours - theirs, key=lambda span: span.start)
    assert [span for group in groups for span in group[1]] == sorted(theirs - ours, key=lambda span: span.start)
    for before, behind in pairwise(groups):
        assert max(span.end for span in sum(before, [])) <= min(span.start for span in sum(behind, []))


SPELLINGS = [Spelling("prefix"), Spelling("suffix", "_", outside=("o",)), Spelling("prefix", ":", lower=True)]


@given(TAGS, TAGS, st.sampled_from(["iob1", "iob2", "ioe1", "ioe2", "iobes", "bilou"]), st.sampled_from(SPELLINGS))
def test_a_corrected_place_has_the_predicted_entities_and_all_others_stay(
    gold: list[str], predicted: list[str], scheme: str, spelling: Spelling
) -> None:
    tags = [spelling.spell(tag) for tag in convert(gold, scheme)]
    before = set(spelling.entities(tags))
    assert before == {*spans(gold)}
    for ours, theirs in differences(before, spans(predicted)):
        start, end = min(span.start for span in [*ours, *theirs]), max(span.end for span in [*ours, *theirs])
        place = Suggestion("dev.txt", 1, 0.5, start, end, ["a"] * 8, ours, theirs)
        changed = corrected_tags(tags, place, Reading(spelling, scheme))
        assert set(spelling.entities(changed)) == before - {*ours} | {*theirs}
        assert not broken(pairs(spelling.read(changed)), scheme)


def test_a_corrected_word_without_entities_has_the_predicted_tag() -> None:
    place = Suggestion("dev.txt", 1, 0.5, 1, 2, ["a", "b"], [Span("NN", 1, 2)], [Span("VB", 1, 2)])
    assert corrected_tags(["DT", "NN"], place, Reading(Spelling("plain"), "plain")) == ["DT", "VB"]
    types = Suggestion("dev.txt", 1, 0.5, 0, 1, ["a", "b"], [Span("PER", 0, 1)], [])
    assert corrected_tags(["PER", "LOC"], types, Reading(Spelling("types"), "io")) == ["O", "LOC"]


def test_a_stray_tag_gives_nothing_to_judge_and_goes_where_an_entity_is() -> None:
    tags, reading = ["O", "X", "X"], Reading(Spelling("prefix"), "iob2")
    assert entities_of(tags, reading.spelling) == []
    place = Suggestion("dev.txt", 1, 0.5, 1, 2, ["a", "b", "c"], [], [Span("PER", 1, 2)])
    assert corrected_tags(tags, place, reading) == ["O", "B-PER", "X"]


def test_the_least_plausible_gold_comes_first() -> None:
    person, place = Span("PER", 0, 1), Span("LOC", 0, 1)
    sure = [judged(line, [person], [person], [0.1, 0.1, 0.8]) for line in range(1, 5)]
    sure += [judged(line, [place], [place], [0.1, 0.8, 0.1]) for line in range(5, 9)]
    wrong = judged(20, [place], [person], [0.02, 0.01, 0.97])
    doubtful = judged(30, [place], [person], [0.1, 0.4, 0.5])
    missing = judged(40, [], [person], [0.05, 0.0, 0.95])
    usual = [judged(50, [], [], [0.9, 0.05, 0.05])] * 20
    found = suggest([*sure, doubtful, missing, wrong, *usual], TYPES)
    assert [one.line for one in found] == [20, 40, 30] and 0 < found[2].score < found[0].score < 1
    assert found[0].as_dict() == {
        **{"file": "dev.txt", "line": 20, "score": round(found[0].score, 4), "start": 0, "end": 1},
        **{"words": ["a"], "text": "a", "gold": [place._asdict()], "predicted": [person._asdict()]},
    }
    assert (found[1].shown(found[1].gold), found[1].shown(found[1].predicted)) == ("O", "PER: a")


def test_labels_of_a_type_are_added_up() -> None:
    spelling = spelling_of_labels(LABELS)
    assert types_of(LABELS, spelling) == TYPES
    assert (type_columns(LABELS, spelling).argmax(1)).tolist() == [1, 2, 1, 2, 0]


def test_tags_that_are_no_entities_are_judged_word_by_word() -> None:
    labels = ["NN", "VB", "DT"]
    spelling = spelling_of_labels(labels)
    assert types_of(labels, spelling) == ["DT", "NN", "VB"]
    assert entities_of(["NN", "VB"], spelling) == [Span("NN", 0, 1), Span("VB", 1, 2)]
    assert type_columns(labels, spelling).argmax(1).tolist() == [1, 2, 0]


def test_the_page_is_escaped(tmp_path: Path) -> None:
    words = ["<script>", "&", "<b>anna</b>", '"']
    odd = Suggestion("<i>.txt", 3, 0.5, 2, 3, words, [Span("<u>", 2, 3)], [])
    write_label_page(tmp_path / "page.html", "<h2>", {"sentences": 1, "entities": 1, "places": 1}, [odd.as_text()])
    page = (tmp_path / "page.html").read_text()
    assert not any(tag in page for tag in ("<script", "<b>anna", "<i>", "<u>", "<h2>"))
    assert "<mark>&lt;b&gt;anna&lt;/b&gt;</mark>" in page and "&lt;u&gt;: &lt;b&gt;anna" in page
