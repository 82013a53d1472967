"""Batches across requests, a full queue, requests that take too long, and a model that fails."""

from __future__ import annotations

import http.client
import json
import logging
import re
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from serving_client import Client, Rule, rule_model, running

from nertool.errors import NertoolError
from nertool.serving import server


class Gate:
    """Holds the tagger until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.opened.wait(20)


@contextmanager
def held(**limits: float) -> Iterator[tuple[Client, Rule, Gate, ThreadPoolExecutor]]:
    """A server whose tagger is held by a first request."""
    gate = Gate()
    rule = Rule(before=gate)
    with running(lambda: rule_model(rule), **limits) as client, ThreadPoolExecutor(40) as pool:
        first = pool.submit(client.tag, {"texts": ["Anna"]})
        assert gate.reached.wait(20)
        yield client, rule, gate, pool
        gate.opened.set()
        assert first.result()[0] in (200, 503)


def wait_for(client: Client, name: str, number: int) -> None:
    """Wait until this is a number of the metrics."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = re.search(rf"^nertool_{name} (\d+)$", client.ask("GET", "/metrics")[1], re.MULTILINE)
        if found and int(found[1]) == number:
            return
        time.sleep(0.01)
    raise AssertionError(f"{name} is never {number}")


def test_requests_that_wait_are_tagged_together_and_answered_apart() -> None:
    with held() as (client, rule, gate, pool):
        names = ["Anna", "Bern", "left", "BERN", "Anna left"]
        answers = [pool.submit(client.tag, {"texts": [name] * (n + 1)}) for n, name in enumerate(names)]
        wrong = pool.submit(client.tag, {"texts": ["Anna"], "types": ["ORG"]})
        wait_for(client, "queue_requests", 6)
        gate.opened.set()
        for n, (name, answer) in enumerate(zip(names, answers, strict=True)):
            status, content = answer.result()
            assert status == 200 and len(content["results"]) == n + 1
            texts = {entity["text"] for result in content["results"] for entity in result["entities"]}
            assert texts == ({name.split()[0]} if name != "left" else set())
        assert wrong.result()[0] == 400
        assert rule.calls == [1, 15]


def test_a_full_queue_refuses_at_once() -> None:
    with held(waiting=3) as (client, _, gate, pool):
        waiting = [pool.submit(client.tag, {"texts": ["Anna"]}) for _ in range(3)]
        wait_for(client, "queue_requests", 3)
        status, content, headers = client.ask("POST", "/tag", {"texts": ["Anna"]})
        assert status == 429 and set(content) == {"error", "hint"} and int(headers["retry-after"]) > 0
        assert client.ask("GET", "/health")[0] == 200
        gate.opened.set()
        assert [one.result()[0] for one in waiting] == [200, 200, 200]


def test_a_request_that_takes_too_long_is_refused_and_left_out() -> None:
    with held(seconds=0.3) as (client, rule, gate, pool):
        late = pool.submit(client.tag, {"texts": ["Anna", "Bern"]})
        status, content = late.result()
        assert status == 503 and "0.3 seconds" in content["error"] and content["hint"]
        gate.opened.set()
        assert client.tag({"texts": ["Anna"]})[0] == 200
        assert 2 not in rule.calls


def test_a_request_that_has_waited_too_long_takes_no_place_in_the_queue() -> None:
    with held(waiting=1, seconds=0.3) as (client, _, gate, _):
        assert [client.tag({"texts": ["Bern"]})[0] for _ in range(3)] == [503, 503, 503]
        wait_for(client, "queue_requests", 0)
        gate.opened.set()


def test_a_request_whose_client_has_left_is_not_tagged() -> None:
    with held() as (client, rule, gate, _):
        body = b'{"texts": ["Anna", "Bern"]}'
        with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
            connection.sendall(b"POST /tag HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            wait_for(client, "queue_requests", 1)
        wait_for(client, "queue_requests", 0)
        gate.opened.set()
        assert client.tag({"texts": ["Anna"]})[0] == 200
        assert 2 not in rule.calls


def test_a_slow_client_is_refused() -> None:
    with running(seconds=0.2) as client, socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        connection.sendall(b"POST /tag HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n{")
        answer = connection.recv(4096) + connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 408 ") and b'"hint"' in answer


WHOLE = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "drip"),
    [
        (b"GET /health HTTP/1.1\r\n", b"X: y\r\n"),
        (WHOLE, b"X: y\r\n"),
        (WHOLE.replace(b"\r\n\r\n", b"\r\nContent-Length: 10000\r\n\r\n"), b"body"),
    ],
    ids=["its first head", "a second head", "a body that nobody reads"],
)
def test_a_client_that_sends_for_ever_is_left(sent: bytes, drip: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "WAITED_SECONDS", 0.3)
    with running() as client, socket.create_connection(("127.0.0.1", client.port), timeout=0.05) as connection:
        connection.sendall(sent)
        begun = time.monotonic()
        while time.monotonic() - begun < 4:
            try:
                connection.sendall(drip)
                if not connection.recv(4096):
                    break
            except TimeoutError:
                pass
            except OSError:
                break
        else:
            pytest.fail("the server still waits")
        assert client.tag({"texts": ["Anna"]})[0] == 200


