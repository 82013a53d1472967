"""The calls of Label Studio: what they are answered, and what is refused."""

from __future__ import annotations

import json
import logging
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from helpers import write_graph
from serving_client import Client, Rule, rule_model, running

from nertool.cli.main import main
from nertool.serving.label_studio import PATHS
from nertool.serving.labelling_config import MOST, TEMPLATE
from nertool.stages import serve

TEXT = "Anna flew to BERN."
LABELS = '<Label value="PER"/><Label value="LOC"/>'
CONFIG = f'<View><Labels name="ner" toName="body">{LABELS}</Labels><Text name="body" value="$words"/></View>'
BOMB = """<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY c "&b;&b;">]><View>&c;</View>"""
OUTSIDE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><View>&a;</View>'


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A server that answers Label Studio."""
    with running(label_studio=True) as client:
        yield client


def predict(client: Client, *texts: Any, config: Any = CONFIG, **more: Any) -> tuple[int, Any]:
    """Ask as Label Studio does, which sends more than is used."""
    tasks = [{"id": n, "data": {"words": text}, "project": 1, "annotations": []} for n, text in enumerate(texts)]
    body = {"tasks": tasks, "label_config": config, "project": "1.170", "params": {"login": None, "context": None}}
    return client.ask("POST", "/predict", {**body, **more})[:2]


def config(labels: str = LABELS, more: str = "", text: str = 'value="$words"') -> str:
    return f'<View><Labels name="ner" toName="body"{more}>{labels}</Labels><Text name="body" {text}/></View>'


def spans(answer: Any) -> list[list[tuple[int, int, str]]]:
    """Start, end and label of the regions of each task."""
    found = []
    for result in answer["results"]:
        values = [region["value"] for region in result["result"]]
        found.append([(value["start"], value["end"], *value["labels"]) for value in values])
    return found


def test_each_task_gets_its_regions(client: Client) -> None:
    status, answer = predict(client, TEXT, "", "\U0001f600 \u00c9va\r\nANNA")
    kind = {"from_name": "ner", "to_name": "body", "type": "labels"}
    anna = {"start": 0, "end": 4, "text": "Anna", "labels": ["PER"]}
    bern = {"start": 13, "end": 17, "text": "BERN", "labels": ["LOC"]}
    regions = [{"id": "1", **kind, "value": anna, "score": 0.9}, {"id": "2", **kind, "value": bern, "score": 0.6}]
    assert status == 200 and (answer["left_out"], answer["without_text"]) == ({}, 0)
    assert answer["results"][0] == {"model_version": "rule-1", "score": 0.6, "result": regions}
    assert answer["results"][1] == {"model_version": "rule-1", "score": 1.0, "result": []}
    assert spans(answer)[2] == [(2, 5, "PER"), (7, 11, "LOC")]


def test_no_task_is_no_prediction(client: Client) -> None:
    assert predict(client) == (200, {"results": [], "left_out": {}, "without_text": 0})


def test_a_task_without_a_text_has_no_regions(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    status, answer = predict(client, None, TEXT, 5, ["Anna"])
    assert status == 200 and [len(found) for found in spans(answer)] == [0, 2, 0, 0]
    assert answer["without_text"] == 3 and "3 of 4 tasks have no text" in caplog.text


def test_types_without_a_label_are_counted(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    only_places = config('<Label value="LOC"/>')
    answer = predict(client, TEXT, "Eva", config=only_places)[1]
    assert spans(answer) == [[(13, 17, "LOC")], []] and answer["left_out"] == {"PER": 2}
    assert client.ask("POST", "/setup", {"schema": only_places})[0] == 200
    assert "lack PER" in caplog.text


@pytest.mark.parametrize(
    ("labels", "more", "expected"),
    [
        ('<Label value="Person" predicted_values="PER, PERSON"/>', "", "Person"),
        ('<Label value="Person" alias="PER"/>', "", "Person"),
        ('<View><Header value="x"/><Label value="PER" background="#fff"/></View>', "", "PER"),
        ("", ' value="$choices"', "PER"),
    ],
)
def test_a_label_may_have_other_names(client: Client, labels: str, more: str, expected: str) -> None:
    assert spans(predict(client, "Anna", config=config(labels, more))[1]) == [[(0, 4, expected)]]


def test_of_several_pairs_that_with_most_types_is_taken(client: Client) -> None:
    other = '<Labels name="tone" toName="other,body"><Label value="good"/></Labels><Label value="ORG"/>'
    answer = predict(client, TEXT, config=CONFIG.replace("<View>", f'<View>{other}<Text name="title" value="$t"/>'))[1]
    assert {region["from_name"] for region in answer["results"][0]["result"]} == {"ner"}


@pytest.mark.parametrize(
    ("config", "status", "error"),
    [
        (None, 400, "no string"),
        (["<View/>"], 400, "no string"),
        ("", 400, "no XML"),
        ("<View>", 400, "no XML"),
        ("<View>\x00</View>", 400, "no XML"),
        ("<View>\ud800</View>", 400, "half a character"),
        ("<View>&a;</View>", 400, "no XML"),
        ('<?xml version="1.0" encoding="utf-16"?>' + CONFIG, 200, ""),
        ("<a>" * 20_000, 400, "no XML"),
        (BOMB, 400, "has a DOCTYPE"),
        (OUTSIDE, 400, "has a DOCTYPE"),
        ("<View/>", 400, "no `Labels` with a `Text`"),
        ('<View><Text name="body" value="$words"/></View>', 400, "no `Labels` with a `Text`"),
        (CONFIG.replace("<Text", "<Image"), 400, "no `Labels` with a `Text`"),
        (CONFIG.replace('toName="body"', 'toName="other"'), 400, "no `Labels` with a `Text`"),
        (config('<Label value="GPE"/>'), 400, "none of the model's types"),
        (config(""), 400, "none of the model's types"),
        (config(text='value="$words" valueType="url"'), 400, "read from an address"),
        (config(text='value="words"'), 400, "names no field"),
        (config(text='value="$"'), 400, "names no field"),
        (config(text=""), 400, "names no field"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused(
    client: Client, config: Any, status: int, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At once, when the project is connected, and again when it asks."""
    for given, answer in (predict(client, TEXT, config=config), client.ask("POST", "/setup", {"schema": config})[:2]):
        assert given == status
        if status != 200:
            assert set(answer) == {"error", "hint"} and error in answer["error"] and answer["hint"]
            assert answer["error"] in caplog.text  # Label Studio does not show it


