"""What a Trainer's log says of a training."""

from __future__ import annotations

from typing import Any

import pytest

from nertool.training.facts import all_results, epoch_history, run_facts


def evaluation(epoch: float, value: float) -> dict[str, Any]:
    figures = {"eval_f1": value, "eval_low": value - 0.1, "eval_high": value + 0.1, "eval_plain": 0.0, "eval_gold": 3.0}
    figures |= {"eval_loss": 1 / epoch, "eval_samples": 7.0, "eval_accuracy": 0.9}
    figures |= {"eval_temperature": 1.5, "eval_precision": 0.5, "eval_recall": 0.25}
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


@pytest.mark.parametrize(("keep_best", "epoch"), [(True, 3.0), (False, 4.0)])
def test_the_kept_epoch_is_the_last_of_the_best_or_the_last(keep_best: bool, epoch: float) -> None:
    facts = run_facts([*LOG, evaluation(4.0, 0.5)], 40, keep_best)
    assert facts["epoch_kept"] == epoch
    best = 0.75 if keep_best else 0.5
    assert (facts["metric"], facts["dev_f1"], facts["dev_interval"]) == ("f1", best, [best - 0.1, best + 0.1])
    assert facts["types"] == {"LOC_part": {"f1": best / 2, "support": 3}}


def test_where_dev_has_no_entity_the_epoch_with_the_least_loss_is_kept() -> None:
    log = [{**evaluation(epoch, 0.0), "eval_gold": 0.0, "eval_loss": loss} for epoch, loss in ((1, 2), (2, 1), (3, 3))]
    assert run_facts(log, 30, keep_best=True)["epoch_kept"] == 2


def test_results_are_those_of_the_kept_epoch_under_the_names_of_run_ner() -> None:
    assert all_results(LOG, run_facts(LOG, 30, keep_best=True), 12) == {
        "epoch": 3.0,
        "train_samples": 12,
        "train_loss": pytest.approx((5 * 2.0 + 5 * 1.0 + 20 * 0.25) / 30, abs=1e-4),
        "eval_loss": pytest.approx(1 / 3),
        "eval_samples": 7.0,
        "eval_accuracy": 0.9,
        "eval_precision": 0.5,
        "eval_recall": 0.25,
        "eval_f1": 0.75,
    }


def test_without_dev_there_is_one_row_for_the_whole_training() -> None:
    facts = run_facts([entry for entry in LOG if "eval_f1" not in entry], 30, keep_best=False)
    assert facts == {
        "steps": 30,
        "epoch_kept": 3.0,
        "history": [{"epoch": 3.0, "step": 30, "loss": pytest.approx((5 * 2.0 + 5 * 1.0 + 20 * 0.25) / 30, abs=1e-4)}],
    }
