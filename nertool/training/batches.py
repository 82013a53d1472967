"""What a training step sends through the model: which examples, and in which tensors.

The examples of an epoch are put in an order that hangs on seed and epoch alone, cut into steps, and each process takes
its share of a step, so that a run on two processes takes the same steps as one on one. A share goes through the model
in one batch or several. Packed, sentences share a row and see only themselves: hardly a sub-word is padding.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nertool.errors import InvalidOption
from nertool.models.encode import IGNORE

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

Example = Mapping[str, Sequence[int]]
"""`input_ids` and `labels` of a window, both of shape (subwords,)."""
Batch = dict[str, "torch.Tensor"]
"""Inputs of the model, and `labels`; the first axis of each is the row."""
SMALLEST_ROW = 64
"""Sub-words of a packed row at least: shorter rows make matrices too small to be quick."""
PARTS_BY_LENGTH = 4
"""Batches of like length that a share is cut into where the model cannot be packed."""


class Steps:
    """The examples of each step of an epoch, as a batch sampler of a DataLoader.

    Iterating gives lists of example numbers; `~number` stands for an example without its tags, for a process that has
    no sentence in a step but must take part in it.

    Args:
        lengths: sub-words of each example; shape (examples,).
        sentences: examples of a step, all processes together.
        tokens: sub-words of a step at most, in place of `sentences`; None for none.
        seed: of the order, which is that of a Trainer with this seed.
        rank: number of this process among `world`.
        by_length: examples of like length in a step, as `group_by_length` of the Trainer.
        drop_last: leave out a last step that is not full.

    Raises:
        InvalidOption: an example is longer than `tokens`.
    """

    def __init__(
        self,
        lengths: npt.NDArray[np.int32],
        sentences: int,
        tokens: int | None,
        seed: int,
        *,
        rank: int = 0,
        world: int = 1,
        by_length: bool = False,
        drop_last: bool = False,
    ) -> None:
        self.lengths, self.sentences, self.tokens, self.seed = lengths, sentences, tokens, seed
        self.rank, self.world, self.by_length, self.drop_last = rank, world, by_length, drop_last
        self.epoch = 0
        longest = int(lengths.max(initial=0))
        if tokens is not None and tokens <= longest:
            raise InvalidOption(
                f"a budget of {tokens} sub-words has no room for the longest sentence, which has {longest}",
                f"Take a larger --max-tokens-per-batch, or a --max-length below {tokens}.",
            )

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of this epoch, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Steps of an epoch, of every one the same."""
        if self.tokens is not None:
            # The emptiest of so many steps has room for one example more, whatever the order.
            enough = -(-int(self.lengths.sum()) // (self.tokens - int(self.lengths.max())))
            return min(enough, len(self.lengths))
        whole, rest = divmod(len(self.lengths), self.sentences)
        return whole + bool(rest and not (self.drop_last and whole))

    def __iter__(self) -> Iterator[list[int]]:
        order = self._order()
        cut = self._by_sentences(order) if self.tokens is None else self._by_tokens(order)
        for step in cut:
            if self.world > 1:  # as many sub-words for each process
                step.sort(key=lambda number: -self.lengths[number])
            yield step[self.rank :: self.world] or [~step[0]]

    def _order(self) -> list[int]:
        import torch

        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        if self.by_length:
            from transformers.trainer_pt_utils import get_length_grouped_indices

            lengths = self.lengths.tolist()
            found: list[int] = get_length_grouped_indices(lengths, self.sentences, generator=generator)
            return found
        order: list[int] = torch.randperm(len(self.lengths), generator=generator).tolist()
        return order

    def _by_sentences(self, order: list[int]) -> list[list[int]]:
        return [order[at * self.sentences : (at + 1) * self.sentences] for at in range(len(self))]

    def _by_tokens(self, order: list[int]) -> list[list[int]]:
        """Each example goes to the step that is emptiest then: steps of like size, none above the budget."""
        steps: list[list[int]] = [[] for _ in range(len(self))]
        emptiest = [(0, at) for at in range(len(steps))]
        for number in order:
            used, at = heapq.heappop(emptiest)
            steps[at].append(number)
            heapq.heappush(emptiest, (used + int(self.lengths[number]), at))
        return steps


class Packing(NamedTuple):
    """How a model takes rows of several sentences.

    Attributes:
        first_position: position id of a sentence's first sub-word.
        additive: the mask is added to the scores, shape (rows, 1, subwords, subwords); else it is 1 where a sub-word
            is seen, shape (rows, subwords, subwords).
        most: sub-words of a row.
    """

    first_position: int
    additive: bool
    most: int


@dataclass(frozen=True)
class Collator:
    """Turns the examples of a process's share into batches.

    Attributes:
        pad_id: sub-word id of padding.
        parts: batches that a share is cut into at least.
        packing: how sentences share rows; None: one a row, padded.
        by_length: examples of like length in a batch; else the order stays.
        pad_to: sub-words of every padded row; None: those of the longest in the batch.
    """

    pad_id: int
    parts: int = 1
    packing: Packing | None = None
    by_length: bool = False
    pad_to: int | None = None

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        """`batches`, and `words`: how many sub-words carry a tag."""
        if self.packing or self.by_length:
            examples = sorted(examples, key=lambda example: len(example["input_ids"]))
        rows = -(-len(examples) // self.parts)
        cut = [examples[start : start + rows] for start in range(0, len(examples), rows)]
        batches = [pack(part, self.pad_id, self.packing) if self.packing else self._pad(part) for part in cut]
        return {"batches": batches, "words": sum(int((batch["labels"] != IGNORE).sum()) for batch in batches)}

    def _pad(self, examples: Sequence[Example]) -> Batch:
        """An example a row; tensors of shape (examples, subwords of the longest)."""
        import torch

        shape = (len(examples), self.pad_to or max(len(example["input_ids"]) for example in examples))
        ids, mask, labels = torch.full(shape, self.pad_id), torch.zeros(shape).long(), torch.full(shape, IGNORE)
        for row, example in enumerate(examples):
            length = len(example["input_ids"])
            ids[row, :length] = torch.tensor(example["input_ids"])
            labels[row, :length] = torch.tensor(example["labels"])
            mask[row, :length] = 1
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def pack(examples: Sequence[Example], pad_id: int, packing: Packing) -> Batch:
    """Several sentences a row; each sub-word sees those of its own sentence. Tensors of shape (rows, subwords)."""
    import torch

    rows = _fill_rows([len(example["input_ids"]) for example in examples], packing.most)
    shape = (len(rows), max(sum(len(examples[number]["input_ids"]) for number in row) for row in rows))
    ids, labels = torch.full(shape, pad_id), torch.full(shape, IGNORE)
    positions, sentence = torch.full(shape, packing.first_position), torch.zeros(shape).long()
    for row, numbers in enumerate(rows):
        start = 0
        for place, number in enumerate(numbers, start=1):
            end = start + len(examples[number]["input_ids"])
            ids[row, start:end] = torch.tensor(examples[number]["input_ids"])
            labels[row, start:end] = torch.tensor(examples[number]["labels"])
            positions[row, start:end] = torch.arange(end - start) + packing.first_position
            sentence[row, start:end] = place
            start = end
    seen = (sentence[:, :, None] == sentence[:, None, :]).long()  # padding sees padding: no row without a sub-word
    if packing.additive:
        seen = (1.0 - seen[:, None]) * torch.finfo(torch.float32).min
    return {"input_ids": ids, "attention_mask": seen, "position_ids": positions, "labels": labels}


def _fill_rows(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Numbers of the sentences in each row, in rows of that width, of several, which leaves least padding.

    Args:
        most: sub-words of a row, where no sentence is longer.
    """
    narrow = max(SMALLEST_ROW, *lengths)
    widths = range(narrow, max(narrow, min(narrow + narrow // 4, most)) + 1)
    return min((_first_fit(lengths, width) for width in widths), key=lambda rows: _area(rows, lengths))


def _first_fit(lengths: Sequence[int], width: int) -> list[list[int]]:
    """The longest sentence first, each into the first row with room for it."""
    rows: list[list[int]] = []
    room: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        row = next((row for row, free in enumerate(room) if free >= lengths[number]), len(rows))
        if row == len(rows):
            rows.append([])
            room.append(width)
        rows[row].append(number)
        room[row] -= lengths[number]
    return rows


def _area(rows: Sequence[Sequence[int]], lengths: Sequence[int]) -> int:
    """Sub-words of a batch with these rows, padding included."""
    return len(rows) * max(sum(lengths[number] for number in row) for row in rows)


def find_packing(model: PreTrainedModel, pad_id: int, width: int) -> Packing | None:
    """How the model takes several sentences in a row, found by trying; None where it does not.

    Two sentences that share a row must get the scores that each gets alone.

    Args:
        width: sub-words that the model takes at once.
    """
    if width < SMALLEST_ROW:
        return None
    ids = [number % model.config.vocab_size for number in range(5, 5 + SMALLEST_ROW // 2)]
    examples = [{"input_ids": part, "labels": part} for part in (ids[:12], ids[7:])]
    training = model.training
    model.eval()
    try:
        alone = [_scores(model, Collator(pad_id)([example])["batches"][0])[0] for example in examples]
        for first in (0, (model.config.pad_token_id or 0) + 1):
            for additive in (False, True):
                packing = Packing(first, additive, width)
                if _same_scores(model, pack(examples, pad_id, packing), alone):
                    return packing
        return None
    finally:
        model.train(training)


def _same_scores(model: PreTrainedModel, packed: Batch, alone: Sequence[torch.Tensor]) -> bool:
    import torch

    try:
        together = _scores(model, packed)[0]
    except (IndexError, RuntimeError, TypeError, ValueError):  # what models raise at inputs that they do not know
        return False
    longest_first = sorted(alone, key=len, reverse=True)
    wanted = torch.cat(list(longest_first))
    return bool(torch.allclose(together[: len(wanted)], wanted, atol=1e-3 * float(wanted.abs().max())))


def _scores(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Scores of shape (rows, subwords, labels)."""
    import torch

    with torch.inference_mode():
        scores: torch.Tensor = model(
            **{name: tensor.to(model.device) for name, tensor in batch.items() if name != "labels"}
        )["logits"]
    return scores
