"""Which examples a training step takes.

The examples of an epoch are put in an order that depends on seed and epoch alone, and cut into steps. Each process
takes its share of a step, so a run on two processes takes the same steps as a run on one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nertool.errors import InvalidOption


class Slot(NamedTuple):
    """One place in a step: an example, and whether the model is trained on it.

    Attributes:
        number: of the example, from 0.
        counts: False for a process that has no sentence in a step: it takes part with an example without tags.
    """

    number: int
    counts: bool = True


class Share(NamedTuple):
    """Which part of each step a process takes.

    Attributes:
        rank: number of the process, from 0.
        world: number of processes.
    """

    rank: int = 0
    world: int = 1


class StepSize(NamedTuple):
    """How much a step takes, all processes together.

    Attributes:
        sentences: examples of a step, where `max_subwords` is None.
        max_subwords: sub-words of a step at most.
    """

    sentences: int
    max_subwords: int | None = None


@dataclass(eq=False)
class Steps:
    """The examples of each step of an epoch, as a batch sampler of a DataLoader.

    Attributes:
        lengths: sub-words of each example; shape (examples,).
        size: how much a step takes.
        seed: of the order, which is that of a Trainer with this seed.
        share: which part of each step this process takes.
        by_length: put examples of like length into a step, as `group_by_length` of the Trainer.
        drop_last: leave out a last step that is not full.

    Raises:
        InvalidOption: an example is longer than `size.max_subwords`.
    """

    lengths: npt.NDArray[np.int32]
    size: StepSize
    seed: int
    share: Share = Share()
    by_length: bool = False
    drop_last: bool = False

    def __post_init__(self) -> None:
        self._epoch = 0
        longest, budget = int(self.lengths.max(initial=0)), self.size.max_subwords
        if budget is not None and budget <= longest:
            raise InvalidOption(
                f"a budget of {budget} sub-words has no room for the longest sentence, which has {longest}",
                f"Take a larger --max-tokens-per-batch, or a --max-length below {budget}.",
            )

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of this epoch, counted from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Steps of an epoch; the same number for every epoch."""
        if self.size.max_subwords is not None:
            # The emptiest of so many steps has room for one more example, whatever the order.
            enough = -(-int(self.lengths.sum()) // (self.size.max_subwords - int(self.lengths.max())))
            return min(enough, len(self.lengths))
        full, rest = divmod(len(self.lengths), self.size.sentences)
        return full + bool(rest and not (self.drop_last and full))

    def __iter__(self) -> Iterator[list[Slot]]:
        """The slots of this process, step by step."""
        order = self._order()
        by_sentences = self.size.max_subwords is None
        steps = self._cut_by_sentences(order) if by_sentences else self._cut_by_subwords(order)
        for step in steps:
            if self.share.world > 1:  # as many sub-words for each process
                step.sort(key=lambda number: -self.lengths[number])
            own = step[self.share.rank :: self.share.world]
            yield [Slot(number) for number in own] or [Slot(step[0], counts=False)]

    def _order(self) -> list[int]:
        import torch

        generator = torch.Generator().manual_seed(self.seed + self._epoch)
        order: list[int]
        if self.by_length:
            from transformers.trainer_pt_utils import get_length_grouped_indices

            order = get_length_grouped_indices(self.lengths.tolist(), self.size.sentences, generator=generator)
        else:
            order = torch.randperm(len(self.lengths), generator=generator).tolist()
        return order

    def _cut_by_sentences(self, order: list[int]) -> list[list[int]]:
        starts = range(0, len(self) * self.size.sentences, self.size.sentences)
        return [order[start : start + self.size.sentences] for start in starts]

    def _cut_by_subwords(self, order: list[int]) -> list[list[int]]:
        """Give each example to the step that is emptiest then: steps of like size, none above the budget."""
        steps: list[list[int]] = []
        emptiest: list[tuple[int, int]] = []
        for number in range(len(self)):
            steps.append([])
            emptiest.append((0, number))
        for example in order:
            subwords, number = heapq.heappop(emptiest)
            steps[number].append(example)
            heapq.heappush(emptiest, (subwords + int(self.lengths[example]), number))
        return steps
