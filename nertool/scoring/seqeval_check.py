"""Compare the counts of a scorer with those of seqeval, on the same tags.

seqeval is what run_ner.py scores with. Both must count the same entities; where seqeval defines a figure in
another way, the result says why it is not compared.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, TypedDict

from nertool.counts import MODE
from nertool.errors import NertoolError
from nertool.scoring.scorer import Scorer

MOST_TOKENS = 1_000_000
"""Tokens up to which both sides are counted; seqeval takes about four seconds for so many."""
LONGEST_SENTENCE = 20_000
"""Tokens of a sentence in strict mode, in which seqeval copies the rest of the sentence for each entity."""
SCHEMES = {name: name.upper() for name in ("iob1", "iob2", "ioe1", "ioe2", "iobes", "bilou")}
"""Schemes of the strict mode, by seqeval's names."""


class SeqevalCheck(TypedDict):
    """Modes whose counts were compared, and why others were not."""

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
    """Say why a mode cannot be compared; empty where it can."""
    if scorer.plain:
        return "tags have no types"
    if not scorer.keeps_tags:
        return f"more than {MOST_TOKENS:,} tokens"
    if mode == "conlleval":
        if not scorer.all_tags_have_types():
            return "some tags have no type"  # seqeval takes the whole tag for one
        return "seqeval reads BILOU in strict mode only" if scorer.scheme == "bilou" else ""
    if scorer.scheme not in SCHEMES:
        return "no entity in the gold tags" if scorer.scheme is None else f"seqeval has no scheme {scorer.scheme}"
    if any(label.strip("-") != label for label in scorer.labels(mode)):
        return "seqeval leaves out hyphens at the ends of types"
    if max(map(len, scorer.kept_tags()[0]), default=0) > LONGEST_SENTENCE:
        return f"a sentence of more than {LONGEST_SENTENCE:,} tokens, over which seqeval takes hours"
    return "" if scorer.all_tags_in_scheme() else "some tags are not in the scheme"


def _count(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: str | None
) -> dict[str, tuple[int, int, int]]:
    """Count with seqeval: (correct, predicted, gold) of each type.

    Args:
        scheme: of seqeval's strict mode; None for its default mode.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gold_entities = set(_entities(gold, scheme))
        predicted_entities = set(_entities(predicted, scheme))
    correct = _count_types(gold_entities & predicted_entities)
    found, support = _count_types(predicted_entities), _count_types(gold_entities)
    return {label: (correct[label], found[label], support[label]) for label in found | support}


def _count_types(entities: Iterable[Any]) -> Counter[str]:
    return Counter(map(itemgetter(0), entities))


def _entities(sentences: Sequence[Sequence[str]], scheme: str | None) -> Iterator[tuple[Any, ...]]:
    """Read the entities of all sentences with seqeval: tuples of a type and places, equal for equal entities."""
    import seqeval.scheme
    from seqeval.metrics.sequence_labeling import get_entities

    if scheme is None:
        yield from map(tuple, get_entities(list(map(list, sentences))))
        return
    read = seqeval.scheme.Entities(sentences, getattr(seqeval.scheme, SCHEMES[scheme]))
    for number, entities in enumerate(read.entities):
        for entity in entities:
            yield entity.tag, number, entity.start, entity.end


def _check_equal(scorer: Scorer, mode: str, counts: dict[str, tuple[int, int, int]]) -> None:
    """Compare the counts of each type in a mode with seqeval's.

    Raises:
        NertoolError: they differ; the message holds both.
    """
    for label in sorted(counts.keys() | set(scorer.labels(mode))):
        own = scorer.counts_of(mode, label)
        counted, expected = (own.correct, own.predicted, own.gold), counts.get(label, (0, 0, 0))
        if counted != expected:
            raise NertoolError(
                f"{label}: {counted} correct, predicted and gold entities ({mode}), but {expected} by seqeval",
                "This is a bug in nertool or seqeval: report it with the file of predictions.",
            )
