"""The search for an INT8 model that loses little enough: build one, measure it, until one will do."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nertool.int8.choice import Attempt, Criterion, choose, next_attempt, relative_loss, share_of_error
from nertool.int8.finished import TRIAL
from nertool.int8.judge import read_tags
from nertool.models.names import TOKENIZER_FILES
from nertool.models.settings import SETTINGS
from nertool.progress import logger

if TYPE_CHECKING:
    from nertool.int8.facts import Trial
    from nertool.int8.finished import FinishedWork
    from nertool.int8.judge import Judge, Tags
    from nertool.int8.quantizer import Quantizer

MODEL, TAGS = "model", "tags"
"""What is in the folder of a trial, beside its figures."""


@dataclass
class Search:
    """INT8 models of one FP32 model, tried one after the other.

    Attributes:
        judge: scores and measures the models.
        quantizer: builds them.
        model: directory of the FP32 model, whose tokenizer each of them gets; and its code, where that is trusted.
        finished: where trials are kept; those that an interrupted search has left are not repeated.
        criterion: which loss of dev F1 is allowed.
        approaches: of `none`, `dynamic`, `static` and `qat`, in the order in which they are tried.
        max_trials: after so many, no other begins.
        timeout: seconds after which no other begins; 0 for no limit.
        clock: gives seconds.
        trials: what came of each so far, in order.
    """

    judge: Judge
    quantizer: Quantizer
    model: Path
    finished: FinishedWork
    criterion: Criterion
    approaches: Sequence[str]
    max_trials: int
    timeout: float = 0
    clock: Callable[[], float] = time.monotonic
    trials: list[Trial] = field(default_factory=list)
    _met: dict[Attempt, bool] = field(default_factory=dict, init=False)

    def run(self, after_trial: Callable[[Trial], None] = lambda trial: None) -> None:
        """Try models until one will do, nothing is left to try, or trials or time are used up.

        Args:
            after_trial: called with each trial once it is measured.
        """
        if kept := self.finished.count_trials():
            logger.info("the search goes on after %s finished trial%s", kept, "s" if kept > 1 else "")
        began = self.clock()
        while (attempt := next_attempt(self.approaches, self.quantizer.layers, self._met)) is not None:
            if self.trials and self._is_used_up(began):
                logger.warning("the search ended after %s trials, before all was tried", len(self.trials))
                break
            trial: Trial = self.finished.take_or_do(_name(attempt), partial(self._try, attempt))
            self._met[attempt] = trial["met"]
            self.trials.append(trial)
            after_trial(trial)
        self.trials[self.kept]["kept"] = True

    @property
    def kept(self) -> int:
        """0-based number of the trial to publish."""
        return choose(self.trials)

    @property
    def kept_model(self) -> Path:
        """Directory of the model to publish."""
        return self._kept_folder / MODEL

    @property
    def kept_tags(self) -> Tags:
        """The tags that the model to publish gave the sentences of dev."""
        return read_tags(self._kept_folder / TAGS, "dev")

    @property
    def _kept_folder(self) -> Path:
        return self.finished.path / _name(list(self._met)[self.kept])

    def _is_used_up(self, began: float) -> bool:
        if len(self.trials) >= self.max_trials:
            return True
        return self.timeout > 0 and self.clock() - began > self.timeout

    def _try(self, attempt: Attempt, folder: Path) -> Trial:
        """Build a model and measure it; both go into an empty folder."""
        directory, tags = folder / MODEL, folder / TAGS
        directory.mkdir()
        tags.mkdir()
        left_in_fp32 = self.quantizer.build(attempt, directory)
        code = ["*.py"] if self.judge.consent.get("trust_remote_code") else []
        _copy([*TOKENIZER_FILES, SETTINGS, *code], self.model, directory)
        self.quantizer.store_encoding(directory)
        figures = self.judge.measure(directory, tags)
        before, after = self.judge.baseline["f1"], figures["f1"]
        lost_at_most = self.judge.lost_at_most(tags, share_of_error(len(self.trials) + 1))
        return {
            "approach": attempt.approach,
            **figures,
            "left_in_fp32": left_in_fp32,
            "alone_as_together": self.quantizer.alone_as_together(attempt),
            "relative_loss": relative_loss(before, after),
            "lost_at_most": lost_at_most,
            "met": self.criterion.met(before, after, lost_at_most),
            "kept": False,
        }


def _name(attempt: Attempt) -> str:
    """The name of the folder of a trial."""
    return f"{TRIAL}-{attempt.approach}-{attempt.in_fp32}"


def _copy(patterns: Sequence[str], source: Path, target: Path) -> None:
    for pattern in patterns:
        for path in source.glob(pattern):
            if path.name != "config.json":  # the quantized model has its own
                shutil.copyfile(path, target / path.name)
