"""Knowledge distillation: the loss between the probabilities of teachers and those of the model that learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nertool.arrays import Array
from nertool.models.encode import NO_WORD, inside

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Teaching:
    """What teachers say, and how much of it is learnt.

    Attributes:
        parts: logarithm of the mean of the teachers' probabilities, half precision, of the words of one file after the
            other; shape (words, labels) each. A word that no teacher reads has -inf for all labels.
        labels: of the model.
        known: whether a teacher has the label; shape (labels,). The others are left out of the comparison.
        weight: of the divergence in the loss; the rest is that of the cross-entropy with the gold tags.
        temperature: of both distributions.
    """

    parts: Sequence[Array]
    labels: Sequence[str]
    known: Array
    weight: float
    temperature: float

    def loss(self, cross_entropy: torch.Tensor, divergence: torch.Tensor) -> torch.Tensor:
        """The loss of a step out of both means."""
        return (1 - self.weight) * cross_entropy + self.weight * self.temperature**2 * divergence

    def divergence(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Sum of the Kullback-Leibler divergences of the model from its teachers, in nats.

        Args:
            scores: of the model; shape (rows, subwords, labels).
            targets: number of the word whose tag a sub-word carries, or NO_WORD; shape (rows, subwords).
        """
        import torch

        taught = targets != NO_WORD
        known = torch.from_numpy(self.known).to(scores.device)
        given = self._targets(targets, taught).to(scores.device)[:, known]
        soft = torch.softmax(given / self.temperature, -1).nan_to_num(0)  # of a word that no teacher reads
        own = torch.nn.functional.log_softmax(scores[taught][:, known] / self.temperature, -1)
        return torch.nn.functional.kl_div(own, soft, reduction="sum")

    def _targets(self, targets: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
        """Logarithms for the sub-words that are taught; of a word's other sub-words, B- counts as I-."""
        import torch

        given = self.rows(targets[taught].cpu().numpy())
        other = torch.zeros_like(taught)
        other[:, 1:] = targets[:, 1:] == targets[:, :-1]
        other_rows = other[taught].cpu().numpy()
        with np.errstate(divide="ignore"):
            given[other_rows] = np.log(np.exp(given[other_rows]) @ self._inside())
        return torch.from_numpy(given)

    def rows(self, words: Array) -> Array:
        """Logarithms for words by their numbers, counted over all parts; shape (words, labels), float32."""
        rows = np.full((len(words), len(self.labels)), -np.inf, np.float32)
        first = 0
        for part in self.parts:
            own = (words >= first) & (words < first + len(part))
            rows[own] = part[words[own] - first]
            first += len(part)
        return rows

    def _inside(self) -> Array:
        """Matrix that moves what B- has to I-, where there is such a label; shape (labels, labels)."""
        moves = np.zeros((len(self.labels), len(self.labels)), np.float32)
        for number, label in enumerate(self.labels):
            continued = inside(label)
            moves[number, self.labels.index(continued) if continued in self.labels else number] = 1
        return moves
