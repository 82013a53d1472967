"""INT8 by Intel Neural Compressor, through optimum: tuning, saving, loading.

The only module that knows Neural Compressor. What it writes is read back without unpickling anything but tensors.
"""

from __future__ import annotations

import copy
import json
import logging
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from nertool.errors import NertoolError, command
from nertool.progress import note
from nertool.workspace import versions

WEIGHTS = "pytorch_model.bin"
TABLE = "quantization.json"
PINS = "optimum-intel[neural-compressor]==1.27.0 neural-compressor==3.7.1 transformers==4.45.2"


@dataclass
class Tuning:
    """What a tuning run found.

    Attributes:
        baseline: accuracy of the FP32 model.
        trials: accuracy of each trial, in the order they were made.
        chosen: 0-based number of the trial that was saved.
        met: the chosen trial meets the criterion.
    """

    baseline: float = 0.0
    trials: list[float] = field(default_factory=list)
    chosen: int = 0
    met: bool = False


@dataclass(frozen=True)
class Plan:
    """How to quantize.

    Attributes:
        approach: `dynamic` or `static`.
        tolerance: greatest loss of accuracy (0.01 is one per cent, or one point).
        criterion: `relative` to FP32, or `absolute`.
        max_trials: trials at the most.
        timeout: seconds after which no further trial begins; 0 for none.
        reduce_range: weights use 7 bits, for processors whose products of bytes may saturate.
        calibration: `datasets.Dataset` of model inputs, for `static`.
        collator: makes a batch of calibration rows.
        seed: order of the calibration rows.
    """

    approach: str
    tolerance: float
    criterion: str
    max_trials: int
    timeout: int
    reduce_range: bool
    calibration: Any = None
    collator: Any = None
    seed: int = 1


def require_inc() -> None:
    """Check that optimum has a Neural Compressor behind it.

    Raises:
        NertoolError: it has not; the hint holds the pins that mend it.
    """
    try:
        with _quiet():
            from optimum.intel import INCQuantizer  # noqa: F401
    except (ImportError, RuntimeError) as error:
        packages = versions(["optimum-intel", "neural-compressor", "transformers"])
        found = ", ".join(f"{name} {number}" for name, number in packages.items())
        raise NertoolError(
            f"optimum has no working Neural Compressor here ({found}): {str(error).strip().splitlines()[0]}",
            f"Install the last set that works together: pip install 'nertool[inc]' (or {PINS})",
        ) from error


def tune(model: Any, accuracy: Callable[[Any], float], plan: Plan, directory: Path, scratch: Path) -> Tuning:
    """Quantize `model` into `directory`, with `accuracy` deciding which trial is good enough.

    Neural Compressor's basic strategy: quantization schemes per operator type first, then operators left in FP32
    one by one. It ends at the first trial that meets the criterion. Where none does it keeps nothing; the search is
    then replayed with the accuracies already known, up to the best trial, which is accepted.

    Args:
        accuracy: higher is better, for a module called as the model is.
        scratch: an empty directory for Neural Compressor's own files.
    """
    tuning = Tuning()

    def measure(candidate: Any) -> float:
        value = accuracy(candidate)
        tuning.trials.append(value)
        return value

    tuning.met = _fit(model, measure, plan, directory, scratch)
    tuning.baseline, *tuning.trials = tuning.trials
    if not tuning.trials:
        raise RuntimeError("Neural Compressor failed before its first trial; the reason stands above")
    if tuning.met:
        tuning.chosen = len(tuning.trials) - 1
        return tuning
    tuning.chosen = tuning.trials.index(max(tuning.trials))
    known = iter([tuning.baseline, *tuning.trials[: tuning.chosen], tuning.baseline])
    accepted = _fit(model, lambda _: next(known), plan, directory, scratch)
    assert accepted, "a trial as good as FP32 is accepted"
    return tuning


