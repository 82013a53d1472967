"""What `train` puts into the directory of a model, beside the tokenizer and the card."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nertool.errors import NertoolError
from nertool.progress import logger
from nertool.report import plots
from nertool.training.finetune import KEPT, RESULTS
from nertool.workspace.atomic import link_or_copy
from nertool.workspace.seals import SEAL, is_whole

LEARNING_CURVE = "learning_curve.svg"
DATA_CURVE = "data_curve.svg"


def link_weights(source: Path, target: Path) -> None:
    """Link the kept weights, the last checkpoints and the figures of a training into an empty model directory.

    They stay in `source` until all is published.

    Raises:
        NertoolError: the weights are no longer what was kept.
    """
    link_kept(source, target)
    link_or_copy(source / RESULTS, target / RESULTS)
    for checkpoint in source.glob("checkpoint-*"):
        without_seal = shutil.ignore_patterns(SEAL)
        shutil.copytree(checkpoint, target / checkpoint.name, copy_function=link_or_copy, ignore=without_seal)


def link_kept(source: Path, target: Path) -> None:
    """Link the kept weights of a training into an empty model directory.

    Raises:
        NertoolError: they are no longer what was kept.
    """
    if not is_whole(source / KEPT):
        raise NertoolError(f"{source / KEPT} was damaged meanwhile", "Train anew: add --force.")
    without_seal = shutil.ignore_patterns(SEAL)
    shutil.copytree(source / KEPT, target, copy_function=link_or_copy, dirs_exist_ok=True, ignore=without_seal)


def write_curves(target: Path, facts: Mapping[str, Any]) -> None:
    """Draw what a training gave by epoch, and of `--curve` by size of the data, into a model directory.

    Where matplotlib is not installed, nothing is drawn; nor of a model that was not trained.
    """
    if not facts["steps"]:
        return
    if not plots.available():
        logger.info("no %s: %s", LEARNING_CURVE, plots.MISSING)
        return
    metric = facts.get("metric", "f1")
    (target / LEARNING_CURVE).write_text(plots.learning_curve(facts["history"], metric), encoding="utf-8")
    if "curve" in facts:
        (target / DATA_CURVE).write_text(plots.data_curve(facts["curve"], metric), encoding="utf-8")
