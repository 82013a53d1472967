"""The list of `check --labels`: places where gold tags are probably wrong, their scores, and their order.

Models judge that have not seen these tags. A model's probability of its own types is compared with that of the gold
types. Types are compared, not tags, so that a model in another scheme can judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nertool.arrays import Array
from nertool.spelling import Reading, Spelling
from nertool.tags import OUTSIDE, Span, mark, split_tag

NOTHING_PREDICTED = 0.1
"""Counts as the probability of a prediction without entities: that a model misses one says little."""


class Judged(NamedTuple):
    """A sentence, its gold entities, and what a model says that has not seen it.

    Attributes:
        file: name of its file.
        line: 1-based line of its first word.
        words: of the sentence.
        gold, predicted: entities.
        probabilities: of O and each type, in the order of `types_of`; shape (words, types), float32.
    """

    file: str
    line: int
    words: list[str]
    gold: list[Span]
    predicted: list[Span]
    probabilities: Array


@dataclass(frozen=True)
class Suggestion:
    """A place where gold is perhaps wrong.

    Attributes:
        file: name of the file.
        line: 1-based line of the first word in question.
        score: how likely gold is wrong, from 0 to 1; it sorts, and is no probability.
        start, end: half-open places of the words in question.
        words: of the sentence.
        gold, predicted: entities that only one side has; places are words.
    """

    file: str
    line: int
    score: float
    start: int
    end: int
    words: list[str]
    gold: list[Span]
    predicted: list[Span]

    def shown(self, spans: Iterable[Span]) -> str:
        """Entities of one side for people, such as `PER: Anna Keller`; O where there are none."""
        named = [f"{span.label}: {' '.join(self.words[span.start : span.end])}" for span in spans]
        return ", ".join(named) or OUTSIDE

    def as_text(self) -> dict[str, Any]:
        """The suggestion for people: the sentence in three pieces, and entities as text."""
        pieces = {"before": self.words[: self.start], "behind": self.words[self.end :]}
        return {
            **{"file": self.file, "line": self.line, "score": self.score},
            **{"text": " ".join(self.words[self.start : self.end])},
            **{name: " ".join(words) for name, words in pieces.items()},
            **{"gold": self.shown(self.gold), "predicted": self.shown(self.predicted)},
        }

    def as_dict(self) -> dict[str, Any]:
        """The suggestion as JSON values."""
        spans = {name: [span._asdict() for span in getattr(self, name)] for name in ("gold", "predicted")}
        text = " ".join(self.words[self.start : self.end])
        return {**vars(self), "score": round(self.score, 4), "text": text, **spans}


# -- tags and types --------------------------------------------------------------------------------


def types_of(labels: Sequence[str], spelling: Spelling) -> list[str]:
    """O and the types of a model's labels; the labels themselves where they are no entities."""
    if spelling.order == "plain":
        return sorted({*labels})
    return [OUTSIDE, *sorted({split_tag(tag)[1] for tag in spelling.read(list(labels))} - {""})]


def entities_of(tags: Sequence[str], spelling: Spelling) -> list[Span]:
    """The entities; each word by itself where tags are no entities.

    Entities of no type, which a stray tag such as X gives, are left out: nothing can be said of them.
    """
    if spelling.order == "plain":
        return [Span(tag, at, at + 1) for at, tag in enumerate(tags)]
    return [span for span in spelling.entities(tags) if span.label]


def type_columns(labels: Sequence[str], spelling: Spelling) -> Array:
    """Which type each label belongs to; 0 and 1, shape (labels, types)."""
    types = types_of(labels, spelling)
    tags = list(labels) if spelling.order == "plain" else spelling.read(list(labels))
    columns = np.zeros((len(labels), len(types)), np.float32)
    for row, tag in enumerate(tags):
        label = tag if spelling.order == "plain" else split_tag(tag)[1] or OUTSIDE
        columns[row, types.index(label)] = 1
    return columns


