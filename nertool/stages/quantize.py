"""Make the INT8 model, with entity F1 on dev as the accuracy that decides which trial is good enough."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nertool.columns import Sentence, read_sentences
from nertool.encode import TOKENIZER_FILES, quiet_transformers
from nertool.options import AllowStaleOption, ForceOption, SeedOption
from nertool.progress import bar, note
from nertool.scoring import Scorer, score
from nertool.workspace import QUANTIZED, Result, Stage, StageOptions, Workspace

if TYPE_CHECKING:
    from nertool.inc import Tuning
    from nertool.tagger import Tagger

TABLE = "quantization.json"
SPEED_WORDS = 10_000
"""Words of dev that the speed is measured on."""
SPEED_ROUNDS = 3


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `quantize`."""

    approach: Annotated[
        Literal["dynamic", "static"],
        typer.Option(
            "--approach",
            "--quantization-approach",
            help="Ranges of activations: found anew for each batch, or once on sentences of train.",
        ),
    ] = "dynamic"
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance", "--tolerance-criterion", min=0, max=0.99, help="Loss of dev F1 allowed, relative to FP32."
        ),
    ] = 0.01
    max_trials: Annotated[int, typer.Option("--max-trials", min=1, help="Trials at the most.")] = 20
    calibration_samples: Annotated[
        int,
        typer.Option(
            "--calibration-samples", "--num-calibration-samples", min=1, help="Sentences of train that static looks at."
        ),
    ] = 128
    seed: SeedOption = 1
    allow_stale: AllowStaleOption = False
    force: ForceOption = False


def run(workspace: Workspace, options: Options) -> Result:
    """Write `quantized/`: INT8 weights, tokenizer, configuration and `quantization.json`.

    Neural Compressor tries quantization schemes until one loses no more than the tolerance. Where none does, the best
    one is kept and the result is not `ok`.

    Raises:
        MissingInput: no model, or no dev.txt.
        StaleInput: the model was made from files that have changed since.
        NertoolError: optimum has no Neural Compressor behind it.
    """
    directory = workspace.model_directory()
    model_files = workspace.model_reads(directory, options.allow_stale)
    dev = workspace.require("dev.txt", "preprocess")
    reads = [*model_files, "dev.txt"]
    if options.approach == "static":
        workspace.require("train.txt", "preprocess")
        reads.append("train.txt")
    quiet_transformers()
    with workspace.open_stage(
        "quantize",
        options,
        reads=reads,
        writes=[f"{QUANTIZED}/{TABLE}"],
        replaces=[QUANTIZED],
        packages=["torch", "transformers", "optimum", "optimum-intel", "neural-compressor"],
        force=options.force,
    ) as stage:
        if not stage.fresh:
            facts = _quantize(workspace, options, stage, workspace / directory, list(read_sentences(dev)))
            stage.facts = {
                key: facts[key] for key in ("approach", "tolerance", "met", "trials", "metric", "fp32", "int8")
            }
            stage.facts = json.loads(json.dumps(stage.facts), object_hook=_without_speed)
    facts = json.loads((workspace / QUANTIZED / TABLE).read_text(encoding="utf-8"))
    if not facts["met"]:
        note.warning("no trial lost at most %s of dev F1: the best one is kept", f"{facts['tolerance']:.1%}")
    return Result("quantize", facts, stage.fresh, stage.why, ok=facts["met"])


def _quantize(
    workspace: Workspace, options: Options, stage: Stage, directory: Path, dev: list[Sentence]
) -> dict[str, Any]:
    """Tune into the staged directory, load what was saved, measure both; what `quantization.json` holds."""
    import torch

    from nertool.inc import Plan, require_inc, tune
    from nertool.tagger import Tagger, load_tagger

    require_inc()
    fp32 = load_tagger(directory, device="cpu")
    out = stage.directory(QUANTIZED)

    def accuracy(candidate: Any) -> float:
        tagger = Tagger(candidate, fp32.tokenizer, fp32.labels, fp32.max_length)
        value = _score(tagger, dev).headline
        progress.update(task, advance=1, description=f"quantize: F1 {value:.4f}")
        return value

    calibration = _calibration(workspace, options, fp32) if options.approach == "static" else None
    plan = Plan(
        options.approach,
        options.tolerance,
        options.max_trials,
        calibration,
        lambda rows: fp32.collate([row["input_ids"] for row in rows]),
        options.seed,
    )
    with bar("quantize", options.max_trials + 1, "trials") as (progress, task):
        tuning = tune(fp32.model, accuracy, plan, out, stage.staging / "tuning")
    for pattern in TOKENIZER_FILES:
        for path in directory.glob(pattern):
            if path.name != "config.json":  # the quantized model has its own
                shutil.copyfile(path, out / path.name)
    facts = {
        "approach": options.approach,
        "tolerance": options.tolerance,
        "met": tuning.met,
        "trials": _trials(tuning),
        "calibration_windows": len(calibration) if calibration is not None else 0,
        "threads": torch.get_num_threads(),
        "versions": stage.identity["versions"],
    }
    (out / TABLE).write_text("{}", encoding="utf-8")  # marks the directory as INT8 for the tagger
    int8 = load_tagger(out)
    facts |= _compare(fp32, int8, directory, out, dev)
    (out / TABLE).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return facts


