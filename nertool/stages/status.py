"""Show each stage: missing, fresh, stale or edited, and why."""

from __future__ import annotations

from nertool.workspace.staleness import State
from nertool.workspace.workspace import Workspace


def run(workspace: Workspace) -> list[State]:
    """The state of each stage, in order; workspace/staleness.py finds it."""
    return workspace.status()
