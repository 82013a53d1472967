"""The report: one HTML page, complete in itself, about what a model got right and wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

from nertool.counts import METRICS
from nertool.report import plots

MOST_SENTENCES = 1000
"""Sentences with errors that a page shows of one model and split; the files of errors hold all."""
WHY_NO_TARGET = (
    "The README's TensorFlow tables (.8715 on dev, .8748 on test of GermEval 2014) are no target: that script moved "
    "every label by one place and counted runs of O as entities (5,968 on dev and 13,869 on test, in place of 2,674 "
    "and 6,178)."
)


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


def write_report(
    path: Path,
    title: str,
    scored: Sequence[Scored],
    comparison: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    quantization: Mapping[str, Any] | None = None,
) -> None:
    """Write the page.

    Args:
        scored: results, in the order in which they are shown.
        comparison: as in `comparison.json`.
        training: facts of the training, whose `history` is drawn.
        quantization: as in `quantization.json`.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    compared = {split: row for split, row in (comparison or {}).items() if isinstance(row, Mapping)}
    others = [
        Scored((comparison or {})["other"], split, row["other_results"], Path()) for split, row in compared.items()
    ]
    history = (training or {}).get("history")
    environment = Environment(
        loader=PackageLoader("nertool.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _figure
    everything = [*scored, *others]
    page = environment.get_template("report.html").render(
        title=title,
        scored=everything,
        metrics=METRICS,
        compared=compared,
        other=(comparison or {}).get("other"),
        quantization=quantization,
        scores_plot=plots.scores(_by_split(everything)),
        confusion_plots={one.name: plots.confusion(one.results) for one in everything if one.results["confusion"]},
        group_plots={
            name: plots.groups(
                name, [(one.name, one.results["by"][name]) for one in scored if name in one.results["by"]]
            )
            for name in ("seen", "entity length", "sentence length")
            if any(name in one.results.get("by", {}) for one in scored)
        },
        curve=plots.learning_curve(history, (training or {}).get("metric", "f1")) if history else "",
        sentences={one.name: list(islice(_sentences(one), MOST_SENTENCES)) for one in scored},
        most=MOST_SENTENCES,
        note=WHY_NO_TARGET if title == "germeval2014" else "",
    )
    path.write_text(page, encoding="utf-8")


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
