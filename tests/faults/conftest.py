"""The process that runs commands for the tests here, with a workspace of its own for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.bench import Bench
from faults.forks import QUANTIZING, TRAINING, Forks


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Runs commands; it takes seconds to start, so tests that use it stay together."""
    with Forks(tmp_path_factory.mktemp("forks"), *TRAINING, *QUANTIZING) as running:
        yield running


@pytest.fixture
def bench(forks: Forks, trained: Path, tiny_model: str, tmp_path: Path) -> Bench:
    """Runs stages in copies of a trained workspace."""
    return Bench(forks, trained, tiny_model, tmp_path / "bench")
