"""Real processes, killed while a stage works: the workspace is as it was, and the next run goes on from there."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
from pathlib import Path

import pytest
from faults.forks import Forks
from helpers import fill, needs_inc, snapshot

from nertool.cli.main import main
from nertool.int8 import measure
from nertool.stages import preprocess
from nertool.workspace.workspace import Workspace

TRAIN = ["--num-epochs", "8", "--batch-size", "4", "--learning-rate", "5e-3", "--save-steps", "7"]
"""The settings of the fixture `trained`, with more checkpoints: after each 7 steps, and after each epoch of 15."""
AGAIN = [*TRAIN, "--seed", "2", "--overwrite-output-dir"]
"""Trains another model in the place of that."""


def stopped(
    forks: Forks, moment: tuple[str, str, int], *arguments: str, number: signal.Signals = signal.SIGKILL
) -> str:
    """Run a command that gets the signal at that moment; returns its stderr."""
    event, place, at = moment
    end = forks.run(*arguments, number=number, event=event, place=place, at=at)
    assert end.code == (-number if number == signal.SIGKILL else 128 + number), end.err
    return end.err


def succeeds(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command to its end; returns its stderr."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    errors = capsys.readouterr().err
    assert end.value.code == 0, errors
    return errors


def state(workspace: Workspace, stage: str) -> str:
    return next(state.name for state in Workspace(workspace.path).status() if state.stage == stage)


def old_files(workspace: Workspace, *names: str) -> None:
    """Files that the stage has to replace as a whole, or to leave."""
    for name in names:
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text("old")


# -- stages that need no model ---------------------------------------------------------------------

LIGHT = {
    "while it writes": ("open", ".partial-{}/files/", 2),
    "before all is written": ("open", ".partial-{}/commit.json", 1),
    "before it publishes": ("os.rename", "/.commit", 1),
}


@pytest.mark.parametrize(
    ("stage", "when"), [("download", "while it writes"), *itertools.product(["preprocess", "labels"], LIGHT)]
)
def test_a_killed_stage_leaves_what_an_earlier_run_wrote(
    stage: str, when: str, workspace: Workspace, tiny_model: str, forks: Forks, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {"download": ["sample"], "preprocess": ["--model", tiny_model], "labels": []}[stage]
    command = [stage, *arguments, "-w", str(workspace.path)]
    if stage == "download":
        command.append("--force")
    else:
        fill(workspace, tiny_model, "labels")
        changed = workspace / {"preprocess": "train.txt.tmp", "labels": "train.txt"}[stage]
        changed.write_text(changed.read_text() + "clara B-NEW\n\n")
    before = snapshot(workspace.path)
    event, place, times = LIGHT[when]
    stopped(forks, (event, place.format(stage), times), *command)
    assert snapshot(workspace.path) == before
    assert state(workspace, stage) == {"download": "edited", "preprocess": "stale", "labels": "stale"}[stage]
    succeeds(capsys, *command)
    assert snapshot(workspace.path) != before
    assert state(workspace, stage) == "fresh"


def test_a_first_run_that_is_killed_leaves_nothing(
    tmp_path: Path, forks: Forks, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(tmp_path / "workspace")
    for event, place, times in LIGHT.values():
        stopped(forks, (event, place.format("download"), times), "download", "sample", "-w", str(workspace.path))
        assert snapshot(workspace.path) == {}
        assert state(workspace, "download") == "missing"
    succeeds(capsys, "download", "sample", "-w", str(workspace.path))
    assert {"train.txt.tmp", "raw/sample-dev.tsv", "workspace.json"} <= set(snapshot(workspace.path))


@pytest.mark.parametrize(
    ("moment", "moved"),
    [
        (("os.rename", "/.commit/files/", 1), 0),
        (("os.rename", "/.commit/files/", 3), 2),
        (("os.rename", "workspace.json", 1), 3),
    ],
)
def test_what_was_published_before_the_kill_is_there_whole_for_whoever_asks_next(
    moment: tuple[str, str, int], moved: int, workspace: Workspace, tiny_model: str, forks: Forks
) -> None:
    other = Workspace(shutil.copytree(workspace.path, workspace.path.with_name("other") / "workspace"))
    preprocess.run(workspace, preprocess.Options(model=tiny_model))
    preprocess.run(other, preprocess.Options(model=tiny_model, max_length=5))
    old, new = snapshot(workspace.path), snapshot(other.path)
    stopped(forks, moment, "preprocess", "--model", tiny_model, "--max-length", "5", "-w", str(workspace.path))
    files = ["train.txt", "dev.txt", "test.txt"]
    between = snapshot(workspace.path)
    assert [between[name] for name in files] == [new[name] for name in files[:moved]] + [
        old[name] for name in files[moved:]
    ]
    told = json.loads(forks.run("status", "--json", "-w", str(workspace.path)).out)
    assert told["preprocess"]["state"] == "fresh"
    assert snapshot(workspace.path) == new != between


def test_an_interrupted_stage_ends_with_130_and_changes_nothing(
    workspace: Workspace, tiny_model: str, forks: Forks
) -> None:
    fill(workspace, tiny_model, "preprocess")
    before = snapshot(workspace.path)
    command = ["labels", "-w", str(workspace.path)]
    errors = stopped(forks, ("open", ".partial-labels/files/", 1), *command, number=signal.SIGINT)
    assert "Traceback" not in errors
    assert snapshot(workspace.path) == before
    last = json.loads((workspace / "runs.jsonl").read_text().splitlines()[-1])
    assert (last["stage"], last["outcome"]) == ("labels", "interrupted")


# -- stages with a model ---------------------------------------------------------------------------

HEAVY = {
    "evaluate": (
        ["--split", "dev"],
        ("open", ".partial-evaluate-dev/files/evaluation/dev_results.json", 1),
        ["evaluation/dev_results.json", "evaluation/dev_predictions.txt"],
    ),
    "quantize": (
        ["--tolerance", "0.9", "--max-trials", "2"],
        ("open", ".partial-quantize/files/quantized/quantization.json", 1),
        ["quantized/quantization.json", "quantized/config.json", "quantized/old.txt"],
    ),
    "predict": (["--split", "test"], ("open", ".partial-predict-test/commit.json", 1), ["predictions/test.conll"]),
}


@pytest.mark.parametrize("stage", ["evaluate", pytest.param("quantize", marks=needs_inc), "predict"])
@pytest.mark.slow
def test_a_killed_stage_leaves_the_files_it_would_have_replaced(
    stage: str,
    copy: Workspace,
    forks: Forks,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measure, "measure", measure.measure_here)
    arguments, moment, names = HEAVY[stage]
    old_files(copy, *names)
    before = snapshot(copy.path)
    command = [stage, *arguments, "-w", str(copy.path), "--force"]
    stopped(forks, moment, *command)
    assert snapshot(copy.path) == before
    assert next(state.name for state in copy.status() if state.stage.startswith(stage)) == "edited"
    succeeds(capsys, *command)
    assert "old" not in [path.read_text(errors="replace") for path in copy.path.rglob("*") if path.is_file()]
    assert not (copy / "quantized/old.txt").exists()
    assert next(state.name for state in copy.status() if state.stage.startswith(stage)) == "fresh"


@pytest.mark.slow
def test_train_killed_once_it_has_published_has_the_new_model(
    copy: Workspace, tiny_model: str, forks: Forks, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "-m", tiny_model, "--num-epochs", "1", "--seed", "2", "-w", str(copy.path)]
    command.append("--overwrite-output-dir")
    before = snapshot(copy.path)
    stopped(forks, ("os.rename", "/.commit/files/", 1), *command)
    assert state(copy, "train") == "fresh"
    after = snapshot(copy.path)
    assert after["model/model.safetensors"] != before["model/model.safetensors"]
    assert copy.facts("train")["steps"] == 2
    assert [name for name in after if "checkpoint-120" in name] == []
    assert "train: nothing to do" in succeeds(capsys, *command)
    assert snapshot(copy.path) == after


@pytest.fixture(scope="module")
def ran_through(trained: Path, tiny_model: str, forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the model of `AGAIN`, in a process of its own, as it is killed in."""
    copy = shutil.copytree(trained, tmp_path_factory.mktemp("ran-through") / "workspace")
    assert forks.run("train", "-m", tiny_model, *AGAIN, "-w", str(copy)).code == 0
    return copy


