"""The whole way once, as a user runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from faults.forks import Forks
from helpers import needs_inc, write_corpus

from nertool import chain
from nertool.errors import NertoolError
from nertool.workspace.workspace import Workspace


@needs_inc
@pytest.mark.slow
def test_the_chain_on_sample_from_download_to_predictions(tiny_model: str, tmp_path: Path, forks: Forks) -> None:
    """With the tiny model, whose scores are of no interest here, so that the tolerance lets all pass."""
    command = ["run", "sample", "-w", str(tmp_path), "--model", tiny_model, "--max-length", "64", "--num-epochs", "1"]
    command += ["--tolerance", "0.99", "--max-trials", "1"]
    first = forks.run(*command, "--json")
    assert first.code == 0, first
    results = json.loads(first.out)
    assert list(results) == ["download", "preprocess", "labels", "train", "evaluate", "quantize"] + [
        "evaluate:quantized",
        "predict:test",
    ]
    for name in (
        "raw/sample-train.tsv",
        "train.txt.tmp",
        "test.txt",
        "labels.txt",
        "model/model.safetensors",
        "evaluation/test_results.json",
        "evaluation/quantized/test_predictions.txt",
        "quantized/quantization.json",
        "predictions/test.conll",
        "workspace.json",
        "runs.jsonl",
    ):
        assert (tmp_path / name).stat().st_size > 0, name
    assert all(results["preprocess"][split]["dropped"] for split in ("train", "dev", "test"))
    assert all(results["preprocess"][split]["breaks"] for split in ("train", "dev", "test"))
    assert "dropped" in first.err and "blank lines put in" in first.err
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if not path.name.startswith(".")}
    second = forks.run(*command)
    assert second.code == 0
    assert "nothing to do: every stage is fresh" in second.err
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if not path.name.startswith(".")}
    assert after.items() >= {key: value for key, value in before.items() if key != tmp_path}.items()


def test_a_backend_that_is_missing_is_told_before_the_training(
    tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optimum.intel", None)  # what an absent package looks like to import
    write_corpus(tmp_path)
    values = {"model": tiny_model, "num_epochs": 1.0, "batch_size": 8}
    with pytest.raises(
        NertoolError, match=r"--backend inc \(the default\): Neural Compressor is not installed"
    ) as error:
        list(chain.run(Workspace(tmp_path), values))
    assert "quantize --backend onnx" in error.value.hint
    assert (tmp_path / "labels.txt").exists() and not (tmp_path / "model").exists()
    results = list(chain.run(Workspace(tmp_path), values, until="train"))
    assert results[-1].stage == "train"
