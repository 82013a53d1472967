"""With an ONNX graph, tagging imports neither PyTorch nor transformers nor datasets, and tags as it does with them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import write_graph

from nertool.cli.main import main
from nertool.errors import InvalidData, NertoolError
from nertool.models.load_tagger import load_tagger
from nertool.models.model_directory import stored_labels

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("tokenizers")

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
from nertool.cli.main import main
main(sys.argv[2:])
"""
"""Runs nertool where the packages that the first argument names cannot be imported."""
HEAVY = "torch,transformers,datasets"
NOT_INSTALLED = "onnx,accelerate,safetensors,huggingface_hub,pyarrow,pandas,seqeval,sklearn,scipy,requests,jinja2,tqdm"
"""What the slim set-up of docs/prediction.md lacks beside these."""
TEXT = "Anna Keller flew to Bern .\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """One that holds a graph and nothing else."""
    write_graph(tmp_path / "quantized")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "Anna B-PER\nKeller B-PER\nflew O\nto O\nBern B-LOC\n. O\n\n"),
        (["--entities", "--min-score", "0.4"], None),
        (["--format", "jsonl"], None),
    ],
)
def test_predict_imports_none_of_them(workspace: Path, arguments: list[str], expected: str | None) -> None:
    command = ["predict", "--quantized", "-w", str(workspace), *arguments]
    blocked = [sys.executable, "-c", BLOCKED, f"{HEAVY},{NOT_INSTALLED}"]
    done = subprocess.run([*blocked, *command], input=TEXT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert expected is None or done.stdout == expected
    assert "Anna" in done.stdout and "Bern" in done.stdout


def test_score_imports_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "tagged").write_text("Anna B-PER B-PER\nflew O O\n\n")
    command = ["score", str(tmp_path / "tagged"), "--json"]
    done = subprocess.run([sys.executable, "-c", BLOCKED, HEAVY, *command], capture_output=True, text=True)
    assert done.returncode == 0 and '"f1": 1.0' in done.stdout


def test_probabilities_are_those_of_the_logits(workspace: Path) -> None:
    """Windows too: the model takes six sub-words, and each word has one."""
    tagger = load_tagger(workspace / "quantized")
    (tagging,) = tagger.tag_scored([["Anna", "left", "Bern"] * 5])
    first, second, third = (math.exp(logit / 1.25) for logit in (0.0, 3.0, 0.5))
    assert tagging.tags == ["B-PER", "O", "B-LOC"] * 5
    assert tagging.scores[0] == pytest.approx(second / (first + second + third))
    assert stored_labels(workspace / "quantized") == ["B-LOC", "B-PER", "O"]


@pytest.mark.parametrize(
    "change",
    [
        *({"labels": "B-PER"}, {"labels": []}, {"labels": ["O", "O"]}, {"labels": [1]}, {"max_length": 0}),
        *({"labels": ["O", "B-\nPER"]}, {"labels": ["O", ""]}, {"labels": ["O", "B-\x1b[m"]}, {"pad_id": 2**70}),
        *({"labels": ["O", "B" * 2000]}, {"labels": [str(number) for number in range(20_000)]}),
        *(
            {"max_length": 10**9},
            {"max_length": True},
            {"pad_id": -1},
            {"pad_id": "0"},
            {"type_ids": 0},
            {"more": 1},
            {"made_from": [1]},
        ),
    ],
)
def test_a_damaged_encoding_is_told(workspace: Path, change: dict[str, Any]) -> None:
    path = workspace / "quantized/encoding.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InvalidData, match=r"encoding\.json is not what quantize writes") as error:
        load_tagger(workspace / "quantized")
    assert "nertool quantize --force" in error.value.hint


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": "1.0", "model": {"type": "WordLevel"}}'])
def test_a_damaged_tokenizer_is_two_lines(workspace: Path, content: str) -> None:
    tokenizer, path = workspace / "quantized/tokenizer.json", workspace / "quantized/encoding.json"
    tokenizer.write_text(content)
    encoding = json.loads(path.read_text())
    path.write_text(json.dumps({**encoding, "made_from": {}}))
    with pytest.raises(NertoolError) as error:
        load_tagger(workspace / "quantized")
    assert len(str(error.value).splitlines()) == 2


def test_more_added_tokens_than_can_be_loaded_are_refused(workspace: Path) -> None:
    tokenizer, path = workspace / "quantized/tokenizer.json", workspace / "quantized/encoding.json"
    content = json.loads(tokenizer.read_text())
    tokenizer.write_text(json.dumps({**content, "added_tokens": [content["added_tokens"][0]] * 60_000}))
    path.write_text(json.dumps({**json.loads(path.read_text()), "made_from": {}}))
    with pytest.raises(NertoolError, match=r"number of added tokens \(tokenizer.json\) 60,000 is more"):
        load_tagger(workspace / "quantized")


def test_a_tokenizer_that_leaves_no_room_is_told(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = workspace / "quantized/encoding.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_length": 2}))
    with pytest.raises(SystemExit):
        main(["predict", "--quantized", "-w", str(workspace), __file__])
    assert "leaves no room" in capsys.readouterr().err
