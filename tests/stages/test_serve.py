"""`nertool serve`: how it starts, what it answers with a model, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from helpers import refused, write_graph, write_records

from nertool.cli.main import main
from nertool.errors import InvalidData, InvalidOption, NertoolError
from nertool.serving.server import address_of, listen_at
from nertool.stages import serve
from nertool.workspace.digests import digest
from nertool.workspace.workspace import Workspace

TEXT = "Anna Keller flew to Bern .\nBern left Anna ."


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """One that holds a graph and nothing else."""
    for package in ("onnx", "onnxruntime", "tokenizers"):
        pytest.importorskip(package)
    write_graph(tmp_path / "quantized")
    return tmp_path


@contextmanager
def served(workspace: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a server in a process of its own."""
    command = [sys.executable, "-m", "nertool", "serve", "--quantized", "-w", str(workspace), "--port", "0"]
    pipe = subprocess.PIPE
    process = subprocess.Popen([*command, *arguments], stdout=pipe, stderr=pipe, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.communicate()


def ask(address: str, body: Any = None, **headers: str) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(address, data, headers), timeout=30) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_requests_in_flight_are_answered_after_a_signal(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("secret\n")
    arguments = ("--gather", "1000", "--api-key-file", str(tmp_path / "keys"), "--verbose")
    key = {"Authorization": "Bearer secret"}
    with served(workspace, *arguments) as (address, process), ThreadPoolExecutor(5) as pool:
        assert address.startswith("http://127.0.0.1:")
        assert ask(f"{address}/tag", {"texts": [TEXT]})[0] == 401
        answers = [pool.submit(ask, f"{address}/tag", {"texts": [TEXT]}, **key) for _ in range(5)]
        while "nertool_requests_in_flight 6\n" not in ask(f"{address}/metrics", **key)[1]:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        for status, content in (answer.result() for answer in answers):
            found = [entity["text"] for entity in json.loads(content)["results"][0]["entities"]]
            assert (status, found) == (200, ["Anna", "Keller", "Bern", "Bern", "Anna"])
        assert process.wait(20) == 0
        assert process.stderr
        log = process.stderr.read()
        assert "POST /tag 200" in log and "Anna" not in log and "secret" not in log and "Traceback" not in log


def test_answers_are_those_of_predict(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from serving_client import running

    from nertool.workspace.workspace import Workspace

    (workspace / "text").write_text(TEXT)
    for options in ([], ["--min-score", "0.8"], ["--min-score", "PER=0.99"]):
        with pytest.raises(SystemExit):
            command = ["predict", "--quantized", "-w", str(workspace), "--input", "document", "--format", "jsonl"]
            main([*command, str(workspace / "text"), *options])
        expected = json.loads(capsys.readouterr().out)
        ours = serve.Options(quantized=True, min_score=options[1:])
        with running(lambda ours=ours: serve._load(Workspace(workspace), ours)) as client:
            answer = client.tag({"texts": [TEXT]})[1]
            assert answer["results"] == [{"entities": expected["entities"]}]
            assert answer["model"].startswith("quantized-") and answer["tokens"] == len(expected["tokens"])
            tags = client.tag({"texts": [TEXT], "format": "tags"})[1]["results"][0]
            assert (tags["tags"], tags["tokens"]) == (expected["tags"], expected["tokens"])
            assert [TEXT[start:end] for start, end in tags["offsets"]] == tags["tokens"]


SERVE = ("serve", "--quantized")


def test_what_is_missing_is_told_before_it_listens(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["-w", str(workspace)]
    assert "quantized/config.json is missing" in refused(capsys, *SERVE, "-w", str(workspace / "none"))[0]
    assert "there is no file" in refused(capsys, *SERVE, *place, "--api-key-file", str(workspace / "none"))[0]
    (workspace / "keys").write_text(" \n")
    assert "holds no key" in refused(capsys, *SERVE, *place, "--api-key-file", str(workspace / "keys"))[0]
    own = refused(capsys, *SERVE, *place, "--port", "0", "--thresholds", "own")
    assert own[1].startswith("Find them: nertool evaluate --quantized --precision 0.95 -w ")
    assert "no such way to cut" in refused(capsys, *SERVE, *place, "--port", "0", "--tokenizer", "nonsense")[0]
    with listen_at("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert f"port {port} of 127.0.0.1 is taken" in refused(capsys, *SERVE, *place, "--port", str(port))[0]
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert refused(capsys, *SERVE, *place)[1] == "Install it: pip install 'nertool[serve]'"


def test_a_model_that_was_edited_is_told_once(workspace: Path) -> None:
    record = {"options": {}, "reads": {}, "writes": {"quantized/quantization.json": {"sha256": "0", "size": 1}}}
    write_records(Workspace(workspace), quantize={**record, "facts": {"met": True}})
    with served(workspace) as (address, process):
        assert ask(f"{address}/health")[0] == 200
        process.send_signal(signal.SIGTERM)
        assert process.communicate()[1].count("changed by hand") == 1


def test_label_studio_needs_entities(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("config.json", "calibration.json", "encoding.json"):
        path = workspace / "quantized" / name
        path.write_text(path.read_text().replace("B-LOC", "NOUN").replace("B-PER", "VERB").replace('"O"', '"X"'))
    encoding = json.loads(path.read_text())
    encoding["made_from"]["config.json"] = digest(workspace / "quantized/config.json")
    path.write_text(json.dumps(encoding))
    assert "tags are no entities" in refused(capsys, *SERVE, "-w", str(workspace), "--port", "0", "--label-studio")[0]


@pytest.mark.parametrize("host", ["203.0.113.7", "1.2.3.4.5.6", "\udcff", "a" * 300, "..", "::2"])
def test_an_address_elsewhere_is_refused(host: str) -> None:
    with pytest.raises(NertoolError) as error:
        listen_at(host, 0)
    assert "--host" in error.value.message


def test_answers_are_sent_at_once() -> None:
    """asyncio turns off the delay of small packets for sockets that say that they are TCP."""
    with listen_at("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_addresses_are_written_as_browsers_take_them() -> None:
    if socket.has_ipv6:
        try:
            with listen_at("::1", 0) as listener:
                assert address_of(listener).startswith("http://[::1]:")
        except InvalidOption:
            pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize(
    "origin", ["*", "example.org", "https://", "https://a.example/", "ftp://a.example", "https://é"]
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(InvalidOption, match="no origin"):
        serve.Options(cors=[origin])


def test_least_probabilities_are_given_once() -> None:
    with pytest.raises(InvalidOption, match="both set"):
        serve.Options(thresholds="own", min_score=["0.5"])


def test_a_key_a_line(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"one\r\n\ntwo")
    assert serve.read_keys(tmp_path / "keys") == [b"one", b"two"]
    for other in ("schlüssel", "one\n# of Anna"):  # no word of a remark is a key
        (tmp_path / "keys").write_bytes(other.encode())
        with pytest.raises(InvalidData, match="no header can hold"):
            serve.read_keys(tmp_path / "keys")
