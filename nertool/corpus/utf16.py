"""Places in a text counted in UTF-16 units, as JavaScript counts, and the key by which a record says so."""

from __future__ import annotations

from itertools import accumulate

KEY, UNITS = "offsets", "UTF-16"
"""Key and value of a record whose spans count UTF-16 units."""


def units(text: str) -> list[int]:
    """Number of units of each character."""
    return [2 if character > "\uffff" else 1 for character in text]


def places(text: str) -> list[int]:
    """Place of each character, and behind the last one.

    >>> places("a😀b")
    [0, 1, 3, 4]
    """
    return [0, *accumulate(units(text))]
