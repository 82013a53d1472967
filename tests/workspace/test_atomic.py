"""Plain files written whole or not at all, with the permissions of the umask."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_IMODE

import pytest

from nertool.workspace.atomic import move_into_place, replacing
from nertool.workspace.digests import write_json
from nertool.workspace.stage import Stage, StageRun
from nertool.workspace.stage_options import StageOptions
from nertool.workspace.workspace import Workspace

UMASKS = {0o022: (0o755, 0o644), 0o077: (0o700, 0o600), 0o002: (0o775, 0o664)}
"""umask -> permissions of directories and of files."""


@pytest.fixture(params=UMASKS)
def permissions(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """The permissions of directories and of files under the umask that the process has meanwhile."""
    before = os.umask(request.param)
    yield UMASKS[request.param]
    os.umask(before)


def mode(path: Path) -> int:
    return S_IMODE(path.stat().st_mode)


def test_a_file_is_replaced_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_whole_file_takes_the_name_of_an_older_one(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).write_text(name)
    move_into_place(tmp_path / "new", tmp_path / "old")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"old": "new"}


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt])
def test_after_an_error_the_old_file_is_there_and_nothing_else(error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as partial:
        partial.write_text("ne")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_value_that_is_no_json_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"old": 1})
    with pytest.raises(TypeError):
        write_json(path, {"new": object()})
    assert json.loads(path.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_takes_the_permissions_of_the_umask(permissions: tuple[int, int], tmp_path: Path) -> None:
    with replacing(tmp_path / "file") as partial:
        partial.write_text("new")
        partial.chmod(0o400)  # as some libraries do
    assert mode(tmp_path / "file") == permissions[1]


@dataclass(frozen=True)
class Options(StageOptions):
    """The stand-in for a stage has none."""


def test_all_that_a_stage_publishes_takes_the_permissions_of_the_umask(
    permissions: tuple[int, int], tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "workspace")

    def work(stage: Stage) -> None:
        folder = stage.directory("model")
        (folder / "checkpoint-1").mkdir(mode=0o700)
        for name in ("config.json", "model.safetensors", "checkpoint-1/optimizer.pt"):
            (folder / name).touch(mode=0o600)
        stage.file("notes.txt").touch()

    workspace.run(StageRun("train", Options(), reads=[], writes=["model/config.json"]), work)
    directories, files = permissions
    for path in [workspace.path, *workspace.path.rglob("*")]:
        assert mode(path) == (directories if path.is_dir() else files), path


def test_a_trained_model_is_readable_for_whom_the_data_are(trained: Path) -> None:
    assert {mode(path) for path in (trained / "model").iterdir() if path.is_file()} == {mode(trained / "train.txt")}
