"""Names of the files that `evaluate` writes for a model and a split, relative to the workspace."""

from __future__ import annotations

from typing import NamedTuple

from nertool.workspace.names import EVALUATION, QUANTIZED


class ResultFiles(NamedTuple):
    """Files about a model on a split.

    Attributes:
        results: all figures, as JSON.
        predictions: token, gold and predicted tag a line.
        errors: JSON Lines, an error a line.
        entities: JSON Lines, a sentence a line: gold and predicted entities with scores.
    """

    results: str
    predictions: str
    errors: str
    entities: str


def result_files(directory: str, split: str) -> ResultFiles:
    """The files about the model in this directory of the workspace on a split; those of INT8 have a folder apart."""
    folder = f"{EVALUATION}/{QUANTIZED}" if directory == QUANTIZED else EVALUATION
    names = ("results.json", "predictions.txt", "errors.jsonl", "entities.jsonl")
    return ResultFiles(*(f"{folder}/{split}_{name}" for name in names))
