"""The whole way from data to an INT8 model in use: every stage in its order, skipping what is fresh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from types import ModuleType
from typing import Any, TypeVar

from nertool.errors import MissingInput
from nertool.stages import download, evaluate, labels, predict, preprocess, quantize, train
from nertool.workspace.workspace import Result, StageOptions, Workspace

OptionsType = TypeVar("OptionsType", bound=StageOptions)

STEPS: tuple[tuple[ModuleType, dict[str, Any]], ...] = (
    (download, {}),
    (preprocess, {}),
    (labels, {}),
    (train, {}),
    (evaluate, {"quantized": False}),
    (quantize, {}),
    (evaluate, {"quantized": True}),
    (predict, {"quantized": True}),
)
"""The stages in the order they run, with what the chain fixes of their options."""


def run(workspace: Workspace, values: Mapping[str, Any], until: str | None = None) -> Iterator[Result]:
    """Run the chain, giving each stage's result as it ends.

    Args:
        values: options by field name; each stage takes those it has. Where they name no data (a recipe, files, a
            data set), the files that are there already are the data.
        until: the last stage to run; None runs all.

    Raises:
        NertoolError: as the stages do.
    """
    if not download.is_named(values):
        _need_data(workspace)
    with workspace.locked("run"):
        for stage, fixed in STEPS:
            wanted = {**values, **fixed}
            if _has_input(stage, wanted, workspace):
                yield stage.run(workspace, options_for(stage.Options, wanted))
            if stage_name(stage) == until and not wanted.get("quantized"):
                return


def options_for(options: type[OptionsType], values: Mapping[str, Any]) -> OptionsType:
    """A stage's options from those of `values` that it has; the rest are its defaults."""
    return options(**{field.name: values[field.name] for field in fields(options) if field.name in values})  # type: ignore[arg-type]


def stage_name(stage: ModuleType) -> str:
    """`nertool.stages.train` -> `train`."""
    return stage.__name__.rpartition(".")[2]


def _need_data(workspace: Workspace) -> None:
    if not workspace.splits(".txt.tmp") and not workspace.splits(".txt"):
        raise MissingInput(f"{workspace.path} holds no data", f"Name a data set: {workspace.command('run', 'RECIPE')}")


def _has_input(stage: ModuleType, values: dict[str, Any], workspace: Workspace) -> bool:
    """False where nobody has the data that a stage is for. Without dev nothing is quantized: nothing could decide."""
    splits = workspace.splits(".txt")
    if stage is predict:
        values["quantized"] = "dev" in splits
    needed = {
        download: download.is_named(values),
        preprocess: bool(workspace.splits(".txt.tmp")),
        evaluate: "dev" in splits or (not values.get("quantized") and "test" in splits),
        quantize: "dev" in splits,
        predict: "test" in splits,
    }
    return needed.get(stage, True)
