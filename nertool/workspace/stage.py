"""What a stage and its workspace tell each other: what is planned, where the work goes, what came of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nertool.workspace.stage_options import StageOptions


@dataclass(frozen=True)
class StageRun:
    """What a stage is about to do. `Workspace.run` compares it with the record of the last run.

    Attributes:
        name: the record's name; `evaluate:dev` is a record of the stage `evaluate`.
        options: recorded, and compared with the last run's.
        reads: files of the workspace it reads, relative names.
        writes: files it will write; only used to see whether somebody made them by hand.
        replaces: directories it will replace as a whole.
        protects: what its last run published is neither replaced nor removed, unless `force`.
        sources: files outside the workspace it reads, by a name without a machine path; None where they cannot be
            looked at without fetching them, so that they are not compared.
        packages: distributions whose versions belong in the record.
        force: run, whatever the record says.
    """

    name: str
    options: StageOptions
    reads: Collection[str]
    writes: Collection[str]
    replaces: Collection[str] = ()
    protects: bool = False
    sources: Mapping[str, Path] | None = None
    packages: Collection[str] = ()
    force: bool = False


@dataclass
class Stage:
    """A stage at work, given to the function that `Workspace.run` calls.

    Attributes:
        staging: a directory for its own use; `stage.file` and `stage.directory` give what will be published.
        identity: options, versions and digests of all that is read; two runs with the same one write the same.
        why: why it runs again, in one line.
        facts: what the stage counts or measures; it fills them in.
        entries: files and directories that will be published.
    """

    name: str
    staging: Path
    identity: dict[str, Any]
    why: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    entries: list[str] = field(default_factory=list)

    def file(self, name: str) -> Path:
        """Where to write the file that will be published as `name` (relative to the workspace)."""
        self.entries.append(name)
        path = self.staged(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def staged(self, name: str) -> Path:
        """Where the file that will be published as `name` lies until then."""
        return self.staging / "files" / name

    def directory(self, name: str) -> Path:
        """Where to write the directory that will be published as `name` and replace the one there as a whole."""
        path = self.file(name)
        path.mkdir()
        return path


@dataclass(frozen=True)
class Result:
    """What a stage did.

    Attributes:
        stage: the record's name.
        facts: what it counted or measured; also in the record.
        fresh: there was nothing to do.
        why: why files were kept or made again, in one line; empty otherwise.
        ok: False where the stage published its files, but a set limit was not met.
    """

    stage: str
    facts: dict[str, Any]
    fresh: bool = False
    why: str = ""
    ok: bool = True
