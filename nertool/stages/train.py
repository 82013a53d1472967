"""Fine-tune a model on train.txt with the Trainer, as the README's run_ner.py, and score dev after each epoch."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from nertool.columns import read_labels, read_sentences
from nertool.digests import write_json
from nertool.encode import IGNORE, MODEL_FILES, Encoder, labelled_windows, load_tokenizer, model_sources
from nertool.encode import quiet_transformers, resolve_model, usable_length
from nertool.errors import InvalidData, InvalidOption
from nertool.options import ForceOption, MaxLengthOption, ModelOption, SeedOption
from nertool.progress import bar, note
from nertool.scoring import score
from nertool.workspace import LABELS, MODEL, OUTPUTS, SPLITS, Result, Stage, StageOptions, Workspace

if TYPE_CHECKING:
    from datasets import Dataset
    from rich.progress import Progress, TaskID
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

RUNNING = ".training"
"""Where checkpoints live until the model is published; what a killed run left here is gone on from."""
SENTENCES_AHEAD = 1000


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `train`; names and defaults are those of the README and of run_ner.py."""

    unrecorded: ClassVar[tuple[str, ...]] = ("force",)

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
        float, typer.Option("--num-epochs", "--num-train-epochs", envvar="NUM_EPOCHS", min=0, help="Passes over train.")
    ] = 3.0
    save_steps: Annotated[
        int, typer.Option("--save-steps", envvar="SAVE_STEPS", min=1, help="Steps between checkpoints, beside one an epoch.")
    ] = 750
    save_total_limit: Annotated[
        int, typer.Option("--save-total-limit", min=1, help="Checkpoints kept, the latest ones.")
    ] = 1
    seed: SeedOption = 1
    learning_rate: Annotated[float, typer.Option("--learning-rate", "--lr", min=0, help="Peak, decays linearly to 0.")] = 5e-5
    weight_decay: Annotated[float, typer.Option("--weight-decay", min=0, help="Weight decay of AdamW.")] = 0.0
    keep: Annotated[
        Literal["best", "last"], typer.Option("--keep", help="Weights to keep: of the epoch best on dev, or the last.")
    ] = "best"
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
    has_dev = "dev" in workspace.splits(".txt")
    with workspace.open_stage(
        "train",
        options,
        reads=["train.txt", LABELS, *(["dev.txt"] if has_dev else [])],
        writes=[f"{options.output_dir}/config.json"],
        sources=model_sources(options.model, MODEL_FILES),
        packages=["torch", "transformers", "tokenizers", "datasets", "accelerate"],
        force=options.force,
    ) as stage:
        if not stage.fresh:
            running = workspace / RUNNING
            _start_or_go_on(running, stage)
            labels = read_labels(workspace / LABELS)
            tokenizer = load_tokenizer(options.model)
            model = _load_model(options, labels)
            fit = _Fit(workspace, options, running, model, tokenizer)
            stage.facts = fit.run()
            _publish(running, stage.directory(options.output_dir), tokenizer)
    if not stage.fresh:
        shutil.rmtree(running)
    return stage.result()


