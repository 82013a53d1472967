"""One fine-tuning by the Trainer: examples on disk, a dev score after each epoch, the weights that are kept."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.columns import read_sentences
from nertool.encode import IGNORE, Encoder, labelled_windows, model_hint, resolve_model, usable_length
from nertool.errors import InvalidData, InvalidOption, command
from nertool.progress import bar, note
from nertool.scoring import METRICS, score
from nertool.workspace import LABELS

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from rich.progress import Progress, TaskID
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

KEPT = "kept"
"""Folder of the weights that are kept, beside the checkpoints."""
SENTENCES_AHEAD = 1000


class FineTuning:
    """Fine-tunes a model in a directory of its own, which also holds its checkpoints.

    Args:
        train: file to learn from.
        dev: file to score after each epoch; None for none.
        directory: where checkpoints and the kept weights go; what a killed run left there is gone on from.
        max_length: sub-words of an example, special tokens included; longer sentences go through windows.
        keep_best: keep the weights of the epoch with the best dev score, else the last ones.
        pieces: of like length, that a batch goes through the model in.
        arguments: of `transformers.TrainingArguments`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        train: Path,
        dev: Path | None,
        *,
        directory: Path,
        max_length: int,
        keep_best: bool,
        pieces: int,
        arguments: Mapping[str, Any],
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.train, self.dev, self.directory = train, dev, directory
        self.keep_best = keep_best and dev is not None
        self.metric = "f1"
        self.pieces, self.arguments = pieces, arguments
        self.max_length = usable_length(tokenizer, model.config, max_length)
        self.labels = [model.config.id2label[number] for number in range(model.config.num_labels)]

    def run(self) -> dict[str, Any]:
        """Train and leave the kept weights in `directory/kept`.

        Returns:
            counts, and `history`: a row an epoch.

        Raises:
            InvalidData: a tag that is no label of the model (names file and line), or no sentence.
        """
        import torch
        from transformers import (
            DataCollatorForTokenClassification,
            PrinterCallback,
            TrainingArguments,
            set_seed,
        )

        kept, before = self.directory / KEPT, self.directory / f"{KEPT}.before"
        if before.exists() and not kept.exists():
            os.replace(before, kept)
        examples, counts = self._examples()
        set_seed(self.arguments["seed"])
        _allow_random_states()
        with bar("train", unit="steps") as (progress, task):
            trainer = _trainer_class(self.pieces)(
                model=self.model,
                args=TrainingArguments(
                    str(self.directory),
                    logging_steps=10,
                    report_to="none",
                    disable_tqdm=True,
                    dataloader_pin_memory=torch.cuda.is_available(),
                    **self.arguments,
                ),
                train_dataset=examples,
                data_collator=DataCollatorForTokenClassification(self.tokenizer),
                callbacks=[_watcher(self, progress, task)],
            )
            trainer.remove_callback(PrinterCallback)  # its lines go to stdout, which carries results
            trainer.train(resume_from_checkpoint=_last_checkpoint(self.directory))
        if not self.keep_best:
            self.keep()
        history = _history(trainer.state.log_history)
        best = max(history, key=lambda row: row["dev_f1"]) if self.keep_best else history[-1]
        scores = {"metric": self.metric, "dev_f1": best["dev_f1"]} if self.dev else {}
        return {**counts, "steps": trainer.state.global_step, "epoch kept": best["epoch"], **scores, "history": history}

    def dev_score(self) -> float:
        """Entity F1 on dev (accuracy for tags without types), through the same path as `evaluate`."""
        from nertool.tagger import Tagger

        assert self.dev
        self.model.eval()
        tagger = Tagger(self.model, self.tokenizer, self.labels, usable_length(self.tokenizer, self.model.config))
        gold = (sentence.tags for sentence in read_sentences(self.dev))
        predicted = tagger.tag(sentence.tokens for sentence in read_sentences(self.dev))
        scorer = score(zip(gold, predicted, strict=True))
        self.metric = scorer.metric
        self.model.train()
        return scorer.headline

    def keep(self) -> None:
        """Keep the weights as they are now, whole or not at all."""
        kept, partial, before = (self.directory / f"{KEPT}{suffix}" for suffix in ("", ".partial", ".before"))
        shutil.rmtree(partial, ignore_errors=True)
        self.model.save_pretrained(partial)
        if kept.exists():
            shutil.rmtree(before, ignore_errors=True)
            os.replace(kept, before)  # a kill between these lines leaves one of them: see `run`
        os.replace(partial, kept)

    def _examples(self) -> tuple[Dataset, dict[str, int]]:
        """The training windows on disk, not in memory; and how many sentences they come from."""
        from datasets import Dataset, disable_progress_bars

        disable_progress_bars()
        cache = self.directory / "examples"
        shutil.rmtree(cache, ignore_errors=True)
        label_ids = {label: number for number, label in enumerate(self.labels)}
        _check_tags(self.train, label_ids)
        reader = _Examples(self.train, Encoder(self.tokenizer, self.max_length), label_ids)
        examples = Dataset.from_generator(reader, cache_dir=str(cache))
        if reader.windowed:
            what = "sentences of train pass %s sub-words: trained on in overlapping windows"
            note.warning(f"%s {what}", reader.windowed, self.max_length)
        return examples, {"sentences": reader.sentences, "windowed": reader.windowed}


