"""Draw plots as SVG text, which takes the text colour of the page around it."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from nertool.counts import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#010203"
"""Placeholder for the colour of text and lines; the page's text colour replaces it."""
COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")
MOST_TYPES = 25
"""Types that a confusion matrix shows, the most frequent ones."""
Named = Sequence[tuple[str, Mapping[str, Any]]]
"""(name of a model, its results or its figures by group), a pair a model."""

MISSING = "matplotlib is not installed: pip install 'nertool[report]'"
"""What to say where nothing can be drawn."""


def available() -> bool:
    """Say whether matplotlib, which draws all plots, is installed."""
    return find_spec("matplotlib") is not None


@contextmanager
def _figure(width: float, height: float, columns: int = 1) -> Iterator[tuple[Figure, Sequence[Axes]]]:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    inked: Sequence[Any] = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    style: dict[Any, Any] = {
        "svg.hashsalt": "nertool",
        "svg.fonttype": "none",
        "text.parse_math": False,  # a name may hold dollar signs
        "font.family": "sans-serif",
        "font.size": 9,
        "legend.frameon": False,  # its paper would hide the text where the page is dark
    }
    with matplotlib.rc_context({**style, **dict.fromkeys(inked, INK)}):
        figure, axes = pyplot.subplots(1, columns, figsize=(width, height), layout="constrained", squeeze=False)
        try:
            yield figure, list(axes[0])
        finally:
            pyplot.close(figure)


def _svg(figure: Figure, label: str) -> str:
    """Turn a drawing into an element of a page, with a text for readers who do not see it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :].replace(INK, "currentColor")
    drawing = re.sub(r'\bid="([^"]+)"', rf'id="{_slug(label)}-\1"', drawing)  # ids are the page's, not the drawing's
    drawing = re.sub(r'(url\(#|xlink:href="#)', rf"\g<1>{_slug(label)}-", drawing)
    return drawing.replace("<svg ", f'<svg role="img" aria-label="{_slug(label)}" ', 1)


def _slug(label: str) -> str:
    return re.sub(r"\W+", "-", label)


def scores(by_split: Mapping[str, Named]) -> str:
    """Plot the headline figure and F1 of each type with their intervals: a column a split, a colour a model."""
    rows = ["all", *_types(by_split)]
    with _figure(3.6 * len(by_split) + 1, 0.32 * len(rows) + 1.2, len(by_split)) as (figure, axes):
        for axis, (split, models) in zip(axes, by_split.items(), strict=True):
            for number, (model, results) in enumerate(models):
                shift = _dodge(number, len(models), 0.8 / max(len(models), 2))
                values, places, spread = _marks(rows, {"all": results, **results["types"]}, "f1", shift)
                style: dict[str, Any] = {"fmt": "o", "color": COLOURS[number % len(COLOURS)], "capsize": 2, "ms": 4}
                axis.errorbar(values, places, xerr=spread, label=model, **style)
            axis.set(title=split, xlim=(0, 1), yticks=range(len(rows)), yticklabels=rows)
            axis.invert_yaxis()
            axis.grid(axis="x", alpha=0.3)
            if len(models) > 1:
                axis.legend(loc="best")
        return _svg(figure, "F1 with intervals")


def _types(by_split: Mapping[str, Named]) -> list[str]:
    """List the types that any model's results hold."""
    types: set[str] = set()
    for models in by_split.values():
        for _, results in models:
            types.update(results["types"])
    return sorted(types)


def _marks(
    rows: Sequence[str], by_row: Mapping[str, Mapping[str, Any]], name: str, shift: float
) -> tuple[list[float], list[float], tuple[list[float], list[float]]]:
    """Place a model's figure in each row that the model has.

    Args:
        rows: names of the rows from top to bottom.
        by_row: the model's figures by row.
        name: of the figure to draw, such as `f1`.
        shift: how far the marks stand below the middle of their row, in rows.

    Returns:
        values, shape (marks,); places in rows, same shape; and how far the interval's bounds lie below and above each
        value, two lists of the same shape.
    """
    values: list[float] = []
    places: list[float] = []
    below: list[float] = []
    above: list[float] = []
    for number, row in enumerate(rows):
        if row in by_row:
            value = by_row[row][name]
            low, high = by_row[row]["interval"][name]
            values.append(value)
            places.append(number + shift)
            below.append(max(0.0, value - low))
            above.append(max(0.0, high - value))
    return values, places, (below, above)


