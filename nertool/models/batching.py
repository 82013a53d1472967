"""Which sentences are read ahead, and which of their windows go through the model together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from nertool.errors import NertoolError
from nertool.models.encode import Window

SENTENCES_AHEAD = 2048
"""Sentences read before the first is tagged. Chosen, not measured: enough to sort by length, little memory."""
CHARACTERS_AHEAD = 1 << 25
"""Characters of their words, after which no more are read: a line may have 64 MiB."""
BATCH_SUBWORDS = 512
"""Padded sub-words of a batch on the CPU. `quantize` measures 256 to 2048 for each model and reports the best."""
GPU_SUBWORDS = 16_384
"""Padded sub-words of a batch on a GPU. On an H200, 8,192 to 32,768 are equally fast; 65,536 is a tenth slower."""
LEAST_SUBWORDS = 128
"""Padded sub-words of the smallest batch that a block is split into for threads. Chosen, not measured."""
SHARES = 8
"""Batches that a small block is split into, so that several threads have work. Chosen, not measured.

The number must not depend on the threads: dynamic INT8 finds ranges per batch, so other batches give other tags.
"""


class Job(NamedTuple):
    """A window to tag.

    Attributes:
        window: its sub-words.
        words: numbers in the block of the words whose tag is taken from it.
    """

    window: Window
    words: list[int]


def blocks_of(sentences: Iterable[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    """Read ahead, so that sentences of like length can go together.

    Raises:
        NertoolError: one is a text, not a list of tokens.
    """
    block: list[Sequence[str]] = []
    characters = 0
    for words in sentences:
        if isinstance(words, str):  # each of its letters would be tagged as a word
            hint = "Give a list of tokens for each sentence, or ask for the `entities` of a text."
            raise NertoolError("a tagger takes sentences of tokens, and got a text", hint)
        block.append(words)
        characters += sum(map(len, words))
        if len(block) == SENTENCES_AHEAD or characters > CHARACTERS_AHEAD:
            yield block
            block, characters = [], 0
    if block:
        yield block


def batch_size(jobs: Sequence[Job], most: int) -> int:
    """Padded sub-words of a batch on the CPU; at most `most`, and fewer where a block is small."""
    subwords = sum(len(job.window.ids) for job in jobs)
    return min(most, max(LEAST_SUBWORDS, -(-subwords // SHARES)))


def batches_of(jobs: list[Job], most: int, same_length: bool) -> Iterator[list[Job]]:
    """Group jobs of similar, or the same, length into batches of at most `most` padded sub-words.

    The longest come first.
    """
    batch: list[Job] = []
    for job in sorted(jobs, key=lambda job: -len(job.window.ids)):
        longest = len(batch[0].window.ids) if batch else 0
        is_full = (len(batch) + 1) * longest > most
        if batch and (is_full or (same_length and len(job.window.ids) < longest)):
            yield batch
            batch = []
        batch.append(job)
    if batch:
        yield batch
