"""What a training records in `workspace.json`: its facts, and how they follow from the Trainer's log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict

LogEntry = Mapping[str, Any]
"""An entry of the Trainer's log: `epoch`, `step`, and `loss` or figures whose names begin with `eval_`."""


class ExampleCounts(TypedDict):
    """What the training examples were made of."""

    sentences: int
    """Sentences of train.txt that are trained on."""
    words: int
    """Words of these sentences."""
    windowed: int
    """Sentences longer than `--max-length`, which are trained on in overlapping windows."""
    without_subwords: int
    """Words that the tokenizer makes nothing of; they are not trained on."""


class EpochFacts(TypedDict, total=False):
    """An evaluation on dev, as a rule one an epoch; without a dev file the whole training."""

    epoch: float
    """Epochs trained until then, 1.0 after the first."""
    step: int
    """Optimizer steps taken until then."""
    loss: float | None
    """Mean training loss since the evaluation before; null where none was logged."""
    dev_loss: float
    """Mean cross-entropy of the words of dev, in nats; missing without a dev file."""
    dev_f1: float
    """F1 on dev, or accuracy for tags without types; missing without a dev file."""


class TypeFacts(TypedDict):
    """Dev scores of one entity type."""

    precision: float
    """Correct entities as a fraction of the predicted ones."""
    recall: float
    """Correct entities as a fraction of the gold ones."""
    f1: float
    """Harmonic mean of precision and recall."""
    support: int
    """Gold entities."""
    correct: int
    """Predicted entities with the words and the type of a gold one."""
    predicted: int
    """Predicted entities."""


class RunFacts(TypedDict, total=False):
    """One training; all but `steps`, `epoch_kept` and `history` are missing without a dev file."""

    steps: int
    """Optimizer steps of the whole training."""
    epoch_kept: float
    """Epoch at whose end the kept weights were taken."""
    metric: Literal["f1", "accuracy"]
    """What `dev_f1` is: `accuracy` for tags without types, such as parts of speech."""
    dev_loss: float
    """Mean cross-entropy of the words of dev under the kept weights, in nats."""
    calibration: dict[str, Any]
    """What makes the probabilities of the kept weights fit dev best; see `models.calibration.Calibration`."""
    dev_f1: float
    """Dev score of the kept weights."""
    dev_interval: list[float]
    """Its 95 % bootstrap interval: low, high."""
    history: list[EpochFacts]
    """An entry for each evaluation on dev, in order."""
    types: dict[str, TypeFacts]
    """Dev scores by entity type; only with `--return-entity-level-metrics`."""


class SeedTestFacts(TypedDict, total=False):
    """What is known of a seed where there is a test file."""

    test_f1: float
    """Test score of its kept weights, which were chosen on dev."""


class SeedFacts(SeedTestFacts):
    """One of the trainings of `--seeds`."""

    seed: int
    """Its seed."""
    dev_f1: float
    """Dev score of its kept weights."""
    epoch_kept: float
    """Epoch at whose end these were taken."""
    kept: bool
    """Whether this is the model that was published."""


class TrialFacts(TypedDict):
    """One of the trainings of `--search`."""

    trial: int
    """Its number, from 0."""
    learning_rate: float
    """Peak learning rate."""
    batch_size: int
    """Sentences of a batch."""
    epochs: int
    """Passes over train."""
    dev_f1: float
    """Best dev score."""
    outcome: Literal["kept", "completed", "pruned"]
    """`kept` for the published model; `pruned` for a trial that was stopped early as worse than others."""


class PartTestFacts(TypedDict, total=False):
    """What is known of a part of train where there is a test file."""

    test_f1: float
    """Test score of its kept weights, which were chosen on dev."""
    test_interval: list[float]
    """Its 95 % bootstrap interval: low, high."""


class PartFacts(PartTestFacts):
    """One of the trainings of `--curve`; the last one is on all sentences, and was published."""

    share: float
    """Fraction of the sentences, 1.0 for all."""
    sentences: int
    """Sentences that were trained on."""
    words: int
    """Words of these sentences."""
    entities: int
    """Entities of these sentences; 0 for tags without types."""
    steps: int
    """Optimizer steps."""
    epoch_kept: float
    """Epoch at whose end the kept weights were taken."""
    dev_f1: float
    """Dev score of the kept weights."""
    dev_interval: list[float]
    """Its 95 % bootstrap interval: low, high."""


class GainFacts(TypedDict):
    """What the last doubling of the sentences brought on dev."""

    sentences: int
    """Sentences of the part that is nearest to half of them."""
    times: float
    """How many times as many all of them are."""
    difference: float
    """Dev score with all of them less that with this part."""
    interval: list[float]
    """Its 95 % interval, by paired bootstrap: low, high."""


class ComparisonFacts(TypedDict, total=False):
    """Several trainings, of which the one with the best dev score, or on most data, was published."""

    mean: float
    """Mean dev score over `--seeds`."""
    deviation: float
    """Sample standard deviation of the dev score over `--seeds`."""
    test_mean: float
    """Mean test score over `--seeds`; missing without a test file."""
    test_deviation: float
    """Sample standard deviation of the test score over `--seeds`."""
    seeds: list[SeedFacts]
    """An entry for each of `--seeds`."""
    trials: list[TrialFacts]
    """An entry for each trial of `--search`."""
    curve: list[PartFacts]
    """An entry for each share of `--curve`, in rising order."""
    gain: GainFacts
    """What the last doubling of the sentences brought; only with `--curve`."""
    outlook: str
    """What more data may bring, in words; only with `--curve`."""


