"""Matrix products in FP32 by the library that is fastest on this processor."""

from __future__ import annotations

import torch
from torch.nn.functional import linear

from nertool.models import cpu


class OneDnnLinear(torch.nn.Module):
    """A linear layer whose product is oneDNN's; it cannot be trained."""

    weight: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, layer: torch.nn.Linear) -> None:
        super().__init__()
        self.register_buffer("weight", layer.weight.detach().to_mkldnn())
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().to_mkldnn())

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """The same values as the layer's, but for rounding."""
        return linear(values.to_mkldnn(), self.weight, self.bias).to_dense()


def use_fastest(model: torch.nn.Module) -> torch.nn.Module:
    """Give the FP32 linear layers of a model on the CPU to oneDNN where MKL, which is PyTorch's choice, is slow."""
    if cpu.mkl_is_slow_here() and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        for module in list(model.modules()):
            for name, layer in module.named_children():
                if type(layer) is torch.nn.Linear and layer.weight.dtype == torch.float:
                    setattr(module, name, OneDnnLinear(layer))
    return model
