"""Steps between labels: what a product with the whole matrix, and a look at every pair, give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertool.models import label_pairs
from nertool.models.label_pairs import LabelPairs


@pytest.fixture(params=[0, 1 << 13], autouse=True, scope="module")
def few(request: pytest.FixtureRequest) -> None:
    """By group, and by the matrix."""
    patch = pytest.MonkeyPatch()
    patch.setattr(label_pairs, "FEW_LABELS", request.param)
    patch.setattr(label_pairs, "FEW_CELLS", request.param)
    request.addfinalizer(patch.undo)


@given(labels=st.integers(1, 6), kinds=st.integers(1, 4), rows=st.integers(1, 3), seed=st.integers(0, 10_000))
def test_steps_are_those_of_every_pair(labels: int, kinds: int, rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    holds = random.random((labels, labels)) < random.random()
    pairs = LabelPairs(holds, np.unique(random.integers(0, kinds, labels), return_inverse=True)[1])
    values = random.integers(0, 3, (rows, labels)).astype(float)  # equal ones too
    assert pairs.sums(values).tolist() == (values @ holds).tolist()
    scores = np.where(random.random(values.shape) < 0.3, -np.inf, values)
    every = np.where(holds, scores[:, :, None], -np.inf)
    best, first = pairs.best(scores)
    assert best.tolist() == every.max(1).tolist()
    possible = best > -np.inf
    assert first[possible].tolist() == every.argmax(1)[possible].tolist()
