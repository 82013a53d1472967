"""Options of stages that load a trained model: base classes of their `Options`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from nertool.models.thresholds import check_given
from nertool.stages.options import (
    AllowMissingWeightsOption,
    AllowStaleOption,
    DecodingOption,
    FP32KernelsOption,
    MinScoreOption,
    ModelDirOption,
    QuantizedOption,
    ThresholdsOption,
    TokenizerOption,
    TrustRemoteCodeOption,
)
from nertool.workspace.option_values import refuse_unused
from nertool.workspace.stage_options import StageOptions


@dataclass(frozen=True)
class ModelOptions(StageOptions):
    """Options of a stage that loads a model of the workspace."""

    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Model": ("allow_missing_weights", "trust_remote_code", "allow_stale"),
    }

    allow_missing_weights: AllowMissingWeightsOption = False
    trust_remote_code: TrustRemoteCodeOption = False
    allow_stale: AllowStaleOption = False


@dataclass(frozen=True)
class TaggingOptions(ModelOptions):
    """Options of a stage that tags with a model of the workspace."""

    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Model": ("decoding", "fp32_kernels", *ModelOptions.groups["Model"]),
    }

    quantized: QuantizedOption = False
    decoding: DecodingOption = ""
    fp32_kernels: FP32KernelsOption = "auto"


@dataclass(frozen=True)
class AnyModelOptions(TaggingOptions):
    """Options of a stage that tags text with any fine-tuned model."""

    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Least probabilities": ("min_score", "thresholds"),
        **TaggingOptions.groups,
    }

    model_dir: ModelDirOption = None
    tokenizer: TokenizerOption = ""
    min_score: MinScoreOption = None
    thresholds: ThresholdsOption = None

    def __post_init__(self) -> None:
        """Refuse values that make no sense, and options that do not go together."""
        super().__post_init__()
        check_given(self.min_score or [], self.thresholds)
        if self.model_dir is not None:
            refuse_unused(self, ("quantized", "allow_stale"), "is for the workspace's model, not for --model-dir")
