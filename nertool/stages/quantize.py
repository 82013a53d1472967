"""Make the INT8 model, with entity F1 on dev as the accuracy that decides which trial is good enough."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.corpus.column_files import read_sentences
from nertool.counts import METRICS
from nertool.errors import InvalidData, InvalidOption, NertoolError
from nertool.int8.facts import Cost, Quantization, Trial
from nertool.int8.finished import FinishedWork
from nertool.models import cpu
from nertool.models.names import quiet_transformers
from nertool.models.settings import anew, read_table
from nertool.progress import Shown, bar, logger
from nertool.stages.quantize_options import Options
from nertool.workspace.atomic import link_or_copy
from nertool.workspace.digests import digest, write_json
from nertool.workspace.model_files import ModelFiles
from nertool.workspace.names import EXAMPLES, QUANTIZED, TABLE
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.workspace import Workspace

if TYPE_CHECKING:
    from nertool.int8.choice import Criterion
    from nertool.int8.judge import Judge
    from nertool.int8.quantizer import Settings
    from nertool.int8.search import Search
    from nertool.models.canary import Canary
    from nertool.models.tagger import Tagger
    from nertool.training.batches import Batch

__all__ = ["Options", "check_backend", "run"]

RECORDED = ("backend", "approach", "criterion", "tolerance", "met", "trials", "metric", "fp32", "int8")
PACKAGES = {"inc": ["optimum", "optimum-intel", "neural-compressor"], "onnx": ["onnx", "onnxruntime"]}
LEARNING_RATE = 5e-5
"""Of further training of a model that was trained elsewhere."""
QAT_BATCH = 32
"""Sentences of a step."""


def run(workspace: Workspace, options: Options, *, clock: Callable[[], float] = time.monotonic) -> Result:
    """Write `quantized/`: INT8 weights, tokenizer, configuration and `quantization.json`.

    Models are made, one after the other, until one loses no more than the tolerance: first with everything in INT8,
    then with the layers that suffer most in FP32. Where none does, the best one is kept and the result is not `ok`.
    A run that was killed goes on after its last finished trial.

    Args:
        clock: gives the seconds that `--timeout` is compared with.

    Raises:
        InvalidOption: the backend has no such approach or observer, or dev cannot prove what is asked for.
        MissingInput: no model, or no dev.txt.
        StaleInput: the model was made from files that have changed since.
        NertoolError: the backend is not installed, or cannot quantize such a model, or one so large.
    """
    check_backend(options)
    quiet_transformers()
    with workspace.locked("quantize", creates=False):
        return _quantize(workspace, options, clock)


def _quantize(workspace: Workspace, options: Options, clock: Callable[[], float]) -> Result:
    model = workspace.model(allow_stale=options.allow_stale)
    if options.backend == "onnx":
        from nertool.int8.onnx_runtime import check_fits

        check_fits(model.path, options.approach)
    planned = _plan(workspace, options, model)
    for path in (workspace / "dev.txt", _calibration_file(workspace)):
        if next(read_sentences(path), None) is None:
            raise InvalidData(f"{path} holds no sentence", "Models are scored on dev, and ranges are found on train.")
    running = workspace.under_way("quantize")

    def work(stage: Stage) -> None:
        from nertool.models.canary import make_canary

        with running.begun({**stage.identity, **_machine()}, options.force, workspace.invocation):
            finished = FinishedWork(running.path, stage.staging / "unfinished")
            search = _search(workspace, options, model.path, finished, clock)
        directory = stage.directory(QUANTIZED)
        tagger = _publish(search, directory, options.trust_remote_code)
        canary = make_canary(tagger, search.quantizer.fp32)
        facts = _figures(options, search, stage.identity["versions"], canary, directory)
        write_json(directory / TABLE, facts)
        stage.facts = _recorded(facts)

    result = workspace.run(planned, work)
    if running.path.exists():
        running.end({**workspace.records().get("quantize", {}), **_machine()})
    facts = _read_table(workspace / QUANTIZED / TABLE)
    if not facts["fp32"]["f1"]:
        logger.warning("F1 on dev is 0 before, so that none can be lost: compare the tags with those of FP32")
    if not facts["met"]:
        _warn_not_met(facts)
    return replace(result, facts=facts, ok=facts["met"])


def _machine() -> dict[str, Any]:
    """What figures of trials depend on beside options, versions and files."""
    import torch

    return {"cpu": cpu.describe(), "threads": torch.get_num_threads()}


def _read_table(path: Path) -> dict[str, Any]:
    """The figures of the model that is there, which somebody may have edited.

    Raises:
        InvalidData: it does not hold what the stage writes.
    """
    table = read_table(path.parent)
    if any(key not in table for key in RECORDED):
        raise InvalidData(f"{path} is not what quantize writes", anew(path.parent))
    return table


def check_backend(options: Options) -> None:
    """Tell what is missing before anything is read, and in a chain before a training.

    Raises:
        NertoolError: the backend is not installed.
    """
    from nertool.models.inc_model import require_inc
    from nertool.models.onnx_model import require_onnx

    if options.backend == "inc":
        require_inc()
    else:
        require_onnx()


def _plan(workspace: Workspace, options: Options, model: ModelFiles) -> StageRun:
    """What the stage reads and writes.

    Raises:
        MissingInput: no dev.txt, or no train.txt where ranges are found on it.
    """
    workspace.require_split("dev")
    if options.approach not in ("dynamic", "none"):
        workspace.require_split("train")
    reads = list(model.files)
    for split in workspace.splits(".txt"):
        reads.append(f"{split}.txt")
    return StageRun(
        "quantize",
        options,
        reads=reads,
        writes=[f"{QUANTIZED}/{TABLE}"],
        replaces=[QUANTIZED],
        packages=["torch", "transformers", *PACKAGES[options.backend]],
        force=options.force,
    )


def _search(
    workspace: Workspace, options: Options, model: Path, finished: FinishedWork, clock: Callable[[], float]
) -> Search:
    """Try INT8 models until one will do.

    Args:
        model: directory of the FP32 model.
        finished: where the models that were tried are kept.
    """
    from nertool.int8.calibration_sample import calibration_windows
    from nertool.int8.choice import Criterion
    from nertool.int8.judge import Judge
    from nertool.int8.quantizer import Quantizer
    from nertool.int8.search import Search

    finished.scratch.mkdir()
    graph = finished.scratch / "graph"
    graph.mkdir()
    fp32 = _load_fp32(workspace, options, model)
    sentences = read_sentences(_calibration_file(workspace))
    windows = calibration_windows(sentences, options.calibration_samples, options.seed, fp32)
    criterion = Criterion(options.tolerance, options.criterion)
    judge = Judge(_judged_files(workspace), model, finished, **_consent(options))
    _check_can_be_met(criterion, judge)
    with bar("quantize", options.max_trials, "trials") as (progress, task):
        search = Search(
            judge=judge,
            quantizer=Quantizer(fp32, _settings(workspace, options, fp32, (progress, task)), windows, graph),
            model=model,
            finished=finished,
            criterion=criterion,
            approaches=options.approaches,
            max_trials=options.max_trials,
            timeout=options.timeout,
            clock=clock,
        )

        def show(trial: Trial) -> None:
            shown = f"quantize: {trial['approach']}, F1 {trial['f1']:.4f}"
            progress.update(task, advance=1, description=shown)

        search.run(show)
    return search


def _load_fp32(workspace: Workspace, options: Options, model: Path) -> Tagger:
    """Load the model that is quantized.

    Raises:
        NertoolError: as `load_tagger`; or its weights are not all numbers.
    """
    from nertool.models.inputs import check_finite
    from nertool.models.load_tagger import load_tagger

    tagger = load_tagger(model, device="cpu", as_stored=True, **_consent(options))
    check_finite(tagger.model, str(model), f"Train it anew: {workspace.command('train', '--force')}")
    return tagger


def _consent(options: Options) -> dict[str, Any]:
    """What the user allows when a model is loaded, as `load_tagger` takes it."""
    return {
        "trust_remote_code": options.trust_remote_code,
        "allow_missing_weights": options.allow_missing_weights,
    }


def _check_can_be_met(criterion: Criterion, judge: Judge) -> None:
    """Check that a model that tags dev as FP32 does would meet the criterion, before any is made.

    Raises:
        InvalidOption: dev is too small to prove so small a loss.
    """
    before, least = judge.baseline["f1"], judge.least_bound
    if criterion.kind == "bound" and not criterion.met(before, before, least):
        proved = f"up to {least:.4f} of its {METRICS[judge.metric]} {before:.4f}"
        raise InvalidOption(
            f"--criterion bound: even a model that tags dev as FP32 does may lose {proved}, as dev is small",
            "Take a larger --tolerance or a larger dev, or another --criterion.",
        )


def _judged_files(workspace: Workspace) -> dict[str, Path]:
    """The splits that models are scored on; dev decides."""
    files = {"dev": workspace / "dev.txt"}
    if test := workspace.split_file("test"):
        files["test"] = test
    return files


def _settings(workspace: Workspace, options: Options, fp32: Tagger, shown: Shown) -> Settings:
    """How models are built, with a progress bar for training."""
    from nertool.int8.quantizer import Settings

    progress, task = shown
    return Settings(
        backend=options.backend,
        row_ranges=options.backend == "onnx" and options.ranges == "row",
        weight_bits=8 if cpu.has_vnni() and not options.portable else 7,
        observer=options.observer,
        percentile=options.percentile,
        training=lambda: list(_batches(workspace, options, fp32)),
        learning_rate=_learning_rate(workspace, options),
        seed=options.seed,
        step=lambda loss: progress.update(task, description=f"quantize: qat, loss {loss:.3f}"),
        trust_remote_code=options.trust_remote_code,
    )


def _publish(search: Search, directory: Path, trust_remote_code: bool) -> Tagger:
    """Link the model that is kept to its place, and calibrate it on dev: INT8 moves probabilities.

    Returns:
        the model, loaded from there.

    Raises:
        NertoolError: loaded from there, it does not tag dev as it did when it was judged.
    """
    from nertool.models.calibration import DevAnswers
    from nertool.models.load_tagger import load_tagger

    shutil.copytree(search.kept_model, directory, copy_function=link_or_copy, dirs_exist_ok=True)
    dev = search.judge.gold["dev"]
    tagger = load_tagger(directory, trust_remote_code=trust_remote_code)
    ids = {label: number for number, label in enumerate(tagger.labels)}
    answers, left_out = DevAnswers(), 0
    taggings = tagger.tag_scored(sentence.tokens for sentence in dev)
    for sentence, tagging, judged in zip(dev, taggings, search.kept_tags, strict=True):
        if tagging.tags != judged:
            raise NertoolError(
                f"{directory}: the INT8 model tags dev otherwise once it is loaded anew",
                "Try another --approach, or --seed.",
            )
        assert tagging.logits is not None
        if ids.keys() >= {*sentence.tags}:  # with --allow-stale, dev may have tags that the model has not
            answers.add(tagging.logits, [ids[tag] for tag in sentence.tags])
        else:
            left_out += 1
    if left_out:
        logger.warning("sentences of dev with tags that the model lacks, left out of its calibration: %d", left_out)
    tagger.calibration_on(answers).write(directory, tagger.labels)
    return tagger


def _figures(
    options: Options, search: Search, versions: dict[str, str], canary: Canary, directory: Path
) -> Quantization:
    """What `quantization.json` holds, of the other files in the directory too."""
    import torch

    fp32, kept = search.judge.baseline, search.trials[search.kept]
    windows = search.quantizer.windows
    return {
        "backend": options.backend,
        "approach": options.approach,
        "criterion": options.criterion,
        "tolerance": options.tolerance,
        "met": kept["met"],
        "metric": search.judge.metric,
        "fp32": fp32,
        "int8": kept,
        "trials": search.trials,
        "size_ratio": kept["bytes"] / fp32["bytes"],
        "speed_ratio": kept["words_per_second"] / fp32["words_per_second"],
        "observer": options.observer,
        "calibration_windows": len(windows),
        "calibration_sha256": hashlib.sha256(json.dumps(windows, allow_nan=False).encode()).hexdigest(),
        "reduced_range": search.quantizer.settings.weight_bits == 7,
        "threads": torch.get_num_threads(),
        "cpu": cpu.describe(),
        "canary": canary,
        "files": {path.name: digest(path) for path in sorted(directory.iterdir()) if path.name != TABLE},
        "versions": versions,
    }


def _recorded(facts: Quantization) -> dict[str, Any]:
    """The facts of the stage's record: without costs, so that equal runs give equal records."""
    contents: dict[str, Any] = dict(facts)
    recorded = json.dumps({key: contents[key] for key in RECORDED}, allow_nan=False)
    without_costs: dict[str, Any] = json.loads(recorded, object_hook=_without_cost)
    return without_costs


