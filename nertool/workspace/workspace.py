"""The workspace directory: the one contract between the stages.

Stages never call each other; they meet on plain files, and on `workspace.json`, which holds one record a stage:
its options, the versions that ran, what it read and wrote (SHA-256 and size) and what it counted. From the records
alone follows whether a stage is missing, fresh, stale or edited: see staleness.py. How a stage runs: see run_stage.py.

POSIX only: that a kill loses nothing rests on renames that replace.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from nertool.errors import InvalidOption, Locked, MissingInput, StaleInput, command
from nertool.progress import logger
from nertool.workspace import commit
from nertool.workspace.disk_errors import translate_disk_errors
from nertool.workspace.links import refuse_links
from nertool.workspace.lock import WorkspaceLock
from nertool.workspace.model_files import ModelFiles
from nertool.workspace.names import MODEL, OUTPUTS, QUANTIZED, SPLITS, UNDER_WAY
from nertool.workspace.reader_lock import reading
from nertool.workspace.records import read_records, records_of
from nertool.workspace.run_log import last_command_line
from nertool.workspace.run_stage import StageRunner
from nertool.workspace.running import RunningDirectory, is_alive
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.staleness import State, state_of, with_unfinished, with_upstream


class Workspace:
    """A workspace directory. Opening one does not create it; the first stage that runs does.

    Args:
        path: the directory.
        invocation: the command line this process was called with; logged with each run, for hints.
    """

    def __init__(self, path: str | Path = "workspace", invocation: str = "") -> None:
        self.path = Path(path)
        self.invocation = invocation
        self._lock = WorkspaceLock(self.path, invocation)
        self._warnings: set[str] = set()

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    # -- reading -----------------------------------------------------------------------------------

    def records(self) -> dict[str, Any]:
        """The stages' records by name.

        Raises:
            NertoolError: `workspace.json` is not what nertool writes.
        """
        return read_records(self.path)

    def facts(self, stage: str) -> dict[str, Any]:
        """What the stage's record counted or measured; empty where there is no record."""
        with self.reading():
            facts: dict[str, Any] = self.records().get(stage, {}).get("facts", {})
            return facts

    def splits(self, suffix: str) -> list[str]:
        """The splits that have a file `{split}{suffix}`, in the order train, dev, test."""
        return [split for split in SPLITS if os.path.lexists(self.path / f"{split}{suffix}")]

    def split_file(self, split: str) -> Path | None:
        """Path of `{split}.txt`; None where there is no such file."""
        return self.path / f"{split}.txt" if split in self.splits(".txt") else None

    def data_files(self) -> dict[str, Path]:
        """Files of the splits as `download` wrote them or, where there are none, as `preprocess` did, by split."""
        suffix = ".txt.tmp" if self.splits(".txt.tmp") else ".txt"
        return {split: self.path / f"{split}{suffix}" for split in self.splits(suffix)}

    def require(self, name: str, stage: str, way_on: str = "") -> Path:
        """Path of a file that `stage` writes.

        Args:
            way_on: what helps beside running `stage`.

        Raises:
            MissingInput: it is not there; the hint names the command that makes it.
        """
        path = self.path / name
        if not path.exists():
            raise MissingInput(f"{path} is missing", f"Run: {self.command(stage)}{way_on}")
        return path

    def require_split(self, split: str) -> Path:
        """Path of `{split}.txt`.

        Raises:
            MissingInput: it is not there; the hint makes it, or names a file for it where the data have no such split.
        """
        if split in self.splits(".txt"):
            return self.path / f"{split}.txt"
        raise MissingInput(f"{self.path / f'{split}.txt'} is missing", self.how_to_add(split))

    def how_to_add(self, split: str) -> str:
        """A hint that leads to `{split}.txt`."""
        data = self.data_files()
        if not data or f"{split}.txt.tmp" == data.get(split, self.path).name:
            return f"Run: {self.command('preprocess')}"
        again = last_command_line(self.path, "download")
        named = f"{again} --{split}-file FILE" if again else "write that file, too"
        return f"The data have no {split}; add it: {named}"

    def command(self, stage: str, *arguments: str) -> str:
        """A command line that runs `stage` here, for hints."""
        return command(self.path, stage, *arguments)

    def data_command(self, stage: str = "download") -> str:
        """What brings data into a workspace that holds none, for hints."""
        return f"{self.command(stage, 'RECIPE')} (or name your own file: --train-file FILE)"

    def last_command(self, stage: str) -> str:
        """The command line that ran `stage` here last, so that a hint repeats the user's own options."""
        again = last_command_line(self.path, stage) or self.command(stage.partition(":")[0])
        if stage == "train" and not {"--overwrite-output-dir", "--force"} & set(shlex.split(again)):
            return f"{again} --overwrite-output-dir"
        return again

    def model(self, quantized: bool = False, allow_stale: bool = False, way_on: str = "") -> ModelFiles:
        """The model that `train` (README: OUTPUT_DIR) or, where `quantized`, `quantize` has published.

        Args:
            way_on: as for `require`.

        Raises:
            MissingInput: there is no model.
            StaleInput: it was made from files that have changed since, unless `allow_stale`.
        """
        stage = "quantize" if quantized else "train"
        with self.reading():
            name = QUANTIZED if quantized else self.facts("train").get("output_dir", MODEL)
            self.require(f"{name}/config.json", stage, way_on)
            path = self.path / name
            if not allow_stale:
                self._check_model_is_current(path, stage)
            return ModelFiles.of(path, name)

    def _check_model_is_current(self, model: Path, stage: str) -> None:
        """Refuse a stale model; the hint has the commands of all stale stages up to its own. Tell of an edited one."""
        again: dict[str, None] = {}
        for state in self.status():
            if state.stage == stage and state.name == "edited" and state.facts:
                self.warn_once(f"{state.why}: what its stage has measured holds for the files before")
            if state.name != "stale" or state.stage.partition(":")[0] == "evaluate":
                continue
            again[self.last_command(state.stage)] = None
            if state.stage == stage:
                hint = f"Run: {' && '.join(again)} (or use it as it is: --allow-stale)"
                raise StaleInput(f"{model} is stale: {state.why}", hint)

    def warn_once(self, message: str) -> None:
        """Warn, unless this was said before: parts of a command look at the same model one after the other."""
        if message not in self._warnings:
            self._warnings.add(message)
            logger.warning("%s", message)

    def status(self) -> list[State]:
        """The state of every stage, in order; `evaluate` may have several records, each its own line."""
        with self.reading():
            if self.path.exists() and not self.path.is_dir():
                raise InvalidOption(f"{self.path} cannot be a workspace: Not a directory", "Name another one: -w DIR")
            records = self.records()
            states: dict[str, State] = {}
            for stage in OUTPUTS:
                for name in records_of(stage, records) or [stage]:
                    states[name] = state_of(self.path, name, records.get(name))
            found = with_upstream(states, records)
            return [with_unfinished(state, *self._unfinished(state.stage, records)) for state in found]

    def _unfinished(self, stage: str, records: Mapping[str, Any]) -> tuple[str, str]:
        """What there is of a run of the stage that has not ended, and the command that goes on with it."""
        if stage not in UNDER_WAY:
            return "", ""
        owner = self._lock.owner()
        if owner.get("stage") == stage and is_alive(owner):
            return f"under way in process {owner['pid']}", ""
        running = self.under_way(stage)
        why, command = running.unfinished(stage, records.get(stage, {}))
        if not why and owner.get("stage") == stage and stage not in records:  # killed before it kept anything
            return running.interrupted(stage, 0, str(owner.get("command", "")))
        return why, command

    def under_way(self, stage: str) -> RunningDirectory:
        """Where `stage` keeps what it has finished until all is published."""
        name, kind = UNDER_WAY[stage]
        return RunningDirectory(self.path / name, kind)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let the block read what is published before or after a commit: one that comes meanwhile waits for it.

        A commit that a kill cut short is finished first. The block must not publish.

        Raises:
            NertoolError: the workspace cannot be read, or that commit cannot be finished.
        """
        while True:
            with translate_disk_errors(self.path), reading(self.path):
                refuse_links(self.path, below=False)
                if not commit.is_pending(self.path):
                    yield
                    return
            with suppress(Locked), self.locked("status"):  # whoever holds the lock is finishing it
                continue
            time.sleep(0.05)

    # -- writing -----------------------------------------------------------------------------------

    def locked(self, stage: str, creates: bool = True) -> AbstractContextManager[None]:
        """Hold the workspace's lock; may be taken again inside. A commit that a kill cut short is finished first.

        A stage lists its input inside, lest it takes old files for the new ones of such a commit.

        Args:
            creates: make the directory if need be. Otherwise one that is not there stays so, and nothing is locked.

        Raises:
            Locked: another process holds it; the message says which.
            InvalidOption: the path can be no workspace.
        """
        return self._lock.held(stage, creates)

    def run(self, planned: StageRun, work: Callable[[Stage], None]) -> Result:
        """Run a stage: lock, decide whether there is anything to do, call `work`, publish, record.

        Args:
            work: called only where there is something to do; writes to `stage.file(...)` and `stage.directory(...)`
                and fills `stage.facts`.

        Raises:
            NertoolError: running would overwrite files that were edited or made by hand; or the disk is full.
        """
        with self.locked(planned.name):
            return StageRunner(self.path, planned, self.invocation).run(work)
