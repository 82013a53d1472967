"""Operating points: thresholds on the scores of entities that reach a precision or a recall on dev.

An entity whose score is below its threshold is left out. The higher the threshold, the fewer of them are wrong, and the
more are missed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from nertool.arrays import Array
from nertool.counts import Counts
from nertool.errors import InvalidOption
from nertool.models.thresholds import least_of
from nertool.scoring.bootstrap import histogram_of, interval_of, totals
from nertool.tags import Span

Measure = Literal["precision", "recall"]
MOST_POINTS = 50
"""Points of a curve."""


@dataclass(frozen=True)
class Goal:
    """What is wanted on dev.

    Attributes:
        measure: of which a figure is wanted.
        wanted: the figure by type; that of "" is for all types without one of their own, taken together.
    """

    measure: Measure
    wanted: Mapping[str, float]

    def covers(self, label: str, of: str) -> bool:
        """Whether the figure that is wanted of a type, or of all others by "", is about entities of this type."""
        return label == of if of else label not in self.wanted or not label


EVERY_TYPE = Goal("precision", {})
"""Covers entities of every type by ""."""


class Candidates(NamedTuple):
    """Entities that were predicted, of whichever types.

    Attributes:
        scores: shape (entities,).
        right: whether each is right; same shape.
        gold: number of gold entities of these types.
    """

    scores: Array
    right: Array
    gold: int


class Steps(NamedTuple):
    """What each threshold gives, from high ones to low ones: a step for each distinct score.

    Attributes:
        scores: the least score of what is kept; shape (steps,).
        precision, recall: of what is kept; same shape.
    """

    scores: Array
    precision: Array
    recall: Array

    @classmethod
    def of(cls, candidates: Candidates) -> Steps:
        """The steps of these entities."""
        order = np.argsort(-candidates.scores, kind="stable")
        scores = candidates.scores[order]
        ends = np.flatnonzero(np.diff(scores, append=-1.0))  # of the entities with one score all are kept, or none
        correct = np.cumsum(candidates.right[order])[ends]
        return cls(scores[ends], correct / (ends + 1), correct / max(candidates.gold, 1))

    def threshold(self, step: int) -> float:
        """A threshold that keeps what the step keeps: halfway to the next score, as last digits differ by machine."""
        if step + 1 == len(self.scores):
            return 0.0
        above, below = float(self.scores[step]), float(self.scores[step + 1])
        middle = (above + below) / 2
        return middle if middle > below else above


class ScoredEntities:
    """The gold entities and the predicted ones of a split, sentence by sentence."""

    def __init__(self) -> None:
        self.sentences = 0
        self.gold: list[tuple[int, str]] = []
        self.predicted: list[tuple[int, str]] = []
        self.scores: list[float] = []
        self.right: list[bool] = []

    def add(self, gold: Iterable[Span], predicted: Iterable[tuple[Span, float]]) -> None:
        """Add a sentence: its gold entities, and the predicted ones with their scores."""
        expected = {*gold}
        self.gold += [(self.sentences, span.label) for span in expected]
        for span, score in predicted:
            self.predicted.append((self.sentences, span.label))
            self.scores.append(score)
            self.right.append(span in expected)
        self.sentences += 1

    def candidates(self, goal: Goal = EVERY_TYPE, of: str = "") -> Candidates:
        """The entities that a figure is about; see `Goal.covers`."""
        covered = np.array([goal.covers(label, of) for _, label in self.predicted], bool)
        gold = sum(goal.covers(label, of) for _, label in self.gold)
        return Candidates(np.array(self.scores, float)[covered], np.array(self.right, bool)[covered], gold)

    def figures(self, least: Mapping[str, float], goal: Goal = EVERY_TYPE, of: str = "") -> dict[str, Any]:
        """Precision, recall and F1 of the covered entities with thresholds by type, and their intervals."""
        rows = np.zeros((self.sentences, 3), np.int64)
        for (sentence, label), score, right in zip(self.predicted, self.scores, self.right, strict=True):
            if goal.covers(label, of) and score >= least_of(label, least):
                rows[sentence] += (right, 1, 0)
        for sentence, label in self.gold:
            rows[sentence, 2] += goal.covers(label, of)
        histogram = histogram_of(rows[rows.any(1)])
        return {**Counts(*totals(histogram)).as_dict(), "interval": interval_of(histogram, self.sentences)}

    def curve(self) -> list[dict[str, float]]:
        """Precision and recall over the threshold: at the most MOST_POINTS points, low thresholds first."""
        steps = Steps.of(self.candidates())
        count = len(steps.scores)
        points = []
        for step in sorted({*np.linspace(0, count - 1, min(count, MOST_POINTS)).astype(int).tolist()}, reverse=True):
            figures = {"precision": float(steps.precision[step]), "recall": float(steps.recall[step])}
            points.append({"threshold": float(steps.scores[step]), **figures})
        return points


def entities_row(number: int, gold: Iterable[Span], predicted: Iterable[tuple[Span, float]]) -> str:
    """A sentence as a line of `{split}_entities.jsonl`; `read_entities` reads it."""
    row: dict[str, Any] = {"sentence": number, "gold": [_fields(span) for span in gold]}
    row["predicted"] = [{**_fields(span), "score": score} for span, score in predicted]
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def _fields(span: Span) -> dict[str, Any]:
    return {"type": span.label, "start": span.start, "end": span.end}


def read_entities(path: Path) -> ScoredEntities:
    """Read the entities of a split.

    Raises:
        OSError, ValueError, LookupError, TypeError: they are not what `entities_row` writes.
    """
    entities = ScoredEntities()
    with path.open(encoding="utf-8") as file:
        for row in map(json.loads, file):
            predicted = [(_span(fields), float(fields["score"])) for fields in row["predicted"]]
            entities.add(map(_span, row["gold"]), predicted)
    return entities


def _span(fields: Mapping[str, Any]) -> Span:
    return Span(fields["type"], fields["start"], fields["end"])


# -- the points ------------------------------------------------------------------------------------


def operating_points(goal: Goal, splits: Mapping[str, ScoredEntities]) -> dict[str, Any]:
    """The least thresholds that reach a precision on dev, or the greatest ones that reach a recall; what they give.

    Args:
        goal: what is wanted.
        splits: entities by split, dev among them.

    Raises:
        InvalidOption: no threshold reaches it.
    """
    least: dict[str, float] = {}
    for label in goal.wanted:
        least[label] = threshold_for(goal, label, splits["dev"].candidates(goal, label))
    points: list[dict[str, Any]] = []
    for label, wanted in goal.wanted.items():
        given = {split: entities.figures(least, goal, label) for split, entities in splits.items()}
        points.append({"type": label, "wanted": wanted, "threshold": least[label], **given})
    every = {split: entities.figures(least) for split, entities in splits.items()}
    return {"measure": goal.measure, "points": points, "all_types": every}


def threshold_for(goal: Goal, label: str, dev: Candidates) -> float:
    """The threshold of a type; for "", of all types without one of their own.

    Raises:
        InvalidOption: none reaches what is wanted.
    """
    steps, wanted = Steps.of(dev), goal.wanted[label]
    reached = steps.precision if goal.measure == "precision" else steps.recall
    fits = np.flatnonzero(reached >= wanted)
    if not len(fits):
        raise _out_of_reach(goal, label, steps, reached)
    return steps.threshold(int(fits[-1] if goal.measure == "precision" else fits[0]))


def _out_of_reach(goal: Goal, label: str, steps: Steps, reached: Array) -> InvalidOption:
    asked = f"--{goal.measure} {label}{'=' if label else ''}{goal.wanted[label]:g}"
    if not len(reached):
        return InvalidOption(f"{asked}: no such entity is predicted on dev", "Train longer, or leave the type out.")
    best = int(reached.argmax())
    other = f"precision {steps.precision[best]:.4f}, recall {steps.recall[best]:.4f}"
    return InvalidOption(f"{asked}: no threshold reaches it on dev; the best one has {other}", "Ask for less.")
