"""A newer model takes the place of the old one, and no request is dropped for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from serving_client import Client, Rule, rule_model, running

from nertool.errors import NertoolError
from nertool.serving import app
from nertool.serving.answers import ServedModel


def loader(directory: Path) -> Callable[[], ServedModel]:
    """Loads a model whose version is the content of a file; an empty one is damaged."""

    def load() -> ServedModel:
        version = (directory / "config.json").read_text()
        if not version:
            raise NertoolError("the model is damaged", "Make it anew.")
        return rule_model(Rule(), version)

    return load


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def replace(directory: Path, content: str) -> None:
    beside = directory.with_suffix(".new")
    beside.write_text(content)
    beside.replace(directory / "config.json")


def test_a_newer_model_answers_from_then_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "LOOKS", 0.01)
    replace(tmp_path, "one")
    seen: list[str] = []
    done = threading.Event()

    def ask(client: Client) -> None:
        while not done.is_set():
            status, content = client.tag({"texts": ["Anna"]})
            seen.append(content["model"] if status == 200 else str(status))

    with running(loader(tmp_path), tmp_path) as client:
        threads = [threading.Thread(target=ask, args=(client,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for version in ("two", "three"):
            replace(tmp_path, version)
            wait_until(lambda version=version: version in seen)
        done.set()
        for thread in threads:
            thread.join()
    assert set(seen) - {"one"} == {"two", "three"}
    assert set(client.metrics.loads) == {"loaded"} and client.metrics.loads["loaded"] >= 2


def test_the_old_model_stays_where_the_newer_one_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "LOOKS", 0.01)
    replace(tmp_path, "one")
    with running(loader(tmp_path), tmp_path) as client:
        replace(tmp_path, "")
        wait_until(lambda: client.metrics.loads["failed"] == 1)
        assert client.tag({"texts": []})[1]["model"] == "one"
        assert client.ask("GET", "/health")[1]["problem"] == "the model is damaged"
        replace(tmp_path, "two")
        wait_until(lambda: client.metrics.loads["loaded"] == 1)
        assert client.tag({"texts": []})[1]["model"] == "two"
        assert client.ask("GET", "/health")[1]["problem"] == ""
    assert "the old one stays: the model is damaged" in caplog.text


def test_files_that_vanish_are_a_change_and_no_error(tmp_path: Path) -> None:
    replace(tmp_path, "one")
    with running(loader(tmp_path), tmp_path) as client:
        assert client.current.refresh() is None and not client.metrics.loads
        (tmp_path / "config.json").write_text("")
        client.current.refresh()
        client.current.refresh()
        wait_until(lambda: client.metrics.loads["failed"] == 1)
        assert client.tag({"texts": []})[0] == 200


def test_a_model_that_vanishes_while_it_is_read_is_a_problem_until_there_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "LOOKS", 0.01)
    replace(tmp_path, "one")
    with running(loader(tmp_path), tmp_path) as client:
        (tmp_path / "config.json").unlink()
        wait_until(lambda: "No such file" in client.current.problem)
        replace(tmp_path, "two")
        wait_until(lambda: client.current.model.version == "two")
        assert client.current.problem == ""


def test_a_bug_in_loading_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "LOOKS", 0.01)
    replace(tmp_path, "one")
    versions = {"one": rule_model()}
    with running(lambda: versions[(tmp_path / "config.json").read_text()], tmp_path) as client:
        replace(tmp_path, "two")
        wait_until(lambda: "bug in nertool. KeyError" in caplog.text)
        assert client.tag({"texts": ["Anna"]})[0] == 200
