"""Take a file of the user's own through `download`, and show what became of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nertool.stages import download
from nertool.workspace.workspace import Workspace


def taken(folder: Path, name: str, content: Any, **options: Any) -> tuple[str, dict[str, int]]:
    """Tokens and tags of train in one line, and what was left out or changed, with notes."""
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return taken_from(path, **options)


def taken_from(path: Path, **options: Any) -> tuple[str, dict[str, int]]:
    workspace = Workspace(path.parent / f"workspace-{path.name}")
    result = download.run(workspace, download.Options(train_file=str(path), **options))
    counts = {key: n for key, n in result.facts["train"].items() if key not in ("sentences", "tokens", "changes")}
    counts |= result.facts["train"].get("changes", {})
    return (workspace / "train.txt.tmp").read_text(encoding="utf-8").replace("\n\n", " / ").replace("\n", " "), counts


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)
