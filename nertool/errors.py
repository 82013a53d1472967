"""What the user can mend. `cli.main` prints these as two lines and exits with 1; nothing else is caught."""

from __future__ import annotations

import shlex
from pathlib import Path


class NertoolError(Exception):
    """Something the user can mend.

    Attributes:
        message: what is wrong, with file and line where there is one.
        hint: the command or option that helps.
    """

    def __init__(self, message: str, hint: str) -> None:
        self.message, self.hint = (" ".join(text.splitlines()) for text in (message, hint))  # always two lines
        super().__init__(f"{self.message}\n{self.hint}")


def command(place: Path, stage: str, *arguments: str) -> str:
    """The command line that runs `stage` on the workspace `place`, for hints.

    >>> command(Path("my dir"), "train", "--force")
    "nertool train --force -w 'my dir'"
    """
    where = [] if place == Path("workspace") else ["-w", str(place)]
    return shlex.join(["nertool", stage, *arguments, *where])


class MissingInput(NertoolError):
    """A stage needs a file that is not there."""


class StaleInput(NertoolError):
    """A stage would use what an earlier stage made from files that have changed since."""


class InvalidData(NertoolError):
    """A data file holds what its format does not allow."""


class InvalidOption(NertoolError):
    """An option, environment variable or configuration value makes no sense here."""


class Unwritable(NertoolError):
    """A result cannot be written where it is to go."""


class DownloadFailed(NertoolError):
    """A published file could not be fetched whole."""


class Locked(NertoolError):
    """Another stage is at work on the same workspace."""
