"""A loss or weights that are no numbers end a training where it happened; NaN is never written as JSON."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers import needs_inc, snapshot

import nertool
from nertool.errors import InvalidOption, NertoolError
from nertool.stages import evaluate, predict, quantize, train
from nertool.workspace.digests import json_text, read_json
from nertool.workspace.workspace import Workspace

torch = pytest.importorskip("torch")


def train_at(workspace: Workspace, model: str, rate: float, **options: Any) -> None:
    train.run(workspace, train.Options(model=model, learning_rate=rate, batch_size=4, num_epochs=2.0, **options))


@pytest.mark.parametrize("rate", [1e30, 1e36])
def test_a_training_stops_at_the_step_whose_loss_is_no_number(rate: float, ready: Workspace, tiny_model: str) -> None:
    before = snapshot(ready.path)
    with pytest.raises(NertoolError, match=r"the loss is (nan|inf) at step \d+ of 30") as raised:
        train_at(ready, tiny_model, rate)
    assert raised.value.hint == f"Train with a --learning-rate below {rate:g}."
    assert snapshot(ready.path) == before


def test_half_precision_may_be_the_reason(ready: Workspace, tiny_model: str) -> None:
    with pytest.raises(NertoolError, match="the loss is (nan|inf)") as raised:
        train_at(ready, tiny_model, 1e30, precision="bf16")
    assert "--precision fp32" in raised.value.hint


@pytest.mark.parametrize("dev", [True, False])
def test_weights_of_the_last_step_are_looked_at_too(dev: bool, ready: Workspace, tiny_model: str) -> None:
    """A single step: its loss is a number, the weights that it leaves give none."""
    if not dev:
        (ready / "dev.txt").unlink()
    before = snapshot(ready.path)
    one_step = {"settings": ["max_steps=1"], "keep": "best" if dev else "last"}
    with pytest.raises(NertoolError, match="NaN or infinity") as raised:
        train_at(ready, tiny_model, 1e36, **one_step)
    assert "--learning-rate below 1e+36" in raised.value.hint
    assert snapshot(ready.path) == before


def spoil(model: Path, value: float) -> Path:
    """Put a value into weights that no sentence of the tests meets: the embedding of `#`."""
    from safetensors.torch import load_file, save_file

    weights = load_file(model / "model.safetensors")
    name = next(name for name in weights if name.endswith("word_embeddings.weight"))
    weights[name][45] = value
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    return model


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_training_does_not_start_from_weights_that_are_no_numbers(
    value: float, ready: Workspace, tiny_model: str, tmp_path: Path
) -> None:
    model = spoil(shutil.copytree(tiny_model, tmp_path / "model"), value)
    with pytest.raises(NertoolError, match=r"NaN or infinity among the weights .*word_embeddings"):
        train_at(ready, str(model), 1e-3)


@pytest.mark.parametrize("backend", [pytest.param("inc", marks=needs_inc), "onnx"])
def test_such_weights_are_not_quantized(backend: Any, copy: Workspace) -> None:
    pytest.importorskip("onnxruntime")
    spoil(copy / "model", float("nan"))
    with pytest.raises(NertoolError, match="NaN or infinity among the weights") as raised:
        quantize.run(copy, quantize.Options(backend=backend, allow_stale=True))
    assert "train --force" in raised.value.hint
    assert not (copy / "quantized").exists()


def test_a_model_that_gives_no_number_is_neither_evaluated_nor_predicted_with(copy: Workspace) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model/model.safetensors")
    weights["classifier.bias"][0] = float("nan")
    save_file(weights, copy / "model/model.safetensors", metadata={"format": "pt"})
    for run in (
        lambda: evaluate.run(copy, evaluate.Options(allow_stale=True)),
        lambda: predict.run(copy, predict.Options(split="test", allow_stale=True)),
    ):
        with pytest.raises(NertoolError, match="gives no number for"):
            run()
    assert not (copy / "evaluation").exists() and not (copy / "predictions").exists()


@needs_inc
def test_quantization_aware_training_stops_where_its_loss_is_no_number(copy: Workspace) -> None:
    with pytest.raises(NertoolError, match=r"the loss is (nan|inf) at step \d+ of \d+ of quantization-aware") as raised:
        quantize.run(copy, quantize.Options(approach="qat", qat_learning_rate=1e30))
    assert "--qat-learning-rate below 1e+30" in raised.value.hint
    assert not (copy / "quantized").exists()


# -- JSON ------------------------------------------------------------------------------------------

NO_FILES = {
    "corpus/records.py: record",
    "documents/json_list.py: value",
    "cli/config_files.py: tomllib.loads(text)",
    "cli/config_files.py: value",
    "cli/values.py: value",
    "cli/output.py: one",
}
"""What is looked at, parsed again at once, shown, or one character."""


def test_no_writer_writes_what_json_does_not_have() -> None:
    package = Path(nertool.__file__).parent
    lenient = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) not in ("json.dump", "json.dumps"):
                continue
            if "allow_nan" not in [keyword.arg for keyword in node.keywords]:
                lenient.add(f"{path.relative_to(package).as_posix()}: {ast.unparse(node.args[0])}")
    assert lenient == NO_FILES


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_options_are_numbers(value: float, ready: Workspace, tiny_model: str) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"loss": [value]})
    with pytest.raises(InvalidOption, match="--learning-rate .*: this is no number"):
        train_at(ready, tiny_model, value)


def test_what_older_files_hold_is_null(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text('{"loss": NaN, "f1": -Infinity, "p": 1e999, "epoch": 1.5}')
    assert read_json(tmp_path / "old.json") == {"loss": None, "f1": None, "p": None, "epoch": 1.5}
    assert json.loads(json_text(read_json(tmp_path / "old.json")))["epoch"] == 1.5
