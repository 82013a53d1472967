"""The calibration error, what chance has in it, and its interval."""

from __future__ import annotations

import numpy as np
import pytest

from nertool.scoring.calibration_error import CalibrationError


def test_the_error_is_the_distance_of_probability_and_share_that_is_right() -> None:
    error = CalibrationError()
    for number in range(10):
        error.add([0.9, 0.5], [number < 6, number < 5])
    results = error.results()
    assert results["error"] == pytest.approx((10 * abs(0.9 - 0.6) + 0) / 20)
    assert results["interval"][0] <= results["error"] <= results["interval"][1]
    assert [row["count"] for row in results["bins"]] == [10, 10]


def test_without_predictions_there_is_no_error() -> None:
    assert CalibrationError().results() == {"error": 0.0, "interval": (0.0, 0.0), "chance": 0.0, "count": 0, "bins": []}


def test_the_error_of_right_probabilities_is_that_of_chance() -> None:
    random = np.random.default_rng(3)
    errors, chances = [], []
    for _ in range(40):
        error, scores = CalibrationError(), random.random(300)
        error.add(scores.tolist(), (random.random(300) < scores).tolist())
        errors.append(error.results()["error"])
        chances.append(error.results()["chance"])
    assert np.mean(errors) == pytest.approx(np.mean(chances), rel=0.1)


@pytest.mark.parametrize("too_sure", [0.0, 0.1])
@pytest.mark.parametrize("sentences", [40, 400])
def test_the_interval_holds_the_error_that_endless_data_would_have(too_sure: float, sentences: int) -> None:
    """Each probability is too high by a tenth, or is right, so that the error of endless data is known."""
    random, outside = np.random.default_rng(4), 0
    for _ in range(60):
        error = CalibrationError()
        for _ in range(sentences):
            scores = 0.2 + 0.8 * random.beta(5, 1.5, 3)
            error.add(scores.tolist(), (random.random(3) < scores - too_sure).tolist())
        low, high = error.results()["interval"]
        outside += not low <= too_sure <= high
    assert outside <= 0.1 * 60