def test_a_large_configuration_is_refused() -> None:
    with running(label_studio=True, body=1 << 20) as client:
        assert predict(client, TEXT, config=CONFIG + " " * (MOST - len(CONFIG)))[0] == 200
        assert predict(client, TEXT, config=CONFIG + " " * MOST)[0] == 413


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"", 400, "no JSON"),
        (b"\xff", 400, "not UTF-8"),
        ([], 400, "no JSON object"),
        ({}, 400, "`tasks` is no list"),
        ({"tasks": None, "label_config": CONFIG}, 400, "`tasks` is no list"),
        ({"tasks": [], "label_config": 1}, 400, "no string"),
        ({"tasks": [None], "label_config": CONFIG}, 400, "`tasks[0]` is no object with `data`"),
        ({"tasks": [{"data": None}], "label_config": CONFIG}, 400, "`tasks[0]` is no object with `data`"),
        ({"tasks": [{"data": {"text": TEXT}}], "label_config": CONFIG}, 400, "no task has a text in its field 'words'"),
        ({"tasks": [{"data": {"words": None}}], "label_config": CONFIG}, 400, "no task has a text"),
        ({"tasks": [{"data": {"words": "\ud800"}}], "label_config": CONFIG}, 400, "half a character"),
        ({"tasks": [{"data": {"words": "a"}}] * 21, "label_config": CONFIG}, 413, "holds 21"),
        ({"tasks": [{"data": {"words": "a" * 5001}}], "label_config": CONFIG}, 413, "5001 characters"),
        ({"tasks": [{"data": {"words": "a" * 70_000}}], "label_config": CONFIG}, 413, "bytes"),
    ],
)
def test_tasks_that_are_wrong_are_refused(client: Client, body: Any, status: int, error: str) -> None:
    given, answer, _ = client.ask("POST", "/predict", body)
    assert given == status and set(answer) == {"error", "hint"} and error in answer["error"] and answer["hint"]


