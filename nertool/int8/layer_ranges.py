"""Ranges of the inputs of linear layers, as static quantization needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Inputs = Mapping[str, Any]
Floats = npt.NDArray[np.float32]
Range = tuple[float, float]
"""Lower and upper bound."""
SAMPLED = 50_000
"""Values of a layer's inputs that its range is chosen by; the extremes are exact."""
SHARES = np.linspace(0.3, 1, 36)
"""Shares of the extremes that are tried as bounds."""


def linear_layers(model: Any) -> dict[str, torch.nn.Linear]:
    """The linear layers by name, in the order of the model."""
    import torch

    return {name: module for name, module in model.named_modules() if type(module) is torch.nn.Linear}


def input_ranges(model: Any, batches: Sequence[Inputs], observer: str, percentile: float) -> dict[str, Range]:
    """Lower and upper bound of each linear layer's inputs; see `range_of`."""
    import torch

    samples: dict[str, list[Floats]] = {}
    hooks = []
    for name, layer in linear_layers(model).items():
        samples[name] = []
        hooks.append(layer.register_forward_pre_hook(_sampler(samples[name], len(batches))))
    with torch.inference_mode():
        for batch in batches:
            model(**batch)
    for hook in hooks:
        hook.remove()
    ranges = {}
    for name, sample in samples.items():
        if sample:  # the model may have layers that it does not use
            ranges[name] = range_of(np.concatenate(sample), observer, percentile)
    return ranges


def _sampler(sample: list[Floats], batches: int) -> Callable[[Any, tuple[torch.Tensor, ...]], None]:
    """A hook that adds some of a layer's inputs, and their extremes, to a sample."""

    def keep(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        values = inputs[0].flatten().numpy()
        step = max(1, len(values) * batches // SAMPLED)
        sample.append(np.concatenate([values[::step], [values.min(), values.max()]]))

    return keep


def range_of(values: Floats, observer: str, percentile: float) -> Range:
    """Lower and upper bound for some values; 0 lies between them.

    Args:
        observer: `minmax`, the extremes; `percentile`, between which that share lies, half of the rest on each side;
            `mse`, the bounds of least squared error, clipping and rounding together.
        percentile: per cent of the values.
    """
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if observer == "percentile":
        rest = (100 - percentile) / 2
        low, high = map(float, np.percentile(values, [rest, 100 - rest]))
    if observer == "mse":
        high = float(min(SHARES * high, key=lambda bound: squared_error(values, low, bound)))
        low = float(min(SHARES * low, key=lambda bound: squared_error(values, bound, high)))
    return min(low, 0.0), max(high, 0.0)


def squared_error(values: Floats, low: float, high: float) -> float:
    """Mean squared error of 8 bits between two bounds."""
    scale = (high - low) / 255 or 1.0
    rounded = np.round(np.clip(values, low, high) / scale) * scale
    return float(np.mean((rounded - values) ** 2))
