"""Builds INT8 models of one FP32 model, with either backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nertool.int8 import inc, onnx_runtime
from nertool.int8.choice import Attempt
from nertool.int8.config import QuantizationConfig
from nertool.int8.layer_ranges import Range, input_ranges, linear_layers
from nertool.int8.layer_sensitivity import by_sensitivity
from nertool.models import cpu
from nertool.progress import logger
from nertool.workspace.digests import write_json
from nertool.workspace.names import TABLE, versions

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger

CALIBRATION_BATCH = 8
"""Windows of a batch."""
LONG = 512
"""Sub-words of a window that an export is tried on, as calibration sentences may be short."""


@dataclass(frozen=True)
class Settings:
    """How INT8 models are built.

    Attributes:
        backend: `inc` or `onnx`.
        row_ranges: whether dynamic ranges are found for each sub-word (row), by ONNX Runtime; else for each batch.
        weight_bits: 7 where products of bytes may saturate on a processor that will tag, else 8.
        observer, percentile: how static ranges of activations are found in calibration; see `layer_ranges.range_of`.
        training: gives batches with `labels` for quantization-aware training.
        learning_rate: the first one of that.
        step: called with the loss after each step of it.
        seed: of random numbers, set anew for each model, so that it does not depend on those before.
        trust_remote_code: run code that comes with the model.
    """

    backend: str
    row_ranges: bool
    weight_bits: Literal[7, 8]
    observer: str
    percentile: float
    training: Callable[[], Sequence[Mapping[str, Any]]]
    learning_rate: float
    step: Callable[[float], None]
    seed: int
    trust_remote_code: bool = False


class Quantizer:
    """Builds INT8 models of one FP32 model.

    Args:
        windows: sub-word ids of the sentences on which ranges and the sensitivity of layers are measured.
        scratch: an empty directory.
    """

    def __init__(self, fp32: Tagger, settings: Settings, windows: Sequence[Sequence[int]], scratch: Path) -> None:
        self.fp32, self.settings, self.windows, self.scratch = fp32, settings, windows, scratch

    @cached_property
    def layers(self) -> int:
        """Number of linear layers, which could be left in FP32."""
        return len(linear_layers(self.fp32.model))

    @cached_property
    def batches(self) -> list[dict[str, Any]]:
        """The windows as inputs of the model, those of like length together."""
        windows = sorted(self.windows, key=len)
        batches = []
        for start in range(0, len(windows), CALIBRATION_BATCH):
            batches.append(self._inputs(windows[start : start + CALIBRATION_BATCH]))
        return batches

    def _inputs(self, windows: Sequence[Sequence[int]]) -> dict[str, Any]:
        from nertool.models.torch_model import as_tensors

        return as_tensors(self.fp32.collate(windows))

    @cached_property
    def order(self) -> list[str]:
        """Linear layers, those first that suffer most."""
        return by_sensitivity(self.fp32.model, self.batches)

    @cached_property
    def ranges(self) -> dict[str, Range]:
        """Bounds of the inputs of linear layers."""
        return input_ranges(self.fp32.model, self.batches, self.settings.observer, self.settings.percentile)

    @cached_property
    def exported(self) -> onnx_runtime.Exported:
        """The model as an ONNX graph, traced on the batch with most padding."""
        padded = self._inputs([min(self.windows, key=len), max(self.windows, key=len)])
        long = self._inputs([self.fp32.any_window(LONG), self.fp32.any_window(1)])
        trusted = self.settings.trust_remote_code
        return onnx_runtime.Exported(self.fp32.model, [padded, *self.batches], self.scratch, trusted, [long])

    def build(self, attempt: Attempt, directory: Path) -> list[str]:
        """Write an INT8 model into an empty directory.

        Returns:
            Names of the layers whose weights are in FP32.

        Raises:
            NertoolError: the backend cannot quantize such a model.
        """
        import torch

        settings, model = self.settings, self.fp32.model
        torch.manual_seed(settings.seed)
        trusted = settings.trust_remote_code
        write_json(
            directory / TABLE, {"backend": settings.backend, "cpu": cpu.describe(), "versions": versions(["torch"])}
        )
        if attempt.approach == "qat":
            batches, rate = settings.training(), settings.learning_rate
            return inc.train_aware(model, directory, batches, rate, settings.step, trusted)
        if settings.backend == "onnx":
            model.config.save_pretrained(directory)
            return self.exported.quantize(directory, self.config_of(attempt))
        return inc.quantize(model, directory, self.config_of(attempt), self.batches, trusted)

    def store_encoding(self, directory: Path) -> None:
        """Let a graph in a directory, with the files of its tokenizer, be loaded without transformers if it can be."""
        if self.settings.backend == "onnx" and not self.fp32.store_encoding(directory):
            logger.info("the tokenizer needs transformers, so that tagging with this model imports it")

    def config_of(self, attempt: Attempt) -> QuantizationConfig:
        """How an attempt without training quantizes; what it takes is computed once, by the first that needs it."""
        in_fp32 = self.order[: attempt.in_fp32] if attempt.in_fp32 else []
        needs_ranges = self.settings.backend == "onnx" and attempt.approach == "static"
        ranges = self.ranges if needs_ranges else {}
        by_rows = self.settings.row_ranges and attempt.approach == "dynamic"
        return QuantizationConfig(
            approach=attempt.approach,
            in_fp32=in_fp32,
            row_ranges=by_rows,
            weight_bits=self.settings.weight_bits,
            observer=self.settings.observer,
            ranges=ranges,
        )

    def alone_as_together(self, attempt: Attempt) -> bool:
        """Whether the tags of a sentence do not depend on the sentences in its batch."""
        return attempt.approach != "dynamic" or self.settings.row_ranges
