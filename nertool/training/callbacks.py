"""What the Trainer calls back: progress, checkpoints and the best weights; averages of weights; trials of a search.

Imported where a training begins, as it imports transformers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import transformers

from nertool.counts import METRICS
from nertool.progress import Shown, logger
from nertool.training import processes
from nertool.training.averages import Averages
from nertool.training.facts import LogEntry, dev_scores, metric_of, out_of_patience
from nertool.workspace.seals import seal

if TYPE_CHECKING:
    from optuna.trial import Trial

SECONDS_BETWEEN_CHECKPOINTS = 300
"""A checkpoint takes seconds to write; an epoch that ends so soon after one gets none."""


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
