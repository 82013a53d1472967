"""Make the INT8 model, with entity F1 on dev as the accuracy that decides which trial is good enough."""

from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from nertool.corpus.column_files import Sentence, read_sentences
from nertool.errors import InvalidOption, NertoolError
from nertool.models import cpu
from nertool.models.names import TOKENIZER_FILES, quiet_transformers
from nertool.progress import bar, logger
from nertool.stages.options import AllowStaleOption, ForceOption, SeedOption
from nertool.workspace.digests import write_json
from nertool.workspace.names import EXAMPLES, QUANTIZED, TABLE
from nertool.workspace.workspace import Result, Stage, StageOptions, StageRun, Workspace

if TYPE_CHECKING:
    from nertool.int8.trials import Judge, Quantizer
    from nertool.models.tagger import Tagger
    from nertool.training.batches import Batch

RECORDED = ("backend", "approach", "criterion", "tolerance", "met", "trials", "metric", "fp32", "int8")
PACKAGES = {"inc": ["optimum", "optimum-intel", "neural-compressor"], "onnx": ["onnx", "onnxruntime"]}
LEARNING_RATE = 5e-5
"""Of further training of a model that was trained elsewhere."""
QAT_BATCH = 32
"""Sentences of a step."""
MEASURED = ("words_per_second", "load_seconds", "peak_mib", "latency_ms", "best_batch_subwords")
"""What differs from run to run."""


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `quantize`."""

    alone = ("allow_stale",)
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Static and quantization-aware": (
            *("observer", "percentile", "calibration_samples", "qat_epochs", "qat_learning_rate"),
        ),
        "Search": ("criterion", "max_trials", "timeout"),
    }

    backend: Annotated[
        Literal["inc", "onnx"],
        typer.Option("--backend", help="Backend: Neural Compressor with PyTorch, or ONNX Runtime."),
    ] = "inc"
    approach: Annotated[
        Literal["dynamic", "static", "qat", "auto"],
        typer.Option(
            "--approach",
            "--quantization-approach",
            help="Ranges of activations: found for each batch, once on sentences of train, or in more training (inc "
            "only); auto tries them all and keeps the smallest and fastest that will do.",
        ),
    ] = "dynamic"
    observer: Annotated[
        Literal["mse", "minmax", "percentile"],
        typer.Option(
            "--observer",
            help="How static finds ranges: by the least squared error, the extremes, or a percentile (onnx only).",
        ),
    ] = "mse"
    percentile: Annotated[
        float,
        typer.Option(
            "--percentile",
            min=50,
            max=100,
            help="Per cent of the activations inside a range, for --observer percentile.",
        ),
    ] = 99.99
    qat_epochs: Annotated[
        float, typer.Option("--qat-epochs", min=0, help="Passes over train (epochs) of --approach qat, such as 0.5.")
    ] = 2.0
    qat_learning_rate: Annotated[
        float | None,
        typer.Option(
            "--qat-learning-rate",
            min=0,
            help="First learning rate of --approach qat [default: the training's rate, else 5e-5].",
        ),
    ] = None
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance",
            "--tolerance-criterion",
            "--perf-tol",
            min=0,
            max=0.99,
            help="Largest loss of dev F1 that is allowed.",
        ),
    ] = 0.01
    criterion: Annotated[
        Literal["relative", "absolute"],
        typer.Option(
            "--criterion", help="Whether --tolerance is a fraction of the FP32 model's F1, or a difference in F1."
        ),
    ] = "relative"
    max_trials: Annotated[int, typer.Option("--max-trials", min=1, help="Maximum number of trials.")] = 20
    timeout: Annotated[
        int, typer.Option("--timeout", min=0, help="Seconds after which no further trial begins; 0: no limit.")
    ] = 0
    calibration_samples: Annotated[
        int,
        typer.Option(
            "--calibration-samples",
            "--num-calibration-samples",
            min=1,
            help="Number of sentences of train that calibration runs on.",
        ),
    ] = 128
    seed: SeedOption = 1
    allow_stale: AllowStaleOption = False
    force: ForceOption = False

    def __post_init__(self) -> None:
        """Refuse options that do not go together."""
        if self.backend == "onnx" and self.approach == "qat":
            raise InvalidOption("--approach qat: only Neural Compressor trains", "Take --backend inc.")
        if self.backend == "inc" and self.observer == "percentile":
            raise InvalidOption(
                "--observer percentile: Neural Compressor has no such observer", "Take mse, minmax, or --backend onnx."
            )
        if self.qat_epochs <= 0:
            raise InvalidOption(
                "--qat-epochs 0: nothing would be trained", "Take a part of an epoch, like 0.25, or more."
            )

    @property
    def approaches(self) -> list[str]:
        """Those that are tried, from cheap to dear."""
        if self.approach != "auto":
            return [self.approach]
        return ["dynamic", "static", "qat"] if self.backend == "inc" else ["dynamic", "static"]


def run(workspace: Workspace, options: Options) -> Result:
    """Write `quantized/`: INT8 weights, tokenizer, configuration and `quantization.json`.

    Models are made, one after the other, until one loses no more than the tolerance: first with everything in INT8,
    then with the layers that suffer most in FP32. Where none does, the best one is kept and the result is not `ok`.

    Raises:
        InvalidOption: the backend has no such approach or observer.
        MissingInput: no model, or no dev.txt.
        StaleInput: the model was made from files that have changed since.
        NertoolError: the backend is not installed, or cannot quantize such a model.
    """
    _check_backend(options)
    model = workspace.model(allow_stale=options.allow_stale)
    workspace.require("dev.txt", "preprocess")
    reads = [*model.files, *(f"{split}.txt" for split in workspace.splits(".txt") if split != "train")]
    if options.approach != "dynamic":
        workspace.require("train.txt", "preprocess")
    if "train" in workspace.splits(".txt"):
        reads.append("train.txt")
    quiet_transformers()
    planned = StageRun(
        "quantize",
        options,
        reads=reads,
        writes=[f"{QUANTIZED}/{TABLE}"],
        replaces=[QUANTIZED],
        packages=["torch", "transformers", *PACKAGES[options.backend]],
        force=options.force,
    )

    def work(stage: Stage) -> None:
        facts = _quantize(workspace, options, stage, model.path)
        stage.facts = {key: facts[key] for key in RECORDED}
        stage.facts = json.loads(json.dumps(stage.facts), object_hook=_without_speed)

    result = workspace.run(planned, work)
    facts = json.loads((workspace / QUANTIZED / TABLE).read_text(encoding="utf-8"))
    if not facts["met"]:
        allowed = (
            f"{facts['tolerance']:.1%} of" if facts["criterion"] == "relative" else f"{facts['tolerance']} points of"
        )
        logger.warning("no trial lost at most %s dev F1: the best one is kept", allowed)
    return replace(result, facts=facts, ok=facts["met"])


def _check_backend(options: Options) -> None:
    """Tell what is missing before anything is read."""
    from nertool.models.inc_model import require_inc
    from nertool.models.onnx_model import require_onnx

    require_inc() if options.backend == "inc" else require_onnx()


def _quantize(workspace: Workspace, options: Options, stage: Stage, model: Path) -> dict[str, Any]:
    """Try one model after the other, publish the best; what `quantization.json` holds."""
    import torch

    from nertool.int8.choice import best
    from nertool.int8.trials import Judge, Quantizer, Settings
    from nertool.models.tagger import load_tagger

    fp32 = load_tagger(model, device="cpu", as_stored=True)
    windows = _calibration(workspace, options, fp32)
    scratch = stage.staging / "trials"
    torch.manual_seed(options.seed)
    judge = Judge({split: workspace / f"{split}.txt" for split in ("dev", "test") if split in workspace.splits(".txt")})
    with bar("quantize", options.max_trials, "trials") as (progress, task):
        settings = Settings(
            options.backend,
            options.observer,
            options.percentile,
            lambda: list(_batches(workspace, options, fp32)),
            _learning_rate(workspace, options),
            lambda loss: progress.update(task, description=f"quantize: qat, loss {loss:.3f}"),
        )
        quantizer = Quantizer(fp32, settings, windows, _empty(scratch / "graph"))
        before = judge.judged(model, _empty(scratch / "fp32.tags"))
        trials: list[dict[str, Any]] = []
        for trial in _tried(options, quantizer, judge, model, before["f1"], scratch, trials):
            progress.update(task, advance=1, description=f"quantize: {trial['approach']}, F1 {trial['f1']:.4f}")
    kept = best(trials)
    trials[kept]["kept"] = True
    out = stage.directory(QUANTIZED)
    out.rmdir()
    (scratch / f"{kept}").rename(out)
    _check_loads(out, judge, scratch / f"{kept}.tags")
    facts = {
        "backend": options.backend,
        "approach": options.approach,
        "criterion": options.criterion,
        "tolerance": options.tolerance,
        "met": trials[kept]["met"],
        "metric": judge.metric,
        "fp32": before,
        "int8": trials[kept],
        "trials": trials,
        "size_ratio": trials[kept]["bytes"] / before["bytes"],
        "speed_ratio": trials[kept]["words_per_second"] / before["words_per_second"],
        "observer": options.observer,
        "calibration_windows": len(windows),
        "calibration_sha256": hashlib.sha256(json.dumps(windows).encode()).hexdigest(),
        "reduced_range": quantizer.reduce_range,
        "threads": torch.get_num_threads(),
        "cpu": cpu.describe(),
        "versions": stage.identity["versions"],
    }
    write_json(out / TABLE, facts)
    return facts


def _tried(
    options: Options,
    quantizer: Quantizer,
    judge: Judge,
    model: Path,
    before: float,
    scratch: Path,
    trials: list[dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Make and judge models until one will do, or trials or time are used up; trial N's model is in `scratch/N`."""
    from nertool.int8.choice import Criterion, attempts, relative_loss
    from nertool.int8.layer_ranges import linear_layers

    criterion, began = Criterion(options.tolerance, options.criterion), time.monotonic()
    operators = len(linear_layers(quantizer.fp32.model))
    for number, attempt in enumerate(attempts(options.approaches, operators, trials)):
        if number == options.max_trials or (number and options.timeout and time.monotonic() - began > options.timeout):
            logger.warning("the search ended after %s trials, before all was tried", number)
            return
        directory = _empty(scratch / f"{number}")
        left = quantizer.make(attempt, directory)
        _copy_tokenizer(model, directory)
        row = judge.judged(directory, _empty(scratch / f"{number}.tags"))
        trials.append(
            {
                "approach": attempt.approach,
                **row,
                "left_in_fp32": left,
                "relative_loss": relative_loss(before, row["f1"]),
                "met": criterion.met(before, row["f1"]),
                "kept": False,
            }
        )
        yield trials[-1]


