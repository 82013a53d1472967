"""What a killed run has left may be damaged or somebody else's: it is noticed, dropped and made anew."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.forks import Forks
from helpers import fill, refused

from nertool.errors import NertoolError
from nertool.stages import labels
from nertool.workspace.running import IDENTITY, RunningDirectory
from nertool.workspace.seals import PLACE, SEAL, is_sealed, is_whole, is_whole_here, seal, seal_here
from nertool.workspace.workspace import Workspace

DEEP = "[" * 100_000


def flip(path: Path) -> None:
    """Change a bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a bit": lambda folder: flip(folder / "rows/data"),
    "cut short": lambda folder: os.truncate(folder / "rows/data", 3),
    "a file less": lambda folder: (folder / "rows/data").unlink(),
    "a file more": lambda folder: (folder / "rows/more").touch(),
    "no seal": lambda folder: (folder / SEAL).unlink(),
    "a list": lambda folder: (folder / SEAL).write_text("[]"),
    "too deep": lambda folder: (folder / SEAL).write_text(DEEP),
    "no text": lambda folder: (folder / SEAL).write_bytes(b"\xff\xfe"),
    "empty": lambda folder: (folder / SEAL).write_text(""),
    "gone": shutil.rmtree,
}


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A folder of two files."""
    folder = tmp_path / "sealed"
    (folder / "rows").mkdir(parents=True)
    (folder / "rows/data").write_text("something")
    (folder / "counts.json").write_text("{}")
    seal(folder)
    return folder


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_breaks_a_seal(what: str, sealed: Path) -> None:
    assert is_whole(sealed) and is_sealed(sealed)
    DAMAGE[what](sealed)
    assert not is_whole(sealed)


def test_a_folder_that_was_moved_is_told_from_a_copy(sealed: Path) -> None:
    seal_here(sealed)
    assert is_whole(sealed) and is_whole_here(sealed)
    copy = shutil.copytree(sealed, sealed.with_name("copy"))
    assert is_whole(copy) and not is_whole_here(copy)
    moved = sealed.rename(sealed.with_name("moved"))
    assert is_whole_here(moved)
    seal(moved)
    assert not is_whole_here(moved), "somebody else has written the digests"
    (copy / PLACE).unlink()
    assert not is_whole_here(copy)


IDENTITIES: dict[str, Callable[[Path], object]] = {
    "a list": lambda path: path.write_text("[]"),
    "too deep": lambda path: path.write_text(DEEP),
    "no text": lambda path: path.write_bytes(b"\xff"),
    "a folder": Path.mkdir,
    "of another run": lambda path: path.write_text('{"options": {"seed": 2}}'),
}


@pytest.mark.parametrize("what", IDENTITIES)
def test_checkpoints_of_nobody_knows_what_are_dropped(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = RunningDirectory(tmp_path / ".training", "checkpoint")
    (running.path / "checkpoint-7").mkdir(parents=True)
    IDENTITIES[what](running.path / IDENTITY)
    running.begin({"options": {"seed": 1}})
    assert "checkpoints are dropped" in caplog.text
    assert [path.name for path in running.path.iterdir()] == [IDENTITY]
    assert json.loads((running.path / IDENTITY).read_text()) == {"options": {"seed": 1}}


def test_a_run_that_is_refused_leaves_what_it_has_finished_and_else_nothing(tmp_path: Path) -> None:
    running = RunningDirectory(tmp_path / ".training", "checkpoint")
    with pytest.raises(NertoolError), running.begun({"options": {}}, command="nertool train"):
        (running.path / "seed-1").mkdir()
        raise NertoolError("there is no such model", "Name another one.")
    assert not running.path.exists()
    with pytest.raises(NertoolError), running.begun({"options": {}}):
        (running.path / "checkpoint-7").mkdir()
        (running.path / "checkpoint-7/model.safetensors").touch()
        raise NertoolError("the loss is nan", "Take a lower --learning-rate.")
    assert (running.path / "checkpoint-7/model.safetensors").exists() and running.is_of({"options": {}})


@pytest.mark.model
def test_a_training_that_is_refused_leaves_nothing(ready: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere" in refused(capsys, "train", "--model", str(ready / "nowhere"), "-w", str(ready.path))[0]
    assert not (ready / ".training").exists()
    assert state_of_train(ready.path) == ("not run", "")


def test_a_run_that_is_interrupted_goes_on(tmp_path: Path) -> None:
    running = RunningDirectory(tmp_path / ".training", "checkpoint")
    with pytest.raises(KeyboardInterrupt), running.begun({"options": {"seed": 2}}):
        raise KeyboardInterrupt
    assert running.is_of({"options": {"seed": 2}})


def state_of_train(root: Path) -> tuple[str, str]:
    return next((state.why, state.command) for state in Workspace(root).status() if state.stage == "train")


def test_status_tells_an_interrupted_training_from_none_and_from_one_under_way(tmp_path: Path) -> None:
    assert state_of_train(tmp_path) == ("not run", "")
    running = Workspace(tmp_path).under_way("train")
    running.begin({"options": {}}, command="nertool train --seed 2 --force -w elsewhere")
    (tmp_path / ".lock-owner.json").write_text('{"pid": 99999999, "stage": "train"}')
    again = f"nertool train --seed 2 -w {tmp_path}"
    assert state_of_train(tmp_path) == ("interrupted, before its first checkpoint", again)
    (running.path / "seed-1" / "checkpoint-7").mkdir(parents=True)
    assert state_of_train(tmp_path) == ("interrupted, 1 checkpoint kept", again)
    (running.path / "command.json").write_text("[")
    assert state_of_train(tmp_path) == ("interrupted, 1 checkpoint kept", "")
    workspace = Workspace(tmp_path)
    with workspace.locked("train"):
        assert state_of_train(tmp_path) == (f"under way in process {os.getpid()}", "")
    with workspace.locked("run"):
        with workspace.locked("train"):
            assert state_of_train(tmp_path) == (f"under way in process {os.getpid()}", "")
        assert state_of_train(tmp_path) == ("interrupted, 1 checkpoint kept", "")
    assert not (tmp_path / ".lock-owner.json").exists()


def test_a_training_that_is_killed_before_it_keeps_anything_is_told(
    workspace: Workspace, tiny_model: str, forks: Forks
) -> None:
    fill(workspace, tiny_model, "labels")
    command = ["train", "-m", tiny_model, "-w", str(workspace.path)]
    assert forks.run(*command, number=signal.SIGKILL, place="/.examples/", at=1).code == -signal.SIGKILL
    told = ("interrupted, before its first checkpoint", f"nertool {' '.join(command)}")
    assert state_of_train(workspace.path) == told
    labels.run(workspace, labels.Options(force=True))
    assert state_of_train(workspace.path) == ("not run", "")


def test_another_process_with_the_number_of_a_killed_one_is_another(tmp_path: Path) -> None:
    """In a container, each command has the same number."""
    owner = {"pid": os.getpid(), "began": 1, "stage": "train"}
    (tmp_path / ".lock-owner.json").write_text(json.dumps(owner))
    assert state_of_train(tmp_path) == ("interrupted, before its first checkpoint", "")


def test_a_file_in_the_place_of_the_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".training").touch()
    running = RunningDirectory(tmp_path / ".training", "checkpoint")
    running.begin({"options": {}})
    assert running.is_of({"options": {}})


@pytest.mark.model
@pytest.mark.parametrize("damage", ["rows/data-00000-of-00001.arrow", "counts.json", "", "a copy"])
def test_damaged_examples_are_made_anew(
    damage: str, ready: Workspace, tiny_model: str, caplog: pytest.LogCaptureFixture
) -> None:
    from transformers import AutoTokenizer

    from nertool.training.examples import Source, load_examples

    labels = tuple((ready / "labels.txt").read_text().split())
    source = Source(ready / "train.txt", labels, 32)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    cache = ready / ".examples"
    before = load_examples(source, tokenizer, cache)
    if damage == "a copy":
        shutil.copytree(cache, ready / "copy")
        shutil.rmtree(cache)
        shutil.copytree(ready / "copy", cache)
    elif damage:
        flip(cache / source.key(tokenizer) / damage)
    else:
        shutil.rmtree(cache)
        cache.touch()
    after = load_examples(source, tokenizer, cache)
    assert ("the examples are made anew" in caplog.text) == bool(damage)
    assert after.counts == before.counts and after.lengths.tolist() == before.lengths.tolist()
    assert is_whole_here(cache / source.key(tokenizer))


@pytest.mark.model
@pytest.mark.parametrize("given", [None, "1"])
def test_states_of_checkpoints_are_read_without_running_them(
    given: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from nertool.training.finetune import UNPICKLES, UNPICKLES_NOTHING, allowed_random_states

    monkeypatch.setenv(UNPICKLES, given) if given else monkeypatch.delenv(UNPICKLES, raising=False)
    torch.save({"made": subprocess.Popen}, tmp_path / "optimizer.pt")
    with allowed_random_states(), pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "optimizer.pt")
    assert os.environ.get(UNPICKLES) == given and UNPICKLES_NOTHING not in os.environ


# -- processes whose parent is killed --------------------------------------------------------------

POOL = """
import multiprocessing, os, signal, sys, time
from nertool.workspace.orphans import worker_processes

