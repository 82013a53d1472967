"""What a reader left out or changed: counted by kind, and told with its first places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from nertool.progress import logger

RELATION_KEYS = ("relations", "events")
"""Keys of JSON that say what stands between spans."""
PLACES = 5
"""Places told of each kind; the rest is only counted."""


class Tally:
    """Counts of what happened beside reading plain sentences.

    Attributes:
        counts: by what happened, in words that follow a number: `multiword ranges skipped`.
        notes: what the reader found out about the file that no option said.
        form: what the file holds, as `used_options` knows it; empty before the first sentence.

    Args:
        silent: nothing is logged.
    """

    def __init__(self, silent: bool = False) -> None:
        self.counts: Counter[str] = Counter()
        self.notes: list[str] = []
        self.form = ""
        self._silent = silent

    def note(self, what: str) -> None:
        """Say what was found out."""
        self.notes.append(what)
        if not self._silent:
            logger.info("%s", what)

    def add(self, kind: str, place: str = "", detail: str = "") -> None:
        """Count one case of `kind`; the first ones with a `place` are told at once."""
        self.counts[kind] += 1
        if place and self.counts[kind] <= PLACES and not self._silent:
            logger.warning("%s: %s", place, detail)

    def add_relations(self, holder: Mapping[str, Any]) -> None:
        """Count what a record or a file of JSON says of spans beside their labels: nothing reads that."""
        for key in RELATION_KEYS:
            value = holder.get(key)
            if isinstance(value, list) and value:
                self.counts[f"{key} left out"] += len(value)
