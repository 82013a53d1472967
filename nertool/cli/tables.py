"""Results and states as rich tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from nertool.corpus.check_report import Finding, Report
from nertool.corpus.running_text import visible
from nertool.counts import METRICS
from nertool.errors import translate_odd_content
from nertool.workspace.names import RECORDS
from nertool.workspace.stage import Result
from nertool.workspace.staleness import State

if TYPE_CHECKING:
    from nertool.label_check import LabelReport

SEVERITY_STYLES = {"error": "red", "warning": "yellow", "info": "dim"}
STATE_STYLES = {"fresh": "green", "edited": "cyan", "stale": "yellow", "missing": "dim"}
SHOWN_PLACES = 3
"""Places of a finding that a table shows; --json has more."""
WORDS_BESIDE = 8
"""Words of a sentence that a table shows on each side of those in question."""
Facts = Mapping[str, Any]
"""What a stage counted or measured."""
Row = Mapping[str, Any]
"""Cells of a table's row, by the names of their columns."""


def render(result: Result) -> list[Table]:
    """Make the tables of a stage's facts."""
    return TABLES[_stage(result.stage)](result.facts)


def figures(record: str, facts: Facts) -> str:
    """Say in one line what one looks for first in a stage's facts.

    Args:
        record: the name of the stage's record, such as `evaluate:dev`.
        facts: empty for a stage that has not run.
    """
    return FIGURES[_stage(record)](facts) if facts else ""


def _stage(record: str) -> str:
    return record.partition(":")[0]


def status_table(states: Iterable[State]) -> Table:
    """Show a line for each stage: its state, why, key figures."""
    table = Table("stage", "state", "why", "figures")
    for state in states:
        with translate_odd_facts(state.stage):
            shown = _shown(figures(state.stage, state.facts))
        name = _shown(state.name, STATE_STYLES[state.name])
        table.add_row(_shown(state.stage), name, _shown(state.why), shown)
    return table


def translate_odd_facts(record: str) -> AbstractContextManager[None]:
    """Turn what goes wrong with facts that were read from a record into an error that says so.

    Raises:
        InvalidData: they are not what the stage writes.
    """
    return translate_odd_content(
        f"{RECORDS}: the facts of {record}", f"Write them anew: nertool {record.partition(':')[0]} --force"
    )


# -- check -----------------------------------------------------------------------------------------


def report_tables(report: Report) -> list[Table]:
    """Show what a check found: figures of the splits, entities of each type, findings."""
    tables = [_with_caption(_named_rows("", report.splits), f"tags: {report.scheme}")]
    if report.types:
        tables.append(_named_rows("type", report.types))
    if report.findings:
        tables.append(_findings(report.findings))
    return tables


def _findings(findings: Iterable[Finding]) -> Table:
    table = Table("severity", "split", "count", "finding", "where", title="findings", title_justify="left")
    for finding in findings:
        cells = (finding.severity, finding.split, f"{finding.count:,}", finding.what, _where(finding))
        table.add_row(*map(_shown, cells), style=SEVERITY_STYLES[finding.severity])
    return table


def _where(finding: Finding) -> str:
    """Name the first places of a finding, a line each."""
    if finding.detail:
        return finding.detail
    lines = list(map(str, finding.places[:SHOWN_PLACES]))
    more = finding.count - len(lines)
    if lines and more > 0:
        lines.append(f"and {more:,} more")
    return "\n".join(lines)


def label_errors_table(report: LabelReport) -> Table:
    """Show the places where gold is perhaps wrong, the likeliest first."""
    table = Table("score", "where", "gold", "predicted", "sentence", title="labels", title_justify="left")
    for one in report.suggestions:
        context = " ".join(one.words[max(0, one.start - WORDS_BESIDE) : one.end + WORDS_BESIDE])
        cells = (f"{one.score:.3f}", f"{one.file}:{one.line}", one.shown(one.gold), one.shown(one.predicted), context)
        table.add_row(*map(_shown, cells))
    more = f"{len(report.suggestions):,} of {report.places:,} places where a model differs"
    return _with_caption(table, f"{more}; {report.entities:,} entities in {report.sentences:,} sentences")


# -- download, preprocess, labels, predict ---------------------------------------------------------


