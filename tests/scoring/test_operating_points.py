"""Operating points: what a threshold gives on dev is what was asked for, and no lower or higher one does as well."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertool.errors import InvalidOption
from nertool.models.tagging import Tagging
from nertool.models.thresholds import Thresholds
from nertool.scoring.operating_points import (
    Candidates,
    Goal,
    ScoredEntities,
    Steps,
    entities_row,
    operating_points,
    read_entities,
)
from nertool.tags import Span, mark

SCORE = st.sampled_from([0.0, 0.2, 0.5, 0.5000001, 0.9, 1.0]) | st.floats(0, 1)
SPAN = st.builds(Span, st.sampled_from(["PER", "LOC"]), st.integers(0, 3), st.just(9))
SENTENCE = st.tuples(st.sets(SPAN), st.dictionaries(SPAN, SCORE, max_size=3))
SPLIT = st.lists(SENTENCE, min_size=1, max_size=12)


def collect(sentences: list[tuple[set[Span], dict[Span, float]]]) -> ScoredEntities:
    entities = ScoredEntities()
    for gold, predicted in sentences:
        entities.add(gold, predicted.items())
    return entities


@settings(max_examples=60)
@given(SPLIT, st.sampled_from(["precision", "recall"]), st.floats(0.01, 1), st.sampled_from(["", "PER"]))
def test_a_threshold_reaches_what_is_wanted_and_is_the_best_one(
    sentences: list[tuple[set[Span], dict[Span, float]]], measure: str, wanted: float, label: str
) -> None:
    dev = collect(sentences)
    goal = Goal(measure, {label: wanted})  # type: ignore[arg-type]
    tried = {score: dev.figures({label: score}, goal, label) for score in dev.candidates(goal, label).scores.tolist()}
    good = {score: figures for score, figures in tried.items() if figures[measure] >= wanted}
    if not good:
        with pytest.raises(InvalidOption, match=f"--{measure} {label}"):
            operating_points(goal, {"dev": dev})
        return
    (point,) = operating_points(goal, {"dev": dev})["points"]
    assert point["dev"][measure] >= wanted and 0 <= point["threshold"] <= 1
    best = good[min(good) if measure == "precision" else max(good)]
    assert [point["dev"][key] for key in ("correct", "predicted")] == [best[key] for key in ("correct", "predicted")]


@settings(max_examples=60)
@given(SPLIT)
def test_a_higher_threshold_keeps_less(sentences: list[tuple[set[Span], dict[Span, float]]]) -> None:
    entities = collect(sentences)
    steps = Steps.of(entities.candidates())
    thresholds = [steps.threshold(step) for step in range(len(steps.scores))]
    assert thresholds == sorted(thresholds, reverse=True) and len({*thresholds}) == len(thresholds)
    assert sorted(steps.recall) == list(steps.recall)
    for threshold, precision, recall in zip(thresholds, steps.precision, steps.recall, strict=True):
        figures = entities.figures({"": threshold})
        assert (figures["precision"], figures["recall"]) == pytest.approx((precision, recall))
    curve = entities.curve()
    assert len(curve) == min(50, len(thresholds))
    assert [point["threshold"] for point in curve] == sorted(point["threshold"] for point in curve)


def test_types_without_one_of_their_own_share_a_threshold() -> None:
    rows = [({Span("A", 0, 1)}, {Span("A", 0, 1): 0.9}), (set(), {Span("A", 0, 1): 0.8, Span("B", 1, 2): 0.7})]
    rows += [({Span("C", 0, 1)}, {Span("C", 0, 1): 0.6})]
    facts = operating_points(Goal("precision", {"": 0.5, "A": 1.0}), {"dev": collect(rows)})
    assert {point["type"]: point["threshold"] for point in facts["points"]} == pytest.approx({"": 0.0, "A": 0.85})
    assert facts["points"][0]["dev"]["predicted"] == 2
    assert (facts["all_types"]["dev"]["predicted"], facts["all_types"]["dev"]["support"]) == (3, 2)


def test_what_is_out_of_reach_is_said_with_the_best_that_is_reached() -> None:
    dev = collect([(set(), {Span("PER", 0, 1): 0.9}), ({Span("PER", 0, 1)}, {Span("PER", 0, 1): 0.5})])
    with pytest.raises(InvalidOption, match=r"PER=0.9: no threshold .* precision 0.5000, recall 1.0000") as caught:
        operating_points(Goal("precision", {"PER": 0.9}), {"dev": dev})
    assert caught.value.hint == "Ask for less."
    with pytest.raises(InvalidOption, match="no such entity is predicted"):
        operating_points(Goal("recall", {"LOC": 0.1}), {"dev": dev})


def test_scores_side_by_side_are_parted() -> None:
    import numpy as np

    below = 0.5
    above = float(np.nextafter(below, 1))
    steps = Steps.of(Candidates(np.array([above, below]), np.array([True, False]), 1))
    assert below < steps.threshold(0) <= above


@settings(max_examples=20)
@given(sentences=SPLIT)
def test_entities_come_back_from_their_file(
    tmp_path_factory: pytest.TempPathFactory, sentences: list[tuple[set[Span], dict[Span, float]]]
) -> None:
    path = tmp_path_factory.mktemp("entities") / "dev_entities.jsonl"
    rows = [entities_row(number, gold, found.items()) for number, (gold, found) in enumerate(sentences, 1)]
    path.write_text("".join(rows), encoding="utf-8")
    assert read_entities(path).figures({"": 0.5}) == collect(sentences).figures({"": 0.5})
    assert [json.loads(row)["sentence"] for row in rows] == list(range(1, len(rows) + 1))


PLACED = st.lists(st.tuples(st.sampled_from(["PER", "LOC"]), st.integers(1, 3), SCORE), max_size=5)


@settings(max_examples=60)
@given(PLACED, st.sampled_from(["iob1", "iob2", "ioe1", "ioe2", "iobes", "bilou"]), SCORE)
def test_what_a_threshold_leaves_is_marked_as_its_scheme_does(
    placed: list[tuple[str, int, float]], scheme: str, least: float
) -> None:
    found, scores, end = [], [], 0
    for label, length, score in placed:
        found.append(Span(label, end, end + length))
        scores.append(score)
        end += length
    tagging = Tagging(mark(found, ["O"] * end, scheme), [0.9] * end, span_scores=scores)
    kept = Thresholds({"": least}, scheme).apply(tagging)
    stay = [span for span, score in zip(found, scores, strict=True) if score >= least]
    assert kept.tags == mark(stay, ["O"] * end, scheme)
    assert list(kept.scored_spans()) == [pair for pair in zip(found, scores, strict=True) if pair[1] >= least]


def test_a_stray_tag_without_a_type_may_be_read_otherwise_where_the_entity_before_it_goes() -> None:
    tagging = Tagging(["B-PER", "X"], [0.9, 0.7], span_scores=[0.2, 0.8])
    kept = Thresholds({"PER": 0.5}).apply(tagging)
    assert kept.tags == ["O", "X"] and len(list(kept.scored_spans())) == len(kept.spans())
