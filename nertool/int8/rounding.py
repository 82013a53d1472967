"""Weights as bytes and scales, a scale for each column or row."""

from __future__ import annotations

import numpy as np

from nertool.arrays import Array

TOPS = {7: 64, 8: 127}
"""Greatest magnitude of a weight of so many bits; two products of 255 and 64 fit into 16 bits."""
BLOCK = 128
"""Rows whose errors are compensated together."""
DAMPING = 0.01
"""Damping of the Hessian: share of its mean diagonal that is added to the diagonal, lest few sentences decide."""
CLIPPED = np.linspace(0.7, 1, 16)
"""Shares of a column's greatest magnitude that are tried as its bound."""


def round_columns(values: Array, bits: int = 8, moments: Array | None = None) -> tuple[Array, Array]:
    """Round each column of a matrix, such as the weights of one output of a linear layer.

    The bound of a column is that of least squared error.

    Args:
        values: shape (inputs, outputs).
        bits: 7 or 8; see `TOPS`.
        moments: `x.T @ x` of the inputs that the weights meet, which GPTQ calls the Hessian; shape (inputs, inputs).
            With them the error of each weight is compensated by the weights after it, so that the outputs of the layer
            change least, rather than the weights. Source: Frantar et al. 2023, GPTQ.

    Returns:
        bytes of shape (inputs, outputs), and a scale for each column, of shape (outputs,).

    >>> steps, scales = round_columns(np.array([[1.0, -2.0], [0.5, 4.0]]))
    >>> steps.tolist(), (steps * scales).round(1).tolist()
    ([[127, -64], [64, 127]], [[1.0, -2.0], [0.5, 4.0]])
    """
    top = TOPS[bits]
    greatest = np.maximum(np.abs(values).max(axis=0), np.finfo(np.float32).tiny * top)
    best = np.full(len(greatest), np.inf)
    scales = greatest / top
    for share in CLIPPED:
        tried = greatest * share / top
        error = np.square(_steps(values, tried, top) * tried - values).sum(axis=0)
        scales = np.where(error < best, tried, scales)
        best = np.minimum(error, best)
    if moments is None:
        return _steps(values, scales, top).astype(np.int8), scales.astype(np.float32)
    return _compensated(values, scales, top, moments), scales.astype(np.float32)


def _compensated(values: Array, scales: Array, top: int, moments: Array) -> Array:
    """Round row by row, the inputs of greatest magnitude first; the rows that follow compensate each error.

    Rows of the same block do so at once, and all rows behind it when the block is done.
    """
    order = np.argsort(-np.diag(moments))
    left = values[order].astype(np.float64)
    share = _compensation(moments[np.ix_(order, order)])
    steps = np.empty(values.shape, np.int8)
    for begin in range(0, len(left), BLOCK):
        end = min(begin + BLOCK, len(left))
        errors = np.empty((end - begin, left.shape[1]))
        for row in range(begin, end):
            rounded = _steps(left[row], scales, top)
            steps[order[row]] = rounded
            errors[row - begin] = (left[row] - rounded * scales) / share[row, row]
            left[row + 1 : end] -= np.outer(share[row, row + 1 : end], errors[row - begin])
        left[end:] -= share[begin:end, end:].T @ errors
    return steps


def _compensation(moments: Array) -> Array:
    """How much the rows behind each row compensate its error: upper Cholesky factor of the inverse Hessian."""
    damped = moments.astype(np.float64)
    diagonal = np.einsum("ii->i", damped)
    diagonal += DAMPING * diagonal.mean() + np.finfo(np.float32).tiny  # an input may be 0 throughout
    return np.linalg.cholesky(np.linalg.inv(damped)).T


def round_rows(values: Array) -> tuple[Array, Array]:
    """Round each row of a matrix to 8 bits, such as an embedding.

    Returns:
        bytes of the same shape, and a scale for each row, of shape (rows, 1).
    """
    greatest = np.maximum(np.abs(values).max(axis=1, keepdims=True), np.finfo(np.float32).tiny * 127)
    scales = (greatest / 127).astype(np.float32)
    return _steps(values, scales, 127).astype(np.int8), scales


def zero_point(least: float, greatest: Array) -> int:
    """The byte of a row that stands for 0, so that all rows have the least squared error.

    Args:
        least: no row has a lower value; at most 0, or 0 is taken.
        greatest: values of rows, as calibration sentences have them; shape (rows,).

    >>> zero_point(-0.17, np.array([2.0, 3.0])), zero_point(0.0, np.array([2.0]))
    (20, 0)
    """
    if least >= 0:
        return 0
    tried = np.arange(1, 128)
    steps = np.maximum(greatest[:, None] / (255 - tried), -least / tried)
    return int(tried[np.square(steps).sum(axis=0).argmin()])


def _steps(values: Array, scales: Array, top: int) -> Array:
    return np.clip(np.round(values / scales), -top, top)
