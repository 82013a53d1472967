"""Counts and scores, against seqeval on random tags and against what the CoNLL scorer printed."""

from __future__ import annotations

import json

import pytest
from helpers import DATA
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score, classification_report, f1_score
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES

from nertool.counts import Counts
from nertool.scoring.scorer import KINDS, Scorer, score
from nertool.sources.recipes import RECIPES
from nertool.tags import convert, spans

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
    for average in ("macro", "weighted"):
        theirs, row = report[f"{average} avg"], results[average]
        assert (row["precision"], row["recall"], row["f1"], row["support"]) == pytest.approx(
            (theirs["precision"], theirs["recall"], theirs["f1-score"], theirs["support"])
        )
    for label, row in results["types"].items():
        theirs = report[label]
        assert (row["precision"], row["recall"], row["f1"]) == pytest.approx(
            (theirs["precision"], theirs["recall"], theirs["f1-score"])
        )
        assert row["support"] == theirs["support"]


PREFIXES = {"iob1": "BI", "iob2": "BI", "iobes": "BIES", "bilou": "BILU"}
THEIRS = {"iob1": IOB1, "iob2": IOB2, "iobes": IOBES, "bilou": BILOU}


@st.composite
def tagged(draw: st.DrawFn, scheme: str) -> list[tuple[list[str], list[str]]]:
    """Sentences of gold tags, and the same with some of them changed at random."""
    tags = ["O", *(f"{prefix}-{label}" for prefix in PREFIXES[scheme] for label in ("PER", "LOC", "a-b"))]
    one = st.tuples(st.sampled_from(tags), st.one_of(st.none(), st.sampled_from(tags)))
    sentences = draw(st.lists(st.lists(one, min_size=1, max_size=9), min_size=1, max_size=5))
    return [([gold for gold, _ in row], [other or gold for gold, other in row]) for row in sentences]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("scheme", PREFIXES)
@given(data=st.data())
def test_strict_mode_is_equal_to_that_of_seqeval(scheme: str, data: st.DataObject) -> None:
    sentences = data.draw(tagged(scheme))
    scorer = Scorer(scheme)
    for gold, predicted in sentences:
        scorer.add(gold, predicted)
    results = scorer.results()
    if "strict" not in results:
        assert all(tag == "O" for gold, _ in sentences for tag in gold)
        return
    strict = results["strict"]
    assert strict["mode"] == f"strict {scheme.upper()}"
    sides = [list(side) for side in zip(*sentences, strict=True)]
    try:
        report = classification_report(*sides, mode="strict", scheme=THEIRS[scheme], output_dict=True, zero_division=0)
    except ValueError:  # seqeval has no report where neither side has an entity
        assert strict["types"] == {}
        return
    assert {label for label in report if not label.endswith(" avg")} == set(strict["types"])
    for label, row in strict["types"].items():
        theirs = report[label]
        assert (row["precision"], row["recall"], row["f1"], row["support"]) == pytest.approx(
            (theirs["precision"], theirs["recall"], theirs["f1-score"], theirs["support"])
        )
    assert strict["f1"] == pytest.approx(report["micro avg"]["f1-score"])


@given(PAIRS)
def test_equal_to_the_definition(sentences: list[list[tuple[str, str]]]) -> None:
    """Counting on arrays gives what sets of spans give, and every gold entity is counted."""
    pairs = [tuple(zip(*sentence, strict=True)) for sentence in sentences]
    sets = [(set(spans(gold)), set(spans(predicted))) for gold, predicted in pairs]
    wanted = Counts(
        sum(len(gold & predicted) for gold, predicted in sets),
        sum(len(predicted) for _, predicted in sets),
        sum(len(gold) for gold, _ in sets),
    )
    scorer = score(pairs)
    assert scorer.counts == wanted
    assert sum(row.gold for row in scorer.types.values()) == wanted.gold
    errors = scorer.results()["errors"]
    paired = errors["type"] + errors["border"] + errors["type_and_border"]
    assert (wanted.gold - wanted.correct, wanted.predicted - wanted.correct) == (
        paired + errors["missed"],
        paired + errors["invented"],
    )


@given(PAIRS, st.integers(1, 7))
def test_blocks_and_parts_change_nothing(sentences: list[list[tuple[str, str]]], block: int) -> None:
    pairs = [tuple(zip(*sentence, strict=True)) for sentence in sentences]
    whole, parts = Scorer("iob2"), Scorer("iob2")
    for number, pair in enumerate(pairs):
        whole.add(*pair)
        if number % block == 0:
            parts.counts  # noqa: B018  counts what has come so far
        parts.add(*pair)
    merged = Scorer("iob2")
    for part in (pairs[::2], pairs[1::2]):
        other = Scorer("iob2")
        for pair in part:
            other.add(*pair)
        merged.merge(other)
    assert whole.results() == parts.results() == merged.results()


