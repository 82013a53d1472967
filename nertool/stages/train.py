"""Fine-tune a model on train.txt with the Trainer, as the README's run_ner.py, and score dev after each epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from nertool.corpus.column_files import read_labels
from nertool.errors import InvalidOption, MissingInput
from nertool.models.names import MINILM_HUB, MODEL_FILES, model_sources, quiet_transformers
from nertool.progress import logger
from nertool.stages.options import ForceOption, MaxLengthOption, ModelOption, SeedOption
from nertool.training import processes
from nertool.training.facts import ComparisonFacts, TrainFacts
from nertool.training.plan import Plan
from nertool.training.pretrained import Pretrained
from nertool.training.running import RunningDirectory
from nertool.workspace.names import EXAMPLES, LABELS, MODEL, OUTPUTS, RAW, RUNS
from nertool.workspace.records import RECORDS
from nertool.workspace.workspace import Result, Stage, StageOptions, StageRun, Workspace

if TYPE_CHECKING:
    from nertool.training.setup import TrainingSetup

RUNNING = ".training"
"""Directory of checkpoints until the model is published; an interrupted run resumes from it."""
LOGS = "logs"


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

    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Model": (
            *("config_name", "tokenizer_name", "cache_dir", "model_revision", "trust_remote_code"),
            "ignore_mismatched_sizes",
        ),
        "Data": (
            *("max_train_samples", "max_eval_samples", "label_all_tokens", "return_entity_level_metrics"),
            "preprocessing_num_workers",
        ),
        "Batches": (
            *("max_tokens_per_batch", "gradient_accumulation_steps", "gradient_checkpointing", "packing"),
            "pad_to_max_length",
        ),
        "Optimizer": ("warmup_ratio", "weight_decay", "precision", "compile", "fast_dropout", "settings"),
        "Runs": ("seeds", "search", "keep", "patience"),
        "Output": ("overwrite_output_dir", "save_steps", "save_total_limit", "report_to"),
        "Hub": ("token", "push_to_hub", "hub_model_id", "hub_private_repo"),
    }

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
        str | None,
        typer.Option("--token", "--hub-token", help="Access token of the hub [default: HF_TOKEN, or a login]."),
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
    fast_dropout: Annotated[
        bool,
        typer.Option(
            "--fast-dropout/--no-fast-dropout",
            help="Faster random numbers for dropout on a CPU, with --packing; off: PyTorch's own.",
        ),
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

    def __post_init__(self) -> None:
        """Refuse options that do not go together."""
        if self.search and (self.seeds or self.keep == "last"):
            raise InvalidOption(
                "--search goes neither with --seeds nor with --keep last", "Search first; then train with its result."
            )
        if self.seeds is not None:
            _parse_seeds(self.seeds)

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
        return _run_other_process(workspace, options)
    _check(workspace, options)
    with workspace.locked("train"):
        result = _run_first_process(workspace, options)
    if options.push_to_hub:
        from nertool.training.model_card import push

        directory = workspace / options.output_dir
        name = options.hub_model_id or options.output_dir
        logger.info("sent to %s", push(directory, name, options.token, options.hub_private_repo))
    return result


def _run_first_process(workspace: Workspace, options: Options) -> Result:
    """Train and publish, if there is something to do; tell the other processes whether there is."""
    running = RunningDirectory(workspace / RUNNING)

    def work(stage: Stage) -> None:
        processes.from_first(False)
        running.begin(stage.identity)
        directory, facts = _train(workspace, options)
        stage.facts = dict(facts)
        _publish(workspace, options, stage, directory)

    result = workspace.run(_planned(workspace, options), work)
    if result.fresh:
        processes.from_first(True)
    running.end(workspace.records().get("train", {}))
    return result


def _run_other_process(workspace: Workspace, options: Options) -> Result:
    """Train along, if the first process finds that there is something to do."""
    fresh = processes.from_first(True)
    facts = {} if fresh else dict(_train(workspace, options)[1])
    return Result("train", facts, fresh)


def _planned(workspace: Workspace, options: Options) -> StageRun:
    reads = ["train.txt", LABELS]
    if _dev(workspace):
        reads.append("dev.txt")
    sources = model_sources(options.model, MODEL_FILES)
    for name in filter(None, (options.config_name, options.tokenizer_name)):
        sources |= model_sources(name, MODEL_FILES)
    return StageRun(
        "train",
        options,
        reads=reads,
        writes=[f"{options.output_dir}/config.json"],
        replaces=[options.output_dir],
        protects=not options.overwrite_output_dir,
        sources=sources,
        packages=["torch", "transformers", "tokenizers", "datasets", "accelerate"],
        force=options.force,
    )


# -- before ----------------------------------------------------------------------------------------


def _check(workspace: Workspace, options: Options) -> None:
    """Refuse what can be seen to fail before anything is loaded."""
    workspace.require("train.txt", "preprocess")
    workspace.require(LABELS, "labels")
    _check_output(options.output_dir)
    if _dev(workspace) is None:
        _check_without_dev(workspace, options)
    if options.search and processes.world() > 1:
        raise InvalidOption("--search runs in one process", "Search first; then train with what was found.")


def _check_without_dev(workspace: Workspace, options: Options) -> None:
    needs_dev = {
        "--search": options.search,
        "--seeds": options.seeds,
        "--patience": options.patience,
        "--keep best": options.keep == "best",
    }
    for flag, given in needs_dev.items():
        if given:
            raise MissingInput(
                f"{workspace / 'dev.txt'} is missing: {flag} chooses by its scores",
                "Add a dev file, or train without one: --keep last",
            )


def _parse_seeds(text: str) -> list[int]:
    try:
        return list(dict.fromkeys(map(int, text.split(","))))
    except ValueError as error:
        raise InvalidOption(
            f"--seeds {text}: not whole numbers with commas between", "Such as --seeds 1,2,3"
        ) from error


def _dev(workspace: Workspace) -> Path | None:
    return workspace / "dev.txt" if "dev" in workspace.splits(".txt") else None


def _check_output(name: str) -> None:
    taken = {RAW, RECORDS, RUNS, LOGS}
    for paths in OUTPUTS.values():
        taken.update(path.partition("/")[0] for path in paths)
    taken.remove(MODEL)
    if not name or name in taken or name.startswith(".") or Path(name).name != name:
        raise InvalidOption(
            f"--output-dir {name}: the model lies in the workspace, under a name of its own",
            "Give a plain name, such as model; the workspace is chosen by -w DIR.",
        )


# -- training --------------------------------------------------------------------------------------


def _train(workspace: Workspace, options: Options) -> tuple[Path, TrainFacts]:
    """Train once, or with each seed, or in each trial; returns directory and facts of the best training."""
    from nertool.training.examples import warn_of_losses

    setup = _setup(workspace, options)
    if processes.rank() == 0:
        warn_of_losses(setup.examples.counts, setup.examples.max_length)
    compared: ComparisonFacts = {}
    if options.search:
        from nertool.training.search import Search

        directory, run, compared["trials"] = Search(setup, options.search).run()
    elif options.seeds:
        from nertool.training.seeds import train_with_seeds

        directory, run, compared = train_with_seeds(setup, _parse_seeds(options.seeds))
    else:
        tuning = setup.fine_tuning()
        directory, run = tuning.directory, tuning.run("train")
    if not options.return_entity_level_metrics:
        run.pop("types", None)
    return directory, {
        "model": Path(options.model).resolve().name if Path(options.model).is_dir() else options.model,
        "output_dir": options.output_dir,
        **setup.examples.counts,
        "precision": setup.precision,
        **run,
        **compared,
    }


def _setup(workspace: Workspace, options: Options) -> TrainingSetup:
    """Check what needs transformers to be checked, and load all that trainings share."""
    from nertool.training import trainer_arguments
    from nertool.training.examples import Source, load_examples
    from nertool.training.setup import TrainingSetup, example_length

    precision = trainer_arguments.precision(options.precision)
    trainer_arguments.check_report(options.report_to)
    given = trainer_arguments.parse(options.settings or [])
    tokenizer = options.pretrained.tokenizer()
    config = options.pretrained.config(read_labels(workspace / LABELS))
    length = example_length(tokenizer, config, options.max_length, options.model)
    source = Source(
        workspace / "train.txt",
        tuple(config.id2label[number] for number in range(config.num_labels)),
        length,
        options.label_all_tokens,
        options.max_train_samples,
        options.preprocessing_num_workers,
    )
    return TrainingSetup(
        options.pretrained,
        config,
        tokenizer,
        load_examples(source, tokenizer, workspace / EXAMPLES),
        _plan(workspace, options, length),
        precision,
        trainer_arguments.from_options(options),
        given,
        workspace / RUNNING,
    )


def _plan(workspace: Workspace, options: Options, length: int) -> Plan:
    """How to train, beside the Trainer's own arguments.

    Args:
        length: sub-words of an example at most.
    """
    return Plan(
        dev=_dev(workspace),
        dev_limit=options.max_eval_samples,
        keep_best=options.keep == "best",
        patience=options.patience,
        accumulation_steps=options.gradient_accumulation_steps,
        max_subwords=options.max_tokens_per_batch,
        packed=options.packing,
        pad_to=length if options.pad_to_max_length else None,
        fast_dropout=options.fast_dropout,
        reporter=options.report_to,
        logs=workspace / LOGS / options.output_dir,
    )


# -- after -----------------------------------------------------------------------------------------


def _publish(workspace: Workspace, options: Options, stage: Stage, directory: Path) -> None:
    """Put the weights of a training into the staged model directory, and add what people look at."""
    from nertool.training import model_card
    from nertool.training.publish import link_weights, write_learning_curve

    target = stage.directory(options.output_dir)
    link_weights(directory, target)
    options.pretrained.tokenizer().save_pretrained(target)  # as it was before the training used it
    write_learning_curve(target, stage.facts)
    training = {"facts": stage.facts, "options": options.recorded(), "versions": stage.identity["versions"]}
    labels = read_labels(workspace / LABELS)
    base = MINILM_HUB if options.model == "minilm" else None if Path(options.model).is_dir() else options.model
    card, data = target / model_card.CARD, workspace.facts("download")
    model_card.write(card, options.output_dir, base, labels, training, data)
