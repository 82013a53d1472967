"""Results and states as rich tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from rich.table import Table

from nertool.cli.cells import (
    Facts,
    Row,
    cell,
    interval_of,
    list_table,
    metric_of,
    named_rows,
    splits_and_others,
    table_of,
    with_caption,
)
from nertool.cli.evaluation_tables import evaluation_figures, evaluation_tables
from nertool.cli.quantization_tables import quantization_figures, quantization_tables
from nertool.errors import translate_odd_content
from nertool.progress import amount
from nertool.workspace.names import RECORDS
from nertool.workspace.stage import Result
from nertool.workspace.staleness import State

STATE_STYLES = {"fresh": "green", "edited": "cyan", "stale": "yellow", "missing": "dim"}
SHOWN_ELSEWHERE = ("metric", "calibration", "types", "history", "seeds", "trials", "curve", "gain", "outlook")
"""Facts of a training that are in other tables, or in the names of other figures."""
MEANS = {
    "mean": "mean of dev f1",
    "deviation": "deviation of dev f1",
    "test_mean": "mean of test f1",
    "test_deviation": "deviation of test f1",
}
"""Figures over several seeds by names for people."""


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
            shown = cell(figures(state.stage, state.facts))
        name = cell(state.name, STATE_STYLES[state.name])
        table.add_row(cell(state.stage), name, cell(state.why), shown)
    return table


def translate_odd_facts(record: str) -> AbstractContextManager[None]:
    """Turn what goes wrong with facts that were read from a record into an error that says so.

    Raises:
        InvalidData: they are not what the stage writes.
    """
    return translate_odd_content(
        f"{RECORDS}: the facts of {record}", f"Write them anew: nertool {record.partition(':')[0]} --force"
    )


# -- download, preprocess, labels, predict ---------------------------------------------------------


def _download(facts: Facts) -> list[Table]:
    splits, others = splits_and_others(facts)
    counts = {split: _without_notes(row) for split, row in splits.items()}
    return [list_table(_without_notes(others)), named_rows("", counts)]


def _without_notes(facts: Facts) -> Row:
    """Leave out what `download` said while it read the files."""
    return {key: value for key, value in facts.items() if key not in ("first_sentences", "notes")}


def _preprocess(facts: Facts) -> list[Table]:
    splits, others = splits_and_others(facts)
    tables = [named_rows("", splits)]
    if others.get("findings"):
        tables.append(table_of("check", others["findings"]))
    return tables


def _sentence_figures(facts: Facts) -> str:
    splits, _ = splits_and_others(facts)
    counts = [f"{split} {row['sentences']:,}" for split, row in splits.items()]
    return f"sentences: {', '.join(counts)}"


def _plain(facts: Facts) -> list[Table]:
    return [list_table(facts)]


def _label_figures(facts: Facts) -> str:
    return amount(facts["labels"], "labels")


def _prediction_figures(facts: Facts) -> str:
    below = f", {amount(facts['below'], 'entities below their least probability')}" if facts.get("below") else ""
    sentences, tokens = amount(facts["sentences"], "sentences"), amount(facts["tokens"], "tokens tagged")
    return f"{sentences}, {tokens} by {facts['model']}{below}"


# -- train -----------------------------------------------------------------------------------------


def _training(facts: Facts) -> list[Table]:
    """Show the figures of a training, then dev scores by type, epochs, seeds, trials and parts where there are any."""
    metric = metric_of(facts)
    tables = [list_table(_training_totals(facts))]
    if facts.get("types"):
        tables.append(named_rows("", facts["types"]))
    if facts.get("history"):
        tables.append(table_of("", [_with_metric(row, metric) for row in facts["history"]]))
    if facts.get("seeds"):
        seeds = [{**seed, "kept": "yes" if seed["kept"] else ""} for seed in facts["seeds"]]
        tables.append(table_of("seeds", [_with_metric(seed, metric) for seed in seeds]))
    if facts.get("trials"):
        trials = [{**trial, "learning_rate": f"{trial['learning_rate']:.2e}"} for trial in facts["trials"]]
        tables.append(table_of("trials", [_with_metric(trial, metric) for trial in trials]))
    if facts.get("curve"):
        parts = table_of("data curve", [_part(row, metric) for row in facts["curve"]])
        tables.append(with_caption(parts, facts.get("outlook", "")))
    return tables


def _training_totals(facts: Facts) -> Row:
    """Give the figures of the whole training."""
    totals: dict[str, Any] = {}
    for name, value in facts.items():
        if name == "dev_interval":
            totals["95 % of dev f1"] = interval_of(value)
        elif name in MEANS:
            totals[MEANS[name]] = value
        elif name not in SHOWN_ELSEWHERE:
            totals[name] = value
    if "calibration" in facts:
        totals["temperature"] = facts["calibration"]["temperature"]
    return _with_metric(totals, metric_of(facts))


def _with_metric(row: Row, metric: str) -> Row:
    """Name the scores of a row by their metric, and write epochs as short as they are."""
    named = {}
    for name, value in row.items():
        named[name.replace("f1", metric)] = f"{value:g}" if name.startswith("epoch") else value
    return named


def _part(facts: Facts, metric: str) -> Row:
    """Give a line of the data curve."""
    row = {"share": f"{facts['share']:g}", "sentences": facts["sentences"], "tokens": facts["words"]}
    if facts["entities"]:
        row["entities"] = facts["entities"]
    for split in ("dev", "test"):
        if f"{split}_f1" in facts:
            row[f"{split} {metric}"] = facts[f"{split}_f1"]
            row[f"95 % on {split}"] = interval_of(facts[f"{split}_interval"])
    return row


def _training_figures(facts: Facts) -> str:
    score = f"dev {metric_of(facts)} {facts['dev_f1']:.4f}, " if "dev_f1" in facts else ""
    return f"{score}{facts['model']}, {amount(facts['steps'], 'steps')}"


# -- every stage -----------------------------------------------------------------------------------

TABLES: dict[str, Callable[[Facts], list[Table]]] = {
    "download": _download,
    "preprocess": _preprocess,
    "labels": _plain,
    "train": _training,
    "evaluate": evaluation_tables,
    "score": evaluation_tables,
    "quantize": quantization_tables,
    "predict": _plain,
    "export": _plain,
}
"""The tables of a stage's facts, by the stage's name."""
FIGURES: dict[str, Callable[[Facts], str]] = {
    "download": _sentence_figures,
    "preprocess": _sentence_figures,
    "labels": _label_figures,
    "train": _training_figures,
    "evaluate": evaluation_figures,
    "quantize": quantization_figures,
    "predict": _prediction_figures,
}
"""The key figures of a stage's facts in one line, by the stage's name."""
