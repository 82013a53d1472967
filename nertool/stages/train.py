"""Fine-tune a model on train.txt with the Trainer, as the README's run_ner.py, and score dev after each epoch."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nertool.columns import read_labels
from nertool.commit import RECORDS
from nertool.digests import write_json
from nertool.encode import MODEL_FILES, load_tokenizer, model_sources, quiet_transformers
from nertool.errors import InvalidOption
from nertool.finetune import KEPT, FineTuning, load_model
from nertool.options import ForceOption, MaxLengthOption, ModelOption, SeedOption
from nertool.progress import note
from nertool.workspace import LABELS, MODEL, OUTPUTS, RAW, RUNS, Result, Stage, StageOptions, Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RUNNING = ".training"
"""Where checkpoints live until the model is published; what a killed run left here is gone on from."""
IDENTITY = "identity.json"


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `train`; names and defaults are those of the README and of run_ner.py."""

    model: ModelOption = "minilm"
    max_length: MaxLengthOption = 128
    output_dir: Annotated[
        str, typer.Option("--output-dir", envvar="OUTPUT_DIR", help="Directory of the model, in the workspace.")
    ] = MODEL
    batch_size: Annotated[
        int,
        typer.Option(
            "--batch-size", "--per-device-train-batch-size", envvar="BATCH_SIZE", min=1, help="Sentences of a step."
        ),
    ] = 32
    num_epochs: Annotated[
        float,
        typer.Option("--num-epochs", "--num-train-epochs", envvar="NUM_EPOCHS", min=0.01, help="Passes over train."),
    ] = 3.0
    save_steps: Annotated[
        int,
        typer.Option(
            "--save-steps", envvar="SAVE_STEPS", min=1, help="Steps between checkpoints, beside one an epoch."
        ),
    ] = 750
    save_total_limit: Annotated[
        int, typer.Option("--save-total-limit", min=1, help="Checkpoints kept, the latest ones.")
    ] = 1
    seed: SeedOption = 1
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
    weight_decay: Annotated[float, typer.Option("--weight-decay", min=0, help="Weight decay of AdamW.")] = 0.0
    keep: Annotated[
        Literal["best", "last"], typer.Option("--keep", help="Weights to keep: of the epoch best on dev, or the last.")
    ] = "best"
    pieces: Annotated[
        int,
        typer.Option(
            "--pieces",
            min=1,
            help="Pieces of like length that a batch goes through the model in: less padding, the same gradient. "
            "With 1 the weights are those of run_ner.py.",
        ),
    ] = 1
    force: ForceOption = False


def run(workspace: Workspace, options: Options) -> Result:
    """Write the model directory: safetensors, tokenizer, configuration with id2label, the last checkpoint.

    A run that was killed goes on from its last checkpoint.

    Raises:
        MissingInput: labels or preprocess have not been run.
        InvalidOption: no such model, an output directory that is not the workspace's own, a length without room.
        InvalidData: a tag that labels.txt does not hold (names file and line), no sentence to train on.
    """
    workspace.require("train.txt", "preprocess")
    workspace.require(LABELS, "labels")
    _check_output(options.output_dir)
    quiet_transformers()
    running, has_dev = workspace / RUNNING, "dev" in workspace.splits(".txt")
    with workspace.locked("train"):
        with workspace.open_stage(
            "train",
            options,
            reads=["train.txt", LABELS, *(["dev.txt"] if has_dev else [])],
            writes=[f"{options.output_dir}/config.json"],
            replaces=[options.output_dir],
            sources=model_sources(options.model, MODEL_FILES),
            packages=["torch", "transformers", "tokenizers", "datasets", "accelerate"],
            force=options.force,
        ) as stage:
            if not stage.fresh:
                _start_or_go_on(running, stage)
                tokenizer = load_tokenizer(options.model)
                tuning = FineTuning(
                    load_model(options.model, read_labels(workspace / LABELS), options.seed),
                    tokenizer,
                    workspace / "train.txt",
                    workspace / "dev.txt" if has_dev else None,
                    directory=running,
                    max_length=options.max_length,
                    keep_best=options.keep == "best",
                    pieces=options.pieces,
                    arguments=_training_arguments(options),
                )
                stage.facts = {"model": _name(options.model), "output_dir": options.output_dir, **tuning.run()}
                _publish(running, stage.directory(options.output_dir), tokenizer)
        if _left_by_this_run(running, stage):
            shutil.rmtree(running)
    return stage.result()


def _training_arguments(options: Options) -> dict[str, Any]:
    """The options under their names in `transformers.TrainingArguments`."""
    return {
        "per_device_train_batch_size": options.batch_size,
        "num_train_epochs": options.num_epochs,
        "learning_rate": options.learning_rate,
        "weight_decay": options.weight_decay,
        "save_steps": options.save_steps,
        "save_total_limit": options.save_total_limit,
        "seed": options.seed,
    }


def _check_output(name: str) -> None:
    taken = {path.partition("/")[0] for paths in OUTPUTS.values() for path in paths} - {MODEL}
    if not name or name in {*taken, RAW, RECORDS, RUNS} or name.startswith(".") or Path(name).name != name:
        raise InvalidOption(
            f"--output-dir {name}: the model lies in the workspace, under a name of its own",
            "Give a plain name, such as model; the workspace is chosen by -w DIR.",
        )


def _start_or_go_on(running: Path, stage: Stage) -> None:
    """Clear what an earlier run left, unless it ran on the same data with the same options."""
    if not _left_by_this_run(running, stage):
        if any(running.glob("checkpoint-*")):
            note.warning("checkpoints of a run with other options or data are dropped")
        shutil.rmtree(running, ignore_errors=True)
        running.mkdir()
        write_json(running / IDENTITY, stage.identity)


def _left_by_this_run(running: Path, stage: Stage) -> bool:
    try:
        identity = json.loads((running / IDENTITY).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return bool(identity == stage.identity)


def _publish(running: Path, target: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Link the kept weights and the last checkpoints into the staged directory; `running` stays until all is done."""
    for folder in [running / KEPT, *running.glob("checkpoint-*")]:
        place = target if folder.name == KEPT else target / folder.name
        shutil.copytree(folder, place, copy_function=_link, dirs_exist_ok=True)
    tokenizer.save_pretrained(target)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _name(model: str) -> str:
    return Path(model).resolve().name if Path(model).is_dir() else model
