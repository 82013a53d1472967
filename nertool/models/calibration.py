"""How sure a model may be: the temperature that makes its probabilities fit what is right on dev.

Source of the method: Guo et al. 2017, On Calibration of Modern Neural Networks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nertool.errors import InvalidData
from nertool.workspace.digests import write_json

Array = npt.NDArray[Any]

CALIBRATION = "calibration.json"
MOST_WORDS = 50_000
"""Words that a temperature is fitted on, at most; more change its third digit."""
LEAST, MOST = 0.05, 20.0
"""Bounds of a temperature."""
HELP = "Train or quantize the model anew, or remove the file."


class DevLogits:
    """Collects logits and gold labels of words with sub-words, up to MOST_WORDS."""

    def __init__(self) -> None:
        self.words = 0
        self.logits: list[Array] = []
        self.gold: list[Array] = []

    def add(self, logits: Array, gold: Sequence[int]) -> None:
        """Add a sentence.

        Args:
            logits: shape (words, labels), NaN in the rows of words without sub-words.
            gold: id of the gold label of each word; shape (words,).
        """
        if self.words < MOST_WORDS:
            read = ~np.isnan(logits[:, 0])
            self.logits.append(logits[read])
            self.gold.append(np.asarray(gold, np.int64)[read])
            self.words += int(read.sum())

    def merge(self, other: DevLogits) -> None:
        """Add what another process has collected."""
        self.logits += other.logits
        self.gold += other.gold
        self.words += other.words

    def temperature(self) -> float:
        """The temperature at which the gold labels are the most probable; 1 without a word."""
        if not self.words:
            return 1.0
        logits, gold = np.concatenate(self.logits).astype(np.float64), np.concatenate(self.gold)
        return round(
            math.exp(_least(lambda heat: _loss(logits, gold, math.exp(heat)), math.log(LEAST), math.log(MOST))), 4
        )


def _loss(logits: Array, gold: Array, temperature: float) -> float:
    """Mean cross-entropy at a temperature."""
    scaled = logits / temperature
    scaled -= scaled.max(-1, keepdims=True)
    right = scaled[np.arange(len(gold)), gold]
    return float((np.log(np.exp(scaled).sum(-1)) - right).mean())


def _least(function: Any, low: float, high: float, tolerance: float = 1e-4) -> float:
    """Place of the least value of a function with one valley, by golden sections."""
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


def write_temperature(directory: Path, temperature: float, labels: Sequence[str]) -> None:
    """Write the temperature into a model directory, with the labels that it is for."""
    write_json(directory / CALIBRATION, {"temperature": temperature, "labels": list(labels)})


def read_temperature(directory: Path, labels: Sequence[str]) -> float:
    """Read the temperature of a model directory; 1 where there is none.

    Raises:
        InvalidData: the file is damaged, or for a model with other labels.
    """
    path = directory / CALIBRATION
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 1.0
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{path}: no JSON: {error}", HELP) from error
    temperature = found.get("temperature") if isinstance(found, dict) else None
    if not isinstance(temperature, float) or not LEAST <= temperature <= MOST:
        raise InvalidData(f"{path}: no temperature between {LEAST} and {MOST}: {temperature}", HELP)
    if found.get("labels") != list(labels):
        raise InvalidData(f"{path}: it is for a model with other labels", HELP)
    return temperature
