"""A workspace of its own for each test that runs commands with faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.bench import Bench
from faults.forks import Forks


@pytest.fixture
def bench(forks: Forks, trained: Path, tiny_model: str, tmp_path: Path) -> Bench:
    """Runs stages in copies of a trained workspace."""
    return Bench(forks, trained, tiny_model, tmp_path / "bench")
