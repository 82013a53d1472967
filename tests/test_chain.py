"""The whole way once, as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import needs_inc


def nertool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "nertool", *arguments], capture_output=True, text=True)


@needs_inc
@pytest.mark.slow
def test_the_chain_on_sample_from_download_to_predictions(tiny_model: str, tmp_path: Path) -> None:
    """With the tiny model, whose scores are of no interest here, so that the tolerance lets all pass."""
    command = ["run", "sample", "-w", str(tmp_path), "--model", tiny_model, "--max-length", "64", "--num-epochs", "1"]
    command += ["--tolerance", "0.99", "--max-trials", "1"]
    first = nertool(*command, "--json")
    assert first.returncode == 0, first.stderr
    results = json.loads(first.stdout)
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
    assert "dropped" in first.stderr and "blank lines put in" in first.stderr
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if not path.name.startswith(".")}
    second = nertool(*command)
    assert second.returncode == 0
    assert "nothing to do: every stage is fresh" in second.stderr
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if not path.name.startswith(".")}
    assert after.items() >= {key: value for key, value in before.items() if key != tmp_path}.items()
