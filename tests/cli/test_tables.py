"""Tables of results name figures as people do."""

from __future__ import annotations

import pytest
from rich.table import Table

from nertool.cli.tables import render
from nertool.workspace.stage import Result

FACTS = {
    "model": "minilm",
    "output_dir": "model",
    "sentences": 1702,
    "words": 24362,
    "windowed": 0,
    "without_subwords": 2,
    "epoch_kept": 2.0,
    "metric": "f1",
    "dev_f1": 0.8541,
    "dev_interval": [0.8184, 0.8833],
    "calibration": {"temperature": 0.6009},
    "history": [{"epoch": 1.0, "step": 54, "dev_f1": 0.4834}, {"epoch": 1.5, "step": 81, "dev_f1": 0.8541}],
}


def cells(table: Table) -> list[list[str]]:
    return [[str(cell) for cell in column.cells] for column in table.columns]


def test_a_training_has_names_for_people() -> None:
    totals, epochs = render(Result("train", FACTS))
    names, values = cells(totals)
    shown = dict(zip(names, values, strict=True))
    assert shown == {
        "model": "minilm",
        "directory": "model",
        "sentences": "1,702",
        "tokens": "24,362",
        "tokens without sub-words": "2",
        "epoch kept": "2",
        "dev F1": "0.8541",
        "95 % of dev F1": "0.8184 to 0.8833",
        "temperature": "0.6009",
    }
    assert [str(column.header) for column in epochs.columns] == ["epoch", "step", "dev F1"]
    assert cells(epochs)[0] == ["1", "1.5"]


def test_keys_that_say_too_little_have_names_for_people() -> None:
    (table,) = render(Result("predict", {"model": "quantized", "tokens": 9, "below": 2}))
    assert cells(table)[0] == ["model", "tokens", "entities below their least probability"]
    (table,) = render(Result("predict", {"model": "quantized", "tokens": 9, "below": 0}))
    assert cells(table)[0] == ["model", "tokens"]
    counts = {"sentences": 3, "tokens": 9, "dropped": 1, "breaks": 0, "cut": 0}
    (table,) = render(Result("preprocess", {"train": counts}))
    names = [str(column.header) for column in table.columns]
    assert names == ["", "sentences", "tokens", "tokens dropped", "breaks put in", "entities cut"]


@pytest.mark.parametrize("name", ["dev accuracy", "95 % of dev accuracy"])
def test_a_training_on_tags_without_types_has_its_accuracy(name: str) -> None:
    totals, epochs = render(Result("train", {**FACTS, "metric": "accuracy"}))
    assert name in cells(totals)[0]
    assert str(epochs.columns[-1].header) == "dev accuracy"
