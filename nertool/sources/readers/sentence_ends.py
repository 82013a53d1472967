"""Where sentences end in rows that say which sentence they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nertool.corpus.column_files import counted
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.column_roles import begins_again
from nertool.sources.readers.layout import Layout

SENTENCE_HELP = (
    "Name the column with a sentence's id: --sentence-column; or a token that ends sentences: --sentence-end ."
)
NO_ID = frozenset({"", "nan", "NaN", "NA", "None", "null"})
"""What stands for the id of the row above."""
FULL_STOPS = frozenset({".", "!", "?", "。", "।"})
"""Tokens that seldom stand inside a sentence."""
LONGEST_SENTENCE = 100_000
"""Rows without the end of a sentence, beyond which nothing seems to end one."""


class Restarts:
    """Tells where a column that counts tokens begins again.

    Args:
        at: 0-based index of the column; None where there is none.
    """

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.last: int | None = None

    def before(self, fields: Sequence[str]) -> bool:
        """Whether a sentence begins with this row."""
        if self.at is None:
            return False
        last, self.last = self.last, counted(fields[self.at])
        return begins_again(self.last, last)


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
        self.has_id, self.ids_repeat, self.is_behind_gap = True, False, False
        self.ids = [""] * len(id_at)
        self.ended: set[int] = set()
        self.rows = self.ends = self.stops = 0
        self.is_behind_stop = False

    def note(self, token: str) -> None:
        """Take note of a token: full stops with a token behind them are counted."""
        self.stops += self.is_behind_stop
        self.is_behind_stop = token in FULL_STOPS

    def here(self) -> None:
        """A sentence ends behind the last row."""
        self.rows, self.ends, self.is_behind_stop = 0, self.ends + 1, False

    def gap(self) -> bool:
        """Whether a sentence ends at an empty row; beside ids only if the row behind it has one, as `before` tells."""
        self.is_behind_gap = True
        if not self.id_at:
            self.here()
        return not self.id_at

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
        row_above_has_id, self.has_id = self.has_id, fields[self.id_at[-1]] not in NO_ID
        is_behind_gap, self.is_behind_gap = self.is_behind_gap, False
        if not self.has_id:
            return False
        own = [fields[at] for at in self.id_at]
        self.ids = [before if one in NO_ID else one for one, before in zip(own, self.ids, strict=True)]
        name = " ".join(self.ids)
        if name == self.current:
            self.ids_repeat = self.ids_repeat or row_above_has_id
            begins = is_behind_gap or not self.ids_repeat  # where first rows alone have ids, this is a first row
            self.is_behind_stop = self.is_behind_stop and not begins
            return begins
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
            InvalidOption: nothing ended a sentence; or all rows have one id, and full stops among them.
        """
        if len(self.ended) == 1 and not self.ends and self.stops and not self.as_is:
            what = f"{self.path}: all rows have the sentence id {self.current!r}, and full stops stand among them"
            raise InvalidOption(what, f"{SENTENCE_HELP} To take one sentence: --accept-as-is.")
        if not self.id_at and self.rows and not self.ends:
            raise self._endless()

    def _endless(self) -> InvalidOption:
        return InvalidOption(f"{self.path}: no column of sentence ids and no empty row", SENTENCE_HELP)
