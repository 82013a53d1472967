"""Write the report: one HTML page without other files, about what a model got right and wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from nertool.counts import METRICS
from nertool.progress import logger
from nertool.report import plots
from nertool.report.templates import page_templates

MOST_SENTENCES = 1000
"""Sentences with errors that a page shows of one model and split; the files of errors hold all."""
GROUPINGS = ("seen", "entity_length", "sentence_length")
"""Ways to group entities, as results name them."""


class Scored(NamedTuple):
    """Results of a model on a split.

    Attributes:
        model: name for people; empty for predictions of an unknown model.
        split: train, dev or test, or the name of a file.
        results: as in `{split}_results.json`.
        errors: the file of errors, an error a line; it may be missing.
    """

    model: str
    split: str
    results: Mapping[str, Any]
    errors: Path

    @property
    def name(self) -> str:
        """Model and split, as the page names them."""
        return f"{self.model} {self.split}" if self.model else self.split


@dataclass(frozen=True)
class Page:
    """What a page is about.

    Attributes:
        title: name of the data.
        scored: results, in the order in which they are shown.
        comparison: as in `comparison.json`; empty where nothing was compared.
        training: facts of the training, whose `history` is drawn.
        quantization: as in `quantization.json`; empty without an INT8 model.
        thresholds: as in `thresholds.json`, by the model's name for people.
        note: what a reader must know of the data's published scores.
    """

    title: str
    scored: Sequence[Scored]
    comparison: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    quantization: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    note: str = ""

    @property
    def compared(self) -> dict[str, Mapping[str, Any]]:
        """The comparison of each split."""
        return {split: row for split, row in self.comparison.items() if isinstance(row, Mapping)}

    @property
    def everything(self) -> list[Scored]:
        """The results, and those of the model that they are compared with."""
        other = self.comparison.get("other", "")
        scored = list(self.scored)
        for split, row in self.compared.items():
            scored.append(Scored(other, split, row["other_results"], Path()))
        return scored


def write_report(path: Path, page: Page) -> None:
    """Write a page; without matplotlib it has no plots, and says so."""
    if not plots.available():
        logger.info("the page has no plots: %s", plots.MISSING)
    text = _render(
        "report.html",
        title=page.title,
        scored=page.everything,
        metrics=METRICS,
        compared=page.compared,
        other=page.comparison.get("other"),
        quantization=page.quantization,
        thresholds=page.thresholds,
        training=page.training,
        seeds=page.training.get("seeds"),
        test_mean=page.training.get("test_mean"),
        parts=page.training.get("curve"),
        metric=METRICS[page.training.get("metric", "f1")],
        plots=_draw(page) if plots.available() else None,
        plots_missing=plots.MISSING,
        sentences=_first_sentences(page.scored),
        most=MOST_SENTENCES,
        note=page.note,
    )
    path.write_text(text, encoding="utf-8")


def check_parts(page: Page) -> None:
    """Write the parts of a page that are about other files than results, and keep nothing.

    Raises:
        jinja2.UndefinedError, LookupError, TypeError, ValueError: a file does not hold what its part shows.
    """
    if page.quantization:
        _render("quantization.html", quantization=page.quantization, metrics=METRICS)
    _render("thresholds.html", thresholds=page.thresholds)


def _render(template: str, **content: Any) -> str:
    environment = page_templates()
    environment.filters["figure"] = _figure
    return environment.get_template(template).render(content)


class Plots(NamedTuple):
    """Drawings as SVG text.

    Attributes:
        scores: F1 of each type.
        confusion: a confusion matrix by the name of model and split.
        groups: recall by group.
        confidence: how far probabilities can be trusted, by split.
        curve: loss and dev score by epoch; empty where the training is unknown.
        data_curve: scores by the number of sentences; empty without `train --curve`.
    """

    scores: str
    confusion: dict[str, str]
    groups: list[str]
    confidence: dict[str, str]
    curve: str
    data_curve: str


def _draw(page: Page) -> Plots:
    history, parts = page.training.get("history"), page.training.get("curve")
    metric = page.training.get("metric", "f1")
    return Plots(
        scores=plots.scores(_by_split(page.everything)),
        confusion=_confusion_plots(page.everything),
        groups=list(_group_plots(page.scored)),
        confidence=_confidence_plots(page.scored),
        curve=plots.learning_curve(history, metric) if history else "",
        data_curve=plots.data_curve(parts, metric) if parts else "",
    )


def _confusion_plots(everything: Sequence[Scored]) -> dict[str, str]:
    """Draw the confusion matrix of each result that has one."""
    drawings = {}
    for scored in everything:
        if scored.results["confusion"]:
            drawings[scored.name] = plots.confusion(scored.results, scored.name)
    return drawings


def _confidence_plots(everything: Sequence[Scored]) -> dict[str, str]:
    """Draw the probabilities of each split whose results know them."""
    drawings = {}
    for split, models in _by_split([scored for scored in everything if "calibration" in scored.results]).items():
        drawings[split] = plots.confidence(split, models)
    return drawings


def _group_plots(everything: Sequence[Scored]) -> Iterator[str]:
    """Draw a plot for each way to group entities that any of the results has."""
    for grouping in GROUPINGS:
        models = []
        for scored in everything:
            if grouping in scored.results.get("by", {}):
                models.append((scored.name, scored.results["by"][grouping]))
        if models:
            yield plots.groups(grouping.replace("_", " "), models)


def _by_split(everything: Sequence[Scored]) -> dict[str, list[tuple[str, Mapping[str, Any]]]]:
    """Group results by split: (model, results) pairs."""
    by_split: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for scored in everything:
        by_split.setdefault(scored.split, []).append((scored.model, scored.results))
    return by_split


def _first_sentences(everything: Sequence[Scored]) -> dict[str, list[dict[str, Any]]]:
    """Give the first MOST_SENTENCES sentences with errors of each result, by the name of model and split."""
    sentences = {}
    for scored in everything:
        sentences[scored.name] = list(islice(_sentences(scored), MOST_SENTENCES))
    return sentences


def _sentences(scored: Scored) -> Iterator[dict[str, Any]]:
    """Read the sentences with errors from the file of errors."""
    if not scored.errors.is_file():
        return
    with scored.errors.open(encoding="utf-8") as file:
        rows = map(json.loads, file)
        for (number, first), errors in groupby(rows, key=lambda row: (row["sentence"], row.get("tokens_from", 0))):
            yield _sentence(number, first, list(errors))


def _sentence(number: int, first: int, errors: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Describe a sentence with errors: its tokens in pieces, those of gold and of predicted entities marked.

    Args:
        first: 0-based place of the first token that is shown; not 0 within a long sentence.
    """
    gold, predicted = [], []
    kinds: set[str] = set()
    types: set[str] = set()
    unseen = False
    for error in errors:
        kinds.add(error["kind"])
        if error["gold"]:
            gold.append(error["gold"])
            types.add(error["gold"]["type"])
            unseen |= error["seen"] is False
        if error["predicted"]:
            predicted.append(error["predicted"])
            types.add(error["predicted"]["type"])
    tokens = max((error["tokens"] for error in errors), key=len)
    return {
        "number": number,
        "line": errors[0]["line"],
        "kinds": sorted(kinds),
        "types": sorted(types),
        "unseen": unseen,
        "gold": _pieces(tokens, first, gold),
        "predicted": _pieces(tokens, first, predicted),
    }


def _pieces(tokens: Sequence[str], first: int, entities: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Cut tokens, the first of which has this place, into (text, type); the type is empty between entities."""
    pieces = []
    end = 0
    for entity in sorted(entities, key=itemgetter("start")):
        start = entity["start"] - first
        if end < start:
            pieces.append((" ".join(tokens[end:start]), ""))
        end = entity["end"] - first
        pieces.append((" ".join(tokens[start:end]), entity["type"]))
    if end < len(tokens):
        pieces.append((" ".join(tokens[end:]), ""))
    return pieces


def _figure(value: Any) -> str:
    """Write a figure as people read it."""
    if isinstance(value, float):
        return f"{value:,.1f}" if value > 1 else f"{value:.4f}"
    return f"{value:,}"
