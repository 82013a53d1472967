"""What the trainings of one command share: made once, before the first of them begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from nertool.errors import InvalidOption
from nertool.models.names import positions, usable_length
from nertool.training import processes, trainer_arguments
from nertool.training.examples import Examples
from nertool.training.finetune import FineTuning
from nertool.training.plan import TENSORBOARD, Plan
from nertool.training.pretrained import Pretrained

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase, TrainingArguments


@dataclass(frozen=True)
class TrainingSetup:
    """What the trainings of one command share; they differ in seed and hyperparameters.

    Attributes:
        pretrained: where the weights come from.
        config: of the model, with a head for the labels.
        tokenizer: of the model.
        make_examples: makes the examples to train on, once they are asked for.
        plan: how to train.
        precision: of matrix products.
        arguments: values of the Trainer's arguments that follow from options.
        given: values of the Trainer's arguments that were set by name; they win.
        directory: for checkpoints and kept weights.
    """

    pretrained: Pretrained
    config: PretrainedConfig
    tokenizer: PreTrainedTokenizerBase
    make_examples: Callable[[], Examples]
    plan: Plan
    precision: Literal["fp32", "bf16", "fp16"]
    arguments: dict[str, Any]
    given: dict[str, Any]
    directory: Path

    @cached_property
    def examples(self) -> Examples:
        """The examples to train on."""
        return self.make_examples()

    def check(self) -> None:
        """Refuse what each training would refuse: before teachers label for hours, and before any file is written.

        Raises:
            InvalidOption: the Trainer's arguments do not go together, the model does not load, or a batch has no room
                for the longest sentence.
            InvalidData: a tag is no label, or there is no sentence.
        """
        with TemporaryDirectory() as scratch:
            self._fine_tuning(Path(scratch), replace(self.plan, reporter="none"), {}).check()

    def fine_tuning(self, name: str = "", **changes: Any) -> FineTuning:
        """A training of a new model, ready to run.

        Args:
            name: of its directory in `directory`; empty for `directory` itself.
            changes: values of the Trainer's arguments, such as another seed.

        Raises:
            InvalidOption: as `check`.
        """
        directory = self.directory / name
        directory.mkdir(parents=True, exist_ok=True)
        return self._fine_tuning(directory, replace(self.plan, logs=self.plan.logs / name), changes)

    def _fine_tuning(self, directory: Path, plan: Plan, changes: dict[str, Any]) -> FineTuning:
        arguments = self._trainer_arguments(directory, changes)
        model = self.pretrained.load(self.config, arguments.seed)
        return FineTuning(model, self.tokenizer, self.examples, directory, plan, arguments)

    def _trainer_arguments(self, directory: Path, changes: dict[str, Any]) -> TrainingArguments:
        reports_itself = self.plan.reporter != TENSORBOARD and processes.rank() == 0
        options = {
            **self.arguments,
            "eval_strategy": "epoch" if self.plan.dev else "no",
            "bf16": self.precision == "bf16",
            "fp16": self.precision == "fp16",
            "report_to": self.plan.reporter if reports_itself else "none",
            **changes,
        }
        return trainer_arguments.make(directory, options, self.given)


def example_length(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig, max_length: int, model: str) -> int:
    """Sub-words of an example at most: min(requested, tokenizer limit, position embeddings).

    Args:
        tokenizer: of the model.
        config: of the model.
        max_length: value of `--max-length`.
        model: its name, for the message.

    Raises:
        InvalidOption: `max_length` is more than the model has positions for.
    """
    limit = positions(config)
    if limit is not None and max_length > limit:
        raise InvalidOption(
            f"--max-length {max_length}: --model {model} takes {limit} sub-words at most",
            f"Take --max-length {limit}; longer sentences go through overlapping windows.",
        )
    return usable_length(tokenizer, config, max_length)
