"""Counts and scores, against seqeval on random tags and against what the CoNLL scorer printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score, classification_report, f1_score

from nertool.recipes import RECIPES
from nertool.scoring import Counts, Scorer, score
from nertool.tags import convert

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-creative-work", "I-creative-work"]
PAIRS = st.lists(st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), min_size=1, max_size=10), min_size=1)


@pytest.mark.filterwarnings("ignore")
@given(PAIRS)
def test_equal_to_seqeval(sentences: list[list[tuple[str, str]]]) -> None:
    gold = [[pair[0] for pair in sentence] for sentence in sentences]
    predicted = [[pair[1] for pair in sentence] for sentence in sentences]
    results = score(zip(gold, predicted, strict=True)).results()
    assert results["f1"] == pytest.approx(f1_score(gold, predicted, zero_division=0))
    assert results["accuracy"] == pytest.approx(accuracy_score(gold, predicted))
    if not results["types"]:
        return  # seqeval's report has nothing to say about sentences without entities
    report = classification_report(gold, predicted, output_dict=True, zero_division=0)
    for label, row in results["types"].items():
        theirs = report[label]
        assert (row["precision"], row["recall"], row["f1"]) == pytest.approx(
            (theirs["precision"], theirs["recall"], theirs["f1-score"])
        )
        assert row["support"] == theirs["support"]


@pytest.mark.parametrize("scheme", ["iobes", "bilou"])
@given(PAIRS)
def test_the_scheme_has_no_say_in_the_score(scheme: str, sentences: list[list[tuple[str, str]]]) -> None:
    pairs = [tuple(zip(*sentence, strict=True)) for sentence in sentences]
    converted = [tuple(convert(tags, scheme) for tags in pair) for pair in pairs]
    assert score(converted).counts == score(pairs).counts


def test_equal_to_the_conll_scorer(shared: Path) -> None:
    for line in (shared / "expected/conlleval/cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        scorer = score(zip(case["gold"], case["pred"], strict=True))
        wanted = case["conlleval"]
        assert (scorer.tokens, *scorer.counts) == (
            wanted["tokens"],
            wanted["correct"],
            wanted["found"],
            wanted["gold"],
        )
        assert round(100 * scorer.accuracy, 2) == pytest.approx(wanted["accuracy"], abs=0.011)


def test_nothing_predicted_and_nothing_there_give_zeros_and_no_warning() -> None:
    scorer = score([(["O", "O"], ["O", "O"])])
    assert scorer.counts == Counts(0, 0, 0)
    assert scorer.results()["f1"] == 0.0
    assert Scorer().results()["accuracy"] == 0.0


def test_tags_without_types_are_headed_by_accuracy() -> None:
    scorer = score([(["NOUN", "VERB"], ["NOUN", "NOUN"])])
    assert (scorer.results()["metric"], scorer.headline) == ("accuracy", 0.5)


@pytest.mark.parametrize(
    ("recipe", "split", "f1"),
    [
        ("germeval2014", "dev", 0.8623),
        ("germeval2014", "test", 0.8614),
        ("wnut17", "dev", 0.5885),
        ("wnut17", "test", 0.4744),
    ],
)
def test_published_counts_give_the_published_score(recipe: str, split: str, f1: float) -> None:
    assert round(RECIPES[recipe].scores[split].f1, 4) == f1
