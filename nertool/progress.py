"""Notes and progress bars, both on stderr."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, TaskID

Item = TypeVar("Item")

Shown = tuple["Progress", "TaskID"]
"""A progress bar and the line in it."""

logger = logging.getLogger("nertool")
"""Stages log here what the user must know beside the result. The command line shows it."""
NOISY = ("neural_compressor", "optimum", "transformers", "torch", "onnx", "onnxruntime", "onnxscript", "peft")
"""Packages that `silenced` silences; onnxruntime also logs by the root logger itself."""

FULL_WIDTH, USUAL_WIDTH, LEAST_WIDTH = 110, 80, 60
"""Columns of a terminal with room for all parts of a progress bar, for a short bar, and for one without its rate."""


def amount(number: int, things: str) -> str:
    """A number with what it counts, whose first word is a noun in the plural.

    >>> amount(1, "entities of dev"), amount(2000, "sentences")
    ('1 entity of dev', '2,000 sentences')
    """
    noun, blank, rest = things.partition(" ")
    if number == 1:
        noun = f"{noun.removesuffix('ies')}y" if noun.endswith("ies") else noun.removesuffix("s")
    return f"{number:,} {noun}{blank}{rest}"


@dataclass
class BarSettings:
    """What holds for all progress bars.

    Attributes:
        quiet: none is shown; the command line sets it for --quiet.
    """

    quiet: bool = False


bars = BarSettings()


@cache
def console() -> Console:
    """Standard error, for notes, errors and progress bars; brackets and colons mean nothing there, as in `a:100: `."""
    from rich.console import Console

    class StandardError(Console):
        def show_cursor(self, show: bool = True) -> bool:
            """Leave it shown: a process that is killed while a bar is there would leave a terminal without it."""
            return False

    return StandardError(stderr=True, markup=False, emoji=False)


def shows_bars() -> bool:
    """Say whether progress bars are shown: standard error is a terminal, and --quiet was not given."""
    if bars.quiet or not (sys.stderr.isatty() or "FORCE_COLOR" in os.environ):
        return False  # without the import of rich
    return console().is_terminal


@contextmanager
def silenced() -> Iterator[None]:
    """Drop warnings, and the log lines of packages that write pages about their own progress.

    Log lines of nertool and of the program that uses it are shown as always.
    """
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    root = logging.getLogger()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for noisy in (root, *loggers):
            noisy.addFilter(_drop)
        for noisy in loggers:
            noisy.setLevel(logging.CRITICAL + 1)  # children inherit it, but not the filter
        try:
            yield
        finally:
            for noisy in (root, *loggers):
                noisy.removeFilter(_drop)
            for noisy, level in zip(loggers, levels, strict=True):
                noisy.setLevel(level)


def _drop(record: logging.LogRecord) -> bool:
    return False


@contextmanager
def bar(what: str, total: float | None = None, unit: str = "") -> Iterator[Shown]:
    """Show a progress bar with rate and time left until the work is done; none where stderr is no terminal."""
    from rich.progress import Progress

    progress = Progress(
        *_parts(unit, console().width),
        console=console(),
        transient=True,
        redirect_stdout=False,  # results go to stdout, whatever is shown on stderr
        disable=not shows_bars(),
    )
    with progress:
        yield progress, progress.add_task(what, total=total)


def _parts(unit: str, width: int) -> list[ProgressColumn]:
    """Give the parts of a bar that a line of `width` columns has room for; a line that wraps is never overwritten."""
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    parts: list[tuple[ProgressColumn, int]] = [(SpinnerColumn(), 1)]
    if width >= LEAST_WIDTH:
        length = 30 if width >= FULL_WIDTH else 10
        parts.append((BarColumn(bar_width=length), length))  # the one that rich makes smaller
    if width >= USUAL_WIDTH:
        parts.append((_rate(unit), len(f"9,999.9 {unit}/s")))
    if width >= LEAST_WIDTH:
        parts.append((TimeElapsedColumn(table_column=Column(no_wrap=True)), 7))
    parts.append((_time_left(), len("0:00:00 left")))
    room = max(width - sum(columns + 1 for _, columns in parts), 1)
    shown = Column(no_wrap=True, overflow="ellipsis", max_width=room)
    columns = [part for part, _ in parts]
    return [columns[0], TextColumn("{task.description}", markup=False, table_column=shown), *columns[1:]]


def _rate(unit: str) -> ProgressColumn:
    """A column of units per second, empty until there is a rate."""
    from rich.progress import ProgressColumn, Task
    from rich.table import Column
    from rich.text import Text

    factor, name = (1e-6, "MB") if unit == "B" else (1, unit)

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{factor * task.speed:,.1f} {name}/s" if task.speed else "", style="progress.data.speed")

    return Rate(table_column=Column(no_wrap=True))


def _time_left() -> ProgressColumn:
    """A column of the time that is left, empty while nobody can tell it: there is no total, or no rate yet."""
    from rich.progress import Task, TimeRemainingColumn
    from rich.table import Column
    from rich.text import Text

    class TimeLeft(TimeRemainingColumn):
        def render(self, task: Task) -> Text:
            return Text() if task.time_remaining is None else super().render(task).append(" left")

    return TimeLeft(table_column=Column(no_wrap=True))


def track(items: Iterable[Item], what: str, total: float | None = None, unit: str = "lines") -> Iterator[Item]:
    """Give the same items, with a progress bar that counts them."""
    if not shows_bars():
        yield from items
        return
    with bar(what, total, unit) as (progress, task):
        for count, item in enumerate(items, start=1):
            yield item
            if count % 100 == 0:
                progress.update(task, completed=count)
