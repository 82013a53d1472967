"""Digests of what a run leaves for the next one, by which damage is noticed."""

from __future__ import annotations

from pathlib import Path

from nertool.workspace.digests import Digest, digest, read_json, write_json

SEAL = "digests.json"
"""File of a folder with SHA-256 and size of all others."""
PLACE = "place.json"
"""File of a folder that is of use only where it was made."""


def seal(folder: Path) -> None:
    """Write the digests of all files of a folder; the folder is whole now."""
    write_json(folder / SEAL, _digests(folder))


def seal_here(folder: Path) -> None:
    """Seal a folder so that a copy of it, or one that somebody else has made, can be told."""
    seal(folder)
    write_json(folder / PLACE, identity(folder / SEAL))


def is_whole_here(folder: Path) -> bool:
    """Whether the folder is whole, and was made in this place."""
    try:
        return bool(read_json(folder / PLACE) == identity(folder / SEAL)) and is_whole(folder)
    except (OSError, ValueError, RecursionError):
        return False


def identity(path: Path) -> list[int]:
    """What a copy of a file has not: its inode and its time of change in nanoseconds, which no program sets."""
    stat = path.lstat()
    return [stat.st_ino, stat.st_ctime_ns]


def is_sealed(folder: Path) -> bool:
    """Whether the folder has been whole once."""
    return (folder / SEAL).exists()


def is_whole(folder: Path) -> bool:
    """Whether all files of a folder are as they were when it was sealed."""
    try:
        return bool(read_json(folder / SEAL) == _digests(folder))
    except (OSError, ValueError, RecursionError):
        return False


def _digests(folder: Path) -> dict[str, Digest]:
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: digest(path) for name, path in files.items() if not name.startswith((SEAL, PLACE))}  # nor begun ones