@pytest.fixture(scope="module")
def cut_short(trained: Path, tiny_model: str, forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training killed while it wrote the checkpoint of step 56; the last whole one is that of step 49."""
    copy = shutil.copytree(trained, tmp_path_factory.mktemp("cut-short") / "workspace")
    before = snapshot(copy)
    stopped(forks, ("open", "checkpoint-56/trainer_state.json", 1), "train", "-m", tiny_model, *AGAIN, "-w", str(copy))
    assert snapshot(copy) == before
    assert {path.name for path in (copy / ".training").glob("checkpoint-*")} == {"checkpoint-49", "checkpoint-56"}
    return copy


DAMAGE = {
    "": "goes on from step 49 of 120",
    "checkpoint-49/trainer_state.json": "checkpoint-49 is damaged or was cut short: it is dropped",
    "checkpoint-49/optimizer.pt": "checkpoint-49 is damaged or was cut short: it is dropped",
    "kept/model.safetensors": "kept is damaged: the training begins anew",
    "identity.json": "checkpoints are dropped: of a run with other options or data, or damaged",
}
"""File of a training that was killed, in which a bit is changed -> what is told."""


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.slow
def test_a_killed_training_ends_as_one_that_ran_through(
    name: str, cut_short: Path, ran_through: Path, tiny_model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(cut_short, tmp_path / "copy")
    if name:
        content = bytearray((copy / ".training" / name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / ".training" / name).write_bytes(content)
    errors = succeeds(capsys, "train", "-m", tiny_model, *AGAIN, "-w", str(copy))
    assert DAMAGE[name] in " ".join(errors.split()) and ("goes on" in errors) == (not name)
    ours, theirs = ({path.relative_to(w): path for path in (w / "model").rglob("*")} for w in (copy, ran_through))
    assert ours.keys() == theirs.keys()
    for one, other in zip(ours.values(), theirs.values(), strict=True):
        if one.is_file() and one.suffix in (".json", ".safetensors", ".md", ".txt"):
            assert one.read_bytes() == other.read_bytes(), one
    assert Workspace(copy).facts("train") == Workspace(ran_through).facts("train")
    assert sorted(path.name for path in copy.iterdir() if path.name.startswith(".")) == [".examples", ".lock"]


@pytest.mark.slow
def test_status_names_the_command_that_goes_on_with_a_killed_training(
    cut_short: Path, tiny_model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = shutil.copytree(cut_short, tmp_path / "moved")
    (trained,) = (state for state in Workspace(moved).status() if state.stage == "train")
    assert (trained.name, trained.why) == ("fresh", "interrupted, 2 checkpoints kept")
    assert trained.command == f"nertool train -m {tiny_model} {' '.join(AGAIN)} -w {moved}"
    assert "goes on from step 49" in succeeds(capsys, *trained.command.split()[1:])
    (trained,) = (state for state in Workspace(moved).status() if state.stage == "train")
    assert (trained.name, trained.why) == ("fresh", "")


@pytest.mark.slow
def test_a_checkpoint_that_was_about_to_go_is_not_published(
    copy: Workspace, tiny_model: str, forks: Forks, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--num-epochs", "1", "--batch-size", "4", "--save-steps", "7", "--overwrite-output-dir"]
    command = ["train", "-m", tiny_model, *options, "-w", str(copy.path)]
    stopped(forks, ("shutil.rmtree", "checkpoint-14", 1), *command)
    assert {path.name for path in (copy / ".training").glob("checkpoint-*")} == {"checkpoint-14", "checkpoint-15"}
    succeeds(capsys, *command)
    assert [path.name for path in (copy / "model").glob("checkpoint-*")] == ["checkpoint-15"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--num-epochs", "1", "--batch-size", "16", "--overwrite-output-dir"], "of a run with other options or data"),
        ([*AGAIN, "--force"], "by --force"),
    ],
)
def test_checkpoints_of_another_run_are_not_gone_on_from(
    options: list[str], why: str, cut_short: Path, tiny_model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(cut_short, tmp_path / "copy")
    errors = succeeds(capsys, "train", "-m", tiny_model, *options, "-w", str(copy))
    assert f"checkpoints are dropped: {why}" in errors
    assert "goes on" not in errors


@pytest.mark.slow
def test_a_killed_training_with_teachers_and_averages_ends_as_one_that_ran_through(
    trained: Path, tiny_model: str, forks: Forks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("anna saw vienna .\nclara left new lisbon and praised oslo !\n")
    options = ["--teacher", str(trained), "--unlabelled", str(text), "--num-epochs", "1", "--save-steps", "7"]
    options += ["--ema", "0.9", "--head-learning-rate", "1e-3", "--layer-decay", "0.8"]
    command = ["train", "-m", tiny_model, *options, "--batch-size", "4", "--overwrite-output-dir", "-w"]
    cut_short, whole = (Path(shutil.copytree(trained, tmp_path / name)) for name in ("cut-short", "whole"))
    stopped(forks, ("open", "checkpoint-21/trainer_state.json", 1), *command, str(cut_short))
    assert "goes on from step 14 of 30" in succeeds(capsys, *command, str(cut_short))
    succeeds(capsys, *command, str(whole))
    ours, theirs = snapshot(cut_short), snapshot(whole)
    for name in ("model/model.safetensors", "model/config.json", "workspace.json"):
        assert ours[name] == theirs[name], name
