"""FP32 matrix products: the fastest library where it is asked for, PyTorch's own otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from nertool.models import cpu
from nertool.models.load_tagger import load_tagger

torch = pytest.importorskip("torch")


def linear_layers(directory: Path, kernels: str) -> set[str]:
    tagger = load_tagger(directory, device="cpu", fp32_kernels=kernels)  # type: ignore[arg-type]
    kinds = {type(module) for module in tagger.model.modules()}
    return {kind.__name__ for kind in kinds if "Linear" in kind.__name__}


def test_pytorch_keeps_its_own_layers_where_that_is_wanted(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "mkl_is_slow_here", lambda: True)
    assert linear_layers(trained / "model", "torch") == {"Linear"}
    assert linear_layers(trained / "model", "auto") == {"OneDnnLinear"}


def test_both_give_the_same_tags(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "mkl_is_slow_here", lambda: True)
    sentences = [["anna", "visited", "new", "lisbon", "."], ["bruno", "left", "oslo", "!"]]
    tags = [
        list(load_tagger(trained / "model", device="cpu", fp32_kernels=kernels).tag(sentences))
        for kernels in ("auto", "torch")
    ]
    assert tags[0] == tags[1]


def test_a_layer_of_onednn_shows_its_weights_as_pytorch_does() -> None:
    from nertool.models.onednn import OneDnnLinear

    layer = torch.nn.Linear(3, 5)
    fast = OneDnnLinear(layer)
    assert torch.equal(fast.weight, layer.weight) and torch.equal(fast.bias, layer.bias)
    assert OneDnnLinear(torch.nn.Linear(3, 5, bias=False)).bias is None
