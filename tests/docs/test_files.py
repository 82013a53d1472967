"""docs/files.md describes every key of the files that a run writes, and no other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import measured_here, undrawn, write_corpus

from nertool.stages import download, evaluate, labels, predict, preprocess, quantize, train
from nertool.workspace.workspace import Workspace

PAGE = Path(__file__).resolve().parents[2] / "docs" / "files.md"
SECTION = re.compile(r"^#{2,3} (.+)$", re.MULTILINE)
HEADER = "| Key | Value | Meaning |"
ROW = re.compile(r"^\| `([^`]+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)
LINK = re.compile(r"\[([^]]+)\]\((#|options\.md)")
ALSO = {"task score": "figures", "published score": "figures"}
"""Sections whose objects also have the keys of another one."""


class Schema:
    """The tables of the page: section -> key -> (value, meaning). Checking notes which rows were met."""

    def __init__(self, page: str) -> None:
        titles = list(SECTION.finditer(page))
        ends = [title.start() for title in titles[1:]] + [len(page)]
        self.sections: dict[str, dict[str, tuple[str, str]]] = {}
        for title, end in zip(titles, ends, strict=True):
            text = page[title.end() : end]
            if HEADER in text:
                rows = ROW.findall(text)
                self.sections[title[1]] = {key: (value, meaning) for key, value, meaning in rows}
        self.met: set[tuple[str, str]] = set()

    def unknown(self, value: Any, section: str, path: str) -> Iterator[str]:
        """Places of keys in an object that the section does not describe."""
        for key, inner in value.items():
            home, row = self._row(section, key)
            if row is None:
                yield f"{path}.{key} is not in the section {section!r}"
                continue
            self.met.add((home, row))
            yield from self._inside(inner, self.sections[home][row][0], f"{path}.{key}")

    def _row(self, section: str, key: str) -> tuple[str, str | None]:
        rows = self.sections[section]
        if key in rows:
            return section, key
        if any_name := next((row for row in rows if row.isupper()), None):
            return section, any_name
        return self._row(ALSO[section], key) if section in ALSO else (section, None)

    def _inside(self, inner: Any, described: str, path: str) -> Iterator[str]:
        link = LINK.search(described)
        for item in inner if isinstance(inner, list) else [inner]:
            if isinstance(item, dict) and link is None:
                yield f"{path} is an object, but described as {described}"
            elif isinstance(item, dict) and link is not None and link[2] == "#":
                section = facts_of(path) if link[1] == "facts" else link[1]
                yield from self.unknown(item, section, path)

    def never_met(self) -> list[str]:
        """Rows that no object had, but for those that say `Only`."""
        never = []
        for section, rows in self.sections.items():
            for key, (_, meaning) in rows.items():
                if (section, key) not in self.met and not meaning.startswith("Only"):
                    never.append(f"{section}: {key}")
        return never


def facts_of(path: str) -> str:
    """The section of a record's facts, by the path of its key."""
    record = path.removeprefix("workspace.json.stages.").removesuffix(".facts")
    special = {
        "evaluate:comparison": "comparison.json",
        "evaluate:report": "facts of the report",
        "evaluate:thresholds": "thresholds.json",
        "quantize": "quantization.json",
    }
    stage = record.partition(":")[0]
    return special.get(record, "results" if stage == "evaluate" else f"facts of {stage}")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_model: str) -> Workspace:
    """A workspace in which every stage has run."""
    folder = tmp_path_factory.mktemp("run")
    write_corpus(folder / "own", ".conll")
    workspace = Workspace(folder / "workspace")
    files = {name: str(folder / "own" / f"{split}.conll") for name, split in OWN_FILES.items()}
    download.run(workspace, download.Options(**files))
    preprocess.run(workspace, preprocess.Options(model=tiny_model))
    labels.run(workspace, labels.Options())
    settings = {"num_epochs": 2.0, "batch_size": 4, "learning_rate": 1e-3, "save_steps": 1000}
    train.run(workspace, train.Options(model=tiny_model, curve="0.5", **settings))
    with measured_here(), undrawn():
        evaluate.run(workspace, evaluate.Options(recall=["0.1"]))
        quantize.run(workspace, quantize.Options(backend="onnx", tolerance=0.9))
        evaluate.run(workspace, evaluate.Options(quantized=True))
        evaluate.run(workspace, evaluate.Options(compare=str(workspace / "quantized")))
        predict.run(workspace, predict.Options(split="test"))
    return workspace


OWN_FILES = {"train_file": "train", "validation_file": "dev", "test_file": "test"}
DESCRIBED = {
    "workspace.json": "workspace.json",
    "runs.jsonl": "runs.jsonl",
    "evaluation/dev_results.json": "results",
    "evaluation/quantized/test_results.json": "results",
    "evaluation/dev_errors.jsonl": "errors",
    "evaluation/test_errors.jsonl": "errors",
    "evaluation/dev_entities.jsonl": "entities",
    "model/thresholds.json": "thresholds.json",
    "evaluation/comparison.json": "comparison.json",
    "quantized/encoding.json": "encoding.json",
    "quantized/quantization.json": "quantization.json",
}
"""Files of a workspace, and the section for each."""


def objects(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file: one, or one a line."""
    text = path.read_text(encoding="utf-8")
    yield from map(json.loads, text.splitlines() if path.suffix == ".jsonl" else [text])


@pytest.mark.slow
def test_the_page_describes_every_key_and_no_other(run: Workspace) -> None:
    pytest.importorskip("onnxruntime")
    schema = Schema(PAGE.read_text(encoding="utf-8"))
    unknown: list[str] = []
    for name, section in DESCRIBED.items():
        for content in objects(run / name):
            unknown += schema.unknown(content, section, name)
    assert sorted(set(unknown)) == []
    assert schema.never_met() == []
