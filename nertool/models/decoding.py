"""From a model's logits to tags: the most probable sequence that the scheme allows, and how probable its parts are.

The model gives each word a probability for each label. A sequence is as probable as the product of these, and
sequences that the tag scheme does not allow are left out. Arrays of a block hold its sentences one behind the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nertool.arrays import Array, softmax
from nertool.errors import InvalidOption
from nertool.models.label_pairs import LabelPairs
from nertool.spelling import Spelling
from nertool.tags import KNOWN, OUTSIDE, PREFIXES, broken, ends, is_read, split_tag, starts

MARKS = PREFIXES | {OUTSIDE, *KNOWN}
"""Prefixes that mean something; all others are alike."""
AS_THEY_COME = "Take the labels as they come: --decoding argmax"
FARTHEST = 170.0
"""Difference of logits, divided by the temperature, beyond which a label is no less probable: e^-170 is 1e-74.

Beyond it products of a few labels, of which the scheme may leave no others, would have no number.
"""
MOST_CELLS = 1 << 22
"""Numbers of a step that the best sequences are found with at once, by sentence and label."""


@dataclass(frozen=True)
class Sentences:
    """Where the sentences of a block lie, the longest first; none is empty.

    Attributes:
        first: place of each sentence's first word; shape (sentences,).
        length: number of its words; same shape.
    """

    first: Array
    length: Array

    @classmethod
    def of(cls, lengths: Sequence[int]) -> Sentences:
        """The sentences of a block with these numbers of words, but for those without words."""
        length = np.asarray(lengths, np.int64)
        first = np.cumsum(length) - length
        order = np.argsort(-length, kind="stable")
        order = order[length[order] > 0]
        return cls(first[order], length[order])

    @property
    def last(self) -> Array:
        """Place of each sentence's last word."""
        return self.first + self.length - 1

    def steps(self) -> list[Array]:
        """For each number of a word from 0: the places of the words with that number, in the order of sentences."""
        longest = int(self.length[0]) if len(self.length) else 0
        counts = np.searchsorted(-self.length, -np.arange(longest), side="left")
        return [self.first[:count] + step for step, count in enumerate(counts.tolist())]

    def take(self, which: Array | slice) -> Sentences:
        """The sentences for which a mask is true, or those of a slice."""
        return Sentences(self.first[which], self.length[which])


