"""Least probabilities of entities; what a model is less sure of is O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nertool.errors import InvalidOption
from nertool.tags import OUTSIDE, Span, mark, split_tag

if TYPE_CHECKING:
    from nertool.models.tagging import Tagging

HELP = "Write a probability from 0 to 1, such as 0.9, or a type with one, such as PER=0.9."


class Thresholds:
    """Least probabilities of entities.

    Args:
        least: probability by type; that of "" holds for all types without one of their own.
        scheme: of the tags, in which the entities that stay are marked anew; empty: their tags stay as they are.
    """

    def __init__(self, least: Mapping[str, float], scheme: str = "") -> None:
        self.least, self.scheme = dict(least), scheme

    def apply(self, tagging: Tagging) -> Tagging:
        """The sentence without the entities below their threshold."""
        kept: list[tuple[Span, float]] = []
        tags = list(tagging.tags)
        for span, score in tagging.scored_spans():
            if score >= self.least.get(span.label, self.least.get("", 0.0)):
                kept.append((span, score))
                continue
            tags[span.start : span.end] = [OUTSIDE] * (span.end - span.start)
        if self.scheme and len(kept) < len(tagging.span_scores):
            tags = mark([span for span, _ in kept], tags, self.scheme)
        return replace(tagging, tags=tags, span_scores=[score for _, score in kept])


def parse_thresholds(values: Sequence[str], tags: Iterable[str], scheme: str) -> Thresholds:
    """Thresholds out of `0.9` and `PER=0.9`.

    Args:
        tags: of the model, in their canonical form.
        scheme: of the tags; empty where all sequences are allowed.

    Raises:
        InvalidOption: no probability, a type that the model does not have, or one type twice.
    """
    types = {split_tag(tag)[1] for tag in tags} - {""}
    least: dict[str, float] = {}
    for value in values:
        label, sign, number = value.rpartition("=")
        if sign and label not in types:
            known = ", ".join(sorted(types)) or "none"
            raise InvalidOption(f"--min-score {value}: the model has no type {label!r}", f"Its types: {known}.")
        if (sign and not label) or label in least:
            raise InvalidOption(f"--min-score {value}: {label or 'all types'} stands there twice", HELP)
        least[label] = _probability(value, number)
    return Thresholds(least, scheme)


def check_thresholds(values: Iterable[str]) -> None:
    """Check that these have the form of thresholds, before a model is loaded.

    Raises:
        InvalidOption: one has not.
    """
    for value in values:
        _probability(value, value.rpartition("=")[2])


def _probability(value: str, number: str) -> float:
    try:
        probability = float(number)
    except ValueError:
        probability = math.nan
    if not 0 <= probability <= 1:
        raise InvalidOption(f"--min-score {value}: this is no probability", HELP)
    return probability
