"""The Trainer of transformers, for words with tags: its steps, its score on dev, its progress.

Imported where a training begins, as it imports transformers. It runs on transformers 4.45 and on 5.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.utils.data import DataLoader

from nertool.corpus.column_files import read_sentences
from nertool.counts import METRICS
from nertool.models.encode import IGNORE
from nertool.models.names import usable_length
from nertool.models.tagger import Tagger
from nertool.progress import Shown, logger
from nertool.scoring.scorer import Scorer, score
from nertool.training import processes
from nertool.training.batches import Collator, Steps
from nertool.training.examples import Examples
from nertool.training.facts import metric_of

SECONDS_BETWEEN_CHECKPOINTS = 300
"""A checkpoint takes seconds to write; an epoch that ends so soon after one gets none."""


class EpochLoader(DataLoader[Any]):
    """A DataLoader whose steps change with the epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer before each epoch."""
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]


class TagTrainer(transformers.Trainer):  # type: ignore[misc]
    """A Trainer whose step may go through the model in several batches and on several processes.

    The loss is the mean over all words of the step, whatever batch or process they are in, so that the gradient is that
    of one padded batch.

    Args:
        examples: what is learnt from.
        collator: makes the batches of a step.
        tokens: sub-words of a process's batch at most, in place of a number of sentences.
        score_dev: gives the scorer of the model as it is; None where there is no dev.
        arguments: of the Trainer.
    """

    def __init__(
        self,
        examples: Examples,
        collator: Collator,
        tokens: int | None,
        score_dev: Callable[[Any], Scorer] | None,
        **arguments: Any,
    ) -> None:
        super().__init__(
            train_dataset=examples,
            eval_dataset=examples if score_dev else None,  # one has to be there; `evaluate` scores dev.txt itself
            data_collator=collator,
            **arguments,
        )
        self.examples, self.collator, self.tokens, self.score_dev = examples, collator, tokens, score_dev

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The steps of an epoch; each process gets its share of a step."""
        args, parts = self.args, self.collator.parts
        # transformers 4 has a switch for it, transformers 5 a strategy
        strategy = getattr(args, "train_sampling_strategy", "group_by_length" if _grouped(args) else "random")
        steps = Steps(
            self.examples.lengths,
            sentences=self._train_batch_size * parts * processes.world(),
            tokens=self.tokens and self.tokens * parts * processes.world(),
            seed=args.seed if args.data_seed is None else args.data_seed,
            rank=processes.rank(),
            world=processes.world(),
            by_length=strategy == "group_by_length",
            drop_last=args.dataloader_drop_last,
        )
        return EpochLoader(
            self.examples,  # type: ignore[arg-type]
            batch_sampler=steps,
            collate_fn=self.collator,
            num_workers=args.dataloader_num_workers,
            pin_memory=args.dataloader_pin_memory,
            persistent_workers=args.dataloader_persistent_workers,
        )

    def training_step(self, model: Any, inputs: dict[str, Any], *_: Any) -> torch.Tensor:
        """Gradients of one step; the loss over all processes, times their number, as the Trainer averages it."""
        model.train()
        inputs = self._prepare_inputs(inputs)
        words = torch.tensor(inputs["words"], device=self.args.device)
        words = self.accelerator.reduce(words, reduction="sum").clamp(min=1)
        losses = []
        for left, batch in reversed(list(enumerate(reversed(inputs["batches"])))):
            labels = batch.pop("labels")
            with self.accelerator.no_sync(model) if left else nullcontext():
                with self.compute_loss_context_manager():
                    scores = model(**batch)["logits"]
                loss = torch.nn.functional.cross_entropy(
                    scores.float().flatten(0, 1),
                    labels.flatten(),
                    ignore_index=IGNORE,
                    reduction="sum",
                    label_smoothing=self.args.label_smoothing_factor,
                )
                loss = loss / words * processes.world()
                self.accelerator.backward(loss)
            losses.append(loss.detach())
        return torch.stack(losses).sum()

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: the Trainer's estimate knows no packed batches."""
        return 0

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Score dev, log it, and tell the callbacks."""
        assert self.score_dev
        scorer = self.score_dev(self.model)
        low, high = scorer.interval()
        metrics = {"eval_f1": scorer.headline, "eval_low": low, "eval_high": high, "eval_plain": float(scorer.plain)}
        metrics |= {
            f"eval_{label}_{name}": value
            for label, counts in scorer.types.items()
            for name, value in counts.as_dict().items()
        }
        self.log(metrics)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def _grouped(args: Any) -> bool:
    return bool(getattr(args, "group_by_length", False))


def dev_scorer(model: Any, tokenizer: Any, path: Path, limit: int | None) -> Scorer:
    """Dev as `evaluate` scores it; each process tags its share of the sentences, predictions are not kept.

    Args:
        limit: the first sentences alone.
    """
    training = model.training
    model.eval()
    labels = [model.config.id2label[number] for number in range(model.config.num_labels)]
    tagger = Tagger(model, tokenizer, labels, usable_length(tokenizer, model.config))
    mine = slice(processes.rank(), limit, processes.world())
    gold = (sentence.tags for sentence in islice(read_sentences(path), mine.start, mine.stop, mine.step))
    words = (sentence.tokens for sentence in islice(read_sentences(path), mine.start, mine.stop, mine.step))
    scorer = Scorer()
    for part in processes.from_all(score(zip(gold, tagger.tag(words), strict=True))):
        scorer.merge(part)
    model.train(training)
    return scorer


class Watcher(transformers.TrainerCallback):  # type: ignore[misc]
    """Progress line, checkpoints at the end of epochs, the best weights kept, an end where dev gets no better.

    Args:
        keep: called where the weights are the best so far.
        patience: scores of dev without a better one before training ends; 0 for no end.
    """

    def __init__(self, name: str, keep: Callable[[], None], patience: int, shown: Shown) -> None:
        self.name, self.keep, self.patience = name, keep, patience
        self.progress, self.task = shown
        self.saved = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Show what is done already."""
        self.progress.update(self.task, total=state.max_steps, completed=state.global_step)
        if state.global_step:
            logger.info("%s goes on from step %s of %s", self.name, state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Show the last loss and dev score."""
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        told = [f"loss {losses[-1]:.3f}"] if losses else []
        told += [_told(entry) for entry in state.log_history if "eval_f1" in entry][-1:]
        self.progress.update(self.task, completed=state.global_step, description=" ".join([self.name, *told]))

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The loss so far; and a checkpoint, beside those every so many steps, if a kill would cost much else."""
        control.should_log = True
        late = processes.from_first(time.monotonic() - self.saved > SECONDS_BETWEEN_CHECKPOINTS)
        control.should_save |= late or state.global_step >= state.max_steps

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A checkpoint has been written."""
        self.saved = time.monotonic()

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Keep the weights where they are the best so far; end where they have not been for long."""
        *before, value = scores(state.log_history)
        logger.info("%s, epoch %s: %s", self.name, f"{state.epoch:.4g}", _told(state.log_history[-1]))
        if value > max(before, default=-1.0):
            self.keep()
        if out_of_patience([*before, value], self.patience):
            control.should_training_stop = control.should_save = True


def _told(entry: Mapping[str, float]) -> str:
    return f"dev {METRICS[metric_of(entry)]} {entry['eval_f1']:.4f}"


def scores(log: list[dict[str, float]]) -> list[float]:
    """The dev scores in a Trainer's log."""
    return [entry["eval_f1"] for entry in log if "eval_f1" in entry]


def out_of_patience(values: list[float], patience: int) -> bool:
    """The best of the scores is followed by so many others."""
    return bool(patience and values and len(values) - 1 - values.index(max(values)) >= patience)
