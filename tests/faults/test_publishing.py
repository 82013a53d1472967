"""Publishing under bad conditions: what is in the way, who reads meanwhile, what a kill left, who may not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults.forks import Forks
from helpers import PermissionsBind, fill, refused, snapshot

from nertool.errors import NertoolError
from nertool.stages import labels, preprocess
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.stage_options import StageOptions
from nertool.workspace.workspace import Workspace


@dataclass(frozen=True)
class Options(StageOptions):
    text: str = "old"


def publish(workspace: Workspace, text: str, *more: str) -> Result:
    """A stand-in for `train`: a model of a configuration and weights, and other files."""

    def work(stage: Stage) -> None:
        folder = stage.directory("model")
        (folder / "config.json").write_text(text)
        (folder / "weights").write_text(text)
        for name in more:
            stage.file(name).write_text(text)

    return workspace.run(StageRun("train", Options(text), reads=[], writes=["model/config.json"], force=True), work)


# -- what is in the way ----------------------------------------------------------------------------


def mount(*arguments: str) -> None:
    if os.geteuid() != 0 or subprocess.run(["mount", *arguments], capture_output=True).returncode != 0:
        pytest.skip("only root may mount, and not everywhere")


@pytest.fixture
def mounted(workspace: Workspace) -> Iterator[Path]:
    """`other/` in the workspace, on a file system of its own."""
    folder = workspace / "other"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def bound(workspace: Workspace) -> Iterator[Path]:
    """`model/`, bound to itself: no directory that can be renamed, on the same file system."""
    publish(workspace, "old")
    mount("--bind", str(workspace / "model"), str(workspace / "model"))
    yield workspace / "model"
    subprocess.run(["umount", str(workspace / "model")], check=True)


def test_a_folder_on_another_file_system_is_refused_before(mounted: Path, workspace: Workspace) -> None:
    publish(workspace, "old")
    before = snapshot(workspace.path)
    with pytest.raises(NertoolError, match=r"nothing can be moved to .*other: .*; nothing was changed"):
        publish(workspace, "new", "other/file")
    assert snapshot(workspace.path) == before
    assert not (workspace / ".commit").exists()


def test_a_directory_that_cannot_be_renamed_leaves_the_old_state(
    bound: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(workspace.path)
    with pytest.raises(NertoolError):
        publish(workspace, "new", "notes.txt")
    assert snapshot(workspace.path) == before


def test_a_link_that_leads_out_is_refused_before(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (workspace / "other").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NertoolError, match="other leads out of the workspace"):
        publish(workspace, "new", "other/file")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (workspace / "model").exists() and not (workspace / ".commit").exists()


def test_a_link_inside_the_workspace_is_a_folder_like_others(workspace: Workspace) -> None:
    (workspace / "place").mkdir()
    (workspace / "other").symlink_to("place")
    publish(workspace, "new", "other/file")
    assert (workspace / "place/file").read_text() == "new"


def test_a_folder_that_nobody_may_empty_is_refused_before(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(workspace, "old")
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("model"))
    with pytest.raises(NertoolError, match="model cannot be replaced: Permission denied; nothing was changed"):
        publish(workspace, "new")
    assert (workspace / "model/config.json").read_text() == "old"
    assert not (workspace / ".commit").exists()


@pytest.mark.parametrize(("closed", "reason"), [("model", "cannot be replaced"), ("evaluation", "can be moved to")])
def test_what_cannot_be_published_is_refused_before_the_work(closed: str, reason: str, workspace: Workspace) -> None:
    """A training may take hours."""
    publish(workspace, "old")
    (workspace / "evaluation").mkdir()
    run = StageRun("train", Options(), reads=[], writes=["evaluation/x", "model/x"], replaces=["model"], force=True)
    begun: list[Stage] = []
    (workspace / closed).chmod(0o555)
    with PermissionsBind(), pytest.raises(NertoolError, match=f"{reason}.*; nothing was changed"):
        workspace.run(run, begun.append)
    (workspace / closed).chmod(0o755)
    assert begun == []
    assert (workspace / "model/config.json").read_text() == "old"


@pytest.mark.parametrize("failing", ["notes.txt", "model", "workspace.json"])
def test_a_move_that_fails_puts_the_old_files_back_and_waits(
    failing: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(workspace, "old", "notes.txt", "old.txt")
    old, replace = snapshot(workspace.path), os.replace

    def fail(source: Path, target: Path) -> None:
        if Path(target) == workspace / failing and ".commit/old" not in str(source):
            raise PermissionError(1, "Operation not permitted", str(source), None, str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(NertoolError, match=f"{failing}: Operation not permitted; the old files are in place"):
        publish(workspace, "new", "notes.txt", "new.txt")
    for command in ("status", "labels"):
        error, hint = refused(capsys, command, "-w", str(workspace.path))
        assert f"{workspace / failing}: Operation not permitted" in error and "rm -r" in hint
        assert snapshot(workspace.path) == old
    monkeypatch.setattr(os, "replace", replace)
    workspace.status()
    assert {name for name, text in snapshot(workspace.path).items() if text == b"old"} == set()
    assert (workspace / "new.txt").read_text() == (workspace / "model/weights").read_text() == "new"
    assert not (workspace / "old.txt").exists() and not (workspace / ".commit").exists()


def test_a_result_that_waits_can_be_dropped(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(workspace, "old", "notes.txt")
    old, replace = snapshot(workspace.path), os.replace

    def fail(source: Path, target: Path) -> None:
        if Path(target) == workspace / "workspace.json":
            raise PermissionError(1, "Operation not permitted", str(source), None, str(target))
        replace(source, target)

    with monkeypatch.context() as patched, pytest.raises(NertoolError):
        patched.setattr(os, "replace", fail)
        publish(workspace, "new", "notes.txt")
    shutil.rmtree(workspace / ".commit")
    assert snapshot(workspace.path) == old
    assert workspace.status()[3].name == "fresh"


def test_old_files_that_cannot_be_removed_stop_nobody(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish(workspace, "old")

    def fail(path: Path, *_: object, **__: object) -> None:
        if Path(path).name == ".commit":
            raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("nertool.workspace.commit.shutil.rmtree", fail)
        publish(workspace, "new")
    assert "could not be removed (Permission denied): remove it by hand" in caplog.text
    assert (workspace / "model/weights").read_text() == "new"
    assert not (workspace / ".commit").exists()
    publish(workspace, "newer")
    assert workspace.status()[3].name == "fresh"


# -- what a kill left ------------------------------------------------------------------------------


def killed(forks: Forks, moved: int, *arguments: str) -> None:
    """Run a command that is killed once it has moved so many files to where they are published."""
    fault = {"number": signal.SIGKILL, "event": "os.rename", "place": "/.commit/files/", "at": moved + 1}
    assert forks.run(*arguments, **fault).code == -signal.SIGKILL


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_the_next_stage_reads_all_that_was_published_before_a_kill(
    moved: int, workspace: Workspace, tiny_model: str, forks: Forks
) -> None:
    fill(workspace, tiny_model, "labels")
    with (workspace / "test.txt.tmp").open("a") as file:
        file.write("clara B-NEW\n\n")
    place = str(workspace.path)
    killed(forks, moved, "preprocess", "--model", tiny_model, "-w", place)
    result = labels.run(Workspace(workspace.path), labels.Options())
    assert "B-NEW" in result.facts["tags"]
    assert {state.stage: state.name for state in workspace.status()}["labels"] == "fresh"


@pytest.mark.parametrize("moved", [0, 1])
def test_the_next_stage_lists_the_splits_of_a_first_download_that_was_killed(
    moved: int, tmp_path: Path, tiny_model: str, forks: Forks
) -> None:
    workspace = Workspace(tmp_path / "workspace")
    killed(forks, moved, "download", "sample", "-w", str(workspace.path))
    preprocess.run(workspace, preprocess.Options(model=tiny_model))
    assert workspace.splits(".txt") == ["train", "dev", "test"]


# -- who reads meanwhile ---------------------------------------------------------------------------


@contextmanager
def models_published(workspace: Workspace) -> Iterator[None]:
    """Something publishes one model after the other."""
    publish(workspace, "0")
    ended = threading.Event()

    def work() -> None:
        own = Workspace(workspace.path)
        number = 0
        while not ended.is_set():
            number += 1
            publish(own, str(number))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.fixture
def publishing(workspace: Workspace) -> Iterator[None]:
    with models_published(workspace):
        yield


def read_while_published(workspace: Workspace, times: int) -> None:
    """Read a model again and again, while somebody publishes one after the other."""
    seen: set[str] = set()
    reads = 0
    while reads < times or len(seen) < 6:  # it is published anew in between
        reads += 1
        assert {state.name for state in workspace.status() if state.stage == "train"} == {"fresh"}
        with workspace.reading():
            model = workspace.path / "model"
            config = (model / "config.json").read_text()
            time.sleep(0.001)
            assert (model / "weights").read_text() == config == workspace.records()["train"]["options"]["text"]
        seen.add(config)


def test_readers_see_one_published_state(publishing: None, workspace: Workspace) -> None:
    read_while_published(workspace, 60)


def test_a_reader_of_a_workspace_without_the_right_to_write_writes_nothing(workspace: Workspace) -> None:
    publish(workspace, "old")
    before = {path: path.stat().st_mtime_ns for path in [workspace.path, *workspace.path.rglob("*")]}
    with workspace.reading():
        workspace.status()
    assert {path: path.stat().st_mtime_ns for path in [workspace.path, *workspace.path.rglob("*")]} == before


# -- who may not -----------------------------------------------------------------------------------


def without_rights(*arguments: str) -> list[str]:
    """Run a command, as a user whom permissions bind, which must end with an error; returns its lines on stderr."""
    command = [sys.executable, "-m", "nertool", *arguments]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("permissions do not bind root")
        command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 1, done
    return done.stderr.splitlines()


MODES = {
    "the workspace": ("", 0, ["status"], "cannot be read: Permission denied"),
    "the records": ("workspace.json", 0, ["status"], "cannot be read: Permission denied"),
    "a split": ("train.txt.tmp", 0, ["status"], "cannot be read: Permission denied"),
    "the model": ("model", 0, ["predict"], "Permission denied"),
    "its weights": ("model/weights", 0, ["predict"], "Permission denied"),
    "the right to write": ("", 0o555, ["download", "sample"], "nothing was changed"),
    "the right to write into a folder": ("raw", 0o555, ["download", "sample"], "nothing was changed"),
}


@pytest.mark.parametrize("what", MODES)
def test_what_a_user_may_not_is_two_lines(what: str, workspace: Workspace) -> None:
    name, mode, command, reason = MODES[what]
    (workspace / "raw").mkdir()
    publish(workspace, "old")
    if what == "a split":
        run = StageRun("preprocess", Options(), reads=["train.txt.tmp"], writes=["train.txt"])
        workspace.run(run, lambda stage: stage.file("train.txt").touch())
    elif command[0] == "download":
        for split in ("train", "dev", "test"):
            (workspace / f"{split}.txt.tmp").unlink()
    path, before = workspace.path / name, (workspace.path / name).stat().st_mode
    path.chmod(mode)
    lines = without_rights(*command, "-w", str(workspace.path))
    path.chmod(before)
    assert len(lines) == 2 and reason in lines[0], lines


@pytest.mark.parametrize("stage", ["status", "labels", "train", "check"])
def test_a_parent_that_a_user_may_not_enter_is_two_lines(stage: str, workspace: Workspace) -> None:
    workspace.path.parent.chmod(0)
    lines = without_rights(stage, "-w", str(workspace.path))
    workspace.path.parent.chmod(0o755)
    assert len(lines) == 2 and "Permission denied" in lines[0], lines
