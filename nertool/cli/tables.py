"""Results and states as rich tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from nertool.corpus.findings import Report
from nertool.counts import METRICS
from nertool.workspace.staleness import State
from nertool.workspace.workspace import Result

SEVERITY_STYLES = {"error": "red", "warning": "yellow", "info": "dim"}
SHOWN_PLACES = 3
"""Places of a finding that a table shows; --json has more."""
LISTS = {"history": "", "seeds": "seeds", "trials": "trials", "findings": "check"}
"""Facts that are rows of a table, and its title."""
STYLES = {"fresh": "green", "edited": "cyan", "stale": "yellow", "missing": "dim"}


def render(result: Result) -> list[Table]:
    """Tables of a stage's facts: figures first, then a table for each group of rows."""
    if result.stage.startswith("evaluate"):
        return _evaluation(result.facts)
    if result.stage == "quantize":
        return [_quantization(result.facts)]
    facts = dict(result.facts)
    rows = {**facts.pop("types", {}), **{key: value for key, value in facts.items() if isinstance(value, Mapping)}}
    tables = []
    if rows:
        tables.append(_rows("", [{"": key, **value} for key, value in rows.items()]))
    for name, title in LISTS.items():
        if listed := facts.get(name):
            tables.append(_rows(title, [_readable(row) for row in listed]))
    plain = {k: v for k, v in facts.items() if k not in rows and k not in LISTS}
    if plain:
        tables.insert(0, _plain(plain))
    return tables


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as people read it: words for names, a learning rate with its exponent, yes or nothing for a flag."""
    shown = {key.replace("_", " "): value for key, value in row.items()}
    if "learning_rate" in row:
        shown["learning rate"] = f"{row['learning_rate']:.2e}"
    if "kept" in row:
        shown["kept"] = "yes" if row["kept"] else ""
    return shown


def report_tables(report: Report) -> list[Table]:
    """A check: figures, types, findings."""
    splits = [{"": split, **figures} for split, figures in report.splits.items()]
    tables = [_rows("", splits)]
    tables[0].caption, tables[0].caption_justify = f"tags: {report.scheme}", "left"
    if report.types:
        tables.append(_rows("", [{"type": label, **counts} for label, counts in report.types.items()]))
    if report.findings:
        table = Table("severity", "split", "count", "finding", "where", title="findings", title_justify="left")
        for finding in report.findings:
            places = [str(place) for place in finding.places[:SHOWN_PLACES]]
            more = finding.count - len(places)
            where = finding.detail or "\n".join([*places, *([f"and {more:,} more"] if places and more > 0 else [])])
            style = SEVERITY_STYLES[finding.severity]
            cells = (finding.severity, finding.split, f"{finding.count:,}", finding.what, where)
            table.add_row(*(Text(cell) for cell in cells), style=style)
        tables.append(table)
    return tables


def status_table(states: Iterable[State]) -> Table:
    """A line a stage: state, why, key figures."""
    table = Table("stage", "state", "why", "figures")
    for state in states:
        style = STYLES[state.name]
        table.add_row(
            Text(state.stage), Text(state.name, style=style), Text(state.why), Text(figures(state.stage, state.facts))
        )
    return table


def config_table(rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """A line an option: its value, and where that comes from."""
    shown = {name: "" if row["value"] is None else str(row["value"]) for name, row in rows.items()}
    return _rows("", [{"option": name, "value": shown[name], "from": row["from"]} for name, row in rows.items()])


def figures(stage: str, facts: Mapping[str, Any]) -> str:
    """What one looks for first in a stage's facts, in one line."""
    stage = stage.partition(":")[0]
    if not facts:
        return ""
    if stage in ("download", "preprocess"):
        splits = {key: value for key, value in facts.items() if isinstance(value, Mapping)}
        return "sentences: " + ", ".join(f"{split} {counts['sentences']:,}" for split, counts in splits.items())
    if stage == "labels":
        return f"{facts['labels']} labels"
    if stage == "train":
        score = f"dev {_metric(facts)} {facts['dev_f1']:.4f}, " if "dev_f1" in facts else ""
        return f"{score}{facts['model']}, {facts['steps']} steps"
    if stage == "evaluate" and "results" in facts:
        return f"a page about {facts['results']} results"
    if stage == "evaluate" and "metric" not in facts:  # a comparison
        return ", ".join(_difference(split, row) for split, row in facts.items() if isinstance(row, Mapping))
    if stage == "evaluate" and facts["metric"] == "accuracy":
        return f"accuracy {facts['accuracy']:.4f}"
    if stage == "evaluate":
        parts = f"P {facts['precision']:.4f}, R {facts['recall']:.4f}, accuracy {facts['accuracy']:.4f}"
        return f"F1 {facts['f1']:.4f} ({parts})"
    if stage == "quantize":
        size = f"{_megabytes(facts['fp32']['bytes'])} -> {_megabytes(facts['int8']['bytes'])}"
        met = "within" if facts["met"] else "NOT within"
        change = f"dev {_metric(facts)} {facts['fp32']['f1']:.4f} -> {facts['int8']['f1']:.4f}"
        return f"{change}, {size}, {met} {facts['tolerance']:.1%}"
    return f"{facts['sentences']:,} sentences, {facts['tokens']:,} tokens tagged by {facts['model']}"


