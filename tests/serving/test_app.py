"""What the server answers: tags, entities, refusals, metrics, its page."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from serving_client import LIMITS, Client, Rule, rule_model, running

from nertool.serving.app import Service, build_app
from nertool.serving.current_model import CurrentModel
from nertool.serving.limits import Limits
from nertool.serving.metrics import Metrics
from nertool.serving.server import build_server
from nertool.serving.tag_request import FIELDS, FORMS

ANNA = {"label": "PER", "start": 0, "end": 4, "text": "Anna", "score": 0.9}
BERN = {"label": "LOC", "start": 13, "end": 17, "text": "BERN", "score": 0.6}
TEXT = "Anna flew to BERN."


def test_entities_have_places_in_the_text(client: Client) -> None:
    status, answer = client.tag({"texts": [TEXT, "", "\U0001f600 \u00c9va\nANNA"]})
    assert status == 200
    eva = {"label": "PER", "start": 2, "end": 5, "text": "\u00c9va", "score": 0.9}
    anna = {"label": "LOC", "start": 6, "end": 10, "text": "ANNA", "score": 0.6}
    results = [{"entities": [ANNA, BERN]}, {"entities": []}, {"entities": [eva, anna]}]
    assert answer == {"model": "rule-1", "tokens": 8, "results": results}


def test_tags_stand_beside_their_tokens(client: Client) -> None:
    answer = client.tag({"tokens": [["Anna", "left"], []], "format": "tags"})[1]
    first = {"tokens": ["Anna", "left"], "tags": ["B-PER", "O"], "scores": [0.9, 1.0]}
    assert answer["results"] == [first, {"tokens": [], "tags": [], "scores": []}]
    answer = client.tag({"texts": ["Anna left"], "format": "tags"})[1]
    assert answer["results"] == [{**first, "offsets": [[0, 4], [5, 9]]}]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [ANNA, BERN]),
        ({"min_score": 0.7}, [ANNA]),
        ({"min_score": 1}, []),
        ({"min_score": {"LOC": 0.7}}, [ANNA]),
        ({"min_score": {"": 0.95, "LOC": 0.5}}, [BERN]),
        ({"types": ["LOC"]}, [BERN]),
        ({"types": []}, []),
        ({"types": ["LOC", "PER"], "min_score": 0.7}, [ANNA]),
        ({"types": None, "min_score": None, "format": "entities"}, [ANNA, BERN]),
    ],
)
def test_a_request_chooses_its_entities(client: Client, options: Any, kept: Any) -> None:
    assert client.tag({"texts": [TEXT], **options}) == (
        200,
        {"model": "rule-1", "tokens": 5, "results": [{"entities": kept}]},
    )


def test_types_that_are_not_asked_for_are_tagged_o(client: Client) -> None:
    answer = client.tag({"texts": ["Anna BERN"], "types": ["PER"], "format": "tags"})[1]
    assert answer["results"][0]["tags"] == ["B-PER", "O"]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"", 400, "no JSON"),
        (b"{", 400, "no JSON"),
        (b"\xff", 400, "not UTF-8 at byte 0"),
        (b"[" * 60_000, 400, ""),
        (b'{"texts": ' * 6_000, 400, ""),
        (b'{"texts": %b%b}' % (b"[" * 30_000, b"]" * 30_000), 400, ""),
        (b'{"texts": [], "min_score": ' + b"1" * 9000 + b"}", 400, "a number of thousands of digits"),
        ([], 400, "no JSON object"),
        ("Anna", 400, "no JSON object"),
        ({}, 400, "either `texts` or `tokens`"),
        ({"texts": [], "tokens": []}, 400, "either `texts` or `tokens`"),
        ({"texts": [], "nonsense": 1}, 400, "no field 'nonsense'"),
        ({"texts": "Anna"}, 400, "`texts` is no list"),
        ({"texts": None}, 400, "`texts` is no list"),
        ({"texts": ["Anna", 1]}, 400, "`texts[1]` holds something that is no string"),
        ({"texts": ["a\ud800"]}, 400, "half a character"),
        ({"tokens": [["\udfff"]]}, 400, "half a character"),
        ({"tokens": ["Anna"]}, 400, "`tokens[0]` is no list"),
        ({"tokens": [[None]]}, 400, "no string"),
        ({"texts": ["a"] * 21}, 413, "holds 21, and the server takes 20"),
        ({"texts": ["a", "a" * 5001]}, 413, "`texts[1]` has 5001 characters"),
        ({"tokens": [["a"] * 2501]}, 413, "characters"),
        ({"texts": ["a" * 70_000]}, 413, "more than 65536 bytes"),
        (b" " * (10 << 20), 413, "more than 65536 bytes"),
        ({"texts": [], "min_score": 2}, 400, "no number from 0 to 1"),
        ({"texts": [], "min_score": True}, 400, "no number from 0 to 1"),
        (b'{"texts": [], "min_score": NaN}', 400, "no number from 0 to 1"),
        ({"texts": [], "min_score": {"ORG": 0.5}}, 400, "no type 'ORG'"),
        ({"texts": [], "min_score": {"\ud800": 0.5}}, 400, "half a character"),
        ({"texts": [], "types": ["ORG"]}, 400, "no type 'ORG'"),
        ({"texts": [], "types": "PER"}, 400, "`types` is no list"),
        ({"texts": [], "types": [["PER"]]}, 400, "no string"),
        ({"texts": [], "format": "conll"}, 400, "`format` is none"),
        ({"texts": [], "format": ["tags"]}, 400, "`format` is none"),
        ({"texts": [], "\ud800": 1}, 400, "no field"),
    ],
)
def test_a_request_that_is_wrong_is_refused(client: Client, body: Any, status: int, error: str) -> None:
    given, answer = client.tag(body)
    assert given == status and set(answer) == {"error", "hint"} and error in answer["error"] and answer["hint"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *(("GET", "/nonsense", 404), ("GET", "/tag/", 404), ("GET", "/%ff%00", 404), ("GET", "//", 404)),
        *(("GET", "/tag", 405), ("DELETE", "/tag", 405), ("POST", "/health", 405), ("OPTIONS", "/tag", 405)),
    ],
)
def test_other_paths_and_methods_are_refused(client: Client, method: str, path: str, status: int) -> None:
    given, answer, headers = client.ask(method, path)
    assert given == status and set(answer) == {"error", "hint"}
    assert status == 404 or headers["allow"] in answer["hint"]


def test_what_is_no_http_is_refused(client: Client) -> None:
    for junk in (
        b"\x16\x03\x01\x00\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /tag HTTP/1.1\r\nHost: a\r\nX: \xff\x00\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
            connection.sendall(junk)
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
            assert answer.startswith(b"HTTP/1.1 400 ") and b'"hint"' in answer


def test_a_byte_order_mark_is_left_out(client: Client) -> None:
    assert client.tag(b'\xef\xbb\xbf{"texts": ["Anna flew to BERN."]}') == client.tag({"texts": [TEXT]})


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "deflate, gzip"])
def test_a_compressed_body_is_refused_as_such(client: Client, coding: str) -> None:
    body = gzip.compress(b'{"texts": ["Anna"]}')
    status, answer, headers = client.ask("POST", "/tag", body, {"Content-Encoding": coding})
    assert status == 415 and coding.lower() in answer["error"] and headers["accept-encoding"] == "identity"
    assert client.tag({"texts": ["Anna"]}, {"Content-Encoding": "identity"})[0] == 200


def test_proxies_close_a_connection_first() -> None:
    """They keep an idle one for 60 s; one that the server closes takes the next request with it."""
    service = Service(CurrentModel(rule_model, Path("nowhere"), Metrics()), Limits(**LIMITS), Metrics())
    assert build_server(build_app(service), 1.0, lambda: None).config.timeout_keep_alive > 60


def test_a_body_that_waits_for_leave_is_refused_before_it_is_sent(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        connection.sendall(b"POST /tag HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 99999\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_health_names_the_model(client: Client) -> None:
    status, content, headers = client.ask("GET", "/health")
    assert (status, headers["cache-control"], headers["x-content-type-options"]) == (200, "no-store", "nosniff")
    assert content == {"status": "ok", "model": "rule-1", "types": ["LOC", "PER"], "waiting": 0, "problem": ""}


def test_metrics_count_requests_texts_and_tokens() -> None:
    with running() as client:
        client.tag({"texts": [TEXT, "a"]})
        client.tag({"tokens": [["a"]]})
        client.tag([])
        client.ask("GET", "/secret-of-a-client")
        status, page, headers = client.ask("GET", "/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = page.splitlines()
    for line in (
        'nertool_requests_total{path="/tag",status="200"} 2',
        'nertool_requests_total{path="/tag",status="400"} 1',
        'nertool_requests_total{path="other",status="404"} 1',
        'nertool_request_seconds_bucket{le="+Inf"} 4',
        "nertool_texts_total 3",
        "nertool_tokens_total 7",
        "nertool_batches_total 2",
        "nertool_queue_requests 0",
        "nertool_requests_in_flight 1",
        f"nertool_queue_limit {LIMITS['waiting']}",
    ):
        assert line in lines
    samples = re.compile(r'nertool_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [0-9.e+-]+')
    assert all(line.startswith(("# HELP ", "# TYPE ")) or samples.fullmatch(line) for line in lines)
    assert "secret" not in page


def test_a_key_is_asked_for() -> None:
    with running(keys=[b"old", b"new"]) as client:
        for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer ol"}, {"Authorization": "old"}):
            for method, path in (("POST", "/tag"), ("GET", "/metrics")):
                status, content, given = client.ask(method, path, {"texts": []}, headers)
                assert status == 401 and set(content) == {"error", "hint"} and given["www-authenticate"] == "Bearer"
        assert client.tag({"texts": []}, {"Authorization": "Bearer \xff"})[0] == 401
        for key in ("old", "new"):
            assert client.tag({"texts": []}, {"Authorization": f"Bearer {key}"})[0] == 200
        assert client.ask("GET", "/health")[0] == client.ask("GET", "/")[0] == 200


def test_pages_elsewhere_may_ask_only_where_they_are_named(client: Client) -> None:
    asking = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    assert not any(name.startswith("access-control") for name in client.ask("POST", "/tag", {"texts": []}, asking)[2])
    with running(origins=["https://a.example"]) as named:
        status, _, headers = named.ask("OPTIONS", "/tag", headers=asking)
        assert status == 204 and headers["access-control-allow-headers"] == "authorization, content-type"
        for path, body in (("/tag", {"texts": []}), ("/tag", [])):
            headers = named.ask("POST", path, body, asking)[2]
            assert (headers["access-control-allow-origin"], headers["vary"]) == ("https://a.example", "origin")
        others = named.ask("POST", "/tag", {"texts": []}, {"Origin": "https://b.example"})[2]
        assert "access-control-allow-origin" not in others


def test_the_page_loads_nothing_and_runs_nothing_else(client: Client) -> None:
    status, page, headers = client.ask("GET", "/")
    policy = headers["content-security-policy"]
    assert status == 200 and "default-src 'none'" in policy and "unsafe" not in policy
    for element in ("script", "style"):
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    assert not re.search(r"https?://|innerHTML|insertAdjacent|document\.write|\bon\w+=|style=", page)


def test_the_description_names_what_there_is(client: Client) -> None:
    description = client.ask("GET", "/openapi.json")[1]
    assert sorted(description["paths"]) == ["/", "/health", "/metrics", "/openapi.json", "/tag"]
    schemas = description["components"]["schemas"]
    assert set(schemas["Request"]["properties"]) == set(FIELDS)
    assert set(schemas["Request"]["properties"]["format"]["enum"]) == {*FORMS, ""}
    assert set(schemas["Health"]["properties"]) == set(client.ask("GET", "/health")[1])
    answer = client.tag({"texts": [TEXT]})[1]
    assert set(schemas["Answer"]["properties"]) == set(answer)
    assert set(schemas["Entity"]["properties"]) == set(answer["results"][0]["entities"][0])
    names = set(re.findall(r'"#/components/(\w+/\w+)"', json.dumps(description)))
    assert all(name in description["components"][kind] for kind, name in (one.split("/") for one in names))


def test_tags_that_are_no_entities() -> None:
    with running(lambda: rule_model(Rule(labels=("NOUN", "VERB")))) as client:
        assert "tags" in client.tag({"texts": ["a"]})[1]["results"][0]
        for options in ({"format": "entities"}, {"min_score": 0.5}, {"types": ["PER"]}):
            status, answer = client.tag({"texts": ["a"], **options})
            assert status == 400 and set(answer) == {"error", "hint"}
