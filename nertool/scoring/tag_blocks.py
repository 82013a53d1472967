"""Blocks of tags, given by their numbers, read as entities.

This module imports numpy: import it inside functions, where scoring begins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nertool.arrays import Array
from nertool.counts import MODE
from nertool.scoring.matching import step
from nertool.scoring.pairing import Spans
from nertool.spelling import ALWAYS_OUTSIDE, PLAIN, Reading, Spelling, read_corpus
from nertool.tags import END, INSIDE, OUTSIDE, START, in_scheme, split_tag

SMALL = 1 << 21
"""Pairs of tags up to which each has a place in a table."""


class TagIds(dict[str, int]):
    """Numbers of strings, from 0, in the order in which the strings are first asked for.

    Attributes:
        names: the string of each number.
    """

    def __init__(self, *first: str) -> None:
        super().__init__(zip(first, range(len(first)), strict=True))
        self.names = list(first)

    def __missing__(self, name: str) -> int:
        self[name] = len(self.names)
        self.names.append(name)
        return self[name]


class Block(NamedTuple):
    """Sentences, one behind the other, by the numbers of their tags.

    Attributes:
        gold, predicted: number of each tag, and 0, for O, behind each sentence; shape (words + sentences,).
        ends: places of the O behind the sentences; shape (sentences,).
    """

    gold: Array
    predicted: Array
    ends: Array

    @property
    def lengths(self) -> Array:
        """Words of each sentence; shape (sentences,)."""
        return np.diff(self.ends, prepend=-1) - 1

    @property
    def right(self) -> Array:
        """Words of each sentence whose tag is right; shape (sentences,)."""
        starts = np.concatenate(([0], self.ends[:-1] + 1))
        return np.add.reduceat((self.gold == self.predicted).astype(np.int64), starts) - 1

    def sentence_of(self, places: Array) -> Array:
        """The number of the sentence that each word is in, from 0."""
        return np.searchsorted(self.ends, places)

    def by_sentence(self, sentences: Array) -> Array:
        """Count how often each sentence is named; shape (sentences,)."""
        return np.bincount(sentences, minlength=len(self.ends))


class TagReader:
    """Numbers tags, and reads blocks of their numbers as entities: all sentences in a row, a number behind each.

    Args:
        scheme: of the strict mode; None for the scheme that most gold tags of the first block follow.
        spelling: of the tags; None for the one that most gold tags of the first block have.

    Attributes:
        scheme: the scheme; `plain` for tags without types, None as long as every tag was O.
        spelling: the spelling; None as long as every tag was O.
        tags: the number of each tag; 0 is O.
        types: the number of each type.
    """

    def __init__(self, scheme: str | None = None, spelling: Spelling | None = None) -> None:
        self.scheme = scheme
        self.spelling = PLAIN if scheme == "plain" else spelling
        self.tags, self.types = TagIds(OUTSIDE), TagIds()

    def recognise(self, gold: Array, predicted: Array, sentences: int) -> None:
        """Find the spelling and the scheme, if not known yet, of a block's gold tags, else of the predicted ones.

        Args:
            gold, predicted: number of each tag, and -1 behind each sentence; shape (words + sentences,).
            sentences: how many there are.
        """
        if self.spelling is not None and self.scheme is not None:
            return
        of_gold, of_predicted = (self._read(np.maximum(tags, 0), sentences) for tags in (gold, predicted))
        reading = of_gold or of_predicted
        if reading:
            self.scheme = self.scheme or reading.scheme
            if self.spelling is None:
                self.spelling = reading.spelling
                if of_predicted and self.spelling.order != "plain":
                    self.spelling = self.spelling.beside(of_predicted.spelling)

    def _read(self, tags: Array, sentences: int) -> Reading | None:
        """Find the spelling and the scheme of a block of tags; None where all of them are O."""
        names, size = self.tags.names, len(self.tags.names)
        before = np.append(0, tags[:-1])  # O, in front of the first sentence
        codes, counts = np.unique(before * size + tags, return_counts=True)
        pairs = {}
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            pairs[names[code // size], names[code % size]] = count
        if all(tag in (OUTSIDE, *ALWAYS_OUTSIDE) for _, tag in pairs):
            return None
        return read_corpus(pairs, sentences)

    def canonical(self, tags: Array) -> Array:
        """Give the numbers of the canonical forms of tags; -1 stays as it is."""
        assert self.spelling
        numbers = [self.tags[self.spelling.canonical(name)] for name in list(self.tags.names)]
        return np.where(tags < 0, tags, np.array(numbers)[tags])

    def is_known(self, tag: str) -> bool:
        """Say whether the scheme has a tag, which is in its canonical form."""
        assert self.scheme is not None
        return tag == OUTSIDE or in_scheme(tag, self.scheme)

    def canonical_names(self) -> set[str]:
        """Collect the tags that have a number, as they are read."""
        if self.spelling is None or self.spelling.is_canonical:
            return {*self.tags.names}
        return {self.spelling.canonical(name) for name in self.tags.names}

    def spans(self, mode: str, tags: Array) -> Spans:
        """Read the entities of a block of tags.

        Args:
            mode: `conlleval`, `plain` or `strict`.
            tags: numbers of tags in their canonical form, with 0, for O, behind each sentence.

        Returns:
            the entities, their labels as numbered by `types`.
        """
        bits = self._steps(mode, tags)
        outside = (bits & INSIDE) == 0
        head = np.flatnonzero(outside)
        stretch = np.cumsum(outside) - 1
        start = np.flatnonzero(bits & START)
        of_start = stretch[start]
        first = np.diff(of_start, prepend=-1) > 0  # an entity goes on as long as its tags do
        start, end = start[first], np.append(head, len(tags))[of_start[first] + 1]
        whole = (np.append(bits, END)[end] & END) > 0
        type_of_tag = np.array(
            [self.types[name if mode == "plain" else split_tag(name)[1]] for name in self.tags.names]
        )
        return Spans(start[whole], end[whole], type_of_tag[tags[start[whole]]])

    def _steps(self, mode: str, tags: Array) -> Array:
        """Give the bits of `matching.step` for each tag behind its left neighbour; shape (tags,)."""
        size = len(self.tags.names)
        codes = tags.astype(np.int64)
        codes[1:] += tags[:-1] * size
        if size * size <= SMALL:
            distinct = np.flatnonzero(np.bincount(codes, minlength=size * size))
            table = np.zeros(size * size, np.uint8)
            table[distinct] = self._steps_of_codes(mode, distinct)
            return table[codes]
        distinct, place = np.unique(codes, return_inverse=True)
        return self._steps_of_codes(mode, distinct)[place]

    def _steps_of_codes(self, mode: str, codes: Array) -> Array:
        """Give the bits of pairs of tags, each coded as number of the left tag * number of tags + number of the tag."""
        names, size = self.tags.names, len(self.tags.names)
        if mode == "strict":
            mode = self.scheme or MODE
        bits = np.empty(len(codes), np.uint8)
        for place, code in enumerate(codes.tolist()):
            bits[place] = step(mode, names[code // size], names[code % size])
        return bits
