"""Random requests: each gets an answer in the form that is written down, and the server goes on."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from serving_client import Client, running

from nertool.serving.labelling_config import TEMPLATE

REQUESTS = 1500
WORDS = ["texts", "tokens", "types", "min_score", "format", "", "PER", "LOC", "tags", "entities", "Anna", "BERN."]
ODD = ["\ud800", "\udfff", "\x00", "\u202e", "\U0010ffff", "e\u0301", "\r\n", "\u2028", "'\"\\", "a" * 6000, " "]
PATHS = ["/tag", "/tag", "/tag", "/tag", "/", "/health", "/metrics", "/openapi.json", "/tag/", "/%00", "/%ff", "/..%2f"]
PATHS += ["/predict", "/predict", "/predict", "/setup", "/setup", "/versions", "/train", "/webhook"]
MARKUP = ["<View>", "</View>", "<Labels name='a' toName='b'>", "</Labels>", "<Label value='PER'/>", "<Text name='b' "]
MARKUP += [
    "value='$text'/>",
    "<!DOCTYPE a [",
    "<!ENTITY a 'b'>",
    "]>",
    "&a;",
    "&amp;",
    "<?xml version='1.0'?>",
    "<![CDATA[",
]
METHODS = ["POST", "POST", "POST", "POST", "GET", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE", "NONSENSE"]
HEADERS = [
    *(b"Authorization: Bearer \xff\xfe", b"Origin: null", b"Expect: 100-continue", b"Content-Type: text/plain"),
    *(
        b"Accept: nonsense",
        b"X-" + b"a" * 2000 + b": b",
        b"Upgrade: websocket\r\nConnection: Upgrade",
        b"Range: bytes=0-",
    ),
    *(b"Transfer-Encoding: gzip", b"Content-Length: -1", b"Content-Length: 5\r\nContent-Length: 6", b"no colon", b": "),
    b"Cookie: " + b"x" * 70_000,
]


def value(source: random.Random, depth: int = 0) -> Any:
    """Something that JSON can hold, and now and then what it cannot."""
    kind = source.randrange(9 if depth < 4 else 6)
    if kind < 2:
        return source.choice(WORDS) + (source.choice(ODD) if source.random() < 0.2 else "")
    if kind == 2:
        return source.choice([0, 1, -1, 0.5, 1e308, 10**400, float("nan"), float("inf")])
    if kind < 6:
        return source.choice([None, True, False, [], {}, ""])
    if kind == 8:
        return {source.choice(WORDS): value(source, depth + 1) for _ in range(source.randrange(4))}
    return [value(source, depth + 1) for _ in range(source.randrange(30))]


def request_like(source: random.Random) -> Any:
    """Nearly a request."""
    content: dict[str, Any] = {source.choice(["texts", "tokens"]): [source.choice([*WORDS, ["Anna", "left"]])]}
    for name in ("min_score", "types", "format", "texts", "nonsense"):
        if source.random() < 0.3:
            content[name] = source.choice([value(source), 0.5, ["PER"], "tags", {"PER": 0.3}])
    return content


def tasks_like(source: random.Random) -> Any:
    """Nearly a request of Label Studio."""
    markup = TEMPLATE
    if source.random() < 0.5:
        at = source.randrange(len(markup))
        markup = (
            markup[:at] + "".join(source.choices(MARKUP, k=source.randrange(5))) + markup[at + source.randrange(9) :]
        )
    tasks: list[Any] = [{"data": {"text": source.choice([*WORDS, *ODD, None])}} for _ in range(source.randrange(4))]
    content: dict[str, Any] = {"tasks": tasks, "label_config": markup, "schema": markup}
    for name in ("tasks", "label_config", "schema", "params"):
        if source.random() < 0.1:
            content[name] = value(source)
    return content


def body(source: random.Random) -> bytes:
    kind = source.randrange(8)
    if kind == 0:
        return source.choice([b"[", b'{"texts":[', b'{"a":']) * source.randrange(1, 8000)
    if kind == 1:
        return source.randbytes(source.randrange(200))
    if kind == 2:
        return source.choice([b" ", b"a", b"[]", b"\xff"]) * source.randrange(100_000)
    content = (request_like(source), tasks_like(source), value(source))[max(0, kind - 5)]
    written = json.dumps(content, ensure_ascii=source.random() < 0.5).encode("utf-8", "surrogatepass")
    return written[: source.randrange(len(written) + 1)] if source.random() < 0.1 else written


def raw_request(source: random.Random) -> tuple[bytes, bytes]:
    """The bytes of a request, and its method."""
    sent, method = body(source), source.choice(METHODS)
    lines = [f"{method} {source.choice(PATHS)} HTTP/1.1".encode(), b"Host: a", b"Connection: close"]
    lines += source.sample(HEADERS, source.choice([0, 0, 0, 1, 2]))
    lines.append(b"Content-Length: %d" % len(sent))
    return b"\r\n".join(lines) + b"\r\n\r\n" + sent, method.encode()


def ask(port: int, sent: bytes) -> bytes:
    """All that comes back until the connection is closed."""
    pieces = []
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            connection.sendall(sent)
            while piece := connection.recv(1 << 16):
                pieces.append(piece)
        except ConnectionError:  # a refusal that came before all was sent
            pass
    return b"".join(pieces)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A server with all its paths."""
    with running(label_studio=True) as client:
        yield client


@pytest.mark.parametrize("seed", range(3))
def test_random_requests_are_answered_as_is_written_down(
    client: Client, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    source = random.Random(seed)
    statuses = set()
    for _ in range(REQUESTS // 3):
        sent, method = raw_request(source)
        head, _, content = ask(client.port, sent).partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100 "):
            head, _, content = content.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 "), (sent[:300], head)
        status = int(head.split()[1])
        statuses.add(status)
        assert status == 200 or 400 <= status < 500 or status == 501, sent[:300]
        if status != 200 and method != b"HEAD":
            answer = json.loads(content)
            assert set(answer) == {"error", "hint"} and all(answer.values()), sent[:300]
    assert {200, 400, 404, 405, 413, 501} <= statuses
    assert client.tag({"texts": ["Anna"]})[0] == 200
    assert all(record.levelname == "WARNING" for record in caplog.records)
