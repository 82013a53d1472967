"""The Trainer of transformers, for words with tags: its steps, its score on dev, its progress.

Imported where a training begins, as it imports transformers. It runs on transformers 4.45 and on 5.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import transformers
from torch.utils.data import DataLoader

from nertool.corpus.column_files import Sentence, read_sentences
from nertool.counts import METRICS
from nertool.errors import NertoolError
from nertool.models.calibration import Calibration, DevAnswers
from nertool.models.encode import IGNORE
from nertool.models.inputs import check_finite, translate_missing_embeddings
from nertool.models.names import usable_length
from nertool.models.tagger import Tagger
from nertool.progress import Shown, logger
from nertool.scoring.scorer import Scorer
from nertool.training import processes
from nertool.training.averages import Averages
from nertool.training.batches import Collator
from nertool.training.examples import Examples
from nertool.training.facts import LogEntry, choice_of, metric_of
from nertool.training.plan import Plan, lower_rate
from nertool.training.rates import rates_of, split_groups
from nertool.training.steps import Extra, Share, Steps, StepSize
from nertool.training.trainer_arguments import translate_refusals
from nertool.workspace.seals import seal

if TYPE_CHECKING:
    from optuna.trial import Trial

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
        examples: to train on.
        collator: makes the batches of a step.
        plan: how to train.
        score_dev: scores dev with the model as it is; None where there is no dev.
        averages: of the weights, in place of which they are scored; None for the weights themselves.
        arguments: of the Trainer.
    """

    def __init__(
        self,
        examples: Examples,
        collator: Collator,
        plan: Plan,
        score_dev: Callable[[Any], DevScore] | None,
        averages: Averages | None = None,
        **arguments: Any,
    ) -> None:
        with translate_refusals():
            super().__init__(
                train_dataset=examples,
                eval_dataset=examples if score_dev else None,  # one has to be there; `evaluate` scores dev.txt itself
                data_collator=collator,
                **arguments,
            )
        self.examples = examples
        self.collator = collator
        self.plan = plan
        self.score_dev = score_dev
        self.averages = averages

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The steps of an epoch; each process gets its share of a step."""
        args = self.args
        batches = self.plan.accumulation_steps * processes.world()
        budget = self.plan.max_subwords
        size = StepSize(self._train_batch_size * batches, budget and budget * batches)
        extra = None
        if self.examples.unlabelled:
            size, extra_size = size.split(self.plan.unlabelled_share)
            extra = Extra(self.examples.unlabelled.lengths, extra_size)
        steps = Steps(
            self.examples.lengths,
            size,
            seed=args.seed if args.data_seed is None else args.data_seed,
            share=Share(processes.rank(), processes.world()),
            by_length=_grouped_by_length(args),
            drop_last=args.dataloader_drop_last,
            extra=extra,
        )
        return EpochLoader(
            self.examples,  # type: ignore[arg-type]
            batch_sampler=steps,
            collate_fn=self.collator,
            num_workers=args.dataloader_num_workers,
            pin_memory=args.dataloader_pin_memory,
            persistent_workers=args.dataloader_persistent_workers,
        )

    def create_optimizer(self, *model: Any) -> Any:
        """Make it as the arguments say.

        Raises:
            InvalidOption: they make none.
        """
        with translate_refusals():
            optimizer = super().create_optimizer(*model)
        if self.plan.head_rate is not None or self.plan.layer_decay != 1:
            rates = rates_of(self.model, self.args.learning_rate, self.plan.head_rate, self.plan.layer_decay)
            names = {parameter: name for name, parameter in self.model.named_parameters()}
            optimizer.param_groups[:] = split_groups(optimizer.param_groups, names, rates)
        return optimizer

    def create_scheduler(self, *arguments: Any, **named: Any) -> Any:
        """Make it as the arguments say.

        Raises:
            InvalidOption: they make none.
        """
        with translate_refusals():
            return super().create_scheduler(*arguments, **named)

    def training_step(self, model: Any, inputs: dict[str, Any], *_: Any) -> torch.Tensor:
        """Gradients of one step; the loss over all processes, times their number, as the Trainer averages it.

        Raises:
            NertoolError: the loss is no number.
        """
        model.train()
        inputs = self._prepare_inputs(inputs)
        counts = torch.tensor([inputs["words"], inputs["taught"]], device=self.args.device)
        words, taught = self.accelerator.reduce(counts, reduction="sum").clamp(min=1)
        losses = []
        for number, batch in enumerate(inputs["batches"], start=1):
            labels, targets = batch.pop("labels"), batch.pop("targets", None)
            last = number == len(inputs["batches"])  # processes exchange their gradients once a step
            with nullcontext() if last else self.accelerator.no_sync(model):
                with self.compute_loss_context_manager(), translate_missing_embeddings():
                    scores = model(**batch)["logits"].float()
                loss = self._cross_entropy(scores, labels) / words
                if self.examples.teaching:
                    divergence = self.examples.teaching.divergence(scores, targets) / taught
                    loss = self.examples.teaching.loss(loss, divergence)
                loss = loss * processes.world()
                self.accelerator.backward(loss)
            losses.append(loss.detach())
        loss = torch.stack(losses).sum()
        if self.accelerator.reduce((~torch.isfinite(loss)).long(), reduction="sum"):  # all processes stop
            raise self._no_number("loss", float(loss), self.state.global_step + 1)
        return loss

    def _cross_entropy(self, scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Sum of the loss of all words with a tag.

        Args:
            scores: shape (rows, subwords, labels).
            labels: shape (rows, subwords).
        """
        return torch.nn.functional.cross_entropy(
            scores.flatten(0, 1),
            labels.flatten(),
            ignore_index=IGNORE,
            reduction="sum",
            label_smoothing=self.args.label_smoothing_factor,
        )

    def _no_number(self, what: str, value: float, step: int) -> NertoolError:
        return NertoolError(f"the {what} is {value} at step {step} of {self.state.max_steps}", lower_rate(self.args))

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the weights of a checkpoint, and their averages beside them."""
        super().save_model(output_dir, _internal_call)
        if self.averages and output_dir and self.args.should_save:
            self.averages.save(Path(output_dir))

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: the Trainer's estimate knows no packed batches."""
        return 0

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Score dev with the weights or their averages, log it, and tell the callbacks, which may keep them.

        Raises:
            NertoolError: the model gives no numbers.
        """
        with self.averages.in_place() if self.averages else nullcontext():
            return self._score_now()

    def score_as_it_is(self) -> None:
        """Score dev with a model that is not trained."""
        self.state.epoch = 0.0
        self.evaluate()

    def _score_now(self) -> dict[str, float]:
        assert self.score_dev
        step = self.state.global_step
        check_finite(self.model, f"the model after step {step}", lower_rate(self.args))
        metrics = self.score_dev(self.model).as_metrics()
        if not math.isfinite(metrics["eval_loss"]):
            raise self._no_number("loss on dev", metrics["eval_loss"], step)
        self.log(metrics)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def _grouped_by_length(args: Any) -> bool:
    """Whether a step holds sentences of like length: a switch of transformers 4, a strategy of transformers 5."""
    if hasattr(args, "train_sampling_strategy"):
        return bool(args.train_sampling_strategy == "group_by_length")
    return bool(args.group_by_length)


@dataclass
class DevScore:
    """How well a model does on dev.

    Attributes:
        scorer: counts of its entities.
        loss: sum of the cross-entropy of all words, in nats.
        words: number of these words; those without sub-words have no loss.
        answers: some of the model's answers, for the calibration.
        calibration: that fits them.
    """

    scorer: Scorer = field(default_factory=Scorer)
    loss: float = 0.0
    words: int = 0
    answers: DevAnswers = field(default_factory=DevAnswers)
    calibration: Calibration = field(default_factory=Calibration)

    def merge(self, other: DevScore) -> None:
        """Add what another process has counted."""
        self.scorer.merge(other.scorer)
        self.loss += other.loss
        self.words += other.words
        self.answers.merge(other.answers)

    def as_metrics(self) -> dict[str, float]:
        """The Trainer's names and figures, those of each type among them."""
        low, high = self.scorer.interval()
        metrics = {
            "eval_loss": self.loss / max(1, self.words),
            "eval_f1": self.scorer.headline,
            "eval_precision": self.scorer.counts.precision,
            "eval_recall": self.scorer.counts.recall,
            "eval_accuracy": self.scorer.accuracy,
            "eval_samples": float(self.scorer.sentences),
            "eval_gold": float(self.scorer.counts.gold),
            **self.calibration.as_metrics("eval_"),
            "eval_low": low,
            "eval_high": high,
            "eval_plain": float(self.scorer.plain),
        }
        for label, counts in self.scorer.types.items():
            for name, value in counts.as_dict().items():
                metrics[f"eval_{label}_{name}"] = value
        return metrics


