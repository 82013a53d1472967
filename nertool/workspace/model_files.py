"""A model and its files, in a workspace or elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from nertool.workspace.digests import digest
from nertool.workspace.names import THRESHOLDS


@dataclass(frozen=True)
class ModelFiles:
    """A model, in the workspace or elsewhere.

    Attributes:
        name: of its directory, relative to the workspace or to the folder that holds it.
        path: of its directory.
        files: its files, relative in the same way; without its thresholds, which it does not need to tag.
    """

    name: str
    path: Path
    files: list[str]

    @classmethod
    def of(cls, directory: Path, name: str = "") -> ModelFiles:
        """The model in a directory.

        Args:
            name: of the directory in the workspace; empty for one elsewhere.
        """
        files = sorted(file.name for file in directory.iterdir() if file.is_file() and file.name != THRESHOLDS)
        name = name or directory.name
        return cls(name, directory, [f"{name}/{file}" for file in files])

    def digests(self) -> dict[str, str]:
        """SHA-256 of its files by their names in its directory."""
        names = [Path(file).name for file in self.files]
        return {name: digest(self.path / name)["sha256"] for name in names}

    @property
    def version(self) -> str:
        """What tells it from others in its place: the name of its directory, and a digest of its files."""
        return f"{self.name}-{hashlib.sha256(''.join(self.digests().values()).encode()).hexdigest()[:8]}"