def test_a_project_is_connected(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    body = {
        "project": "1.170",
        "schema": CONFIG,
        "hostname": "http://a",
        "access_token": "secret",
        "extra_params": None,
    }
    assert client.ask("POST", "/setup", body)[:2] == (200, {"model_version": "rule-1"})
    assert client.ask("GET", "/health")[1]["status"] == "UP"
    assert client.ask("GET", "/versions")[1] == {"versions": ["rule-1"]}
    assert "/setup 200" in caplog.text and "secret" not in caplog.text


@pytest.mark.parametrize("path", ["/train", "/webhook"])
def test_training_is_refused(client: Client, path: str) -> None:
    status, answer, _ = client.ask("POST", path, {"action": "ANNOTATION_CREATED"})
    assert status == 501 and set(answer) == {"error", "hint"} and "does not train" in answer["error"]


def test_a_password_is_a_key() -> None:
    def basic(password: str) -> dict[str, str]:
        return {"Authorization": "Basic " + b64encode(f"anybody:{password}".encode()).decode()}

    wrong = ({}, basic("ol"), basic(""), {"Authorization": "Basic old"}, {"Authorization": "Basic \xff"})
    with running(keys=[b"old", b"n:ew"], label_studio=True) as client:
        for headers, (method, path) in product(wrong, [("POST", "/predict"), ("POST", "/setup"), ("GET", "/versions")]):
            status, answer, given = client.ask(method, path, {}, headers)
            assert status == 401 and set(answer) == {"error", "hint"} and "Basic" in given["www-authenticate"]
        for headers in (basic("old"), basic("n:ew"), {"Authorization": "Bearer old"}):
            assert client.ask("POST", "/setup", {"schema": CONFIG}, headers)[0] == 200
            assert client.tag({"texts": []}, headers)[0] == 200
        assert client.ask("GET", "/health", headers=basic("ol"))[0] == 401
        assert client.ask("GET", "/health", headers=basic("old"))[0] == client.ask("GET", "/health")[0] == 200


def test_limits_of_the_queue_and_of_time_hold_for_tasks_too() -> None:
    reached, opened = threading.Event(), threading.Event()
    rule = Rule(before=lambda: reached.set() or opened.wait(20))
    limits = {"waiting": 1, "seconds": 1.0}
    with running(lambda: rule_model(rule), label_studio=True, **limits) as busy, ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(predict, busy, TEXT)]
        assert reached.wait(20)
        answers += [pool.submit(predict, busy, TEXT) for _ in range(3)]
        statuses = sorted(answer.result()[0] for answer in answers)
        opened.set()
    assert statuses == [429, 429, 503, 503]


def test_calls_are_counted_and_described(client: Client) -> None:
    predict(client, TEXT)
    page = client.ask("GET", "/metrics")[1]
    assert 'nertool_requests_total{path="/predict",status="200"}' in page
    description = client.ask("GET", "/openapi.json")[1]
    assert set(PATHS) < set(description["paths"])
    regions = description["components"]["schemas"]["LabelStudioRegion"]["properties"]
    answer = predict(client, TEXT)[1]
    assert set(regions) == set(answer["results"][0]["result"][0])
    assert set(description["components"]["schemas"]["LabelStudioPredictions"]["properties"]) == set(answer)
    for name in json.dumps(description).split('"#/components/')[1:]:
        kind, _, part = name.partition('"')[0].partition("/")
        assert part in description["components"][kind]


def test_without_the_option_there_are_no_such_paths() -> None:
    with running() as client:
        assert {client.ask("POST", path, {})[0] for path in PATHS} == {404}
        assert not set(PATHS) & set(client.ask("GET", "/openapi.json")[1]["paths"])
        assert "/predict" not in client.ask("GET", "/predict")[1]["hint"]


def test_the_template_of_hints_is_right(client: Client) -> None:
    assert client.ask("POST", "/setup", {"schema": TEMPLATE})[0] == 200


def test_predictions_are_those_of_predict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for package in ("onnx", "onnxruntime", "tokenizers"):
        pytest.importorskip(package)
    from nertool.workspace.workspace import Workspace

    write_graph(tmp_path / "quantized")
    texts = ["Anna Keller flew to Bern .\r\nBern left \U0001f600 Anna .", "Bern", "left"]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    for options in ([], ["--min-score", "0.8"]):
        with pytest.raises(SystemExit):
            command = ["predict", "--quantized", "-w", str(tmp_path), "--format", "label-studio", *options]
            main([*command, str(tmp_path / "texts.jsonl")])
        expected = [task["predictions"][0] for task in json.loads(capsys.readouterr().out)]
        ours = serve.Options(quantized=True, min_score=options[1:])
        with running(lambda ours=ours: serve._load(Workspace(tmp_path), ours), label_studio=True) as client:
            template = TEMPLATE.replace("<Label ", '<Label value="LOC"/><Label ')
            tasks = [{"data": {"text": text}} for text in texts]
            answer = client.ask("POST", "/predict", {"tasks": tasks, "label_config": template})[1]
            assert answer["results"] == expected
