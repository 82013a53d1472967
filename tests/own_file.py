"""Run `download`, mostly on a file of the user's own, and show what became of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nertool.stages import download
from nertool.workspace.stage import Result
from nertool.workspace.workspace import Workspace


def write(folder: Path, name: str, content: Any) -> Path:
    """A file of text, of bytes, or of anything else as JSON."""
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8", newline="")
    return path


def run(workspace: Workspace, recipe: str | None = None, **options: Any) -> Result:
    """Run `download` with these options."""
    return download.run(workspace, download.Options(recipe=recipe, **options))


def stored(workspace: Workspace) -> dict[str, str]:
    """What stands in the workspace for each split."""
    paths = sorted(workspace.path.glob("*.txt.tmp"))
    return {path.name.removesuffix(".txt.tmp"): path.read_text(encoding="utf-8") for path in paths}


def download_own(path: Path, **options: Any) -> tuple[Workspace, Result]:
    """Take a file in as train, in the workspace beside it."""
    workspace = Workspace(path.parent / "workspace")
    return workspace, run(workspace, train_file=str(path), **options)


def train_lines(workspace: Workspace) -> str:
    """What stands in `train.txt.tmp`."""
    return (workspace / "train.txt.tmp").read_text(encoding="utf-8")


def taken(folder: Path, name: str, content: Any, **options: Any) -> tuple[str, dict[str, int]]:
    """Tokens and tags of train in one line, and what was left out or changed, with notes."""
    return taken_from(write(folder, name, content), **options)


def taken_from(path: Path, **options: Any) -> tuple[str, dict[str, int]]:
    workspace, result = download_own(path, **options)
    counts = {key: n for key, n in result.facts["train"].items() if key not in ("sentences", "tokens", "changes")}
    counts |= result.facts["train"].get("changes", {})
    return train_lines(workspace).replace("\n\n", " / ").replace("\n", " "), counts


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)
