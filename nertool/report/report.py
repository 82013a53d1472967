"""The report: one HTML page, complete in itself, about what a model got right and wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

from nertool.counts import METRICS
from nertool.progress import logger
from nertool.report import plots

MOST_SENTENCES = 1000
"""Sentences with errors that a page shows of one model and split; the files of errors hold all."""
GROUPINGS = ("seen", "entity_length", "sentence_length")
"""Ways to group entities, as results name them."""


class Scored(NamedTuple):
    """Results of a model on a split.

    Attributes:
        model: name for people; empty where nobody knows.
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
        """Model and split."""
        return " ".join(filter(None, (self.model, self.split)))


@dataclass(frozen=True)
class Page:
    """What a page is about.

    Attributes:
        title: name of the data.
        scored: results, in the order in which they are shown.
        comparison: as in `comparison.json`; empty where nothing was compared.
        training: facts of the training, whose `history` is drawn.
        quantization: as in `quantization.json`; empty without an INT8 model.
        note: what a reader must know of the data's published scores.
    """

    title: str
    scored: Sequence[Scored]
    comparison: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    quantization: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def compared(self) -> dict[str, Mapping[str, Any]]:
        """The comparison of each split."""
        return {split: row for split, row in self.comparison.items() if isinstance(row, Mapping)}

    @property
    def everything(self) -> list[Scored]:
        """The results, and those of the model that they are compared with."""
        other = self.comparison.get("other", "")
        return [
            *self.scored,
            *(Scored(other, split, row["other_results"], Path()) for split, row in self.compared.items()),
        ]


def write_report(path: Path, page: Page) -> None:
    """Write a page; without matplotlib it has no plots, and says so."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("nertool.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _figure
    if not plots.available():
        logger.info("the page has no plots: %s", plots.MISSING)
    text = environment.get_template("report.html").render(
        title=page.title,
        scored=page.everything,
        metrics=METRICS,
        compared=page.compared,
        other=page.comparison.get("other"),
        quantization=page.quantization,
        plots=_draw(page) if plots.available() else None,
        plots_missing=plots.MISSING,
        sentences={one.name: list(islice(_sentences(one), MOST_SENTENCES)) for one in page.scored},
        most=MOST_SENTENCES,
        note=page.note,
    )
    path.write_text(text, encoding="utf-8")


class Plots(NamedTuple):
    """Drawings as SVG text.

    Attributes:
        scores: F1 of each type.
        confusion: a confusion matrix by the name of model and split.
        groups: recall by group.
        curve: loss and dev score by epoch; empty where the training is unknown.
    """

    scores: str
    confusion: dict[str, str]
    groups: list[str]
    curve: str


def _draw(page: Page) -> Plots:
    history = page.training.get("history")
    return Plots(
        scores=plots.scores(_by_split(page.everything)),
        confusion={one.name: plots.confusion(one.results) for one in page.everything if one.results["confusion"]},
        groups=list(_group_plots(page.scored)),
        curve=plots.learning_curve(history, page.training.get("metric", "f1")) if history else "",
    )


def _group_plots(scored: Sequence[Scored]) -> Iterator[str]:
    """A plot for each way to group entities that any of the results has."""
    for name in GROUPINGS:
        models = [(one.name, one.results["by"][name]) for one in scored if name in one.results.get("by", {})]
        if models:
            yield plots.groups(name.replace("_", " "), models)


def _by_split(scored: Sequence[Scored]) -> dict[str, list[tuple[str, Mapping[str, Any]]]]:
    found: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for one in scored:
        found.setdefault(one.split, []).append((one.model, one.results))
    return found


def _sentences(scored: Scored) -> Iterator[dict[str, Any]]:
    """Sentences with errors: their tokens in pieces, those of gold and of predicted entities marked."""
    if not scored.errors.is_file():
        return
    with scored.errors.open(encoding="utf-8") as file:
        rows = map(json.loads, file)
        for number, errors in groupby(rows, key=lambda row: row["sentence"]):
            wrong = list(errors)
            tokens = wrong[0]["tokens"]
            yield {
                "number": number,
                "line": wrong[0]["line"],
                "kinds": sorted({row["kind"] for row in wrong}),
                "types": sorted({row[side]["type"] for row in wrong for side in ("gold", "predicted") if row[side]}),
                "unseen": any(row["seen"] is False and row["gold"] for row in wrong),
                "gold": _pieces(tokens, [row["gold"] for row in wrong if row["gold"]]),
                "predicted": _pieces(tokens, [row["predicted"] for row in wrong if row["predicted"]]),
            }


def _pieces(tokens: Sequence[str], entities: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(text, type) from left to right; the type is empty between entities."""
    pieces, place = [], 0
    for entity in sorted(entities, key=lambda entity: int(entity["start"])):
        if place < entity["start"]:
            pieces.append((" ".join(tokens[place : entity["start"]]), ""))
        pieces.append((" ".join(tokens[entity["start"] : entity["end"]]), entity["type"]))
        place = entity["end"]
    return [*pieces, (" ".join(tokens[place:]), "")] if place < len(tokens) else pieces


def _figure(value: Any) -> str:
    """A figure as people read it."""
    if isinstance(value, float):
        return f"{value:,.1f}" if value > 1 else f"{value:.4f}"
    return f"{value:,}"