def _plain(facts: Mapping[str, Any]) -> Table:
    table = Table(show_header=False)
    for key, value in facts.items():
        table.add_row(Text(key.replace("_", " ")), Text(_text(value)))
    return table


def _rows(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = dict.fromkeys(key for row in rows for key in row)
    headers = [column.replace("_", " ") for column in columns]
    table = Table(*headers, title=title or None, title_justify="left")
    for row in rows:
        table.add_row(*(Text(_text(row.get(key))) for key in columns))
    return table


def _evaluation(results: Mapping[str, Any]) -> list[Table]:
    """For each split a table of types; then how far the model is from another."""
    tables = [_types(name, facts) for name, facts in results.items() if name != "comparison"]
    return [*tables, _comparison(results["comparison"])] if "comparison" in results else tables


def _types(split: str, facts: Mapping[str, Any]) -> Table:
    plain = facts["metric"] == "accuracy"
    column, every = ("tag", "all (accuracy)") if plain else ("type", "all (micro average)")
    rows = [{column: label, **_scores(row)} for label, row in facts["types"].items()]
    table = _rows(
        f"{split}: tags without types" if plain else f"{split}: entities, {facts['mode']} mode",
        [*rows, {column: every, **_scores(facts)}],
    )
    notes = [] if plain else [f"token accuracy {facts['accuracy']:.4f}"]
    if facts.get("seqeval", {}).get("modes"):
        notes.append(f"equal to seqeval ({' and '.join(facts['seqeval']['modes'])})")
    notes += [f"{facts['sentences']:,} sentences, {facts['tokens']:,} tokens"]
    table.caption, table.caption_justify = "\n".join(["; ".join(notes), *_other_scores(facts)]), "left"
    return table


def _scores(figures: Mapping[str, Any]) -> dict[str, Any]:
    columns = ("precision", "recall", "f1", "support", "predicted", "correct")
    return {**{key: figures[key] for key in columns}, "95 % of f1": _interval(figures["interval"]["f1"])}


def _interval(bounds: Sequence[float]) -> str:
    return f"{bounds[0]:.4f} to {bounds[1]:.4f}"


def _other_scores(facts: Mapping[str, Any]) -> Iterator[str]:
    """The other figures of a split, each with its mode."""
    if "strict" in facts:
        yield f"{facts['strict']['mode']} mode: F1 {_with_interval(facts['strict'])}"
    yield f"errors: {', '.join(_count(kind, count) for kind, count in facts['errors'].items())}"
    for name in ("task_score", "published"):
        if one := facts.get(name):
            title = one.get("name") or f"published for {one['model']}"
            counts = f"{_text(one['correct'])} of {_text(one['predicted'])} predicted, {_text(one['support'])} gold"
            yield f"{title}: F1 {_with_interval(one)}; {counts}"


def _count(name: str, count: int) -> str:
    return f"{name.replace('_', ' ')} {count:,}"


def _with_interval(figures: Mapping[str, Any]) -> str:
    """F1 and, where it was resampled, its interval; published figures have none."""
    interval = f" ({_interval(figures['interval']['f1'])})" if "interval" in figures else ""
    return f"{figures['f1']:.4f}{interval}"


def _difference(split: str, row: Mapping[str, Any]) -> str:
    return f"{split} {row['difference']:+.4f} (p {row['p']:.4f})"


def _comparison(facts: Mapping[str, Any]) -> Table:
    rows = [
        {
            "split": split,
            "ours": row["ours"],
            facts["other"]: row["other"],
            "difference": f"{row['difference']:+.4f}",
            "95 %": f"{row['interval'][0]:+.4f} to {row['interval'][1]:+.4f}",
            "p": row["p"],
        }
        for split, row in facts.items()
        if isinstance(row, Mapping)
    ]
    metric = METRICS[next(row["metric"] for row in facts.values() if isinstance(row, Mapping))]
    table = _rows(f"{metric}, compared with {facts['other']}", rows)
    table.caption, table.caption_justify = "paired bootstrap and approximate randomization over sentences", "left"
    return table


def _quantization(facts: Mapping[str, Any]) -> Table:
    """FP32 and every trial: scores, size, and what each costs to use."""
    rows = [_cost("FP32", facts["fp32"], facts)]
    rows += [_cost(_trial(row), row, facts) for row in facts["trials"]]
    kept = facts["int8"]
    change = {"size": f"{facts['size_ratio']:.2f}x", "words/s": f"{facts['speed_ratio']:.2f}x"}
    threads, met = f"{facts['threads']} thread{'s' * (facts['threads'] > 1)}", "met" if facts["met"] else "NOT met"
    lines = [f"{threads}; {_tolerance(facts)} {met}; * is kept"]
    for split, row in kept["splits"].items():
        before = facts["fp32"]["splits"][split]["f1"]
        change[f"{split} {_metric(facts)}"] = f"{(row['f1'] - before) / before:+.2%}" if before else ""
        low, high = map(_signed, row["lost_interval"])
        lost = f"lost {_signed(row['lost'])} ({low} to {high}), p {row['p']:.4f}"
        lines.append(f"{split}: {lost}; {row['equal']:.2%} of the words tagged as in FP32")
    table = _rows(f"{facts['approach']} quantization, {facts['backend']}", [*rows, {"": "change", **change}])
    table.caption, table.caption_justify = "\n".join(lines), "left"
    return table


def _tolerance(facts: Mapping[str, Any]) -> str:
    return f"tolerance of {facts['tolerance']:.1%} {facts['criterion']} loss"


def _trial(row: Mapping[str, Any]) -> str:
    left = f", {len(row['left_in_fp32'])} in FP32" if row["left_in_fp32"] else ""
    return f"{row['approach']}{left}{' *' if row['kept'] else ''}"


def _signed(value: float) -> str:
    return f"{value:+.4f}"


def _cost(name: str, row: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """A model's scores, size, and what it costs to use."""
    single = row["latency_ms"]["batch 1"]
    return {
        "": name,
        **{f"{split} {_metric(facts)}": found["f1"] for split, found in row["splits"].items()},
        "size": _megabytes(row["bytes"]),
        "words/s": f"{row['words_per_second']:,}",
        "ms a sentence": f"{single['p50']:.1f} (p95 {single['p95']:.1f})",
        "load": f"{row['load_seconds']:.1f} s",
        "peak memory": f"{row['peak_mib']:,.0f} MiB",
    }


def _metric(facts: Mapping[str, Any]) -> str:
    return METRICS[facts.get("metric", "f1")]


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list):
        return " ".join(map(_text, value))
    return "" if value is None else str(value)
