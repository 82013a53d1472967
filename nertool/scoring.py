"""Precision, recall and F1 of entities, in conlleval mode: an entity counts when its type and both ends are right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nertool.tags import spans

METRICS = {"f1": "F1", "accuracy": "accuracy"}
"""Headline figures as people write them."""
MODE = "conlleval"
"""Every figure here is in this matching mode; seqeval's default equals it."""


class Counts(NamedTuple):
    """Entities that are right, that were predicted, and that are in the gold tags."""

    correct: int
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


@dataclass
class Scorer:
    """Counts entities and tokens, one sentence at a time; memory does not grow with the corpus.

    Attributes:
        alike: sentences by their counts of entities, and by their right and all tokens: (correct, predicted, gold,
            right tokens, tokens) -> how many sentences. There are few distinct ones, and resampling needs no more.
    """

    correct: Counter[str] = field(default_factory=Counter)
    predicted: Counter[str] = field(default_factory=Counter)
    gold: Counter[str] = field(default_factory=Counter)
    sentences: int = 0
    tokens: int = 0
    right_tokens: int = 0
    plain: bool = True
    alike: Counter[tuple[int, ...]] = field(default_factory=Counter)

    def add(self, gold: Sequence[str], predicted: Sequence[str]) -> None:
        """Count one sentence; both sequences have one tag a word."""
        assert len(gold) == len(predicted), "a tag for every word, on both sides"
        wanted, found = set(spans(gold)), set(spans(predicted))
        self.gold.update(span.label for span in wanted)
        self.predicted.update(span.label for span in found)
        self.correct.update(span.label for span in wanted & found)
        self.sentences += 1
        self.tokens += len(gold)
        right = sum(map(str.__eq__, gold, predicted))
        self.right_tokens += right
        self.alike[len(wanted & found), len(found), len(wanted), right, len(gold)] += 1
        self.plain = self.plain and not any("-" in tag for tag in gold)

    def merge(self, other: Scorer) -> None:
        """Count what another scorer has seen, too."""
        for ours, theirs in (
            (self.correct, other.correct),
            (self.predicted, other.predicted),
            (self.gold, other.gold),
            (self.alike, other.alike),
        ):
            ours.update(theirs)  # type: ignore[arg-type]
        self.sentences += other.sentences
        self.tokens += other.tokens
        self.right_tokens += other.right_tokens
        self.plain = self.plain and other.plain

    def interval(self, level: float = 0.95, resamples: int = 1000, seed: int = 0) -> tuple[float, float]:
        """Bounds of the headline figure: percentile bootstrap over sentences (Efron and Tibshirani, 1993, chapter 13).

        Sentences with equal counts are exchangeable, so a resample is one draw of a multinomial over the distinct
        counts; that is the bootstrap itself, not an approximation.
        """
        import numpy as np

        if not self.sentences:
            return 0.0, 0.0
        kinds = sorted(self.alike)
        shares = np.array([self.alike[kind] for kind in kinds]) / self.sentences
        draws = np.random.default_rng(seed).multinomial(self.sentences, shares, size=resamples)
        correct, predicted, gold, right, tokens = (draws @ np.array(kinds)).T
        above, below = (right, tokens) if self.plain else (2 * correct, predicted + gold)
        values = np.divide(above, below, out=np.zeros(resamples), where=below > 0)
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    @property
    def counts(self) -> Counts:
        """All entities together (micro average)."""
        return Counts(self.correct.total(), self.predicted.total(), self.gold.total())

    @property
    def accuracy(self) -> float:
        """Share of the words whose tag is right."""
        return self.right_tokens / self.tokens if self.tokens else 0.0

    @property
    def metric(self) -> str:
        """Name of the headline figure: `f1`, or `accuracy` where tags have no type (parts of speech)."""
        return "accuracy" if self.plain else "f1"

    @property
    def headline(self) -> float:
        """The figure that models are compared by."""
        return self.accuracy if self.plain else self.counts.f1

    def results(self) -> dict[str, Any]:
        """Everything as one JSON object: overall, per type (in byte order), and what it is measured on."""
        types = sorted(set(self.gold) | set(self.predicted))
        return {
            "metric": self.metric,
            "mode": MODE,
            **self.counts.as_dict(),
            "accuracy": self.accuracy,
            "types": {
                label: Counts(self.correct[label], self.predicted[label], self.gold[label]).as_dict() for label in types
            },
            "sentences": self.sentences,
            "tokens": self.tokens,
        }


def score(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Scorer:
    """A scorer that has seen all (gold tags, predicted tags) pairs, a pair a sentence."""
    scorer = Scorer()
    for gold, predicted in pairs:
        scorer.add(gold, predicted)
    return scorer