def work(number):
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background has not
try:
    with worker_processes(3) as pool:
        list(pool.map(work, range(5)))
except KeyboardInterrupt:
    sys.exit(130)
"""
CHILD = """
import os, subprocess, sys, time
code = "import sys, time; from nertool.workspace.orphans import end_with; end_with(int(sys.argv[1])); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code, str(os.getpid())])
print(child.pid, flush=True)
time.sleep(60)
"""
CHILDREN = {POOL: 3, CHILD: 1}
"""Code -> how many processes it starts; each has a line with its number."""


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


@contextmanager
def started(code: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process in a session of its own, and those that it has started; none of them lives longer than the block."""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout
        children = [int(parent.stdout.readline()) for _ in range(CHILDREN[code])]
        assert all(map(is_running, children))
        yield parent, children
        until = time.monotonic() + 30
        while any(map(is_running, children)) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(map(is_running, children))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children")
@pytest.mark.parametrize("code", CHILDREN, ids=["a pool", "a process that measures"])
def test_processes_end_with_the_one_that_started_them(code: str) -> None:
    with started(code) as (parent, _):
        parent.kill()


def test_a_pool_ends_at_ctrl_c_without_a_word() -> None:
    """The terminal sends it to all processes."""
    with started(POOL) as (parent, _):
        os.killpg(parent.pid, signal.SIGINT)
        assert (parent.communicate(timeout=60)[1], parent.returncode) == ("", 130)
