"""Averages of the weights, and learning rates of the parts of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import random_model

from nertool.errors import InvalidOption
from nertool.stages import train
from nertool.training import publish
from nertool.workspace.workspace import Workspace

torch = pytest.importorskip("torch")

from nertool.training.averages import FILE, Averages  # noqa: E402
from nertool.training.rates import rates_of, split_groups  # noqa: E402


def trained_with(workspace: Workspace, model: str, **options: Any) -> dict[str, Any]:
    settings = {"num_epochs": 1.0, "batch_size": 16, "learning_rate": 5e-3, "overwrite_output_dir": True, **options}
    return train.run(workspace, train.Options(model=model, **settings)).facts


def test_an_average_forgets_the_beginning_soon_and_has_the_decay_in_the_end(tmp_path: Path) -> None:
    model: Any = torch.nn.Linear(1, 1, bias=False)
    averages = Averages(model, 0.5)
    with torch.no_grad():
        model.weight.fill_(1.0)
        averages.begin()
        expected = 1.0
        for step, decay in ((1, 2 / 11), (2, 3 / 12), (20, 0.5)):
            model.weight.fill_(float(step))
            averages.update(step)
            expected = decay * expected + (1 - decay) * step
    with averages.in_place():
        assert model.weight.item() == pytest.approx(expected)
    assert model.weight.item() == 20.0
    averages.save(tmp_path)
    again = Averages(model, 0.5)
    again.load(tmp_path)
    with again.in_place():
        assert model.weight.item() == pytest.approx(expected)


def test_the_averages_are_scored_and_published(ready: Workspace, tiny_model: str) -> None:
    from safetensors.torch import load_file

    from nertool.stages import evaluate

    facts = trained_with(ready, tiny_model, ema=0.9, keep="last", num_epochs=2.0)
    (checkpoint,) = (ready / "model").glob("checkpoint-*")
    published, averages = load_file(ready / "model/model.safetensors"), load_file(checkpoint / FILE)
    raw = load_file(checkpoint / "model.safetensors")
    assert all(torch.equal(published[name], averages[name]) for name in published)
    assert not all(torch.equal(published[name], raw[name]) for name in published)
    assert evaluate.run(ready, evaluate.Options(split=["dev"])).facts["dev"]["f1"] == facts["dev_f1"]


@pytest.mark.parametrize("ema", [None, 0.5])
def test_the_last_weights_of_a_training_that_had_ended_are_those_of_its_checkpoint(
    ema: float | None, ready: Workspace, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"num_epochs": 9.0, "learning_rate": 1e-6, "patience": 1, "keep": "last", "ema": ema}

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(publish, "link_weights", killed)
        with pytest.raises(KeyboardInterrupt):
            trained_with(ready, tiny_model, **options)
    kept = (ready / ".training/kept/model.safetensors").read_bytes()
    facts = trained_with(ready, tiny_model, **options)
    assert len(facts["history"]) == 2
    assert (ready / "model/model.safetensors").read_bytes() == kept


# -- learning rates --------------------------------------------------------------------------------


def test_rates_fall_from_layer_to_layer_and_the_head_has_its_own() -> None:
    rates = rates_of(random_model("bert"), 1.0, 5.0, 0.5)
    assert rates["bert.embeddings.word_embeddings.weight"] == 0.5**4
    assert rates["bert.encoder.layer.0.attention.self.query.weight"] == 0.5**3
    assert rates["bert.encoder.layer.3.output.LayerNorm.bias"] == 1.0
    assert rates["classifier.weight"] == 5.0
    assert set(rates_of(random_model("albert"), 1.0, 2.0, 1.0).values()) == {1.0, 2.0}
    with pytest.raises(InvalidOption, match="--layer-decay: the layers of albert models are not known"):
        rates_of(random_model("albert"), 1.0, None, 0.5)


def test_groups_of_an_optimizer_keep_their_other_settings() -> None:
    first, second = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    optimizer = torch.optim.AdamW([{"params": [first, second], "weight_decay": 0.3}], lr=1.0)
    groups = split_groups(optimizer.param_groups, {first: "a", second: "b"}, {"a": 0.1, "b": 0.2})
    assert [(group["params"], group["lr"], group["weight_decay"]) for group in groups] == [
        ([first], 0.1, 0.3),
        ([second], 0.2, 0.3),
    ]


def test_a_head_that_learns_nothing_stays_as_it_was(ready: Workspace, tiny_model: str) -> None:
    """And so does all below the last layer, but for its share, where the decay is small."""
    from safetensors.torch import load_file

    trained_with(ready, tiny_model, head_learning_rate=0.0, layer_decay=0.01, weight_decay=0.0)
    weights = load_file(ready / "model/model.safetensors")
    trained_with(ready, tiny_model, learning_rate=0.0, weight_decay=0.0)
    before = load_file(ready / "model/model.safetensors")
    moved = {name: float((weights[name] - before[name]).abs().max()) for name in weights}
    assert moved["classifier.weight"] == 0
    first, last = (f"bert.encoder.layer.{number}.output.dense.weight" for number in (0, 1))
    assert 0 < moved[first] < moved[last] / 20
