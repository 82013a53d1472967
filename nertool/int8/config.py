"""How a model is quantized, in terms that both backends share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from nertool.int8.layer_ranges import Range


@dataclass(frozen=True)
class QuantizationConfig:
    """How a trained model becomes an INT8 model without further training.

    Attributes:
        approach: `dynamic`, where ranges of activations are found anew for each batch, `static`, where they are
            fixed, or `none`, where all stays in FP32.
        in_fp32: names of the linear layers that stay in FP32.
        row_ranges: whether dynamic ranges are found for each sub-word (row), by ONNX Runtime; else for each batch.
        weight_bits: 7 for processors on which sums of two products of bytes may saturate, else 8.
        observer: how Neural Compressor finds static ranges in calibration: `minmax`, by the extremes, or `mse`, by the
            least squared error.
        ranges: the static ranges of ONNX Runtime: lower and upper bound of the inputs of each linear layer.
    """

    approach: str
    in_fp32: Sequence[str] = ()
    row_ranges: bool = False
    weight_bits: Literal[7, 8] = 8
    observer: str = "mse"
    ranges: Mapping[str, Range] = field(default_factory=dict)
