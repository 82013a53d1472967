"""Compare the counts of a scorer with those of seqeval, on the same tags.

seqeval is what run_ner.py scores with. Both must count the same entities; where seqeval defines a figure in
another way, the result says why it is not compared.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypedDict

from nertool.counts import MODE
from nertool.errors import NertoolError
from nertool.scoring.scorer import Scorer

MOST_TOKENS = 1_000_000
"""Tokens up to which both sides are counted; seqeval takes about four seconds for so many."""
SCHEMES = {"iob1": "IOB1", "iob2": "IOB2", "iobes": "IOBES", "bilou": "BILOU"}
"""Schemes of the strict mode, by seqeval's names."""
Span = tuple[str, int, int]


class SeqevalCheck(TypedDict):
    """What the comparison gave."""

    modes: list[str]  # modes whose counts are equal to seqeval's: conlleval, strict
    not_compared: dict[str, str]  # mode -> why seqeval has no such figure


def compare_with_seqeval(scorer: Scorer) -> SeqevalCheck:
    """Count with seqeval what a scorer has counted.

    Args:
        scorer: made with `keep_tags=MOST_TOKENS`.

    Raises:
        NertoolError: the counts differ; the message holds both.
    """
    check = SeqevalCheck(modes=[], not_compared={})
    for mode in ("conlleval", "strict"):
        reason = _why_not(scorer, mode)
        if reason:
            check["not_compared"][mode] = reason
            continue
        gold, predicted = scorer.kept_tags()
        counts = _count(gold, predicted, scorer.scheme if mode == "strict" else None)
        _check_equal(scorer, MODE if mode == "conlleval" else mode, counts)
        check["modes"].append(mode)
    return check


def _why_not(scorer: Scorer, mode: str) -> str:
    """Why a mode cannot be compared; empty where it can."""
    if scorer.plain:
        return "tags have no types"
    if not scorer.keeps_tags:
        return f"more than {MOST_TOKENS:,} tokens"
    if mode == "conlleval":
        return "seqeval reads BILOU in strict mode only" if scorer.scheme == "bilou" else ""
    if scorer.scheme not in SCHEMES:
        return "no entity in the gold tags" if scorer.scheme is None else f"seqeval has no scheme {scorer.scheme}"
    return "" if scorer.all_tags_in_scheme() else "some tags are not in the scheme"


def _count(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: str | None
) -> dict[str, tuple[int, int, int]]:
    """(correct, predicted, gold) of each type, as seqeval counts them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gold_spans = set(_entities(gold, scheme))
        predicted_spans = set(_entities(predicted, scheme))
    sides = (gold_spans & predicted_spans, predicted_spans, gold_spans)
    correct, found, support = (Counter(label for label, *_ in side) for side in sides)
    return {label: (correct[label], found[label], support[label]) for label in found | support}


def _entities(sentences: Sequence[Sequence[str]], scheme: str | None) -> Iterable[Any]:
    """Entities of all sentences by seqeval; without a scheme as its default mode reads them."""
    import seqeval.scheme
    from seqeval.metrics.sequence_labeling import get_entities

    if scheme is None:
        return (tuple(entity) for entity in get_entities([list(tags) for tags in sentences]))
    found = seqeval.scheme.Entities(sentences, getattr(seqeval.scheme, SCHEMES[scheme]))
    return (
        (entity.tag, number, (entity.start, entity.end))
        for number, entities in enumerate(found.entities)
        for entity in entities
    )


def _check_equal(scorer: Scorer, mode: str, counts: dict[str, tuple[int, int, int]]) -> None:
    for label in sorted(counts.keys() | set(scorer.labels(mode))):
        own = scorer.counts_of(mode, label)
        ours = (own.correct, own.predicted, own.gold)
        if ours != counts.get(label, (0, 0, 0)):
            raise NertoolError(
                f"{label}: {ours} correct, predicted and gold entities ({mode}), "
                f"but {counts.get(label, (0, 0, 0))} by seqeval",
                "This is a bug in nertool or seqeval: report it with the file of predictions.",
            )
