"""SHA-256 of files, and JSON files."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, TypedDict

from nertool.errors import InvalidData, MissingInput
from nertool.workspace.atomic import replacing
from nertool.workspace.names import is_inside

FILE_LIMIT = 1 << 27
"""Bytes at most of a file that is read whole; the JSON that nertool writes has a few thousand, or a million."""


class Digest(TypedDict):
    """What a file holds."""

    sha256: str  # in hexadecimal digits
    size: int  # in bytes


def digest(path: Path) -> Digest:
    """SHA-256 and size of a file. A process reads a file once while its size and times stay the same.

    Raises:
        MissingInput: there is no such file.
        InvalidData: it is no regular file, or cannot be read.
    """
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode):
            what = "a directory" if S_ISDIR(stat.st_mode) else "no regular file"
            raise InvalidData(f"{path} is {what}", "Name a file in its place.")
        identity = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        return {"sha256": _sha256(path, *identity), "size": stat.st_size}
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingInput(f"{path} is missing", "nertool status shows which stage writes it.") from error
    except OSError as error:
        raise InvalidData(f"{path} cannot be read: {error.strerror}", "Name a file that can be read.") from error


@lru_cache(maxsize=4096)
def _sha256(path: Path, *_identity: int) -> str:
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


def changed(directory: Path, digests: Mapping[str, Digest]) -> list[str]:
    """Names of the files that are gone or differ from their digests; no file outside the directory is looked at."""
    return [name for name, before in digests.items() if not (is_inside(name) and _is_same(directory / name, before))]


def _is_same(path: Path, before: Digest) -> bool:
    """Compare the size first: that needs no reading."""
    return path.is_file() and path.stat().st_size == before["size"] and digest(path) == before


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(json_text(value), encoding="utf-8")


def json_text(value: Any, indent: int | None = 2) -> str:
    """The text of a JSON file, or a line of one; a name of a file that is not UTF-8 is escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"


def read_json(path: Path) -> Any:
    """The value in a JSON file; null where it holds NaN or infinity, which JSON does not have.

    Raises:
        OSError, ValueError, RecursionError: there is no such file, or it is no JSON, or too deep, or too long.
    """
    if path.is_fifo():
        raise ValueError("a pipe, into which nobody may ever write")
    with path.open("rb") as file:
        content = file.read(FILE_LIMIT + 1)
    if len(content) > FILE_LIMIT:
        raise ValueError(f"more than {FILE_LIMIT >> 20} MiB")
    return json.loads(content.decode("utf-8"), parse_constant=lambda _: None, parse_float=_finite)


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