def _trials(tuning: Tuning) -> list[dict[str, Any]]:
    return [
        {"f1": value, "relative_loss": _loss(tuning.baseline, value), "kept": number == tuning.chosen}
        for number, value in enumerate(tuning.trials)
    ]


def _loss(before: float, after: float) -> float:
    return (before - after) / before if before else 0.0


def _compare(fp32: Tagger, int8: Tagger, before: Path, after: Path, dev: list[Sentence]) -> dict[str, Any]:
    """F1 on dev, size and speed of both models, in one process with the same threads, turn by turn."""
    sample = list(islice(dev, _sentences_for(dev, SPEED_WORDS)))
    rounds = [(_words_per_second(fp32, sample), _words_per_second(int8, sample)) for _ in range(SPEED_ROUNDS)]
    speeds = [max(values) for values in zip(*rounds, strict=True)]
    scorers = [_score(tagger, dev) for tagger in (fp32, int8)]
    scores = [scorer.headline for scorer in scorers]
    rows = [
        {"f1": value, "bytes": _weights_size(path), "words_per_second": round(speed)}
        for value, path, speed in zip(scores, (before, after), speeds, strict=True)
    ]
    return {
        "metric": scorers[0].metric,
        "fp32": rows[0],
        "int8": rows[1],
        "relative_loss": _loss(*scores),
        "size_ratio": rows[1]["bytes"] / rows[0]["bytes"],
        "speed_ratio": speeds[1] / speeds[0],
    }


def _score(tagger: Tagger, sentences: Sequence[Sentence]) -> Scorer:
    predicted = tagger.tag(sentence.tokens for sentence in sentences)
    return score(zip((sentence.tags for sentence in sentences), predicted, strict=True))


def _words_per_second(tagger: Tagger, sentences: Sequence[Sentence]) -> float:
    start = time.perf_counter()
    words = sum(len(tags) for tags in tagger.tag(sentence.tokens for sentence in sentences))
    return words / (time.perf_counter() - start)


def _sentences_for(sentences: Sequence[Sentence], words: int) -> int:
    """How many sentences hold that many words."""
    for number, sentence in enumerate(sentences, start=1):
        words -= len(sentence.tokens)
        if words <= 0:
            return number
    return len(sentences)


def _weights_size(directory: Path) -> int:
    """Bytes of the weights alone, as they lie on disk."""
    return sum(path.stat().st_size for suffix in ("safetensors", "bin") for path in directory.glob(f"*.{suffix}"))


def _calibration(workspace: Workspace, options: Options, tagger: Tagger) -> Any:
    """A random sample of train's sentences as model inputs; one pass, so that train need not fit in memory."""
    from datasets import Dataset

    chance = random.Random(options.seed)
    sample: list[Sentence] = []
    for number, sentence in enumerate(read_sentences(workspace / "train.txt")):  # reservoir sampling (Vitter's R)
        if number < options.calibration_samples:
            sample.append(sentence)
        elif (place := int(chance.random() * (number + 1))) < options.calibration_samples:
            sample[place] = sentence
    encoded = tagger.encoder.encode([sentence.tokens for sentence in sample])
    windows = [window for one in encoded if one.ids for window in tagger.encoder.windows(one)]
    return Dataset.from_list([{"input_ids": window.ids} for window in windows])


def _without_speed(value: dict[str, Any]) -> dict[str, Any]:
    """Speeds differ from run to run and stay out of the record, so that equal runs give equal records."""
    return {key: item for key, item in value.items() if key != "words_per_second"}
