"""Correct, predicted and gold: what every score is made of."""

from __future__ import annotations

from typing import Any, NamedTuple

METRICS = {"f1": "F1", "accuracy": "accuracy"}
"""Headline figures as people write them."""
MODE = "conlleval"
"""The matching mode of every figure that names no other; seqeval's default equals it."""


class Counts(NamedTuple):
    """Entities that are right, that were predicted, and that are in the gold tags."""

    correct: float
    predicted: int
    gold: int

    @property
    def precision(self) -> float:
        """Share of the predicted entities that are right; 0 where nothing was predicted, as conlleval."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of the gold entities that were found; 0 where there are none."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.correct / (self.predicted + self.gold) if self.predicted + self.gold else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Figures and counts under seqeval's names; `support` is the number of gold entities."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "support": self.gold,
            "correct": self.correct,
            "predicted": self.predicted,
        }
