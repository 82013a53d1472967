"""The workspace directory: the one contract between the stages.

Stages never call each other; they meet on plain files, and on `workspace.json`, which holds one record a stage:
its options, the versions that ran, what it read and wrote (SHA-256 and size) and what it counted. From the records
alone follows whether a stage is missing, fresh, stale or edited: see staleness.py.

A stage publishes all or nothing: it writes into a staging directory inside the workspace, and commit.py brings that to
its place.

POSIX only: that a kill loses nothing rests on renames that replace.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from stat import S_IMODE
from typing import TYPE_CHECKING, Any, ClassVar

from nertool.addresses import without_secrets
from nertool.errors import InvalidOption, Locked, MissingInput, NertoolError, StaleInput, command
from nertool.workspace import commit
from nertool.workspace.atomic import flush, remove, share
from nertool.workspace.digests import Digest, digest, read_json, write_json
from nertool.workspace.disk_errors import translate_disk_errors
from nertool.workspace.links import STAGING, refuse_links
from nertool.workspace.names import (
    MODEL,
    OUTPUTS,
    QUANTIZED,
    SEEDS,
    SPLITS,
    THRESHOLDS,
    UNDER_WAY,
    join_names,
    versions,
)
from nertool.workspace.option_values import check_values
from nertool.workspace.reader_lock import reading
from nertool.workspace.records import read_records, records_content, records_of
from nertool.workspace.run_log import last_command_line, logged, on_workspace
from nertool.workspace.running import RunningDirectory, is_alive
from nertool.workspace.staleness import State, differences, state_of, with_unfinished, with_upstream

if TYPE_CHECKING:
    from filelock import FileLock

_LOCK, _OWNER = ".lock", ".lock-owner.json"


class StageOptions:
    """Base of every stage's frozen `Options` dataclass."""

    unrecorded: ClassVar[tuple[str, ...]] = ("force", "allow_stale")
    """Fields that do not change what the stage writes, or that hold a path of this machine."""
    alone: ClassVar[tuple[str, ...]] = ()
    """Fields that only make sense where the stage runs alone; `nertool run` does not have them."""
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Fields under their headings in `--help`; those that no heading names come first."""
    in_workspace: ClassVar[bool] = True
    """The command reads or writes a workspace."""

    def __post_init__(self) -> None:
        """Refuse values that no stage could use."""
        check_values(self)

    @property
    def needless(self) -> Mapping[str, str]:
        """Fields that nothing would use, with the reason: a command line may not set them.

        An environment variable or a configuration file may, since they are for other commands too.
        """
        return {}

    def recorded(self) -> dict[str, Any]:
        """The options as they go into the record: no machine path, and JSON values only."""
        return {name: _portable(getattr(self, name)) for name in self._recorded_names()}

    def defaults(self) -> dict[str, Any]:
        """Defaults of the recorded options, for records written before an option existed."""
        return {name: _portable(getattr(type(self), name, None)) for name in self._recorded_names()}

    def _recorded_names(self) -> list[str]:
        return [f.name for f in fields(self) if f.name not in self.unrecorded]  # type: ignore[arg-type]


def _portable(value: Any) -> Any:
    """A path by its last part: its content is compared by digest, and its folder says nothing on another machine.

    A web address is without its secrets.
    """
    if isinstance(value, str) and os.sep in value and os.path.exists(value):
        return Path(value).resolve().name
    if isinstance(value, str):
        return without_secrets(value)
    return [_portable(part) for part in value] if isinstance(value, list | tuple) else value


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
class _Decision:
    """Whether a stage has nothing to do, why, and the facts of its last run where that stays."""

    fresh: bool
    why: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class Workspace:
    """A workspace directory. Opening one does not create it; the first stage that runs does.

    Args:
        path: the directory.
        invocation: the command line this process was called with; logged with each run, for hints.
    """

    def __init__(self, path: str | Path = "workspace", invocation: str = "") -> None:
        self.path = Path(path)
        self.invocation = invocation
        self._file_lock: FileLock | None = None

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
        """Refuse a stale model; the hint holds the commands of all stale stages up to its own."""
        again: dict[str, None] = {}
        for state in self.status():
            if state.name != "stale" or state.stage.partition(":")[0] == "evaluate":
                continue
            again[self.last_command(state.stage)] = None
            if state.stage == stage:
                hint = f"Run: {' && '.join(again)} (or use it as it is: --allow-stale)"
                raise StaleInput(f"{model} is stale: {state.why}", hint)

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
            found = [with_upstream(name, states, records) for name in states]
            return [with_unfinished(state, *self._unfinished(state.stage, records)) for state in found]

    def _unfinished(self, stage: str, records: Mapping[str, Any]) -> tuple[str, str]:
        """What there is of a run of the stage that has not ended, and the command that goes on with it."""
        if stage not in UNDER_WAY:
            return "", ""
        owner = _read_owner(self.path / _OWNER)
        if owner.get("stage") == stage and is_alive(owner.get("pid")):
            return f"under way in process {owner['pid']}", ""
        return self.under_way(stage).unfinished(records.get(stage, {}))

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

    @contextmanager
    def locked(self, stage: str, creates: bool = True) -> Iterator[None]:
        """Hold the workspace's lock; may be taken again inside. A commit that a kill cut short is finished first.

        A stage lists its input inside, lest it takes old files for the new ones of such a commit.

        Args:
            creates: make the directory if need be. Otherwise one that is not there stays so, and nothing is locked.

        Raises:
            Locked: another process holds it; the message says which.
            InvalidOption: the path can be no workspace.
        """
        lock = self._acquire(creates)
        if lock is None:
            yield
            return
        try:
            if lock.lock_counter == 1:
                with suppress(OSError):  # on a full disk the lock is held without its owner's name
                    write_json(self.path / _OWNER, {"pid": os.getpid(), "stage": stage})
                commit.finish(self.path)
            with translate_disk_errors(self.path):
                yield
        finally:
            if lock.lock_counter == 1:
                with suppress(OSError):
                    (self.path / _OWNER).unlink(missing_ok=True)
            lock.release()

    def _acquire(self, creates: bool) -> FileLock | None:
        """Take the lock once more; None where there is no directory, and none is made."""
        from filelock import FileLock, Timeout  # --help must not wait for this import

        try:
            if not creates and not self.path.exists():
                return None
            self.path.mkdir(parents=True, exist_ok=True)
            if self._file_lock is None or not self._file_lock.is_locked:
                refuse_links(self.path, below=True)
            self._file_lock = self._file_lock or FileLock(self.path / _LOCK, timeout=0)
            self._file_lock.acquire()
            return self._file_lock
        except Timeout as error:
            raise Locked(
                f"{self.path} is in use by {_owner(self.path / _OWNER)}",
                "Wait until that has ended, or take another workspace: -w DIR",
            ) from error
        except OSError as error:
            raise InvalidOption(
                f"{self.path} cannot be a workspace: {error.strerror}", "Name another one: -w DIR"
            ) from error

    def run(self, planned: StageRun, work: Callable[[Stage], None]) -> Result:
        """Run a stage: lock, decide whether there is anything to do, call `work`, publish, record.

        Args:
            work: called only where there is something to do; writes to `stage.file(...)` and `stage.directory(...)`
                and fills `stage.facts`.

        Raises:
            NertoolError: running would overwrite files that were edited or made by hand; or the disk is full.
        """
        with self.locked(planned.name):
            identity = self._identity(planned)
            decision = self._decide(planned, identity)
            if decision.fresh:
                return Result(planned.name, decision.facts, True, decision.why)
            self._check_targets(planned, decision.why)
            stage = Stage(planned.name, self._staging(planned.name), identity, decision.why)
            with (
                logged(self.path, planned.name, self.invocation),
                translate_disk_errors(self.path, "nothing was changed"),
            ):
                self._work(planned, stage, work)
            return Result(planned.name, stage.facts, False, stage.why)

    def _identity(self, planned: StageRun) -> dict[str, Any]:
        """Options, versions and digests of all that is read: the first half of the record."""
        sources = None
        if planned.sources is not None:
            sources = {name: digest(path) for name, path in sorted(planned.sources.items())}
        return {
            "options": planned.options.recorded(),
            "versions": versions(planned.packages),
            "reads": {name: digest(self.path / name) for name in sorted(set(planned.reads))},
            "sources": sources,
        }

    def _staging(self, name: str) -> Path:
        return self.path / f"{STAGING}{name.replace(':', '-')}"

    def _work(self, planned: StageRun, stage: Stage, work: Callable[[Stage], None]) -> None:
        """Do the work in an empty staging directory, then publish it; the directory is gone at the end."""
        remove(stage.staging)
        stage.staging.mkdir()
        try:
            commit.check_places(self.path, stage.staging, _places(planned))
            work(stage)
            self._publish(stage, planned.replaces)
        finally:
            shutil.rmtree(stage.staging, ignore_errors=True)

    def _decide(self, planned: StageRun, identity: Mapping[str, Any]) -> _Decision:
        old = self.records().get(planned.name)
        if planned.force:
            return _Decision(False)
        if old is None:
            return self._decide_unrecorded(planned)
        state = state_of(self.path, planned.name, old)
        options = {**planned.options.defaults(), **old["options"]}
        reasons = differences({**old, "options": options}, identity)
        if state.name == "missing":
            return _Decision(False, f"again: {state.why}")
        if state.name == "edited" and reasons:
            raise NertoolError(
                f"{self.path}: {state.why}, and {join_names(reasons)} since {planned.name} ran",
                f"Keep a copy of what you edited, then: {self._forced(planned.name)}",
            )
        if state.name == "edited":
            return _Decision(True, f"kept, {state.why} (--force writes anew)", old["facts"])
        if reasons:
            return _Decision(False, f"again: {join_names(reasons)}")
        return _Decision(True, "", old["facts"])

    def _decide_unrecorded(self, planned: StageRun) -> _Decision:
        by_hand = [file for file in planned.writes if (self.path / file).exists()]
        if not by_hand:
            return _Decision(False)
        if len(by_hand) < len(planned.writes):
            written = join_names(list(planned.writes))
            raise NertoolError(
                f"{self.path}: {join_names(by_hand)} not written by nertool, and not all of {written} there",
                f"Add what is missing, or let nertool write all: {self._forced(planned.name)}",
            )
        return _Decision(True, f"kept {join_names(by_hand)}, not written by nertool (--force replaces)")

    def _forced(self, name: str) -> str:
        """The command that runs a record's stage again, whatever is there."""
        stage = name.partition(":")[0]
        own = on_workspace(self.path, self.invocation)
        if shlex.split(own)[1:2] != [stage]:  # `run --force` would replace the files of other stages too
            return self.command(stage, "--force")
        return f"{own} --force"

    def _check_targets(self, planned: StageRun, why: str) -> None:
        for directory in planned.replaces:
            self._check_replaced(planned.name, directory, planned.force)
            if planned.protects and not planned.force:
                self._check_protected(planned.name, directory, why)

    def _check_replaced(self, name: str, directory: str, force: bool) -> None:
        """Refuse to replace a directory that holds files the last run did not publish, except models with `force`."""
        path = self.path / directory
        if not path.is_dir() or (force and _holds_models(path)):
            return
        foreign, written = [], self._last_writes(name)
        for file in sorted(path.rglob("*")):
            below = file.relative_to(path).as_posix()
            published = f"{directory}/{below}" in written or below == THRESHOLDS
            is_folder = file.is_dir() and not file.is_symlink()
            if not (published or is_folder or below.startswith("checkpoint-")):
                foreign.append(below)
        if foreign:
            replace = f", or replace it: {self._forced(name)}" if _holds_models(path) else ""
            raise NertoolError(
                f"{path} holds {join_names(foreign)}, not written by the last {name}, and would be replaced",
                f"Move what is yours to another place first{replace}",
            )

    def _check_protected(self, name: str, directory: str, why: str) -> None:
        """Refuse to replace a directory that holds all that the last run published there."""
        written = [file for file in self._last_writes(name) if file.startswith(f"{directory}/")]
        if written and all((self.path / file).exists() for file in written):
            keep = "move it to another place" if directory == SEEDS else "--output-dir NAME"
            again = on_workspace(self.path, self.invocation) or self.command(name)
            raise NertoolError(
                f"{self.path / directory} holds what {name} made before, and it would be replaced ({why})",
                f"Replace it: {again} --overwrite-output-dir (or keep it: {keep})",
            )

    def _last_writes(self, name: str) -> Collection[str]:
        """Names of the files that the last run of a stage published."""
        writes: dict[str, Any] = self.records().get(name, {}).get("writes", {})
        return writes

    def _publish(self, stage: Stage, replaces: Collection[str]) -> None:
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
        remove = [] if replaces else [name for name in self._last_writes(stage.name) if name not in writes]
        record = {**stage.identity, "writes": writes, "facts": stage.facts}
        records = {**self.records(), stage.name: record}
        commit.publish(
            self.path,
            stage.staging,
            {"stage": stage.name, "entries": stage.entries, "remove": remove},
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


def _owner(path: Path) -> str:
    owner = _read_owner(path)
    return f"process {owner['pid']} ({owner['stage']})" if owner.keys() >= {"pid", "stage"} else "another process"


def _read_owner(path: Path) -> dict[str, Any]:
    """Process and stage that hold the lock, or were killed while they did; empty where that is not known."""
    try:
        return dict(read_json(path))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}