def _check_loads(out: Path, judge: Judge, tags: Path) -> None:
    """What is published tags as it did in the process in which it was judged.

    Raises:
        NertoolError: it does not.
    """
    from nertool.int8.trials import read_tags
    from nertool.models.tagger import load_tagger

    found = load_tagger(out).tag(sentence.tokens for sentence in judge.gold["dev"])
    if list(found) != read_tags(tags, "dev"):
        raise NertoolError(
            f"{out}: the INT8 model tags dev otherwise once it is loaded anew", "Try another --approach, or --seed."
        )


def _learning_rate(workspace: Workspace, options: Options) -> float:
    """Of further training: what was asked for, or what the model itself was trained with."""
    if options.qat_learning_rate is not None:
        return options.qat_learning_rate
    trained = workspace.records().get("train", {}).get("options", {})
    return float(trained.get("learning_rate") or LEARNING_RATE)


def _batches(workspace: Workspace, options: Options, fp32: Tagger) -> Iterator[Batch]:
    """Train as training examples, in batches of like length, so often as there are epochs."""
    from nertool.training.batches import Collator
    from nertool.training.examples import Source, load_examples
    from nertool.training.steps import Steps, StepSize

    source = Source(workspace / "train.txt", tuple(fp32.labels), fp32.max_length)
    examples = load_examples(source, fp32.tokenizer, workspace / EXAMPLES)
    steps = Steps(examples.lengths, StepSize(QAT_BATCH), options.seed, by_length=True)
    left = round(options.qat_epochs * len(steps))
    for epoch in range(math.ceil(options.qat_epochs)):
        steps.set_epoch(epoch)
        for slots in islice(steps, left):
            left -= 1
            yield from Collator(fp32.pad_id)(examples.take(slots))["batches"]