def score_dev(model: Any, tokenizer: Any, plan: Plan) -> DevScore:
    """Score dev as `evaluate` does; each process tags its share of the sentences, predictions are not kept.

    Args:
        model: for token classification.
        tokenizer: of the model.
        plan: names dev, how many of its sentences are scored, and how they are tagged.
    """
    training = model.training
    model.eval()
    tagger = _tagger(model, tokenizer, plan)
    assert plan.dev
    sentences = partial(_own_share, plan.dev, plan.dev_limit)
    words = (sentence.tokens for sentence in sentences())
    own = DevScore()
    for sentence, tagging in zip(sentences(), tagger.tag_scored(words), strict=True):
        own.scorer.add(sentence.tags, tagging.tags)
        assert tagging.logits is not None
        gold = [model.config.label2id[tag] for tag in sentence.tags]
        own.answers.add(tagging.logits, gold)
        losses = cross_entropy(tagging.logits, gold)
        own.loss += float(losses.sum())
        own.words += len(losses)
    whole = DevScore()
    for part in processes.from_all(own):
        whole.merge(part)
    whole.calibration = tagger.calibration_on(whole.answers)
    model.train(training)
    return whole


class FileScore(NamedTuple):
    """How well a model does on a file.

    Attributes:
        value: F1, or accuracy for tags without types.
        interval: its 95 % bounds.
        counts: (correct, predicted, gold) of each sentence; shape (sentences, 3).
    """

    value: float
    interval: tuple[float, float]
    counts: npt.NDArray[Any]