def _dodge(number: int, of: int, width: float) -> float:
    """Say how far the mark of one of several models stands from the middle of its row, in rows."""
    return (number - (of - 1) / 2) * width


def confusion(results: Mapping[str, Any], name: str = "") -> str:
    """Plot gold types (rows) against predicted ones, as fractions of a row; `none` stands for no entity.

    Args:
        results: as in `{split}_results.json`.
        name: of model and split.
    """
    import matplotlib.colors
    import numpy as np

    shown = _most_frequent_types(results["confusion"])
    place_of = {label: place for place, label in enumerate(shown)}
    table = np.zeros((len(shown), len(shown)), dtype=np.int64)
    for cell in results["confusion"]:
        if cell["gold"] in place_of and cell["predicted"] in place_of:
            table[place_of[cell["gold"]], place_of[cell["predicted"]]] = cell["count"]
    fractions = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    with _figure(0.5 * len(shown) + 1.8, 0.42 * len(shown) + 1.4) as (figure, (axis,)):
        shade = np.empty((*fractions.shape, 4))
        shade[..., :3], shade[..., 3] = matplotlib.colors.to_rgb(COLOURS[0]), 0.7 * fractions
        axis.imshow(shade, aspect="auto")  # where there is nothing, the page shows through
        names = [label or "none" for label in shown]
        places = range(len(shown))
        axis.set(xticks=places, yticks=places, xlabel="predicted", ylabel="gold")
        axis.set_xticklabels(names, rotation=45, ha="right")
        axis.set_yticklabels(names)
        for row, column in zip(*np.nonzero(table), strict=True):
            axis.text(column, row, f"{table[row, column]:,}", ha="center", va="center", fontsize=8)
        return _svg(figure, f"confusion matrix {name}".strip())


