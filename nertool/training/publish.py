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

CURVE = "learning_curve.svg"


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


def write_learning_curve(target: Path, facts: Mapping[str, Any]) -> None:
    """Draw loss and dev score by epoch into a model directory; skip that where matplotlib is not installed."""
    if not plots.available():
        logger.info("no %s: %s", CURVE, plots.MISSING)
        return
    curve = plots.learning_curve(facts["history"], facts.get("metric", "f1"))
    (target / CURVE).write_text(curve, encoding="utf-8")
