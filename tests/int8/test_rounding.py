"""Weights in bytes: no column further from its weights than rounding makes it, errors made good by other weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertool.int8.rounding import TOPS, round_columns, round_rows


@given(st.integers(1, 40), st.integers(1, 8), st.sampled_from([7, 8]), st.integers(0, 10**6))
def test_a_column_is_as_near_as_with_its_own_extremes(inputs: int, outputs: int, bits: int, seed: int) -> None:
    values = np.random.default_rng(seed).standard_t(3, (inputs, outputs)).astype(np.float32)
    steps, scales = round_columns(values, bits)
    assert steps.dtype == np.int8 and np.abs(steps.astype(int)).max() <= TOPS[bits]
    plain = np.abs(values).max(0) / TOPS[bits]
    error = np.square(steps * scales - values).sum(0)
    assert (error <= np.square(np.round(values / plain) * plain - values).sum(0) * 1.001 + 1e-9).all()


@given(st.integers(0, 10**6))
def test_with_moments_what_comes_out_changes_less(seed: int) -> None:
    """For inputs that hang together, as activations do; more than one block of rows."""
    random = np.random.default_rng(seed)
    weights = random.normal(size=(150, 8)).astype(np.float32)
    inputs = random.normal(size=(600, 20)) @ random.normal(size=(20, 150)) + 0.1 * random.normal(size=(600, 150))
    errors = []
    for moments in (None, (inputs.T @ inputs).astype(np.float32)):
        steps, scales = round_columns(weights, 7, moments)
        assert np.abs(steps.astype(int)).max() <= TOPS[7]
        errors.append(np.square(inputs @ (steps * scales - weights)).mean())
    assert errors[1] < 0.5 * errors[0]


def test_moments_of_independent_inputs_change_nothing() -> None:
    weights = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    plain, compensated = round_columns(weights), round_columns(weights, 8, np.eye(30, dtype=np.float32))
    assert (plain[0] == compensated[0]).all() and (plain[1] == compensated[1]).all()


def test_an_input_that_is_always_nought_and_a_column_of_noughts_can_be_rounded() -> None:
    weights = np.array([[1.0, 0.0], [-0.5, 0.0]], np.float32)
    steps, scales = round_columns(weights, 8, np.zeros((2, 2), np.float32))
    assert np.isfinite(scales).all() and (steps[:, 1] == 0).all()
    assert steps * scales == pytest.approx(weights, abs=0.005)


def test_each_row_has_a_scale() -> None:
    steps, scales = round_rows(np.array([[1.0, -2.0], [100.0, 50.0], [0.0, 0.0]], np.float32))
    assert steps.tolist() == [[64, -127], [127, 64], [0, 0]]
    assert scales.shape == (3, 1) and (steps * scales)[1].tolist() == pytest.approx([100, 50.4], abs=0.01)
