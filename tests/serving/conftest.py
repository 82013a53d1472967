"""A server that tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving_client import Client, running


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A server with the rule, which the tests of a module share."""
    with running() as client:
        yield client
