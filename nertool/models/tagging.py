"""What a tagger gives: the tags of a sentence, its entities and their probabilities, and what it counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from nertool.arrays import Array
from nertool.corpus.running_text import Words
from nertool.spelling import CANONICAL, Spelling
from nertool.tags import Span


@dataclass
class TagCounts:
    """What `Tagger.tag` counts while its result is read.

    Attributes:
        windowed: sentences longer than the model takes, tagged in overlapping windows.
        without_subwords: tokens that the tokenizer turns into nothing; they get the tag O.
        below: entities whose probability is below their threshold; their tokens get the tag O.
    """

    windowed: int = 0
    without_subwords: int = 0
    below: int = 0


@dataclass(frozen=True)
class Entity:
    """An entity in a text.

    Attributes:
        label: its type.
        start, end: 0-based half-open offsets: characters of the text, or tokens where the input was tokens.
        text: the text between them.
        score: probability that just these tokens are an entity of this type.
    """

    label: str
    start: int
    end: int
    text: str
    score: float


@dataclass(slots=True)
class Tagging:
    """A tagged sentence.

    Attributes:
        tags: a tag for each word; shape (words,).
        scores: probability of each tag, 1 for a word without sub-words; shape (words,).
        spelling: of the model's tags.
        span_scores: probability of each of `spans()`: that just these words are an entity of this type.
        logits: what the model gives each label, NaN for a word without sub-words; shape (words, labels), float32.
    """

    tags: list[str]
    scores: list[float]
    spelling: Spelling = CANONICAL
    span_scores: list[float] = field(default_factory=list)
    logits: Array | None = field(default=None, compare=False, repr=False)

    def spans(self) -> list[Span]:
        """The entities, in words; none where the tags are parts of speech or the like."""
        return self.spelling.entities(self.tags)

    def scored_spans(self) -> Iterator[tuple[Span, float]]:
        """The entities, each with its probability."""
        return zip(self.spans(), self.span_scores, strict=True)


def entities_of(text: str, words: Words, tagging: Tagging) -> Iterator[Entity]:
    """The entities of one tagged sentence of a text, with character offsets in the whole text."""
    for (label, first, end), score in tagging.scored_spans():
        start, stop = words.offsets[first][0], words.offsets[end - 1][1]
        yield Entity(label, start, stop, text[start:stop], score)
