"""The type of arrays whose shape and contents a docstring tells; probabilities out of logits.

This module imports numpy: import it at the top only where numpy is imported there too, or for types alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def softmax(logits: Array) -> Array:
    """Probabilities out of logits, over the last axis; same shape."""
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(odds / odds.sum(-1, keepdims=True))


def log_softmax(logits: Array) -> Array:
    """Logarithms of the probabilities, in nats, over the last axis; same shape, float64."""
    logits = logits.astype(np.float64)
    logits -= logits.max(-1, keepdims=True)
    return np.asarray(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))