def test_partial_credit_is_that_of_nervaluate() -> None:
    """On sentences in which no entity overlaps two of the other side, where the order has no say."""
    nervaluate = pytest.importorskip("nervaluate", reason="nervaluate needs Python 3.11")
    gold = ["B-A", "I-A", "O", "B-B", "O", "B-A", "I-A", "O", "B-B", "I-B", "O", "B-A", "O", "O"]
    pred = ["B-A", "I-A", "O", "B-A", "O", "B-A", "O", "O", "O", "B-A", "O", "O", "O", "B-B"]
    ours = score([(gold, pred)]).results()
    evaluator = nervaluate.Evaluator([gold], [pred], tags=["A", "B"], loader="list")
    theirs = evaluator.evaluate()["overall"]
    for schema, name in (("strict", "strict"), ("exact", "exact"), ("partial", "partial"), ("type", "ent_type")):
        figures = ours["credit"][schema]
        assert (figures["precision"], figures["recall"], figures["f1"]) == pytest.approx(
            (theirs[name].precision, theirs[name].recall, theirs[name].f1)
        )
    assert ours["errors"] == dict(zip(KINDS, (1, 1, 1, 1, 1), strict=True))


@pytest.mark.parametrize("scheme", ["iobes", "bilou"])
@given(PAIRS)
def test_the_scheme_has_no_say_in_the_score(scheme: str, sentences: list[list[tuple[str, str]]]) -> None:
    pairs = [tuple(zip(*sentence, strict=True)) for sentence in sentences]
    converted = [tuple(convert(tags, scheme) for tags in pair) for pair in pairs]
    assert score(converted).counts == score(pairs).counts


def test_equal_to_the_conll_scorer() -> None:
    for line in (DATA / "conlleval/cases.jsonl").read_text(encoding="utf-8").splitlines():
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


@pytest.mark.filterwarnings("error")
def test_what_is_not_there_gives_zeros_and_no_warning() -> None:
    cases: dict[str, tuple[list[str], list[str], Counts]] = {
        "no entity on either side": (["O", "O"], ["O", "O"], Counts(0, 0, 0)),
        "gold without entities": (["O", "O"], ["B-X", "O"], Counts(0, 1, 0)),
        "nothing predicted": (["B-X", "O"], ["O", "O"], Counts(0, 0, 1)),
        "a type in predictions alone": (["B-X", "O"], ["B-X", "B-Y"], Counts(1, 2, 1)),
    }
    for gold, predicted, counts in cases.values():
        scorer = score([(gold, predicted)])
        results = scorer.results()
        assert (scorer.counts, results["metric"]) == (counts, "f1")
        assert results["f1"] == (0.0 if counts.correct == 0 else pytest.approx(2 / 3))
        assert all(low <= high for low, high in results["interval"].values())
    assert results["types"]["Y"]["support"] == 0
    empty = Scorer().results()
    assert (empty["f1"], empty["accuracy"], empty["sentences"], empty["types"]) == (0.0, 0.0, 0, {})


def test_tags_without_types_have_accuracy_and_scores_of_each_tag() -> None:
    gold, predicted = ["NOUN", "VERB", "NOUN", "-LRB-"], ["NOUN", "NOUN", "NOUN", "-LRB-"]
    scorer = score([(gold, predicted), (["O"], ["VERB"])])
    results = scorer.results()
    assert (results["metric"], results["mode"], scorer.headline) == ("accuracy", "plain", 0.6)
    noun = results["types"]["NOUN"]
    assert (noun["correct"], noun["predicted"], noun["support"]) == (2, 3, 2)
    confusion = {(row["gold"], row["predicted"]): row["count"] for row in results["confusion"]}
    assert confusion == {
        ("NOUN", "NOUN"): 2,
        ("VERB", "NOUN"): 1,
        ("-LRB-", "-LRB-"): 1,
        ("O", "VERB"): 1,
    }
    assert "strict" not in results and "credit" not in results


def test_a_tag_that_the_scheme_does_not_know_is_counted() -> None:
    strict = score([(["B-X", "I-X", "B-X", "I-X", "S-X"], ["B-X", "I-X", "B-X", "I-X", "S-X"])]).results()["strict"]
    assert (strict["mode"], strict["unknown_tags"], strict["support"]) == ("strict IOB2", 1, 2)


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


def test_a_tag_without_a_type_is_one_entity_of_no_type() -> None:
    """Files of other tools hold stray tags. conlleval reads `X` as an entity whose type is empty."""
    results = score([(["B-PER", "O", "B-PER"], ["B-PER", "X", "B-PER"]), (["B-LOC"], ["B-LOC"])]).results()
    assert (results["correct"], results["predicted"], results["support"]) == (3, 4, 3)
    assert list(results["types"]) == ["LOC", "PER"]
    assert {"gold": "", "predicted": "", "count": 1} in results["confusion"]
