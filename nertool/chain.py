"""Run every stage from data to an INT8 model in use, in order, skipping what is fresh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, fields, make_dataclass
from types import MappingProxyType, ModuleType
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

import typer

from nertool.errors import MissingInput
from nertool.sources.recipes import RECIPES, recipe_names
from nertool.stages import download, evaluate, labels, predict, preprocess, quantize, train
from nertool.stages.options import names_data, options_for
from nertool.workspace.names import STAGES
from nertool.workspace.option_values import refuse_unused
from nertool.workspace.stage import Result
from nertool.workspace.stage_options import StageOptions
from nertool.workspace.workspace import Workspace

MODULES: dict[str, ModuleType] = {
    stage.__name__.rpartition(".")[2]: stage
    for stage in (download, preprocess, labels, train, evaluate, quantize, predict)
}
"""The stages by name, in the order of the chain."""
FIRST = ("recipe", "until", "train_file", "validation_file", "test_file", "task", "model", "num_epochs", "batch_size")
"""Options that people need first."""
ALL_FIELDS = {name: tuple(option.name for option in fields(stage.Options)) for name, stage in MODULES.items()}
OF_OTHERS = {option for name, options in ALL_FIELDS.items() if name != "download" for option in options}
DOWNLOAD_ONLY = tuple(option for option in ALL_FIELDS["download"] if option not in OF_OTHERS)
"""Options of `download` that no other stage has."""
NAME_DATA = "Name a recipe, files or a data set too; or leave it out."
RecipeOption = Annotated[
    str | None,
    typer.Argument(
        help=f"Data set: {', '.join(RECIPES)}; none: the data that is there.",
        show_default=False,
        autocompletion=recipe_names,
    ),
]
UntilOption = Annotated[Literal[STAGES] | None, typer.Option("--until", help="The last stage to run.")]  # type: ignore[valid-type]


def _fields() -> Iterator[tuple[str, Any, Any]]:
    """Options of all stages that the chain can use, each once; those that only make sense alone are left out."""
    yield "recipe", RecipeOption, field(default=None)
    yield "until", UntilOption, field(default=None)
    seen = {"recipe", "until"}
    for stage in MODULES.values():
        hints = get_type_hints(stage.Options, include_extras=True)
        for option in fields(stage.Options):
            if option.name not in seen and option.name not in stage.Options.alone:
                seen.add(option.name)
                yield option.name, hints[option.name], field(default=option.default)


def _groups() -> dict[str, tuple[str, ...]]:
    """Every option but the first ones under the stage that it belongs to."""
    groups: dict[str, tuple[str, ...]] = {}
    seen = set(FIRST)
    for name, stage in MODULES.items():
        names = [option.name for option in fields(stage.Options)]
        own = [option for option in names if option not in seen and option not in stage.Options.alone]
        groups[name.capitalize()] = tuple(own)
        seen.update(own)
    return groups


Options = make_dataclass(
    "Options", list(_fields()), bases=(StageOptions,), frozen=True, namespace={"groups": _groups()}
)
Options.__doc__ = "Options of `run`: those of the stages that the chain can use."


class Step(NamedTuple):
    """One stage of the chain: its name, and what the chain fixes of its options."""

    stage: str
    fixed: Mapping[str, Any] = {}


STEPS = (
    Step("download"),
    Step("preprocess"),
    Step("labels"),
    Step("train"),
    Step("evaluate", {"quantized": False}),
    Step("quantize"),
    Step("evaluate", {"quantized": True}),
    Step("predict", {"quantized": True}),
)


def run(workspace: Workspace, values: Mapping[str, Any], until: str | None = None) -> Iterator[Result]:
    """Run the chain, giving each stage's result as it ends.

    Args:
        values: options by field name; each stage takes those it has. Where they name no data (a recipe, files, a
            data set), the files that are there already are the data.
        until: the last stage to run; None runs all.

    Raises:
        NertoolError: as the stages do.
    """
    has_data = names_data(values)
    for step in STEPS:  # a value that a late stage refuses is refused before the first one
        _options(step.stage, values)
    with workspace.locked("run", creates=has_data):
        if not has_data:
            _need_data(workspace)
            refuse_unused(_options("download", values), DOWNLOAD_ONLY, "is for data that are named", NAME_DATA)
        for step in STEPS:
            fixed = _fixed_options(step, workspace)
            if step.stage == "train" and _quantizes(values, workspace, until):
                quantize.check_backend(_options("quantize", values))  # now, not after hours of training
            if _has_input(step, values, workspace):
                yield MODULES[step.stage].run(workspace, _options(step.stage, values, fixed))
            if step.stage == until and not step.fixed.get("quantized"):
                return


def _quantizes(values: Mapping[str, Any], workspace: Workspace, until: str | None) -> bool:
    """Say whether the chain gets as far as an INT8 model."""
    reached = until is None or STAGES.index(until) >= STAGES.index("quantize")
    return reached and _has_input(Step("quantize"), values, workspace)


def _options(stage: str, values: Mapping[str, Any], fixed: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """The options of a stage: those values that it has, and what the chain fixes."""
    options = MODULES[stage].Options
    known = {name: value for name, value in values.items() if name not in options.alone}
    return options_for(options, {**known, **fixed})


def _need_data(workspace: Workspace) -> None:
    if not workspace.splits(".txt.tmp") and not workspace.splits(".txt"):
        raise MissingInput(
            f"{workspace.path} holds no data",
            f"Name a data set: {workspace.data_command('run')}",
        )


def _fixed_options(step: Step, workspace: Workspace) -> Mapping[str, Any]:
    """What the chain fixes; without dev nothing is quantized, so that the FP32 model tags test."""
    if step.stage == "predict":
        return {"quantized": "dev" in workspace.splits(".txt")}
    return step.fixed


def _has_input(step: Step, values: Mapping[str, Any], workspace: Workspace) -> bool:
    """There are data for the stage. Without dev nothing is quantized: nothing could decide which model to keep."""
    splits = workspace.splits(".txt")
    if step.stage == "download":
        return names_data(values)
    if step.stage == "preprocess":
        return bool(workspace.splits(".txt.tmp"))
    if step.stage == "evaluate":
        return "dev" in splits or (not step.fixed["quantized"] and "test" in splits)
    if step.stage == "quantize":
        return "dev" in splits
    if step.stage == "predict":
        return "test" in splits
    return True
