"""The blocks of docs/active-learning.md run on `sample`; between them a stand-in annotates what there is."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from faults.forks import Forks

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_loop_runs_on_sample(tiny_model: str, forks: Forks, tmp_path: Path) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / "active-learning.md").read_text(encoding="utf-8"))
    person = shlex.join([sys.executable, str(Path(__file__).with_name("annotator.py"))])
    script = f'set -euo pipefail\nnertool() {{ {forks.in_shell()} "$@"; }}\n'
    script += "".join(f"{block}\n{person}\n" for block in blocks)
    script, count = re.subn("--num-epochs [0-9]+", "--num-epochs 1", script)
    assert count
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "BERT_MODEL": tiny_model},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    facts = json.loads((tmp_path / "loop" / "workspace.json").read_text())["stages"]["download"]["facts"]
    assert facts["train"]["sentences"] == 400 and facts["test"]["sentences"] == 100
    texts = [row["data"]["text"] for row in json.loads((tmp_path / "labelled.json").read_text())]
    assert len(set(texts)) > 590, "no round asks for what is labelled already"
