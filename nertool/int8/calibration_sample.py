"""Sentences of train for calibration: ranges of activations and the sensitivity of layers are measured on them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nertool.corpus.column_files import Sentence

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger


def calibration_windows(sentences: Iterable[Sentence], size: int, seed: int, tagger: Tagger) -> list[list[int]]:
    """Sub-word ids of a random sample of sentences; a list for each window.

    Args:
        size: sentences of the sample; all of them if there are fewer.
        seed: of the sample.
        tagger: whose sub-words these are.
    """
    windows = []
    for encoded in tagger.encoder.encode([sentence.tokens for sentence in _sample(sentences, size, seed)]):
        if encoded.ids:
            for window in tagger.encoder.windows(encoded):
                windows.append(window.ids)
    return windows


def _sample(sentences: Iterable[Sentence], size: int, seed: int) -> list[Sentence]:
    """A random sample, in one pass over the sentences: reservoir sampling (Vitter's algorithm R)."""
    random_numbers = random.Random(seed)
    sample: list[Sentence] = []
    for number, sentence in enumerate(sentences):
        if number < size:
            sample.append(sentence)
            continue
        place = int(random_numbers.random() * (number + 1))
        if place < size:
            sample[place] = sentence
    return sample
