"""All tag sequences up to four words over O and B, I, E, S of two types: their entities are those of seqeval, in its
default mode and strictly in every scheme that it has."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import seqeval.scheme
from seqeval.metrics.sequence_labeling import get_entities

from nertool.scoring.tag_blocks import TagReader
from nertool.spelling import CANONICAL
from nertool.tags import in_scheme

LETTERS = {"bilou": "BILU"}
SCHEMES = ("iob1", "iob2", "ioe1", "ioe2", "iobes", "bilou")
LONGEST = 4
Sentence = tuple[str, ...]
Found = dict[Sentence, list[tuple[str, int, int]]]
"""Entities of each sentence: type, first word, word behind the last one."""


def sentences(letters: str = "BIES") -> Iterator[Sentence]:
    tags = ["O", *(f"{letter}-{label}" for letter in letters for label in ("PER", "LOC"))]
    for length in range(1, LONGEST + 1):
        yield from itertools.product(tags, repeat=length)


def ours(every: list[Sentence], scheme: str | None) -> Found:
    """Entities as a reader finds them, all sentences in one block."""
    reader = TagReader(scheme, spelling=CANONICAL)
    numbers, starts = [], []
    for sentence in every:
        starts.append(len(numbers))
        numbers += [*(reader.tags[tag] for tag in sentence), 0]
    spans = reader.spans("strict" if scheme else "conlleval", np.array(numbers))
    found: Found = {sentence: [] for sentence in every}
    of_sentence = np.searchsorted(starts, spans.start, side="right") - 1
    for place, start, end, label in zip(*(column.tolist() for column in (of_sentence, *spans)), strict=True):
        first = starts[place]
        found[every[place]].append((reader.types.names[label], start - first, end - first))
    return found


def test_the_default_mode_reads_every_sequence_as_seqeval_does() -> None:
    every = list(sentences())
    assert len(every) == 7380
    wanted = {}
    for sentence in every:
        wanted[sentence] = [(label, start, end + 1) for label, start, end in get_entities(list(sentence))]
    assert ours(every, None) == wanted


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_strict_mode_reads_every_sequence_as_seqeval_does(scheme: str) -> None:
    """Tags that the scheme does not have, which seqeval refuses, are read as O."""
    every = list(sentences(LETTERS.get(scheme, "BIES")))
    theirs = getattr(seqeval.scheme, scheme.upper())
    known: Found = {}
    wanted: Found = {}
    for sentence in every:
        allowed = tuple(tag if in_scheme(tag, scheme) else "O" for tag in sentence)
        if allowed not in known:
            entities = seqeval.scheme.Tokens(list(allowed), theirs).entities
            known[allowed] = [(entity.tag, entity.start, entity.end) for entity in entities]
        wanted[sentence] = known[allowed]
    assert len(wanted) == 7380
    assert ours(every, scheme) == wanted
