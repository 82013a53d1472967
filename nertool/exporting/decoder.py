"""From what the model gives each label to tags and entities.

A sequence of tags is as probable as its words together, and those that the tag scheme does not allow are left out.
The tables in `settings.json` are about pairs of states: 0 is O, which also stands before and behind a sentence, and
each other state is a label, whose id is one less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

TINY = float(np.finfo(float).tiny)
FARTHEST = 170.0
"""Difference of logits, divided by the temperature, beyond which a label is no less probable."""


class Decoder:
    """Chooses tags; `settings` is what `settings.json` holds."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        names = ("allowed", "begins", "ends", "starts", "stops")
        tables = (np.array([list(row) for row in settings[name]]) == "1" for name in names)
        self.allowed, self.begins, self.ends, self.starts, self.stops = tables
        self.goes_on, self.is_inside = self.allowed & ~self.starts & ~self.stops, self.stops[:, 0]
        self.settings, self.tags = settings, [settings["outside"], *settings["labels"]]
        self.types = np.array(settings["types"])

    def tag(self, logits: Any, least: Mapping[str, float]) -> tuple[list[str], list[Any]]:
        """The tags of a sentence, and its entities: type, first word, word behind the last one, score.

        Args:
            logits: shape (words, labels); NaN for words without sub-words, which are O.
            least: score below which an entity is O, by type; that of "" holds for the other types.
        """
        unread = np.isnan(logits[:, 0])
        rows = np.full((len(logits) + 2, len(self.tags)), -np.inf)
        rows[1:-1, 1:] = logits
        rows[1:-1][unread] = [0.0 if may_be == "1" else -np.inf for may_be in self.settings["unread"]]
        rows[[0, -1], 0] = 0.0
        states = self._best(rows)
        states[1:-1][unread] = 0
        tags, entities = [self.tags[state] for state in states[1:-1]], []
        for entity in self._entities(rows, states):
            label, start, end, score = entity
            if score >= least.get(label, least.get("", 0.0)):
                entities.append(entity)
                continue
            tags[start:end] = self.tags[:1] * (end - start)
            for place, parting in ((start - 1, "parting_before"), (end, "parting_behind")):
                if 0 <= place < len(tags):  # nothing is left to be parted from
                    tags[place] = self.settings[parting].get(tags[place], tags[place])
        return tags, entities

    def _best(self, rows: Any) -> Any:
        """The most probable sequence of states, by Viterbi's algorithm."""
        states = rows.argmax(-1)
        if self.allowed[states[:-1], states[1:]].all():
            return states
        costs, scores, came_from = np.where(self.allowed, 0.0, -np.inf), rows[0], []
        for row in rows[1:]:
            candidates = scores[:, None] + costs
            came_from.append(candidates.argmax(0))
            scores = candidates.max(0) + row
        for place in reversed(range(len(came_from))):
            states[place] = came_from[place][states[place + 1]]
        return states

    def _entities(self, rows: Any, states: Any) -> Iterator[tuple[str, int, int, float]]:
        spans, start = [], None
        for word, pair in enumerate(zip(states[:-1], states[1:], strict=True)):
            if start is not None and self.stops[pair]:
                spans.append((start, word))
                start = None
            if self.starts[pair]:
                start = word
        if not spans:
            return
        words, before, behind = self._probabilities(rows)
        for start, end in spans:
            kind = self.types[states[end]]
            ways = (before[start] @ self.begins) * words[start + 1] * (self.is_inside & (self.types == kind))
            for place in range(start + 2, end + 1):
                ways = (ways @ self.goes_on) * words[place]
            probability = float(ways @ self.ends @ behind[end + 1])
            yield str(kind), start, end, self._scaled(min(max(probability, 0.0), 1.0), end - start)

    def _probabilities(self, rows: Any) -> tuple[Any, Any, Any]:
        """By the forward-backward algorithm: of each word, of the words up to each with it, of those from each on."""
        rows = rows / self.settings["temperature"]
        rows -= rows.max(-1, keepdims=True)
        words = np.exp(np.where(rows > -np.inf, np.maximum(rows, -FARTHEST), rows))
        words /= words.sum(-1, keepdims=True)
        before = words.copy()
        for place in range(1, len(words)):
            before[place] *= before[place - 1] @ self.allowed
            scale = max(before[place].sum(), TINY)
            before[place] /= scale
            words[place] /= scale
        behind = words.copy()
        for place in reversed(range(len(words) - 1)):
            behind[place] *= self.allowed @ behind[place + 1]
        return words, before, behind

    def _scaled(self, probability: float, words: int) -> float:
        """A probability that fits dev, if dev had enough entities to find a scale."""
        scale = self.settings["scale"]
        if scale is None:
            return probability
        mean = min(max(probability, 1e-12), 1 - 1e-12) ** (1 / words)
        mean = min(max(mean, 1e-6), 1 - 1e-6)
        log_odds = scale["slope"] * math.log(mean / (1 - mean)) + scale["offset"] + scale["length"] * math.log(words)
        return (1 + math.tanh(log_odds / 2)) / 2
