"""Names of the files in a workspace, and the stages in their order."""

from __future__ import annotations

from collections.abc import Iterable

SPLITS = ("train", "dev", "test")
RAW = "raw"
LABELS = "labels.txt"
MODEL = "model"
EVALUATION = "evaluation"
QUANTIZED = "quantized"
TABLE = "quantization.json"
PREDICTIONS = "predictions"
EXAMPLES = ".examples"
"""Training examples, kept for the next training."""
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
