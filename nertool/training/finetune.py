"""One fine-tuning: examples, a dev score after each epoch, checkpoints, the weights that are kept."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.errors import ODD
from nertool.models.encode import frame_of
from nertool.models.inputs import check_finite, heeds_token_types
from nertool.models.names import usable_length
from nertool.progress import Shown, bar, logger
from nertool.training import processes
from nertool.training.averages import Averages
from nertool.training.batches import BATCHES_BY_LENGTH, Collator, find_packing, has_unused_parameters
from nertool.training.examples import Examples
from nertool.training.facts import LogEntry, RunFacts, all_results, dev_scores, out_of_patience, run_facts
from nertool.training.plan import TENSORBOARD, Plan, lower_rate
from nertool.training.trainer_arguments import translate_refusals
from nertool.workspace.atomic import remove
from nertool.workspace.digests import read_json
from nertool.workspace.seals import is_sealed, is_whole, seal

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback, TrainingArguments

    from nertool.training.model_scores import DevScore, FileScore
    from nertool.training.trainer import TagTrainer

KEPT = "kept"
"""Folder of the weights that are kept, beside the checkpoints."""
UNPICKLES, UNPICKLES_NOTHING = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
"""Environment variables by which PyTorch runs what pickles ask for, or reads tensors alone."""
RESULTS = "all_results.json"
"""Figures under run_ner.py's names, beside the checkpoints."""