class _Examples:
    """Reads train.txt as training examples; counts the sentences, and those that need more than one window."""

    def __init__(self, path: Path, encoder: Encoder, label_ids: dict[str, int]) -> None:
        self.path, self.encoder, self.label_ids = path, encoder, label_ids
        self.sentences = self.windowed = 0

    def __call__(self) -> Iterator[dict[str, Any]]:
        """Windows with at least one tag; `input_ids` and `labels` of shape (subwords,)."""
        stream = read_sentences(self.path)
        while block := list(islice(stream, SENTENCES_AHEAD)):
            tokens, tags = [sentence.tokens for sentence in block], [sentence.tags for sentence in block]
            for windows in labelled_windows(self.encoder, tokens, tags, self.label_ids):
                self.sentences += 1
                self.windowed += len(windows) > 1
                yield from (window for window in windows if any(label != IGNORE for label in window["labels"]))


def load_model(name: str, labels: Sequence[str], seed: int) -> PreTrainedModel:
    """The pretrained weights under a head with one output a label.

    A model that is fine-tuned already keeps its own order of labels: they are matched by name.

    Args:
        seed: of the new head's weights.

    Raises:
        InvalidOption: there is no such model, or it is fine-tuned for other labels.
    """
    from transformers import AutoConfig, AutoModelForTokenClassification, set_seed

    path = resolve_model(name)
    set_seed(seed)
    try:
        config = AutoConfig.from_pretrained(path)
        if any("ForTokenClassification" in architecture for architecture in config.architectures or []):
            _check_fine_tuned(name, list(config.id2label.values()), labels)
        else:
            config.id2label = dict(enumerate(labels))
            config.label2id = {label: number for number, label in enumerate(labels)}
        model: PreTrainedModel = AutoModelForTokenClassification.from_pretrained(path, config=config)
    except (OSError, ValueError) as error:
        raise InvalidOption(
            f"no model for --model {name}: {str(error).strip().splitlines()[0]}", model_hint(name)
        ) from error
    return model


def _check_fine_tuned(name: str, known: Sequence[str], labels: Sequence[str]) -> None:
    lacks, more = sorted(set(labels) - set(known)), sorted(set(known) - set(labels))
    if lacks or more:
        raise InvalidOption(
            f"--model {name} is fine-tuned for other labels than {LABELS}: "
            f"it lacks {', '.join(lacks) or 'none'} and has {', '.join(more) or 'none'} beside them",
            "Start from a pretrained model, or train on data with the same labels.",
        )


