"""Trainings that differ in their seed alone, of which the best on dev is kept."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nertool.training.facts import ComparisonFacts, RunFacts, SeedFacts
from nertool.training.setup import TrainingSetup


class SeedRun(NamedTuple):
    """The training with one seed.

    Attributes:
        seed: its seed.
        directory: that holds its kept weights.
        facts: what it records.
        test: score of the kept weights on test; None without a test file.
    """

    seed: int
    directory: Path
    facts: RunFacts
    test: float | None


def train_with_seeds(setup: TrainingSetup, seeds: Sequence[int], test: Path | None) -> list[SeedRun]:
    """Train with each seed, and score its kept weights on test, where there is one."""
    runs = []
    for seed in seeds:
        tuning = setup.fine_tuning(f"seed-{seed}", seed=seed)
        facts = tuning.run(f"train, seed {seed}")
        runs.append(SeedRun(seed, tuning.directory, facts, tuning.score(test).value if test else None))
    return runs


def best_on_dev(runs: Sequence[SeedRun]) -> SeedRun:
    """The first of the trainings with the best dev score."""
    return max(runs, key=lambda run: run.facts["dev_f1"])


def compare_seeds(runs: Sequence[SeedRun]) -> ComparisonFacts:
    """How the trainings compare: mean and deviation on dev and test, and the scores of each."""
    rows: list[SeedFacts] = []
    for run in runs:
        row: SeedFacts = {
            "seed": run.seed,
            "dev_f1": run.facts["dev_f1"],
            "epoch_kept": run.facts["epoch_kept"],
            "kept": run == best_on_dev(runs),
        }
        rows.append(row if run.test is None else {**row, "test_f1": run.test})
    mean, deviation = _spread([run.facts["dev_f1"] for run in runs])
    facts: ComparisonFacts = {"mean": mean, "deviation": deviation, "seeds": rows}
    on_test = [run.test for run in runs if run.test is not None]
    if on_test:
        facts["test_mean"], facts["test_deviation"] = _spread(on_test)
    return facts


def _spread(scores: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation."""
    return statistics.mean(scores), statistics.stdev(scores)
