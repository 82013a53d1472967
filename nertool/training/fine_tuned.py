"""Where fine-tuned models are: directories, workspaces, folders of models, the Hub."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nertool.errors import InvalidOption
from nertool.models.names import (
    HUB_NAME,
    MODEL_FILES,
    TOKENIZER_FILES,
    hub_reason,
    log_hub,
    model_sources,
    resolve_model,
)
from nertool.training.model_card import hub_errors
from nertool.workspace.names import RECORDS
from nertool.workspace.workspace import Workspace

INT8_FILES = ("*.onnx",)
FETCHED = (*TOKENIZER_FILES, "*.safetensors", "*.safetensors.index.json")
"""Files of a model on the Hub; no code and no pickle is among them."""


def local_models(name: str) -> list[Path]:
    """Directories of the models that a name stands for; none for a name on the Hub.

    A workspace stands for the model that `train` published last, and a folder of models, such as `seeds/`, for all.

    Raises:
        MissingInput: a workspace holds no model.
    """
    path = Path(resolve_model(name))
    if not os.path.isdir(path):  # which is true of no name that is too long for a file system
        return []
    if (path / "config.json").exists():
        return [path]
    if (path / RECORDS).is_file():
        return [Workspace(path).model(allow_stale=True).path]
    return sorted(config.parent for config in path.glob("*/config.json")) or [path]


def teacher_sources(names: Sequence[str]) -> dict[str, Path]:
    """Local files of the teachers, by names without a machine path; see `names.model_sources`."""
    sources = {}
    directories = [directory for name in names for directory in local_models(name)]
    for number, directory in enumerate(directories, start=1):
        for path in model_files(directory):
            sources[f"teacher-{number}/{path.name}"] = path
    return sources


def model_files(directory: Path) -> list[Path]:
    """The files that make a model what it is."""
    return list(model_sources(str(directory), (*MODEL_FILES, *INT8_FILES)).values())


def find_models(name: str, option: str, cache_dir: str | None = None, token: str | None = None) -> list[Path]:
    """Directories of the models that a name stands for; one on the Hub is fetched.

    Args:
        option: that holds the name, for messages.

    Raises:
        MissingInput: it is a workspace without a model.
        InvalidOption: there is no such directory, and no such model on the Hub.
    """
    if directories := local_models(name):
        return directories
    if os.path.isfile(name):
        raise InvalidOption(
            f"{option} {name} is a file", f"Name its directory: {option} {os.path.dirname(name) or '.'}"
        )
    from huggingface_hub import snapshot_download

    log_hub(name)
    refusals: tuple[type[Exception], ...] = (*hub_errors(), ValueError)
    try:
        return [Path(snapshot_download(name, cache_dir=cache_dir, token=token, allow_patterns=list(FETCHED)))]
    except refusals as error:
        on_hub = f", and no model of the Hub: {hub_reason(error)}" if HUB_NAME.fullmatch(name) else ""
        raise InvalidOption(
            f"{option} {name}: no such directory{on_hub}",
            "Name a directory or a workspace that holds a fine-tuned model, or a model on the Hub.",
        ) from error
