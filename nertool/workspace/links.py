"""Refuse links among the files that a workspace must hold itself, as writing through them would change other files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from nertool.errors import InvalidOption, NertoolError
from nertool.workspace.names import EXAMPLES, QUANTIZING, RECORDS, RUNS

OWN = (".commit", ".download", ".lock", ".lock-owner.json", ".training", EXAMPLES, QUANTIZING, RECORDS, RUNS)
"""What nertool writes for itself at the top of a workspace, beside the staging directories."""
STAGING = ".partial-"
"""How the names of staging directories begin."""


def refuse_links(root: Path, below: bool) -> None:
    """Check that nertool's own files are files and folders of the workspace.

    Args:
        root: the workspace; it need not exist.
        below: look inside nertool's own folders too.

    Raises:
        InvalidOption: the workspace cannot be read.
        NertoolError: there is a link, or something that is neither file nor folder.
    """
    for entry in _own_entries(root):
        path = Path(entry.path)
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            raise _refused(path)
        if below and entry.is_dir():
            for folder, folders, files in os.walk(path):
                for name in (*folders, *files):
                    if os.path.islink(os.path.join(folder, name)):
                        raise _refused(Path(folder, name))


def _own_entries(root: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(root) as entries:
            yield from (entry for entry in entries if entry.name in OWN or entry.name.startswith(STAGING))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise InvalidOption(
            f"{root} cannot be read: {error.strerror}", "Change its permissions, or name another workspace: -w DIR"
        ) from error


def _refused(path: Path) -> NertoolError:
    what = "a link" if path.is_symlink() else "neither a file nor a folder"
    return NertoolError(
        f"{path} is {what}: a workspace holds its own files itself", "Remove it; nertool makes it anew."
    )
