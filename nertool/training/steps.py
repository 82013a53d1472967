"""Which examples a training step takes.

The examples of an epoch are put in an order that depends on seed and epoch alone, and cut into steps. Each process
takes its share of a step, so a run on two processes takes the same steps as a run on one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

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

    def split(self, share: float) -> tuple[StepSize, StepSize]:
        """The sizes of the parts of a step, of which the second has this share; each has one sentence at least.

        >>> StepSize(32).split(0.25), StepSize(1).split(0.25)
        ((StepSize(sentences=24, max_subwords=None), StepSize(sentences=8, max_subwords=None)), \
(StepSize(sentences=1, max_subwords=None), StepSize(sentences=1, max_subwords=None)))
        """
        second = max(1, round(self.sentences * share))
        sizes = max(1, self.sentences - second), second
        if self.max_subwords is None:
            return StepSize(sizes[0]), StepSize(sizes[1])
        subwords = round(self.max_subwords * share)
        return StepSize(sizes[0], self.max_subwords - subwords), StepSize(sizes[1], subwords)


@dataclass(frozen=True, eq=False)
class Extra:
    """Examples that every step takes some of, beside those of the epoch.

    Attributes:
        lengths: sub-words of each; shape (examples,).
        size: how much a step takes of them.

    Raises:
        InvalidOption: an example is longer than `size.max_subwords`.
    """

    lengths: npt.NDArray[np.int32]
    size: StepSize

    def __post_init__(self) -> None:
        _check_budget(self.lengths, self.size.max_subwords, "unlabelled")

    def steps(self, seed: int) -> Iterator[list[int]]:
        """Numbers of the examples of each step, without end; each example comes once before one comes again."""
        step: list[int] = []
        subwords = 0
        for number in self._endless(seed):
            if self._is_full(len(step), subwords + int(self.lengths[number])):
                yield step
                step, subwords = [], 0
            step.append(number)
            subwords += int(self.lengths[number])

    def _is_full(self, sentences: int, subwords: int) -> bool:
        """Whether a step of so many sentences has no room for one with which it would have so many sub-words."""
        if self.size.max_subwords is None:
            return sentences == self.size.sentences
        return subwords > self.size.max_subwords

    def _endless(self, seed: int) -> Iterator[int]:
        import torch

        generator = torch.Generator().manual_seed(seed)
        while True:
            for number in torch.randperm(len(self.lengths), generator=generator).numpy():
                yield int(number)


def _check_budget(lengths: npt.NDArray[np.int32], budget: int | None, part: Literal["", "gold", "unlabelled"]) -> None:
    """Refuse a budget without room for each example.

    Args:
        part: of a batch, which `--unlabelled-share` sets; empty for the whole.

    Raises:
        InvalidOption: the longest example has no room.
    """
    longest = int(lengths.max(initial=0))
    if budget is None or budget > longest:
        return
    what = f"a budget of {budget} sub-words" + (f" for {part} sentences" if part else "")
    way = "another --unlabelled-share" if part else f"a --max-length below {budget}"
    raise InvalidOption(
        f"{what} has no room for the longest sentence, which has {longest}",
        f"Take a larger --max-tokens-per-batch, or {way}.",
    )


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
        extra: examples that each step takes some of beside these; their numbers come behind those of the others.

    Raises:
        InvalidOption: an example is longer than `size.max_subwords`.
    """

    lengths: npt.NDArray[np.int32]
    size: StepSize
    seed: int
    share: Share = Share()
    by_length: bool = False
    drop_last: bool = False
    extra: Extra | None = None

    def __post_init__(self) -> None:
        self._epoch = 0
        _check_budget(self.lengths, self.size.max_subwords, "gold" if self.extra else "")

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
        steps: Iterable[list[int]]
        steps = self._cut_by_sentences(order) if by_sentences else self._cut_by_subwords(order)
        if self.extra:
            steps = self._with_extra(steps, self.extra)
        for step in steps:
            if self.share.world > 1:  # as many sub-words for each process
                step.sort(key=lambda number: -self._length(number))
            own = step[self.share.rank :: self.share.world]
            yield [Slot(number) for number in own] or [Slot(step[0], counts=False)]

    def _with_extra(self, steps: Iterable[list[int]], extra: Extra) -> Iterator[list[int]]:
        for step, numbers in zip(steps, extra.steps(self.seed + self._epoch), strict=False):
            yield [*step, *(len(self.lengths) + number for number in numbers)]

    def _length(self, number: int) -> int:
        """Sub-words of an example of this number, which may be an extra one."""
        behind = number - len(self.lengths)
        return int(self.extra.lengths[behind] if self.extra and behind >= 0 else self.lengths[number])

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