def score_file(model: Any, tokenizer: Any, plan: Plan, path: Path, limit: int | None = None) -> FileScore:
    """Score a file as `evaluate` does; each process tags its share.

    Args:
        model: for token classification.
        tokenizer: of the model.
        plan: says how sentences are tagged.
        path: of the file.
        limit: number of its first sentences to score; None for all.
    """
    model.eval()
    words = (sentence.tokens for sentence in _own_share(path, limit))
    own, whole = Scorer(keep_sentences=True), Scorer()
    for sentence, tags in zip(_own_share(path, limit), _tagger(model, tokenizer, plan).tag(words), strict=True):
        own.add(sentence.tags, tags)
    parts = processes.from_all(own)
    for part in parts:
        whole.merge(part)
    counts = np.zeros((whole.sentences, 3), np.int64)
    for rank, part in enumerate(parts):
        counts[rank :: len(parts)] = part.sentence_counts()
    return FileScore(whole.headline, whole.interval(), counts)


def _tagger(model: Any, tokenizer: Any, plan: Plan) -> Tagger:
    labels = [model.config.id2label[number] for number in range(model.config.num_labels)]
    scheme = plan.settings.allowed_scheme("", labels)
    return Tagger(model, tokenizer, labels, usable_length(tokenizer, model.config), scheme=scheme)


def cross_entropy(logits: Any, labels: Sequence[int]) -> torch.Tensor:
    """Loss of each word that has sub-words.

    Args:
        logits: shape (words, labels), NaN in the rows of words without sub-words.
        labels: id of the gold label of each word; shape (words,).
    """
    rows, gold = torch.from_numpy(logits), torch.tensor(labels)
    read = ~rows[:, 0].isnan()
    return torch.nn.functional.cross_entropy(rows[read], gold[read], reduction="none")


def _own_share(path: Path, limit: int | None = None) -> Iterator[Sentence]:
    """The sentences of a file that this process scores, among its first ones where there is a limit."""
    return islice(read_sentences(path), processes.rank(), limit, processes.world())


