"""A token, a password or a signed address reaches no file, no hint, no error and no screen."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from nertool.addresses import without_secrets
from nertool.cli.invocation import public_command
from nertool.cli.main import main
from nertool.errors import NertoolError
from nertool.sources import fetch
from nertool.workspace.workspace import Workspace

SECRET = "hf_MadeUpSecret"


@pytest.mark.parametrize(
    "given",
    [
        ["--token", SECRET],
        [f"--token={SECRET}"],
        ["--hub_token", SECRET],
        [f"--hub-token={SECRET}"],
        ["--set", f"hub_token={SECRET}"],
        [f"--set=hub_token={SECRET}"],
        ["--set", f"push_to_hub_token={SECRET}"],
        ["--use_auth_token", SECRET],
    ],
)
def test_the_command_line_is_logged_without_it(given: list[str]) -> None:
    assert public_command(["nertool", "train", *given, "--seed", "1"]) == "nertool train --seed 1"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("https://me:SECRET@host/x", "https://host/x"),
        ("https://SECRET@host:80/x@y", "https://host:80/x@y"),
        ("https://me:SEC@RET@host/x", "https://host/x"),
        ("https://me:SEC/RET@host/x", "https://host/x"),
        ("https://me:SEC?RET@host/x", "https://host/x"),
        ("https://me:SEC#RET@host/x", "https://host/x"),
        ("https:/me:SECRET@host/x", "https:/host/x"),
        ("s3://key:SECRET@bucket/x", "s3://bucket/x"),
        ("https://host:8080/x?token=SECRET&id=3#SECRET", "https://host:8080/x?token=***&id=3"),
        ("https://host/x?SECRET", "https://host/x?***"),
        ("https://host/x#SECRET", "https://host/x"),
        (
            "Max retries exceeded with url: /x?token=SECRET (Caused by Y)",
            "Max retries exceeded with url: /x?token=*** (Caused by Y)",
        ),
        ("Illegal header value b'Bearer SECRET\\n'", "Illegal header value b'Bearer ***"),
        ("'https://me:SECRET@host/x?t=SECRET': lost", "'https://host/x?t=***': lost"),
        ("https://host/x, and http://host", "https://host/x, and http://host"),
        ("dev.txt:3: a@b.org", "dev.txt:3: a@b.org"),
    ],
)
def test_an_address_is_told_without_its_secrets(address: str, public: str) -> None:
    assert without_secrets(address) == public
    assert str(NertoolError(address, address)) == f"{public}\n{public}"


@pytest.mark.parametrize(
    "text", ["a." * 50_000, f"http://{'.' * 100_000}a", "http://a" * 20_000, f"http:{'/' * 50_000}"]
)
def test_long_messages_are_looked_through_at_once_and_cut_off(text: str) -> None:
    begun = time.process_time()
    error = NertoolError(f"{text} https://me:{SECRET}@host", text)
    assert time.process_time() - begun < 2
    assert len(str(error)) < 10_000 and SECRET not in str(error)


@pytest.mark.parametrize(
    "given",
    [
        *(["--token", SECRET], [f"--token={SECRET}"], ["--hub_token", SECRET], ["--set", f"hub_token={SECRET}"]),
        *("config", "env"),
    ],
)
def test_no_file_and_no_output_holds_a_token(
    given: list[str] | str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "w"
    if given == "config":
        (tmp_path / "c.json").write_text(json.dumps({"hub_token": SECRET}))
        given = ["--config", str(tmp_path / "c.json")]
    elif given == "env":
        monkeypatch.setenv("HF_TOKEN", SECRET)
        given = []
    shown = ""
    for command, code in (
        (["run", "sample", "--until", "download", "--limit", "5", *given], 0),
        (["run", "sample", "--print-config", *given], 0),
        (["train", "--print-config", "--json", *given], 0),
        (["train", *given], 1),
        (["status"], 0),
    ):
        with pytest.raises(SystemExit) as end:
            main([*command, "-w", str(folder)])
        assert end.value.code == code
        shown += "".join(capsys.readouterr())
    shown += Workspace(folder).last_command("download")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert (folder / "runs.jsonl") in files
    assert SECRET not in shown
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


# -- addresses -------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """Gives data below /data to who knows the password or the signature, and redirects there and to nowhere."""

    def do_GET(self) -> None:
        folder, _, name = urlsplit(self.path).path[1:].partition("/")
        place = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
        targets = {
            "moved": f"{place}/data/{name}?signature={SECRET}",
            "closed": f"{place}/nowhere/{name}?signature={SECRET}",
            "lost": f"http://127.0.0.1:9/{name}?signature={SECRET}",
            "broken": f"http://[{SECRET}?signature={SECRET}",
            "strange": f"ftp://me:{SECRET}@127.0.0.1/{name}?signature={SECRET}",
            "endless": f"{place}/endless/{name}?signature={SECRET}",
        }
        allowed = "Authorization" in self.headers or f"signature={SECRET}" in self.path
        if folder in targets:
            self.answer(302, b"", Location=targets[folder])
        elif folder == "busy":
            self.answer(503)
        elif folder == "data" and allowed and f"={SECRET}" in self.path:
            self.answer(200, b"anna\tB-person\nleft\tO\n\n" * 9, ETag='"1"')
        elif folder == "page":
            self.answer(200, b"<html>log in</html>")
        else:
            self.answer(401)

    def answer(self, status: int, body: bytes = b"no", **headers: str) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Host and port of the server."""
    monkeypatch.setattr(fetch, "BACKOFF", 0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def all_that_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> bytes:
    """What commands have printed, and every file of a workspace with its name."""
    shown = "".join(capsys.readouterr()).encode()
    for path in folder.rglob("*"):
        shown += str(path).encode() + (path.read_bytes() if path.is_file() else b"")
    return shown


@pytest.mark.parametrize(
    ("place", "code", "message"),
    [
        ("data", 0, ""),
        ("moved", 0, ""),
        ("closed", 1, "401"),
        ("nowhere", 1, "401"),
        ("lost", 1, "Connection refused"),
        ("broken", 1, "it redirects to none"),
        ("strange", 1, "No connection adapters"),
        ("endless", 1, "30 redirects"),
        ("busy", 1, "503"),
        ("page", 1, "an HTML page"),
    ],
)
def test_a_source_is_told_without_password_and_signature(
    place: str, code: int, message: str, host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, address = tmp_path / "w", f"http://me:{SECRET}@{host}/{place}/?token={SECRET}"
    download = ["download", "wnut17", "--source", address, "--verbose", "-w", str(folder)]
    shown = b""
    for command, expected in (
        (download, code),
        ([*download, "--print-config"], 0),
        ([*download, "--print-config", "--json"], 0),
        ([*download, "--json", "--force"], code),
        ([*download, "--nonsense", address], 2),
        (["status", "-w", str(folder)], 0),
    ):
        with pytest.raises(SystemExit) as end:
            main(command)
        assert end.value.code == expected
        shown += all_that_is_shown(folder, capsys)
    assert SECRET.encode() not in shown
    assert f"{host}/{place}".encode() in shown and message.encode() in shown
    assert f"http://{host}/{place}/?token=***" in Workspace(folder).last_command("download") or code


def test_a_broken_transfer_keeps_no_secret_beside_its_beginning(tmp_path: Path) -> None:
    address = f"https://me:{SECRET}@host/x?token={SECRET}"
    (tmp_path / "x").write_bytes(b"a")
    (tmp_path / "x.json").write_text(json.dumps({"url": without_secrets(address), "validator": '"1"'}))
    assert fetch._range_header(address, tmp_path / "x") == {"Range": "bytes=1-", "If-Range": '"1"'}


def test_addresses_of_files_and_models_are_told_without_secrets(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"https://me:{SECRET}@127.0.0.1:9/x?token={SECRET}"
    monkeypatch.setenv("BERT_MODEL", address)
    shown = b""
    for command in (
        ["download", "--train-file", address],
        ["download", "sample", "--source", address.replace("https", "ftp")],
        ["score", address],
        ["train", "--print-config", "--set", f"logging_dir={address}", "-v"],
        ["run", address],
        ["train"],
    ):
        with pytest.raises(SystemExit):
            main([*command, "-w", str(workspace.path)])
        shown += all_that_is_shown(workspace.path, capsys)
    assert SECRET.encode() not in shown
    assert b"from the environment: BERT_MODEL=https://127.0.0.1:9/x?token=***" in shown


@pytest.mark.model
@pytest.mark.parametrize("name", ["hub_token", "push_to_hub_token"])
def test_a_training_that_is_refused_keeps_no_token(
    name: str, ready: Workspace, tiny_model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train", "--model", tiny_model, "--set", f"{name}={SECRET}", "-w", str(ready.path)])
    assert end.value.code == 1
    assert SECRET.encode() not in all_that_is_shown(ready.path, capsys)
    assert not (ready / ".training").exists()


@pytest.mark.model
def test_a_trained_model_holds_no_token(
    ready: Workspace, tiny_model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    options = ["--model", tiny_model, "--num-epochs", "1", "--token", SECRET, "--verbose"]
    with pytest.raises(SystemExit) as end:
        main(["train", *options, "-w", str(ready.path)])
    assert end.value.code == 0
    with pytest.raises(SystemExit) as end:
        main(["train", *options, "--push-to-hub", "--hub-model-id", "me/model", "-w", str(ready.path)])
    assert end.value.code == 1, "the hub is out of reach"
    assert (ready / "model/training_args.bin").exists() or list((ready / "model").glob("checkpoint-*"))
    assert SECRET.encode() not in all_that_is_shown(ready.path, capsys)
