"""What a Trainer's log says of a training."""

from __future__ import annotations

from typing import Any

import pytest

from nertool.training.facts import epoch_history, run_facts


def evaluation(epoch: float, value: float) -> dict[str, Any]:
    figures = {"eval_f1": value, "eval_low": value - 0.1, "eval_high": value + 0.1, "eval_plain": 0.0}
    types = {"eval_LOC_part_f1": value / 2, "eval_LOC_part_support": 3}
    return {"epoch": epoch, "step": round(10 * epoch), **figures, **types}


LOG = [
    {"epoch": 0.5, "step": 5, "loss": 2.0},
    {"epoch": 1.0, "step": 10, "loss": 1.0},
    evaluation(1.0, 0.5),
    evaluation(2.0, 0.75),
    {"epoch": 3.0, "step": 30, "loss": 0.25},
    evaluation(3.0, 0.75),
    {"epoch": 3.0, "step": 30, "train_loss": 0.9},
]


def test_history_has_the_mean_loss_since_the_evaluation_before() -> None:
    history = epoch_history(LOG)
    assert [(row["step"], row["loss"], row["dev_f1"]) for row in history] == [
        (10, 1.5, 0.5),
        (20, None, 0.75),
        (30, 0.25, 0.75),
    ]


@pytest.mark.parametrize(("keep_best", "epoch"), [(True, 2.0), (False, 3.0)])
def test_the_kept_epoch_is_the_first_of_the_best_or_the_last(keep_best: bool, epoch: float) -> None:
    facts = run_facts(LOG, 30, keep_best)
    assert facts["epoch_kept"] == epoch
    assert (facts["metric"], facts["dev_f1"], facts["dev_interval"]) == ("f1", 0.75, [0.65, 0.85])
    assert facts["types"] == {"LOC_part": {"f1": 0.375, "support": 3}}


def test_without_dev_there_is_one_row_for_the_whole_training() -> None:
    facts = run_facts([entry for entry in LOG if "eval_f1" not in entry], 30, keep_best=False)
    assert facts == {
        "steps": 30,
        "epoch_kept": 3.0,
        "history": [{"epoch": 3.0, "step": 30, "loss": pytest.approx(1.0833, abs=1e-4)}],
    }
