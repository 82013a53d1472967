"""The expected calibration error: how far the probabilities of a model are from how often it is right.

Source: Naeini et al. 2015, Obtaining Well Calibrated Probabilities Using Bayesian Binning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nertool.arrays import Array

BINS = 15
"""Equal parts of 0 to 1 in which the mean probability is compared with the share that is right."""
RESAMPLES = 200


class CalibrationError:
    """Collects probabilities and what came true, by sentence."""

    def __init__(self) -> None:
        self.sentences: list[int] = []
        self.scores: list[float] = []
        self.right: list[bool] = []
        self.count = 0

    def add(self, scores: Sequence[float], right: Sequence[bool]) -> None:
        """Add the predictions of a sentence: the probability of each, and whether it is right."""
        self.sentences += [self.count] * len(scores)
        self.scores += scores
        self.right += right
        self.count += 1

    def results(self) -> dict[str, Any]:
        """The calibration error, its interval (95 % at least), what chance explains, and the bins."""
        sums = self._sums()
        error, (low, high) = float(np.abs(_gaps(sums.sum(0))).sum()), self._interval(sums)
        bins: list[dict[str, float]] = []
        for count, probability, right in sums.sum(0).tolist():
            if count:
                bins.append({"count": int(count), "probability": probability / count, "right": right / count})
        chance = self._chance()
        return {"error": error, "interval": (low, high), "chance": chance, "count": len(self.scores), "bins": bins}

    def _chance(self) -> float:
        """The error to expect if each probability were right: what few predictions in a bin have by chance.

        In a bin the number of right ones then spreads as a normal distribution does.
        """
        if not self.scores:
            return 0.0
        scores = np.array(self.scores, float)
        spread = np.bincount(_bins(scores), scores * (1 - scores), minlength=BINS)
        return float(np.sqrt(2 / np.pi * spread).sum() / len(scores))

    def _sums(self) -> Array:
        """Number, sum of probabilities and number of right ones by sentence and bin; shape (sentences, BINS, 3)."""
        scores, right = np.array(self.scores, float), np.array(self.right, float)
        place = np.array(self.sentences, np.int64) * BINS + _bins(scores)
        columns = []
        for weights in (np.ones(len(scores)), scores, right):
            columns.append(np.bincount(place, weights, minlength=self.count * BINS))
        return np.stack(columns, axis=-1).reshape(self.count, BINS, 3)

    def _interval(self, sums: Array) -> tuple[float, float]:
        """Bounds between which the error of endless data is, with 95 % at least: bootstrap over sentences.

        Chance adds to an error and never takes away from it, and resampling adds chance once more. So what is
        resampled is how far all bins together move, and that is the farthest that the error can be off.
        """
        if not self.scores:
            return 0.0, 0.0
        random = np.random.default_rng(1)
        flat, gaps = sums.reshape(self.count, -1), _gaps(sums.sum(0))
        moved: list[float] = []
        for _ in range(RESAMPLES):
            times = np.bincount(random.integers(0, self.count, self.count), minlength=self.count)
            moved.append(float(np.abs(_gaps((times @ flat).reshape(BINS, 3)) - gaps).sum()))
        error, farthest = np.abs(gaps).sum(), np.quantile(moved, 0.95)
        return max(0.0, float(error - farthest)), min(1.0, float(error + farthest))


def _bins(scores: Array) -> Array:
    """The bin of each probability."""
    return np.minimum((scores * BINS).astype(np.int64), BINS - 1)


def _gaps(sums: Array) -> Array:
    """Mean probability less the share that is right, of each bin, by its share of the predictions; shape (BINS,)."""
    gaps: Array = (sums[:, 1] - sums[:, 2]) / max(1.0, sums[:, 0].sum())
    return gaps