class Decoder:
    """Chooses the tags of sentences.

    Args:
        labels: of the model, by id.
        spelling: of the labels.
        scheme: whose sequences are allowed, by its name in `tags.SCHEMES`; empty: all sequences are allowed, so that
            the most probable label of each word is taken, as run_ner.py does.

    Raises:
        InvalidOption: the scheme allows no sequence of these labels, or none with an entity.
    """

    def __init__(self, labels: Sequence[str], spelling: Spelling, scheme: str = "") -> None:
        self.labels, self.spelling = list(labels), spelling
        tags = list(spelling.read(labels))
        known = [tag if not scheme or is_read(tag, scheme) else OUTSIDE for tag in tags]  # others may stand anywhere
        allowed = _table(known, lambda before, tag: not scheme or not broken([(before, tag)], scheme))
        begins, ended = _table(tags, starts), _table(tags, ends)
        self.allowed, self.first, self.last = allowed[1:, 1:], allowed[0, 1:], allowed[1:, 0]
        self.begins, self.ends = allowed & begins, allowed & ended
        self.goes_on = (allowed & ~begins & ~ended)[1:, 1:]
        self.same_type = _table(tags, _have_one_type)[1:, 1:]
        self.outside = tags.index(OUTSIDE) if OUTSIDE in tags else None
        self.is_free = bool(allowed[1:, 1:].all() and self.first.all() and self.last.all())
        shown = f"in the scheme {scheme}: {', '.join(self.labels[:5])}"
        if not (self.first & self.last).any():
            raise InvalidOption(f"no label may be a sentence's only one {shown}", AS_THEY_COME)
        is_entity, possible = np.array([split_tag(tag)[1] != "" for tag in tags]), self._possible()
        if is_entity.any() and not (is_entity & possible).any():
            raise InvalidOption(f"no sentence may have an entity {shown}", AS_THEY_COME)
        self.allowed &= np.outer(possible, possible)  # what leads nowhere would take the probability of the rest
        _, kinds = _numbered(list(zip(map(_kind, known), possible.tolist(), strict=True)))
        self.in_front, self.behind = LabelPairs(self.allowed, kinds), LabelPairs(self.allowed.T, kinds)

    def _possible(self) -> Array:
        """Which labels some allowed sequence has; shape (labels,)."""
        return _reached(self.first, self.allowed) & _reached(self.last, self.allowed.T)

    def decode(self, logits: Array, sentences: Sentences) -> Array:
        """The ids of the most probable allowed sequence of each sentence.

        Args:
            logits: shape (words, labels); NaN in the rows of words without sub-words, which are O.

        Returns:
            label ids; shape (words,).
        """
        logits = self._certain(logits)
        best: Array = logits.argmax(-1)
        if self.is_free or not len(sentences.first):
            return best
        wrong = self._broken_sentences(best, sentences)
        broken_ones, most = sentences.take(wrong), max(1, MOST_CELLS // len(self.labels))
        for first in range(0, len(broken_ones.first), most):
            self._viterbi(logits, broken_ones.take(slice(first, first + most)), best)
        return best

    def most_probable(self, logits: Array) -> Array:
        """The id of the most probable label of each word; shape (words,)."""
        return np.asarray(self._certain(logits).argmax(-1))

    def _certain(self, logits: Array) -> Array:
        """Logits in which words without sub-words are O for certain; alike for all labels where there is no O."""
        unread = np.isnan(logits[:, 0])
        if unread.any():
            logits = logits.copy()
            logits[unread] = 0.0 if self.outside is None else -np.inf
            if self.outside is not None:
                logits[unread, self.outside] = 0.0
        return logits

    def _broken_sentences(self, ids: Array, sentences: Sentences) -> Array:
        """Which sentences have a sequence that is not allowed."""
        wrong = np.zeros(len(ids), np.int64)
        wrong[1:] = ~self.allowed[ids[:-1], ids[1:]]
        wrong[sentences.first] = ~self.first[ids[sentences.first]]
        wrong[sentences.last] += ~self.last[ids[sentences.last]]
        so_far = np.append(0, np.cumsum(wrong))
        return np.asarray(so_far[sentences.last + 1] > so_far[sentences.first])

    def _viterbi(self, logits: Array, sentences: Sentences, best: Array) -> None:
        """Write the best allowed sequence of each sentence into `best`."""
        steps = sentences.steps()
        came_from = np.zeros((len(logits), len(self.labels)), np.int32)
        scores = np.where(self.first, logits[steps[0]].astype(np.float64), -np.inf)
        final = np.empty_like(scores)
        for step, places in enumerate(steps):
            if step:
                final[len(places) : len(scores)] = scores[len(places) :]
                reached, came_from[places] = self.in_front.best(scores[: len(places)])
                scores = reached + logits[places]
        final[: len(scores)] = scores
        chosen = np.where(self.last, final, -np.inf).argmax(-1)
        for places in reversed(steps):
            at_end = chosen[: len(places)]
            best[places] = at_end
            chosen[: len(places)] = came_from[places, at_end]

    # -- probabilities -----------------------------------------------------------------------------

    def probabilities(self, logits: Array, sentences: Sentences, temperature: float = 1.0) -> Probabilities:
        """How probable words and entities are among the allowed sequences.

        Args:
            logits: as for `decode`.
            temperature: by which logits are divided; above 1 the probabilities are more even.
        """
        scaled = self._certain(logits).astype(np.float64) / temperature
        words = softmax(
            np.where(scaled > -np.inf, np.maximum(scaled, scaled.max(-1, keepdims=True) - FARTHEST), scaled)
        )
        if self.is_free:
            ones = np.ones_like(words)
            return Probabilities(self, sentences, words, words, ones, ones[:, 0])
        forward, scale, end_scale = self._forward(words, sentences)
        return Probabilities(self, sentences, words, forward, self._backward(words, sentences, scale, end_scale), scale)

    def _forward(self, words: Array, sentences: Sentences) -> tuple[Array, Array, Array]:
        """Probability of each label given the words up to it, and by what each step was divided."""
        forward, scale = np.zeros_like(words), np.ones(len(words))
        before: Array | None = None
        for places in sentences.steps():
            reached = self.first if before is None else self.in_front.sums(before[: len(places)])
            values = reached * words[places]
            scale[places] = np.maximum(values.sum(-1), np.finfo(float).tiny)
            before = values / scale[places, None]
            forward[places] = before
        end_scale = np.maximum(forward[sentences.last] @ self.last, np.finfo(float).tiny)
        return forward, scale, end_scale

    def _backward(self, words: Array, sentences: Sentences, scale: Array, end_scale: Array) -> Array:
        """Probability of the words behind each label, on the scale of `_forward`."""
        backward = np.zeros_like(words)
        backward[sentences.last] = self.last / end_scale[:, None]
        for places in reversed(sentences.steps()[1:]):
            values = backward[places] * words[places] / scale[places, None]
            backward[places - 1] = self.behind.sums(values)
        return backward


@dataclass(frozen=True)
class Probabilities:
    """Probabilities of a block's words and entities; see `Decoder.probabilities`.

    Attributes:
        words: probability that the model gives each label; shape (words, labels).
        forward, backward: those of the forward-backward algorithm; same shape.
        scale: by what each step of it was divided; shape (words,).
    """

    decoder: Decoder
    sentences: Sentences
    words: Array
    forward: Array
    backward: Array
    scale: Array

    def of_words(self, ids: Array) -> Array:
        """Probability of the label of each word; shape (words,)."""
        rows = np.arange(len(ids))
        return np.asarray(np.clip(self.forward[rows, ids] * self.backward[rows, ids], 0.0, 1.0))

    def of_entities(self, ids: Array, start: Array, end: Array) -> Array:
        """Probability that just these words are an entity of this type, by whichever tags mark it.

        Args:
            ids: label of each word of the block.
            start, end: places of the entities' first words, and behind their last ones; shape (entities,).
        """
        if not len(start):
            return np.zeros(0)
        ways = self._begun(start) * self.decoder.same_type[ids[end - 1]]
        order = np.argsort(start - end, kind="stable")
        longest_first = ways[order]
        for places in Sentences(start[order], (end - start)[order]).steps()[1:]:
            going_on = longest_first[: len(places)] @ self.decoder.goes_on
            longest_first[: len(places)] = going_on * self.words[places] / self.scale[places, None]
        ways[order] = longest_first
        return np.asarray(np.clip((ways * self._ended(end)).sum(-1), 0.0, 1.0))

    def _begun(self, start: Array) -> Array:
        """Probability of the words up to each place if an entity begins there with each label; shape (places, labels).

        As in `forward`, given the words up to it.
        """
        begins = self.decoder.begins
        in_front = self.forward[start - 1] @ begins[1:, 1:]
        in_front = np.where(np.isin(start, self.sentences.first)[:, None], begins[0, 1:], in_front)
        return np.asarray(in_front * self.words[start] / self.scale[start, None])

    def _ended(self, end: Array) -> Array:
        """Probability of the words from each place on if an entity with each label ends before it; same shape."""
        behind = np.minimum(end, len(self.words) - 1)
        follows = self.words[behind] * self.backward[behind] / self.scale[behind, None]
        is_last = np.isin(end - 1, self.sentences.last)[:, None]
        return np.where(is_last, self.backward[end - 1], follows @ self.decoder.ends[1:, 1:].T)


def _reached(start: Array, steps: Array) -> Array:
    """The labels that some steps lead to from those of a start; shape (labels,)."""
    reached, before = start, np.zeros_like(start)
    while (reached != before).any():
        reached, before = reached | (reached @ steps), reached
    return np.asarray(reached)


def _table(tags: Sequence[str], holds: Callable[[str, str], bool]) -> Array:
    """What holds for each pair of neighbours; shape (labels + 1, labels + 1), where the first is the O at the ends.

    Args:
        holds: follows from the prefixes of both, and from whether they have one type; so it is asked once for each kind
            of pair, as labels may be thousands.
    """
    ends = [OUTSIDE, *tags]
    kinds, kind_of = _numbered([_kind(tag) for tag in ends])
    _, type_of = _numbered([split_tag(tag)[1] for tag in ends])
    answers = np.zeros((2, len(kinds), len(kinds)), bool)
    for row, before in enumerate(kinds):
        for column, tag in enumerate(kinds):
            for same_type, label in enumerate(("b", "a")):
                answers[same_type, row, column] = holds(before.format(label), tag.format("a"))
    same = (type_of[:, None] == type_of).astype(np.int8)
    return np.asarray(answers[same, kind_of[:, None], kind_of])


def _kind(tag: str) -> str:
    """The tag with a place for its type, and with one prefix for all that mean nothing."""
    prefix, label = split_tag(tag)
    return tag if tag == OUTSIDE else f"{prefix if prefix in MARKS else 'X'}-{'{}' if label else ''}"


def _numbered(values: Sequence[Any]) -> tuple[list[Any], Array]:
    """The different values, and the number of each one's."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return list(numbers), np.array([numbers[value] for value in values])


def _have_one_type(tag: str, other: str) -> bool:
    return OUTSIDE not in (tag, other) and split_tag(tag)[1] == split_tag(other)[1]
