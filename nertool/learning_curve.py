"""The learning curve of a training, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nertool.counts import METRICS


def draw(history: Sequence[Mapping[str, Any]], metric: str, path: Path) -> None:
    """Write an SVG with the loss and the dev score of each row of a history; the same bytes for the same rows."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    epochs = [row["epoch"] for row in history]
    with matplotlib.rc_context({"svg.hashsalt": "nertool", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure, left = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
        left.plot(epochs, [row["loss"] for row in history], marker="o", color="tab:gray", label="train loss")
        left.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
        if "dev_f1" in history[0]:
            right = left.twinx()
            scores = [row["dev_f1"] for row in history]
            right.plot(epochs, scores, marker="s", color="tab:blue", label=f"dev {METRICS[metric]}")
            right.set(ylabel=f"dev {METRICS[metric]}", ylim=(0, 1))
        figure.legend(loc="outside upper center", ncols=2)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
