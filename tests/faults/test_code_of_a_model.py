"""Code that comes with a model runs with `--trust-remote-code` alone; nothing asks on standard input."""

from __future__ import annotations

import ast
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.forks import Forks
from helpers import needs_inc, write_graph

import nertool
from nertool.cli.main import main
from nertool.int8 import measure
from nertool.stages import evaluate
from nertool.workspace.workspace import Workspace

OWN_CONFIG = """
from pathlib import Path
from transformers import BertConfig

class OwnConfig(BertConfig):
    model_type = "own"

Path({proof!r}).write_text("ran")
"""
OWN_MODEL = """
from pathlib import Path
from transformers import BertForTokenClassification
from .configuration_own import OwnConfig

class OwnModel(BertForTokenClassification):
    config_class = OwnConfig

Path({proof!r}).write_text("ran")
"""
OWN_TOKENIZER = """
from pathlib import Path
from transformers import BertTokenizerFast

class OwnTokenizer(BertTokenizerFast):
    pass

Path({proof!r}).write_text("ran")
"""


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    """The file that the code of a model writes."""
    return tmp_path / "proof"


def edit(path: Path, **keys: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def give_code(directory: Path, proof: Path) -> Path:
    """Let configuration and weights of a model need code that lies beside them."""
    (directory / "configuration_own.py").write_text(OWN_CONFIG.format(proof=str(proof)))
    (directory / "modeling_own.py").write_text(OWN_MODEL.format(proof=str(proof)))
    auto_map = {
        "AutoConfig": "configuration_own.OwnConfig",
        "AutoModelForTokenClassification": "modeling_own.OwnModel",
    }
    edit(directory / "config.json", model_type="own", auto_map=auto_map)
    return directory


def give_tokenizer_code(directory: Path, proof: Path) -> Path:
    """Let the tokenizer of a model need code that lies beside it."""
    (directory / "tokenization_own.py").write_text(OWN_TOKENIZER.format(proof=str(proof)))
    auto_map = {"AutoTokenizer": [None, "tokenization_own.OwnTokenizer"]}
    edit(directory / "tokenizer_config.json", tokenizer_class="OwnTokenizer", auto_map=auto_map)
    return directory


STDIN = "anna left\ny\n1\ny\n"
"""Data that could be answers."""


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Runs a command in this process, which must end with an error in two lines that name the option."""

    def run(*arguments: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(STDIN.encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        out, err = capsys.readouterr()
        check_refused(end.value.code, out, err)

    return run


def check_refused(status: object, out: str, err: str) -> None:
    lines = err.splitlines()
    assert status == 1 and out == "" and len(lines) == 2, (out, err)
    assert lines[0].startswith("error: ") and "code of its own" in lines[0]
    assert "--trust-remote-code" in lines[1]


def record_again(workspace: Workspace) -> None:
    """Let the record of train fit its files, as a stranger would."""
    path = workspace / "workspace.json"
    content = json.loads(path.read_text())
    content["stages"]["train"]["writes"] = {}
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("own", [give_code, give_tokenizer_code])
@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "--allow-stale"],
        ["predict", "--split", "test", "--allow-stale"],
        ["evaluate", "--allow-stale"],
        pytest.param(["quantize", "--allow-stale"], marks=needs_inc),
        ["train", "-m", "{model}", "--overwrite-output-dir", "--force"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_model_that_needs_its_own_code_is_refused(
    own: Callable[[Path, Path], Path],
    arguments: list[str],
    copy: Workspace,
    tiny_model: str,
    proof: Path,
    tmp_path: Path,
    refused: Callable[..., None],
) -> None:
    own(copy / "model", proof)
    record_again(copy)
    model = str(own(shutil.copytree(tiny_model, tmp_path / "theirs"), proof))
    refused(*(argument.format(model=model) for argument in arguments), "-w", str(copy.path))
    assert not proof.exists()


def test_piped_data_are_no_answers(copy: Workspace, proof: Path, forks: Forks) -> None:
    give_code(copy / "model", proof)
    record_again(copy)
    end = forks.run("predict", "--allow-stale", "-w", str(copy.path), text=STDIN)
    check_refused(end.code, end.out, end.err)
    assert not proof.exists()


@pytest.mark.parametrize("stage", ["preprocess", "check"])
def test_a_tokenizer_that_needs_its_own_code_is_refused(
    stage: str,
    workspace: Workspace,
    tiny_model: str,
    proof: Path,
    tmp_path: Path,
    refused: Callable[..., None],
    forks: Forks,
) -> None:
    model = give_tokenizer_code(shutil.copytree(tiny_model, tmp_path / "theirs"), proof)
    refused(stage, "-m", str(model), "-w", str(workspace.path))
    assert not proof.exists()
    end = forks.run(stage, "-m", str(model), "-w", str(workspace.path), "--trust-remote-code", text=STDIN)
    assert end.code == 0, end
    assert proof.exists()


@pytest.mark.slow
def test_a_trusted_model_runs_its_code_and_the_record_says_so(copy: Workspace, proof: Path, forks: Forks) -> None:
    give_code(copy / "model", proof)
    record_again(copy)
    trusting = ["--allow-stale", "--trust-remote-code", "-w", str(copy.path)]
    end = forks.run("predict", "--split", "test", *trusting, text=STDIN)
    assert end.code == 0, end
    assert proof.exists()
    assert copy.records()["predict:test"]["options"]["trust_remote_code"] is True


@pytest.mark.parametrize("backend", [pytest.param("inc", marks=needs_inc), "onnx"])
@pytest.mark.slow
def test_a_trusted_model_is_quantized_and_measured_by_processes_that_trust_it(
    backend: str, copy: Workspace, proof: Path, forks: Forks
) -> None:
    if backend == "onnx":
        pytest.importorskip("onnxruntime")
    give_code(copy / "model", proof)
    record_again(copy)
    trusting = ["--allow-stale", "--trust-remote-code", "-w", str(copy.path)]
    options = ["--backend", backend, "--max-trials", "1", "--tolerance", "0.9"]
    end = forks.run("quantize", *options, *trusting, text=STDIN, here=backend == "inc")  # whose processes start slowly
    assert end.code == 0, end
    assert copy.records()["quantize"]["options"]["trust_remote_code"] is True


def test_a_model_that_was_compared_with_is_refused_too(trained: Path, copy: Workspace, proof: Path) -> None:
    other = give_code(shutil.copytree(trained / "model", proof.with_name("other")), proof)
    with pytest.raises(nertool.NertoolError, match="code of its own"):
        evaluate.run(copy, evaluate.Options(split=["dev"], compare=str(other)))
    assert not proof.exists()


def test_the_library_does_not_run_code_either(trained: Path, proof: Path) -> None:
    model = give_code(shutil.copytree(trained / "model", proof.with_name("other")), proof)
    with pytest.raises(nertool.NertoolError, match="code of its own"):
        nertool.load_tagger(model)
    assert not proof.exists()
    assert list(nertool.load_tagger(model, trust_remote_code=True).tag([["anna"]]))


@pytest.mark.model
def test_modules_of_the_current_directory_do_not_run(
    proof: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a workspace of a stranger."""
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    for name in ("json", "numpy", "nertool", "onnxruntime", "tokenizers"):
        (tmp_path / f"{name}.py").write_text(f"open({str(proof)!r}, 'w')")
    model = write_graph(tmp_path / "model")
    (tmp_path / "dev.txt").write_text("anna B-PER\nleft O\n\n")
    (tmp_path / "tags").mkdir()
    measure.measure(model, {"dev": Path("dev.txt")}, tmp_path / "tags")
    assert json.loads((tmp_path / "tags/dev.json").read_text()) == [["B-PER", "O"]]
    assert not proof.exists()


def test_all_loads_go_through_one_place() -> None:
    package = Path(nertool.__file__).parent
    loads = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("from_pretrained", "from_config"):
                loads.add(path.relative_to(package).as_posix())
    assert loads == {"models/loading.py", "int8/inc.py"}, "the second quantizes a model that is loaded"