class _Fit:
    """One fine-tuning: data, trainer, scores."""

    def __init__(
        self,
        workspace: Workspace,
        options: Options,
        running: Path,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
    ) -> None:
        self.options, self.running = options, running
        self.model, self.tokenizer = model, tokenizer
        self.length = usable_length(tokenizer, model.config, options.max_length)
        self.labels = [model.config.id2label[number] for number in range(model.config.num_labels)]
        self.train_file = workspace / "train.txt"
        self.dev_file = workspace / "dev.txt" if (workspace / "dev.txt").exists() else None

    def run(self) -> dict[str, Any]:
        """Train, leave the kept weights in `running/kept`, give the facts."""
        from transformers import DataCollatorForTokenClassification, PrinterCallback, Trainer, set_seed

        examples, counts = self._examples()
        set_seed(self.options.seed)
        _allow_random_states()
        with bar("train", unit="steps") as (progress, task):
            trainer = Trainer(
                model=self.model,
                args=self._arguments(),
                train_dataset=examples,
                data_collator=DataCollatorForTokenClassification(self.tokenizer),
                callbacks=[_watcher(self, progress, task)],
            )
            trainer.remove_callback(PrinterCallback)  # its lines go to stdout, which carries results
            trainer.train(resume_from_checkpoint=_last_checkpoint(self.running))
        history = _history(trainer.state.log_history)
        if not (self.running / "kept").exists() or self.options.keep == "last":
            self.save()
        kept = max(history, key=lambda row: row.get("dev_f1", 0)) if self.options.keep == "best" else history[-1]
        return {
            "model": _name(self.options.model),
            "output_dir": self.options.output_dir,
            **counts,
            "steps": trainer.state.global_step,
            "epoch kept": kept["epoch"],
            **({"dev_f1": kept["dev_f1"]} if "dev_f1" in kept else {}),
            "history": history,
        }

    def dev_score(self) -> float:
        """Entity F1 on dev (accuracy for tags without types), through the same path as `evaluate`."""
        from nertool.tagger import Tagger

        assert self.dev_file
        training = self.model.training
        self.model.eval()
        tagger = Tagger(self.model, self.tokenizer, self.labels, usable_length(self.tokenizer, self.model.config))
        gold = (sentence.tags for sentence in read_sentences(self.dev_file))
        predicted = tagger.tag(sentence.tokens for sentence in read_sentences(self.dev_file))
        value = score(zip(gold, predicted, strict=True)).headline
        self.model.train(training)
        return value

    def save(self) -> None:
        """Keep the weights as they are now, whole or not at all."""
        partial = self.running / "kept.partial"
        shutil.rmtree(partial, ignore_errors=True)
        self.model.save_pretrained(partial)
        shutil.rmtree(self.running / "kept", ignore_errors=True)
        os.replace(partial, self.running / "kept")

    def _examples(self) -> tuple[Dataset, dict[str, int]]:
        """The training windows on disk, not in memory; and how many there are of what."""
        from datasets import Dataset, disable_progress_bars

        disable_progress_bars()
        encoder = Encoder(self.tokenizer, self.length)
        cache = self.running / "examples"
        shutil.rmtree(cache, ignore_errors=True)
        rows = _windows(self.train_file, encoder, {label: number for number, label in enumerate(self.labels)})
        counts = {"sentences": 0, "windowed": 0}
        examples = Dataset.from_generator(lambda: _counted(rows, counts), cache_dir=str(cache))
        if not len(examples):
            raise InvalidData(f"{self.train_file} holds no sentence", "Train on a file with at least one.")
        if counts["windowed"]:
            note.warning(
                "%s sentences of train pass %s sub-words: trained on in overlapping windows",
                f"{counts['windowed']:,}",
                self.length,
            )
        return examples, counts

    def _arguments(self) -> Any:
        from transformers import TrainingArguments

        return TrainingArguments(
            output_dir=str(self.running),
            per_device_train_batch_size=self.options.batch_size,
            num_train_epochs=self.options.num_epochs,
            learning_rate=self.options.learning_rate,
            weight_decay=self.options.weight_decay,
            save_steps=self.options.save_steps,
            save_total_limit=self.options.save_total_limit,
            seed=self.options.seed,
            logging_steps=10,
            report_to="none",
            disable_tqdm=True,
        )


def _watcher(fit: _Fit, progress: Progress, task: TaskID) -> Any:
    """A Trainer callback: progress line, dev score after each epoch, a checkpoint then, the best weights kept."""
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            progress.update(task, total=state.max_steps, completed=state.global_step)
            if state.global_step:
                note.info("train goes on from step %s of %s", state.global_step, state.max_steps)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
            scores = [entry["dev_f1"] for entry in state.log_history if "dev_f1" in entry]
            told = [f"loss {losses[-1]:.3f}"] if losses else []
            told += [f"dev F1 {scores[-1]:.4f}"] if scores else []
            progress.update(task, completed=state.global_step, description=" ".join(["train", *told]))

        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_save = True
            if fit.dev_file is None:
                return
            before = [entry["dev_f1"] for entry in state.log_history if "dev_f1" in entry]
            value = fit.dev_score()
            state.log_history.append({"epoch": round(state.epoch, 4), "step": state.global_step, "dev_f1": value})
            note.info("epoch %s: dev F1 %.4f", f"{state.epoch:g}", value)
            if fit.options.keep == "best" and value > max(before, default=-1.0):
                fit.save()

    return Watcher()


def _windows(path: Path, encoder: Encoder, label_ids: dict[str, int]) -> Iterator[list[dict[str, Any]]]:
    """The training examples of each sentence; usually one."""
    sentences = read_sentences(path)
    while block := list(islice(sentences, SENTENCES_AHEAD)):
        for sentence in block:
            for offset, tag in enumerate(sentence.tags):
                if tag not in label_ids:
                    raise InvalidData(
                        f"{path}:{sentence.line + offset}: the tag {tag!r} is not in {LABELS}",
                        "Collect the tags anew: nertool labels",
                    )
        yield from labelled_windows(encoder, [s.tokens for s in block], [s.tags for s in block], label_ids)