def _download(facts: Facts) -> list[Table]:
    splits, others = _splits_and_others(facts)
    told = ("first_sentences", "notes")  # while the files were read
    counts = {split: {key: value for key, value in row.items() if key not in told} for split, row in splits.items()}
    return [_list({key: value for key, value in others.items() if key not in told}), _named_rows("", counts)]


def _preprocess(facts: Facts) -> list[Table]:
    splits, others = _splits_and_others(facts)
    tables = [_named_rows("", splits)]
    if others.get("findings"):
        tables.append(_table("check", others["findings"]))
    return tables


def _splits_and_others(facts: Facts) -> tuple[dict[str, Row], dict[str, Any]]:
    """Part the counts of each split from the other facts."""
    splits, others = {}, {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            splits[name] = value
        else:
            others[name] = value
    return splits, others


def _sentence_figures(facts: Facts) -> str:
    splits, _ = _splits_and_others(facts)
    counts = [f"{split} {row['sentences']:,}" for split, row in splits.items()]
    return f"sentences: {', '.join(counts)}"


def _plain(facts: Facts) -> list[Table]:
    return [_list(facts)]


def _label_figures(facts: Facts) -> str:
    return f"{facts['labels']} labels"


def _prediction_figures(facts: Facts) -> str:
    below = f", {facts['below']:,} entities below their least probability" if facts.get("below") else ""
    return f"{facts['sentences']:,} sentences, {facts['tokens']:,} tokens tagged by {facts['model']}{below}"


# -- train -----------------------------------------------------------------------------------------


def _training(facts: Facts) -> list[Table]:
    """Show the figures of a training, then dev scores by type, epochs, seeds, trials and parts where there are any."""
    others = dict(facts)
    types, history = others.pop("types", None), others.pop("history", None)
    seeds, trials = others.pop("seeds", None), others.pop("trials", None)
    parts, outlook = others.pop("curve", None), others.pop("outlook", "")
    others.pop("gain", None)  # the outlook tells it
    if calibration := others.pop("calibration", None):
        others["temperature"] = calibration["temperature"]
    tables = []
    if others:
        tables.append(_list(others))
    if types:
        tables.append(_named_rows("", types))
    if history:
        tables.append(_table("", history))
    if seeds:
        tables.append(_table("seeds", [{**seed, "kept": "yes" if seed["kept"] else ""} for seed in seeds]))
    if trials:
        tables.append(
            _table("trials", [{**trial, "learning_rate": f"{trial['learning_rate']:.2e}"} for trial in trials])
        )
    if parts:
        tables.append(_with_caption(_table("data curve", [_part(row, _metric(facts)) for row in parts]), outlook))
    return tables


def _part(facts: Facts, metric: str) -> Row:
    """Give a line of the data curve."""
    row = {"share": f"{facts['share']:g}", "sentences": facts["sentences"], "tokens": facts["words"]}
    if facts["entities"]:
        row["entities"] = facts["entities"]
    for split in ("dev", "test"):
        if f"{split}_f1" in facts:
            row[f"{split} {metric}"] = facts[f"{split}_f1"]
            row[f"95 % on {split}"] = _interval(facts[f"{split}_interval"])
    return row


def _training_figures(facts: Facts) -> str:
    score = f"dev {_metric(facts)} {facts['dev_f1']:.4f}, " if "dev_f1" in facts else ""
    return f"{score}{facts['model']}, {facts['steps']} steps"


# -- evaluate, score -------------------------------------------------------------------------------


def _evaluation(results: Facts) -> list[Table]:
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
        title, column, every = f"{split}: tags without types", "tag", "all (accuracy)"
    else:
        title, column, every = f"{split}: entities, {facts['mode']} mode", "type", "all (micro average)"
    rows = []
    for label, counted in facts["types"].items():
        rows.append({column: label, **_scores(counted)})
    rows.append({column: every, **_scores(facts)})
    return _with_caption(_table(title, rows), "\n".join(["; ".join(_notes(facts)), *_other_scores(facts)]))


def _points(name: str, facts: Facts) -> Table:
    """Show what thresholds give, a line for each type and split."""
    rows = []
    given = [(_point_name(point, facts), point) for point in facts["points"]]
    if len(given) > 1:
        given.append(("all", facts["all_types"]))
    for label, point in given:
        for split, figures in _splits_and_others(point)[0].items():
            row = {"type": label, "wanted": point.get("wanted"), "threshold": point.get("threshold"), "split": split}
            for measure in ("precision", "recall"):
                row |= {measure: figures[measure], f"95 % of {measure}": _interval(figures["interval"][measure])}
            rows.append({**row, "f1": figures["f1"], "predicted": figures["predicted"], "support": figures["support"]})
    table = _table(f"{name}: {facts['measure']} that is reached on dev", rows)
    return _with_caption(table, "kept beside the model; they hold with: nertool predict --thresholds own")


def _point_name(point: Facts, facts: Facts) -> str:
    return point["type"] or ("other types" if len(facts["points"]) > 1 else "all")


def _notes(facts: Facts) -> Iterator[str]:
    if facts["metric"] != "accuracy":
        yield f"token accuracy {facts['accuracy']:.4f}"
    equal_modes = facts.get("seqeval", {}).get("modes")
    if equal_modes:
        yield f"equal to seqeval ({' and '.join(equal_modes)})"
    yield f"{facts['sentences']:,} sentences, {facts['tokens']:,} tokens"


def _scores(figures: Facts) -> dict[str, Any]:
    row = {}
    for column in ("precision", "recall", "f1", "support", "predicted", "correct"):
        row[column] = figures[column]
    row["95 % of f1"] = _interval(figures["interval"]["f1"])
    return row


def _interval(bounds: Sequence[float]) -> str:
    return f"{bounds[0]:.4f} to {bounds[1]:.4f}"


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
            counts = (
                f"{_text(score['correct'])} of {_text(score['predicted'])} predicted, {_text(score['support'])} gold"
            )
            yield f"{title}: F1 {_with_interval(score)}; {counts}"


def _calibration(facts: Facts) -> Iterator[str]:
    """Say how far probabilities are from what is right, of entities too where there are any."""
    for name, when in (("after", ""), ("before", f" before the fit on dev (temperature {facts['temperature']:.2f})")):
        parts = []
        for unit, figures in facts[name].items():
            if figures["count"]:
                low, high = figures["interval"]
                by_chance = f", {figures['chance']:.4f} by chance" if "chance" in figures else ""
                parts.append(f"{unit} {figures['error']:.4f} ({low:.4f} to {high:.4f}{by_chance})")
        yield f"calibration error{when}: {', '.join(parts)}"


def _count(name: str, count: int) -> str:
    return f"{name.replace('_', ' ')} {count:,}"


def _with_interval(figures: Facts) -> str:
    """Write F1 and, where it was resampled, its interval; published figures have none."""
    interval = f" ({_interval(figures['interval']['f1'])})" if "interval" in figures else ""
    return f"{figures['f1']:.4f}{interval}"


def _comparison(facts: Facts) -> Table:
    splits, _ = _splits_and_others(facts)
    rows = []
    for split, compared in splits.items():
        low, high = compared["interval"]
        row = {"split": split, "ours": compared["ours"], facts["other"]: compared["other"]}
        row |= {"difference": _signed(compared["difference"]), "95 %": f"{_signed(low)} to {_signed(high)}"}
        rows.append({**row, "p": compared["p"]})
        metric = _metric(compared)
    table = _table(f"{metric}, compared with {facts['other']}", rows)
    return _with_caption(table, "paired bootstrap and approximate randomization over sentences")


def _evaluation_figures(facts: Facts) -> str:
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
    splits, _ = _splits_and_others(facts)
    differences = [f"{split} {_signed(row['difference'])} (p {row['p']:.4f})" for split, row in splits.items()]
    return ", ".join(differences)


# -- quantize --------------------------------------------------------------------------------------


def _quantization(facts: Facts) -> list[Table]:
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
    if "lost_at_most" in kept:  # not in files of nertool 0.2.0
        lines.append(f"dev: lost {_signed(kept['lost_at_most'])} at most, with 95 %, over all trials; {_batches(kept)}")
    table = _table(f"{facts['approach']} quantization, {facts['backend']}", [*rows, {"": "change", **change}])
    return [_with_caption(table, "\n".join(lines))]


def _batches(trial: Facts) -> str:
    alone = "do not depend" if trial["alone_as_together"] else "may depend"
    return f"tags {alone} on the other sentences of a batch"


def _tolerance(facts: Facts) -> str:
    kinds = {"relative": "relative loss", "absolute": f"in {_metric(facts)}", "bound": "loss, with 95 %,"}
    return f"tolerance of {_allowed(facts)} {kinds[facts['criterion']]}"


def _allowed(facts: Facts) -> str:
    tolerance = facts["tolerance"]
    return f"{tolerance:g}" if facts["criterion"] == "absolute" else f"{100 * tolerance:g}%"


def _trial(row: Facts) -> str:
    left = f", {len(row['left_in_fp32'])} in FP32" if row["left_in_fp32"] else ""
    return f"{row['approach']}{left}{' *' if row['kept'] else ''}"


def _cost(name: str, row: Facts, facts: Facts) -> dict[str, Any]:
    """A model's scores, size, and what it costs to use."""
    latency = row["latency_ms"]
    single = latency.get("single_sentence") or latency["batch 1"]  # so named by nertool 0.2.0
    return {
        "": name,
        **{f"{split} {_metric(facts)}": found["f1"] for split, found in row["splits"].items()},
        "size": _megabytes(row["bytes"]),
        "words/s": f"{row['words_per_second']:,}",
        "ms a sentence": f"{single['p50']:.1f} (p95 {single['p95']:.1f})",
        "load": f"{row['load_seconds']:.1f} s",
        "peak memory": f"{row['peak_mib']:,.0f} MiB",
    }


def _quantization_figures(facts: Facts) -> str:
    size = f"{_megabytes(facts['fp32']['bytes'])} -> {_megabytes(facts['int8']['bytes'])}"
    met = "within" if facts["met"] else "NOT within"
    change = f"dev {_metric(facts)} {facts['fp32']['f1']:.4f} -> {facts['int8']['f1']:.4f}"
    return f"{change}, {size}, {met} {_allowed(facts)}"


# -- every stage -----------------------------------------------------------------------------------

TABLES: dict[str, Callable[[Facts], list[Table]]] = {
    "download": _download,
    "preprocess": _preprocess,
    "labels": _plain,
    "train": _training,
    "evaluate": _evaluation,
    "score": _evaluation,
    "quantize": _quantization,
    "predict": _plain,
    "export": _plain,
}
"""The tables of a stage's facts, by the stage's name."""
FIGURES: dict[str, Callable[[Facts], str]] = {
    "download": _sentence_figures,
    "preprocess": _sentence_figures,
    "labels": _label_figures,
    "train": _training_figures,
    "evaluate": _evaluation_figures,
    "quantize": _quantization_figures,
    "predict": _prediction_figures,
}
"""The key figures of a stage's facts in one line, by the stage's name."""


# -- cells and rows --------------------------------------------------------------------------------


def _shown(text: str, style: str = "") -> Text:
    """Make a cell that does nothing to the terminal."""
    return Text(visible(text), style)


def _list(facts: Facts) -> Table:
    """Make a table with a line for each fact: its name and its value."""
    table = Table(show_header=False)
    for name, value in facts.items():
        table.add_row(_shown(name.replace("_", " ")), _shown(_text(value)))
    return table


def _named_rows(header: str, rows: Mapping[str, Row]) -> Table:
    """Make a table whose first column, under `header`, holds the names of the rows."""
    return _table("", [{header: name, **row} for name, row in rows.items()])


def _table(title: str, rows: Sequence[Row]) -> Table:
    """Make a table of rows, with a column for each key that any of them has."""
    columns: dict[str, None] = {}
    for row in rows:
        columns |= dict.fromkeys(row)
    headers = [visible(column.replace("_", " ")) for column in columns]
    table = Table(*headers, title=visible(title) or None, title_justify="left")
    for row in rows:
        table.add_row(*(_shown(_text(row.get(column))) for column in columns))
    return table


def _with_caption(table: Table, caption: str) -> Table:
    """Put a caption under a table."""
    table.caption, table.caption_justify = visible(caption), "left"
    return table


def _signed(value: float) -> str:
    return f"{value:+.4f}"


def _metric(facts: Facts) -> str:
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
