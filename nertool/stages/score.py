"""Score predictions of any tool: a file with a token, the gold tag and the predicted tag a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from nertool.sources.readers.columns import ESCAPES
from nertool.stages.options import StrictOption
from nertool.workspace.stage import Result
from nertool.workspace.stage_options import StageOptions


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `score`."""

    in_workspace = False  # a file is all that it needs

    file: Annotated[
        str,
        typer.Argument(help="File whose last two columns are the gold and the predicted tag; - is standard input."),
    ]
    predicted: Annotated[
        str | None, typer.Option("--predicted", help="File that holds the predicted tags; FILE holds the gold tags.")
    ] = None
    compare: Annotated[
        str | None, typer.Option("--compare", help="File of another model's predictions of the same sentences.")
    ] = None
    strict: StrictOption = None
    delimiter: Annotated[
        str,
        typer.Option("--delimiter", help="Separator of the columns: tab, space or any text [default: white space]."),
    ] = ""
    surface_forms: Annotated[
        bool, typer.Option("--surface-forms", help="Score distinct surface forms too, as WNUT'17 ranked systems.")
    ] = False
    report: Annotated[
        str | None, typer.Option("--report", help="Directory that gets the page report.html and the list of errors.")
    ] = None


def run(options: Options) -> Result:
    """Score a file, or two files, of gold and predicted tags; no model and no workspace are needed.

    Raises:
        NertoolError: as `scoring.score_files.score_files` does.
    """
    from nertool.scoring.score_files import score_files

    results = score_files(
        options.file,
        predicted=options.predicted,
        compare=options.compare,
        report=options.report,
        scheme=options.strict,
        surface_forms=options.surface_forms,
        delimiter=ESCAPES.get(options.delimiter, options.delimiter).strip(" "),
    )
    return Result("score", results)
