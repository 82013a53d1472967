"""Calibration on dev, so that probabilities tell how often a model is right: temperature scaling, then Platt scaling.

Source of the temperature: Guo et al. 2017, On Calibration of Modern Neural Networks. The scales of words and entities
are those of Platt (1999), with the length of an entity beside its probability.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from nertool.arrays import Array
from nertool.errors import InvalidData
from nertool.workspace.digests import read_json, write_json

CALIBRATION = "calibration.json"
MOST_WORDS = 50_000
"""Words of dev that are kept, at most; more change the third digit of a temperature."""
LEAST, MOST = 0.05, 20.0
"""Bounds of a temperature."""
LEAST_PREDICTIONS = 50
"""Predictions on dev that a scale needs."""
STEEPEST = 100.0
"""Greatest magnitude of a number of a scale."""
MOST_STEPS = 100
"""Newton's steps of a regression; most need fewer than ten."""
HELP = "Train or quantize the model anew, or remove the file."


class Scale(NamedTuple):
    """Platt scaling: from the probability of a word's tag or an entity under the decoder to the one that fits dev.

    The decoder takes words for independent, so that the probabilities of an entity's words multiply: it is too sure of
    entities of one word, and not sure enough of long ones. With `p` the geometric mean over the words, the log-odds
    are `slope * logit(p) + offset + length * log(words)`.
    """

    slope: float
    offset: float
    length: float

    def __call__(self, probabilities: Array, words: Array) -> Array:
        """Probabilities that fit, from those of the decoder and the number of words of each; shape (predictions,)."""
        return _probability(_features(probabilities, words) @ np.array(self))


@dataclass(frozen=True)
class Calibration:
    """What is kept in `calibration.json`.

    Attributes:
        temperature: by which logits are divided before they become probabilities.
        words, entities: the scales of either; None where dev had too few of them.
    """

    temperature: float = 1.0
    words: Scale | None = None
    entities: Scale | None = None

    def write(self, directory: Path, labels: Sequence[str]) -> None:
        """Write it into a model directory, with the labels that it is for."""
        write_json(directory / CALIBRATION, {**self.as_dict(), "labels": list(labels)})

    def as_dict(self) -> dict[str, Any]:
        """The fields, scales as dictionaries."""
        scales = {"words": self.words, "entities": self.entities}
        return {"temperature": self.temperature, **{name: one and one._asdict() for name, one in scales.items()}}

    def as_metrics(self, prefix: str) -> dict[str, float]:
        """All numbers, each by a name of its own; `from_metrics` makes the calibration out of them again."""
        metrics = {f"{prefix}temperature": self.temperature}
        for unit, scale in (("words", self.words), ("entities", self.entities)):
            if scale:
                metrics.update({f"{prefix}{unit}-{name}": value for name, value in scale._asdict().items()})
        return metrics

    @classmethod
    def from_metrics(cls, prefix: str, metrics: Mapping[str, Any]) -> Calibration:
        """The calibration that `as_metrics` wrote."""
        scales: list[Scale | None] = []
        for unit in ("words", "entities"):
            names = [f"{prefix}{unit}-{name}" for name in Scale._fields]
            scales.append(Scale(*(metrics[name] for name in names)) if names[0] in metrics else None)
        return cls(metrics[f"{prefix}temperature"], *scales)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Calibration:
        """The calibration that `as_dict` wrote."""
        scales = [fields[unit] and Scale(**fields[unit]) for unit in ("words", "entities")]
        return cls(fields["temperature"], *scales)


def read_calibration(directory: Path, labels: Sequence[str]) -> Calibration:
    """Read the calibration of a model directory; where there is none, one that changes nothing.

    Raises:
        InvalidData: the file is damaged, or for a model with other labels.
    """
    path = directory / CALIBRATION
    try:
        found = read_json(path)
    except FileNotFoundError:
        return Calibration()
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{path}: no JSON: {error}", HELP) from error
    temperature = found.get("temperature") if isinstance(found, dict) else None
    if not _is_number(temperature) or not LEAST <= temperature <= MOST:
        raise InvalidData(f"{path}: no temperature between {LEAST} and {MOST}: {temperature}", HELP)
    if found.get("labels") != list(labels):
        raise InvalidData(f"{path}: it is for a model with other labels", HELP)
    return Calibration(float(temperature), *(_read_scale(path, found, unit) for unit in ("words", "entities")))


def _read_scale(path: Path, content: dict[str, Any], unit: str) -> Scale | None:
    found = content.get(unit)
    if found is None:
        return None  # as in files of older versions
    names = Scale._fields
    if not isinstance(found, dict) or found.keys() != {*names} or not all(map(_is_sound, found.values())):
        raise InvalidData(f"{path}: `{unit}` does not hold {', '.join(names)} up to {STEEPEST:g}", HELP)
    return Scale(*(float(found[name]) for name in names))


def _is_sound(number: Any) -> bool:
    return _is_number(number) and abs(number) <= STEEPEST


