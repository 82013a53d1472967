"""The page of `evaluate`: all results in the workspace, of all models."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nertool.errors import InvalidData, translate_odd_content
from nertool.sources.recipes import recipe_of
from nertool.stages.evaluation_files import ResultFiles, result_files
from nertool.training.model_card import CARD
from nertool.workspace.digests import read_json
from nertool.workspace.names import EVALUATION, MODEL, QUANTIZED, SPLITS, TABLE, THRESHOLDS
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.stage_options import StageOptions
from nertool.workspace.workspace import Workspace

if TYPE_CHECKING:
    from nertool.report.report import Page

REPORT = "report.html"
COMPARISON = "comparison.json"
ANEW = "Remove it, and evaluate anew: nertool evaluate"
MODEL_NAMES = {MODEL: "FP32", QUANTIZED: "INT8"}
"""Names of the models on the page, by their directories."""


class Evaluated(NamedTuple):
    """Results in the workspace.

    Attributes:
        model: name of the model on the page.
        split: train, dev or test.
        files: names of the files.
    """

    model: str
    split: str
    files: ResultFiles


@dataclass(frozen=True)
class ReportOptions(StageOptions):
    """The page has no options."""


def write_page(workspace: Workspace, force: bool = False) -> Result:
    """Write a page about all results in the workspace: of the FP32 model, of INT8, of a model compared with them.

    Args:
        force: write it, even if nothing has changed.

    Raises:
        InvalidData: a file of results is not what `evaluate` writes.
    """
    evaluated = list(_evaluated(workspace))
    files = [f"{EVALUATION}/{COMPARISON}", f"{QUANTIZED}/{TABLE}", *_threshold_files(workspace).values()]
    files.append(f"{workspace.facts('train').get('output_dir', MODEL)}/{CARD}")  # it changes with what a training gave
    for one in evaluated:
        files += [one.files.results, one.files.errors]
    there = [name for name in files if (workspace / name).exists()]
    planned = StageRun(
        "evaluate:report",
        ReportOptions(),
        reads=there,
        writes=[f"{EVALUATION}/{REPORT}"],
        force=force,
    )

    def work(stage: Stage) -> None:
        from jinja2 import UndefinedError

        from nertool.report.report import write_report

        page = _page(workspace, evaluated)
        again = f"Remove what was edited, and run: {workspace.command('evaluate', '--force')}"
        with translate_odd_content(f"{workspace.path}: {' or '.join(there)}", again, also=(UndefinedError,)):
            write_report(stage.file(f"{EVALUATION}/{REPORT}"), page)
        stage.facts = {"results": len(evaluated)}

    return workspace.run(planned, work)


def check_shown_files(workspace: Workspace, written: Collection[str]) -> None:
    """Check files that the page shows beside results, before anything is tagged.

    Args:
        written: directories of models whose thresholds are written before the page is.

    Raises:
        InvalidData: one is damaged, or does not hold what nertool writes.
    """
    from jinja2 import UndefinedError

    from nertool.report.report import Page, check_parts

    pages: dict[Path, Page] = {}
    for name, path in _threshold_files(workspace).items():
        if path.partition("/")[0] not in written:
            pages[workspace / path] = Page("", [], thresholds=_shown_thresholds({name: _json(workspace / path)}))
    pages[workspace / QUANTIZED / TABLE] = Page("", [], quantization=_json(workspace / QUANTIZED / TABLE))
    for file, page in pages.items():
        with translate_odd_content(str(file), ANEW, also=(UndefinedError,)):
            check_parts(page)


def _page(workspace: Workspace, evaluated: Iterable[Evaluated]) -> Page:
    from nertool.report.report import Page, Scored

    scored = []
    for model, split, files in evaluated:
        scored.append(Scored(model, split, _json(workspace / files.results), workspace / files.errors))
    kept = {model: _json(workspace / name) for model, name in _threshold_files(workspace).items()}
    recipe = recipe_of(workspace.facts("download"))
    return Page(
        title=recipe.name if recipe else "own data",
        scored=scored,
        comparison=_json(workspace / EVALUATION / COMPARISON),
        training=workspace.facts("train"),
        quantization=_json(workspace / QUANTIZED / TABLE),
        thresholds=_shown_thresholds(kept),
        note=recipe.note if recipe else "",
    )


def _shown_thresholds(kept: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those that `evaluate` has found on dev, and nobody has set by hand."""
    return {model: content for model, content in kept.items() if "measure" in content}


def _threshold_files(workspace: Workspace) -> dict[str, str]:
    """Names of the files of thresholds, by the models' names on the page; they need not exist."""
    model = workspace.facts("train").get("output_dir", MODEL)
    return {MODEL_NAMES[MODEL]: f"{model}/{THRESHOLDS}", MODEL_NAMES[QUANTIZED]: f"{QUANTIZED}/{THRESHOLDS}"}


def _evaluated(workspace: Workspace) -> Iterator[Evaluated]:
    """Find results in the workspace."""
    for directory in (MODEL, QUANTIZED):
        for split in SPLITS:
            files = result_files(directory, split)
            if (workspace / files.results).exists():
                yield Evaluated(MODEL_NAMES[directory], split, files)


def _json(path: Path) -> dict[str, Any]:
    """Read the object of a JSON file; give an empty one where there is no such file."""
    try:
        content = read_json(path) if path.exists() else {}
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{path} is not JSON: {error}", ANEW) from error
    if not isinstance(content, dict):
        raise InvalidData(f"{path} holds no JSON object", ANEW)
    return content
