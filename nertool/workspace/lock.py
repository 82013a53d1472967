"""The lock of a workspace: one stage at a time. Whoever takes it finishes a commit that a kill cut short."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.errors import InvalidOption, Locked
from nertool.workspace import commit
from nertool.workspace.digests import read_json, write_json
from nertool.workspace.disk_errors import failed_path, translate_disk_errors
from nertool.workspace.links import LOCK, refuse_links
from nertool.workspace.running import this_process

if TYPE_CHECKING:
    from filelock import FileLock

_OWNER = ".lock-owner.json"


class WorkspaceLock:
    """The lock of a workspace.

    Args:
        root: the workspace.
        invocation: the command line of this process.
    """

    def __init__(self, root: Path, invocation: str = "") -> None:
        self.root, self.invocation = root, invocation
        self._file_lock: FileLock | None = None
        self._stage = ""

    @contextmanager
    def held(self, stage: str, creates: bool = True) -> Iterator[None]:
        """Hold the lock; as `Workspace.locked`."""
        lock = self._acquire(creates)
        if lock is None:
            yield
            return
        around = self._stage
        try:
            self._write_owner(stage)
            if lock.lock_counter == 1:
                commit.finish(self.root)
            with translate_disk_errors(self.root):
                yield
        finally:
            self._write_owner(around)
            lock.release()

    def _write_owner(self, stage: str) -> None:
        """Write for whom this process holds the lock: `run` does for one stage after the other; empty for none."""
        if stage == self._stage:
            return
        self._stage = stage
        with suppress(OSError):  # on a full disk the lock is held without its owner's name
            if stage:
                write_json(self.root / _OWNER, {**this_process(), "stage": stage, "command": self.invocation})
            else:
                (self.root / _OWNER).unlink(missing_ok=True)

    def owner(self) -> dict[str, Any]:
        """Process, `stage` and `command` of who holds the lock, or was killed while it did; empty if not known."""
        try:
            return dict(read_json(self.root / _OWNER))
        except (OSError, ValueError, TypeError, RecursionError):
            return {}

    def _acquire(self, creates: bool) -> FileLock | None:
        """Take the lock once more; None where there is no directory, and none is made."""
        from filelock import FileLock, Timeout  # --help must not wait for this import

        try:
            if not creates and not self.root.exists():
                return None
            self.root.mkdir(parents=True, exist_ok=True)
            if self._file_lock is None or not self._file_lock.is_locked:
                refuse_links(self.root, below=True)
            self._file_lock = self._file_lock or FileLock(self.root / LOCK, timeout=0)
            self._file_lock.acquire()
            return self._file_lock
        except Timeout as error:
            raise Locked(
                f"{self.root} is in use by {self._holder()}",
                "Wait until that has ended, or take another workspace: -w DIR",
            ) from error
        except OSError as error:
            place = failed_path(error, self.root)
            why = f"{place.name}: {error.strerror}" if place.parent == self.root else error.strerror
            raise InvalidOption(f"{self.root} cannot be a workspace: {why}", "Name another one: -w DIR") from error

    def _holder(self) -> str:
        owner = self.owner()
        return f"process {owner['pid']} ({owner['stage']})" if owner.keys() >= {"pid", "stage"} else "another process"
