"""Make the INT8 model, with entity F1 on dev as the accuracy that decides which trial is good enough."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nertool import cpu
from nertool.columns import Sentence, read_sentences
from nertool.digests import write_json
from nertool.encode import TOKENIZER_FILES, quiet_transformers
from nertool.errors import NertoolError
from nertool.inc import TABLE
from nertool.options import AllowStaleOption, ForceOption, SeedOption
from nertool.progress import bar, note
from nertool.workspace import EXAMPLES, QUANTIZED, Result, Stage, StageOptions, Workspace

if TYPE_CHECKING:
    from nertool.batches import Batch
    from nertool.inc import Plan, Tuning
    from nertool.scoring import Scorer
    from nertool.tagger import Tagger

RECORDED = ("approach", "criterion", "tolerance", "met", "trials", "metric", "fp32", "int8", "splits")
QAT_BATCH = 32
"""Sentences of a step."""
MEASURED = ("words_per_second", "load_seconds", "peak_mib", "latency_ms", "best_batch_subwords")
"""What differs from run to run."""


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `quantize`."""

    approach: Annotated[
        Literal["dynamic", "static", "qat"],
        typer.Option(
            "--approach",
            "--quantization-approach",
            help="Ranges of activations: found for each batch, once on sentences of train, or in more training.",
        ),
    ] = "dynamic"
    qat_epochs: Annotated[int, typer.Option("--qat-epochs", min=1, help="Passes over train of --approach qat.")] = 1
    qat_learning_rate: Annotated[
        float, typer.Option("--qat-learning-rate", min=0, help="First learning rate of --approach qat.")
    ] = 2e-5
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance", "--tolerance-criterion", "--perf-tol", min=0, max=0.99, help="Loss of dev F1 allowed."
        ),
    ] = 0.01
    criterion: Annotated[
        Literal["relative", "absolute"],
        typer.Option("--criterion", help="Whether that is a share of the FP32 model's F1, or a difference from it."),
    ] = "relative"
    max_trials: Annotated[int, typer.Option("--max-trials", min=1, help="Trials at the most.")] = 20
    timeout: Annotated[
        int, typer.Option("--timeout", min=0, help="Seconds after which no further trial begins; 0: none is too late.")
    ] = 0
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
    workspace.require("dev.txt", "preprocess")
    reads = [*model_files, *(f"{split}.txt" for split in workspace.splits(".txt") if split != "train")]
    if options.approach in ("static", "qat"):
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
            facts = _quantize(workspace, options, stage, workspace / directory)
            stage.facts = {key: facts[key] for key in RECORDED}
            stage.facts = json.loads(json.dumps(stage.facts), object_hook=_without_speed)
    facts = json.loads((workspace / QUANTIZED / TABLE).read_text(encoding="utf-8"))
    if not facts["met"]:
        allowed = (
            f"{facts['tolerance']:.1%} of" if facts["criterion"] == "relative" else f"{facts['tolerance']} points of"
        )
        note.warning("no trial lost at most %s dev F1: the best one is kept", allowed)
    return Result("quantize", facts, stage.fresh, stage.why, ok=facts["met"])


def _quantize(workspace: Workspace, options: Options, stage: Stage, directory: Path) -> dict[str, Any]:
    """Tune into the staged directory, load what was saved, measure both; what `quantization.json` holds."""
    import torch

    from nertool.inc import require_inc, train_aware, tune
    from nertool.tagger import Tagger, load_tagger

    require_inc()
    fp32 = load_tagger(directory, device="cpu")
    out, dev = stage.directory(QUANTIZED), list(read_sentences(workspace / "dev.txt"))

    def accuracy(candidate: Any) -> float:
        tagger = Tagger(candidate, fp32.tokenizer, fp32.labels, fp32.max_length)
        value = _score(tagger, dev).headline
        progress.update(task, advance=1, description=f"quantize: F1 {value:.4f}")
        return value

    calibration = _calibration(workspace, options, fp32) if options.approach == "static" else None
    batches = list(_batches(workspace, options, fp32)) if options.approach == "qat" else []
    torch.manual_seed(options.seed)
    total, unit = (len(batches), "steps") if batches else (options.max_trials + 1, "trials")
    with bar("quantize", total, unit) as (progress, task):
        if batches:
            tuning = train_aware(
                fp32.model,
                batches,
                options.qat_learning_rate,
                accuracy,
                lambda before, after: _lost(before, after, options.criterion) <= options.tolerance,
                out,
                lambda loss: progress.update(task, advance=1, description=f"quantize: loss {loss:.3f}"),
            )
        else:
            plan = _plan(options, calibration, fp32)
            tuning = tune(fp32.model, accuracy, plan, out, stage.staging / "tuning")
    _copy_tokenizer(directory, out)
    facts = {
        "approach": options.approach,
        "criterion": options.criterion,
        "tolerance": options.tolerance,
        "met": tuning.met,
        "trials": _trials(tuning),
        "calibration_windows": len(calibration) if calibration is not None else 0,
        "calibration_sha256": _digest(calibration),
        "reduced_range": not cpu.has_vnni(),
        "threads": torch.get_num_threads(),
        "cpu": cpu.describe(),
        "versions": stage.identity["versions"],
    }
    write_json(out / TABLE, {"versions": facts["versions"]})  # marks the directory as INT8 for the tagger
    facts |= _compare(workspace, fp32, load_tagger(out), directory, out)
    write_json(out / TABLE, facts)
    return facts


