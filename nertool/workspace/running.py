"""The directory of work under way, from which an interrupted run goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nertool.errors import NertoolError
from nertool.progress import logger
from nertool.workspace.atomic import remove
from nertool.workspace.digests import read_json, write_json
from nertool.workspace.run_log import kept_command

IDENTITY, COMMAND = "identity.json", "command.json"


class RunningDirectory:
    """Holds what a run has finished until all is published.

    Args:
        path: the directory.
        kind: of what it holds, by which its parts are named: `checkpoint` for `checkpoint-7`.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind

    def begin(self, identity: Mapping[str, Any], anew: bool = False, command: str = "") -> None:
        """Keep what an interrupted run of the same work has left; remove what another has left.

        Args:
            identity: options, versions and digests of what is read.
            anew: remove all of it.
            command: the command line, for `unfinished`; empty where the stage is run from Python.
        """
        if anew or not self.is_of(identity):
            self._empty(identity, anew)
        if command:
            write_json(self.path / COMMAND, {"command": command})

    @contextmanager
    def begun(self, identity: Mapping[str, Any], anew: bool = False, command: str = "") -> Iterator[None]:
        """Begin, as `begin`, what the block does; if it is refused before anything is finished, nothing is left."""
        self.begin(identity, anew, command)
        try:
            yield
        except NertoolError:
            if {path.name for path in self.path.rglob("*") if path.is_file()} <= {IDENTITY, COMMAND}:
                remove(self.path)
            raise

    def _empty(self, identity: Mapping[str, Any], anew: bool) -> None:
        if any(self.path.rglob(f"{self.kind}-*")):
            why = "by --force" if anew else "of a run with other options or data, or damaged"
            logger.warning("%ss are dropped: %s", self.kind, why)
        remove(self.path)
        self.path.mkdir()
        write_json(self.path / IDENTITY, dict(identity))

    def unfinished(self, stage: str, record: Mapping[str, Any]) -> tuple[str, str]:
        """What an interrupted run has left, and the command line that goes on with it.

        Both are empty where there is nothing. The command is empty where the stage was run from Python.

        Args:
            stage: that ran.
            record: of the stage: what that run has published is not unfinished.
        """
        identity = self._identity()
        known = identity.keys() & record.keys()  # a record lacks the machine, on which trials of `quantize` depend
        if not identity or (known and all(identity[name] == record[name] for name in known)):
            return "", ""
        return self.interrupted(stage, sum(1 for _ in self.path.rglob(f"{self.kind}-*")), self._command())

    def interrupted(self, stage: str, parts: int, command: str) -> tuple[str, str]:
        """How a run of this command that has left so many parts is told, and the command line that goes on with it."""
        left = f"{parts} {self.kind}{'s' if parts > 1 else ''} kept" if parts else f"before its first {self.kind}"
        return f"interrupted, {left}", kept_command(self.path.parent, command, stage, ("--force",))

    def _command(self) -> str:
        try:
            return str(read_json(self.path / COMMAND)["command"])
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return ""

    def end(self, record: Mapping[str, Any]) -> None:
        """Remove the directory of the run that has this record: it is published."""
        if self.is_of(record):
            remove(self.path)

    def is_of(self, run: Mapping[str, Any]) -> bool:
        """Whether it was left by a run on the same data with the same options; a record holds more beside these."""
        identity = self._identity()
        return bool(identity) and all(run.get(name) == value for name, value in identity.items())

    def _identity(self) -> dict[str, Any]:
        """What the run that has left this follows from; empty where that is not known."""
        try:
            identity = read_json(self.path / IDENTITY)
        except (OSError, ValueError, RecursionError):
            return {}
        return identity if isinstance(identity, dict) else {}


def this_process() -> dict[str, Any]:
    """What tells this process from others, as `is_alive` takes it."""
    return {"pid": os.getpid(), "began": _began(os.getpid())}


def is_alive(process: Mapping[str, Any]) -> bool:
    """Whether a process is there; another one may have got its number."""
    pid = process.get("pid")
    if not isinstance(pid, int) or not 0 < pid < 2**31:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return process.get("began") in (None, _began(pid))


def _began(pid: int) -> int | None:
    """When a process began, in ticks since the machine did; None where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    return None