def _most_frequent_types(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """List the MOST_TYPES types that most entities have, in byte order; at the end "" where it stands for any entity.

    Args:
        cells: `gold`, `predicted` and `count` of each cell of the confusion matrix that is not 0.
    """
    frequency: Counter[str] = Counter()
    for cell in cells:
        for label in {cell["gold"], cell["predicted"]}:
            frequency[label] += cell["count"]
    none = [""] if frequency.pop("", 0) else []
    by_frequency = sorted(frequency, key=lambda label: (-frequency[label], label))
    return sorted(by_frequency[:MOST_TYPES]) + none


def groups(name: str, models: Named) -> str:
    """Plot the recall of the entities of each group, with its interval."""
    rows: list[str] = []
    for _, by_group in models:
        rows += [group for group in by_group if group not in rows]
    with _figure(6, 0.3 * len(rows) * max(1, len(models) ** 0.5) + 1) as (figure, (axis,)):
        height = 0.8 / len(models)
        for number, (model, by_group) in enumerate(models):
            values, places, spread = _marks(rows, by_group, "recall", _dodge(number, len(models), height))
            colour, error = COLOURS[number % len(COLOURS)], {"ecolor": INK, "elinewidth": 1, "capsize": 2}
            axis.barh(places, values, height * 0.9, xerr=spread, error_kw=error, color=colour, label=model)
        names = [row.replace("_", " ") for row in rows]
        axis.set(xlim=(0, 1), yticks=range(len(rows)), yticklabels=names, xlabel=f"recall by {name}")
        axis.invert_yaxis()
        if len(models) > 1:
            axis.legend(loc="best")
        return _svg(figure, f"recall by {name}")


def confidence(split: str, models: Named) -> str:
    """Plot how far probabilities of tokens and entities can be trusted, and what a threshold leaves, side by side.

    Args:
        split: whose results these are.
        models: each has its `calibration`.
    """
    panels = [unit for unit in ("words", "entities") if any(_bins(results, "after", unit) for _, results in models)]
    if any("by_threshold" in results for _, results in models):
        panels.append("threshold")
    if not panels:
        return ""
    with _figure(3.5 * len(panels), 3.6, len(panels)) as (figure, axes):
        for axis, panel in zip(axes, panels, strict=True):
            for number, (model, results) in enumerate(models):
                colour = COLOURS[number % len(COLOURS)]
                if panel == "threshold":
                    _draw_thresholds(axis, model, results.get("by_threshold", ()), colour)
                else:
                    _draw_reliability(axis, model, results, panel, colour)
            axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
            axis.grid(alpha=0.3)
            axis.legend(loc="best", fontsize=8)
        return _svg(figure, f"confidence on {split}")


def _draw_reliability(axis: Axes, model: str, results: Mapping[str, Any], unit: str, colour: str) -> None:
    """Draw the share that is right over the probability, larger dots for more predictions; and the diagonal."""
    axis.plot([0, 1], [0, 1], color=INK, linewidth=0.8, alpha=0.5)
    for when, style in (("before", "--"), ("after", "-")):
        bins = _bins(results, when, unit)
        error = results["calibration"][when][unit]["error"]
        label = f"{model} {'' if when == 'after' else 'before calibration '}({error:.4f})".strip()
        probabilities, right = [one["probability"] for one in bins], [one["right"] for one in bins]
        total = sum(one["count"] for one in bins)
        axis.plot(probabilities, right, style, color=colour, label=label)
        axis.scatter(probabilities, right, [5 + 80 * one["count"] / total for one in bins], color=colour)
    axis.set(title="tokens" if unit == "words" else unit, xlabel="probability", ylabel="share that is right")


def _bins(results: Mapping[str, Any], when: str, unit: str) -> Sequence[Mapping[str, Any]]:
    bins: Sequence[Mapping[str, Any]] = results["calibration"][when][unit]["bins"]
    return bins


def _draw_thresholds(axis: Axes, model: str, points: Sequence[Mapping[str, Any]], colour: str) -> None:
    """Draw precision and recall of the entities from a score on."""
    thresholds = [point["threshold"] for point in points]
    for measure, style in (("precision", "-"), ("recall", "--")):
        figures, label = [point[measure] for point in points], f"{model} {measure}".strip()
        axis.plot(thresholds, figures, style, color=colour, label=label)
    axis.set(title="least score", xlabel="entities from this score on", ylabel="precision, recall")


def data_curve(rows: Sequence[Mapping[str, Any]], metric: str) -> str:
    """Plot the scores of trainings with their intervals over the number of sentences; all doublings are equally wide.

    Args:
        rows: `sentences`, `dev_f1` and `dev_interval` of each training, and of test where there is one.
        metric: key of METRICS.
    """
    sizes = [row["sentences"] for row in rows]
    splits = [split for split in ("dev", "test") if f"{split}_f1" in rows[0]]
    with _figure(6, 3.5) as (figure, (axis,)):
        for number, split in enumerate(splits):
            values, spread = _of_split(rows, split)
            places = [size * 2 ** _dodge(number, len(splits), 0.04) for size in sizes]
            style: dict[str, Any] = {"fmt": "o-", "color": COLOURS[number], "capsize": 2, "ms": 4}
            axis.errorbar(places, values, yerr=spread, label=split, **style)
        axis.set(xscale="log", xlabel="sentences of train", ylabel=METRICS[metric])
        axis.set_xticks(sizes, labels=[f"{size:,}" for size in sizes])
        axis.minorticks_off()
        axis.grid(axis="y", alpha=0.3)
        axis.legend(loc="best")
        return _svg(figure, "data curve")


def _of_split(rows: Iterable[Mapping[str, Any]], split: str) -> tuple[list[float], tuple[list[float], list[float]]]:
    """The scores of a split, and how far their intervals reach below and above them."""
    values: list[float] = []
    below: list[float] = []
    above: list[float] = []
    for row in rows:
        value, (low, high) = row[f"{split}_f1"], row[f"{split}_interval"]
        values.append(value)
        below.append(max(0.0, value - low))
        above.append(max(0.0, high - value))
    return values, (below, above)


def learning_curve(history: Sequence[Mapping[str, Any]], metric: str) -> str:
    """Plot the loss and the dev score of each row of a history; equal rows give equal text."""
    epochs: list[float] = []
    losses: list[float] = []
    scores: list[float] = []
    for row in history:
        epochs.append(row["epoch"])
        losses.append(row["loss"])
        if "dev_f1" in row:
            scores.append(row["dev_f1"])
    with _figure(6, 3.5) as (figure, (left,)):
        left.plot(epochs, losses, marker="o", color="tab:gray", label="train loss")
        left.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
        if scores:
            right = left.twinx()
            right.plot(epochs, scores, marker="s", color="tab:blue", label=f"dev {METRICS[metric]}")
            right.set(ylabel=f"dev {METRICS[metric]}", ylim=(0, 1))
        figure.legend(loc="outside upper center", ncols=2)
        return _svg(figure, "learning curve")