def _copy_tokenizer(source: Path, target: Path) -> None:
    for pattern in TOKENIZER_FILES:
        for path in source.glob(pattern):
            if path.name != "config.json":  # the quantized model has its own
                shutil.copyfile(path, target / path.name)


def _empty(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory


def _calibration(workspace: Workspace, options: Options, tagger: Tagger) -> list[list[int]]:
    """Sub-word ids of a random sample of train's sentences (dev's, without train), in one pass over them."""
    chance = random.Random(options.seed)
    sample: list[Sentence] = []
    source = "train.txt" if "train" in workspace.splits(".txt") else "dev.txt"
    for number, sentence in enumerate(read_sentences(workspace / source)):  # reservoir sampling (Vitter's R)
        if number < options.calibration_samples:
            sample.append(sentence)
        elif (place := int(chance.random() * (number + 1))) < options.calibration_samples:
            sample[place] = sentence
    encoded = tagger.encoder.encode([sentence.tokens for sentence in sample])
    return [window.ids for one in encoded if one.ids for window in tagger.encoder.windows(one)]


def _without_speed(value: dict[str, Any]) -> dict[str, Any]:
    """What differs from run to run stays out of the record, so that equal runs give equal records."""
    return {key: item for key, item in value.items() if key not in MEASURED}
