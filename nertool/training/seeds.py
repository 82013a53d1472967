"""Trainings that differ in their seed alone, of which the best on dev is kept."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from nertool.training.facts import ComparisonFacts, RunFacts, SeedFacts
from nertool.training.setup import TrainingSetup


def train_with_seeds(setup: TrainingSetup, seeds: Sequence[int]) -> tuple[Path, RunFacts, ComparisonFacts]:
    """Train with each seed.

    Returns:
        directory and facts of the training with the best dev score, and how all compare.
    """
    directories: list[Path] = []
    runs: list[RunFacts] = []
    for seed in seeds:
        tuning = setup.fine_tuning(f"seed-{seed}", seed=seed)
        directories.append(tuning.directory)
        runs.append(tuning.run(f"train, seed {seed}"))
    scores = [run["dev_f1"] for run in runs]
    best = scores.index(max(scores))
    rows: list[SeedFacts] = []
    for number, (seed, run) in enumerate(zip(seeds, runs, strict=True)):
        rows.append({"seed": seed, "dev_f1": run["dev_f1"], "epoch_kept": run["epoch_kept"], "kept": number == best})
    deviation = statistics.stdev(scores) if len(scores) > 1 else 0.0
    return directories[best], runs[best], {"mean": statistics.mean(scores), "deviation": deviation, "seeds": rows}
