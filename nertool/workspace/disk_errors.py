"""Turn what a file system refuses into errors that say what to mend."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nertool.errors import NertoolError

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV, errno.ELOOP, errno.ENOTEMPTY)
"""What permissions, mounts and links bring about."""


NUMBER_TOLD = re.compile(r"\(os error (\d+)\)|\[errno (\d+)\]", re.IGNORECASE)
"""How safetensors (Rust) and Arrow (C++) tell the number of an error in its text."""
CUT_SHORT = re.compile(
    r"PytorchStreamWriter failed|inline_container\.cc|basic_ios::clear|"
    r"\d+ requested and \d+ written|Not enough disk space"
)
"""What PyTorch, NumPy and datasets say when the disk did not take all that they wrote; they tell no number."""


@contextmanager
def translate_disk_errors(path: Path, state: str = "") -> Iterator[None]:
    """Turn the error of a full disk, or of a file that may not be used, into a NertoolError.

    Args:
        path: what the block works on, for errors that name no file.
        state: in which the workspace is; empty where that is clear.
    """
    try:
        yield
    except BaseException as error:  # libraries have kinds of their own
        if translated := _translated(error, path, f"; {state}" if state else ""):
            raise translated from error
        raise


def _translated(error: BaseException, path: Path, state: str) -> NertoolError | None:
    """The same in two lines; None where the disk has nothing to do with it, or it is told already."""
    if not isinstance(error, Exception) or isinstance(error, NertoolError):
        return None
    if reason := full_disk(error):
        return NertoolError(f"{path}: {reason}{state}", "Make room, or take a workspace on another disk: -w DIR")
    if isinstance(error, OSError) and error.errno in REFUSED:
        return NertoolError(
            f"{failed_path(error, path)}: {error.strerror}{state}",
            "Change its permissions, or take another workspace: -w DIR",
        )
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return NertoolError(f"{failed_path(error, path)}: {error.strerror}{state}", "Take a shorter name.")
    return None


def full_disk(error: BaseException | None) -> str:
    """What an error, or one that has led to it, says of a full disk; empty where it is none."""
    while error is not None:
        found = NUMBER_TOLD.search(str(error))
        number = getattr(error, "errno", None) or (int(found[1] or found[2]) if found else 0)
        if number in FULL_DISK:
            return os.strerror(number)
        if CUT_SHORT.search(str(error)):
            return "the disk is full: a file was cut short"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return ""


def failed_path(error: OSError, otherwise: Path) -> Path:
    """The file that an error is about; of two, the one that was to be replaced."""
    name = error.filename2 or error.filename
    return Path(name) if isinstance(name, str | Path) else otherwise
