"""Random columns of tags are read, or refused in two lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.tag_columns import check_tag_column


@pytest.mark.model  # check counts sub-words
@pytest.mark.parametrize("seed", range(20))
def test_a_random_column_of_tags(seed: int, tmp_path: Path) -> None:
    check_tag_column(tmp_path, seed)
