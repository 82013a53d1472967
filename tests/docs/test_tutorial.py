"""The blocks of the tutorial run on `sample`, one after the other."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from faults.forks import Forks

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_tutorial_runs_on_sample(tiny_model: str, forks: Forks, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    blocks = BLOCK.findall((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"))
    assert "RECIPE=sample" in blocks[0]
    command = f'nertool() {{ {forks.in_shell()} "$@"; }}\n'
    settings = {"BERT_MODEL": tiny_model, "NUM_EPOCHS": "1", "LEARNING_RATE": "5e-3"}
    script = "\n".join(["set -euo pipefail", command, *blocks])
    # a tiny random model for one epoch: what INT8 loses of it is chance
    script = script.replace("--tolerance 0.02", "--tolerance 0.9")
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={**os.environ, **settings}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("train.txt.tmp", "labels.txt", "model/config.json", "quantized/quantization.json"):
        assert (tmp_path / "sample" / name).exists(), name
    assert (tmp_path / "sample" / "evaluation" / "report.html").exists()
    assert "Vienna" in done.stdout
