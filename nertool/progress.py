"""What a person sees while work goes on: notes and a progress line, both on stderr."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, TaskID

Item = TypeVar("Item")

Shown = tuple["Progress", "TaskID"]
"""A progress bar and the line in it."""

logger = logging.getLogger("nertool")
"""Stages say here what the user must know beside the result; cli.py shows it, a library user may silence it."""


@cache
def console() -> Console:
    """Standard error, for notes and errors."""
    from rich.console import Console

    return Console(stderr=True)


@cache
def bars() -> Console:
    """Standard error, for progress lines alone; cli.py silences it for --quiet."""
    from rich.console import Console

    return Console(stderr=True)


@contextmanager
def silenced() -> Iterator[None]:
    """Some packages write pages about their own progress; what matters is in the result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        disabled = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(disabled)


@contextmanager
def bar(what: str, total: float | None = None, unit: str = "") -> Iterator[Shown]:
    """A progress bar with rate and time left, gone when the work is done; none where stderr is no terminal."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        _rate(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=bars(),
        transient=True,
        redirect_stdout=False,  # results go to stdout, whatever is shown on stderr
        disable=not bars().is_terminal or bars().quiet,
    )
    with progress:
        yield progress, progress.add_task(what, total=total)


def _rate(unit: str) -> ProgressColumn:
    """Units a second, once there is a rate."""
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.1f} {unit}/s" if task.speed else "", style="progress.data.speed")

    return Rate()


def track(items: Iterable[Item], what: str, total: float | None = None, unit: str = "lines") -> Iterator[Item]:
    """The same items, with a bar that counts them."""
    if not bars().is_terminal or bars().quiet:
        yield from items
        return
    with bar(what, total, unit) as (progress, task):
        for count, item in enumerate(items, start=1):
            yield item
            if count % 100 == 0:
                progress.update(task, completed=count)