def _is_number(value: Any) -> TypeGuard[float]:
    """Whether this is a number; other programs write 1.0 as 1."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# -- fitting ---------------------------------------------------------------------------------------


class DevAnswers:
    """Collects what a model answers on dev, sentence by sentence, up to MOST_WORDS words.

    Attributes:
        sentences: logits of shape (words, labels), NaN in the rows of words without sub-words, and gold label ids.
    """

    def __init__(self) -> None:
        self.words = 0
        self.sentences: list[tuple[Array, Sequence[int]]] = []

    def add(self, logits: Array, gold: Sequence[int]) -> None:
        """Add a sentence."""
        if self.words < MOST_WORDS:
            self.sentences.append((logits, gold))
            self.words += len(gold)

    def merge(self, other: DevAnswers) -> None:
        """Add what another process has collected."""
        self.sentences += other.sentences
        self.words += other.words

    def logits(self) -> Array:
        """Logits of all words, one sentence behind the other; shape (words, labels)."""
        return np.concatenate([logits for logits, _ in self.sentences])

    def temperature(self) -> float:
        """The temperature of greatest likelihood of the gold labels; 1 without a word that has sub-words.

        Its logarithm is regularized towards 0. A dev without an error would else have the lowest temperature, and all
        that the model says would be certain.
        """
        if not self.sentences:
            return 1.0
        logits, gold = self.logits().astype(np.float64), np.concatenate([gold for _, gold in self.sentences])
        read = ~np.isnan(logits[:, 0])
        if not read.any():
            return 1.0
        logits, gold = logits[read], gold[read].astype(np.int64)

        def loss(heat: float) -> float:
            return _loss(logits, gold, math.exp(heat)) + heat**2 / 2

        return round(math.exp(_least(loss, math.log(LEAST), math.log(MOST))), 4)


class Predictions:
    """Collects words or entities that were predicted on dev."""

    def __init__(self) -> None:
        self.probabilities: list[float] = []
        self.words: list[int] = []
        self.right: list[bool] = []

    def add(self, probability: float, words: int, right: bool) -> None:
        """Add a prediction: its probability under the decoder, its number of words, and whether it is right."""
        self.probabilities.append(probability)
        self.words.append(words)
        self.right.append(right)

    def scale(self) -> Scale | None:
        """The scale that fits them; see `fit_scale`."""
        return fit_scale(np.array(self.probabilities), np.array(self.words), np.array(self.right))


def fit_scale(probabilities: Array, words: Array, right: Array) -> Scale | None:
    """The scale of greatest likelihood, given which predictions are right; None for less than LEAST_PREDICTIONS.

    Logistic regression, regularized towards the geometric mean itself: few predictions move it little. The slope is
    not below 0: a prediction is never less probable because the decoder is surer of it.

    Args:
        probabilities: of the decoder; shape (predictions,).
        words: number of words of each.
        right: whether each is right.
    """
    if len(right) < LEAST_PREDICTIONS:
        return None
    features, start = _features(probabilities, words), np.array([1.0, 0.0, 0.0])
    weights = _regression(features, right, start)
    if weights[0] < 0:  # then the best slope of those allowed is 0, as the loss has one valley
        weights = np.append(0.0, _regression(features[:, 1:], right, start[1:]))
    return Scale(*(round(weight, 4) for weight in np.clip(weights, -STEEPEST, STEEPEST).tolist()))


def _regression(features: Array, right: Array, start: Array) -> Array:
    """The weights of least loss, by Newton's method; each step is halved until it does not go beyond the valley.

    Args:
        features: shape (predictions, features).
        right: shape (predictions,).
        start: weights that others are pulled towards; shape (features,).
    """

    def loss(weights: Array) -> float:
        log_odds = features @ weights
        return float((np.logaddexp(0, log_odds) - log_odds * right).sum() + ((weights - start) ** 2).sum() / 2)

    weights, least = start, loss(start)
    for _ in range(MOST_STEPS):
        fitted = _probability(features @ weights)
        slope = features.T @ (fitted - right) + (weights - start)
        curvature = (features.T * (fitted * (1 - fitted))) @ features + np.eye(len(start))
        step = np.linalg.solve(curvature, slope)
        while (found := loss(weights - step)) > least and np.abs(step).max() >= 1e-6:
            step = step / 2
        if np.abs(step).max() < 1e-6:
            break
        weights, least = weights - step, found
    return weights


def _probability(log_odds: Array) -> Array:
    return np.asarray((1 + np.tanh(log_odds / 2)) / 2)


def _features(probabilities: Array, words: Array) -> Array:
    """What the log-odds are made of; shape (predictions, 3)."""
    bounded = np.clip(probabilities, 1e-12, 1 - 1e-12)
    mean = np.clip(bounded ** (1 / words), 1e-6, 1 - 1e-6)
    return np.stack([np.log(mean / (1 - mean)), np.ones(len(mean)), np.log(words)], axis=-1)


def _loss(logits: Array, gold: Array, temperature: float) -> float:
    """Cross-entropy at a temperature, added up over words."""
    scaled = logits / temperature
    scaled -= scaled.max(-1, keepdims=True)
    right = scaled[np.arange(len(gold)), gold]
    return float((np.log(np.exp(scaled).sum(-1)) - right).sum())


def _least(function: Any, low: float, high: float, tolerance: float = 1e-4) -> float:
    """Where a unimodal function is least, by golden-section search."""
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > tolerance:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2
