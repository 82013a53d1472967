"""Counts beside seqeval's own: equal in every scheme, and told where seqeval has no such figure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertool.errors import NertoolError
from nertool.scoring.scorer import Scorer
from nertool.scoring.seqeval_check import MOST_TOKENS, compare_with_seqeval

PREFIXES = {"iob1": "BI", "iob2": "BI", "iobes": "BIES"}


def scored(sentences: list[list[tuple[str, str]]], scheme: str | None = None, keep: int = MOST_TOKENS) -> Scorer:
    scorer = Scorer(scheme, keep_tags=keep)
    for sentence in sentences:
        scorer.add([gold for gold, _ in sentence], [predicted for _, predicted in sentence])
    return scorer


@pytest.mark.parametrize("scheme", PREFIXES)
@given(data=st.data())
def test_counts_are_equal_on_random_tags(scheme: str, data: st.DataObject) -> None:
    tags = ["O", *(f"{prefix}-{label}" for prefix in PREFIXES[scheme] for label in ("PER", "a-b"))]
    tag = st.sampled_from(tags)
    sentence = st.lists(st.tuples(tag, tag), min_size=1, max_size=8)
    sentences = data.draw(st.lists(sentence, min_size=1, max_size=6))
    assert compare_with_seqeval(scored(sentences, scheme))["modes"] == ["conlleval", "strict"]


def test_bilou_is_compared_in_strict_mode_alone() -> None:
    check = compare_with_seqeval(scored([[("B-PER", "B-PER"), ("L-PER", "L-PER"), ("U-LOC", "O")]], "bilou"))
    assert check["modes"] == ["strict"] and "BILOU" in check["not_compared"]["conlleval"]


def test_tags_without_types_are_not_compared() -> None:
    check = compare_with_seqeval(scored([[("NN", "NN"), ("VB", "NN")]], "plain"))
    assert check["modes"] == [] and set(check["not_compared"].values()) == {"tags have no types"}


def test_tags_of_another_scheme_are_not_compared_strictly() -> None:
    check = compare_with_seqeval(scored([[("B-PER", "B-PER"), ("I-PER", "E-PER")]], "iob2"))
    assert check["modes"] == ["conlleval"] and "not in the scheme" in check["not_compared"]["strict"]


def test_predicted_tags_in_lower_case_are_not_compared_strictly() -> None:
    check = compare_with_seqeval(scored([[("B-PER", "b-PER"), ("O", "O"), ("B-LOC", "B-LOC")]]))
    assert check["modes"] == ["conlleval"] and "not in the scheme" in check["not_compared"]["strict"]


@pytest.mark.parametrize("label", ["-PER", "PER-", "-", "--"])
def test_types_with_hyphens_at_their_ends_are_not_compared_strictly(label: str) -> None:
    check = compare_with_seqeval(scored([[(f"B-{label}", f"B-{label}"), (f"I-{label}", "O")]], "iob2"))
    assert check["modes"] == ["conlleval"] and "hyphens" in check["not_compared"]["strict"]


def test_no_entity_at_all_is_equal() -> None:
    check = compare_with_seqeval(scored([[("O", "O")]]))
    assert check["modes"] == ["conlleval"]


def test_more_tokens_than_are_kept_are_not_compared() -> None:
    check = compare_with_seqeval(scored([[("B-PER", "O")] * 3], "iob2", keep=2))
    assert check["modes"] == [] and "tokens" in check["not_compared"]["conlleval"]


@pytest.mark.timeout(60)
def test_a_sentence_without_end_is_not_compared_strictly() -> None:
    """Such as a file without blank lines, over which seqeval would take hours."""
    sentence = [("B-PER", "B-PER"), ("I-PER", "O"), ("O", "O")] * 200_000
    check = compare_with_seqeval(scored([sentence], "iob2"))
    assert check["modes"] == ["conlleval"] and "a sentence of more than 20,000" in check["not_compared"]["strict"]


def test_blocks_of_numbers_are_kept_as_their_sentences() -> None:
    sentences = [[("B-PER", "O"), ("O", "O")], [("B-LOC", "B-LOC")]]
    scorer = scored(sentences)
    assert scorer.keeps_tags
    assert scorer.kept_tags() == ([["B-PER", "O"], ["B-LOC"]], [["O", "O"], ["B-LOC"]])


def test_a_difference_is_an_error_with_both_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqeval.metrics.sequence_labeling.get_entities", lambda tags: [])
    with pytest.raises(NertoolError, match=r"PER: \(1, 1, 1\) .* but \(0, 0, 0\) by seqeval"):
        compare_with_seqeval(scored([[("B-PER", "B-PER"), ("O", "O")]]))


def test_a_tag_without_a_type_is_not_compared() -> None:
    check = compare_with_seqeval(scored([[("B-PER", "B-PER"), ("O", "X"), ("B-LOC", "B-LOC")]]))
    assert check["modes"] == [] and check["not_compared"]["conlleval"] == "some tags have no type"