class StartFacts(TypedDict, total=False):
    """What a training starts from, beside the model; only what options ask for."""

    layers: list[int]
    """Numbers of the encoder's layers that are left, from 0; only with `--layers`."""
    teachers: list[str]
    """The teachers, as `--teacher` named them; a directory by its last part."""
    unlabelled: int
    """Sentences that only the teachers labelled; only with `--unlabelled`."""


class TrainFacts(ExampleCounts, RunFacts, ComparisonFacts, StartFacts):
    """All facts of the stage `train`."""

    model: str
    """Model that the training started from, as `--model` named it; a directory by its last part."""
    output_dir: str
    """Directory of the trained model in the workspace."""
    precision: Literal["fp32", "bf16", "fp16"]
    """Precision of matrix products."""


def run_facts(log: Sequence[LogEntry], steps: int, keep_best: bool) -> RunFacts:
    """The facts of a training that has ended.

    Args:
        log: of the Trainer.
        steps: optimizer steps taken.
        keep_best: the weights with the best dev score were kept, else the last ones.
    """
    from nertool.models.calibration import Calibration

    history = epoch_history(log)
    evaluations = [entry for entry in log if "eval_f1" in entry]
    if not evaluations:
        return {"steps": steps, "epoch_kept": history[-1]["epoch"], "history": history}
    kept = max(range(len(evaluations)), key=lambda at: (choice_of(evaluations[at]), at)) if keep_best else -1
    entry = evaluations[kept]
    return {
        "steps": steps,
        "epoch_kept": history[kept]["epoch"],
        "metric": metric_of(entry),
        "dev_loss": round(entry["eval_loss"], 4),
        "calibration": Calibration.from_metrics("eval_", entry).as_dict(),
        "dev_f1": entry["eval_f1"],
        "dev_interval": [entry["eval_low"], entry["eval_high"]],
        "history": history,
        "types": _types(entry),
    }


def all_results(log: Sequence[LogEntry], facts: RunFacts, sentences: int) -> dict[str, float]:
    """The figures that run_ner.py writes to `all_results.json`, but for times: those of the kept weights.

    Args:
        log: of the Trainer.
        facts: of the training.
        sentences: of train.txt that were trained on.
    """
    results: dict[str, float] = {"epoch": facts["epoch_kept"], "train_samples": sentences}
    loss = _mean_loss([entry for entry in log if "loss" in entry], since=0)
    if loss is not None:
        results["train_loss"] = loss
    for entry in log:
        if "eval_f1" in entry and round(entry["epoch"], 4) == facts["epoch_kept"]:
            names = ["accuracy"] if entry["eval_plain"] else ["accuracy", "precision", "recall", "f1"]
            results |= {f"eval_{name}": entry[f"eval_{name}"] for name in ("loss", "samples", *names)}
    return results


def epoch_history(log: Iterable[LogEntry]) -> list[EpochFacts]:
    """An entry for each evaluation on dev, with the mean loss since the one before.

    Without a dev file there is one entry, for the whole training.
    """
    log = list(log)
    scored = any("eval_f1" in entry for entry in log)
    history: list[EpochFacts] = []
    losses: list[LogEntry] = []
    since = 0
    for entry in log:
        if "loss" in entry:
            losses.append(entry)
        elif "eval_f1" in entry or ("train_loss" in entry and not scored):
            history.append(_epoch(entry, _mean_loss(losses, since)))
            losses, since = [], entry["step"]
    return history


def _mean_loss(losses: Iterable[LogEntry], since: int) -> float | None:
    """Mean loss of the steps behind `since`; each entry has the mean of the steps since the one before it."""
    total, first = 0.0, since
    for entry in losses:
        total += entry["loss"] * (entry["step"] - since)
        since = entry["step"]
    return round(total / (since - first), 4) if since > first else None


def _epoch(entry: LogEntry, mean_loss: float | None) -> EpochFacts:
    epoch: EpochFacts = {"epoch": round(entry["epoch"], 4), "step": entry["step"], "loss": mean_loss}
    if "eval_f1" in entry:
        epoch["dev_loss"] = round(entry["eval_loss"], 4)
        epoch["dev_f1"] = entry["eval_f1"]
    return epoch


def _types(entry: LogEntry) -> dict[str, TypeFacts]:
    """Scores by entity type, out of names such as `eval_PER_precision`."""
    types: dict[str, Any] = {}
    for key, value in entry.items():
        label, _, figure = key.removeprefix("eval_").rpartition("_")
        if label and key.startswith("eval_"):
            types.setdefault(label, {})[figure] = value
    return types


def choice_of(entry: LogEntry) -> float:
    """By what the best evaluation is chosen: the dev score; the loss, negated, where dev has no entity to find."""
    found: float = entry["eval_f1"] if entry["eval_plain"] or entry["eval_gold"] else -entry["eval_loss"]
    return found


def metric_of(entry: LogEntry) -> Literal["f1", "accuracy"]:
    """What `eval_f1` is in an evaluation: `accuracy` for tags without types."""
    return "accuracy" if entry["eval_plain"] else "f1"


def dev_scores(log: Iterable[LogEntry]) -> list[float]:
    """By what epochs are compared, of each evaluation in a Trainer's log."""
    return [choice_of(entry) for entry in log if "eval_f1" in entry]


def out_of_patience(scores: Sequence[float], patience: int) -> bool:
    """Whether the best score is followed by `patience` others."""
    return bool(patience and scores and len(scores) - 1 - scores.index(max(scores)) >= patience)
