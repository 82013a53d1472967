"""How sure a score is, and whether one model is better than another: resampling sentences.

Sentences with equal counts are exchangeable, so a resample is one draw of a multinomial over the distinct counts; that
is the bootstrap itself, not an approximation, and its cost does not grow with the corpus.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nertool.arrays import Array

CountHistogram = Counter[tuple[int, ...]]
"""How many sentences have these counts: (correct, predicted, gold)."""
RESAMPLES = 1000
SWAPS = 10_000
LEVEL = 0.95
BEYOND_BOUND = 10
"""Resamples that lie beyond a one-sided bound, at least."""


def totals(histogram: CountHistogram) -> tuple[int, int, int]:
    """Correct, predicted and gold of all sentences."""
    correct = predicted = gold = 0
    for (right, found, wanted), count in histogram.items():
        correct += right * count
        predicted += found * count
        gold += wanted * count
    return correct, predicted, gold


def histogram_of(rows: Array) -> CountHistogram:
    """Sentences by their counts; from (correct, predicted, gold) of each, shape (sentences, 3)."""
    return Counter(map(tuple, rows.tolist()))


def interval_of(histogram: CountHistogram, sentences: int, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95 % intervals of precision, recall and F1: percentile bootstrap (Efron and Tibshirani, 1993, chapter 13).

    Args:
        histogram: counts of the sentences that have any.
        sentences: all of them.
    """
    if not histogram or not sentences:
        return dict.fromkeys(("precision", "recall", "f1"), (0.0, 0.0))
    kinds = sorted(histogram)
    drawn = _draw([histogram[kind] for kind in kinds], sentences, seed) @ np.array(kinds)
    correct, predicted, gold = drawn.T
    return {
        "precision": _bounds(_ratio(correct, predicted)),
        "recall": _bounds(_ratio(correct, gold)),
        "f1": _bounds(_ratio(2 * correct, predicted + gold)),
    }


def _draw(counts: Sequence[int], sentences: int, seed: int) -> Array:
    """How often each kind of sentence is in each resample; shape (resamples, kinds)."""
    shares = np.array([*counts, sentences - sum(counts)]) / sentences
    return np.random.default_rng(seed).multinomial(sentences, shares, size=RESAMPLES)[:, :-1]


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)


def _bounds(values: Array) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


class Difference(NamedTuple):
    """What one model scores above another on the same sentences.

    Attributes:
        value: F1 (or accuracy) of the one less that of the other.
        interval: 95 % bounds of it, by paired bootstrap.
        p: two-sided p-value of the hypothesis that they are equally good, by approximate randomization (Noreen, 1989;
            Yeh, 2000): a share of swaps of the two models' outputs, sentence by sentence, that part them as far.
    """

    value: float
    interval: tuple[float, float]
    p: float


def compare(first: Array, second: Array, seed: int = 0) -> Difference:
    """Compare two models by their counts of each sentence.

    Args:
        first: (correct, predicted, gold) of each sentence; shape (sentences, 3).
        second: of the same sentences, by the other model.
    """
    rows, counts = np.unique(np.concatenate([first, second], axis=1), axis=0, return_counts=True)
    if not len(rows):
        return Difference(0.0, (0.0, 0.0), 1.0)
    value = float(_f1s(counts[None] @ rows[:, :3])[0] - _f1s(counts[None] @ rows[:, 3:])[0])
    drawn = _draw(counts.tolist(), int(counts.sum()), seed)
    interval = _bounds(_differences(drawn, rows))
    unlike = (rows[:, :3] != rows[:, 3:]).any(axis=1)
    swapped = np.random.default_rng(seed).binomial(counts[unlike], 0.5, size=(SWAPS, int(unlike.sum())))
    moved = swapped @ (rows[unlike, 3:] - rows[unlike, :3])
    parted = _f1s(counts[None] @ rows[:, :3] + moved) - _f1s(counts[None] @ rows[:, 3:] - moved)
    as_far = int((np.abs(parted) >= abs(value) - 1e-12).sum())
    return Difference(value, interval, (as_far + 1) / (SWAPS + 1))


def upper_bound(first: Array, second: Array, error: float, seed: int = 0) -> float:
    """The bound that the difference of two models exceeds with a probability of `error` at most.

    A few sentences on which both models agree do not prove that they agree elsewhere. So one more sentence is drawn
    beside them, with the mean number of gold entities, all of which the other model gets wrong. Where each sentence
    has one entity, and the other model is never the better one, the bound is that of Clopper and Pearson (1934).

    Source: Gaffke 2005, Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative
    variable; the weights are those of Rubin 1981, The Bayesian Bootstrap.

    Args:
        first, second: as for `compare`.
        error: in (0, 0.5).
    """
    rows, counts = np.unique(np.concatenate([first, second], axis=1), axis=0, return_counts=True)
    if not len(rows):
        return 0.0
    gold = first[first[:, 2] > 0, 2]
    entities = gold.mean() if len(gold) else 1.0
    rows = np.vstack([rows, [entities, entities, entities, 0.0, entities, entities]])
    resamples = max(RESAMPLES, math.ceil(BEYOND_BOUND / error))
    weights = np.random.default_rng(seed).standard_gamma([*counts, 1.0], size=(resamples, len(rows)))
    return float(np.quantile(_differences(weights, rows), 1 - error))


def _differences(drawn: Array, rows: Array) -> Array:
    """The difference of two models' F1 in each resample.

    Args:
        drawn: how often each kind of sentence is in each resample; shape (resamples, kinds).
        rows: counts of both models for each kind; shape (kinds, 6).
    """
    differences: Array = _f1s(drawn @ rows[:, :3]) - _f1s(drawn @ rows[:, 3:])
    return differences


def _f1s(totals: Array) -> Array:
    """F1 of rows of (correct, predicted, gold)."""
    correct, predicted, gold = totals.T
    return _ratio(2 * correct, predicted + gold)
