"""Fetching, against a host on this machine that breaks in the ways hosts break."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import pytest
from urllib3.util import Retry

from nertool.errors import DownloadFailed
from nertool.sources import fetch as fetching
from nertool.sources.fetch import TRIES, fetch
from nertool.sources.recipes import RECIPES
from nertool.stages import download
from nertool.workspace.workspace import Workspace

PART = 1 << 16  # cuts stand at whole blocks, so that a reader in blocks has it all
DATA = random.Random(0).randbytes(8 * PART + 1)
NEW = random.Random(1).randbytes(5 * PART + 1)
WNUT = {file.name: f"{split}\tB-person\n".encode() * 9 for split, file in RECIPES["wnut17"].files.items()}


class Answer(NamedTuple):
    """How the host answers one request; asked for a range, it gives one where `If-Range` is its own validator.

    Attributes:
        cut: bytes of the body after which the connection is closed.
        stall: after the cut, nothing comes but the connection stays open until the test is over.
        chunked: the length is not told beforehand.
        whole: what range was asked for does not matter.
    """

    body: bytes = DATA
    status: int = 200
    headers: dict[str, str] = {"ETag": '"1"'}
    cut: int | None = None
    stall: bool = False
    chunked: bool = False
    whole: bool = False


@dataclass
class Host:
    """An HTTP server on 127.0.0.1: gives its answers in turn to each path, the last one for good; 404 elsewhere."""

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    over: Event = field(default_factory=Event)

    def gives(self, *answers: Answer, path: str = "/data.tsv") -> str:
        self.answers[path] = list(answers)
        return self.url + path

    @property
    def ranges(self) -> list[str]:
        """What each request asked for."""
        return [headers.get("Range", "all") for _, headers in self.asked]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, host: Host, *args: object) -> None:
        self.host = host
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.host.asked.append((self.path, dict(self.headers)))
        self.close_connection = True
        answers = self.host.answers.get(self.path, [Answer(b"no such file", 404)])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        status, body, headers = answer.status, answer.body, {"Connection": "close", **answer.headers}
        validators = (headers.get("ETag"), headers.get("Last-Modified"))
        if (
            status == 200
            and not answer.whole
            and "Range" in self.headers
            and self.headers.get("If-Range") in validators
        ):
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            status, body = (206, body[start:]) if start < len(body) else (416, b"")
        self.send_response(status)
        if answer.chunked:
            headers["Transfer-Encoding"] = "chunked"
        else:
            headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        sent = body[: answer.cut]
        if not answer.chunked:
            self.wfile.write(sent)
        elif sent:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(sent), sent))
        if answer.chunked and answer.cut is None:
            self.wfile.write(b"0\r\n\r\n")
        if answer.stall:
            self.host.over.wait(30)

    def log_message(self, format: str, *args: object) -> None:
        """Keep stderr for what pytest has to say."""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host to be told what it gives; nobody waits between the tries."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetching, "BACKOFF", 0.0)
    monkeypatch.setattr(Retry, "get_backoff_time", lambda self: 0.0)
    host = Host()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, host))  # type: ignore[arg-type]
    host.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield host
    host.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


class Places(NamedTuple):
    """Where a file goes, and where its beginning is kept."""

    target: Path
    partial: Path


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "data.tsv", tmp_path / "partials" / "data.tsv")


def test_a_file_arrives_whole_and_nothing_else_stays(host: Host, places: Places) -> None:
    fetch(host.gives(Answer()), *places)
    assert places.target.read_bytes() == DATA
    assert list(places.partial.parent.iterdir()) == []
    assert host.ranges == ["all"]


@pytest.mark.parametrize("chunked", [False, True])
def test_an_empty_file_is_refused(chunked: bool, host: Host, places: Places) -> None:
    with pytest.raises(DownloadFailed, match="an empty file"):
        fetch(host.gives(Answer(b"", chunked=chunked)), *places)
    assert not places.target.exists()


def test_a_redirect_is_followed(host: Host, places: Places) -> None:
    host.gives(Answer(), path="/elsewhere")
    fetch(host.gives(Answer(b"moved", 302, {"Location": "/elsewhere"})), *places)
    assert places.target.read_bytes() == DATA
    assert [path for path, _ in host.asked] == ["/data.tsv", "/elsewhere"]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_host_in_trouble_is_asked_again(status: int, host: Host, places: Places) -> None:
    trouble = Answer(b"<html>try later</html>", status)
    fetch(host.gives(trouble, trouble, Answer()), *places)
    assert places.target.read_bytes() == DATA
    assert len(host.asked) == 3


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("validator", [{"ETag": '"1"'}, {"Last-Modified": "Mon, 06 Nov 2023 08:00:00 GMT"}])
def test_a_cut_transfer_goes_on_where_it_stopped(
    validator: dict[str, str], chunked: bool, host: Host, places: Places
) -> None:
    first = Answer(headers=validator, cut=2 * PART, chunked=chunked)
    fetch(host.gives(first, Answer(headers=validator, cut=PART), Answer(headers=validator)), *places)
    assert places.target.read_bytes() == DATA
    assert host.ranges == ["all", "bytes=131072-", "bytes=196608-"]
    assert host.asked[1][1]["If-Range"] in validator.values()
    assert list(places.partial.parent.iterdir()) == []


def test_a_transfer_that_stalls_goes_on_too(host: Host, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "TIMEOUT", (5, 0.2))
    fetch(host.gives(Answer(cut=2 * PART, stall=True), Answer()), *places)
    assert places.target.read_bytes() == DATA
    assert host.ranges == ["all", "bytes=131072-"]


@pytest.mark.parametrize("new", [NEW, NEW[:PART], DATA[: 3 * PART] + NEW])
def test_a_file_that_changed_after_the_cut_is_fetched_anew(new: bytes, host: Host, places: Places) -> None:
    fetch(host.gives(Answer(cut=2 * PART), Answer(new, headers={"ETag": '"2"'})), *places)
    assert places.target.read_bytes() == new
    assert host.ranges == ["all", "bytes=131072-"]


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"1"'}])
def test_without_a_strong_validator_nothing_is_joined(headers: dict[str, str], host: Host, places: Places) -> None:
    fetch(host.gives(Answer(cut=2 * PART, headers=headers), Answer(NEW, headers=headers)), *places)
    assert places.target.read_bytes() == NEW
    assert host.ranges == ["all", "all"]


def test_a_host_that_knows_no_ranges_sends_all_again(host: Host, places: Places) -> None:
    fetch(host.gives(Answer(cut=2 * PART), Answer(whole=True)), *places)
    assert places.target.read_bytes() == DATA
    assert host.ranges == ["all", "bytes=131072-"]


def test_what_an_earlier_run_left_is_gone_on_from(host: Host, places: Places) -> None:
    url = host.gives(Answer(cut=PART))
    with pytest.raises(DownloadFailed):
        fetch(url, *places)
    assert not places.target.exists()
    host.asked.clear()
    host.gives(Answer())
    fetch(url, *places)
    assert places.target.read_bytes() == DATA
    assert host.ranges == [f"bytes={PART * TRIES}-"]


def test_what_an_earlier_run_left_of_another_file_is_not_used(host: Host, places: Places) -> None:
    with pytest.raises(DownloadFailed):
        fetch(host.gives(Answer(cut=PART), path="/other.tsv"), *places)
    host.asked.clear()
    fetch(host.gives(Answer(NEW)), *places)
    assert places.target.read_bytes() == NEW
    assert host.ranges == ["all"]


def test_what_an_earlier_run_left_whole_does_not_stand_in_the_way(
    host: Host, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    url = host.gives(Answer())
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", interrupted)
        fetch(url, *places)
    assert places.partial.read_bytes() == DATA
    fetch(url, *places)
    assert places.target.read_bytes() == DATA


@pytest.mark.parametrize("known", ["", "{", '{"url": "'])
def test_a_partial_file_that_nobody_knows_about_is_not_used(known: str, host: Host, places: Places) -> None:
    places.partial.parent.mkdir()
    places.partial.write_bytes(NEW[:1000])
    places.partial.with_name("data.tsv.json").write_text(known)
    fetch(host.gives(Answer()), *places)
    assert places.target.read_bytes() == DATA


@pytest.mark.parametrize(
    "page",
    ["<!DOCTYPE html><title>Quota exceeded</title>", "\n <html><body>Log in", "<HEAD>", "<!doctype HTML>" * 9999],
)
def test_an_html_page_in_place_of_data_is_refused(page: str, host: Host, places: Places) -> None:
    with pytest.raises(DownloadFailed, match="an HTML page") as error:
        fetch(host.gives(Answer(page.encode())), *places)
    assert "--source" in error.value.hint
    assert not places.target.exists()
    assert len(host.asked) == 1


def test_data_that_only_speaks_of_html_is_data(host: Host, places: Places) -> None:
    body = b"1\t<html>\tO\tO\n2\t<!doctype html>\tO\tO\n"
    fetch(host.gives(Answer(body)), *places)
    assert places.target.read_bytes() == body


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_told_at_once(status: int, host: Host, places: Places) -> None:
    url = host.gives(Answer(b"no", status))
    with pytest.raises(DownloadFailed, match=rf"{url}: {status} ") as error:
        fetch(url, *places)
    assert "--source" in error.value.hint
    assert not places.target.exists()
    assert len(host.asked) == 1


def test_a_host_in_lasting_trouble_is_given_up(host: Host, places: Places) -> None:
    url = host.gives(Answer(b"", 503))
    with pytest.raises(DownloadFailed, match=r"/data\.tsv: .*503"):
        fetch(url, *places)
    assert len(host.asked) == TRIES


def test_a_host_that_always_cuts_is_given_up(host: Host, places: Places) -> None:
    with pytest.raises(DownloadFailed, match=f"no whole transfer in {TRIES} tries") as error:
        fetch(host.gives(Answer(cut=PART)), *places)
    assert "--source" in error.value.hint
    assert not places.target.exists()
    assert len(host.asked) == TRIES


@pytest.mark.parametrize("location", ["file:///etc/hostname", "ftp://127.0.0.1/data.tsv"])
def test_a_redirect_away_from_http_is_refused(location: str, host: Host, places: Places) -> None:
    with pytest.raises(DownloadFailed):
        fetch(host.gives(Answer(b"", 302, {"Location": location})), *places)
    assert not places.target.exists()


def test_a_redirect_that_never_ends_is_refused(host: Host, places: Places) -> None:
    with pytest.raises(DownloadFailed, match="redirect"):
        fetch(host.gives(Answer(b"", 302, {"Location": "/data.tsv"})), *places)


def test_a_host_that_is_not_there_is_told(host: Host, places: Places) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port, and it refuses
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(DownloadFailed, match="refused") as error:
            fetch(f"http://127.0.0.1:{taken.getsockname()[1]}/data.tsv", *places)
    assert "--source" in error.value.hint


@pytest.mark.parametrize("slash", ["", "/"])
def test_download_takes_the_published_files_from_a_base_url(slash: str, host: Host, tmp_path: Path) -> None:
    for name, body in WNUT.items():
        host.gives(Answer(body, cut=20), Answer(body), path=f"/dir/{name}")
    workspace = Workspace(tmp_path / "w")
    options = download.Options(recipe="wnut17", source=f"{host.url}/dir{slash}")
    assert not download.run(workspace, options).fresh
    assert {path.name: path.read_bytes() for path in (workspace / "raw").iterdir()} == WNUT
    assert (workspace / "dev.txt.tmp").read_text() == "dev B-person\n" * 9
    assert not (workspace / ".download").exists()
    host.asked.clear()
    assert download.run(workspace, options).fresh
    assert host.asked == []


def test_a_failed_download_publishes_nothing_and_can_be_run_again(host: Host, tmp_path: Path) -> None:
    for name, body in WNUT.items():
        host.gives(Answer(body, cut=None if name.endswith(".conll") else 2), path=f"/dir/{name}")
    workspace = Workspace(tmp_path / "w")
    options = download.Options(recipe="wnut17", source=f"{host.url}/dir")
    with pytest.raises(DownloadFailed, match=r"emerging\.test\.annotated"):
        download.run(workspace, options)
    assert workspace.records() == {}
    assert [path.name for path in workspace.path.iterdir() if not path.name.startswith(".")] == ["runs.jsonl"]
    host.gives(Answer(WNUT["emerging.test.annotated"]), path="/dir/emerging.test.annotated")
    download.run(workspace, options)
    assert {path.name: path.read_bytes() for path in (workspace / "raw").iterdir()} == WNUT


def test_a_failed_download_leaves_what_was_there_before(host: Host, tmp_path: Path) -> None:
    for name, body in WNUT.items():
        host.gives(Answer(body), path=f"/dir/{name}")
    workspace = Workspace(tmp_path / "w")
    download.run(workspace, download.Options(recipe="wnut17", source=f"{host.url}/dir"))
    before = {path: path.read_bytes() for path in workspace.path.rglob("*.*") if path.suffix in (".tmp", ".json")}
    host.answers.clear()
    with pytest.raises(DownloadFailed, match="404"):
        download.run(workspace, download.Options(recipe="wnut17", source=f"{host.url}/dir", force=True))
    assert {path: path.read_bytes() for path in before} == before
    assert download.run(workspace, download.Options(recipe="wnut17")).fresh


@pytest.mark.parametrize(
    "page", [b"\xef\xbb\xbf<!DOCTYPE html><p>", b"<!-- x -->\n<HTML>", b"<?xml version='1.0'?>\n<html>"]
)
def test_html_in_disguise_is_refused(page: bytes, host: Host, places: Places) -> None:
    with pytest.raises(DownloadFailed, match="HTML page"):
        fetch(host.gives(Answer(page)), *places)


def test_a_host_that_answers_416_to_everything_is_refused(host: Host, places: Places) -> None:
    with pytest.raises(DownloadFailed, match="416"):
        fetch(host.gives(Answer(b"", 416)), *places)


# -- answers that are not what was asked for -------------------------------------------------------


@pytest.mark.parametrize(
    "told",
    [
        f"bytes 0-{len(DATA) - 1}/{len(DATA)}",
        f"bytes {PART}-{len(DATA) - 1}/{len(DATA)}",
        f"bytes {2 * PART}-{3 * PART}/{len(DATA)}",
        f"bytes {2 * PART}-{len(DATA)}/*",
        "bytes */9",
        "pages 1-2/3",
        "",
    ],
)
def test_a_part_that_was_not_asked_for_is_not_appended(told: str, host: Host, places: Places) -> None:
    part = Answer(DATA[2 * PART :], 206, {"ETag": '"1"', "Content-Range": told})
    url = host.gives(Answer(cut=2 * PART), part, Answer())
    with pytest.raises(DownloadFailed, match="asked for the rest from byte 131,072; .* another part"):
        fetch(url, *places)
    assert places.partial.read_bytes() == DATA[: 2 * PART]
    assert not places.target.exists()
    fetch(url, *places)  # asks for the whole file
    assert places.target.read_bytes() == DATA
    assert host.ranges == ["all", "bytes=131072-", "all"]


def test_a_part_of_another_length_than_it_says_is_refused(host: Host, places: Places) -> None:
    told = f"bytes {2 * PART}-{len(DATA) - 1}/{len(DATA)}"
    part = Answer(DATA[3 * PART :], 206, {"ETag": '"1"', "Content-Range": told})
    with pytest.raises(DownloadFailed, match="the rest of 524,289 bytes"):
        fetch(host.gives(Answer(cut=2 * PART), part), *places)
    assert not places.target.exists()


def test_a_part_that_nobody_asked_for_is_refused(host: Host, places: Places) -> None:
    part = Answer(DATA[:PART], 206, {"Content-Range": f"bytes 0-{PART - 1}/{len(DATA)}"})
    with pytest.raises(DownloadFailed, match="asked for the whole file"):
        fetch(host.gives(part), *places)
    assert not places.partial.exists()


@pytest.mark.parametrize("status", [204, 300, 304])
def test_an_answer_without_a_file_is_refused(status: int, host: Host, places: Places) -> None:
    with pytest.raises(DownloadFailed, match=f"answered {status}"):
        fetch(host.gives(Answer(b"", status)), *places)


@pytest.mark.parametrize("length", ["abc", "-5", "\xb2", "9" * 5000])
def test_a_length_that_is_no_number_is_refused(length: str, host: Host, places: Places) -> None:
    with pytest.raises(DownloadFailed, match="a length that is no number"):
        fetch(host.gives(Answer(headers={"Content-Length": length})), *places)


@pytest.mark.parametrize(
    "location", ["http://[", f"http://{'a' * 70}.com/", "http://.example/", "http://\xff/", "http://a:x/"]
)
def test_a_redirect_to_no_address_is_refused(location: str, host: Host, places: Places) -> None:
    with pytest.raises(DownloadFailed):
        fetch(host.gives(Answer(b"moved", 302, {"Location": location})), *places)
    assert not places.target.exists()


def test_a_redirect_without_an_address_is_refused(host: Host, places: Places) -> None:
    with pytest.raises(DownloadFailed, match="answered 302"):
        fetch(host.gives(Answer(b"moved", 302)), *places)