class Watcher(transformers.TrainerCallback):  # type: ignore[misc]
    """Shows progress, writes checkpoints at the end of epochs, keeps the best weights, stops early.

    Args:
        name: of the training, for people.
        scores: dev can be scored; at the end of the training it always is.
        keep: called whenever no dev score before was better; None to keep nothing.
        patience: stop after so many evaluations without a better dev score; 0 for never.
        shown: the progress line.
    """

    def __init__(self, name: str, scores: bool, keep: Callable[[], None] | None, patience: int, shown: Shown) -> None:
        self.name = name
        self.scores = scores
        self.keep = keep
        self.patience = patience
        self.progress, self.task = shown
        self.saved = time.monotonic()
        self.due = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Show what is done already."""
        self.progress.update(self.task, total=state.max_steps, completed=state.global_step)
        if state.global_step:
            logger.info("%s goes on from step %s of %s", self.name, state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, train_dataloader: Any, **_: Any) -> None:
        """Show the last loss and dev score. The checkpoint of an epoch's last step waits for the score on dev."""
        words = [self.name]
        for describe, key in ((_loss_text, "loss"), (_score_text, "eval_f1")):
            last = next((entry for entry in reversed(state.log_history) if key in entry), None)
            words += [describe(last)] if last else []
        self.progress.update(self.task, completed=state.global_step, description=" ".join(words))
        if state.global_step % len(train_dataloader) == 0 or state.global_step >= state.max_steps:
            self.due |= control.should_save  # from a checkpoint before the score a training would go on without it
            control.should_save = False
        control.should_log |= control.should_save  # a training that goes on from here logs the same means

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Log the loss; write a checkpoint, beside those of `--save-steps`, if a kill would cost much otherwise.

        Dev is scored at the end of the training, where `--set eval_strategy=...` asks for no score then.
        """
        control.should_log = True
        if self.scores and state.global_step >= state.max_steps and not _is_scored(state):
            control.should_evaluate = True
        late = processes.from_first(time.monotonic() - self.saved > SECONDS_BETWEEN_CHECKPOINTS)
        control.should_save |= self.due or late or state.global_step >= state.max_steps
        self.due = False

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Seal the checkpoint, which all processes have written."""
        self.saved = time.monotonic()
        processes.from_all(None)
        if processes.rank() == 0:
            seal(Path(args.output_dir, f"checkpoint-{state.global_step}"))

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Keep the weights if they are the best so far; stop if they have not been for long."""
        *before, value = dev_scores(state.log_history)
        logger.info("%s, epoch %s: %s", self.name, f"{state.epoch:.4g}", _score_text(state.log_history[-1]))
        if not before and (why := _why_no_score(state.log_history[-1])):
            logger.warning("%s", why)
        if self.keep and value >= max(before, default=value):  # of equal ones the later has learnt longer
            self.keep()
        if out_of_patience([*before, value], self.patience):
            control.should_training_stop = control.should_save = True


class Averager(transformers.TrainerCallback):  # type: ignore[misc]
    """Averages the weights after each step; goes on from the averages of a checkpoint.

    Args:
        averages: of the weights.
    """

    def __init__(self, averages: Averages) -> None:
        self.averages = averages

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin with the weights, or with what a checkpoint holds."""
        if state.global_step:
            self.averages.load(Path(args.output_dir, f"checkpoint-{state.global_step}"))
        else:
            self.averages.begin()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count the new weights in."""
        self.averages.update(state.global_step)


class TrialReporter(transformers.TrainerCallback):  # type: ignore[misc]
    """Tells a search each dev score of a trial, and stops the trial if the search gives it up.

    Args:
        trial: of the search.

    Attributes:
        pruned: the search has given the trial up.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.pruned = False

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Report the best score so far."""
        self.trial.report(max(dev_scores(state.log_history)), state.global_step)
        if self.trial.should_prune():
            control.should_training_stop = self.pruned = True


def _is_scored(state: Any) -> bool:
    """Whether dev has been scored after the last step."""
    return any(entry.get("step") == state.global_step for entry in state.log_history if "eval_f1" in entry)


def _why_no_score(entry: LogEntry) -> str:
    """Why the dev score says nothing, and what is done then; empty where it does."""
    if not entry["eval_samples"]:
        return "dev holds no sentence: the last epoch is kept"
    if not entry["eval_plain"] and not entry["eval_gold"]:
        return "dev holds no entity: epochs are compared by their loss"
    return ""


def _loss_text(entry: LogEntry) -> str:
    return f"loss {entry['loss']:.3f}"


def _score_text(entry: LogEntry) -> str:
    return f"dev {METRICS[metric_of(entry)]} {entry['eval_f1']:.4f}"


def dev_scores(log: Iterable[LogEntry]) -> list[float]:
    """By what epochs are compared, of each evaluation in a Trainer's log."""
    return [choice_of(entry) for entry in log if "eval_f1" in entry]


def out_of_patience(scores: Sequence[float], patience: int) -> bool:
    """Whether the best score is followed by `patience` others."""
    return bool(patience and scores and len(scores) - 1 - scores.index(max(scores)) >= patience)
