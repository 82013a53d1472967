"""Run a PyTorch module on arrays, as `onnx_model` runs a graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch

from nertool.arrays import Array
from nertool.models.inputs import translate_missing_embeddings


class TorchModel:
    """A module that is called with arrays.

    Args:
        module: gives `logits`; `parameters()` tells its device.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.device = next((parameter.device for parameter in module.parameters()), "cpu")
        self.on_cpu = str(self.device) == "cpu"

    @property
    def threads(self) -> int:
        """How many batches are worked on at once."""
        return torch.get_num_threads() if self.on_cpu else 1

    @contextmanager
    def a_thread_each(self) -> Iterator[None]:
        """Let the block work on batches with one thread each: those that share one wait at every product."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)

    def __call__(self, **inputs: Array) -> dict[str, Array]:
        """The logits, of shape (batch, subwords, labels).

        Raises:
            NertoolError: a sub-word is beyond those of the model.
        """
        if not self.on_cpu:  # where a wrong index ends the process, or gives what no error tells
            self._check_ids(inputs["input_ids"])
        tensors = {name: torch.from_numpy(array).to(self.device) for name, array in inputs.items()}
        with torch.inference_mode(), translate_missing_embeddings():
            logits = self.module(**tensors)["logits"]
            return {"logits": np.asarray(logits.float().cpu().numpy())}

    def at(self, inputs: Mapping[str, Array], rows: Sequence[int], positions: Sequence[int]) -> Array:
        """The logits of some sub-words, as `OnnxModel.at` gives them."""
        logits: Array = self(**inputs)["logits"][rows, positions]
        return logits

    @property
    def vocabulary(self) -> int | None:
        """How many sub-words the model has; None for models without a table of them."""
        with suppress(AttributeError, NotImplementedError):
            return int(self.module.get_input_embeddings().num_embeddings)
        return None

    def _check_ids(self, ids: Array) -> None:
        known = self.vocabulary
        with translate_missing_embeddings():
            if known is not None and ids.max(initial=0) >= known:
                raise IndexError(f"{ids.max()} of {known}")


def as_tensors(inputs: dict[str, Array]) -> dict[str, torch.Tensor]:
    """Arrays as the inputs of a module, on the CPU."""
    return {name: torch.from_numpy(array) for name, array in inputs.items()}
