"""Training examples with the probabilities of teachers: those with gold tags, and those that only teachers label."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nertool.arrays import Array
from nertool.errors import InvalidData
from nertool.models.encode import NO_WORD
from nertool.training.batches import Example
from nertool.training.distillation import Teaching
from nertool.training.examples import Examples, Source, load_examples
from nertool.training.steps import Slot
from nertool.training.teachers import Teachers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_taught_examples(
    source: Source,
    unlabelled: Source | None,
    tokenizer: PreTrainedTokenizerBase,
    cache: Path,
    teachers: Teachers,
    anew: bool = False,
) -> TaughtExamples:
    """Make examples, or take them from the cache; the teachers label them, or did so before, once `teach` is called.

    Args:
        source: of the examples with gold tags.
        unlabelled: of those without; None for none.
        tokenizer: splits words into sub-words.
        cache: a directory for all of this.
        teachers: that label the words.
        anew: make the examples, even if they are there.

    Raises:
        NertoolError: a teacher cannot teach these labels; or as `load_examples` does.
    """
    matches = teachers.matches()
    gold = load_examples(source, tokenizer, cache, anew)
    extra = load_examples(unlabelled, tokenizer, cache / "unlabelled", anew) if unlabelled else None
    known = np.any([match.known for match in matches], 0)

    def ask() -> Teaching:
        parts = [teachers.probabilities(source, cache / "teachers" / "train", matches)]
        if unlabelled:
            parts.append(teachers.probabilities(unlabelled, cache / "teachers" / "unlabelled", matches))
        for examples, part in zip(filter(None, (gold, extra)), parts, strict=True):
            if part.shape != (examples.counts["words"], len(teachers.labels)) or part.dtype != np.float16:
                place = cache / "teachers"
                raise InvalidData(
                    f"{place} does not hold what the teachers say of these words",
                    f"Remove it: rm -r {shlex.quote(str(place))}",
                )
        return Teaching(parts, teachers.labels, known, teachers.weight, teachers.temperature)

    return TaughtExamples(gold, extra, ask)


class TaughtExamples(Examples):
    """Examples that teachers label too; behind them those that only teachers label, if there are any.

    Args:
        gold: examples with gold tags.
        unlabelled: examples without.
        ask: gives what the teachers say, of the words of the former, then of the latter.
    """

    teaching: Teaching

    def __init__(self, gold: Examples, unlabelled: Examples | None, ask: Callable[[], Teaching]) -> None:
        self.gold, self.unlabelled = gold, unlabelled
        self.counts, self.max_length, self.lengths = gold.counts, gold.max_length, gold.lengths
        self._ask = ask

    def teach(self) -> None:
        """Let the teachers label, which may take hours, or read what they said.

        Raises:
            InvalidData: what is kept of the teachers is about other words.
        """
        self.teaching = self._ask()

    def take(self, slots: Sequence[Slot]) -> list[Example]:
        """The examples of these slots, those with gold tags first."""
        count = len(self.gold)
        examples = self.gold.take([slot for slot in slots if slot.number < count])
        behind = [slot._replace(number=slot.number - count) for slot in slots if slot.number >= count]
        if behind and self.unlabelled:
            first_word = len(self.teaching.parts[0])
            examples += [_moved(example, first_word) for example in self.unlabelled.take(behind)]
        return examples

    __getitems__ = take
    """What a DataLoader calls."""

    def part(self, sentences: Array, words: int) -> TaughtExamples:
        """The examples of some sentences with gold tags, and all without."""
        part = TaughtExamples(self.gold.part(sentences, words), self.unlabelled, self._ask)
        part.teaching = self.teaching
        return part


def _moved(example: Example, first_word: int) -> Mapping[str, Sequence[int]]:
    """The example with the numbers that its words have behind so many others."""
    targets = [word if word == NO_WORD else first_word + word for word in example["targets"]]
    return {**example, "targets": targets}
