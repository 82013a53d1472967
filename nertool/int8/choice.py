"""Which INT8 models are tried, one after the other, and which of them is kept: the gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

LIKE_SIZE = 1.05
"""Files so much larger than the smallest are taken to be as small."""
LIKE_SPEED = 0.95
"""Models so much slower than the fastest are taken to be as fast: measuring twice gives no better agreement."""


class Attempt(NamedTuple):
    """What is to be tried: an approach, and how many operators stay in FP32, those that suffer most first."""

    approach: str
    in_fp32: int


@dataclass(frozen=True)
class Criterion:
    """What may be lost.

    Attributes:
        tolerance: greatest loss of accuracy (0.01 is one per cent, or one point).
        kind: `relative` to the accuracy before, or `absolute`.
    """

    tolerance: float
    kind: str

    def met(self, before: float, after: float) -> bool:
        """Whether the accuracy after is good enough."""
        return (relative_loss(before, after) if self.kind == "relative" else before - after) <= self.tolerance


def relative_loss(before: float, after: float) -> float:
    """Share of the accuracy that is lost; negative where there is a gain."""
    return (before - after) / before if before else 0.0


def attempts(approaches: Sequence[str], operators: int, trials: Sequence[Mapping[str, Any]]) -> Iterator[Attempt]:
    """What to try, from cheap to dear.

    First everything in INT8, dynamic and static. Where neither will do, operators are left in FP32: 1, 2, 4 and so on
    until it does or half of them are, then fewer again by halves. Training comes last, where nothing else will do.

    Args:
        approaches: of `dynamic`, `static` and `qat`.
        operators: how many could be left in FP32.
        trials: what came of those so far, with `met`; the next attempt depends on the last one here.
    """
    quick = [approach for approach in approaches if approach != "qat"]
    yield from (Attempt(approach, 0) for approach in quick)
    if any(trial["met"] for trial in trials):
        return
    for approach in quick:
        yield from _falling_back(approach, operators // 2, trials)
    if "qat" in approaches and not any(trial["met"] for trial in trials):
        yield Attempt("qat", 0)


def _falling_back(approach: str, most: int, trials: Sequence[Mapping[str, Any]]) -> Iterator[Attempt]:
    """The fewest operators in FP32 that will do, found in as many trials as their number has bits, twice."""
    failed, enough = 0, 1
    while enough <= most:
        yield Attempt(approach, enough)
        if trials[-1]["met"]:
            break
        failed, enough = enough, min(2 * enough, most) if enough < most else most + 1
    while most >= enough > failed + 1:
        middle = (failed + enough) // 2
        yield Attempt(approach, middle)
        failed, enough = (failed, middle) if trials[-1]["met"] else (middle, enough)


def best(trials: Sequence[Mapping[str, Any]]) -> int:
    """0-based number of the trial to keep.

    Of those that met the criterion the fastest of the smallest, and among equals the one that gives most words the tag
    that FP32 gives them: that says more than the accuracy, which a few entities move up as well as down. Where none
    met, the one of the highest accuracy.

    Args:
        trials: with `met`, `f1`, `equal`, `bytes` and `words_per_second`.
    """
    numbers = range(len(trials))
    met = [number for number in numbers if trials[number]["met"]]
    if not met:
        return max(numbers, key=lambda number: trials[number]["f1"])
    smallest = min(trials[number]["bytes"] for number in met)
    small = [number for number in met if trials[number]["bytes"] <= LIKE_SIZE * smallest]
    fastest = max(trials[number]["words_per_second"] for number in small)
    fast = [number for number in small if trials[number]["words_per_second"] >= LIKE_SPEED * fastest]
    return max(fast, key=lambda number: trials[number]["equal"])
