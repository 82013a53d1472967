"""What the command line prints: log lines on stderr, results as tables or JSON on stdout."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import typer

from nertool.addresses import without_secrets
from nertool.corpus.running_text import visible
from nertool.progress import bars, console, logger
from nertool.training import processes

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from nertool.workspace.stage import Result
    from nertool.workspace.staleness import State


WIDEST = 160
"""Columns of a table where there is no terminal."""
LONGEST_WORD = 40
"""Characters of a word that are not broken in a table, however narrow the terminal is."""
USAGE_ERROR: Any = typer.BadParameter.__base__
"""Root of Typer's errors about a command line, which has no public name."""


class _ConsoleHandler(logging.Handler):
    """Log lines above the progress bar, on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        style = "yellow" if record.levelno >= logging.WARNING else None
        print_line(record.getMessage(), style)


def print_line(text: str, style: str | None = None) -> None:
    """Print a line on stderr as it is, control characters made visible."""
    console().print(visible(text), style=style, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def escape_usage_errors() -> Iterator[None]:
    """Let Typer's errors, which repeat parts of a command line, do nothing to the terminal and tell no secret."""
    try:
        yield
    except USAGE_ERROR as error:
        error.message = without_secrets(visible(in_our_words(error)))
        raise


def in_our_words(error: Any) -> str:
    """What an error of Typer's says; of a value in our words, where a library behind Typer speaks of its input."""
    faults: list[dict[str, Any]] = getattr(error.__cause__, "errors", list)()
    if not faults:
        return str(error.message)
    kind, value, context = faults[0]["type"], str(faults[0]["input"]), faults[0].get("ctx", {})
    if "error" in context:
        return str(context["error"]).replace("'', ", "")  # a choice, of which the empty one is the default
    for limit, word in (("ge", "more"), ("le", "less")):
        if limit in context:
            return f"{value[:LONGEST_WORD]} is out of range: write {context[limit]:.10g} or {word}."
    kinds = {"int": "no whole number", "float": "no number", "bool": "neither true nor false"}
    what = next((words for name, words in kinds.items() if kind.startswith(name)), "no such value")
    return f"{value[:LONGEST_WORD]!r} is {what}."


def set_up_output(quiet: bool, verbose: bool) -> None:
    """Show nertool's log on stderr, as much of it as the options ask for."""
    if set(os.environ.get("COLUMNS", "")) == {"0"}:
        del os.environ["COLUMNS"]  # as if nothing said how wide the terminal is: in no columns rich prints nothing
    if not logger.handlers:
        logger.addHandler(_ConsoleHandler())
    logger.propagate = False
    silent = processes.rank() > 0  # the first process speaks for all
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    logger.setLevel(logging.ERROR if silent else level)
    bars.quiet = quiet or silent
    if not verbose:
        warnings.simplefilter("ignore")  # libraries warn of their own affairs


def stdout() -> Console:
    """Where results go, in which brackets and colons mean nothing; lines in a file or pipe are wide enough."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDEST, markup=False, emoji=False)


def print_table(table: Table) -> None:
    """Print a table of which nothing is cut off: in a frame, without one where that is too wide, or row by row."""
    from rich import box
    from rich.measure import Measurement

    console = stdout()
    unbounded = console.options.update_width(1 << 16)
    words, cells = [], []
    for column in table.columns:
        sizes = [Measurement.get(console, unbounded, cell) for cell in (column.header, *column.cells)]
        words.append(min(max(size.minimum for size in sizes), LONGEST_WORD))
        cells.append(max(size.maximum for size in sizes))
    gaps = len(words) - 1
    frame = 3 * gaps + 4  # lines, and blanks beside them
    if sum(words) + frame > console.width or sum(cells) + gaps <= console.width < sum(cells) + frame:
        table.box, table.padding, table.show_edge = box.SIMPLE, (0, 0, 0, 0), False
        frame = gaps
    if sum(words) + frame > console.width:
        _print_rows(console, table)
        return
    for column, width in zip(table.columns, _column_widths(words, cells, console.width - frame), strict=True):
        column.width, column.overflow = width, "fold"
    console.print(table, crop=False)


def _column_widths(words: Sequence[int], cells: Sequence[int], room: int) -> list[int]:
    """Give each column its longest word, and the rest to those whose cells lack most: rich would break words.

    >>> _column_widths([5, 5], [5, 30], 20)
    [5, 15]
    """
    widths = list(words)
    for _ in range(room - sum(words)):
        lacking = [cell - width for cell, width in zip(cells, widths, strict=True)]
        if max(lacking) <= 0:
            break
        widths[lacking.index(max(lacking))] += 1
    return widths


def _print_rows(console: Console, table: Table) -> None:
    """Print a table in a terminal that is too narrow for its words: a line for each cell, a blank line after a row."""
    names = [str(column.header) for column in table.columns]
    widest = max(map(len, names))
    if table.title:
        console.print(str(table.title), highlight=False)
    for row in zip(*(column.cells for column in table.columns), strict=True):
        for name, cell in zip(names, row, strict=True):
            if str(cell):
                console.print(f"{name:<{widest}} {cell}".strip(), soft_wrap=True, highlight=False)
        console.print()
    if table.caption:
        console.print(str(table.caption), highlight=False)


def print_json(value: Any) -> None:
    """Print one JSON object as UTF-8, with escapes for what would do something to a terminal."""
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("".join(one if visible(one) == one else json.dumps(one)[1:-1] for one in text) + "\n")


def print_result(result: Result, seconds: float, as_json: bool) -> None:
    """Print what a stage did: a log line, then its facts as tables or JSON."""
    log_result(result, seconds)
    if as_json:
        print_json({"stage": result.stage, "fresh": result.fresh, "ok": result.ok, "facts": result.facts})
        return
    from nertool.cli.tables import render, translate_odd_facts

    with translate_odd_facts(result.stage) if result.fresh else nullcontext():
        tables = render(result)
    for table in tables:
        print_table(table)


def log_result(result: Result, seconds: float) -> None:
    """Say that a stage is done, and how long it took."""
    why = f" ({result.why})" if result.why else ""
    done = "nothing to do" if result.fresh else f"done in {seconds:.1f} s"
    logger.info("%s: %s%s", result.stage, done, why)


def print_status(states: Iterable[State], as_json: bool) -> None:
    """Print the state of each stage."""
    states = list(states)
    if as_json:
        print_json({state.stage: state.as_dict() for state in states})
        return
    from nertool.cli.tables import status_table

    print_table(status_table(states))
    for state in states:
        if state.command:  # whole, so that it can be copied
            stdout().print(visible(f"to go on with {state.stage}: {state.command}"), soft_wrap=True)


def write_stdout(texts: Iterable[str]) -> None:
    """Write texts to standard output as UTF-8."""
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    for text in texts:
        sys.stdout.write(text)
