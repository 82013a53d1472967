"""Which linear layers of a model suffer most from INT8; those are left in FP32 first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nertool.int8.layer_ranges import Inputs, linear_layers

if TYPE_CHECKING:
    import torch


def by_sensitivity(model: Any, batches: Sequence[Inputs]) -> list[str]:
    """Names of the linear layers, the one first that changes the model's answers most when it alone is in INT8.

    Change is the Kullback-Leibler divergence of the label probabilities, added up over all sub-words of all batches.
    """
    exact = _log_probabilities(model, batches)
    divergences: dict[str, float] = {}
    for name, layer in linear_layers(model).items():
        with _rounded(layer):
            divergences[name] = _divergence(exact, _log_probabilities(model, batches))
    return sorted(divergences, key=lambda name: -divergences[name])


def _log_probabilities(model: Any, batches: Sequence[Inputs]) -> list[torch.Tensor]:
    """Of the labels, for the sub-words of each batch; shape (sub-words, labels)."""
    import torch

    answers = []
    with torch.inference_mode():
        for batch in batches:
            logits = model(**batch)["logits"][batch["attention_mask"].bool()]
            answers.append(logits.float().log_softmax(-1))
    return answers


def _divergence(exact: Sequence[torch.Tensor], changed: Sequence[torch.Tensor]) -> float:
    """Kullback-Leibler divergence of log-probabilities, added up over batches, sub-words and labels."""
    total = 0.0
    for before, after in zip(exact, changed, strict=True):
        total += float((before.exp() * (before - after)).sum())
    return total


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
