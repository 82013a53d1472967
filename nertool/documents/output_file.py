"""The file that `predict -o FILE` writes: whole or not at all, resumed after a kill."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from nertool.errors import InvalidOption, Unwritable
from nertool.progress import logger
from nertool.workspace.atomic import move_into_place
from nertool.workspace.digests import read_json, write_json
from nertool.workspace.disk_errors import REFUSED

DOCUMENTS_BETWEEN = 2000
"""Documents after which `FILE.progress` is updated. Chosen, not measured."""
DESCRIPTORS = ("/dev/std", "/dev/fd/", "/proc/")
"""Prefixes of paths that name an open file."""
ANEW = "begin again: --force in place of --resume"


class OutputFile:
    """A file of tagged documents that gets its name once it is whole.

    Until then it is `FILE.partial`, and `FILE.progress` says how many of its documents are on the disk: `resume`
    continues after them. A device or a pipe is written to directly.

    Args:
        name: the path as the user gave it.
        resume: go on with a file that a killed run began.
        force: replace a file of this name, or one that was begun.
        made_of: input, model and options, by name; a file that was begun with others is not gone on with. What was
            None then may be anything now.
        resumable: another run can go on with this one; not where the order is known only at the end.

    Attributes:
        documents: number of documents that are on the disk already; the caller skips them.

    Raises:
        InvalidOption: the file exists and neither `resume` nor `force` applies, it was begun with something else, or no
            file can have this name.
    """

    def __init__(
        self,
        name: str,
        resume: bool = False,
        force: bool = False,
        made_of: Mapping[str, Any] | None = None,
        resumable: bool = True,
    ) -> None:
        self.name, self._resume, self._force, self._resumable = name, resume, force, resumable
        self._made_of = json.loads(json.dumps(made_of or {}, allow_nan=False))  # as it is when it is read again
        self._target = self._path = Path(name)
        self._at_once = (self._target.exists() and not self._target.is_file()) or name.startswith(DESCRIPTORS)
        if not self._at_once:
            self._target = Path(os.path.realpath(self._target))  # a link goes on pointing to what is written
            self._path = Path(f"{self._target}.partial")
        self._progress = Path(f"{self._target}.progress")
        self.documents, self._bytes = self._resume_point()
        if self.documents:
            logger.info("%s goes on after %s documents", name, self.documents)

    @property
    def folder(self) -> Path | None:
        """Directory of the file; None for a device or a pipe."""
        return None if self._at_once else self._target.parent

    def write(self, head: str, documents: Iterable[str]) -> None:
        """Write the file.

        Args:
            head: text before the first document.
            documents: the text of each document after the first `self.documents`.

        Raises:
            Unwritable: the disk is full, or the like.
        """
        way_on = "; --resume goes on with a file that was long at work" if self._resumable else ""
        with translate_write_errors(str(self._target), way_on), self._open() as out:
            if not self.documents:
                self._progress.unlink(missing_ok=True)
            try:
                for text in chain([] if self.documents else [head], self._noting_progress(documents, out)):
                    out.write(text.encode("utf-8"))
                out.flush()
                if not self._at_once:
                    move_into_place(self._path, self._target)
                    self._progress.unlink(missing_ok=True)
            finally:
                if not self._at_once and not self._progress.exists():
                    self._path.unlink(missing_ok=True)  # nothing could go on with it
        logger.info("written: %s", self.name)

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        if self._at_once:
            with self._path.open("wb") as out:
                yield out
            return
        with open(self._path, "a+b", opener=_open_no_link) as out:  # which changes nothing before the lock is there
            self._lock(out)
            self._check_unchanged()
            out.truncate(self._bytes)
            out.seek(self._bytes)
            yield out

    def _lock(self, out: BinaryIO) -> None:
        """Keep other processes from writing the file.

        Raises:
            InvalidOption: one does so now, or has just given this file its final name.
        """
        busy = InvalidOption(
            f"--output {self.name} is being written by another process", "Wait for it, or name another file."
        )
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
            begun = os.lstat(self._path)
        except (BlockingIOError, FileNotFoundError) as error:
            raise busy from error
        if not os.path.samestat(begun, os.fstat(out.fileno())):
            raise busy

    def _check_unchanged(self) -> None:
        """Look at the file again: another process may have written it while this one loaded its model.

        Raises:
            InvalidOption: one has.
        """
        try:
            if self._resume_point() != (self.documents, self._bytes):
                raise InvalidOption(f"--output {self.name} was written by another process meanwhile", "Run it again.")
        except InvalidOption:
            if not self._progress.exists():
                self._path.unlink(missing_ok=True)  # made by this process just now
            raise

    def _noting_progress(self, documents: Iterable[str], out: BinaryIO) -> Iterator[str]:
        """Give the documents; after every DOCUMENTS_BETWEEN of them, update `FILE.progress`."""
        for number, text in enumerate(documents, start=self.documents):
            if self._resumable and number > self.documents and number % DOCUMENTS_BETWEEN == 0:
                out.flush()
                os.fsync(out.fileno())
                write_json(self._progress, {"documents": number, "bytes": out.tell(), "made_of": self._made_of})
            yield text

    def _resume_point(self) -> tuple[int, int]:
        """Number of documents and bytes that are on the disk already; both 0 for a new file."""
        self._check_directory()
        begun = self._path != self._target and self._path.exists() and self._progress.exists()
        if self._resume and begun:
            return self._read_progress()
        if self._resume and self._target.exists():
            raise InvalidOption(
                f"--resume: {self.name} is whole, or was not begun by nertool", f"Name another file, or {ANEW}"
            )
        if begun and not self._force:
            way_on = "Go on with it: --resume; or begin again: --force" if self._resumable else "Begin again: --force"
            raise InvalidOption(f"--output {self.name} was begun", way_on)
        if self._target.is_file() and not self._force:
            raise InvalidOption(
                f"--output {self.name} is there already", "Name another file, or replace this one: --force"
            )
        return 0, 0

    def _check_directory(self) -> None:
        if self._target.is_dir() or not self._target.parent.is_dir():
            no_directory = f"there is no directory {self._target.parent}"
            what = f"{self._target} is a directory" if self._target.is_dir() else no_directory
            raise InvalidOption(f"--output {self.name}: {what}", "Name a file in a directory that is there.")

    def _read_progress(self) -> tuple[int, int]:
        try:
            progress = read_json(self._progress)
            done = int(progress["documents"]), int(progress["bytes"])
            begun_with = dict(progress["made_of"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InvalidOption(
                f"--resume: {self._progress} is damaged", "Begin again: --force in place of --resume"
            ) from error
        if not (done[0] > 0 and 0 <= done[1] <= self._path.stat().st_size):
            raise InvalidOption(
                f"--resume: {self._progress} does not fit {self._path}", "Begin again: --force in place of --resume"
            )
        other = [name for name, value in begun_with.items() if value not in (None, self._made_of.get(name))]
        if other:
            raise InvalidOption(
                f"--resume: {self.name} was begun with other {', '.join(other)}",
                f"Give the same as then, name another file, or {ANEW}",
            )
        return done


def _open_no_link(path: str, flags: int) -> int:
    """Open a file, but not what a link in its place points to: that could be any file."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


@contextmanager
def translate_write_errors(label: str, way_on: str = "") -> Iterator[None]:
    """Turn an error in writing into a NertoolError; a closed pipe is no error of the user and passes unchanged.

    Args:
        label: what is written.
        way_on: how to go on with what is written already; end of the hint.

    Raises:
        Unwritable: it cannot be written.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        mend = "Change its permissions" if error.errno in REFUSED else "Make room"
        raise Unwritable(
            f"{label} cannot be written: {error.strerror or error}",
            f"{mend}, or write to another place{way_on}.",
        ) from error
