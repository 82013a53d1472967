"""Sentences that a model chooses for annotation against random ones: F1 on test after 200, 400 and 800 of WNUT'17.

    python benchmarks/active_learning.py --source DIR --seeds 1,2,3 --work DIR

`--source` is a folder with the published files. Gold tags of train stand for the person who annotates. All begin with
the same 200 random sentences of train. Then 200, and again 400, come from the rest, and a model is trained anew:

- `random`: random sentences;
- `chosen`: the first ones of `predict --order uncertain --diverse`, by the model of the round before;
- `uncertain`: the same without `--diverse`, if `--arms random,chosen,uncertain` wants it.

Every step is a command of nertool. Nobody who begins has a dev set, so none is used: the last weights are kept, and
the temperature is 1. A training sees 2,400 sentences (`--passes`), but each of its own six times at least
(`--least-epochs`). `--work` keeps what is done, so a run that was killed goes on, and two processes may share the work.
Scores do not depend on the machine's speed.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from tables import table
from timing import add_json_option, write_json

from nertool.corpus.column_files import Sentence, read_sentences, write_columns

NERTOOL = [sys.executable, "-m", "nertool"]
ORDERS = {"chosen": ["--order", "uncertain", "--diverse"], "uncertain": ["--order", "uncertain"]}
"""Options of `predict` of those arms that a model chooses for."""


@dataclass(frozen=True)
class Settings:
    """What all trainings share.

    Attributes:
        work: folder that keeps what is done.
        gold: sentences of train.
        sizes: labelled sentences at the end of each round.
        passes, least_epochs: a training sees so many sentences, but each of them so often at least.
        options: of `nertool run`.
    """

    work: Path
    gold: Sequence[Sentence]
    sizes: Sequence[int]
    passes: int
    least_epochs: int
    options: Sequence[str]

    def counts(self, numbers: Sequence[int]) -> dict[str, int]:
        """Sentences, tokens and entities that a person has labelled."""
        tokens = sum(len(self.gold[number].tokens) for number in numbers)
        entities = sum(tag.startswith("B-") for number in numbers for tag in self.gold[number].tags)
        return {"labelled": len(numbers), "tokens": tokens, "entities": entities}


def nertool(*arguments: object) -> None:
    """Run a command.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    subprocess.run([*NERTOOL, *map(str, arguments), "--quiet"], check=True, stdout=subprocess.DEVNULL)


# -- one round -------------------------------------------------------------------------------------


def score(folder: Path, numbers: Sequence[int], seed: int, settings: Settings) -> dict[str, Any]:
    """Train on the gold tags of these sentences, and score on test; gives what was scored before, if it was."""
    kept = folder / "figures.json"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if not kept.exists():
            f1 = train_and_test(folder, numbers, seed, settings)
            kept.write_text(json.dumps({**settings.counts(numbers), "f1": f1}))
    return dict(json.loads(kept.read_text()))


def train_and_test(folder: Path, numbers: Sequence[int], seed: int, settings: Settings) -> float:
    """F1 on test of a model trained on these sentences; the model stays in the folder."""
    train, workspace = folder / "labelled.txt", folder / "workspace"
    with train.open("w", encoding="utf-8") as file:
        for number in numbers:
            write_columns(file, settings.gold[number][:2])
    data = ["--train-file", train, "--test-file", settings.work / "data" / "test.txt.tmp"]
    epochs = ["--num-epochs", max(settings.least_epochs, settings.passes / len(numbers)), "--seed", seed]
    nertool("run", *data, *epochs, *settings.options, "--until", "evaluate", "-w", workspace)
    for checkpoint in (workspace / "model").glob("checkpoint-*"):
        shutil.rmtree(checkpoint)  # of 270 MB, and of no use here
    return float(json.loads((workspace / "evaluation" / "test_results.json").read_text())["f1"])


def choose(folder: Path, labelled: Sequence[int], count: int, arm: str, settings: Settings) -> list[int]:
    """The sentences that the model in a folder wants labelled next, of all that are not."""
    kept = folder / f"{arm}.jsonl"
    if not kept.exists():
        pool = folder / "pool.jsonl"
        with pool.open("w", encoding="utf-8") as file:
            for number in sorted(set(range(len(settings.gold))) - set(labelled)):
                file.write(json.dumps({"id": number, "tokens": settings.gold[number].tokens}) + "\n")
        order = [*ORDERS[arm], "--first", count, "--format", "jsonl"]
        nertool("predict", pool, *order, "-o", kept, "-w", folder / "workspace")
    return [json.loads(line)["id"] for line in kept.read_text(encoding="utf-8").splitlines()]


