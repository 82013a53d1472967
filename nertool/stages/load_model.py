"""Load a model of the workspace as the options of `predict` and `serve` say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from nertool.models.thresholds import KeptThresholds, read_named_thresholds
from nertool.workspace.workspace import ModelFiles

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger


class TaggingArguments(TypedDict):
    """Arguments of `load_tagger` that follow from options."""

    fp32_kernels: Literal["auto", "torch"]
    decoding: Literal["", "viterbi", "argmax"]
    min_score: list[str]
    thresholds: KeptThresholds | None
    allow_missing_weights: bool
    trust_remote_code: bool
    tokenizer: str


def tagging_arguments(options: Any, directory: Path) -> TaggingArguments:
    """The arguments of `load_tagger` for a model.

    Args:
        options: of `predict` or `serve`.
        directory: of the model.

    Raises:
        MissingInput, InvalidData: as `read_named_thresholds`.
    """
    return {
        "fp32_kernels": options.fp32_kernels,
        "decoding": options.decoding,
        "min_score": list(options.min_score or []),
        "thresholds": read_named_thresholds(options.thresholds, directory),
        "allow_missing_weights": options.allow_missing_weights,
        "trust_remote_code": options.trust_remote_code,
        "tokenizer": options.tokenizer,
    }


def load_model(model: ModelFiles, options: Any) -> Tagger:
    """The model.

    Args:
        options: of `predict` or `serve`.

    Raises:
        NertoolError: as `load_tagger`.
    """
    from nertool.models.tagger import load_tagger

    return load_tagger(model.path, **tagging_arguments(options, model.path))
