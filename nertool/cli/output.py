"""What the command line prints: log lines on stderr, results as tables or JSON on stdout."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from nertool.corpus.running_text import visible
from nertool.documents.output_file import translate_write_errors
from nertool.errors import Unwritable
from nertool.progress import bars, console, logger
from nertool.training import processes

if TYPE_CHECKING:
    from rich.console import Console

    from nertool.workspace.staleness import State
    from nertool.workspace.workspace import Result


class _ConsoleHandler(logging.Handler):
    """Log lines above the progress bar, on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        style = "yellow" if record.levelno >= logging.WARNING else None
        print_line(record.getMessage(), style)


def print_line(text: str, style: str | None = None) -> None:
    """Print a line on stderr as it is, control characters made visible."""
    console().print(visible(text), style=style, markup=False, highlight=False, soft_wrap=True)


def set_up_output(quiet: bool, verbose: bool) -> None:
    """Show nertool's log on stderr, as much of it as the options ask for."""
    if not logger.handlers:
        logger.addHandler(_ConsoleHandler())
    logger.propagate = False
    silent = processes.rank() > 0  # the first process speaks for all
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    logger.setLevel(logging.ERROR if silent else level)
    bars().quiet = quiet or silent
    if not verbose:
        warnings.simplefilter("ignore")  # libraries warn of their own affairs


def stdout() -> Console:
    """Where results go; a file or pipe gets lines that are wide enough."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=160)


def print_json(value: Any) -> None:
    """Print one JSON object."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


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
        stdout().print(table)


def log_result(result: Result, seconds: float) -> None:
    """Say that a stage is done, and how long it took."""
    why = f" ({result.why})" if result.why else ""
    done = "nothing to do" if result.fresh else f"done in {seconds:.1f} s"
    logger.info("%s: %s%s", result.stage, done, why)


def print_status(states: Iterable[State], as_json: bool) -> None:
    """Print the state of each stage."""
    if as_json:
        print_json({state.stage: state.as_dict() for state in states})
        return
    from nertool.cli.tables import status_table

    stdout().print(status_table(states))


def write_stdout(texts: Iterable[str]) -> None:
    """Write texts to standard output as UTF-8; what goes wrong in writing becomes two lines.

    Raises:
        Unwritable: standard output cannot be written.
    """
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    with _translate_stdout_errors():
        for text in texts:
            sys.stdout.write(text)


@contextmanager
def _translate_stdout_errors() -> Iterator[None]:
    try:
        with translate_write_errors("standard output"):
            yield
            sys.stdout.flush()
    except Unwritable:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # what is left to write must not fail once more at the end
        os.close(nowhere)
        raise
