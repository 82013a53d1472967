"""Rows and cells of tables: each value as text that does nothing to the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from nertool.corpus.running_text import visible
from nertool.counts import METRICS

Facts = Mapping[str, Any]
"""What a stage counted or measured."""
Row = Mapping[str, Any]
"""Cells of a table's row, by the names of their columns."""
NAMES = {
    "output_dir": "directory",
    "words": "tokens",
    "unlabelled": "unlabelled sentences",
    "windowed": "sentences in windows",
    "without_subwords": "tokens without sub-words",
    "dropped": "tokens dropped",
    "breaks": "breaks put in",
    "cut": "entities cut",
    "below": "entities below their least probability",
    "tried": "sentences tagged as a check",
}
"""Facts by names for people, where their keys say too little."""
PROBLEMS = ("windowed", "without_subwords", "below")
"""Counts that nobody has to read where they are 0."""


def splits_and_others(facts: Facts) -> tuple[dict[str, Row], dict[str, Any]]:
    """Part the counts of each split from the other facts."""
    splits, others = {}, {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            splits[name] = value
        else:
            others[name] = value
    return splits, others


def cell(text: str, style: str = "") -> Text:
    """Make a cell that does nothing to the terminal."""
    return Text(visible(text), style)


def list_table(facts: Facts) -> Table:
    """Make a table with a line for each fact: its name and its value."""
    table = Table(show_header=False)
    for name, value in facts.items():
        if value or name not in PROBLEMS:
            table.add_row(cell(shown_name(name)), cell(text_of(value)))
    return table


def shown_name(name: str) -> str:
    """Name a fact for people."""
    return NAMES.get(name, name.replace("_", " "))


def named_rows(header: str, rows: Mapping[str, Row]) -> Table:
    """Make a table whose first column, under `header`, holds the names of the rows."""
    return table_of("", [{header: name, **row} for name, row in rows.items()])


def table_of(title: str, rows: Sequence[Row]) -> Table:
    """Make a table of rows, with a column for each key that any of them has."""
    columns: dict[str, None] = {}
    for row in rows:
        columns |= dict.fromkeys(row)
    headers = [visible(shown_name(column)) for column in columns]
    table = Table(*headers, title=visible(title) or None, title_justify="left")
    for row in rows:
        table.add_row(*(cell(text_of(row.get(column))) for column in columns))
    return table


def with_caption(table: Table, caption: str) -> Table:
    """Put a caption under a table."""
    table.caption, table.caption_justify = visible(caption), "left"
    return table


def signed(value: float) -> str:
    """Write a difference with its sign."""
    return f"{value:+.4f}"


def metric_of(facts: Facts) -> str:
    """Name the metric of these facts for people: F1 or accuracy."""
    return METRICS[facts.get("metric", "f1")]


def megabytes(size: int) -> str:
    """Write a number of bytes in MB."""
    return f"{size / 1e6:.1f} MB"


def text_of(value: Any) -> str:
    """Write a value: fractions with four digits, whole numbers with commas, nothing for None."""
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list):
        return " ".join(map(text_of, value))
    if isinstance(value, Mapping):  # how often something was done, such as `empty rows left out`
        return "\n".join(f"{text_of(count)} {what}" for what, count in value.items())
    return "" if value is None else str(value)


def interval_of(bounds: Sequence[float]) -> str:
    """Write an interval."""
    return f"{bounds[0]:.4f} to {bounds[1]:.4f}"
