"""Plots as SVG text that takes the colours of the page it stands in."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from nertool.counts import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#010203"
"""Colour of text and lines in the making; the page's own takes its place."""
COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")
MOST_TYPES = 25
"""Types that a confusion matrix shows, the most frequent ones."""
Named = Sequence[tuple[str, Mapping[str, Any]]]
"""Results, or groups of them, by the names of models."""


MISSING = "matplotlib is not installed: pip install 'nertool[report]'"
"""What to say where nothing can be drawn."""


def available() -> bool:
    """matplotlib, which draws everything here, is installed."""
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
    """The drawing as an element of a page, with a text for those who do not see it."""
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
    """The headline figure and F1 of each type with their intervals: a column a split, a colour a model."""
    types = sorted({label for models in by_split.values() for _, results in models for label in results["types"]})
    rows = ["all", *types]
    with _figure(3.6 * len(by_split) + 1, 0.32 * len(rows) + 1.2, len(by_split)) as (figure, axes):
        for axis, (split, models) in zip(axes, by_split.items(), strict=True):
            for number, (model, results) in enumerate(models):
                shift = _dodge(number, len(models), 0.8 / max(len(models), 2))
                by_row = {"all": results, **results["types"]}
                _draw_scores(axis, model, [by_row.get(row) for row in rows], shift, COLOURS[number % len(COLOURS)])
            axis.set(title=split, xlim=(0, 1), yticks=range(len(rows)), yticklabels=rows)
            axis.invert_yaxis()
            axis.grid(axis="x", alpha=0.3)
            if len(models) > 1:
                axis.legend(loc="best")
        return _svg(figure, "F1 with intervals")


def _draw_scores(axis: Axes, model: str, rows: Sequence[Mapping[str, Any] | None], shift: float, colour: str) -> None:
    """F1 and interval of a model in each row that it has."""
    values, places, intervals = [], [], []
    for number, figures in enumerate(rows):
        if figures:
            values.append(figures["f1"])
            places.append(number + shift)
            intervals.append((figures["f1"], figures["interval"]["f1"]))
    axis.errorbar(values, places, xerr=_spread(intervals), fmt="o", color=colour, capsize=2, ms=4, label=model)


def _dodge(number: int, of: int, width: float) -> float:
    """How far the mark of one of several models stands beside the middle of its row."""
    return (number - (of - 1) / 2) * width


def _spread(figures: Sequence[tuple[float, tuple[float, float]]]) -> list[list[float]]:
    """How far the bounds of each figure's interval are below and above it; shape (2, figures)."""
    return [
        [max(0.0, value - low) for value, (low, _) in figures],
        [max(0.0, high - value) for value, (_, high) in figures],
    ]


def confusion(results: Mapping[str, Any]) -> str:
    """Gold types (rows) against predicted ones, as shares of a row; `none` stands for no entity."""
    import matplotlib.colors
    import numpy as np

    counts = {(row["gold"], row["predicted"]): row["count"] for row in results["confusion"]}
    frequency: Counter[str] = Counter()
    for pair, count in counts.items():
        for label in set(pair):
            frequency[label] += count
    by_frequency = sorted(set(frequency) - {""}, key=lambda label: -frequency[label])
    types = sorted(by_frequency[:MOST_TYPES])
    shown = [*types, ""] if "" in frequency else types
    table = np.array([[counts.get((gold, predicted), 0) for predicted in shown] for gold in shown])
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    with _figure(0.5 * len(shown) + 1.8, 0.42 * len(shown) + 1.4) as (figure, (axis,)):
        shade = np.empty((*shares.shape, 4))
        shade[..., :3], shade[..., 3] = matplotlib.colors.to_rgb(COLOURS[0]), 0.7 * shares
        axis.imshow(shade, aspect="auto")  # where there is nothing, the page shows through
        names = [label or "none" for label in shown]
        places = range(len(shown))
        axis.set(xticks=places, yticks=places, xlabel="predicted", ylabel="gold")
        axis.set_xticklabels(names, rotation=45, ha="right")
        axis.set_yticklabels(names)
        for row, column in zip(*np.nonzero(table), strict=True):
            axis.text(column, row, f"{table[row, column]:,}", ha="center", va="center", fontsize=8)
        return _svg(figure, "confusion matrix")


def groups(name: str, models: Named) -> str:
    """Recall of the entities of each group, with its interval."""
    rows = list(dict.fromkeys(group for _, by in models for group in by))
    with _figure(6, 0.3 * len(rows) * max(1, len(models) ** 0.5) + 1) as (figure, (axis,)):
        height = 0.8 / len(models)
        for number, (model, by) in enumerate(models):
            shift = _dodge(number, len(models), height)
            _draw_recalls(axis, model, [by.get(row) for row in rows], shift, height, COLOURS[number % len(COLOURS)])
        axis.set(
            xlim=(0, 1),
            yticks=range(len(rows)),
            yticklabels=[row.replace("_", " ") for row in rows],
            xlabel=f"recall by {name}",
        )
        axis.invert_yaxis()
        if len(models) > 1:
            axis.legend(loc="best")
        return _svg(figure, f"recall by {name}")


def _draw_recalls(
    axis: Axes, model: str, rows: Sequence[Mapping[str, Any] | None], shift: float, height: float, colour: str
) -> None:
    """Recall and interval of a model in each row that it has, as bars."""
    values, places, intervals = [], [], []
    for number, figures in enumerate(rows):
        if figures:
            values.append(figures["recall"])
            places.append(number + shift)
            intervals.append((figures["recall"], figures["interval"]["recall"]))
    error = {"ecolor": INK, "elinewidth": 1, "capsize": 2}
    axis.barh(places, values, height * 0.9, xerr=_spread(intervals), error_kw=error, color=colour, label=model)


def learning_curve(history: Sequence[Mapping[str, Any]], metric: str) -> str:
    """The loss and the dev score of each row of a history; the same text for the same rows."""
    epochs = [row["epoch"] for row in history]
    with _figure(6, 3.5) as (figure, (left,)):
        left.plot(epochs, [row["loss"] for row in history], marker="o", color="tab:gray", label="train loss")
        left.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
        if "dev_f1" in history[0]:
            right = left.twinx()
            values = [row["dev_f1"] for row in history]
            right.plot(epochs, values, marker="s", color="tab:blue", label=f"dev {METRICS[metric]}")
            right.set(ylabel=f"dev {METRICS[metric]}", ylim=(0, 1))
        figure.legend(loc="outside upper center", ncols=2)
        return _svg(figure, "learning curve")
