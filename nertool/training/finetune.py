"""One fine-tuning: examples, a dev score after each epoch, checkpoints, the weights that are kept."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.models.names import usable_length
from nertool.progress import Shown, bar
from nertool.training import processes
from nertool.training.batches import PARTS_BY_LENGTH, Collator, find_packing
from nertool.training.examples import Examples
from nertool.training.facts import RunFacts, run_facts

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments

    from nertool.scoring.scorer import Scorer
    from nertool.training.trainer import TagTrainer

KEPT = "kept"
"""Folder of the weights that are kept, beside the checkpoints."""


@dataclass(frozen=True)
class Plan:
    """How to train, beside the Trainer's own arguments.

    Attributes:
        dev: file to score after each epoch; None for none.
        dev_limit: its first sentences alone; None for all.
        keep_best: keep the weights with the best dev score, else the last ones.
        patience: dev scores without a better one before training ends; 0 for no end.
        parts: batches that a step is cut into at least (gradient accumulation).
        tokens: sub-words of a batch at most, in place of a number of sentences; None for that.
        packed: sentences share rows, where the model can take them so; where not, those of like length share a batch.
        pad_to: sub-words of every row; None for as many as a batch needs.
        logs: who the Trainer's figures are logged to, `none` for nobody, and the folder for it.
    """

    dev: Path | None
    dev_limit: int | None
    keep_best: bool
    patience: int
    parts: int
    tokens: int | None
    packed: bool
    pad_to: int | None
    logs: tuple[str, Path]

    @property
    def reports(self) -> str:
        """The Trainer's own logging; TensorBoard gets a writer with a place of its own."""
        name = self.logs[0]
        return "none" if name == "tensorboard" or processes.rank() else name

    def callbacks(self) -> list[Any]:
        """For TensorBoard."""
        if self.logs[0] != "tensorboard" or processes.rank():
            return []
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations import TensorBoardCallback

        return [TensorBoardCallback(SummaryWriter(str(self.logs[1])))]


class FineTuning:
    """Fine-tunes a model in a directory of its own, which also holds its checkpoints.

    Args:
        model: to be fine-tuned.
        examples: to learn from.
        directory: where checkpoints and the kept weights go; what a killed run left there is gone on from.
        arguments: of the Trainer; makes them for a directory.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        examples: Examples,
        directory: Path,
        plan: Plan,
        arguments: TrainingArguments,
    ) -> None:
        self.model, self.tokenizer, self.examples = model, tokenizer, examples
        self.directory, self.plan, self.arguments = directory, plan, arguments

    def run(self, name: str) -> RunFacts:
        """Train and leave the kept weights in `directory/kept`.

        Args:
            name: of the run, for people.

        Returns:
            what the training records.
        """
        from transformers import TrainerState

        from nertool.training.trainer import out_of_patience, scores

        kept, before = self.directory / KEPT, self.directory / f"{KEPT}.before"
        if before.exists() and not kept.exists() and processes.rank() == 0:
            os.replace(before, kept)
        checkpoint = processes.from_first(_last_checkpoint(self.directory) if processes.rank() == 0 else None)
        state = TrainerState.load_from_json(f"{checkpoint}/trainer_state.json") if checkpoint else None
        if state is None or not out_of_patience(scores(state.log_history), self.plan.patience):
            with bar(name, unit="steps") as shown, allowed_random_states(), self.dropout():
                trainer = self.trainer(name, shown)
                trainer.train(resume_from_checkpoint=checkpoint)
            state = trainer.state
        if not self.plan.keep_best:
            self.keep()
        return run_facts(state.log_history, state.global_step, self.plan.keep_best)

    def trainer(self, name: str, shown: Shown, make_model: Callable[[Any], Any] | None = None) -> TagTrainer:
        """The Trainer of this run.

        Args:
            shown: the progress line.
            make_model: gives a model for each trial of a search; None for this run's model.
        """
        from transformers import PrinterCallback, ProgressCallback, set_seed

        from nertool.training.trainer import TagTrainer, Watcher

        set_seed(self.arguments.seed)
        keep = self.keep if self.plan.keep_best else (lambda: None)
        trainer = TagTrainer(
            self.examples,
            self.collator(),
            self.plan.tokens,
            self.score_dev if self.plan.dev else None,
            model=None if make_model else self.model,
            model_init=make_model,
            args=self.arguments,
            callbacks=[Watcher(name, keep, self.plan.patience, shown), *self.plan.callbacks()],
        )
        for callback in (PrinterCallback, ProgressCallback):  # they print to stdout, which carries results
            trainer.remove_callback(callback)
        return trainer

    def dropout(self) -> AbstractContextManager[Any]:
        """How dropout draws: as in PyTorch where a plain Trainer is wanted or a GPU draws fast, else our quick way."""
        from nertool.training.fast_dropout import QuickDropout

        quick = self.plan.packed and self.arguments.device.type == "cpu"
        return QuickDropout() if quick else nullcontext()

    def collator(self) -> Collator:
        """How the batches of a step are made, for this model."""
        plan, pad_id = self.plan, int(self.tokenizer.pad_token_id or 0)
        if not plan.packed or plan.pad_to:
            return Collator(pad_id, plan.parts, pad_to=plan.pad_to)
        packing = find_packing(self.model, pad_id, usable_length(self.tokenizer, self.model.config))
        if packing:
            return Collator(pad_id, plan.parts, packing)
        return Collator(pad_id, max(plan.parts, PARTS_BY_LENGTH), by_length=True)

    def score_dev(self, model: PreTrainedModel) -> Scorer:
        """Dev, through the same path as `evaluate`."""
        from nertool.training.trainer import dev_scorer

        assert self.plan.dev
        scorer = dev_scorer(model, self.tokenizer, self.plan.dev, self.plan.dev_limit)
        self.model = model  # a search makes a new one for each trial
        return scorer

    def keep(self) -> None:
        """Keep the weights as they are now, whole or not at all."""
        if processes.rank():
            return
        kept, partial, before = (self.directory / f"{KEPT}{suffix}" for suffix in ("", ".partial", ".before"))
        shutil.rmtree(partial, ignore_errors=True)
        self.model.save_pretrained(partial)
        if kept.exists():
            shutil.rmtree(before, ignore_errors=True)
            os.replace(kept, before)  # a kill between these lines leaves one of them: see `run`
        os.replace(partial, kept)


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


@contextmanager
def allowed_random_states() -> Iterator[None]:
    """Let the Trainer read its own random states, which hold numpy arrays, without unpickling anything else."""
    import numpy as np
    import torch

    rebuild = np.zeros(0).__reduce__()[0]
    allowed = [rebuild, np.ndarray, np.dtype, type(np.dtype(np.uint32))]
    with torch.serialization.safe_globals(allowed):  # type: ignore[arg-type]
        yield
