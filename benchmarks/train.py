"""`nertool train` against a plain Trainer loop with run_ner.py's settings: samples per second, F1, memory.

    python benchmarks/train.py --recipe wnut17 --source DIR --model minilm --epochs 3 --seeds 1 2 3

The plain loop tokenizes words together, cuts at the length, pads random batches to their longest sentence, scores
nothing while it trains and keeps its last weights. Both sides are whole processes on the same files, model, epochs,
rate, batch size and seed, by turns; `samples/s` is sentences times epochs over the seconds of the whole process, so
nertool's includes scoring dev after each epoch. Both are scored by the same code. `--longer N` adds nertool with N
epochs, to compare F1 at like times. Further options go to nertool: `... -- --precision fp32`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from timing import add_json_option, run_process, write_json

NERTOOL = [sys.executable, "-m", "nertool"]


def plain(workspace: Path, target: Path, model_name: str, settings: dict[str, Any]) -> None:
    """The Trainer as run_ner.py uses it; the model goes to `target`."""
    from datasets import Dataset
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from nertool.corpus.column_files import read_labels, read_sentences
    from nertool.models.names import resolve_model

    labels = read_labels(workspace / "labels.txt")
    ids = {label: number for number, label in enumerate(labels)}
    path = resolve_model(model_name)
    tokenizer = AutoTokenizer.from_pretrained(path)

    def encode(rows: dict[str, list[list[str]]]) -> dict[str, Any]:
        encoded = tokenizer(rows["tokens"], is_split_into_words=True, truncation=True, max_length=128)
        encoded["labels"] = []
        for row, tags in enumerate(rows["tags"]):
            before, marks = None, []
            for word in encoded.word_ids(row):
                marks.append(-100 if word is None or word == before else ids[tags[word]])
                before = word
            encoded["labels"].append(marks)
        return dict(encoded)

    sentences = [{"tokens": s.tokens, "tags": s.tags} for s in read_sentences(workspace / "train.txt")]
    rows = Dataset.from_list(sentences).map(encode, batched=True, remove_columns=["tokens", "tags"])
    set_seed(settings["seed"])
    model = AutoModelForTokenClassification.from_pretrained(
        path, num_labels=len(labels), id2label=dict(enumerate(labels)), label2id=ids
    )
    arguments = TrainingArguments(
        str(target / "checkpoints"), save_strategy="no", report_to="none", dataloader_pin_memory=False, **settings
    )
    Trainer(model, arguments, DataCollatorForTokenClassification(tokenizer), rows).train()
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def scored(workspace: Path, directory: Path) -> dict[str, float]:
    """F1 of a model directory on dev and test."""
    from nertool.corpus.column_files import read_sentences
    from nertool.models.load_tagger import load_tagger
    from nertool.scoring.scorer import score

    figures = {}
    for split in ("dev", "test"):
        tagger, path = load_tagger(directory), workspace / f"{split}.txt"
        tags = tagger.tag(sentence.tokens for sentence in read_sentences(path))
        figures[split] = score(zip((s.tags for s in read_sentences(path)), tags, strict=True)).headline
    return figures


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="wnut17")
    parser.add_argument("--source", required=True, help="folder with the published files")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--longer", type=float, help="epochs of a further run of nertool")
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--sides", nargs="+", default=["plain", "nertool"], choices=["plain", "nertool"])
    parser.add_argument("--workspace", type=Path, required=True, help="where files and models go; may be there already")
    parser.add_argument("options", nargs="*", help="options of `nertool train`, behind --")
    add_json_option(parser)
    return parser.parse_args()


def main() -> None:
    """Run the benchmark and print its tables."""
    options = arguments()
    at = ["-w", str(options.workspace), "--quiet"]
    data = [options.recipe, "--source", options.source, "--model", options.model, "--until", "labels"]
    subprocess.run([*NERTOOL, "run", *data, *at], check=True, stdout=subprocess.DEVNULL)
    from nertool.corpus.column_files import read_sentences

    sentences = sum(1 for _ in read_sentences(options.workspace / "train.txt"))
    kinds = [(side, options.epochs) for side in options.sides]
    kinds += [("nertool", options.longer)] if options.longer else []
    rows: dict[tuple[str, float], list[dict[str, float]]] = {kind: [] for kind in kinds}
    for seed in options.seeds:
        for side, epochs in kinds:
            target = options.workspace / f"{side}-{epochs:g}-{seed}"
            seconds, memory = run_process(training_command(options, side, epochs, seed, target))
            speed = sentences * epochs / seconds
            row = {"seconds": seconds, "samples/s": speed, "MiB": memory, **scored(options.workspace, target)}
            rows[side, epochs].append(row)
            print(f"{side:8} {epochs:g} epochs, seed {seed}: " + one_line(row), flush=True)
    print(f"\nmean (deviation) over seeds {options.seeds}")
    for (side, epochs), found in rows.items():
        print(f"{side:8} {epochs:g} epochs: " + summary(found))
    figures = [{"side": side, "epochs": epochs, **row} for (side, epochs), found in rows.items() for row in found]
    write_json(options.json, figures)
    if {"plain", "nertool"} <= {side for side, _ in rows}:
        speeds = [
            statistics.mean(row["samples/s"] for row in rows[side, options.epochs]) for side in ("nertool", "plain")
        ]
        print(f"ratio {speeds[0] / speeds[1]:.2f}")


def training_command(options: argparse.Namespace, side: str, epochs: float, seed: int, target: Path) -> list[str]:
    """The command line that trains one side; the model goes to `target`."""
    settings = {
        "num_train_epochs": epochs,
        "learning_rate": options.lr,
        "per_device_train_batch_size": options.batch_size,
        "seed": seed,
    }
    if side == "plain":
        paths = [str(options.workspace), str(target)]
        return [sys.executable, __file__, "plain", *paths, options.model, json.dumps(settings)]
    named = ["--model", options.model, "--output-dir", target.name, "-w", str(options.workspace), "--quiet"]
    values = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    return [*NERTOOL, "train", "--force", *named, *values, *options.options]


def one_line(row: dict[str, float]) -> str:
    """One run in one line."""
    return ", ".join(f"{name} {value:.4f}" if value < 1 else f"{name} {value:,.1f}" for name, value in row.items())


def summary(rows: list[dict[str, float]]) -> str:
    """Means, with sample deviations of the F1 figures."""
    parts = []
    for name in rows[0]:
        values = [row[name] for row in rows]
        deviation = f" ({statistics.stdev(values):.4f})" if name in ("dev", "test") and len(values) > 1 else ""
        parts.append(one_line({name: statistics.mean(values)}) + deviation)
    return ", ".join(parts)


if __name__ == "__main__":
    if sys.argv[1:2] == ["plain"]:
        plain(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], json.loads(sys.argv[5]))
    else:
        main()