def _without_cost(figures: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in figures.items() if key not in Cost.__annotations__}


def _warn_not_met(facts: Mapping[str, Any]) -> None:
    criterion, tolerance, score = facts["criterion"], facts["tolerance"], f"dev {METRICS[facts['metric']]}"
    allowed = f"{tolerance:g} in {score}" if criterion == "absolute" else f"{100 * tolerance:g} % of {score}"
    sure = " with 95 %, which a larger dev may show" if criterion == "bound" else ""
    logger.warning("no trial lost at most %s%s: the one most like FP32 is kept", allowed, sure)


def _learning_rate(workspace: Workspace, options: Options) -> float:
    """Of further training: what was asked for, or what the model itself was trained with."""
    if options.qat_learning_rate is not None:
        return options.qat_learning_rate
    trained = workspace.records().get("train", {}).get("options", {})
    rate = trained.get("learning_rate")
    return float(rate) if isinstance(rate, int | float) and rate else LEARNING_RATE


def _batches(workspace: Workspace, options: Options, fp32: Tagger) -> Iterator[Batch]:
    """Train as training examples, in batches of like length, so often as there are epochs."""
    from nertool.training.batches import Collator
    from nertool.training.examples import Source, load_examples
    from nertool.training.steps import Steps, StepSize

    source = Source(workspace / "train.txt", tuple(fp32.labels), fp32.max_length)
    examples = load_examples(source, fp32.tokenizer, workspace / EXAMPLES)
    steps = Steps(examples.lengths, StepSize(QAT_BATCH), options.seed, by_length=True)
    left = round(options.qat_epochs * len(steps))
    collate = Collator(fp32.pad_id, frame=fp32.encoder.frame if fp32.type_ids else None)
    for epoch in range(math.ceil(options.qat_epochs)):
        steps.set_epoch(epoch)
        for slots in steps:
            if left == 0:
                return
            left -= 1
            yield from collate(examples.take(slots))["batches"]


def _calibration_file(workspace: Workspace) -> Path:
    """Train, or dev without it."""
    return workspace.split_file("train") or workspace / "dev.txt"
