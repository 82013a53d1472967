"""Exponential moving averages of the weights of a model in training, which are scored and published in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch.nn import Parameter
    from transformers import PreTrainedModel

FILE = "averages.safetensors"
"""File of a checkpoint that holds the averages."""


class Averages:
    """Averages of the weights after each step.

    After `step` steps the old average counts by min(decay, (1 + step) / (10 + step)), so that the weights of the
    beginning are soon forgotten.

    Args:
        model: whose weights are averaged.
        decay: share of the old average in the new one, at the most.
    """

    def __init__(self, model: PreTrainedModel, decay: float) -> None:
        self.decay = decay
        self._weights: dict[str, Parameter] = dict(model.named_parameters())
        self._means: dict[str, torch.Tensor] = {}

    def begin(self) -> None:
        """Take the weights as they are now for averages."""
        self._means = {name: weight.detach().clone() for name, weight in self._weights.items()}

    def update(self, step: int) -> None:
        """Count the weights after a step, from 1, in."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, mean in self._means.items():
            mean.lerp_(self._weights[name].detach(), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the averages for its weights as long as the block runs."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, mean in self._means.items():
            weight = self._weights[name].detach()
            kept = weight.clone()
            weight.copy_(mean)
            mean.copy_(kept)

    def save(self, checkpoint: Path) -> None:
        """Write the averages into a checkpoint."""
        from safetensors.torch import save_file

        save_file({name: mean.contiguous() for name, mean in self._means.items()}, checkpoint / FILE)

    def load(self, checkpoint: Path) -> None:
        """Go on from the averages of a checkpoint."""
        from safetensors.torch import load_file

        self.begin()
        for name, mean in load_file(checkpoint / FILE).items():
            self._means[name].copy_(mean)
