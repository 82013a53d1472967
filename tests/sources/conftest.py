"""A workspace for `download`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nertool.workspace.workspace import Workspace


@pytest.fixture
def w(tmp_path: Path) -> Workspace:
    """A workspace that does not exist yet."""
    return Workspace(tmp_path / "w")
