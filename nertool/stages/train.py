"""Fine-tune a model on train.txt with the Trainer, as the README's run_ner.py, and score dev after each epoch."""

from __future__ import annotations

import json
import os
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nertool.corpus.column_files import read_labels
from nertool.errors import InvalidOption, MissingInput
from nertool.models.names import MINILM_HUB, MODEL_FILES, model_sources, positions, quiet_transformers, usable_length
from nertool.progress import logger
from nertool.stages.options import ForceOption, MaxLengthOption, ModelOption, SeedOption
from nertool.training import processes
from nertool.training.facts import ComparisonFacts, RunFacts, SeedFacts, TrainFacts
from nertool.training.pretrained import Pretrained
from nertool.workspace.digests import write_json
from nertool.workspace.names import EXAMPLES, LABELS, MODEL, OUTPUTS, RAW, RUNS
from nertool.workspace.records import RECORDS
from nertool.workspace.workspace import Result, Stage, StageOptions, StageRun, Workspace

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from nertool.training.examples import Examples
    from nertool.training.finetune import FineTuning, Plan

RUNNING = ".training"
"""Where checkpoints live until the model is published; what a killed run left here is gone on from."""
IDENTITY = "identity.json"
LOGS = "logs"
CURVE = "learning_curve.svg"


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `train`; names are those of the README and of run_ner.py."""

    unrecorded = (
        *StageOptions.unrecorded,
        "overwrite_output_dir",
        "cache_dir",
        "token",
        "preprocessing_num_workers",
        "return_entity_level_metrics",
        "report_to",
        "push_to_hub",
        "hub_model_id",
        "hub_private_repo",
    )

    model: ModelOption = "minilm"
    config_name: Annotated[
        str, typer.Option("--config-name", help="Configuration of another model: directory or hub name.")
    ] = ""
    tokenizer_name: Annotated[
        str, typer.Option("--tokenizer-name", help="Tokenizer of another model: directory or hub name.")
    ] = ""
    cache_dir: Annotated[
        str | None, typer.Option("--cache-dir", help="Where models of the hub are kept [default: the hub's own].")
    ] = None
    model_revision: Annotated[
        str, typer.Option("--model-revision", help="Branch, tag or commit of a model on the hub.")
    ] = "main"
    token: Annotated[
        str | None, typer.Option("--token", help="Access token of the hub [default: HF_TOKEN, or that of a login].")
    ] = None
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run the code that comes with a model; only if you trust it.")
    ] = False
    ignore_mismatched_sizes: Annotated[
        bool,
        typer.Option("--ignore-mismatched-sizes", help="Start weights anew that do not fit, a head for other labels."),
    ] = False
    max_length: MaxLengthOption = 128
    packing: Annotated[
        bool,
        typer.Option("--packing/--no-packing", help="Let sentences share rows, unseen by each other: hardly padding."),
    ] = True
    pad_to_max_length: Annotated[
        bool, typer.Option("--pad-to-max-length", help="Pad every sentence to the maximum length (no packing).")
    ] = False
    max_train_samples: Annotated[
        int | None, typer.Option("--max-train-samples", min=1, help="Train on the first sentences alone.")
    ] = None
    max_eval_samples: Annotated[
        int | None, typer.Option("--max-eval-samples", min=1, help="Score dev by its first sentences alone.")
    ] = None
    label_all_tokens: Annotated[
        bool, typer.Option("--label-all-tokens", help="Learn a word's tag on all its sub-words, not the first alone.")
    ] = False
    return_entity_level_metrics: Annotated[
        bool, typer.Option("--return-entity-level-metrics", help="Show the dev scores of each type.")
    ] = False
    preprocessing_num_workers: Annotated[
        int, typer.Option("--preprocessing-num-workers", min=1, help="Processes that tokenize.")
    ] = 1
    output_dir: Annotated[
        str, typer.Option("--output-dir", envvar="OUTPUT_DIR", help="Directory of the model, in the workspace.")
    ] = MODEL
    overwrite_output_dir: Annotated[
        bool,
        typer.Option("--overwrite-output-dir", help="Replace a model that other options or other data have made."),
    ] = False
    batch_size: Annotated[
        int,
        typer.Option(
            "--batch-size", "--per-device-train-batch-size", envvar="BATCH_SIZE", min=1, help="Sentences of a batch."
        ),
    ] = 32
    max_tokens_per_batch: Annotated[
        int | None,
        typer.Option(
            "--max-tokens-per-batch", min=8, help="Sub-words of a batch at most, in place of a number of sentences."
        ),
    ] = None
    gradient_accumulation_steps: Annotated[
        int, typer.Option("--gradient-accumulation-steps", min=1, help="Batches of a step.")
    ] = 1
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="Compute activations twice, to save memory.")
    ] = False
    num_epochs: Annotated[
        float,
        typer.Option("--num-epochs", "--num-train-epochs", envvar="NUM_EPOCHS", min=0.01, help="Passes over train."),
    ] = 3.0
    save_steps: Annotated[
        int,
        typer.Option(
            "--save-steps",
            envvar="SAVE_STEPS",
            min=1,
            help="Steps between checkpoints, beside those at the ends of epochs.",
        ),
    ] = 750
    save_total_limit: Annotated[
        int, typer.Option("--save-total-limit", min=1, help="Checkpoints kept, the latest ones.")
    ] = 1
    seed: SeedOption = 1
    seeds: Annotated[
        str | None,
        typer.Option("--seeds", help="Train with each of these, such as 1,2,3, and keep the model best on dev."),
    ] = None
    search: Annotated[
        int | None,
        typer.Option("--search", min=1, help="Try so many learning rates, batch sizes and numbers of epochs (Optuna)."),
    ] = None
    learning_rate: Annotated[
        float,
        typer.Option(
            "--learning-rate",
            "--lr",
            envvar="LEARNING_RATE",
            min=0,
            help="Peak of the rate, which decays linearly to 0.",
        ),
    ] = 5e-5
    warmup_ratio: Annotated[
        float,
        typer.Option(
            "--warmup-ratio",
            min=0,
            max=0.99,
            help="Share of the steps in which the rate rises; 0.1 steadies large models.",
        ),
    ] = 0.0
    weight_decay: Annotated[float, typer.Option("--weight-decay", min=0, help="Weight decay of AdamW.")] = 0.01
    keep: Annotated[
        Literal["best", "last"], typer.Option("--keep", help="Weights to keep: of the epoch best on dev, or the last.")
    ] = "best"
    patience: Annotated[
        int, typer.Option("--patience", min=0, help="End after so many epochs without a better dev score; 0: never.")
    ] = 0
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"],
        typer.Option("--precision", help="Of matrix products; auto: half precision where the device is made for it."),
    ] = "auto"
    compile: Annotated[bool, typer.Option("--compile", help="Compile the model first (torch.compile).")] = False
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE for any other of transformers.TrainingArguments; may be repeated."),
    ] = None
    report_to: Annotated[
        str, typer.Option("--report-to", help="Log to tensorboard, trackio, ..., below logs/ in the workspace.")
    ] = "none"
    push_to_hub: Annotated[bool, typer.Option("--push-to-hub", help="Send the model to the hub.")] = False
    hub_model_id: Annotated[
        str | None, typer.Option("--hub-model-id", help="Its name there [default: the model directory's name].")
    ] = None
    hub_private_repo: Annotated[bool, typer.Option("--hub-private-repo", help="Make its repository a private one.")] = (
        False
    )
    force: ForceOption = False

    @property
    def pretrained(self) -> Pretrained:
        """Where the model comes from."""
        return Pretrained(
            self.model,
            self.config_name,
            self.tokenizer_name,
            self.ignore_mismatched_sizes,
            {
                "cache_dir": self.cache_dir,
                "revision": self.model_revision,
                "token": self.token,
                "trust_remote_code": self.trust_remote_code,
            },
        )


def run(workspace: Workspace, options: Options) -> Result:
    """Write the model directory: safetensors, tokenizer, configuration with id2label, model card, last checkpoint.

    A run that was killed goes on from its last checkpoint. Started by `torchrun` or `accelerate launch`, all processes
    train and the first one writes.

    Raises:
        MissingInput: labels or preprocess have not been run, or there is no dev file to choose the best epoch by.
        InvalidOption: no such model, an output directory that is not the workspace's own, arguments that do not go
            together, a length that the model does not have.
        InvalidData: a tag that labels.txt does not hold (names file and line), no sentence to train on.
        NertoolError: a model that other options or data have made would be replaced; the hub refuses.
    """
    quiet_transformers()
    if processes.rank():
        return _follow(workspace, options)
    _check(workspace, options)
    with workspace.locked("train"):
        result = _lead(workspace, options)
    if options.push_to_hub:
        from nertool.training.model_card import push

        directory = workspace / options.output_dir
        name = options.hub_model_id or options.output_dir
        logger.info("sent to %s", push(directory, name, options.token, options.hub_private_repo))
    return result


def _lead(workspace: Workspace, options: Options) -> Result:
    running, has_dev = workspace / RUNNING, _dev(workspace) is not None
    sources = model_sources(options.model, MODEL_FILES)
    for name in filter(None, (options.config_name, options.tokenizer_name)):
        sources |= model_sources(name, MODEL_FILES)
    planned = StageRun(
        "train",
        options,
        reads=["train.txt", LABELS, *(["dev.txt"] if has_dev else [])],
        writes=[f"{options.output_dir}/config.json"],
        replaces=[options.output_dir],
        protects=not options.overwrite_output_dir,
        sources=sources,
        packages=["torch", "transformers", "tokenizers", "datasets", "accelerate"],
        force=options.force,
    )

    def work(stage: Stage) -> None:
        processes.from_first(False)
        _start_or_go_on(running, stage)
        folder, facts = _train(workspace, options)
        stage.facts = dict(facts)
        _publish(workspace, options, stage, folder)

    result = workspace.run(planned, work)
    if result.fresh:
        processes.from_first(True)
    record = workspace.records().get("train", {})
    if _left_by(record, running):
        shutil.rmtree(running)
    return result


def _follow(workspace: Workspace, options: Options) -> Result:
    """What a process that is not the first does: train, if the first one finds that there is something to do."""
    fresh = processes.from_first(True)
    facts = {} if fresh else dict(_train(workspace, options)[1])
    return Result("train", facts, fresh)


# -- before ----------------------------------------------------------------------------------------


def _check(workspace: Workspace, options: Options) -> None:
    """What can be told before anything is loaded."""
    workspace.require("train.txt", "preprocess")
    workspace.require(LABELS, "labels")
    _check_output(options.output_dir)
    needs = {
        "--keep best": options.keep == "best",
        "--patience": options.patience,
        "--seeds": options.seeds,
        "--search": options.search,
    }
    if _dev(workspace) is None and any(needs.values()):
        named = next(name for name, needed in reversed(needs.items()) if needed)
        raise MissingInput(
            f"{workspace / 'dev.txt'} is missing: {named} chooses by its scores",
            "Add a dev file, or train without one: --keep last",
        )
    if options.search and (options.seeds or options.keep == "last" or processes.world() > 1):
        raise InvalidOption(
            "--search goes with none of --seeds, --keep last and several processes",
            "Search first; then train with what was found.",
        )
    _seeds(options)


def _dev(workspace: Workspace) -> Path | None:
    return workspace / "dev.txt" if "dev" in workspace.splits(".txt") else None


def _seeds(options: Options) -> list[int]:
    if options.seeds is None:
        return [options.seed]
    try:
        return list(dict.fromkeys(int(seed) for seed in options.seeds.split(",")))
    except ValueError as error:
        raise InvalidOption(
            f"--seeds {options.seeds}: not whole numbers with commas between", "Such as --seeds 1,2,3"
        ) from error


def _check_output(name: str) -> None:
    taken = {path.partition("/")[0] for paths in OUTPUTS.values() for path in paths} - {MODEL}
    if not name or name in {*taken, RAW, RECORDS, RUNS, LOGS} or name.startswith(".") or Path(name).name != name:
        raise InvalidOption(
            f"--output-dir {name}: the model lies in the workspace, under a name of its own",
            "Give a plain name, such as model; the workspace is chosen by -w DIR.",
        )


def _start_or_go_on(running: Path, stage: Stage) -> None:
    """Clear what an earlier run left, unless it ran on the same data with the same options."""
    if not _left_by(stage.identity, running):
        if any(running.rglob("checkpoint-*")):
            logger.warning("checkpoints of a run with other options or data are dropped")
        shutil.rmtree(running, ignore_errors=True)
        running.mkdir()
        write_json(running / IDENTITY, stage.identity)


def _left_by(run: Mapping[str, Any], running: Path) -> bool:
    """The running directory is of a run on the same data with the same options; a record holds more beside these."""
    try:
        identity = json.loads((running / IDENTITY).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return bool(identity) and all(run.get(name) == value for name, value in identity.items())


# -- training --------------------------------------------------------------------------------------


def _train(workspace: Workspace, options: Options) -> tuple[Path, TrainFacts]:
    """Train once, or with each seed, or in each trial: the folder of the best run, and what the record says of it."""
    from nertool.training import trainer_arguments
    from nertool.training.examples import Source, load_examples, warn_of_losses

    precision = trainer_arguments.precision(options.precision)
    trainer_arguments.check_report(options.report_to)
    trainer_arguments.parse(options.settings or [])
    labels, tokenizer = read_labels(workspace / LABELS), options.pretrained.tokenizer()
    config = options.pretrained.config(labels)
    length = _length(options, tokenizer, config)
    source = Source(
        workspace / "train.txt",
        tuple(config.id2label[number] for number in range(config.num_labels)),
        length,
        options.label_all_tokens,
        options.max_train_samples,
        options.preprocessing_num_workers,
    )
    examples = load_examples(source, tokenizer, workspace / EXAMPLES)
    if processes.rank() == 0:
        warn_of_losses(examples.counts, length)

    def tuning(seed: int) -> FineTuning:
        folder = workspace / RUNNING / (f"seed-{seed}" if options.seeds else "")
        model = options.pretrained.load(labels, seed)
        return _tuning(workspace, replace(options, seed=seed), model, tokenizer, examples, folder)

    compared: ComparisonFacts = {}
    if options.search:
        from nertool.training.search import Search

        search = Search(tuning(options.seed), options.pretrained, labels, options.search)
        folder, run, compared["trials"] = search.run()
    elif options.seeds:
        folder, run, compared["seeds"] = _with_each(_seeds(options), tuning)
        compared["mean"], compared["deviation"] = _mean_and_deviation([row["dev_f1"] for row in compared["seeds"]])
    else:
        only = tuning(options.seed)
        folder, run = only.directory, only.run("train")
    if not options.return_entity_level_metrics:
        run.pop("types", None)
    return folder, {
        "model": _name(options.model),
        "output_dir": options.output_dir,
        **examples.counts,
        "precision": precision,
        **run,
        **compared,
    }


def _tuning(
    workspace: Workspace,
    options: Options,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Examples,
    folder: Path,
) -> FineTuning:
    from nertool.training import trainer_arguments
    from nertool.training.finetune import FineTuning, Plan

    plan = Plan(
        dev=_dev(workspace),
        dev_limit=options.max_eval_samples,
        keep_best=options.keep == "best",
        patience=options.patience,
        parts=options.gradient_accumulation_steps,
        tokens=options.max_tokens_per_batch,
        packed=options.packing,
        pad_to=_length(options, tokenizer, model.config) if options.pad_to_max_length else None,
        logs=(options.report_to, workspace / LOGS / options.output_dir / folder.name),
    )
    folder.mkdir(parents=True, exist_ok=True)
    own = trainer_arguments.parse(options.settings or [])
    return FineTuning(
        model, tokenizer, examples, folder, plan, trainer_arguments.make(folder, _trainer_options(options, plan), own)
    )


def _trainer_options(options: Options, plan: Plan) -> dict[str, Any]:
    """The options under their names in `transformers.TrainingArguments`."""
    from nertool.training import trainer_arguments

    precision = trainer_arguments.precision(options.precision)
    return {
        "per_device_train_batch_size": options.batch_size,
        "num_train_epochs": options.num_epochs,
        "learning_rate": options.learning_rate,
        "warmup_ratio": options.warmup_ratio,
        "weight_decay": options.weight_decay,
        "save_steps": options.save_steps,
        "save_total_limit": options.save_total_limit,
        "seed": options.seed,
        "eval_strategy": "epoch" if plan.dev else "no",
        "gradient_checkpointing": options.gradient_checkpointing,
        "torch_compile": options.compile,
        "bf16": precision == "bf16",
        "fp16": precision == "fp16",
        "report_to": plan.reports,
    }


def _length(options: Options, tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig) -> int:
    """Sub-words of an example.

    Raises:
        InvalidOption: more than the model has positions for.
    """
    most = positions(config)
    if most is not None and options.max_length > most:
        raise InvalidOption(
            f"--max-length {options.max_length}: --model {options.model} takes {most} sub-words at most",
            f"Take --max-length {most}; longer sentences go through overlapping windows.",
        )
    return usable_length(tokenizer, config, options.max_length)


def _with_each(seeds: Sequence[int], tuning: Callable[[int], FineTuning]) -> tuple[Path, RunFacts, list[SeedFacts]]:
    """Train with each seed; the folder and the facts of the training that is best on dev, and the facts of all."""
    runs: list[tuple[Path, RunFacts]] = []
    for seed in seeds:
        one = tuning(seed)
        runs.append((one.directory, one.run(f"train, seed {seed}")))
    folder, best = max(runs, key=lambda run: run[1]["dev_f1"])
    rows: list[SeedFacts] = []
    for seed, (_, facts) in zip(seeds, runs, strict=True):
        score, epoch = facts["dev_f1"], facts["epoch_kept"]
        rows.append({"seed": seed, "dev_f1": score, "epoch_kept": epoch, "kept": facts is best})
    return folder, best, rows


def _mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0


# -- after -----------------------------------------------------------------------------------------


def _publish(workspace: Workspace, options: Options, stage: Stage, folder: Path) -> None:
    """Link the kept weights and the last checkpoints into the staged directory, and add what people look at.

    The running directory stays until all is done.
    """
    from nertool.report import plots
    from nertool.training import model_card
    from nertool.training.finetune import KEPT

    target = stage.directory(options.output_dir)
    for source in [folder / KEPT, *folder.glob("checkpoint-*")]:
        place = target if source.name == KEPT else target / source.name
        shutil.copytree(source, place, copy_function=_link, dirs_exist_ok=True)
    options.pretrained.tokenizer().save_pretrained(target)
    curve = plots.learning_curve(stage.facts["history"], stage.facts.get("metric", "f1"))
    (target / CURVE).write_text(curve, encoding="utf-8")
    training = {"facts": stage.facts, "options": options.recorded(), "versions": stage.identity["versions"]}
    labels = read_labels(workspace / LABELS)
    base = MINILM_HUB if options.model == "minilm" else None if Path(options.model).is_dir() else options.model
    card, data = target / model_card.CARD, workspace.facts("download")
    model_card.write(card, options.output_dir, base, labels, training, data)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _name(model: str) -> str:
    return Path(model).resolve().name if Path(model).is_dir() else model
