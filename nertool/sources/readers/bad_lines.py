"""Lines that cannot be read: how many there are, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from nertool.errors import InvalidData
from nertool.sources.readers.tally import PLACES, Tally

Read = TypeVar("Read")


class BadLines:
    """Collects what is wrong with lines, so that one error tells of them all.

    Args:
        on_error: `stop` raises an error once the file is read; `skip` leaves such lines out.
        tally: counts those that are left out.
    """

    def __init__(self, on_error: str, tally: Tally) -> None:
        self.skip, self.tally = on_error == "skip", tally
        self.first: InvalidData | None = None
        self.others: list[int] = []

    def add(self, number: int, error: InvalidData) -> None:
        """Take note of a line."""
        if self.skip:
            place, _, detail = error.message.partition(": ")
            self.tally.add("lines that cannot be read, left out", place, f"{detail}: left out")
        elif self.first is None:
            self.first = error
        else:
            self.others.append(number)

    def guard(self, found: Iterable[Read]) -> Iterator[Read]:
        """Give on what is read of the file, up to its first bad line; the rest is read to count the others.

        So nothing behind a bad line is taken, even where only the first sentences are asked for.

        Raises:
            InvalidData: there were such lines, and they are not left out (names the first ones).
        """
        for one in found:
            if self.first is None:
                yield one
        if self.first is not None:
            raise self._error(self.first)

    def _error(self, first: InvalidData) -> InvalidData:
        message = first.message
        if self.others:
            places = ", ".join(map(str, self.others[:PLACES])) + (", ..." if len(self.others) > PLACES else "")
            message += f" ({len(self.others):,} more: line {places})"
        return InvalidData(message, f"{first.hint} --on-error skip leaves such lines out.")