# -- one seed --------------------------------------------------------------------------------------


def run_arm(arm: str, seed: int, settings: Settings) -> list[dict[str, Any]]:
    """The figures of each round."""
    order = random.Random(seed).sample(range(len(settings.gold)), len(settings.gold))
    folder, labelled = settings.work / f"seed-{seed}" / "start", order[: settings.sizes[0]]
    figures = [score(folder, labelled, seed, settings)]
    for size in settings.sizes[1:]:
        if arm in ORDERS:
            labelled = labelled + choose(folder, labelled, size - len(labelled), arm, settings)
        else:
            labelled = order[:size]
        folder = settings.work / f"seed-{seed}" / f"{arm}-{size}"
        figures.append(score(folder, labelled, seed, settings))
        print(f"seed {seed}, {arm}, {size}: {figures[-1]}", flush=True)
    arms = ["first, random", *[arm] * len(figures[1:])]
    return [{"arm": name, "seed": seed, **row} for name, row in zip(arms, figures, strict=True)]


# -- all of them -----------------------------------------------------------------------------------


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each arm and size: means over the seeds, and the difference from random sentences, paired by seed."""
    runs = {(row["arm"], row["labelled"], row["seed"]): row for row in rows}
    lines = []
    for arm, size in dict.fromkeys((row["arm"], row["labelled"]) for row in rows):
        own = [run for key, run in runs.items() if key[:2] == (arm, size)]
        gains = []
        for run in own:
            if arm != "random" and ("random", size, run["seed"]) in runs:
                gains.append(run["f1"] - runs["random", size, run["seed"]]["f1"])
        line: dict[str, Any] = {"sentences": arm, "labelled": size}
        for name in ("tokens", "entities"):
            line[name] = round(statistics.mean(run[name] for run in own))
        line |= mean_and_deviation("F1", [run["f1"] for run in own]) | mean_and_deviation("more than random", gains)
        lines.append(line | {f"seed {run['seed']}": run["f1"] for run in own})
    return lines


def mean_and_deviation(name: str, values: Sequence[float]) -> dict[str, float]:
    """Mean and sample deviation; nothing of no values."""
    figures = {name: statistics.mean(values)} if values else {}
    return figures | ({f"deviation of {name}": statistics.stdev(values)} if len(values) > 1 else {})


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", required=True, help="folder with the published files of WNUT'17")
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps what is done")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--arms", default="random,chosen")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--passes", type=int, default=2400, help="sentences that each training sees")
    parser.add_argument("--least-epochs", type=int, default=6, help="but each of them so often")
    parser.add_argument("--sizes", default="200,400,800", help="labelled sentences at the end of each round")
    parser.add_argument("--lr", default="3e-4")
    parser.add_argument("--batch-size", default="16")
    add_json_option(parser)
    return parser.parse_args()


def prepare(given: argparse.Namespace) -> Settings:
    """Bring the data, and check that what is done was done with the same settings."""
    data, kept = given.work / "data", given.work / "settings.json"
    if not (data / "train.txt.tmp").exists():
        nertool("download", "wnut17", "--source", given.source, "-w", data)
    options = ["--model", given.model, "--lr", given.lr, "--batch-size", given.batch_size, "--keep", "last"]
    said = json.dumps([given.passes, given.least_epochs, *options])
    if kept.exists() and kept.read_text() != said:
        sys.exit(f"{kept}: done with other settings, {kept.read_text()}; name another folder: --work")
    kept.write_text(said)
    gold = list(read_sentences(data / "train.txt.tmp"))
    return Settings(given.work, gold, list(map(int, given.sizes.split(","))), given.passes, given.least_epochs, options)


def main() -> None:
    """Run what is not done, and print the figures."""
    given = arguments()
    settings = prepare(given)
    rows = []
    for arm in given.arms.split(","):
        for seed in map(int, given.seeds.split(",")):
            rows += run_arm(arm, seed, settings)
    figures = summary(rows)
    print("\n".join(table(figures)))
    write_json(given.json, figures)


if __name__ == "__main__":
    main()
