"""Places that a user may not read or write: two lines in every command that needs them, and nothing changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers import PermissionsBind, snapshot

from nertool.cli.main import main

PLACE = ("-w", "parent/workspace")
COMMANDS: dict[str, tuple[str, ...]] = {
    "download": ("download", "sample", "--force", *PLACE),
    "download FILE": ("download", "--train-file", "folder/columns", "--force", *PLACE),
    "preprocess": ("preprocess", "--model", "tiny", "--force", *PLACE),
    "labels": ("labels", "--force", *PLACE),
    "train": ("train", "--model", "tiny", "--force", *PLACE),
    "evaluate": ("evaluate", "--force", *PLACE),
    "quantize": ("quantize", "--backend", "onnx", "--force", *PLACE),
    "predict": ("predict", "text", *PLACE),
    "predict split": ("predict", "--split", "dev", "--force", *PLACE),
    "predict -o": ("predict", "text", "-o", "out/file", *PLACE),
    "check": ("check", "--model", "tiny", *PLACE),
    "status": ("status", *PLACE),
    "run": ("run", "--until", "labels", "--model", "tiny", "--quiet", *PLACE),
    "score": ("score", "folder/columns"),
    "score --report": ("score", "folder/columns", "--report", "out/report"),
}
"""Commands by a name for them."""
ALL = tuple(name for name in COMMANDS if not name.startswith("score"))
"""Those that need the workspace."""
WRITERS = ("download", "download FILE", "preprocess", "labels", "train", "evaluate", "quantize", "predict split")
MODEL_READERS = ("evaluate", "quantize", "predict", "predict split", "predict -o", "status")
DATA_READERS = ("labels", "train", "evaluate", "quantize", "predict", "status", "run")
OF_TINY = ("preprocess", "train", "run")
CLOSED: dict[tuple[str, int], tuple[str, ...]] = {
    ("parent", 0): ALL,
    ("parent/workspace", 0): ALL,
    ("parent/workspace", 0o555): WRITERS,
    ("parent/workspace/workspace.json", 0): ALL,
    ("parent/workspace/.lock", 0): ("labels", "train"),
    ("parent/workspace/model", 0): MODEL_READERS,
    ("parent/workspace/model", 0o555): ("train",),
    ("parent/workspace/model/config.json", 0): MODEL_READERS,
    ("parent/workspace/model/model.safetensors", 0): MODEL_READERS,
    ("parent/workspace/model/tokenizer.json", 0): MODEL_READERS,
    ("parent/workspace/train.txt", 0): DATA_READERS,
    ("parent/workspace/dev.txt", 0): DATA_READERS,
    ("parent/workspace/train.txt.tmp", 0): ("preprocess", "check", "status", "run"),
    ("parent/workspace/labels.txt", 0): ("train", "evaluate", "status"),
    ("parent/workspace/evaluation", 0o555): ("evaluate",),
    ("parent/workspace/predictions", 0o555): ("predict split",),
    ("parent/workspace/raw", 0o555): ("download",),
    ("tiny", 0): OF_TINY,
    ("tiny/config.json", 0): OF_TINY,
    ("tiny/tokenizer.json", 0): (*OF_TINY, "check"),
    ("tiny/model.safetensors", 0): ("train",),
    ("text", 0): ("predict", "predict -o"),
    ("folder", 0): ("download FILE", "score", "score --report"),
    ("folder/columns", 0): ("download FILE", "score", "score --report"),
    ("out", 0o555): ("predict -o", "score --report"),
    ("out", 0): ("predict -o", "score --report"),
}
"""A place with its permissions -> the commands that must be refused."""


@pytest.fixture
def places(trained: Path, tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a workspace, a model and input."""
    monkeypatch.chdir(tmp_path)
    workspace = Path(shutil.copytree(trained, "parent/workspace"))
    shutil.copytree(tiny_model, "tiny")
    for folder in (Path("out"), Path("folder"), *(workspace / name for name in ("evaluation", "predictions", "raw"))):
        folder.mkdir()
    Path("text").write_text("anna left oslo\n")
    Path("folder/columns").write_text("anna B-PER B-PER\nleft O O\n\n" * 3)
    return workspace


@contextmanager
def closed(place: str, mode: int) -> Iterator[None]:
    """A place has other permissions, and they bind."""
    before = os.stat(place).st_mode
    os.chmod(place, mode)
    try:
        with PermissionsBind():
            yield
    finally:
        os.chmod(place, before)


@pytest.mark.model
@pytest.mark.parametrize(("place", "mode"), CLOSED, ids=str)
def test_what_a_user_may_not_is_two_lines_in_every_command(
    place: str, mode: int, places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(places)
    for name in CLOSED[place, mode]:
        with closed(place, mode), pytest.raises(SystemExit) as end:
            main(list(COMMANDS[name]))
        out, err = capsys.readouterr()
        assert end.value.code == 1, name
        assert out == "", name
        error, hint = [line for line in err.splitlines() if not line.startswith("read as ")]
        assert error.startswith("error: ") and "Permission denied" in error and hint, name
        assert snapshot(places) == before, name
        assert list(Path("out").iterdir()) == [], name


@pytest.mark.model
def test_a_workspace_that_a_user_may_only_read_is_read(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closed(str(places), 0o555):
        for name in ("predict", "predict -o", "check", "status"):
            with pytest.raises(SystemExit) as end:
                main(list(COMMANDS[name]))
            assert end.value.code == 0, capsys.readouterr()
