"""What INT8 does to the linear layers of a model: ranges of their inputs, and which of them suffer most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Inputs = Mapping[str, Any]
Array = npt.NDArray[np.float32]
SAMPLED = 50_000
"""Values of a layer's inputs that its range is chosen by; the extremes are exact."""
SHARES = np.linspace(0.3, 1, 36)
"""Shares of the extremes that are tried as bounds."""


def linear_layers(model: Any) -> dict[str, torch.nn.Linear]:
    """The linear layers by name, in the order of the model."""
    import torch

    return {name: module for name, module in model.named_modules() if type(module) is torch.nn.Linear}


def input_ranges(
    model: Any, batches: Sequence[Inputs], observer: str, percentile: float
) -> dict[str, tuple[float, float]]:
    """Lower and upper bound of each linear layer's inputs.

    Args:
        observer: `minmax`, the extremes; `percentile`, between which that share lies, half of the rest on each side;
            `mse`, the bounds of least squared error, clipping and rounding together.
    """
    import torch

    layers = linear_layers(model)
    samples: dict[str, list[Array]] = {name: [] for name in layers}

    def keep(name: str, values: Array) -> None:
        step = max(1, len(values) * len(batches) // SAMPLED)
        samples[name].append(np.concatenate([values[::step], [values.min(), values.max()]]))

    hooks = [
        layer.register_forward_pre_hook(lambda _, args, name=name: keep(name, args[0].flatten().numpy()))
        for name, layer in layers.items()
    ]
    with torch.inference_mode():
        for batch in batches:
            model(**batch)
    for hook in hooks:
        hook.remove()
    return {name: _range(np.concatenate(found), observer, percentile) for name, found in samples.items() if found}


def _range(values: Array, observer: str, percentile: float) -> tuple[float, float]:
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if observer == "percentile":
        rest = (100 - percentile) / 2
        low, high = map(float, np.percentile(values, [rest, 100 - rest]))
    if observer == "mse":
        high = float(min(SHARES * high, key=lambda bound: _error(values, low, bound)))
        low = float(min(SHARES * low, key=lambda bound: _error(values, bound, high)))
    return min(low, 0.0), max(high, 0.0)


def _error(values: Array, low: float, high: float) -> float:
    """Mean squared error of 8 bits between two bounds."""
    scale = (high - low) / 255 or 1.0
    rounded = np.round(np.clip(values, low, high) / scale) * scale
    return float(np.mean((rounded - values) ** 2))


def by_sensitivity(model: Any, batches: Sequence[Inputs]) -> list[str]:
    """Names of the linear layers, the one first that changes the model's answers most when it alone is in INT8.

    Change is the mean Kullback-Leibler divergence of the label probabilities over all sub-words of all batches.
    """
    import torch

    def answers() -> list[torch.Tensor]:
        with torch.inference_mode():
            return [
                model(**batch)["logits"][batch["attention_mask"].bool()].float().log_softmax(-1) for batch in batches
            ]

    truth, changes = answers(), {}
    for name, layer in linear_layers(model).items():
        with _rounded(layer):
            changed = answers()
        changes[name] = sum(float((t.exp() * (t - c)).sum()) for t, c in zip(truth, changed, strict=True))
    return sorted(changes, key=lambda name: -changes[name])


@contextmanager
def _rounded(layer: torch.nn.Linear) -> Iterator[None]:
    """A layer that computes as in INT8: a range per batch for its inputs, one per output for its weights."""
    import torch

    def inputs_rounded(_: Any, args: tuple[torch.Tensor, ...]) -> torch.Tensor:
        low, high = args[0].min().clamp(max=0), args[0].max().clamp(min=0)
        scale = float(high - low) / 255 or 1.0
        return torch.fake_quantize_per_tensor_affine(args[0], scale, round(float(-low) / scale), 0, 255)

    exact = layer.weight.data
    scales = (exact.abs().amax(1) / 127).clamp(min=1e-12)
    layer.weight.data = (exact / scales[:, None]).round() * scales[:, None]
    hook = layer.register_forward_pre_hook(inputs_rounded)
    try:
        yield
    finally:
        hook.remove()
        layer.weight.data = exact
