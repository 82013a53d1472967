"""INT8 models of one FP32 model: made by a backend, then loaded, scored and measured in a process of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nertool.corpus.column_files import Sentence, read_sentences
from nertool.int8 import inc, onnx_runtime
from nertool.int8.choice import Attempt
from nertool.int8.config import QuantizationConfig
from nertool.int8.layer_ranges import by_sensitivity, input_ranges
from nertool.models import cpu
from nertool.workspace.digests import write_json
from nertool.workspace.names import TABLE, versions

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger
    from nertool.scoring.scorer import Scorer

CALIBRATION_BATCH = 8
"""Windows of a batch."""
Tags = list[list[str]]
"""A tag a word, sentence by sentence."""
WEIGHTS = ("*.safetensors", "*.bin", "*.onnx")


@dataclass(frozen=True)
class Settings:
    """How INT8 models are made.

    Attributes:
        backend: `inc` or `onnx`.
        observer, percentile: how ranges of activations are found in calibration; see `linear.input_ranges`.
        training: gives batches with `labels` for quantization-aware training.
        learning_rate: the first one of that.
        step: called with the loss after each step of it.
    """

    backend: str
    observer: str
    percentile: float
    training: Callable[[], Sequence[Mapping[str, Any]]]
    learning_rate: float
    step: Callable[[float], None]


class Quantizer:
    """Makes INT8 models of one FP32 model.

    Args:
        windows: sub-word ids of the sentences that ranges, and the order of falling back, are found on.
        scratch: an empty directory.

    Attributes:
        reduce_range: weights use 7 bits, as products of bytes may saturate on this processor.
    """

    def __init__(self, fp32: Tagger, settings: Settings, windows: Sequence[Sequence[int]], scratch: Path) -> None:
        self.fp32, self.settings, self.windows, self.scratch = fp32, settings, windows, scratch
        self.reduce_range = not cpu.has_vnni()

    @cached_property
    def batches(self) -> list[dict[str, Any]]:
        """The windows as inputs of the model, those of like length together."""
        windows = sorted(self.windows, key=len)
        parts = [windows[start : start + CALIBRATION_BATCH] for start in range(0, len(windows), CALIBRATION_BATCH)]
        return [self.fp32.collate(part) for part in parts]

    @cached_property
    def order(self) -> list[str]:
        """Linear layers, those first that suffer most."""
        return by_sensitivity(self.fp32.model, self.batches)

    @cached_property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Bounds of the inputs of linear layers."""
        return input_ranges(self.fp32.model, self.batches, self.settings.observer, self.settings.percentile)

    @cached_property
    def exported(self) -> onnx_runtime.Exported:
        """The model as an ONNX graph, traced on the batch with most padding."""
        padded = self.fp32.collate([min(self.windows, key=len), max(self.windows, key=len)])
        return onnx_runtime.Exported(self.fp32.model, [padded, *self.batches], self.scratch)

    def make(self, attempt: Attempt, directory: Path) -> list[str]:
        """Write an INT8 model into an empty directory; gives the names of the layers whose weights are in FP32."""
        settings, model = self.settings, self.fp32.model
        write_json(directory / TABLE, {"backend": settings.backend, "versions": versions(["torch"])})
        if attempt.approach == "qat":
            return inc.train_aware(model, directory, settings.training(), settings.learning_rate, settings.step)
        if settings.backend == "onnx":
            model.config.save_pretrained(directory)
            return self.exported.quantize(directory, self.config_of(attempt))
        return inc.quantize(model, directory, self.config_of(attempt), self.batches)

    def config_of(self, attempt: Attempt) -> QuantizationConfig:
        """How a dynamic or static attempt quantizes; what it takes is computed once, by the first that needs it."""
        in_fp32 = self.order[: attempt.in_fp32] if attempt.in_fp32 else []
        needs_ranges = self.settings.backend == "onnx" and attempt.approach == "static"
        ranges = self.ranges if needs_ranges else {}
        bits: Literal[7, 8] = 7 if self.reduce_range else 8
        return QuantizationConfig(attempt.approach, in_fp32, bits, self.settings.observer, ranges)


class Judge:
    """Scores and measures models on the same sentences.

    Args:
        files: columns of tokens and tags by split; dev is the first.

    Attributes:
        metric: of the figures named f1; known once a model is judged.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.files = files
        self.gold = {split: list(read_sentences(path)) for split, path in files.items()}
        self.before: dict[str, tuple[Tags, Scorer]] = {}
        self.metric = ""

    def judged(self, directory: Path, tags: Path) -> dict[str, Any]:
        """Size, cost and scores of a model; the first is that in FP32, with which the others are compared.

        Args:
            tags: an empty directory for the tags that the model gives.

        Returns:
            bytes, what `measure` gives, f1 on dev and `equal`, the share of its words with the tags of FP32; and for
            each of the splits f1, interval, `equal`, and what was lost against FP32, with interval and p-value.
        """
        from nertool.int8.measure import measure
        from nertool.scoring.bootstrap import compare

        cost = measure(directory, self.files, tags)
        found = {split: read_tags(tags, split) for split in self.files}
        here = {split: (found[split], _scored(self.gold[split], found[split])) for split in self.files}
        self.before = self.before or here
        splits: dict[str, dict[str, Any]] = {}
        for split, (given, scorer) in here.items():
            before, of_before = self.before[split]
            lost = compare(of_before.sentence_counts(), scorer.sentence_counts())
            splits[split] = {
                "f1": scorer.headline,
                "interval": scorer.interval(),
                "equal": _share_of_equal(before, given),
                "lost": lost.value,
                "lost_interval": lost.interval,
                "p": lost.p,
            }
        self.metric = here["dev"][1].metric
        size = sum(path.stat().st_size for pattern in WEIGHTS for path in directory.glob(pattern))
        return {"f1": splits["dev"]["f1"], "equal": splits["dev"]["equal"], "splits": splits, "bytes": size, **cost}


def read_tags(directory: Path, split: str) -> Tags:
    """The tags that a judged model gave."""
    tags: Tags = json.loads((directory / f"{split}.json").read_text(encoding="utf-8"))
    return tags


def _share_of_equal(tags: Tags, others: Tags) -> float:
    words = sum(map(len, tags))
    same = sum(one == other for pair in zip(tags, others, strict=True) for one, other in zip(*pair, strict=True))
    return same / words if words else 1.0


def _scored(gold: Sequence[Sentence], predicted: Sequence[Sequence[str]]) -> Scorer:
    from nertool.scoring.scorer import Scorer

    scorer = Scorer(keep_sentences=True)
    for sentence, tags in zip(gold, predicted, strict=True):
        scorer.add(sentence.tags, tags)
    return scorer
