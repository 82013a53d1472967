"""What a quantization records: the contents of `quantization.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from nertool.models.canary import Canary
    from nertool.workspace.digests import Digest


class Latency(TypedDict):
    """How long a call of the tagger takes, in milliseconds."""

    p50: float
    """Median."""
    p95: float
    """95th percentile."""


class Latencies(TypedDict):
    """Latency by what is tagged in one call."""

    single_sentence: Latency
    """A sentence alone."""
    best_batch: Latency
    """As many sentences as fill the batch with the best throughput."""


class Cost(TypedDict):
    """What a model costs to use, measured in a process of its own; differs from run to run."""

    load_seconds: float
    """Time to load the model."""
    peak_mib: float
    """Peak of resident memory, in MiB."""
    words_per_second: int
    """Throughput with the best batches."""
    best_batch_subwords: int
    """Padded sub-words of such a batch."""
    latency_ms: Latencies
    """Latency of a call."""


class SplitFigures(TypedDict):
    """Scores of a model on one split, compared with the FP32 model."""

    f1: float
    """F1, or accuracy for tags without types."""
    interval: tuple[float, float]
    """Its 95 % bootstrap interval: low, high."""
    equal: float
    """Fraction of the words that get the tag that the FP32 model gives them."""
    lost: float
    """The FP32 model's F1 minus this one."""
    lost_interval: tuple[float, float]
    """Its 95 % interval by paired bootstrap: low, high."""
    p: float
    """p-value of the loss by approximate randomization."""
    divergence: float
    """Kullback-Leibler divergence of the label probabilities from the FP32 model's, in nats, mean of the words."""


class Figures(Cost):
    """Scores, size and cost of a model."""

    f1: float
    """F1 on dev, or accuracy for tags without types."""
    equal: float
    """`equal` of dev."""
    divergence: float
    """`divergence` of dev."""
    splits: dict[str, SplitFigures]
    """Scores on dev and, if there is one, test."""
    bytes: int
    """Size of the weights."""


class Trial(Figures):
    """An INT8 model that was tried."""

    approach: str
    """`none`, `dynamic`, `static` or `qat`."""
    left_in_fp32: list[str]
    """Names of the layers whose weights are in FP32."""
    alone_as_together: bool
    """Whether the tags of a sentence do not depend on the sentences in its batch."""
    lost_at_most: float
    """Upper bound of the loss on dev; with 95 % the bounds of all trials hold together."""
    relative_loss: float
    """Loss of F1 on dev as a fraction of the FP32 model's F1; negative for a gain."""
    met: bool
    """Whether the loss is allowed."""
    kept: bool
    """Whether this is the model that was published."""


class Quantization(TypedDict):
    """All of `quantization.json`."""

    backend: Literal["inc", "onnx"]
    """Neural Compressor or ONNX Runtime."""
    approach: Literal["none", "dynamic", "static", "qat", "auto"]
    """As asked for."""
    criterion: Literal["relative", "absolute", "bound"]
    """Whether `tolerance` is a fraction of the FP32 model's F1 or a difference in F1; for `bound`, a fraction that the
    upper bound of the loss must not exceed."""
    tolerance: float
    """Largest loss that is allowed."""
    met: bool
    """Whether the published model loses no more than that."""
    metric: str
    """What `f1` is: `f1`, or `accuracy` for tags without types."""
    fp32: Figures
    """The FP32 model."""
    int8: Trial
    """The published model."""
    trials: list[Trial]
    """All models that were tried, in order."""
    size_ratio: float
    """Bytes of the published model divided by those of the FP32 model."""
    speed_ratio: float
    """Words per second of the published model divided by those of the FP32 model."""
    observer: str
    """How static quantization finds ranges of activations."""
    calibration_windows: int
    """Windows of sub-words that calibration ran on."""
    calibration_sha256: str
    """SHA-256 of their ids."""
    reduced_range: bool
    """Whether weights use 7 bits."""
    threads: int
    """Threads of the measurements."""
    cpu: dict[str, object]
    """Kind, name and flags of the processor."""
    canary: Canary
    """Sentences with the answers of the published model; see `models.canary`."""
    files: dict[str, Digest]
    """The other files of the directory, as they were written."""
    versions: dict[str, str]
    """Versions of nertool and of the packages that did the work."""
