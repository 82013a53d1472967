"""The results of `evaluate` and `score` as tables: scores by type, thresholds, a comparison of two models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from nertool.cli.cells import (
    Facts,
    interval_of,
    metric_of,
    shown_name,
    signed,
    splits_and_others,
    table_of,
    text_of,
    with_caption,
)
from nertool.progress import amount


def evaluation_tables(results: Facts) -> list[Table]:
    """Show a table of types for each split; then how far the model is from another."""
    tables = []
    for name, facts in results.items():
        if "measure" in facts:
            tables.append(_points(name, facts))
        elif "types" in facts:
            tables.append(_types(name, facts))
    if "comparison" in results:
        tables.append(_comparison(results["comparison"]))
    return tables


def _types(split: str, facts: Facts) -> Table:
    if facts["metric"] == "accuracy":
        title, column, every = f"{split}: tags without types; all: accuracy", "tag", "all"
    else:
        title, column, every = f"{split}: entities, {facts['mode']} mode; all: micro average", "type", "all"
    rows = []
    for label, counted in facts["types"].items():
        rows.append({column: label, **_scores(counted)})
    rows.append({column: every, **_scores(facts)})
    return with_caption(table_of(title, rows), "\n".join(["; ".join(_notes(facts)), *_other_scores(facts)]))


def _points(name: str, facts: Facts) -> Table:
    """Show what thresholds give, a line for each type and split."""
    rows = []
    given = [(_point_name(point, facts), point) for point in facts["points"]]
    if len(given) > 1:
        given.append(("all", facts["all_types"]))
    for label, point in given:
        for split, figures in splits_and_others(point)[0].items():
            row = {"type": label, "wanted": point.get("wanted"), "threshold": point.get("threshold"), "split": split}
            for measure in ("precision", "recall"):
                row |= {measure: figures[measure], f"95 % of {measure}": interval_of(figures["interval"][measure])}
            rows.append({**row, "f1": figures["f1"], "predicted": figures["predicted"], "support": figures["support"]})
    table = table_of(f"{name}: {facts['measure']} that is reached on dev", rows)
    return with_caption(table, "kept beside the model; they hold with: nertool predict --thresholds own")


def _point_name(point: Facts, facts: Facts) -> str:
    return point["type"] or ("other types" if len(facts["points"]) > 1 else "all")


def _notes(facts: Facts) -> Iterator[str]:
    if facts["metric"] != "accuracy":
        if facts.get("decoding") == "argmax":
            yield "decoded by argmax, as run_ner.py does"
        yield f"token accuracy {facts['accuracy']:.4f}"
    equal_modes = facts.get("seqeval", {}).get("modes")
    if equal_modes:
        yield f"equal to seqeval ({' and '.join(equal_modes)})"
    yield f"{amount(facts['sentences'], 'sentences')}, {amount(facts['tokens'], 'tokens')}"


def _scores(figures: Facts) -> dict[str, Any]:
    row = {}
    for column in ("precision", "recall", "f1", "support", "predicted", "correct"):
        row[column] = figures[column]
    row["95 % of f1"] = interval_of(figures["interval"]["f1"])
    return row


def _other_scores(facts: Facts) -> Iterator[str]:
    """Give the other figures of a split, each with its mode."""
    if "strict" in facts:
        yield f"{facts['strict']['mode']} mode: F1 {_with_interval(facts['strict'])}"
    if "argmax" in facts:
        yield f"as run_ner.py decodes (argmax): F1 {_with_interval(facts['argmax'])}"
    if "calibration" in facts:
        yield from _calibration(facts["calibration"])
    averages = [f"{name} {facts[name]['f1']:.4f}" for name in ("macro", "weighted") if name in facts]
    if averages:
        yield f"F1, average of the types: {', '.join(averages)}"
    yield f"errors: {', '.join(_count(kind, count) for kind, count in facts['errors'].items())}"
    for name in ("task_score", "published"):
        if score := facts.get(name):
            title = score.get("name") or f"published for {score['model']}"
            correct, predicted, gold = (text_of(score[name]) for name in ("correct", "predicted", "support"))
            yield f"{title}: F1 {_with_interval(score)}; {correct} of {predicted} predicted, {gold} gold"


def _calibration(facts: Facts) -> Iterator[str]:
    """Say how far probabilities are from what is right, of entities too where there are any."""
    for name, when in (("after", ""), ("before", f" before the fit on dev (temperature {facts['temperature']:.2f})")):
        parts = []
        for unit, figures in facts[name].items():
            if figures["count"]:
                low, high = figures["interval"]
                by_chance = f", {figures['chance']:.4f} by chance" if "chance" in figures else ""
                parts.append(f"{shown_name(unit)} {figures['error']:.4f} ({low:.4f} to {high:.4f}{by_chance})")
        if parts:
            yield f"calibration error{when}: {', '.join(parts)}"


def _count(name: str, count: int) -> str:
    return f"{name.replace('_', ' ')} {count:,}"


def _with_interval(figures: Facts) -> str:
    """Write F1 and, where it was resampled, its interval; published figures have none."""
    interval = f" ({interval_of(figures['interval']['f1'])})" if "interval" in figures else ""
    return f"{figures['f1']:.4f}{interval}"


def _comparison(facts: Facts) -> Table:
    splits, _ = splits_and_others(facts)
    rows = []
    for split, compared in splits.items():
        low, high = compared["interval"]
        row = {"split": split, "this": compared["ours"], "other": compared["other"]}
        row |= {"difference": signed(compared["difference"]), "95 %": f"{signed(low)} to {signed(high)}"}
        rows.append({**row, "p": compared["p"]})
        metric = metric_of(compared)
    table = table_of(f"{metric}, compared with {facts['other']}", rows)
    return with_caption(table, "paired bootstrap and approximate randomization over sentences")


def evaluation_figures(facts: Facts) -> str:
    """Say in one line what a record of `evaluate` holds: scores, a comparison, thresholds, or the page."""
    if "results" in facts:
        return f"a page about {facts['results']} results"
    if "other" in facts:
        return _comparison_figures(facts)
    if "measure" in facts:
        points = [f"{_point_name(point, facts)} from {point['threshold']:.4f} on" for point in facts["points"]]
        return f"entities kept: {', '.join(points)}"
    if facts["metric"] == "accuracy":
        return f"accuracy {facts['accuracy']:.4f}"
    parts = f"P {facts['precision']:.4f}, R {facts['recall']:.4f}, accuracy {facts['accuracy']:.4f}"
    return f"F1 {facts['f1']:.4f} ({parts})"


def _comparison_figures(facts: Facts) -> str:
    splits, _ = splits_and_others(facts)
    differences = [f"{split} {signed(row['difference'])} (p {row['p']:.4f})" for split, row in splits.items()]
    return ", ".join(differences)