def _plan(options: Options, calibration: Any, fp32: Tagger) -> Plan:
    from nertool.inc import Plan

    return Plan(
        options.approach,
        options.tolerance,
        options.criterion,
        options.max_trials,
        options.timeout,
        not cpu.has_vnni(),
        calibration,
        lambda rows: fp32.collate([row["input_ids"] for row in rows]),
        options.seed,
    )


def _batches(workspace: Workspace, options: Options, fp32: Tagger) -> Iterator[Batch]:
    """Train as training examples, in batches of like length, so often as there are epochs."""
    from nertool.batches import Collator, Steps
    from nertool.examples import Source, load_examples

    source = Source(workspace / "train.txt", tuple(fp32.labels), fp32.max_length)
    examples = load_examples(source, fp32.tokenizer, workspace / EXAMPLES)
    steps = Steps(examples.lengths, QAT_BATCH, None, options.seed, by_length=True)
    for epoch in range(options.qat_epochs):
        steps.set_epoch(epoch)
        for numbers in steps:
            yield from Collator(fp32.pad_id)(examples.__getitems__(numbers))["batches"]


def _copy_tokenizer(source: Path, target: Path) -> None:
    for pattern in TOKENIZER_FILES:
        for path in source.glob(pattern):
            if path.name != "config.json":  # the quantized model has its own
                shutil.copyfile(path, target / path.name)


def _digest(calibration: Any) -> str:
    if calibration is None:
        return ""
    return hashlib.sha256(json.dumps(list(calibration["input_ids"])).encode()).hexdigest()


def _trials(tuning: Tuning) -> list[dict[str, Any]]:
    return [
        {"f1": value, "relative_loss": _loss(tuning.baseline, value), "kept": number == tuning.chosen}
        for number, value in enumerate(tuning.trials)
    ]


def _loss(before: float, after: float) -> float:
    return (before - after) / before if before else 0.0


def _lost(before: float, after: float, criterion: str) -> float:
    return _loss(before, after) if criterion == "relative" else before - after


def _compare(workspace: Workspace, fp32: Tagger, int8: Tagger, before: Path, after: Path) -> dict[str, Any]:
    """Scores on dev and test, size, and what both models cost to use, each measured in a process of its own.

    Raises:
        NertoolError: what was saved tags otherwise in a fresh process.
    """
    from nertool.measure import digest_of_tags, measure

    dev = workspace / "dev.txt"
    rows = [{"bytes": _weights_size(path), **measure(path, dev)} for path in (before, after)]
    tags = digest_of_tags(list(int8.tag(sentence.tokens for sentence in read_sentences(dev))))
    if rows[1].pop("tags") != tags:
        raise NertoolError(
            f"{after}: the INT8 model tags dev otherwise once it is loaded anew", "Try another --approach, or --seed."
        )
    del rows[0]["tags"]
    splits = {
        split: _apart(workspace / f"{split}.txt", fp32, int8)
        for split in ("dev", "test")
        if split in workspace.splits(".txt")
    }
    for number, row in enumerate(rows):
        row["f1"] = splits["dev"]["f1"][number]
    return {
        "metric": splits["dev"]["metric"],
        "fp32": rows[0],
        "int8": {**rows[1], "left_in_fp32": _left_in_fp32(int8.model)},
        "splits": splits,
        "relative_loss": _loss(*splits["dev"]["f1"]),
        "size_ratio": rows[1]["bytes"] / rows[0]["bytes"],
        "speed_ratio": rows[1]["words_per_second"] / rows[0]["words_per_second"],
    }


def _apart(path: Path, fp32: Tagger, int8: Tagger) -> dict[str, Any]:
    """Scores of both models on a split with their intervals, and what INT8 lost, with interval and p-value."""
    from nertool.bootstrap import compare

    sentences = list(read_sentences(path))
    scorers = [_score(tagger, sentences) for tagger in (fp32, int8)]
    lost = compare(scorers[0].sentence_counts(), scorers[1].sentence_counts())
    return {
        "metric": scorers[0].metric,
        "f1": [scorer.headline for scorer in scorers],
        "interval": [scorer.interval() for scorer in scorers],
        "lost": lost.value,
        "lost_interval": lost.interval,
        "p": lost.p,
    }


def _left_in_fp32(model: Any) -> list[str]:
    """Linear layers and embeddings whose weights are still FP32."""
    import torch

    kinds = (torch.nn.Linear, torch.nn.Embedding)
    return [name for name, module in model.named_modules() if type(module) in kinds]


def _score(tagger: Tagger, sentences: Sequence[Sentence]) -> Scorer:
    from nertool.scoring import Scorer

    scorer = Scorer(keep_sentences=True)
    predicted = tagger.tag(sentence.tokens for sentence in sentences)
    for sentence, tags in zip(sentences, predicted, strict=True):
        scorer.add(sentence.tags, tags)
    return scorer


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
    """What differs from run to run stays out of the record, so that equal runs give equal records."""
    return {key: item for key, item in value.items() if key not in MEASURED}
