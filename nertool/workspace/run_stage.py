"""The life of a stage: decide whether there is anything to do, work, publish, record.

A stage publishes all or nothing: it writes into a staging directory inside the workspace, and commit.py brings that to
its place.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_IMODE
from typing import Any

from nertool.errors import NertoolError, command
from nertool.workspace import commit
from nertool.workspace.atomic import flush, remove, share
from nertool.workspace.digests import Digest, digest
from nertool.workspace.disk_errors import translate_disk_errors
from nertool.workspace.links import STAGING
from nertool.workspace.names import SEEDS, THRESHOLDS, join_names, versions
from nertool.workspace.records import read_records, records_content
from nertool.workspace.run_log import logged, on_workspace
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.staleness import differences, state_of


@dataclass(frozen=True)
class _Decision:
    """Whether a stage has nothing to do, why, and the facts of its last run where that stays."""

    fresh: bool
    why: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StageRunner:
    """Runs a stage on a workspace whose lock it holds.

    Attributes:
        root: the workspace.
        planned: what the stage is about to do.
        invocation: the command line of this process, for the log and for hints.
    """

    root: Path
    planned: StageRun
    invocation: str

    def run(self, work: Callable[[Stage], None]) -> Result:
        """Decide whether there is anything to do, call `work`, publish, record; as `Workspace.run`."""
        planned = self.planned
        identity = self._identity()
        decision = self._decide(identity)
        if decision.fresh:
            return Result(planned.name, decision.facts, True, decision.why)
        self._check_targets(decision.why)
        staging = self.root / f"{STAGING}{planned.name.replace(':', '-')}"
        stage = Stage(planned.name, staging, identity, decision.why)
        with (
            logged(self.root, planned.name, self.invocation),
            translate_disk_errors(self.root, "nothing was changed"),
        ):
            self._work(stage, work)
        return Result(planned.name, stage.facts, False, stage.why)

    def _identity(self) -> dict[str, Any]:
        """Options, versions and digests of all that is read: the first half of the record."""
        sources = None
        if self.planned.sources is not None:
            sources = {name: digest(path) for name, path in sorted(self.planned.sources.items())}
        return {
            "options": self.planned.options.recorded(),
            "versions": versions(self.planned.packages),
            "reads": {name: digest(self.root / name) for name in sorted(set(self.planned.reads))},
            "sources": sources,
        }

    def _work(self, stage: Stage, work: Callable[[Stage], None]) -> None:
        """Do the work in an empty staging directory, then publish it; the directory is gone at the end."""
        remove(stage.staging)
        stage.staging.mkdir()
        try:
            commit.check_places(self.root, stage.staging, _places(self.planned))
            work(stage)
            self._publish(stage)
        finally:
            shutil.rmtree(stage.staging, ignore_errors=True)

    def _decide(self, identity: Mapping[str, Any]) -> _Decision:
        old = read_records(self.root).get(self.planned.name)
        if self.planned.force:
            return _Decision(False)
        if old is None:
            return self._decide_unrecorded()
        state = state_of(self.root, self.planned.name, old)
        options = {**self.planned.options.defaults(), **old["options"]}
        reasons = differences({**old, "options": options}, identity)
        if state.name == "missing":
            return _Decision(False, f"again: {state.why}")
        if state.name == "edited" and reasons:
            raise NertoolError(
                f"{self.root}: {state.why}, and {join_names(reasons)} since {self.planned.name} ran",
                f"Keep a copy of what you edited, then: {self._forced()}",
            )
        if state.name == "edited":
            return _Decision(True, f"kept, {state.why} (--force writes anew)", old["facts"])
        if reasons:
            return _Decision(False, f"again: {join_names(reasons)}")
        return _Decision(True, "", old["facts"])

    def _decide_unrecorded(self) -> _Decision:
        by_hand = [file for file in self.planned.writes if (self.root / file).exists()]
        if not by_hand:
            return _Decision(False)
        if len(by_hand) < len(self.planned.writes):
            written = join_names(list(self.planned.writes))
            raise NertoolError(
                f"{self.root}: {join_names(by_hand)} not written by nertool, and not all of {written} there",
                f"Add what is missing, or let nertool write all: {self._forced()}",
            )
        return _Decision(True, f"kept {join_names(by_hand)}, not written by nertool (--force replaces)")

    def _forced(self) -> str:
        """The command that runs the stage again, whatever is there."""
        stage = self.planned.name.partition(":")[0]
        own = on_workspace(self.root, self.invocation)
        if shlex.split(own)[1:2] != [stage]:  # `run --force` would replace the files of other stages too
            return command(self.root, stage, "--force")
        return f"{own} --force"

    def _check_targets(self, why: str) -> None:
        for directory in self.planned.replaces:
            self._check_replaced(directory)
            if self.planned.protects and not self.planned.force:
                self._check_protected(directory, why)

    def _check_replaced(self, directory: str) -> None:
        """Refuse to replace a directory that holds files the last run did not publish, except models with `force`."""
        path = self.root / directory
        if not path.is_dir() or (self.planned.force and _holds_models(path)):
            return
        foreign, written = [], self._last_writes()
        for file in sorted(path.rglob("*")):
            below = file.relative_to(path).as_posix()
            published = f"{directory}/{below}" in written or below == THRESHOLDS
            is_folder = file.is_dir() and not file.is_symlink()
            if not (published or is_folder or below.startswith("checkpoint-")):
                foreign.append(below)
        if foreign:
            replace = f", or replace it: {self._forced()}" if _holds_models(path) else ""
            what = f"{join_names(foreign)}, not written by the last {self.planned.name}"
            raise NertoolError(
                f"{path} holds {what}, and would be replaced",
                f"Move what is yours to another place first{replace}",
            )

    def _check_protected(self, directory: str, why: str) -> None:
        """Refuse to replace a directory that holds all that the last run published there."""
        name = self.planned.name
        written = [file for file in self._last_writes() if file.startswith(f"{directory}/")]
        if written and all((self.root / file).exists() for file in written):
            keep = "move it to another place" if directory == SEEDS else "--output-dir NAME"
            again = on_workspace(self.root, self.invocation) or command(self.root, name)
            raise NertoolError(
                f"{self.root / directory} holds what {name} made before, and it would be replaced ({why})",
                f"Replace it: {again} --overwrite-output-dir (or keep it: {keep})",
            )

    def _last_writes(self) -> Collection[str]:
        """Names of the files that the last run of the stage published."""
        writes: dict[str, Any] = read_records(self.root).get(self.planned.name, {}).get("writes", {})
        return writes

    def _publish(self, stage: Stage) -> None:
        """Publish files and record; remove what only the last run wrote, but never a replaced directory's old name."""
        files = stage.staging / "files"
        share(files, S_IMODE(stage.staging.stat().st_mode))
        writes: dict[str, Digest] = {}
        for path in sorted(files.rglob("*")):
            if path.is_file():
                flush(path)
                name = path.relative_to(files).as_posix()
                if "/checkpoint-" not in name:
                    writes[name] = digest(path)
        gone = [] if self.planned.replaces else [name for name in self._last_writes() if name not in writes]
        record = {**stage.identity, "writes": writes, "facts": stage.facts}
        records = {**read_records(self.root), stage.name: record}
        commit.publish(
            self.root,
            stage.staging,
            {"stage": stage.name, "entries": stage.entries, "remove": gone},
            records_content(records),
        )


def _places(planned: StageRun) -> dict[str, bool]:
    """What a stage will write, and whether each is a directory that it replaces."""
    places = {name: False for name in planned.writes if not name.startswith(tuple(f"{d}/" for d in planned.replaces))}
    return places | dict.fromkeys(planned.replaces, True)


def _holds_models(path: Path) -> bool:
    """Whether a directory is a model, or holds those of all seeds and nothing else."""
    if path.name != SEEDS:
        return (path / "config.json").exists()
    return all((model / "config.json").exists() for model in path.iterdir())
