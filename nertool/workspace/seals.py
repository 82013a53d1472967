"""Digests of what a run leaves for the next one, by which damage is noticed."""

from __future__ import annotations

from pathlib import Path

from nertool.workspace.digests import Digest, digest, read_json, write_json

SEAL = "digests.json"
"""File of a folder with SHA-256 and size of all others."""


def seal(folder: Path) -> None:
    """Write the digests of all files of a folder; the folder is whole now."""
    write_json(folder / SEAL, _digests(folder))


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
    return {name: digest(path) for name, path in files.items() if not name.startswith(SEAL)}  # nor a begun seal
