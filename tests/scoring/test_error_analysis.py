"""What went wrong: pairs of entities, kinds of errors, groups; against the counts of the scorer."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertool.scoring.error_analysis import Analysis, Mistake, find_mistakes, single_words
from nertool.scoring.prediction_files import Tagged
from nertool.scoring.scorer import score
from nertool.tags import Span, spans

TAGS = ["O", "B-A", "I-A", "B-B", "I-B"]
ROWS = st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), min_size=1, max_size=14)


def test_each_kind() -> None:
    gold = ["B-A", "O", "B-A", "I-A", "O", "B-A", "I-A", "O", "B-A", "O", "O"]
    pred = ["B-B", "O", "B-A", "O", "O", "O", "B-B", "O", "O", "O", "B-A"]
    assert find_mistakes(list(spans(gold)), list(spans(pred))) == [
        Mistake("type", Span("A", 0, 1), Span("B", 0, 1)),
        Mistake("border", Span("A", 2, 4), Span("A", 2, 3)),
        Mistake("type_and_border", Span("A", 5, 7), Span("B", 6, 7)),
        Mistake("missed", Span("A", 8, 9), None),
        Mistake("invented", None, Span("A", 10, 11)),
    ]


def test_partners_are_one_to_one_and_share_most_words() -> None:
    gold = [Span("A", 0, 5)]
    predicted = [Span("A", 0, 2), Span("B", 2, 5)]
    assert find_mistakes(gold, predicted) == [
        Mistake("type_and_border", gold[0], predicted[1]),
        Mistake("invented", None, predicted[0]),
    ]


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_errors_are_those_that_the_scorer_counts(sentences: list[list[tuple[str, str]]]) -> None:
    pairs = [([gold for gold, _ in row], [predicted for _, predicted in row]) for row in sentences]
    kinds: Counter[str] = Counter()
    confused: Counter[tuple[str, str]] = Counter()
    for gold, predicted in pairs:
        for mistake in find_mistakes(list(spans(gold)), list(spans(predicted))):
            kinds[mistake.kind] += 1
            confused[
                mistake.gold.label if mistake.gold else "", mistake.predicted.label if mistake.predicted else ""
            ] += 1
    results = score(pairs).results()
    assert {kind: count for kind, count in results["errors"].items() if count} == kinds
    counted = {(row["gold"], row["predicted"]): row["count"] for row in results["confusion"]}
    for label, row in results["types"].items():
        assert counted.get((label, label), 0) - confused[label, label] == row["correct"]
        assert sum(count for (gold, _), count in counted.items() if gold == label) == row["support"]
        assert sum(count for (_, predicted), count in counted.items() if predicted == label) == row["predicted"]


def test_groups_forms_and_rows() -> None:
    analysis = Analysis({("Rome", "LOC")})
    tokens = ["Rome", "and", "New", "York", "saw", "Rome"]
    sentence = Tagged(
        tokens, ["B-LOC", "O", "B-LOC", "I-LOC", "O", "B-LOC"], ["B-LOC", "O", "B-ORG", "I-ORG", "O", "O"], 9
    )
    rows = list(analysis.add(3, sentence))
    assert [(row["sentence"], row["line"], row["kind"], row["seen"]) for row in rows] == [
        (3, 9, "type", False),
        (3, 9, "missed", True),
    ]
    assert rows[0]["gold"] == {"type": "LOC", "start": 2, "end": 4, "text": "New York"}
    assert rows[0]["tokens"] == tokens and rows[1]["predicted"] is None
    results = analysis.results()
    seen = {name: (row["correct"], row["support"]) for name, row in results["by"]["seen"].items()}
    assert seen == {"in_train": (1, 2), "not_in_train": (0, 1)}
    assert {name: row["support"] for name, row in results["by"]["entity_length"].items()} == {"1": 2, "2": 1}
    assert results["by"]["sentence_length"]["1-10"]["predicted"] == 2
    assert results["wrong_forms"][0] == {"text": "New York", "gold": "LOC", "predicted": "ORG", "count": 1}
    # WNUT'17: distinct forms that were right somewhere, were predicted, are in the gold tags
    surface = results["surface"]
    assert (surface["correct"], surface["predicted"], surface["support"]) == (1, 2, 2)


def test_groups_and_forms_have_intervals() -> None:
    """Sentences of one group alone are resampled; forms are, where each of them counts once."""
    analysis = Analysis({("Rome", "LOC")})
    for number in range(60):
        tokens = ["Rome", "is", f"town{number}"]
        list(
            analysis.add(
                number, Tagged(tokens, ["B-LOC", "O", "B-LOC"], ["B-LOC", "O", "O" if number % 2 else "B-LOC"], 1)
            )
        )
    results = analysis.results()
    assert results["by"]["seen"]["in_train"]["interval"]["recall"] == (1.0, 1.0)
    for figures in (results["by"]["seen"]["not_in_train"], results["surface"]):
        low, high = figures["interval"]["recall"]
        # of a binomial share of one half, sixty times
        assert (low, high) == pytest.approx((0.38, 0.62), abs=0.03)
        assert low < figures["recall"] < high


def test_without_train_nobody_says_what_was_seen() -> None:
    analysis = Analysis(None)
    rows = list(analysis.add(1, Tagged(["Rome"], ["B-LOC"], ["O"], 1)))
    assert rows[0]["seen"] is None
    assert "seen" not in analysis.results()["by"]


def test_tags_without_types_are_entities_of_one_word() -> None:
    analysis = Analysis({("runs", "VERB")}, single_words)
    (row,) = analysis.add(1, Tagged(["runs", "O"], ["VERB", "O"], ["NOUN", "O"], 1))
    assert (row["kind"], row["gold"]["type"], row["predicted"]["type"], row["seen"]) == ("type", "VERB", "NOUN", True)


def test_errors_of_a_long_sentence_show_what_stands_around_them() -> None:
    """A line for each of many errors, each with the whole sentence, would grow with the square of its length."""
    length = 20_000
    tokens = [f"t{place}" for place in range(length)]
    tokens[-1] = "x" * 100_000
    gold = ["B-PER" if place % 10 == 0 else "O" for place in range(length - 1)] + ["B-LOC"]
    analysis = Analysis(None)
    rows = list(analysis.add(1, Tagged(tokens, gold, ["O"] * length, 1)))
    assert len(rows) == analysis.results()["shortened_errors"] == 2001
    assert sum(len(json.dumps(row)) for row in rows) < 3_000_000
    for row in rows[:-1]:
        at = row["gold"]["start"] - row["tokens_from"]
        assert row["tokens"][at] == row["gold"]["text"] == tokens[row["gold"]["start"]]
    assert rows[5]["tokens"] == tokens[:101] and rows[500]["tokens"] == tokens[4950:5051]
    assert len(rows[-1]["gold"]["text"]) == 1001


def test_an_entity_without_end_is_shown_in_part() -> None:
    length = 5_000
    analysis = Analysis(None)
    tokens, gold = ["word"] * length, ["B-PER", *["I-PER"] * (length - 1)]
    row = next(analysis.add(1, Tagged(tokens, gold, ["O"] * length, 1)))
    assert len(row["tokens"]) == 1000 and row["gold"]["end"] == length and len(row["gold"]["text"]) == 1001