class FineTuning:
    """Fine-tunes one model in a directory of its own, which also holds its checkpoints.

    Args:
        model: to be fine-tuned.
        tokenizer: of the model.
        examples: to train on.
        directory: where checkpoints and the kept weights go; an interrupted run resumes from what is in it.
        plan: how to train.
        arguments: of the Trainer, for this directory.
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
        self.model = model
        self.tokenizer = tokenizer
        self.examples = examples
        self.directory = directory
        self.plan = plan
        self.arguments = arguments
        self.averages = Averages(model, plan.ema) if plan.ema is not None else None

    def run(self, name: str, callbacks: Sequence[TrainerCallback] = ()) -> RunFacts:
        """Train, and leave the kept weights in `directory/kept`.

        Args:
            name: of the run, for people.
            callbacks: of the Trainer, after our own.

        Returns:
            what the training records.
        """
        from transformers import TrainerState

        checkpoint = processes.from_first(self._last_checkpoint() if processes.rank() == 0 else None)
        state = TrainerState.load_from_json(f"{checkpoint}/trainer_state.json") if checkpoint else None
        if state is None or not out_of_patience(dev_scores(state.log_history), self.plan.patience):
            with bar(name, unit="steps") as shown, allowed_random_states(), self._dropout():
                trainer = self._trainer(name, shown, callbacks)
                if self._is_trained():
                    trainer.train(resume_from_checkpoint=checkpoint)
                else:
                    trainer.score_as_it_is()
            state = trainer.state
        elif checkpoint and not self.plan.keep_best:
            self._load(Path(checkpoint))
        if not self.plan.keep_best:
            with self.averages.in_place() if self.averages else nullcontext():
                self._keep()
        facts = run_facts(state.log_history, state.global_step, self.plan.keep_best)
        if processes.rank() == 0:
            results = all_results(state.log_history, facts, self.examples.counts["sentences"])
            (self.directory / RESULTS).write_text(
                json.dumps(results, indent=4, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8"
            )
        return facts

    def check(self) -> None:
        """Refuse what only the Trainer would refuse, before its first step.

        Raises:
            InvalidOption: there is something.
        """
        with bar("check", unit="steps") as shown:
            trainer = self._trainer("check", shown, [])
        trainer.get_train_dataloader()
        trainer.create_optimizer_and_scheduler(num_training_steps=1)
        if self.arguments.gradient_checkpointing:
            with translate_refusals("--gradient-checkpointing, --set gradient_checkpointing_kwargs"):
                self.model.gradient_checkpointing_enable(self.arguments.gradient_checkpointing_kwargs)
                _try_checkpointing(self.arguments.gradient_checkpointing_kwargs or {"use_reentrant": True})

    def _is_trained(self) -> bool:
        """Whether there are epochs or steps; a model is else kept as it is."""
        return bool(self.arguments.num_train_epochs > 0 or self.arguments.max_steps > 0)

    def score(self, path: Path, limit: int | None = None) -> FileScore:
        """Score a file with the kept weights, once `run` has ended, through the same path as `evaluate`.

        Args:
            path: of the file.
            limit: number of its first sentences to score; None for all.
        """
        from nertool.training.model_scores import score_file

        processes.wait_for_first()
        read_weights(self.model, self.directory / KEPT)
        return score_file(self.model, self.tokenizer, self.plan, path, limit)

    def _load(self, checkpoint: Path) -> None:
        """Take the weights of a checkpoint, and their averages."""
        read_weights(self.model, checkpoint)
        if self.averages:
            self.averages.load(checkpoint)

    def _last_checkpoint(self) -> str | None:
        """The latest whole checkpoint; None to begin anew. Those that are damaged or were cut short are removed."""
        kept, before = self.directory / KEPT, self.directory / f"{KEPT}.before"
        if before.exists() and not kept.exists():
            os.replace(before, kept)
        checkpoint, log = _last_whole(self.directory, self.arguments.save_total_limit or 1)
        if checkpoint and self.plan.keep_best and _is_scored(log) and not is_whole(kept):
            logger.warning("%s is damaged: the training begins anew", kept)
            for path in (kept, *self.directory.glob("checkpoint-*")):
                remove(path)
            return None
        return str(checkpoint) if checkpoint else None

    def _trainer(self, name: str, shown: Shown, callbacks: Sequence[TrainerCallback]) -> TagTrainer:
        from transformers import PrinterCallback, ProgressCallback, set_seed

        from nertool.training.callbacks import Averager, Watcher
        from nertool.training.trainer import TagTrainer

        set_seed(self.arguments.seed)
        keep = self._keep if self.plan.keep_best else None
        watcher = Watcher(name, self.plan.dev is not None, keep, self.plan.patience, shown)
        averagers = [Averager(self.averages)] if self.averages else []
        collator = self._collator()
        if processes.world() > 1 and has_unused_parameters(self.model, collator):
            self.arguments.ddp_find_unused_parameters = True  # else processes wait for gradients that never come
        trainer = TagTrainer(
            self.examples,
            collator,
            self.plan,
            self._score_dev if self.plan.dev else None,
            self.averages,
            model=self.model,
            args=self.arguments,
            callbacks=[watcher, *averagers, *self._reporters(), *callbacks],
        )
        for callback in (PrinterCallback, ProgressCallback):  # they print to stdout, which carries results
            trainer.remove_callback(callback)
        return trainer

    def _reporters(self) -> list[TrainerCallback]:
        """For TensorBoard, with the directory to write to; the Trainer itself makes all other reporters."""
        if self.plan.reporter != TENSORBOARD or processes.rank():
            return []
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations import TensorBoardCallback

        return [TensorBoardCallback(SummaryWriter(str(self.plan.logs)))]

    def _dropout(self) -> AbstractContextManager[Any]:
        """QuickDropout on a CPU with packing; otherwise PyTorch's own dropout."""
        from nertool.training.fast_dropout import QuickDropout

        fast = self.plan.fast_dropout and self.plan.packed and self.arguments.device.type == "cpu"
        return QuickDropout() if fast else nullcontext()

    def _collator(self) -> Collator:
        """How the batches of a step are made, for this model."""
        plan, count = self.plan, self.plan.accumulation_steps
        frame = frame_of(self.tokenizer) if heeds_token_types(self.model, self.tokenizer) else None
        own: dict[str, Any] = {"pad_id": int(self.tokenizer.pad_token_id or 0), "frame": frame}
        own["by_subwords"] = plan.max_subwords is not None
        if not plan.packed or plan.pad_to:
            return Collator(batch_count=count, pad_to=plan.pad_to, **own)
        packing = find_packing(self.model, own["pad_id"], usable_length(self.tokenizer, self.model.config), frame)
        if packing:
            return Collator(batch_count=count, packing=packing, **own)
        count += own["by_subwords"]  # one more, since those of like length are of unlike size
        return Collator(batch_count=max(count, BATCHES_BY_LENGTH), by_length=True, **own)

    def _score_dev(self, model: PreTrainedModel) -> DevScore:
        """Score dev through the same path as `evaluate`."""
        from nertool.training.model_scores import score_dev

        return score_dev(model, self.tokenizer, self.plan)

    def _keep(self) -> None:
        """Keep the weights as they are now, whole or not at all.

        Raises:
            NertoolError: they are no numbers.
        """
        if processes.rank():
            return
        check_finite(self.model, "the trained model", lower_rate(self.arguments))
        kept = self.directory / KEPT
        partial, before = kept.with_name(f"{KEPT}.partial"), kept.with_name(f"{KEPT}.before")
        shutil.rmtree(partial, ignore_errors=True)
        self.model.save_pretrained(partial)
        seal(partial)
        if kept.exists():
            shutil.rmtree(before, ignore_errors=True)
            os.replace(kept, before)  # a kill between these lines leaves one of them: see `_last_checkpoint`
        os.replace(partial, kept)