def train_aware(
    model: Any,
    batches: Sequence[Mapping[str, Any]],
    learning_rate: float,
    accuracy: Callable[[Any], float],
    allowed: Callable[[float, float], bool],
    directory: Path,
    step: Callable[[float], None],
) -> Tuning:
    """Quantization-aware training: fine-tune with rounding in place, then convert; one trial, which is kept.

    Args:
        model: FP32; it stays as it is.
        batches: inputs of the model with `labels`, a step each, in their order.
        learning_rate: of the first step; it decays linearly to 0.
        accuracy: as in `tune`.
        allowed: of the accuracies before and after, whether the loss is small enough.
        step: called with the loss after each step.
    """
    import torch

    tuning = Tuning(baseline=accuracy(model))
    with _quiet(), _interruptible():
        from neural_compressor import QuantizationAwareTrainingConfig
        from neural_compressor.training import prepare_compression

        compression = prepare_compression(copy.deepcopy(model), QuantizationAwareTrainingConfig())
        compression.callbacks.on_train_begin()
        learner = compression.model.train()
        optimizer = torch.optim.AdamW(learner.parameters(), lr=learning_rate, weight_decay=0.0)
        for number, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * (1 - number / len(batches))
            loss = learner(**batch)["loss"]
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            step(float(loss))
        compression.callbacks.on_train_end()
        compression.save(str(directory))
        (directory / "best_model.pt").rename(directory / WEIGHTS)
        model.config.save_pretrained(directory)
        tuning.trials = [accuracy(compression.model._model.eval())]
    tuning.met = allowed(tuning.baseline, tuning.trials[0])
    return tuning


def _fit(model: Any, accuracy: Callable[[Any], float], plan: Plan, directory: Path, scratch: Path) -> bool:
    """One search; True where a trial met the criterion and was saved."""
    raised: list[BaseException] = []

    def measure(candidate: Any) -> float:
        try:
            return accuracy(candidate)
        except BaseException as error:  # Neural Compressor logs whatever comes out of here, Ctrl-C too, and goes on
            raised.append(error)
            raise

    with _quiet(), _interruptible():
        import neural_compressor
        from optimum.intel import INCQuantizer

        neural_compressor.set_workspace(str(scratch))
        quantizer = INCQuantizer.from_pretrained(model, eval_fn=measure, task="token-classification", seed=plan.seed)
        try:
            quantizer.quantize(
                _config(plan),
                directory,
                calibration_dataset=plan.calibration,
                batch_size=8,
                data_collator=plan.collator,
            )
        except RuntimeError:  # there was nothing to save: no trial met the criterion, or `measure` raised
            if raised:
                raise raised[0] from None
            return False
    return True


def _config(plan: Plan) -> Any:
    from neural_compressor.config import AccuracyCriterion, PostTrainingQuantConfig, TuningCriterion

    return PostTrainingQuantConfig(
        approach=plan.approach,
        quant_level=1,
        accuracy_criterion=AccuracyCriterion(criterion=plan.criterion, tolerable_loss=plan.tolerance),
        tuning_criterion=TuningCriterion(strategy="basic", max_trials=plan.max_trials, timeout=plan.timeout),
        reduce_range=plan.reduce_range,
        excluded_precisions=["bf16"],  # falls back to FP32 everywhere, so that equal runs on unlike CPUs agree
    )


def load_int8(directory: Path, config: Any) -> Any:
    """The INT8 module that `tune` saved.

    Raises:
        NertoolError: Neural Compressor is missing, or the file holds more than tensors and their settings.
    """
    import torch

    require_inc()
    _tell_other_torch(directory)
    path = directory / WEIGHTS
    with _quiet():
        from neural_compressor.utils.pytorch import load
        from transformers import AutoModelForTokenClassification

        try:
            weights = torch.load(path, map_location="cpu", weights_only=True)
        except UnpicklingError as error:
            raise NertoolError(
                f"{path} holds more than weights and is not loaded: it could run code",
                f"Make it anew: {command(directory.parent, 'quantize', '--force')}",
            ) from error
        config.torch_dtype = torch.float32
        return load(weights, AutoModelForTokenClassification.from_config(config)).eval()


def _tell_other_torch(directory: Path) -> None:
    """INT8 weights hold packed parameters, which another torch may read otherwise or not at all."""
    made = json.loads((directory / TABLE).read_text(encoding="utf-8")).get("versions", {}).get("torch")
    here = versions(["torch"])["torch"]
    if made and made != here:
        note.warning("%s was made with torch %s, here is %s: compare its scores anew", directory, made, here)


@contextmanager
def _quiet() -> Iterator[None]:
    """Neural Compressor and optimum write pages about their own progress; what matters is in the result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        disabled = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(disabled)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Neural Compressor swallows Ctrl-C; raise it again once it has let go."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = []

    def remember(number: int, frame: Any) -> None:
        interrupted.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if interrupted:
            raise KeyboardInterrupt
