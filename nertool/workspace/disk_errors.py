"""Turn what a file system refuses into errors that say what to mend."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nertool.errors import NertoolError

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV, errno.ELOOP, errno.ENOTEMPTY)
"""What permissions, mounts and links bring about."""


@contextmanager
def translate_disk_errors(path: Path, state: str = "") -> Iterator[None]:
    """Turn the error of a full disk, or of a file that may not be used, into a NertoolError.

    Args:
        path: what the block works on, for errors that name no file.
        state: in which the workspace is; empty where that is clear.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            place, hint = path, "Make room, or take a workspace on another disk: -w DIR"
        elif error.errno in REFUSED:
            place, hint = failed_path(error, path), "Change its permissions, or take another workspace: -w DIR"
        else:
            raise
        reason = f"{error.strerror}; {state}" if state else f"{error.strerror}"
        raise NertoolError(f"{place}: {reason}", hint) from error


def failed_path(error: OSError, otherwise: Path) -> Path:
    """The file that an error is about; of two, the one that was to be replaced."""
    name = error.filename2 or error.filename
    return Path(name) if isinstance(name, str | Path) else otherwise
