"""Find and load a model as the options of `predict` and `serve` say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nertool.errors import InvalidOption
from nertool.models.settings import edited_files
from nertool.models.thresholds import read_named_thresholds
from nertool.stages.model_options import AnyModelOptions
from nertool.training.fine_tuned import find_models
from nertool.workspace.model_files import ModelFiles
from nertool.workspace.names import join_names
from nertool.workspace.workspace import Workspace

if TYPE_CHECKING:
    from nertool.models.load_tagger import TaggingArguments
    from nertool.models.tagger import Tagger


def find_model(workspace: Workspace, options: AnyModelOptions) -> ModelFiles:
    """The model that `--model-dir` names, else that of the workspace.

    Raises:
        MissingInput: there is no model.
        StaleInput: the workspace's was made from files that have changed since.
        InvalidOption: `--model-dir` names no model, or several.
    """
    if options.model_dir is None:
        return workspace.model(options.quantized, options.allow_stale, " (or name a fine-tuned model: --model-dir DIR)")
    directories = find_models(options.model_dir, "--model-dir")
    if len(directories) > 1:
        names = ", ".join(directory.name for directory in directories)
        raise InvalidOption(f"--model-dir {options.model_dir} holds several models: {names}", "Name one of them.")
    if edited := edited_files(directories[0]):
        what = f"{directories[0]}: {join_names(edited)} changed by hand"
        workspace.warn_once(f"{what}: what quantize has measured holds for the files before")
    return ModelFiles.of(directories[0])


def tagging_arguments(options: AnyModelOptions, directory: Path) -> TaggingArguments:
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


def load_model(model: ModelFiles, options: AnyModelOptions) -> Tagger:
    """The model.

    Raises:
        NertoolError: as `load_tagger`.
    """
    from nertool.models.load_tagger import load_tagger

    return load_tagger(model.path, **tagging_arguments(options, model.path))
