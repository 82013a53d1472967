"""Names of the files in a workspace, and the stages in their order."""

from __future__ import annotations

from collections.abc import Iterable

SPLITS = ("train", "dev", "test")
RAW = "raw"
LABELS = "labels.txt"
MODEL = "model"
SEEDS = "seeds"
"""Models of all seeds of a training, each in a folder named by its seed."""
EVALUATION = "evaluation"
QUANTIZED = "quantized"
TABLE = "quantization.json"
THRESHOLDS = "thresholds.json"
"""Least scores of entities, which `evaluate` keeps beside the model."""
PREDICTIONS = "predictions"
EXAMPLES = ".examples"
"""Training examples, kept for the next training."""
TRAINING = ".training"
"""Checkpoints of `train`, kept until the model is published; an interrupted run goes on from them."""
QUANTIZING = ".quantizing"
"""Finished trials of `quantize`, kept until the model is published; an interrupted run goes on from them."""
UNDER_WAY = {"train": (TRAINING, "checkpoint"), "quantize": (QUANTIZING, "trial")}
"""Directories of stages that keep what they have finished, and what that is."""
CHECKING = ".checking"
"""What the models of `check --labels` said of the folds, kept for the next check of the same data."""
LOGS = "logs"
RECORDS = "workspace.json"
RUNS = "runs.jsonl"
OUTPUTS = {
    "download": tuple(f"{split}.txt.tmp" for split in SPLITS),
    "preprocess": tuple(f"{split}.txt" for split in SPLITS),
    "labels": (LABELS,),
    "train": (f"{MODEL}/config.json",),
    "evaluate": tuple(f"{EVALUATION}/{split}_results.json" for split in SPLITS[1:]),
    "quantize": (f"{QUANTIZED}/{TABLE}",),
    "predict": (PREDICTIONS,),
}
"""The stages in their order, each with its main files. Without a record, these show that the work was done by hand."""
STAGES = tuple(OUTPUTS)
"""Names of the stages, in their order."""
FOLDERS = {"download": RAW, "evaluate": EVALUATION, "quantize": QUANTIZED, "predict": PREDICTIONS}
"""Folders that stages publish into; that of `train` has the name that the user gives."""
TAKEN = {RAW, RECORDS, RUNS, LOGS, SEEDS, *(name.partition("/")[0] for names in OUTPUTS.values() for name in names)} - {
    MODEL
}
"""Names at the top of a workspace that no model may have."""


def is_inside(name: object) -> bool:
    """Whether this names a visible file or folder below the workspace: relative, and without `..`."""
    if not isinstance(name, str) or "\0" in name:
        return False
    parts = name.split("/")
    return not name.startswith(".") and not any(part in ("", ".", "..") for part in parts)


def is_model_name(name: object) -> bool:
    """Whether `train` may publish a directory of this name."""
    return isinstance(name, str) and is_inside(name) and "/" not in name and name not in TAKEN


def is_output(record: str, name: object) -> bool:
    """Whether this names a file or folder that the stage of a record, such as `evaluate:dev`, publishes."""
    if not isinstance(name, str) or not is_inside(name):
        return False
    stage, first = record.partition(":")[0], name.partition("/")[0]
    if stage == "train":
        return is_model_name(first) or first == SEEDS
    if stage == "evaluate" and name == f"{first}/{THRESHOLDS}" and (is_model_name(first) or first == QUANTIZED):
        return True
    return name in OUTPUTS.get(stage, ()) or first == FOLDERS.get(stage)


def join_names(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and 3 more`."""
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Installed versions of nertool and of these distributions; `absent` for one that is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    installed = {}
    for package in ("nertool", *packages):
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            installed[package] = "absent"
    return installed
