"""Data-parallel training: two processes take the steps of one, and only the first one speaks and publishes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from faults.forks import Forks
from helpers import fill

from nertool.workspace.seals import is_whole
from nertool.workspace.workspace import Workspace

torch = pytest.importorskip("torch")

TRAIN = ["--num-epochs", "2", "--precision", "fp32", "--learning-rate", "1e-3", "--set", "logging_steps=1"]


@pytest.fixture
def still_model(tiny_model: str, tmp_path: Path) -> str:
    """The tiny model without dropout, as each process draws numbers of its own."""
    folder = shutil.copytree(tiny_model, tmp_path / "still")
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def losses(workspace: Path) -> list[float]:
    (state,) = (workspace / "model").glob("checkpoint-*/trainer_state.json")
    return [entry["loss"] for entry in json.loads(state.read_text())["log_history"] if "loss" in entry]


ACCELERATE = ["--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
ACCELERATE += ["--dynamo_backend", "no", "--no_python"]
"""Accelerate starts several processes on a CPU too, if it is asked for several GPUs."""


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]


def torchrun(forks: Forks, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TORCHRUN, *forks.command(*arguments)], capture_output=True, text=True)


def train_alone(workspace: Workspace, model: str, forks: Forks, train: list[str]) -> Path:
    """A copy of the workspace, in which one process has trained; the last step of an epoch is not full."""
    lines = (workspace / "train.txt.tmp").read_text().split("\n\n")
    (workspace / "train.txt.tmp").write_text("\n\n".join(lines[:41]) + "\n\n")
    fill(workspace, model, "labels")
    copy = Path(shutil.copytree(workspace.path, workspace.path.with_name("alone")))
    end = forks.run(*train, "--batch-size", "8", "-w", str(copy))
    assert end.code == 0, end.err
    return copy


@pytest.fixture
def alone(workspace: Workspace, still_model: str, forks: Forks) -> Path:
    """What one process trains."""
    return train_alone(workspace, still_model, forks, ["train", "-m", still_model, *TRAIN])


@pytest.mark.parametrize(("accumulation", "teacher"), [(1, False), (2, True)])
@pytest.mark.slow
def test_two_processes_end_with_the_losses_and_weights_of_one(
    accumulation: int,
    teacher: bool,
    workspace: Workspace,
    trained: Path,
    still_model: str,
    forks: Forks,
    tmp_path: Path,
) -> None:
    from safetensors.torch import load_file

    text = tmp_path / "text.txt"
    text.write_text("anna saw vienna .\nclara left new lisbon and praised oslo !\n")
    options = ["--teacher", str(trained), "--unlabelled", str(text), "--unlabelled-share", "0.25"] if teacher else []
    train = ["train", "-m", still_model, *TRAIN, *options]
    alone = train_alone(workspace, still_model, forks, train)
    shares = ["--batch-size", str(4 // accumulation), "--gradient-accumulation-steps", str(accumulation)]
    done = torchrun(forks, *train, *shares, "--json", "-w", str(workspace.path))
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["facts"]["steps"] == (14 if teacher else 12)  # of 6 and of 8 sentences of train
    assert done.stderr.count("train: done") == 1
    assert losses(workspace.path) == pytest.approx(losses(alone), abs=2e-4)
    assert told["facts"]["dev_f1"] == Workspace(alone).facts("train")["dev_f1"]
    ours, theirs = (load_file(place / "model/model.safetensors") for place in (workspace.path, alone))
    for name, weights in theirs.items():
        torch.testing.assert_close(ours[name], weights, atol=1e-4, rtol=1e-3)


@pytest.mark.slow
def test_two_processes_train_a_model_that_does_not_use_all_its_parameters(
    workspace: Workspace, tiny_model: str, forks: Forks, tmp_path: Path
) -> None:
    """SqueezeBERT has a pooler, which no tag depends on."""
    from transformers import SqueezeBertConfig, SqueezeBertModel

    folder = shutil.copytree(tiny_model, tmp_path / "squeezed")
    (folder / "model.safetensors").unlink()
    small = {name: json.loads((folder / "config.json").read_text())[name] for name in ("vocab_size", "hidden_size")}
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    SqueezeBertModel(SqueezeBertConfig(**small, **sizes, embedding_size=small["hidden_size"])).save_pretrained(folder)
    fill(workspace, str(folder), "labels")
    done = torchrun(forks, "train", "-m", str(folder), *TRAIN, "--batch-size", "4", "--json", "-w", str(workspace.path))
    assert done.returncode == 0, done.stderr
    assert len(losses(workspace.path)) > 2


@pytest.mark.slow
def test_two_processes_draw_the_curve_of_one(workspace: Workspace, still_model: str, forks: Forks) -> None:
    train = ["train", "-m", still_model, *TRAIN, "--curve", "0.5"]
    alone = train_alone(workspace, still_model, forks, train)
    done = torchrun(forks, *train, "--batch-size", "4", "--json", "-w", str(workspace.path))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("1 is added") == done.stderr.count("part 1: 20 sentences") == 1
    facts = json.loads(done.stdout)["facts"]
    assert {name: facts[name] for name in ("curve", "gain")} == {
        name: Workspace(alone).facts("train")[name] for name in ("curve", "gain")
    }


@pytest.mark.slow
def test_what_another_run_has_left_is_gone_before_any_process_makes_directories(
    workspace: Workspace, still_model: str, forks: Forks
) -> None:
    fill(workspace, still_model, "labels")
    left = workspace / ".training/checkpoint-1"
    left.mkdir(parents=True)
    for number in range(5000):  # it takes the first process a while to remove them
        (left / str(number)).touch()
    train = ["train", "-m", still_model, *TRAIN, "--batch-size", "4", "--seeds", "1,2", "-w", str(workspace.path)]
    done = torchrun(forks, *train)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("checkpoints are dropped") == 1


@pytest.mark.slow
def test_a_checkpoint_is_whole_only_once_all_processes_have_written_their_part(
    workspace: Workspace, still_model: str, forks: Forks
) -> None:
    fill(workspace, still_model, "labels")
    train = ["train", "-m", still_model, *TRAIN, "--batch-size", "4", "--save-steps", "3", "-w", str(workspace.path)]
    fault = {"rank": "1", "event": "os.mkdir", "place": "checkpoint-6", "at": 1, "number": signal.SIGSTOP}
    older, newer = (workspace / f".training/checkpoint-{step}" for step in (3, 6))
    with subprocess.Popen([*TORCHRUN, *forks.command(*train, **fault)], stderr=subprocess.DEVNULL) as launcher:
        while launcher.poll() is None and not (newer / "rng_state_0.pth").exists():
            time.sleep(0.05)
        time.sleep(2)  # in which the first process would end its part
        written = {path.name for path in newer.iterdir()}
        launcher.terminate()
    assert "rng_state_0.pth" in written and "trainer_state.json" not in written and is_whole(older)
    done = torchrun(forks, *train)
    assert done.returncode == 0, done.stderr
    assert "checkpoint-6 is damaged or was cut short" in done.stderr and "goes on from step 3" in done.stderr


@pytest.mark.slow
def test_the_first_process_tells_what_is_wrong_and_what_is_done_already(
    trained: Path, tiny_model: str, forks: Forks, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(trained, tmp_path / "copy"))
    refused = torchrun(forks, "train", "-m", tiny_model, "--seed", "9", "-w", str(copy))
    assert refused.returncode == 1
    assert refused.stderr.count("error: ") == 1 and "--overwrite-output-dir" in refused.stderr
    same = ["--num-epochs", "8", "--batch-size", "4", "--learning-rate", "5e-3", "--save-steps", "1000"]
    fresh = torchrun(forks, "train", "-m", tiny_model, *same, "-w", str(copy))
    assert fresh.returncode == 0 and fresh.stderr.count("train: nothing to do") == 1


@pytest.mark.slow
def test_accelerate_starts_processes_that_train_together(
    workspace: Workspace, alone: Path, still_model: str, forks: Forks
) -> None:
    launcher = [sys.executable, "-m", "accelerate.commands.launch", *ACCELERATE]
    command = forks.command("train", "-m", still_model, *TRAIN, "--batch-size", "4", "-w", str(workspace.path))
    done = subprocess.run([*launcher, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("train: done") == 1
    assert losses(workspace.path) == pytest.approx(losses(alone), abs=2e-4)
