"""The Trainer of transformers, for words with tags: its steps, and when dev is scored.

Imported where a training begins, as it imports transformers. It runs on transformers 4.45 and on 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.utils.data import DataLoader

from nertool.errors import NertoolError
from nertool.models.encode import IGNORE
from nertool.models.inputs import check_finite, translate_missing_embeddings
from nertool.training import processes
from nertool.training.averages import Averages
from nertool.training.batches import Collator
from nertool.training.examples import Examples
from nertool.training.model_scores import DevScore
from nertool.training.plan import Plan, lower_rate
from nertool.training.rates import rates_of, split_groups
from nertool.training.steps import Extra, Share, Steps, StepSize
from nertool.training.trainer_arguments import translate_refusals


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
        """The steps of an epoch; each process gets its share of a step.

        Raises:
            InvalidOption: a batch has no room for the longest sentence, or arguments do not go together.
        """
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
        with translate_refusals():
            return EpochLoader(
                self.examples,  # type: ignore[arg-type]
                batch_sampler=steps,
                collate_fn=self.collator,
                num_workers=args.dataloader_num_workers,
                prefetch_factor=args.dataloader_prefetch_factor,
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

    def _save_rng_state(self, output_dir: str) -> None:
        """Write the random states of this process; wait for those of all before the state of the Trainer follows.

        That is what tells a whole checkpoint, and older ones are removed behind it.
        """
        super()._save_rng_state(output_dir)
        processes.wait_for_all()

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