def read_weights(model: PreTrainedModel, directory: Path) -> None:
    """Give a model the weights of a directory, which it has saved itself; tied weights are in the file once."""
    from safetensors.torch import load_file

    weights = {}
    for path in directory.glob("model*.safetensors"):
        weights.update(load_file(path))
    model.load_state_dict(weights, strict=False)


def _try_checkpointing(settings: Mapping[str, Any]) -> None:
    """Run something through a checkpoint of gradients: PyTorch looks at the settings only then."""
    import torch
    from torch.utils.checkpoint import checkpoint

    def layer(inputs: torch.Tensor) -> torch.Tensor:
        return inputs

    checkpoint(layer, torch.zeros(1, requires_grad=True), **settings)


def _last_whole(directory: Path, limit: int) -> tuple[Path | None, list[LogEntry]]:
    """The latest whole checkpoint and its log.

    Removes all that are damaged, or were cut short or removed in part, and those beyond the limit: a kill may have come
    between a new checkpoint and the end of an old one.
    """
    latest: Path | None = None
    log: list[LogEntry] = []
    whole = 0
    named = [path for path in directory.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()]
    for checkpoint in sorted(named, key=lambda path: -int(path.name.rpartition("-")[2])):
        if latest is None and (found := _log_of(checkpoint)) is not None:
            latest, log = checkpoint, found
        if latest is None or not is_whole(checkpoint):
            logger.warning("%s is damaged or was cut short: it is dropped", checkpoint)
            remove(checkpoint)
        elif (whole := whole + 1) > limit:
            remove(checkpoint)
    return latest, log


def _log_of(checkpoint: Path) -> list[LogEntry] | None:
    """The Trainer's log in a checkpoint, which is sealed now if a kill came before that; None if it is damaged."""
    with suppress(OSError, *ODD):
        log: list[LogEntry] = read_json(checkpoint / "trainer_state.json")["log_history"]  # written last
        _is_scored(log)
        if not is_sealed(checkpoint):
            seal(checkpoint)
        if is_whole(checkpoint):
            return log
    return None


def _is_scored(log: Sequence[LogEntry]) -> bool:
    return any("eval_f1" in entry for entry in log)


@contextmanager
def allowed_random_states() -> Iterator[None]:
    """Let the Trainer read its own random states, which hold numpy arrays, without unpickling anything else.

    It leaves to PyTorch and to the environment whether anything else may be.
    """
    import numpy as np
    import torch

    before = {name: os.environ.pop(name, None) for name in (UNPICKLES, UNPICKLES_NOTHING)}
    os.environ[UNPICKLES_NOTHING] = "1"
    rebuild = np.zeros(0).__reduce__()[0]
    allowed = [rebuild, np.ndarray, np.dtype, type(np.dtype(np.uint32))]
    try:
        with torch.serialization.safe_globals(allowed):  # type: ignore[arg-type]
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
