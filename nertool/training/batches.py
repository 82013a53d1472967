"""How the examples of a training step become tensors: padded, or packed.

A process's share of a step goes through the model in one batch or several. Packed, several sentences share a row, and
each sub-word attends only to its own sentence. So hardly a sub-word is padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nertool.models.encode import IGNORE, NO_WORD, Frame

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

Example = Mapping[str, Sequence[int]]
"""`input_ids` and `labels` of a window, and `targets` where teachers label words too: all of shape (subwords,)."""
Batch = dict[str, "torch.Tensor"]
"""Inputs of the model, and `labels` and `targets`; the first axis of each is the row."""
EMPTY = {"labels": IGNORE, "targets": NO_WORD}
"""What a sub-word has that carries no tag."""
SMALLEST_ROW = 64
"""Sub-words of a packed row at least: shorter rows make matrices too small to be quick."""
PROBE = 8
"""Sub-words of a sentence that tells which parameters are used."""
BATCHES_BY_LENGTH = 4
"""Batches of like length that a share is cut into where sentences cannot be packed."""


class Packing(NamedTuple):
    """How a model takes rows of several sentences.

    Attributes:
        first_position: position id of a sentence's first sub-word.
        additive: the mask is added to the attention scores, shape (rows, 1, subwords, subwords); otherwise it is 1
            where a sub-word is attended to, shape (rows, subwords, subwords).
        max_width: sub-words of a row at most, where no sentence is longer.
    """

    first_position: int
    additive: bool
    max_width: int


@dataclass(frozen=True)
class Collator:
    """Turns the examples of a process's share of a step into batches.

    Attributes:
        pad_id: sub-word id of padding.
        batch_count: batches that a share is cut into; fewer where it has fewer examples.
        by_subwords: the batches of a share have about as many sub-words, otherwise as many examples.
        packing: how sentences share rows; None for one sentence a row, padded.
        by_length: put examples of like length into a batch; otherwise their order stays.
        pad_to: sub-words of every padded row; None for those of the longest in the batch.
        frame: gives the token types, to a model that heeds them; None for no token types.
    """

    pad_id: int
    batch_count: int = 1
    packing: Packing | None = None
    by_length: bool = False
    by_subwords: bool = False
    pad_to: int | None = None
    frame: Frame | None = None

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        """`batches`, `words`: how many sub-words carry a tag, and `taught`: how many have the tags of teachers."""
        if self.packing or self.by_length:
            examples = sorted(examples, key=_length)
        batches = []
        words = taught = 0
        for part in self._parts(examples):
            batch = pack(part, self.pad_id, self.packing, self.frame) if self.packing else self._pad(part)
            batches.append(batch)
            words += int((batch["labels"] != IGNORE).sum())
            taught += int((batch["targets"] != NO_WORD).sum()) if "targets" in batch else 0
        return {"batches": batches, "words": words, "taught": taught}

    def _parts(self, examples: Sequence[Example]) -> Iterator[Sequence[Example]]:
        """The examples of each batch."""
        count = min(self.batch_count, len(examples))
        if not self.by_subwords or count == 1:
            per_batch = -(-len(examples) // self.batch_count)
            for start in range(0, len(examples), per_batch):
                yield examples[start : start + per_batch]
        elif self.by_length:
            ends = np.cumsum([_length(example) for example in examples])
            numbers = (ends - 1) * count // ends[-1]
            for number in np.unique(numbers):
                first, last = np.flatnonzero(numbers == number)[[0, -1]]
                yield examples[first : last + 1]
        else:
            parts: list[list[Example]] = [[] for _ in range(count)]
            for example in sorted(examples, key=_length, reverse=True):  # each to the part that is emptiest then
                min(parts, key=lambda part: sum(map(_length, part))).append(example)
            yield from parts

    def _pad(self, examples: Sequence[Example]) -> Batch:
        """One example a row; tensors of shape (examples, subwords of the longest)."""
        import torch

        shape = (len(examples), self.pad_to or max(map(_length, examples)))
        ids = torch.full(shape, self.pad_id)
        mask = torch.zeros(shape).long()
        expected, types = _empty(shape, examples), torch.zeros(shape).long()
        for row, example in enumerate(examples):
            length = _length(example)
            ids[row, :length] = torch.tensor(example["input_ids"])
            for name, values in expected.items():
                values[row, :length] = torch.tensor(example[name])
            mask[row, :length] = 1
            if self.frame:
                types[row, :length] = torch.tensor(self.frame.types(length))
        return {"input_ids": ids, "attention_mask": mask, **_as_inputs(types, self.frame), **expected}


def _as_inputs(types: torch.Tensor, frame: Frame | None) -> Batch:
    """Token types for a model that heeds them."""
    return {"token_type_ids": types} if frame else {}


def _length(example: Example) -> int:
    """Sub-words of an example."""
    return len(example["input_ids"])


def _empty(shape: tuple[int, int], examples: Sequence[Example]) -> Batch:
    """What the model is to learn, of a batch without examples as yet: `labels`, and `targets` where they have some."""
    import torch

    return {name: torch.full(shape, empty) for name, empty in EMPTY.items() if name in examples[0]}


def pack(examples: Sequence[Example], pad_id: int, packing: Packing, frame: Frame | None = None) -> Batch:
    """Put several sentences into a row; tensors of shape (rows, subwords).

    A sub-word attends to those of its own sentence. Padding attends to padding, as a row of the mask must not be empty.

    Args:
        frame: as in `Collator`.
    """
    import torch

    lengths = list(map(_length, examples))
    rows = _fill_rows(lengths, packing.max_width)
    shape = (len(rows), _width(rows, lengths))
    ids = torch.full(shape, pad_id)
    expected = _empty(shape, examples)
    positions = torch.full(shape, packing.first_position)
    types = torch.zeros(shape).long()
    sentences = torch.zeros(shape).long()  # 1, 2, ... in each row; 0 for padding
    for row, numbers in enumerate(rows):
        start = 0
        for sentence, number in enumerate(numbers, start=1):
            end = start + lengths[number]
            ids[row, start:end] = torch.tensor(examples[number]["input_ids"])
            for name, values in expected.items():
                values[row, start:end] = torch.tensor(examples[number][name])
            positions[row, start:end] = torch.arange(end - start) + packing.first_position
            sentences[row, start:end] = sentence
            if frame:
                types[row, start:end] = torch.tensor(frame.types(end - start))
            start = end
    mask = (sentences[:, :, None] == sentences[:, None, :]).long()
    if packing.additive:
        mask = (1.0 - mask[:, None]) * torch.finfo(torch.float32).min
    return {"input_ids": ids, "attention_mask": mask, "position_ids": positions, **_as_inputs(types, frame), **expected}


def _fill_rows(lengths: Sequence[int], max_width: int) -> list[list[int]]:
    """Numbers of the sentences in each row, for the row width that leaves least padding.

    Args:
        lengths: sub-words of each sentence.
        max_width: sub-words of a row at most, where no sentence is longer.
    """
    narrowest = max(SMALLEST_ROW, *lengths)
    widest = max(narrowest, min(narrowest + narrowest // 4, max_width))
    candidates = []
    for width in range(narrowest, widest + 1):
        candidates.append(_first_fit(lengths, width))
    return min(candidates, key=lambda rows: _area(rows, lengths))


def _first_fit(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Put the longest sentence first, each into the first row with room for it."""
    rows: list[list[int]] = []
    room: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        row = _first_with_room(room, lengths[number])
        if row is None:
            row = len(rows)
            rows.append([])
            room.append(width)
        rows[row].append(number)
        room[row] -= lengths[number]
    return rows


