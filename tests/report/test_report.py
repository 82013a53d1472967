"""The report: complete in itself, escaped, and working in a browser where there is one."""

from __future__ import annotations

import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nertool.report import plots
from nertool.stages import evaluate
from nertool.workspace.workspace import Workspace

HOSTILE = '<script>alert("x")</script>&amp;'
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page(html.parser.HTMLParser):
    """Elements with their attributes, and text by element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A page about predictions with an error of each kind, some with hostile tokens and types."""
    (tmp_path / "tags.txt").write_text(
        f"{HOSTILE} B-PER B-LOC\nx O O\n\nthe O B-LOC\nright B-PER B-PER\n\n"
        f"New B-LOC B-LOC\nYork I-LOC O\n\nRome B-{HOSTILE} O\n"
    )
    options = evaluate.Options(columns=str(tmp_path / "tags.txt"), report=str(tmp_path / "out"))
    evaluate.run(Workspace(tmp_path / "w"), options)
    return tmp_path / "out/report.html"


def test_a_page_needs_nothing_else(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    page = Page(text)
    assert not [attributes for tag, attributes in page.elements if {"src", "href"} & set(attributes) and tag != "use"]
    assert not re.findall(r"@import|url\((?!#)", text)
    assert page.named("meta")[1]["name"] == "viewport"
    assert "prefers-color-scheme: dark" in text
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_tokens_and_types_cannot_write_html(report: Path) -> None:
    page = Page(report.read_text(encoding="utf-8"))
    assert len(page.named("script")) == 1
    assert page.text.count(HOSTILE) > 3


def test_every_error_stands_in_its_sentence(report: Path) -> None:
    rows = [json.loads(line) for line in (report.parent / "errors.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["sentence"], row["kind"]) for row in rows] == [
        (1, "type"),
        (2, "invented"),
        (3, "border"),
        (4, "missed"),
    ]
    page = Page(report.read_text(encoding="utf-8"))
    articles = page.named("article")
    assert [article["data-kinds"] for article in articles] == ["type", "invented", "border", "missed"]
    assert [mark["data-type"] for mark in page.named("mark")] == ["PER", "LOC", "LOC", "LOC", "LOC", HOSTILE]


def test_a_report_of_perfect_predictions_and_of_none(tmp_path: Path) -> None:
    for text in ("a B-PER B-PER\n", "a O O\n", "", "runs VERB NOUN\n"):
        (tmp_path / "tags.txt").write_text(text)
        options = evaluate.Options(columns=str(tmp_path / "tags.txt"), report=str(tmp_path / "out"))
        evaluate.run(Workspace(tmp_path / "w"), options)
        assert len(Page((tmp_path / "out/report.html").read_text()).named("article")) == (text.startswith("runs"))


def test_the_report_of_a_workspace_shows_its_models_and_its_training(trained: Path, tmp_path: Path) -> None:
    workspace = Workspace(shutil.copytree(trained, tmp_path / "copy"))
    evaluate.run(workspace, evaluate.Options(recall=["PER=0.5", "0.25"]))
    page = Page((workspace / "evaluation/report.html").read_text(encoding="utf-8"))
    labels = [svg["aria-label"] for svg in page.named("svg")]
    assert {"F1-with-intervals", "learning-curve", "recall-by-seen"} <= set(labels)
    assert {"confidence-on-dev", "confidence-on-test"} <= set(labels)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert "thresholds" in ids and len(ids) == len(set(ids))
    assert "other types" in page.text and "recall 0.2500" in page.text
    assert "FP32 dev" in page.text and "FP32 test" in page.text and "INT8" not in page.text
    before = (workspace / "evaluation/report.html").read_bytes()
    assert evaluate.run(workspace, evaluate.Options()).fresh
    evaluate.run(workspace, evaluate.Options(force=True))
    assert (workspace / "evaluation/report.html").read_bytes() == before


def test_drawings_take_the_pages_colours() -> None:
    history: list[dict[str, Any]] = [
        {"epoch": 1.0, "loss": 0.5, "dev_f1": 0.1},
        {"epoch": 2.0, "loss": 0.2, "dev_f1": 0.3},
    ]
    drawing = plots.learning_curve(history, "f1")
    assert drawing.startswith("<svg ") and "currentColor" in drawing and plots.INK not in drawing
    assert drawing == plots.learning_curve(history, "f1")


def test_probabilities_of_tags_without_entities_are_drawn_too() -> None:
    words = {"error": 0.1, "count": 2, "bins": [{"count": 2, "probability": 0.5, "right": 0.5}]}
    entities = {"error": 0.0, "count": 0, "bins": []}
    units = {"words": words, "entities": entities}
    drawing = plots.confidence("dev", [("FP32", {"calibration": {"before": units, "after": units}})])
    assert ">tokens<" in drawing and ">entities<" not in drawing and ">least score<" not in drawing
    none = {"words": entities, "entities": entities}
    assert plots.confidence("dev", [("FP32", {"calibration": {"before": none, "after": none}})]) == ""


def test_equally_frequent_types_are_drawn_in_byte_order() -> None:
    """Which types a crowded confusion matrix leaves out must not be chance: equal results give equal pages."""
    labels = [f"T{number:02}" for number in range(plots.MOST_TYPES + 10)]
    cells = [{"gold": label, "predicted": label, "count": 1} for label in reversed(labels)]
    drawing = plots.confusion({"confusion": cells})
    assert [label for label in labels if f">{label}<" in drawing] == labels[: plots.MOST_TYPES]


def test_a_name_with_dollar_signs_is_no_formula() -> None:
    drawing = plots.confusion({"confusion": [{"gold": r"$\frac$", "predicted": "US$ $", "count": 1}]})
    assert r">$\frac$<" in drawing and ">US$ $<" in drawing


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_the_filter_works_in_a_browser(report: Path, tmp_path: Path) -> None:
    """A script behind the page's own chooses a kind and a type, and writes down what is shown."""
    probe = """<script>
    window.onerror = (message) => { document.title = "error: " + message; };
    function visible() { return document.querySelectorAll("article:not([hidden])").length; }
    const steps = [visible()];
    for (const [id, value] of [["kind", "border"], ["kind", ""], ["type", "PER"], ["type", ""], ["text", "york"]]) {
      document.getElementById(id).value = value;
      document.getElementById(id).dispatchEvent(new Event("input"));
      steps.push(visible());
    }
    document.title = steps.join(",");
    </script></body>"""
    page = tmp_path / "probe.html"
    page.write_text(report.read_text(encoding="utf-8").replace("</body>", probe), encoding="utf-8")
    assert BROWSER
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run([BROWSER, *flags, page.as_uri()], capture_output=True, text=True, timeout=60)
    assert "<title>4,1,4,1,4,1</title>" in done.stdout, done.stdout[:2000]
