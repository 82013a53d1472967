"""Intervals and comparisons: against plain resampling, and where the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nertool.scoring.bootstrap import compare, histogram_of, interval_of, upper_bound


def counts(seed: int, sentences: int = 400) -> np.ndarray:
    """(correct, predicted, gold) of random sentences."""
    random = np.random.default_rng(seed)
    gold = random.poisson(1.2, sentences)
    correct = random.binomial(gold, 0.6)
    return np.stack([correct, correct + random.poisson(0.4, sentences), gold], axis=1)


def f1(rows: np.ndarray) -> float:
    correct, predicted, gold = rows.sum(axis=0)
    return float(2 * correct / (predicted + gold))


def test_bounds_are_those_of_drawing_sentences_one_by_one() -> None:
    rows, random = counts(1), np.random.default_rng(7)
    plain = [f1(rows[random.integers(0, len(rows), len(rows))]) for _ in range(4000)]
    low, high = interval_of(histogram_of(rows), len(rows))["f1"]
    assert (low, high) == pytest.approx(np.quantile(plain, [0.025, 0.975]), abs=0.006)
    assert low < f1(rows) < high


def test_sentences_without_any_count_are_drawn_too() -> None:
    """A type that one sentence in a thousand has is as unsure as it is rare."""
    low, high = interval_of(histogram_of(np.array([[1, 1, 1]])), 1000)["f1"]
    assert (low, high) == (0.0, 1.0)


def test_the_same_seed_gives_the_same_bounds() -> None:
    histogram = histogram_of(counts(2))
    assert interval_of(histogram, 400) == interval_of(histogram, 400)
    assert interval_of(histogram, 400) != interval_of(histogram, 400, seed=1)


def test_a_model_is_as_good_as_itself() -> None:
    difference = compare(counts(3), counts(3))
    assert (difference.value, difference.interval, difference.p) == (0.0, (0.0, 0.0), 1.0)


def test_a_much_better_model_is_told_from_another() -> None:
    ours = counts(4)
    theirs = ours.copy()
    theirs[::2, 0] //= 2
    difference = compare(ours, theirs)
    assert difference.value == pytest.approx(f1(ours) - f1(theirs))
    assert difference.interval[0] > 0
    assert difference.p < 0.001
    assert compare(theirs, ours).value == -difference.value


def test_the_p_value_is_that_of_swapping_sentence_by_sentence() -> None:
    ours, theirs = counts(5, 60), counts(6, 60)
    theirs[:, 2] = ours[:, 2]
    theirs[:, 0] = np.minimum(theirs[:, 0], ours[:, 2])
    theirs[:, 1] = np.maximum(theirs[:, 1], theirs[:, 0])
    random, distance, as_far = np.random.default_rng(1), abs(f1(ours) - f1(theirs)), 0
    for _ in range(4000):
        swapped = random.integers(0, 2, len(ours)).astype(bool)[:, None]
        parted = f1(np.where(swapped, theirs, ours)) - f1(np.where(swapped, ours, theirs))
        as_far += abs(parted) >= distance - 1e-12
    assert compare(ours, theirs).p == pytest.approx(as_far / 4000, abs=0.03)


def test_no_sentence_no_difference() -> None:
    nothing = np.zeros((0, 3), int)
    assert compare(nothing, nothing) == (0.0, (0.0, 0.0), 1.0)


@pytest.mark.parametrize("error", [0.025, 0.001])
@pytest.mark.parametrize(("sentences", "lost"), [(3, 0), (50, 0), (50, 2), (400, 7)])
def test_a_bound_is_exact_where_each_sentence_has_one_entity(sentences: int, lost: int, error: float) -> None:
    """The one of Clopper and Pearson: with so few errors or less, it is as large as it can be."""
    ours, theirs = np.ones((2, sentences, 3), int)
    theirs[:lost, 0] = 0
    bound = upper_bound(ours, theirs, error)
    as_few = sum(math.comb(sentences, k) * bound**k * (1 - bound) ** (sentences - k) for k in range(lost + 1))
    assert as_few == pytest.approx(error, rel=0.5)


def test_a_bound_of_a_small_split_holds_although_no_loss_was_seen_there() -> None:
    """INT8 gets an entity wrong in one sentence of fifty, so that many a small split has no such sentence."""
    random, too_low = np.random.default_rng(1), 0
    for seed in range(200):
        ours = counts(seed, 40)
        theirs = ours.copy()
        theirs[:, 0] -= (random.random(40) < 0.02) & (ours[:, 0] > 0)
        loss = 2 * 0.02 * (1 - math.exp(-0.72)) / (0.72 + 0.4 + 1.2)
        too_low += upper_bound(ours, theirs, 0.025) < loss
    assert too_low <= 0.05 * 200


def test_a_split_without_entities_proves_nothing() -> None:
    nothing = np.zeros((50, 3), int)
    assert upper_bound(nothing, nothing, 0.025) == 1.0


def test_a_bound_is_about_the_upper_end_of_the_interval_where_there_are_many_sentences() -> None:
    ours, theirs = counts(3, 4000), counts(4, 4000)
    upper = compare(ours, theirs).interval[1]
    assert upper < upper_bound(ours, theirs, 0.025) < upper + 0.003


def test_a_bound_that_may_be_wrong_less_often_is_wider() -> None:
    ours, theirs = counts(5), counts(6)
    bounds = [upper_bound(ours, theirs, error) for error in (0.1, 0.025, 0.025 / 3, 0.025 / 10)]
    assert bounds == sorted(bounds) and bounds[0] > compare(ours, theirs).value


def test_without_sentences_nothing_can_be_lost() -> None:
    assert upper_bound(np.empty((0, 3), int), np.empty((0, 3), int), 0.025) == 0.0