def _counted(rows: Iterator[list[dict[str, Any]]], counts: dict[str, int]) -> Iterator[dict[str, Any]]:
    for windows in rows:
        counts["sentences"] += 1
        counts["windowed"] += len(windows) > 1
        yield from (window for window in windows if any(label != IGNORE for label in window["labels"]))


def _load_model(options: Options, labels: list[str]) -> PreTrainedModel:
    """The pretrained weights under a head with one output a label.

    A model that was already fine-tuned keeps its own order of labels: they are matched by name.
    """
    from transformers import AutoConfig, AutoModelForTokenClassification, set_seed

    path = resolve_model(options.model)
    set_seed(options.seed)  # the new head's weights
    try:
        config = AutoConfig.from_pretrained(path)
        if any("ForTokenClassification" in name for name in config.architectures or []):
            _check_fine_tuned(options, list(config.id2label.values()), labels)
        else:
            config.num_labels = len(labels)
            config.id2label = dict(enumerate(labels))
            config.label2id = {label: number for number, label in enumerate(labels)}
        model: PreTrainedModel = AutoModelForTokenClassification.from_pretrained(path, config=config)
    except (OSError, ValueError) as error:
        raise InvalidOption(
            f"no model for --model {options.model}: {str(error).strip().splitlines()[0]}",
            "Name a directory that holds config.json and weights, a model on the hub, or minilm.",
        ) from error
    return model


def _check_fine_tuned(options: Options, known: list[str], labels: list[str]) -> None:
    if set(known) != set(labels):
        more, less = sorted(set(labels) - set(known)), sorted(set(known) - set(labels))
        raise InvalidOption(
            f"--model {options.model} is fine-tuned for other labels: "
            f"it lacks {', '.join(more) or 'none'}, and has {', '.join(less) or 'none'} beyond {LABELS}",
            "Start from a pretrained model, or train on data with the same labels.",
        )


def _check_output(name: str) -> None:
    taken = {file for files in OUTPUTS.values() for file in files} | {"raw", "evaluation", "quantized", "predictions"}
    taken |= {f"{split}.txt" for split in SPLITS}
    if name in taken or name.startswith(".") or Path(name).name != name:
        raise InvalidOption(
            f"--output-dir {name}: the model lies in the workspace, under a name of its own",
            "Give a plain name, such as model; the workspace is chosen by -w DIR.",
        )


def _start_or_go_on(running: Path, stage: Stage) -> None:
    """Clear what an earlier run left, unless it ran on the same data with the same options."""
    identity = running / "identity.json"
    try:
        same = json.loads(identity.read_text(encoding="utf-8")) == stage.identity
    except (FileNotFoundError, ValueError):
        same = False
    if not same:
        if any(running.glob("checkpoint-*")):
            note.warning("checkpoints of a run with other options or data are dropped")
        shutil.rmtree(running, ignore_errors=True)
        running.mkdir()
        write_json(identity, stage.identity)


def _last_checkpoint(running: Path) -> str | None:
    """The latest whole checkpoint; one that was cut short while it was written is removed."""
    found = sorted(running.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    while found:
        try:
            json.loads((found[-1] / "trainer_state.json").read_text(encoding="utf-8"))  # written last
            return str(found[-1])
        except (FileNotFoundError, ValueError):
            shutil.rmtree(found.pop())
    return None


def _allow_random_states() -> None:
    """Let the Trainer read its own random states, which hold numpy arrays, without unpickling anything else."""
    import numpy as np
    import torch

    rebuild = np.zeros(0).__reduce__()[0]
    torch.serialization.add_safe_globals([rebuild, np.ndarray, np.dtype, type(np.dtype(np.uint32))])  # type: ignore[list-item]


def _publish(running: Path, target: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Link the kept weights and the last checkpoints into the staged directory; `running` stays until all is done."""
    for folder in [running / "kept", *running.glob("checkpoint-*")]:
        place = target if folder.name == "kept" else target / folder.name
        shutil.copytree(folder, place, copy_function=_link, dirs_exist_ok=True)
    tokenizer.save_pretrained(target)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _history(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row an epoch: epoch, step, mean loss logged in it, dev score."""
    rows, losses = [], []
    for entry in log:
        if "loss" in entry:
            losses.append(entry["loss"])
        if "dev_f1" in entry or "train_loss" in entry and (not rows or rows[-1]["step"] != entry["step"]):
            mean = round(sum(losses) / len(losses), 4) if losses else None
            rows.append({"epoch": entry["epoch"], "step": entry["step"], "loss": mean})
            rows[-1].update({"dev_f1": entry["dev_f1"]} if "dev_f1" in entry else {})
            losses = []
    return rows


def _name(model: str) -> str:
    return Path(model).resolve().name if os.path.isdir(model) else model
