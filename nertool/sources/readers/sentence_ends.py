"""Where sentences end in rows that say which sentence they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.layout import Layout

SENTENCE_HELP = (
    "Name the column with a sentence's id: --sentence-column; or a token that ends sentences: --sentence-end ."
)
NO_ID = frozenset({"", "nan", "NaN", "NA", "None", "null"})
"""What stands for the id of the row above."""
LONGEST_SENTENCE = 100_000
"""Rows without the end of a sentence, beyond which nothing seems to end one."""


class SentenceEnds:
    """Tells where sentences end: at another id, or at an empty row.

    Args:
        id_at: 0-based indices of the columns that hold a sentence's id, its own one last; empty where none does.

    Attributes:
        current: id of the sentence; empty before the first.
    """

    def __init__(self, path: Path | str, layout: Layout, id_at: Sequence[int]) -> None:
        self.path, self.id_at, self.as_is = path, id_at, layout.as_is
        self.current = ""
        self.ids = [""] * len(id_at)
        self.ended: set[int] = set()
        self.rows = self.ends = 0

    def here(self) -> None:
        """A sentence ends behind the last row."""
        self.rows, self.ends = 0, self.ends + 1

    def before(self, number: int, fields: Sequence[str]) -> bool:
        """Whether a sentence ends in front of this row.

        Raises:
            InvalidData: the row belongs to a sentence that has ended already.
            InvalidOption: nothing ends sentences.
        """
        self.rows += 1
        if not self.id_at:
            if self.rows > LONGEST_SENTENCE:
                raise self._endless()
            return False
        if fields[self.id_at[-1]] in NO_ID:
            return False
        own = [fields[at] for at in self.id_at]
        self.ids = [before if one in NO_ID else one for one, before in zip(own, self.ids, strict=True)]
        name = " ".join(self.ids)
        if name == self.current:
            return False
        if hash(name) in self.ended and not self.as_is:
            raise InvalidData(
                f"{self.path}:{number}: sentence {name!r} goes on here, but other rows stand between",
                "Sort the rows by sentence; if its ids begin again here: --accept-as-is.",
            )
        self.ended.add(hash(name))
        self.current = name
        return True

    def finish(self) -> None:
        """End the file.

        Raises:
            InvalidOption: nothing ended a sentence.
        """
        if not self.id_at and self.rows and not self.ends:
            raise self._endless()

    def _endless(self) -> InvalidOption:
        return InvalidOption(f"{self.path}: no column of sentence ids and no empty row", SENTENCE_HELP)