@pytest.mark.parametrize("reads", [True, False])
def test_an_answer_waits_for_a_slow_reader_but_not_for_none(reads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "WAITED_SECONDS", 5 if reads else 0.5)
    body = json.dumps({"texts": ["Anna " * 100_000]}).encode()
    with running(body=1 << 20, length=1 << 20, seconds=100) as client, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(100)
        connection.connect(("127.0.0.1", client.port))
        head = b"POST /tag HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % len(body) + body)
        answer = connection.recv(4096)
        time.sleep(0 if reads else 2)
        with suppress(ConnectionError):
            while piece := connection.recv(1 << 20):
                answer += piece
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        assert (len(answer) > length) == reads


def test_a_long_list_of_types_takes_no_time() -> None:
    with running(body=1 << 20) as client:
        begun = time.process_time()
        assert client.tag({"texts": ["Anna"], "types": ["PER"] * 100_000})[0] == 200
        assert time.process_time() - begun < 1


def test_a_connection_that_closes_harms_nobody(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    for part in (b"POST /tag HT", b"POST /tag HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n{"):
        with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
            connection.sendall(part)
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        body = b'{"texts": ["Anna"]}'
        connection.sendall(b"POST /tag HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    assert client.tag({"texts": ["Anna"]})[0] == 200
    assert "bug" not in caplog.text


def test_many_connections_at_once(client: Client) -> None:
    server.allow_many_connections()
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 1000:
        pytest.skip("this process may not open so many")
    idle = [socket.create_connection(("127.0.0.1", client.port), timeout=20) for _ in range(200)]
    asking = [http.client.HTTPConnection("127.0.0.1", client.port, timeout=20) for _ in range(50)]
    for connection in asking:
        connection.request("POST", "/tag", json.dumps({"texts": ["Anna"]}))
    assert [connection.getresponse().status for connection in asking] == [200] * 50
    for one in (*idle, *asking):
        one.close()


class Failing(Rule):
    """Fails on one word, as a model does whose weights are damaged, and otherwise on another, as no model should."""

    def tag_scored(self, sentences, counts=None):  # type: ignore[no-untyped-def]
        block = list(sentences)
        if any("Damaged" in tokens for tokens in block):
            raise NertoolError("the model gives no number for 'Damaged'", "Train anew.")
        if any("Odd" in tokens for tokens in block):
            raise KeyError(block[0][0])
        return super().tag_scored(block)


def test_a_text_over_which_the_model_fails_harms_no_other() -> None:
    gate = Gate()
    failing = Failing(before=gate)
    with running(lambda: rule_model(failing)) as client, ThreadPoolExecutor(3) as pool:
        texts = ["Anna", "Damaged", "Bern"]
        pool.submit(client.tag, {"texts": ["a"]})
        assert gate.reached.wait(20)
        answers = [pool.submit(client.tag, {"texts": [text]}) for text in texts[1:]]
        wait_for(client, "queue_requests", 2)
        gate.opened.set()
        damaged, bern = (one.result() for one in answers)
        assert damaged == (500, {"error": "the model failed on this request", "hint": "Train anew."})
        assert bern[0] == 200


def test_a_bug_is_told_without_the_text(caplog: pytest.LogCaptureFixture) -> None:
    with running(lambda: rule_model(Failing())) as client, caplog.at_level(logging.DEBUG):
        status, content = client.tag({"texts": ["Odd"]})
        assert status == 500 and set(content) == {"error", "hint"}
        assert client.tag({"texts": ["Anna Secretname"]})[0] == 200
    assert "KeyError" in caplog.text and "tag_scored" in caplog.text
    assert "Odd" not in caplog.text and "Secretname" not in caplog.text
