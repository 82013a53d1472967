"""Matrix products in FP32 by the library that is fastest on this processor."""

from __future__ import annotations

import torch
from torch.nn.functional import linear

from nertool.models import cpu


class OneDnnLinear(torch.nn.Module):
    """A linear layer whose product is oneDNN's; it cannot be trained."""

    packed_weight: torch.Tensor
    packed_bias: torch.Tensor | None

    def __init__(self, layer: torch.nn.Linear) -> None:
        super().__init__()
        self.register_buffer("packed_weight", layer.weight.detach().to_mkldnn())
        self.register_buffer("packed_bias", None if layer.bias is None else layer.bias.detach().to_mkldnn())

    @property
    def weight(self) -> torch.Tensor:
        """A copy of the weights in PyTorch's layout, for the models that look into a layer (LayoutLMv3)."""
        return self.packed_weight.to_dense()

    @property
    def bias(self) -> torch.Tensor | None:
        """A copy of the bias, in the same way."""
        return None if self.packed_bias is None else self.packed_bias.to_dense()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """The same values as the layer's, but for rounding."""
        return linear(values.to_mkldnn(), self.packed_weight, self.packed_bias).to_dense()


def use_fastest(model: torch.nn.Module) -> torch.nn.Module:
    """Give the FP32 linear layers of a model on the CPU to oneDNN where MKL, which is PyTorch's choice, is slow."""
    if cpu.mkl_is_slow_here() and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        for module in list(model.modules()):
            for name, layer in module.named_children():
                if type(layer) is torch.nn.Linear and layer.weight.dtype == torch.float:
                    setattr(module, name, OneDnnLinear(layer))
    return model
