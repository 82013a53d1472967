"""Linear layers that a family of models has in a form of its own."""

from __future__ import annotations

from typing import Any

import torch


def with_linear_layers(model: Any) -> Any:
    """The same model with PyTorch's linear layers in place of GPT-2's `Conv1D`, which nothing quantizes.

    They compute the same, and their weights are transposed.
    """
    from transformers.pytorch_utils import Conv1D

    for module in list(model.modules()):
        for name, layer in module.named_children():
            if type(layer) is Conv1D:
                setattr(module, name, _linear(layer))
    return model


def _linear(layer: Any) -> torch.nn.Linear:
    inputs, outputs = layer.weight.shape
    linear = torch.nn.Linear(inputs, outputs, device="meta")
    linear.weight = torch.nn.Parameter(layer.weight.detach().T.contiguous())
    linear.bias = layer.bias
    return linear
