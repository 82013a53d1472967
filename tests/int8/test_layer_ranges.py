"""Ranges of the inputs of linear layers, and which layers suffer most from INT8."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nertool.int8 import layer_ranges
from nertool.int8.layer_sensitivity import by_sensitivity

torch = pytest.importorskip("torch")


class Model(torch.nn.Module):
    """Two layers one after the other; the second may have one input that dwarfs the others."""

    def __init__(self, outlier: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = torch.nn.Linear(4, 16), torch.nn.Linear(16, 5)
        self.first.bias.data[0] = outlier
        self.second.weight.data[:, 0] = 0.0

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> dict[str, Any]:
        inputs = torch.nn.functional.one_hot(input_ids, 4).float()
        return {"logits": self.second(self.first(inputs))}


def batch() -> dict[str, torch.Tensor]:
    ids = torch.randint(0, 4, (6, 9), generator=torch.Generator().manual_seed(1))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def test_the_layer_whose_inputs_have_an_outlier_suffers_most() -> None:
    model = Model(outlier=1000.0)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    assert by_sensitivity(model, [batch()]) == ["second", "first"]
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name]), "the model is as it was"


def test_extremes_are_exact_however_many_values_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_ranges, "SAMPLED", 10)
    model, seen = Model(outlier=7.0), []
    model.second.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    batches = [batch(), {name: value[:2] for name, value in batch().items()}]
    ranges = layer_ranges.input_ranges(model, batches, "minmax", 100.0)
    values = torch.cat([one.flatten() for one in seen])
    assert ranges["second"] == (pytest.approx(min(values.min().item(), 0)), pytest.approx(values.max().item()))
    assert ranges["first"] == (0.0, 1.0)


def test_a_percentile_leaves_the_rest_out_on_both_sides() -> None:
    values = np.linspace(-50, 50, 10_001, dtype=np.float32)
    assert layer_ranges.range_of(values, "percentile", 90.0) == (pytest.approx(-45), pytest.approx(45))


def test_least_squared_error_clips_a_lone_outlier_and_keeps_many() -> None:
    chance = np.random.default_rng(0)
    values = chance.normal(size=100_000).astype(np.float32)
    lone = np.append(values, np.float32(60.0))
    low, high = layer_ranges.range_of(lone, "mse", 0.0)
    assert high < 60 * 0.9 and low <= values.min() * 0.3
    assert layer_ranges.squared_error(lone, low, high) < layer_ranges.squared_error(lone, lone.min(), 60.0)
    many = np.concatenate([values, np.full(5_000, 60.0, dtype=np.float32)])
    assert layer_ranges.range_of(many, "mse", 0.0)[1] > 55


def test_inputs_that_are_never_negative_have_a_range_from_zero() -> None:
    assert layer_ranges.range_of(np.array([1.0, 2.0], dtype=np.float32), "mse", 0.0) == (0.0, pytest.approx(2.0))
