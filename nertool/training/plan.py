"""How to train, beside the Trainer's own arguments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nertool.models.settings import TaggingSettings

if TYPE_CHECKING:
    from transformers import TrainingArguments

TENSORBOARD = "tensorboard"
"""Value of `--report-to` for which nertool itself names the directory of the log."""


@dataclass(frozen=True)
class Plan:
    """How to train, beside the Trainer's own arguments.

    Attributes:
        dev: file to score after each epoch; None for none.
        dev_limit: number of its first sentences to score; None for all.
        keep_best: keep the weights with the best dev score, otherwise the last ones.
        patience: stop after so many evaluations without a better dev score; 0 for never.
        accumulation_steps: batches of a step, each of a batch size of sentences (gradient accumulation).
        max_subwords: sub-words of a batch at most, in place of a number of sentences; None for no such limit.
        unlabelled_share: of the sentences of a step, those without gold tags, where there are such.
        ema: decay of the exponential moving average of the weights, which is scored and kept; None for the weights.
        head_rate: learning rate of the head; None for that of the encoder.
        layer_decay: factor of the learning rate from each layer to the one below; 1 for none.
        packed: pack several sentences into a row where the model supports it; otherwise batch by length.
        pad_to: sub-words of every row; None for as many as a batch needs.
        fast_dropout: on a CPU, draw the masks of dropout from cheaper random numbers.
        reporter: value of `--report-to`.
        logs: directory for TensorBoard's files.
        settings: how dev is tagged.
    """

    dev: Path | None
    dev_limit: int | None
    keep_best: bool
    patience: int
    accumulation_steps: int
    max_subwords: int | None
    unlabelled_share: float
    ema: float | None
    head_rate: float | None
    layer_decay: float
    packed: bool
    pad_to: int | None
    fast_dropout: bool
    reporter: str
    logs: Path
    settings: TaggingSettings


def lower_rate(arguments: TrainingArguments) -> str:
    """What to do about a loss, or weights, that grow without bound."""
    half = ", or with --precision fp32" if arguments.bf16 or arguments.fp16 else ""
    return f"Train with a --learning-rate below {arguments.learning_rate:g}{half}."
