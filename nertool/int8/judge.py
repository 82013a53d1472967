"""Scores and measures models on the same sentences, and compares them with the FP32 model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nertool.arrays import Array, log_softmax
from nertool.corpus.column_files import Sentence, read_sentences
from nertool.int8 import measure
from nertool.int8.choice import share_of_error
from nertool.models.onnx_model import GRAPH
from nertool.models.weight_files import weight_files

if TYPE_CHECKING:
    from nertool.int8.facts import Cost, Figures, SplitFigures
    from nertool.int8.finished import FinishedWork
    from nertool.scoring.scorer import Scorer

Tags = list[list[str]]
"""A tag a word, sentence by sentence."""
FP32 = "fp32"
"""Name under which the FP32 model's tags are kept."""


class Tagged(NamedTuple):
    """A split as a model has tagged it, and its scores; logits of all its words, of shape (words, labels)."""

    tags: Tags
    scorer: Scorer
    logits: Array


class Judge:
    """Scores and measures INT8 models beside the FP32 model, which is measured at once.

    Args:
        files: columns of tokens and tags by split; one of them is dev, and speed is measured on the first.
        model: directory of the FP32 model.
        finished: where its tags and its cost are kept.
        consent: `trust_remote_code` and `allow_missing_weights` of `load_tagger`.

    Attributes:
        gold: the sentences by split.
        baseline: figures of the FP32 model.
        metric: what `f1` is in all figures: `f1`, or `accuracy` for tags without types.
    """

    def __init__(self, files: Mapping[str, Path], model: Path, finished: FinishedWork, **consent: Any) -> None:
        self.files, self.consent = files, consent
        self.gold: dict[str, list[Sentence]] = {}
        for split, path in files.items():
            self.gold[split] = list(read_sentences(path))
        cost = finished.take_or_do(FP32, lambda tags: self._measure(model, tags))
        self._fp32 = self._score(finished.path / FP32)
        self.baseline = self._figures(model, cost, self._fp32)
        self.metric = self._fp32["dev"].scorer.metric

    def measure(self, directory: Path, tags: Path) -> Figures:
        """Scores, size and cost of an INT8 model.

        Args:
            tags: an empty directory for the tags that it gives.
        """
        cost = self._measure(directory, tags)
        return self._figures(directory, cost, self._score(tags))

    def lost_at_most(self, tags: Path, error: float) -> float:
        """The loss on dev that is exceeded with a probability of `error` at most, of the model that gave these tags."""
        from nertool.scoring.bootstrap import upper_bound

        measured = self._score(tags)["dev"]
        return upper_bound(self._fp32["dev"].scorer.sentence_counts(), measured.scorer.sentence_counts(), error)

    @property
    def least_bound(self) -> float:
        """`lost_at_most` of the first model if it tags dev as the FP32 model does."""
        from nertool.scoring.bootstrap import upper_bound

        counts = self._fp32["dev"].scorer.sentence_counts()
        return upper_bound(counts, counts, share_of_error(1))

    def _measure(self, directory: Path, tags: Path) -> Cost:
        return measure.measure(directory, self.files, tags, **self.consent)

    def _score(self, directory: Path) -> dict[str, Tagged]:
        """The splits as a measured model has tagged them."""
        from nertool.scoring.scorer import Scorer

        tagged: dict[str, Tagged] = {}
        for split, sentences in self.gold.items():
            tags, scorer = read_tags(directory, split), Scorer(keep_sentences=True)
            for sentence, predicted in zip(sentences, tags, strict=True):
                scorer.add(sentence.tags, predicted)
            tagged[split] = Tagged(tags, scorer, np.load(directory / f"{split}.npy"))
        return tagged

    def _figures(self, directory: Path, cost: Cost, tagged: Mapping[str, Tagged]) -> Figures:
        splits: dict[str, SplitFigures] = {}
        for split, one in tagged.items():
            splits[split] = _compare(self._fp32[split], one)
        dev = splits["dev"]
        return {
            "f1": dev["f1"],
            "equal": dev["equal"],
            "divergence": dev["divergence"],
            "splits": splits,
            "bytes": _size(directory),
            **cost,
        }


def read_tags(directory: Path, split: str) -> Tags:
    """The tags that a measured model gave."""
    tags: Tags = json.loads((directory / f"{split}.json").read_text(encoding="utf-8"))
    return tags


def _compare(fp32: Tagged, tagged: Tagged) -> SplitFigures:
    from nertool.scoring.bootstrap import compare

    lost = compare(fp32.scorer.sentence_counts(), tagged.scorer.sentence_counts())
    return {
        "f1": tagged.scorer.headline,
        "interval": tagged.scorer.interval(),
        "equal": _fraction_equal(fp32.tags, tagged.tags),
        "lost": lost.value,
        "lost_interval": lost.interval,
        "p": lost.p,
        "divergence": _divergence(fp32.logits, tagged.logits),
    }


def _fraction_equal(expected: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]) -> float:
    """Fraction of the words with equal tags; 1 without words."""
    words = same = 0
    for sentence_expected, sentence_tags in zip(expected, tags, strict=True):
        words += len(sentence_expected)
        for tag_expected, tag in zip(sentence_expected, sentence_tags, strict=True):
            same += tag == tag_expected
    return same / words if words else 1.0


def _divergence(exact: Array, changed: Array) -> float:
    """Mean Kullback-Leibler divergence of the label probabilities of words with sub-words, in nats; 0 without one."""
    read = ~np.isnan(exact[:, 0])
    if not read.any():
        return 0.0
    before, after = log_softmax(exact[read]), log_softmax(changed[read])
    return float((np.exp(before) * (before - after)).sum(-1).mean())


def _size(directory: Path) -> int:
    """Bytes of the files that the weights of a model are loaded from."""
    graph = directory / GRAPH
    files = [graph] if graph.exists() else weight_files(directory)
    return sum(path.stat().st_size for path in files)
