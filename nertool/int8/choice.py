"""Which INT8 models are tried, one after the other, and which of them is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nertool.int8.facts import Trial

LIKE_SIZE = 1.05
"""Files so much larger than the smallest are taken to be as small."""
LIKE_SPEED = 0.95
"""Models so much slower than the fastest are taken to be as fast: measuring twice gives no better agreement."""


class Attempt(NamedTuple):
    """What is to be tried: an approach, and how many layers stay in FP32, those that suffer most first."""

    approach: str
    in_fp32: int


@dataclass(frozen=True)
class Criterion:
    """What may be lost.

    Attributes:
        tolerance: greatest loss of accuracy (0.01 is one per cent, or one point).
        kind: `relative` to the accuracy before, or `absolute`; `bound`: relative, and not the loss that was measured
            counts but the upper bound of it.
    """

    tolerance: float
    kind: str

    def met(self, before: float, after: float, lost_at_most: float) -> bool:
        """Whether the accuracy after is good enough.

        Args:
            before, after: accuracy of the FP32 and the INT8 model.
            lost_at_most: upper bound of the loss.
        """
        if self.kind == "bound":
            return lost_at_most <= self.tolerance * before
        loss = relative_loss(before, after) if self.kind == "relative" else before - after
        return loss <= self.tolerance


def share_of_error(trial: int) -> float:
    """Probability with which the upper bound of a trial's loss may be wrong; 1-based number of the trial.

    The shares of all trials, however many, add up to .05, so that the bound of the one that is kept holds too,
    although several were tried. The first trial has .025, as the two-sided 95 % interval.
    """
    return 0.05 / (trial * (trial + 1))


def relative_loss(before: float, after: float) -> float:
    """Fraction of the accuracy that is lost; negative where there is a gain."""
    return (before - after) / before if before else 0.0


def next_attempt(approaches: Sequence[str], layers: int, met: Mapping[Attempt, bool]) -> Attempt | None:
    """What to try next, from cheap to dear; None where there is nothing more to try.

    First every layer in INT8, by each approach. Where none of them will do, layers are left in FP32; see
    `_next_fallback`. Training comes last, where nothing else will do.

    Args:
        approaches: of `none`, `dynamic`, `static` and `qat`.
        layers: how many could be left in FP32.
        met: what has been tried, and whether it met the criterion.
    """
    untrained = [approach for approach in approaches if approach != "qat"]
    for approach in untrained:
        if Attempt(approach, 0) not in met:
            return Attempt(approach, 0)
    if any(met[Attempt(approach, 0)] for approach in untrained):
        return None
    for approach in untrained:
        if approach != "none" and (attempt := _next_fallback(approach, layers // 2, met)):
            return attempt
    training = Attempt("qat", 0)
    if "qat" in approaches and training not in met and not any(met.values()):
        return training
    return None


def _next_fallback(approach: str, most: int, met: Mapping[Attempt, bool]) -> Attempt | None:
    """The next step towards the fewest layers in FP32 that will do; None once these are known.

    Numbers of layers double (1, 2, 4, at most `most`) until one will do. Then the gap between the largest number that
    was too small and the smallest that was enough is halved.
    """
    too_few, enough = 0, most + 1
    for attempt, good in met.items():
        if attempt.approach == approach and good:
            enough = min(enough, attempt.in_fp32)
        elif attempt.approach == approach:
            too_few = max(too_few, attempt.in_fp32)
    none_will_do_yet = enough > most
    number = min(max(1, 2 * too_few), most) if none_will_do_yet else (too_few + enough) // 2
    return Attempt(approach, number) if number > too_few else None


def choose(trials: Sequence[Trial]) -> int:
    """0-based number of the trial to keep.

    Of those that met the criterion the fastest of the smallest, and among equals the one of least divergence from
    FP32: every word tells there, while a few entities move the accuracy up as well as down. Where none met, the one of
    least divergence. The first of several that are best.
    """
    met = [number for number, trial in enumerate(trials) if trial["met"]]
    if not met:
        return min(range(len(trials)), key=lambda number: trials[number]["divergence"])
    smallest = min(met, key=lambda number: trials[number]["bytes"])
    small = []
    for number in met:
        if trials[number]["bytes"] <= LIKE_SIZE * trials[smallest]["bytes"]:
            small.append(number)
    fastest = max(small, key=lambda number: trials[number]["words_per_second"])
    fast = []
    for number in small:
        if trials[number]["words_per_second"] >= LIKE_SPEED * trials[fastest]["words_per_second"]:
            fast.append(number)
    return min(fast, key=lambda number: trials[number]["divergence"])
