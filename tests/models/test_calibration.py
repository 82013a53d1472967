"""Calibration: the temperature that fits, and the error that is left."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nertool.errors import InvalidData
from nertool.models.calibration import DevLogits, read_temperature, write_temperature
from nertool.scoring.confidence import Confidence

LABELS = ["O", "B-X", "I-X"]


def drawn(heat: float) -> DevLogits:
    """Gold labels drawn from the probabilities that logits have at a temperature."""
    random = np.random.default_rng(1)
    logits = random.normal(scale=3, size=(20_000, 5))
    scaled = np.exp(logits / heat)
    scaled /= scaled.sum(-1, keepdims=True)
    gold = (scaled.cumsum(-1) < random.random((len(scaled), 1))).sum(-1)
    collected = DevLogits()
    collected.add(logits, gold.tolist())
    return collected


@pytest.mark.parametrize("heat", [0.5, 1.0, 2.5])
def test_the_temperature_is_that_from_which_the_labels_come(heat: float) -> None:
    assert drawn(heat).temperature() == pytest.approx(heat, rel=0.05)


def test_words_without_subwords_do_not_count() -> None:
    collected = DevLogits()
    collected.add(np.full((2, 3), np.nan), [0, 1])
    assert (collected.words, collected.temperature()) == (0, 1.0)


def test_what_is_written_is_read_for_the_same_labels_alone(tmp_path: Path) -> None:
    assert read_temperature(tmp_path, LABELS) == 1.0
    write_temperature(tmp_path, 1.75, LABELS)
    assert read_temperature(tmp_path, LABELS) == 1.75
    with pytest.raises(InvalidData, match="for a model with other labels"):
        read_temperature(tmp_path, LABELS[:2])


@pytest.mark.parametrize("temperature", [0.0, -1.0, 1e9, "1", None, float("nan")])
def test_a_temperature_that_is_none_is_refused(temperature: object, tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text(json.dumps({"temperature": temperature, "labels": LABELS}))
    with pytest.raises(InvalidData, match="no temperature between"):
        read_temperature(tmp_path, LABELS)


def test_the_error_is_the_distance_of_probability_and_share_that_is_right() -> None:
    confidence = Confidence()
    for number in range(10):
        confidence.add([0.9, 0.5], [number < 6, number < 5])
    results = confidence.results()
    assert results["error"] == pytest.approx((10 * abs(0.9 - 0.6) + 0) / 20)
    assert results["interval"][0] <= results["error"] <= results["interval"][1] + 0.2
    assert [row["count"] for row in results["bins"]] == [10, 10]


def test_without_predictions_there_is_no_error() -> None:
    assert Confidence().results() == {"error": 0.0, "interval": (0.0, 0.0), "count": 0, "bins": []}
