"""A training that starts from some layers of an encoder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import measured_here, random_model

from nertool.errors import InvalidOption
from nertool.stages import evaluate, quantize, train
from nertool.workspace.workspace import Workspace

torch = pytest.importorskip("torch")

from nertool.training.layers import find_layers, parse_layers, with_layers  # noqa: E402


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra", "deberta-v2", "mpnet"])
def test_a_model_has_the_chosen_layers_in_their_order(family: str, tmp_path: Path) -> None:
    from transformers import AutoModelForTokenClassification

    whole = random_model(family)
    layers = find_layers(whole)
    assert layers
    weights = [next(layer.parameters()).clone() for layer in layers.modules]
    cut = with_layers(whole, "0,3", "it").eval()
    cut.save_pretrained(tmp_path)
    again = AutoModelForTokenClassification.from_pretrained(tmp_path).eval()
    assert again.config.num_hidden_layers == 2
    found = find_layers(again)
    assert found and [next(layer.parameters()).tolist() for layer in found.modules] == [
        weights[number].tolist() for number in (0, 3)
    ]
    ids = torch.tensor([[1, 7, 8, 9, 2]])
    assert torch.equal(again(input_ids=ids)["logits"], cut(input_ids=ids)["logits"])


@pytest.mark.parametrize(("family", "why"), [("albert", "are not known"), ("xlm", "are not known")])
def test_a_family_whose_layers_cannot_be_chosen_is_refused(family: str, why: str) -> None:
    with pytest.raises(InvalidOption, match=f"--layers 0,3: .*layers.* of {family} models {why}"):
        with_layers(random_model(family), "0,3", "it")


@pytest.mark.parametrize("text", ["0", "-1", "x", "1,", "2,1", "1,1", "-1,2", "1.5"])
def test_what_names_no_layers_is_refused_at_once(text: str) -> None:
    with pytest.raises(InvalidOption, match=f"--layers {text}: "):
        train.Options(layers=text)


def test_a_number_or_a_list_is_read() -> None:
    assert parse_layers("3") == 3 and parse_layers("0,2,5") == [0, 2, 5]


def test_more_layers_than_there_are_are_refused(ready: Workspace, tiny_model: str) -> None:
    for text in ("9", "0,2"):
        with pytest.raises(InvalidOption, match=f"--layers {text}: --model .* has 2 layers") as error:
            train.run(ready, train.Options(model=tiny_model, layers=text))
        assert error.value.hint == "Take a number from 1 to 2, or a list of numbers from 0 to 1."
    assert not (ready / "model").exists()


@pytest.mark.slow
def test_a_model_of_fewer_layers_goes_the_whole_way(ready: Workspace, tiny_model: str) -> None:
    pytest.importorskip("onnxruntime")
    train.run(ready, train.Options(model=tiny_model, layers="1", num_epochs=8.0, batch_size=4, learning_rate=5e-3))
    assert json.loads((ready / "model/config.json").read_text())["num_hidden_layers"] == 1
    assert ready.facts("train")["layers"] == [0]
    assert ready.records()["train"]["options"]["layers"] == "1"
    with measured_here():
        quantize.run(ready, quantize.Options(backend="onnx", tolerance=0.9, max_trials=1))
    results = evaluate.run(ready, evaluate.Options(quantized=True, split=["dev"]))
    assert results.facts["dev"]["f1"] > 0.9