def corrected_tags(tags: Sequence[str], place: Suggestion, reading: Reading) -> list[str]:
    """The tags of a sentence in which a place has the predicted entities.

    Other tags stay as they are, but for those by which a scheme parts an entity from a neighbour of its type.

    Args:
        tags: of the sentence, as they are.
        place: in this sentence.
        reading: of the corpus.
    """
    changed = list(tags)
    if reading.spelling.order == "plain":
        for span in place.predicted:
            changed[span.start] = span.label
        return changed
    scheme = "iob2" if reading.scheme == "plain" else reading.scheme
    canonical = reading.spelling.read(tags)
    gold = entities_of(tags, reading.spelling)
    proposed = sorted({*gold} - {*place.gold} | {*place.predicted}, key=lambda span: span.start)
    before, after = (mark(entities, canonical, scheme) for entities in (gold, proposed))
    for at, (old, new) in enumerate(zip(before, after, strict=True)):
        if place.start <= at < place.end or old != new:
            changed[at] = reading.spelling.spell(new)
    return changed


# -- suggestions -----------------------------------------------------------------------------------


def suggest(sentences: Iterable[Judged], types: Sequence[str]) -> list[Suggestion]:
    """The places where gold and predicted entities differ, the likeliest errors of gold first.

    Args:
        sentences: all that were judged.
        types: as `types_of` gives them.
    """
    found: list[Suggestion] = []
    for sentence in sentences:
        gold = _probabilities(sentence, sentence.gold, types)
        predicted = _probabilities(sentence, sentence.predicted, types)
        for only_gold, only_predicted in differences(sentence.gold, sentence.predicted):
            start = min(span.start for span in [*only_gold, *only_predicted])
            end = max(span.end for span in [*only_gold, *only_predicted])
            prediction = float(predicted[start:end].min()) if only_predicted else NOTHING_PREDICTED
            score = _score(float(gold[start:end].min()), prediction)
            line = sentence.line + start
            place = (start, end, sentence.words)
            found.append(Suggestion(sentence.file, line, score, *place, only_gold, only_predicted))
    return sorted(found, key=lambda suggestion: -suggestion.score)


def _score(gold: float, predicted: float) -> float:
    """How likely gold is wrong: the model is sure of what it predicts, and gold is something else.

    On damaged entities of WNUT'17 and GermEval far better than probabilities relative to what is usual for a type. The
    ratio of both finds more damages, and fewer of the real errors: it lists entities first of which a model knows half.

    Args:
        gold, predicted: probability of the least probable type among the words in question.
    """
    return predicted * (1 - gold)


def _probabilities(sentence: Judged, spans: Iterable[Span], types: Sequence[str]) -> Array:
    """Probability of each word's type; shape (words,)."""
    ids = _type_ids(spans, len(sentence.words), types)
    return np.asarray(sentence.probabilities[np.arange(len(ids)), ids])


def _type_ids(spans: Iterable[Span], words: int, types: Sequence[str]) -> Array:
    """Place among the types of each word's gold type; shape (words,)."""
    ids = np.zeros(words, np.int64)
    for span in spans:
        ids[span.start : span.end] = types.index(span.label)
    return ids


def differences(gold: Iterable[Span], predicted: Iterable[Span]) -> Iterator[tuple[list[Span], list[Span]]]:
    """Entities that only one side has, in groups that overlap, from left to right.

    >>> list(differences([Span("A", 0, 2)], [Span("A", 0, 2), Span("B", 4, 5)]))
    [([], [Span(label='B', start=4, end=5)])]
    """
    predicted_spans = {*predicted}
    group: tuple[list[Span], list[Span]] = ([], [])
    end = 0
    for span in sorted({*gold} ^ predicted_spans, key=lambda span: (span.start, span.end, span.label)):
        if end and span.start >= end:
            yield group
            group = ([], [])
        group[span in predicted_spans].append(span)
        end = max(end, span.end)
    if end:
        yield group
