"""What a person sees while work goes on: notes and a progress line, both on stderr."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Item = TypeVar("Item")

note = logging.getLogger("nertool")
"""Stages say here what the user must know beside the result; cli.py shows it, a library user may silence it."""

console = Console(stderr=True)
bars = Console(stderr=True)
"""Carries the progress lines alone; cli.py silences it for --quiet."""


class Rate(ProgressColumn):
    """Units a second, once there is a rate."""

    def render(self, task: Task) -> Text:
        """The text of one task."""
        unit = task.fields.get("unit", "")
        return Text(f"{task.speed:,.1f} {unit}/s" if task.speed else "", style="progress.data.speed")


@contextmanager
def bar(what: str, total: float | None = None, unit: str = "") -> Iterator[tuple[Progress, TaskID]]:
    """A progress bar with rate and time left, gone when the work is done; none where stderr is no terminal."""
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=bars,
        transient=True,
        disable=not bars.is_terminal or bars.quiet,
    )
    with progress:
        yield progress, progress.add_task(what, total=total, unit=unit)


def track(items: Iterable[Item], what: str, total: float | None = None, unit: str = "lines") -> Iterator[Item]:
    """The same items, with a bar that counts them."""
    if not bars.is_terminal or bars.quiet:
        yield from items
        return
    with bar(what, total, unit) as (progress, task):
        for count, item in enumerate(items, start=1):
            yield item
            if count % 1000 == 0:
                progress.update(task, completed=count)