def _check_tags(path: Path, label_ids: Mapping[str, int]) -> None:
    """Every tag of train must have an id, and there must be one sentence at least."""
    sentence = None
    for sentence in read_sentences(path):
        for line, tag in enumerate(sentence.tags, start=sentence.line):
            if tag not in label_ids:
                raise InvalidData(
                    f"{path}:{line}: the tag {tag!r} is not in {LABELS}",
                    f"Collect the tags anew: {command(path.parent, 'labels')}",
                )
    if sentence is None:
        raise InvalidData(f"{path} holds no sentence", "Train on a file with at least one.")


def _trainer_class(pieces: int) -> Any:
    """The Trainer, or one that pads less: a batch goes through the model in pieces of like length.

    The pieces' losses add up to the mean over the whole batch's words, so the gradient is that of the whole batch; only
    dropout draws other numbers.
    """
    from transformers import Trainer

    if pieces == 1:
        return Trainer

    class PiecewiseTrainer(Trainer):  # type: ignore[misc]
        def training_step(self, model: Any, inputs: dict[str, Any], *_: Any) -> Any:
            words = (inputs["labels"] != IGNORE).sum()
            losses = []
            for piece in _in_pieces(inputs, pieces):
                piece["share"] = (piece["labels"] != IGNORE).sum() / words
                losses.append(super().training_step(model, piece))
            return sum(losses)

        def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
            share = inputs.pop("share")
            return super().compute_loss(model, inputs, *args, **kwargs) * share

    return PiecewiseTrainer


def _in_pieces(inputs: Mapping[str, torch.Tensor], pieces: int) -> list[dict[str, torch.Tensor]]:
    """A padded batch as up to that many padded batches, shortest sentences first; each tensor (piece, subwords)."""
    lengths, order = inputs["attention_mask"].sum(-1).sort()
    rows = -(-len(order) // pieces)
    return [
        {
            name: tensor[order[start : start + rows], : lengths[start : start + rows][-1]]
            for name, tensor in inputs.items()
        }
        for start in range(0, len(order), rows)
    ]


def _watcher(tuning: FineTuning, progress: Progress, task: TaskID) -> Any:
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
            told += [f"dev {METRICS[tuning.metric]} {scores[-1]:.4f}"] if scores else []
            progress.update(task, completed=state.global_step, description=" ".join(["train", *told]))

        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_save = True
            if tuning.dev is None:
                return
            before = [entry["dev_f1"] for entry in state.log_history if "dev_f1" in entry]
            value = tuning.dev_score()
            state.log_history.append({"epoch": round(state.epoch, 4), "step": state.global_step, "dev_f1": value})
            note.info("epoch %s: dev %s %.4f", f"{state.epoch:g}", METRICS[tuning.metric], value)
            if tuning.keep_best and value > max(before, default=-1.0):
                tuning.keep()

    return Watcher()


def _last_checkpoint(directory: Path) -> str | None:
    """The latest whole checkpoint; one that was cut short while it was written is removed."""
    found = sorted(directory.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
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


def _history(log: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row an epoch: epoch, step, mean of the losses logged in it, dev score where there is a dev file.

    Without a dev file there is one row, for the whole run.
    """
    rows: list[dict[str, Any]] = []
    losses: list[float] = []
    scored = any("dev_f1" in entry for entry in log)
    for entry in log:
        if "loss" in entry:
            losses.append(entry["loss"])
        elif "dev_f1" in entry or ("train_loss" in entry and not scored):
            loss = round(sum(losses) / len(losses), 4) if losses else None
            score_of_epoch = {"dev_f1": entry["dev_f1"]} if scored else {}
            rows.append({"epoch": entry["epoch"], "step": entry["step"], "loss": loss, **score_of_epoch})
            losses = []
    return rows
