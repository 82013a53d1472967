"""Ways to train the same model, by seeds: F1 on dev and test, and what each gains over the first.

    nertool run wnut17 --source DIR -w BASE --model minilm --until labels
    python benchmarks/variants.py -w BASE --work WORK --model minilm --seeds 1 2 3 \\
        --variant 'plain=--lr 1e-4 --num-epochs 5' --variant 'taught=--lr 1e-4 --num-epochs 5 {plain}'

Each variant and seed is a workspace of its own, `WORK/NAME/SEED`, which starts as a copy of BASE. One that is finished
is read again. `{plain}` stands for the models of an earlier variant as teachers, all seeds together. The gains over the
first variant are paired by seed, with the p-value of a paired t-test. `--together` also scores the mean of the seeds'
probabilities, which is what they say as teachers.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from timing import add_json_option, write_json

from nertool.corpus.column_files import read_sentences
from nertool.models.decoding import Sentences
from nertool.models.load_tagger import load_tagger
from nertool.scoring.scorer import Scorer

NERTOOL = [sys.executable, "-m", "nertool"]
SPLITS = ("dev", "test")


def main() -> None:
    """Train what is missing, and print a line a variant."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-w", "--workspace", type=Path, required=True, help="a workspace with data and labels")
    parser.add_argument("--work", type=Path, required=True, help="where the workspaces of variants are")
    parser.add_argument("--model", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--variant", action="append", required=True, metavar="NAME=OPTIONS")
    parser.add_argument("--together", action="store_true", help="score the seeds' mean probabilities, too")
    add_json_option(parser)
    options = parser.parse_args()
    teachers: dict[str, list[str]] = {}
    rows: list[dict[str, Any]] = []
    first: list[dict[str, float]] = []
    for variant in options.variant:
        name, _, arguments = variant.partition("=")
        words = [word for part in shlex.split(arguments) for word in teachers.get(part, [part])]
        workspaces = [options.work / name / str(seed) for seed in options.seeds]
        for seed, workspace in zip(options.seeds, workspaces, strict=True):
            if not (workspace / "finished").exists():
                train(options.workspace, workspace, ["--model", options.model, "--seed", str(seed), *words])
        found = [scores(workspace) for workspace in workspaces]
        first = first or found
        rows.append({"variant": name, "options": arguments, **summary(found, first)})
        if options.together:
            rows[-1] |= {f"{split} together": f"{together(workspaces, split):.4f}" for split in SPLITS}
        print(json.dumps(rows[-1]), flush=True)
        teachers[f"{{{name}}}"] = [word for path in workspaces for word in ("--teacher", str(path / "model"))]
    write_json(options.json, rows)


def train(base: Path, workspace: Path, arguments: Sequence[str]) -> None:
    """Train and score in a copy of the base."""
    shutil.rmtree(workspace, ignore_errors=True)
    workspace.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(base, workspace)
    started = time.perf_counter()
    with Path(f"{workspace}.log").open("w") as log:
        for command in (["train", *arguments], ["evaluate"]):
            words = [*NERTOOL, *command, "-w", str(workspace)]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=log)
    (workspace / "finished").write_text(f"{time.perf_counter() - started:.1f}")


def scores(workspace: Path) -> dict[str, float]:
    """F1 on each split by the model's decoding and by argmax, and the seconds it took."""
    found = {"seconds": float((workspace / "finished").read_text())}
    for split in SPLITS:
        results = json.loads((workspace / "evaluation" / f"{split}_results.json").read_text())
        found[split] = results["f1"]
        found[f"{split} argmax"] = results.get("argmax", results)["f1"]
    return found


def together(workspaces: Sequence[Path], split: str) -> float:
    """F1 of the models' mean probabilities, decoded as one model's are."""
    sentences = list(read_sentences(workspaces[0] / f"{split}.txt"))
    taggers = [load_tagger(workspace / "model") for workspace in workspaces]
    scorer = Scorer()
    answers = [tagger.word_logits(one.tokens for one in sentences) for tagger in taggers]
    for sentence, *logits in zip(sentences, *answers, strict=True):
        mean = np.mean([softmax(one) for one in logits], 0)
        ids = taggers[0].decoder.decode(np.log(mean), Sentences.of([len(sentence.tokens)]))
        scorer.add(sentence.tags, [taggers[0].labels[label] for label in ids.tolist()])
    return scorer.headline


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities of the labels; shape (words, labels), NaN for a word without sub-words."""
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(-1, keepdims=True))


def summary(found: Sequence[dict[str, float]], first: Sequence[dict[str, float]]) -> dict[str, str]:
    """Mean and deviation of each figure, and the gain over the first variant."""
    cells = {}
    for name in found[0]:
        digits = 0 if name == "seconds" else 4
        cells[name] = mean_and_deviation([one[name] for one in found], digits)
    for split in SPLITS:
        gains = [one[split] - other[split] for one, other in zip(found, first, strict=True)]
        if found is not first:
            cells[f"{split} gain"] = f"{mean_and_deviation(gains, 4)}, p {paired_p(gains):.3f}"
    return cells


def mean_and_deviation(values: Sequence[float], digits: int) -> str:
    """`0.4611 (0.0042)`."""
    deviation = f" ({statistics.stdev(values):.{digits}f})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{deviation}"


def paired_p(gains: Sequence[float]) -> float:
    """Two-sided p-value of a paired t-test; 1 where there is no telling."""
    from scipy import stats  # type: ignore[import-untyped]

    if len(gains) < 2 or statistics.stdev(gains) == 0:
        return 1.0
    return float(stats.ttest_1samp(gains, 0).pvalue)


if __name__ == "__main__":
    main()
