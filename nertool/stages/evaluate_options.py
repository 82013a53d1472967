"""Options of `evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from nertool.errors import InvalidOption
from nertool.models.thresholds import check_least
from nertool.stages.model_options import TaggingOptions
from nertool.stages.options import ForceOption, SplitsOption, StrictOption
from nertool.workspace.option_values import refuse_unused


@dataclass(frozen=True)
class Options(TaggingOptions):
    """Options of `evaluate`."""

    unrecorded = (
        *TaggingOptions.unrecorded,
        *("split", "quantized", "both"),  # they are in the records' names
        *("columns", "predicted", "report", "compare", "inner"),  # what they name is recorded by digest
        *("precision", "recall"),  # they have a record of their own
    )
    alone = (
        *("split", "quantized", "both", "columns", "predicted", "report", "compare", "allow_stale"),
        *("precision", "recall"),  # `train` has another --precision
    )

    split: SplitsOption = None
    both: Annotated[
        bool, typer.Option("--both", help="Evaluate the FP32 model, and the INT8 model where there is one.")
    ] = False
    strict: StrictOption = None
    compare: Annotated[
        str | None,
        typer.Option("--compare", help="Workspace, model directory or predictions file to compare the model with."),
    ] = None
    inner: Annotated[
        str | None,
        typer.Option("--inner", help="Workspace or predictions file of GermEval's inner layer, for its metric 1."),
    ] = None
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            help="Find the least score of entities that reaches this precision on dev, such as 0.95, or of a type, "
            "such as PER=0.95; may be repeated. predict --thresholds own applies it.",
            show_default=False,
        ),
    ] = None
    recall: Annotated[
        list[str] | None,
        typer.Option(
            "--recall",
            help="Find the greatest score of entities that reaches this recall on dev, such as 0.9, or of a type, "
            "such as PER=0.9; may be repeated.",
            show_default=False,
        ),
    ] = None
    columns: Annotated[
        str | None, typer.Option("--columns", hidden=True, help="Old spelling of: nertool score FILE.")
    ] = None
    predicted: Annotated[
        str | None, typer.Option("--predicted", hidden=True, help="Option of: nertool score FILE.")
    ] = None
    report: Annotated[str | None, typer.Option("--report", hidden=True, help="Option of: nertool score FILE.")] = None
    force: ForceOption = False

    def __post_init__(self) -> None:
        """Refuse values that make no sense, and options that do not go together."""
        super().__post_init__()
        if (self.predicted or self.report) and self.columns is None:
            raise InvalidOption("--predicted and --report are options of score", "Run: nertool score FILE")
        if self.precision and self.recall:
            raise InvalidOption("--precision and --recall cannot both be reached by one threshold", "Give one of them.")
        check_least("--precision", self.precision or [])
        check_least("--recall", self.recall or [])
        if self.columns is not None:
            refuse_unused(self, ("split", "quantized", "both", "inner", "decoding"), "is for a model of the workspace")
        if self.both:
            refuse_unused(self, ("quantized",), "is one of the two models of --both")
