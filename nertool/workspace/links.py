"""Refuse links among the files that a workspace must hold itself, as writing through them would change other files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG

from nertool.errors import InvalidOption, NertoolError
from nertool.workspace.names import CHECKING, EXAMPLES, LABELS, QUANTIZING, RECORDS, RUNS, SPLITS

LOCK = ".lock"
OWN_FILES = (LOCK, ".lock-owner.json", RECORDS, RUNS)
OWN = (*OWN_FILES, ".commit", ".download", ".training", CHECKING, EXAMPLES, QUANTIZING)
"""What nertool writes for itself at the top of a workspace, beside the staging directories."""
DATA = (LABELS, *(f"{split}.txt" for split in SPLITS), *(f"{split}.txt.tmp" for split in SPLITS))
"""What anybody may write there, or link to."""
STAGING = ".partial-"
"""How the names of staging directories begin."""


def refuse_links(root: Path, below: bool) -> None:
    """Check that nertool's own files are files and folders of the workspace, and that data are no pipes or devices.

    Args:
        root: the workspace; it need not exist.
        below: look inside nertool's own folders too.

    Raises:
        InvalidOption: the workspace cannot be read.
        NertoolError: there is a link, a folder in the place of a file, or something that is neither.
    """
    for entry in _entries(root):
        path = Path(entry.path)
        if entry.name in DATA:
            if path.exists() and not (entry.is_file() or entry.is_dir()):
                raise NertoolError(f"{path} is neither a file nor a folder", "Remove it, or put a file in its place.")
            continue
        _check_own(path)
        if entry.name in OWN_FILES and entry.is_dir():
            raise NertoolError(f"{path} is a folder: a workspace has a file of that name", "Move it to another place.")
        if entry.name == LOCK and entry.stat().st_size:  # taking the lock empties it, under all its names
            raise NertoolError(f"{path} is no lock of nertool: it holds something", "Move it to another place.")
        if below and entry.is_dir():
            for folder, folders, files in os.walk(path):
                for name in (*folders, *files):
                    _check_own(os.path.join(folder, name))


def _entries(root: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(root) as entries:
            yield from (entry for entry in entries if entry.name in OWN + DATA or entry.name.startswith(STAGING))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise InvalidOption(
            f"{root} cannot be read: {error.strerror}", "Change its permissions, or name another workspace: -w DIR"
        ) from error


def _check_own(path: str | Path) -> None:
    with suppress(FileNotFoundError):  # another process has just removed it
        mode = os.lstat(path).st_mode
        if not (S_ISREG(mode) or S_ISDIR(mode)):
            what = "a link" if S_ISLNK(mode) else "neither a file nor a folder"
            raise NertoolError(
                f"{path} is {what}: a workspace holds its own files itself", "Remove it; nertool makes it anew."
            )
