"""The directory of work under way, from which an interrupted run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nertool.progress import logger
from nertool.workspace.atomic import remove
from nertool.workspace.digests import read_json, write_json

IDENTITY = "identity.json"


class RunningDirectory:
    """Holds what a run has finished until all is published.

    Args:
        path: the directory.
        kind: of what it holds, by which its parts are named: `checkpoint` for `checkpoint-7`.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind

    def begin(self, identity: Mapping[str, Any], anew: bool = False) -> None:
        """Keep what an interrupted run of the same work has left; remove what another has left.

        Args:
            identity: options, versions and digests of what is read.
            anew: remove all of it.
        """
        if not anew and self.is_of(identity):
            return
        if any(self.path.rglob(f"{self.kind}-*")):
            why = "by --force" if anew else "of a run with other options or data, or damaged"
            logger.warning("%ss are dropped: %s", self.kind, why)
        remove(self.path)
        self.path.mkdir()
        write_json(self.path / IDENTITY, dict(identity))

    def end(self, record: Mapping[str, Any]) -> None:
        """Remove the directory of the run that has this record: it is published."""
        if self.is_of(record):
            remove(self.path)

    def is_of(self, run: Mapping[str, Any]) -> bool:
        """Whether it was left by a run on the same data with the same options; a record holds more beside these."""
        try:
            identity = read_json(self.path / IDENTITY)
        except (OSError, ValueError, RecursionError):
            return False
        return (
            isinstance(identity, dict)
            and bool(identity)
            and all(run.get(name) == value for name, value in identity.items())
        )
