"""Which labels may stand behind which, kept so that a step from word to word takes little time with thousands of them.

With a matrix the time would grow with the square of the number of labels.
"""

from __future__ import annotations

import numpy as np

from nertool.arrays import Array

FEW_LABELS = 128
"""Labels up to which one product with a matrix takes less time than sums by group."""
FEW_CELLS = 1 << 13
"""Numbers, by row and pair of labels, up to which all pairs take less time than groups."""


class LabelPairs:
    """Labels that may stand in front of each label.

    Labels of one kind, such as all B-, may stand behind the same labels, and behind few beside these: I-PER stands
    behind B-PER and I-PER. So what labels of a group have in common is looked at once.

    Args:
        holds: which pairs there are, of a label and the one behind it; shape (labels, labels).
        kinds: number of the kind of each label, from 0; any numbers give the same answers. Shape (labels,).
    """

    def __init__(self, holds: Array, kinds: Array) -> None:
        in_common = np.stack([holds[:, kinds == kind].all(1) for kind in range(kinds.max() + 1)])
        self._common, group_of_kind = np.unique(in_common, axis=0, return_inverse=True)
        self._group = group_of_kind.reshape(-1)[kinds]
        label, other = np.nonzero(holds.T & ~self._common[self._group])
        place = np.arange(len(label)) - np.searchsorted(label, label)
        self._others = np.full((place.max(initial=-1) + 1, len(kinds)), len(kinds))
        self._others[place, label] = other
        self._matrix = holds.astype(float) if len(kinds) <= FEW_LABELS else None
        self._costs = np.where(holds, 0.0, -np.inf) if len(kinds) ** 2 <= FEW_CELLS else None

    def sums(self, values: Array) -> Array:
        """Add up the values of the labels that may stand in front of each label; shape (rows, labels), as given."""
        if self._matrix is not None:
            return np.asarray(values @ self._matrix)
        sums = (values @ self._common.T)[:, self._group]
        values = _with_column(values, 0.0)
        for others in self._others:
            sums += values[:, others]
        return np.asarray(sums)

    def best(self, scores: Array) -> tuple[Array, Array]:
        """Find the greatest score among the labels that may stand in front of each label, and the first such label.

        Args:
            scores: shape (rows, labels); -inf for what cannot be.

        Returns:
            two arrays of the same shape.
        """
        if self._costs is not None and scores.size * len(self._costs) <= FEW_CELLS:
            candidates = scores[:, :, None] + self._costs
            return candidates.max(1), candidates.argmax(1)
        best, first = np.empty((len(scores), len(self._common))), np.empty((len(scores), len(self._common)), np.int64)
        for group, common in enumerate(self._common):
            possible = np.where(common, scores, -np.inf)
            best[:, group], first[:, group] = possible.max(1), possible.argmax(1)
        best, first = best[:, self._group], first[:, self._group]
        scores = _with_column(scores, -np.inf)
        for others in self._others:
            score = scores[:, others]
            is_better = (score > best) | ((score == best) & (others < first))
            best, first = np.where(is_better, score, best), np.where(is_better, others, first)
        return best, first


def _with_column(values: Array, value: float) -> Array:
    """The values with a last column for no label."""
    wider = np.full((len(values), values.shape[1] + 1), value)
    wider[:, :-1] = values
    return wider
