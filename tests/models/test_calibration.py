"""Calibration: the temperature and the scales that fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nertool.errors import InvalidData
from nertool.models.calibration import Calibration, DevAnswers, Scale, fit_scale, read_calibration
from nertool.workspace.workspace import Workspace

LABELS = ["O", "B-X", "I-X"]


def drawn(heat: float) -> DevAnswers:
    """Gold labels drawn from the probabilities that logits have at a temperature."""
    random = np.random.default_rng(1)
    logits = random.normal(scale=3, size=(20_000, 5))
    scaled = np.exp(logits / heat)
    scaled /= scaled.sum(-1, keepdims=True)
    gold = (scaled.cumsum(-1) < random.random((len(scaled), 1))).sum(-1)
    collected = DevAnswers()
    collected.add(logits, gold.tolist())
    return collected


@pytest.mark.parametrize("heat", [0.5, 1.0, 2.5])
def test_the_temperature_is_that_from_which_the_labels_come(heat: float) -> None:
    assert drawn(heat).temperature() == pytest.approx(heat, rel=0.05)


def test_words_without_subwords_do_not_count() -> None:
    collected = DevAnswers()
    collected.add(np.full((2, 3), np.nan), [0, 1])
    assert collected.temperature() == 1.0


def test_a_dev_without_an_error_does_not_make_everything_certain() -> None:
    """It says that the model is good, not that what it doubts is certain."""
    random = np.random.default_rng(2)
    logits = random.normal(size=(400, 5))
    logits[range(400), random.integers(0, 5, 400)] += 8
    collected = DevAnswers()
    collected.add(logits, logits.argmax(-1).tolist())
    assert 0.3 < collected.temperature() < 1


@pytest.mark.parametrize("scales", [(), (Scale(0.8, -0.2, 0.0), Scale(1.25, -0.5, 0.75)), (None, Scale(1.0, 0.0, 0.0))])
def test_what_is_written_is_read_for_the_same_labels_alone(scales: tuple[Scale | None, ...], tmp_path: Path) -> None:
    assert read_calibration(tmp_path, LABELS) == Calibration()
    written = Calibration(1.75, *scales)
    written.write(tmp_path, LABELS)
    assert read_calibration(tmp_path, LABELS) == written
    assert Calibration.from_dict(written.as_dict()) == written
    assert Calibration.from_metrics("eval_", {"eval_f1": 0.5, **written.as_metrics("eval_")}) == written
    with pytest.raises(InvalidData, match="for a model with other labels"):
        read_calibration(tmp_path, LABELS[:2])


def test_a_file_of_an_older_nertool_has_no_scales(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text(json.dumps({"temperature": 1.5, "labels": LABELS}))
    assert read_calibration(tmp_path, LABELS) == Calibration(1.5)


def test_another_program_may_have_written_whole_numbers(tmp_path: Path) -> None:
    scale = {"slope": 1, "offset": 0, "length": -1}
    (tmp_path / "calibration.json").write_text(json.dumps({"temperature": 2, "words": scale, "labels": LABELS}))
    assert read_calibration(tmp_path, LABELS) == Calibration(2.0, Scale(1.0, 0.0, -1.0))


@pytest.mark.parametrize("temperature", [0.0, -1.0, 1e9, "1", None, True, float("nan")])
def test_a_temperature_that_is_none_is_refused(temperature: object, tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text(json.dumps({"temperature": temperature, "labels": LABELS}))
    with pytest.raises(InvalidData, match="no temperature between"):
        read_calibration(tmp_path, LABELS)


@pytest.mark.parametrize("unit", ["words", "entities"])
@pytest.mark.parametrize(
    "scale", [[], 1.0, {"slope": 1.0}, {"slope": 1.0, "offset": float("nan"), "length": 0.0}, {"slope": "1", "x": 0}]
)
def test_a_scale_that_is_none_is_refused(scale: object, unit: str, tmp_path: Path) -> None:
    content = {"temperature": 1.0, unit: scale, "labels": LABELS}
    (tmp_path / "calibration.json").write_text(json.dumps(content))
    with pytest.raises(InvalidData, match=f"`{unit}` does not hold slope, offset, length"):
        read_calibration(tmp_path, LABELS)


def test_the_scale_is_that_from_which_the_predictions_come() -> None:
    random = np.random.default_rng(1)
    words = random.integers(1, 4, 20_000)
    probabilities = random.random(20_000) ** words  # the words of an entity multiply
    mean = probabilities ** (1 / words)
    log_odds = 0.8 * np.log(mean / (1 - mean)) - 0.4 + 0.6 * np.log(words)
    right = random.random(20_000) < 1 / (1 + np.exp(-log_odds))
    scale = fit_scale(probabilities, words, right)
    assert scale == pytest.approx((0.8, -0.4, 0.6), abs=0.06)
    assert scale(probabilities, words) == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=0.03)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("certain", [0.99, 1 - 1e-9])
def test_what_a_model_is_certain_of_is_as_probable_as_it_is_right(certain: float, share: float) -> None:
    """Steps that go beyond the valley of the loss would end anywhere."""
    probabilities, ones = np.full(2000, certain), np.ones(2000)
    scale = fit_scale(probabilities, ones, np.arange(2000) < share * 2000)
    assert scale is not None
    assert scale(probabilities, ones) == pytest.approx(share, abs=0.01)
    order = scale(np.linspace(0.01, 0.99, 9), np.ones(9))
    assert (np.diff(order) >= 0).all() and (order > 0).all() and (order < 1).all()


@pytest.mark.filterwarnings("error")
def test_a_surer_prediction_is_not_less_probable() -> None:
    ones = np.ones(1000)
    scale = fit_scale(np.where(np.arange(1000) < 500, 0.999, 0.5), ones, np.arange(1000) >= 500)
    assert scale == (0, 0, 0)
    assert scale(np.array([0.0, 1.0]), np.ones(2)).tolist() == [0.5, 0.5]
    assert Scale(100, 0, 0)(np.array([0.0, 1.0]), np.ones(2)).tolist() == [0, 1]  # as a file may say


def test_few_predictions_have_no_scale_and_those_that_are_all_right_a_sound_one() -> None:
    ones = np.ones(60)
    assert fit_scale(ones[:49], ones[:49], ones[:49] > 0) is None
    scale = fit_scale(0.5 * ones, ones, ones > 0)
    assert scale is not None and 0.7 < scale(np.array([0.5]), np.array([1]))[0] < 1


@pytest.mark.model
def test_scales_are_for_the_decoding_that_they_were_fitted_for(
    copy: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    from nertool.models.load_tagger import load_tagger

    caplog.set_level("INFO", logger="nertool")
    model = copy / "model"
    labels = load_tagger(model).labels
    Calibration(1.5, Scale(1.0, 0.5, 0.0), Scale(1.0, 0.5, 0.5)).write(model, labels)
    assert load_tagger(model, decoding="viterbi").calibration.entities and not caplog.messages
    assert load_tagger(model, decoding="argmax").calibration == Calibration(1.5)
    assert "scales of scores are for the decoding" in caplog.text
