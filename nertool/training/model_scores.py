"""Score a model in training on a file, through the same path as `evaluate`; each process tags its share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from nertool.arrays import Array
from nertool.corpus.column_files import Sentence, read_sentences
from nertool.models.calibration import Calibration, DevAnswers
from nertool.models.inputs import heeds_token_types
from nertool.models.names import usable_length
from nertool.models.stored_tokenizer import Encoding
from nertool.models.tagger import NOISE, ROUNDING, Tagger
from nertool.scoring.scorer import Scorer
from nertool.training import processes
from nertool.training.plan import Plan


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
    counts: Array


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
    encoding = Encoding(
        labels=labels,
        max_length=usable_length(tokenizer, model.config),
        pad_id=int(tokenizer.pad_token_id or 0),
        type_ids=heeds_token_types(model, tokenizer),
    )
    tagger = Tagger(model, tokenizer, encoding, scheme=scheme)
    tagger.probe_padding(ROUNDING if tagger.on_cpu else NOISE)
    return tagger


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
