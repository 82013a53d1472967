"""Weights that a model's files lack, or hold beside it: told, never random without a word."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nertool.errors import NertoolError
from nertool.models.load_tagger import load_tagger
from nertool.models.weights import load_weights
from nertool.progress import logger

torch = pytest.importorskip("torch")
Weights = dict[str, "torch.Tensor"]


def changed(model: str | Path, folder: Path, change: Callable[[Weights], Weights]) -> str:
    """A copy of a model with other weights, in pytorch_model.bin."""
    from safetensors.torch import load_file

    shutil.copytree(model, folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(change(weights), folder / "pytorch_model.bin")
    return str(folder)


def config_of(name: str) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(name)


def without_last_layer(weights: Weights) -> Weights:
    return {name: tensor for name, tensor in weights.items() if "encoder.layer.1." not in name}


def renamed(weights: Weights) -> Weights:
    return {f"module.{name}": tensor for name, tensor in weights.items()}


def with_a_layer_more(weights: Weights) -> Weights:
    more = {name.replace("layer.1.", "layer.2."): tensor for name, tensor in weights.items() if "layer.1." in name}
    return {**weights, **more}


def with_other_heads(weights: Weights) -> Weights:
    """What pretrained models hold beside the encoder."""
    return {
        **{f"bert.{name}": tensor for name, tensor in weights.items()},
        "bert.embeddings.position_ids": torch.arange(128)[None],
        "cls.predictions.bias": torch.zeros(5),
        "cls.seq_relationship.weight": torch.zeros(2, 32),
    }


BROKEN = {
    "lack a layer": (without_last_layer, r"lack 16 weights \(.*encoder\.layer\.1\..*, \.\.\.\)"),
    "wrapped for several devices": (renamed, r"lack \d+ weights .* hold \d+ weights \(module\.embeddings"),
    "a layer too many": (with_a_layer_more, r"lack no weight .* hold 16 weights \(encoder\.layer\.2\."),
}


@pytest.mark.parametrize(("change", "told"), BROKEN.values(), ids=BROKEN)
def test_a_training_does_not_start_from_other_weights_than_the_files_hold(
    change: Callable[[Weights], Weights], told: str, tiny_model: str, tmp_path: Path
) -> None:
    name = changed(tiny_model, tmp_path / "model", change)
    with pytest.raises(NertoolError, match=told) as raised:
        load_weights(name, config_of(name), new_head=True, allow_missing=False)
    assert "--allow-missing-weights" in raised.value.hint


def test_heads_of_the_pretraining_and_constants_of_older_releases_are_no_matter(
    tiny_model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = changed(tiny_model, tmp_path / "model", with_other_heads)
    model = load_weights(name, config_of(name), new_head=True, allow_missing=False)
    assert not [record for record in caplog.records if record.name == logger.name]
    before = load_weights(tiny_model, config_of(tiny_model), new_head=True, allow_missing=False)
    for key, tensor in before.base_model.state_dict().items():
        assert torch.equal(tensor, model.base_model.state_dict()[key])


def test_whoever_insists_is_warned(tiny_model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    name = changed(tiny_model, tmp_path / "model", without_last_layer)
    with caplog.at_level(logging.WARNING):
        load_weights(name, config_of(name), new_head=True, allow_missing=True)
    assert "lack 16 weights" in caplog.text
    assert "random" in caplog.text


def test_a_fine_tuned_model_needs_its_head(trained: Path, tmp_path: Path) -> None:
    def headless(weights: Weights) -> Weights:
        return {name: tensor for name, tensor in weights.items() if not name.startswith("classifier")}

    name = changed(trained / "model", tmp_path / "model", headless)
    with pytest.raises(NertoolError, match=r"lack 2 weights \(classifier\.bias, classifier\.weight\)"):
        load_tagger(name)
    assert list(load_tagger(name, allow_missing_weights=True).tag([["anna"]]))


def test_a_fine_tuned_model_with_a_layer_behind_its_head_is_refused(trained: Path, tmp_path: Path) -> None:
    """Its tags would be others: such as those of a model with a conditional random field."""

    def with_field(weights: Weights) -> Weights:
        return {**weights, "crf.transitions": torch.zeros(3, 3)}

    name = changed(trained / "model", tmp_path / "model", with_field)
    with pytest.raises(NertoolError, match=r"hold 1 weight \(crf\.transitions\)"):
        load_tagger(name)


def test_a_model_of_more_layers_in_its_configuration_than_in_its_files_is_refused(
    tiny_model: str, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(NertoolError, match="lack 16 weights"):
        load_weights(str(folder), config_of(str(folder)), new_head=True, allow_missing=False)