def _first_with_room(room: Sequence[int], length: int) -> int | None:
    for row, free in enumerate(room):
        if free >= length:
            return row
    return None


def _width(rows: Sequence[Sequence[int]], lengths: Sequence[int]) -> int:
    """Sub-words of the longest row."""
    return max(sum(lengths[number] for number in row) for row in rows)


def _area(rows: Sequence[Sequence[int]], lengths: Sequence[int]) -> int:
    """Sub-words of a batch with these rows, padding included."""
    return len(rows) * _width(rows, lengths)


def find_packing(model: PreTrainedModel, pad_id: int, max_width: int, frame: Frame | None = None) -> Packing | None:
    """Probe whether the model supports packing: how it takes packed rows, or None.

    Sentences must get the scores in a batch of two rows, one of which two of them share, that each gets alone.

    Args:
        model: for token classification.
        pad_id: sub-word id of padding.
        max_width: sub-words that the model takes at once.
        frame: as in `Collator`.
    """
    import torch

    if max_width < SMALLEST_ROW:
        return None
    examples = _probe_sentences(getattr(model.config, "vocab_size", SMALLEST_ROW))  # CANINE hashes characters
    training = model.training
    model.eval()
    try:
        alone = []
        for example in examples:
            (batch,) = Collator(pad_id, frame=frame)([example])["batches"]
            alone.append(_scores(model, batch)[0])
        for first_position in (0, (model.config.pad_token_id or 0) + 1):
            for additive in (False, True):
                packing = Packing(first_position, additive, max_width)
                packed, rows = pack(examples, pad_id, packing, frame), _fill_rows([*map(_length, examples)], max_width)
                if _same_scores(model, packed, [torch.cat([alone[number] for number in row]) for row in rows]):
                    return packing
        return None
    finally:
        model.train(training)


def has_unused_parameters(model: PreTrainedModel, collator: Collator) -> bool:
    """Whether no score depends on some of the parameters, such as those of a pooler, which then get no gradient."""
    import torch

    ids = _probe_sentences(getattr(model.config, "vocab_size", SMALLEST_ROW))[0]["input_ids"][:PROBE]
    (batch,) = Collator(collator.pad_id, frame=collator.frame)([{"input_ids": ids, "labels": ids}])["batches"]
    inputs = {name: tensor.to(model.device) for name, tensor in batch.items() if name not in EMPTY}
    training = model.training
    model.eval()
    try:
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        gradients = torch.autograd.grad(model(**inputs)["logits"].sum(), parameters, allow_unused=True)
        return any(gradient is None for gradient in gradients)
    finally:
        model.train(training)


def _probe_sentences(vocabulary: int) -> list[Example]:
    """Three sentences of different lengths, two of which share a row."""
    ids = [5 + number % max(1, vocabulary - 5) for number in range(90)]
    return [{"input_ids": part, "labels": part} for part in (ids[:40], ids[40:60], ids[60:])]


def _same_scores(model: PreTrainedModel, packed: Batch, alone: Sequence[torch.Tensor]) -> bool:
    """Whether packed sentences get the scores that they get alone: of each row, of shape (subwords, labels)."""
    import torch

    try:
        together = _scores(model, packed)
    except (
        AssertionError,
        IndexError,
        RuntimeError,
        TypeError,
        ValueError,
    ):  # what models raise at inputs that they do not take
        return False
    for found, expected in zip(together, alone, strict=True):
        if not torch.allclose(found[: len(expected)], expected, atol=1e-3 * float(expected.abs().max())):
            return False
    return True


def _scores(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Scores of shape (rows, subwords, labels)."""
    import torch

    inputs = {name: tensor.to(model.device) for name, tensor in batch.items() if name not in EMPTY}
    with torch.inference_mode():
        scores: torch.Tensor = model(**inputs)["logits"]
    return scores
