"""Score files of gold and predicted tags that any tool has written; without a model and without a workspace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nertool.errors import InvalidOption, MissingInput
from nertool.scoring.comparison import difference
from nertool.scoring.prediction_files import Tagged, check_columns, read_both, read_tagged, score_file
from nertool.scoring.scorer import Scorer
from nertool.scoring.seqeval_check import MOST_TOKENS, compare_with_seqeval
from nertool.scoring.tagged_results import recognise_spelling, score_and_list_errors, warn_of_odd_results
from nertool.workspace.atomic import move_into_place

SENTENCES_LOOKED_AT = 1000
"""Sentences of a file that decide how its tags are read."""
REPORT = "report.html"
NAMES = ("comparison", "other")
"""Keys beside the results of a file, and in a comparison beside the file's."""


def score_files(
    file: str,
    *,
    predicted: str | None = None,
    compare: str | None = None,
    report: str | None = None,
    scheme: str | None = None,
    delimiter: str = "",
    surface_forms: bool = False,
) -> dict[str, Any]:
    """Results by the name of the file, `./comparison` for one named comparison; with `compare` a `comparison` too.

    Args:
        file: gold and predicted tags as last columns, `-` for standard input; gold tags alone with `predicted`.
        predicted: file whose last column holds the predicted tags of the same sentences.
        compare: file of gold and predicted tags of the same sentences, by another model.
        report: directory for a page and the list of errors.
        scheme: of the strict mode; None for that of most gold tags.
        delimiter: of the columns of every file; blanks and tabs without one.
        surface_forms: score distinct surface forms too, as WNUT'17 ranked systems.

    Raises:
        MissingInput: a file does not exist.
        InvalidData: a line lacks tags, or the files hold other sentences (names file and line).
        InvalidOption: the directory of the report cannot be made.
        NertoolError: seqeval counts other entities.
    """
    name = _name_of(file)
    if predicted is None and report is None and compare is None and not surface_forms:
        return {name: _score_fast(file, name, scheme, delimiter)}
    for path in filter(None, (file, predicted, compare)):
        if not Path(path).is_file():
            raise MissingInput(f"{path}: there is no such file", "Name files; standard input is scored alone.")
    results = {name: _score_with_tokens(_read(file, predicted, delimiter), name, report, scheme)}
    if surface_forms:
        results[name]["task_score"] = {"name": "distinct surface forms, as in WNUT'17", **results[name]["surface"]}
    if compare:
        compared = difference(
            _read(file, predicted, delimiter), Path(file), read_tagged(Path(compare), delimiter), Path(compare), scheme
        )
        results["comparison"] = {"other": Path(compare).name, name: compared}
    return results


def _name_of(file: str) -> str:
    """The name of a file, under which its results stand; other than the names that stand beside it there."""
    if file == "-":
        return "standard input"
    name = Path(file).name
    return f"./{name}" if name in NAMES else name


def _read(file: str, predicted: str | None, delimiter: str) -> Iterator[Tagged]:
    if predicted:
        return read_both(Path(file), Path(predicted), delimiter)
    return read_tagged(Path(file), delimiter)


def _score_fast(file: str, name: str, scheme: str | None, delimiter: str) -> dict[str, Any]:
    """Scores alone, which need no tokens."""
    scorer = Scorer(scheme, keep_tags=MOST_TOKENS)
    score_file(file, scorer, delimiter)
    results = {**scorer.results(), "seqeval": compare_with_seqeval(scorer)}
    warn_of_odd_results(name, results)
    return results


def _score_with_tokens(tagged: Iterator[Tagged], name: str, report: str | None, scheme: str | None) -> dict[str, Any]:
    """Scores and kinds of errors; where `report` names a directory, page and errors go there."""
    first = list(islice(tagged, SENTENCES_LOOKED_AT))
    spelling = recognise_spelling(first)
    gold, predicted = ({tag for one in first for tag in getattr(one, side)} for side in ("gold", "predicted"))
    check_columns(name, gold, predicted)
    with TemporaryDirectory(dir=_ensure_directory(report)) as scratch:
        errors = Path(scratch) / "errors.jsonl"
        scorer, analysis = score_and_list_errors(chain(first, tagged), spelling, scheme, None, errors)
        results = {**scorer.results(), **analysis.results(), "seqeval": compare_with_seqeval(scorer)}
        warn_of_odd_results(name, results)
        if report:
            _write_report(Path(scratch), name, results, Path(report))
    return results


def _write_report(scratch: Path, name: str, results: dict[str, Any], target: Path) -> None:
    from nertool.report.report import Page, Scored, write_report

    errors = scratch / "errors.jsonl"
    write_report(scratch / REPORT, Page(name, [Scored("", name, results, errors)]))
    for path in (errors, scratch / REPORT):
        move_into_place(path, target / path.name)


def _ensure_directory(directory: str | None) -> str | None:
    if directory:
        try:
            os.makedirs(directory, exist_ok=True)
        except OSError as error:
            raise InvalidOption(f"--report {directory}: {error.strerror}", "Name another directory.") from error
    return directory
