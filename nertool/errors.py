"""Errors that the user can fix. The command line prints them as two lines and exits with 1; it catches no others."""

from __future__ import annotations

import os
import shlex
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from nertool.addresses import without_secrets

LONGEST = 4000
"""Characters of a message or a hint; a line or a name in a file may have millions."""


class NertoolError(Exception):
    """An error that the user can fix. Secrets in web addresses are left out, and what is too long is cut off.

    Attributes:
        message: what is wrong, with file and line where there is one.
        hint: the command or option that helps.
    """

    def __init__(self, message: str, hint: str) -> None:
        self.message, self.hint = _line(message), _line(hint)
        super().__init__(f"{self.message}\n{self.hint}")

    def __reduce__(self) -> tuple[type[NertoolError], tuple[str, ...]]:
        """How another process makes the error anew."""
        return type(self), (self.message, self.hint)


def _line(text: str) -> str:
    line = without_secrets(" ".join(text.splitlines()))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."


def command(workspace: Path, stage: str, *arguments: str) -> str:
    """The command line that runs `stage` on a workspace, for hints.

    >>> command(Path("my dir"), "train", "--force")
    "nertool train --force -w 'my dir'"
    """
    default = Path("workspace") if "NERTOOL_WORKSPACE" not in os.environ else None
    named = [] if workspace == default else ["-w", str(workspace)]
    return shlex.join(["nertool", stage, *arguments, *named])


def reason_of(error: Exception) -> str:
    """What an error of another library says: its first line, and of that 300 characters at most.

    >>> reason_of(ValueError("no model type\\nsee the manual"))
    'no model type'
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return textwrap.shorten(lines[0], 300, placeholder=" ...")


def require(modules: Iterable[str], extra: str, option: str) -> None:
    """Check that the packages of an extra are installed.

    Args:
        modules: what the option imports.
        extra: of nertool, which installs them.
        option: that needs them, as on the command line.

    Raises:
        NertoolError: one is missing; the hint installs the extra.
    """
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            raise NertoolError(
                f"{option}: {error.name or module} is not installed", f"Install it: pip install 'nertool[{extra}]'"
            ) from error


ODD: tuple[type[Exception], ...] = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What values of unforeseen types bring about."""


@contextmanager
def translate_odd_content(what: str, hint: str, also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn what goes wrong with the content of files that anybody may have written into an error that says so.

    Args:
        what: the files, as the subject of a sentence.
        also: other errors that the block raises then.

    Raises:
        InvalidData: it is not what nertool writes.
    """
    try:
        yield
    except ODD + also as error:
        raise InvalidData(f"{what}: not what nertool writes ({type(error).__name__}: {error})", hint) from error


class MissingInput(NertoolError):
    """A stage needs a file that is not there."""


class StaleInput(NertoolError):
    """A file that a stage needs was made from files that have changed since."""


class InvalidData(NertoolError):
    """A data file breaks its format."""


class InvalidOption(NertoolError):
    """An option, environment variable or configuration value is invalid."""


class Unwritable(NertoolError):
    """An output file cannot be written."""


class DownloadFailed(NertoolError):
    """A published file could not be downloaded."""


class Locked(NertoolError):
    """Another process runs a stage on the same workspace."""
