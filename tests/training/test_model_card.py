"""The model card, and what is sent to a hub: a small one of our own that speaks its protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from nertool.training import model_card
from nertool.workspace.workspace import Workspace


class Hub(ThreadingHTTPServer):
    """Takes one repository; `files` is what was committed, `tokens` what was shown."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.files: dict[str, bytes] = {}
        self.tokens: set[str | None] = set()
        self.created: dict[str, Any] = {}
        self.asked: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        body = self._body()
        self.server.tokens.add(self.headers["Authorization"])
        if self.headers["Authorization"] != "Bearer secret":
            return self._answer({"error": "Invalid credentials"}, 401)
        if self.path == "/api/repos/create":
            self.server.created = json.loads(body)
            return self._answer({"url": f"{self.server.url}/somebody/{self.server.created['name']}"})
        if self.path == "/api/validate-yaml":
            return self._answer({"errors": [], "warnings": []})
        if "/preupload/" in self.path:
            files = [{"path": file["path"], "uploadMode": "regular"} for file in json.loads(body)["files"]]
            return self._answer({"files": [{**file, "shouldIgnore": False, "oid": None} for file in files]})
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        return self._answer(
            {"commitUrl": f"{self.server.url}/somebody/model/commit/1", "commitOid": "1", "success": True}
        )

    def _body(self) -> bytes:
        if self.headers["Content-Length"]:
            return self.rfile.read(int(self.headers["Content-Length"]))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        return b"".join(chunks)

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self._answer({"id": "somebody/model", "sha": "0", "siblings": []})

    def _answer(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


IN_TURN = """
import json, sys
from nertool.cli.main import main
for sys.argv in json.loads(sys.argv[1]):
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""


def with_hub(endpoint: str, *commands: list[str]) -> subprocess.CompletedProcess[str]:
    """Run commands of nertool, one after the other in one process, where they could reach that hub."""
    online = {"HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    environment = {**os.environ, **online, "USE_TORCH": "1"}  # which preprocess alone does without
    calls = json.dumps([["nertool", *command] for command in commands])
    return subprocess.run([sys.executable, "-c", IN_TURN, calls], capture_output=True, text=True, env=environment)


def push(workspace: Path, model: str, endpoint: str, token: str, *options: str) -> subprocess.CompletedProcess[str]:
    """The training of the fixture `trained` again, now with a hub to send it to."""
    train = ["train", "-m", model, "--num-epochs", "8", "--batch-size", "4", "--learning-rate", "5e-3"]
    sent = ["--save-steps", "1000", "--push-to-hub", "--token", token, "-w", str(workspace)]
    return with_hub(endpoint, [*train, *sent, *options])


@pytest.mark.slow
def test_no_hub_is_asked_where_all_files_are_local(trained: Path, tiny_model: str, tmp_path: Path, hub: Hub) -> None:
    copy = shutil.copytree(trained, tmp_path / "copy")
    at = ["-w", str(copy), "--force"]
    train = ["train", "-m", tiny_model, "--num-epochs", "1"]
    done = with_hub(hub.url, ["preprocess", "-m", tiny_model, *at], [*train, *at], ["evaluate", *at])
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("nothing to do") == 0
    assert hub.asked == []


def test_a_model_is_sent_whole_and_without_checkpoints_to_a_private_repository(
    trained: Path, tiny_model: str, tmp_path: Path, hub: Hub
) -> None:
    copy = shutil.copytree(trained, tmp_path / "copy")
    done = push(copy, tiny_model, hub.url, "secret", "--hub-private-repo")
    assert done.returncode == 0, done.stderr
    assert "train: nothing to do" in done.stderr and "sent to http://127.0.0.1" in done.stderr
    there = {path.name: path.read_bytes() for path in (copy / "model").iterdir() if path.is_file()}
    assert hub.files == there
    assert hub.created["name"] == "model"
    assert hub.created.get("private") or hub.created["visibility"] == "private"  # as older and newer clients say it
    assert "secret" not in (copy / "workspace.json").read_text()


def test_a_hub_that_refuses_or_is_not_there_leaves_the_model_and_says_so(
    trained: Path, tiny_model: str, tmp_path: Path, hub: Hub
) -> None:
    copy = shutil.copytree(trained, tmp_path / "copy")
    for endpoint, token in ((hub.url, "wrong"), ("http://127.0.0.1:9", "secret")):
        done = push(copy, tiny_model, endpoint, token)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr and "model is whole, but was not sent to model: " in done.stderr
    assert (copy / "model/model.safetensors").exists()


def test_a_card_is_one_that_the_hub_reads(trained: Path) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard.load(trained / "model/README.md")
    assert card.data.pipeline_tag == "token-classification"
    facts = Workspace(trained).facts("train")
    assert f"| train sentences | {facts['sentences']} |" in card.content
    assert all(f"`{label}`" in card.content for label in (trained / "labels.txt").read_text().split())
    versions = Workspace(trained).records()["train"]["versions"]
    assert f"| torch | `{versions['torch']}` |" in card.content


def test_labels_cannot_write_markdown_or_html(trained: Path, tmp_path: Path) -> None:
    record = Workspace(trained).records()["train"]
    label = "B-`<script>`|x\n# no"
    model_card.write(tmp_path / "card.md", "m", None, [label], record, {"recipe": "a|`b`"})
    text = (tmp_path / "card.md").read_text()
    assert "`B-'<script>'\\|x # no`" in text
    assert "\n# no" not in text


@pytest.mark.parametrize("keep", ["best", "last"])
def test_only_an_epoch_that_was_chosen_on_dev_is_said_to_be(keep: str, trained: Path, tmp_path: Path) -> None:
    record = Workspace(trained).records()["train"]
    record["options"]["keep"] = keep
    model_card.write(tmp_path / "card.md", "m", None, ["O"], record, {})
    text = (tmp_path / "card.md").read_text()
    assert f"| dev | {record['facts']['dev_f1']:.4f} |" in text
    assert ("The epoch was chosen on dev" in text) == (keep == "best")
