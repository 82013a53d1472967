"""Finished work of a search, kept on disk, so that a run after a kill does not repeat it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nertool.progress import logger
from nertool.workspace.atomic import remove
from nertool.workspace.digests import read_json, write_json
from nertool.workspace.seals import is_sealed, is_whole_here, seal_here

FIGURES = "figures.json"
TRIAL = "trial"
"""How the names of trials begin: `trial-static-0`."""


@dataclass(frozen=True)
class FinishedWork:
    """Folders of finished work, each with its figures and digests.

    Attributes:
        path: where they are kept; an interrupted run has left some.
        scratch: an empty directory on the same file system, for work that is not finished.
    """

    path: Path
    scratch: Path

    def take_or_do(self, name: str, work: Callable[[Path], Mapping[str, Any]]) -> Any:
        """The figures of this name: those that are kept, else those of the work, which is kept then.

        Args:
            work: writes files into an empty folder and returns the figures.
        """
        folder = self.path / name
        if not is_whole_here(folder):
            if is_sealed(folder):
                logger.warning("%s is damaged, or a copy: it is made anew", folder)
            remove(folder)
            unfinished = self.scratch / name
            unfinished.mkdir()
            write_json(unfinished / FIGURES, work(unfinished))
            seal_here(unfinished)
            unfinished.rename(folder)
        return read_json(folder / FIGURES)

    def count_trials(self) -> int:
        """How many trials are kept."""
        return sum(map(is_sealed, self.path.glob(f"{TRIAL}-*")))
