"""The directory of a training under way, from which an interrupted one resumes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nertool.progress import logger
from nertool.workspace.atomic import remove
from nertool.workspace.digests import read_json, write_json

IDENTITY = "identity.json"


class RunningDirectory:
    """Holds checkpoints and kept weights until the model is published.

    Args:
        path: the directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, identity: Mapping[str, Any], anew: bool = False) -> None:
        """Keep the checkpoints of an interrupted run of the same training; remove those of another.

        Args:
            identity: options, versions and digests of what the training reads.
            anew: remove all of them.
        """
        if not anew and self.is_of(identity):
            return
        if any(self.path.rglob("checkpoint-*")):
            why = "by --force" if anew else "of a run with other options or data, or damaged"
            logger.warning("checkpoints are dropped: %s", why)
        remove(self.path)
        self.path.mkdir()
        write_json(self.path / IDENTITY, dict(identity))

    def end(self, record: Mapping[str, Any]) -> None:
        """Remove the directory of the training that has this record: its model is published."""
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
