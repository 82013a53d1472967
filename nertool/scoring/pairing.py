"""Which predicted entities are gold ones, and which wrong ones of both sides belong together.

This module imports numpy: import it inside functions, where scoring begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nertool.arrays import Array


class Spans(NamedTuple):
    """Entities of a block in the order of their places; three arrays of shape (entities,).

    Attributes:
        start: 0-based place of the first word in the block.
        end: place behind the last word.
        label: number of the type.
    """

    start: Array
    end: Array
    label: Array

    def take(self, which: Array) -> Spans:
        """The entities at these places, or where this mask is true."""
        return Spans(self.start[which], self.end[which], self.label[which])


def join_spans(groups: Sequence[Spans]) -> Spans:
    """The entities of several groups, one behind the other."""
    return Spans(*map(np.concatenate, zip(*groups, strict=True)))


def match(gold: Spans, predicted: Spans, size: int) -> tuple[Array, Array]:
    """Find the correct entities.

    Args:
        size: words of the block.

    Returns:
        numbers of the gold entities that were predicted as they are; and for every gold entity the number of the
        predicted one that begins where it does, -1 for none.
    """
    beginning = np.full(size, -1)
    beginning[predicted.start] = np.arange(len(predicted.start))
    partner = beginning[gold.start]
    if not len(predicted.start):
        return np.empty(0, np.int64), partner
    same = (partner >= 0) & (predicted.end[partner] == gold.end) & (predicted.label[partner] == gold.label)
    return np.flatnonzero(same), partner


def pair(gold: Spans, predicted: Spans) -> tuple[Array, Array]:
    """Pair entities that overlap, one to one: numbers of the gold ones, and of their predicted partners.

    Of all pairings it is one with the most pairs, so with the most partial credit; among those one with the most shared
    words, then with the most pairs of one type, then the leftmost one.
    """
    of_gold, of_predicted = _overlaps(gold, predicted)
    ends = np.minimum(gold.end[of_gold], predicted.end[of_predicted])
    shared = ends - np.maximum(gold.start[of_gold], predicted.start[of_predicted])
    same_type = gold.label[of_gold] == predicted.label[of_predicted]
    rivals = (of_gold[1:] == of_gold[:-1]) | (of_predicted[1:] == of_predicted[:-1])
    if not rivals.any():
        return of_gold, of_predicted
    chosen = ~(np.append(rivals, False) | np.append(False, rivals))
    contested = np.flatnonzero(~chosen)
    most_words, most_same = int(shared.sum()) + 1, len(contested) + 1
    values = (most_words + shared[contested]) * most_same + same_type[contested]
    chosen[contested[_best_pairs(of_gold[contested], of_predicted[contested], values.tolist())]] = True
    return of_gold[chosen], of_predicted[chosen]


def _best_pairs(of_gold: Array, of_predicted: Array, values: Sequence[int]) -> list[int]:
    """Choose the pairs with the greatest sum of values of which no two share an entity; numbers of the pairs.

    Entities of one side do not overlap, so pairs that share one are neighbours: pair by pair, the best choice so far is
    the one before this pair, or this pair with the best choice in front of its rivals.

    Args:
        of_gold, of_predicted: entities of each pair, in the order of `_overlaps`.
    """
    best, rival = [0], np.minimum(_starts_of_runs(of_gold), _starts_of_runs(of_predicted)).tolist()
    for number, value in enumerate(values):
        best.append(max(best[number], value + best[rival[number]]))
    chosen, number = [], len(values)
    while number:
        taken = best[number] > best[number - 1]
        number -= 1
        if taken:
            chosen.append(number)
            number = rival[number]
    return chosen[::-1]


def _starts_of_runs(numbers: Array) -> Array:
    """Give the place where the run of equal numbers that each one is in begins; shape (numbers,)."""
    places = np.arange(len(numbers))
    begins = np.append(True, numbers[1:] != numbers[:-1])
    return np.maximum.accumulate(np.where(begins, places, 0))


def _overlaps(gold: Spans, predicted: Spans) -> tuple[Array, Array]:
    """List all pairs that share a word: numbers of the gold entities, and of the predicted ones; shape (pairs,)."""
    first = np.searchsorted(predicted.end, gold.start, side="right")
    behind = np.maximum(np.searchsorted(predicted.start, gold.end, side="left"), first)
    partners = behind - first  # of each gold entity: the predicted ones from `first` to `behind`
    of_gold = np.repeat(np.arange(len(gold.start)), partners)
    place_in_run = np.arange(len(of_gold)) - np.repeat(np.cumsum(partners) - partners, partners)
    return of_gold, place_in_run + first[of_gold]
