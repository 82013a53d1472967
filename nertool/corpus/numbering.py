"""Numbers in data that stand where tokens or tags should: of words, as `t1 t2`, and of entities, as `PER_1 ORG_2`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from nertool.corpus.column_files import ENTITY_TAG, counted
from nertool.tags import OUTSIDE, split_tag

DIGITS = re.compile(r"[0-9]{1,12}")
NUMBERED_TYPE = re.compile(r"(.*[^\W\d_])[-_.:@]?(\d{1,9})")
"""A type with a number behind it, as PER_1, PER-1 and PER1."""
MOST_MENTIONS = 4
"""Entities with the same number, on average, as several mentions of one person have it."""
LETTER_AND_NUMBER = 2
"""Characters of t1, the number taken for one; longer words with a number behind them may be tokens."""
LEAST_ENTITIES, LEAST_OF_ONE_TYPE = 3, 4
"""Entities that numbers are told by; and the least number of the last one, where all have one type."""


def count_up(fields: Sequence[str]) -> bool:
    """Whether several fields are numbers, each one more than the one before, or number words as `s1.w1 s1.w2`."""
    if len(fields) < 2 or not any(map(str.isdigit, fields[0])):
        return False
    first = counted(fields[0])
    if first is not None and all(counted(field) == number for number, field in enumerate(fields, first)):
        return True
    alike = {DIGITS.sub("0", field) for field in fields}
    form = alike.pop()
    if alike or (form.isalnum() and len(form) != LETTER_AND_NUMBER):
        return False
    steps = sum(map(_is_next, fields, fields[1:]))
    return 2 * steps >= len(fields)


def _is_next(before: str, field: str) -> bool:
    """Whether one number of a field is one more than in the field before, and others in front of it are the same."""
    pairs = [(int(old), int(new)) for old, new in zip(DIGITS.findall(before), DIGITS.findall(field), strict=True)]
    changed = [(old, new) for old, new in pairs if old != new]
    return bool(changed) and changed[0][1] == changed[0][0] + 1


class EntityNumbers:
    """Tells whether the types of entities hold numbers of entities: a new one is one more than the greatest so far.

    They may count in a sentence or in the whole file, and all entities or those of a type.

    Attributes:
        shown: tags of some of the entities.
    """

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.types: set[str] = set()
        self.entities = self.greatest = 0
        self.without_number = False
        self._ways = {(in_file, by_type): True for in_file in (True, False) for by_type in (True, False)}
        self._last: dict[tuple[bool, bool, str], int] = {}

    def look(self, tags: Sequence[str]) -> None:
        """Take note of a sentence."""
        self._last = {key: number for key, number in self._last.items() if key[0]}
        for tag, label in _entities(tags):
            found = NUMBERED_TYPE.fullmatch(label)
            if found is None:
                self.without_number = True
                return
            self._add(found[1], int(found[2]))
            if len(self.shown) < LEAST_ENTITIES and tag not in self.shown:
                self.shown.append(tag)

    def _add(self, kind: str, number: int) -> None:
        self.entities += 1
        self.types.add(kind)
        self.greatest = max(self.greatest, number)
        for in_file, by_type in self._ways:
            key = (in_file, by_type, kind if by_type else "")
            last = self._last.get(key)
            in_order = number <= 1 if last is None else number <= last + 1
            self._ways[in_file, by_type] = self._ways[in_file, by_type] and in_order
            self._last[key] = max(number, last or 0)

    @property
    def count(self) -> bool:
        """Whether the numbers count entities; types such as ARG0 and ARG1 come in any order, or are of one kind."""
        if self.without_number or self.entities < LEAST_ENTITIES or not any(map(self._counts, self._ways)):
            return False
        return self.greatest >= (2 if len(self.types) > 1 else LEAST_OF_ONE_TYPE)

    def _counts(self, way: tuple[bool, bool]) -> bool:
        """Whether the numbers are in order one way; in a whole file, they are nearly as many as its entities."""
        numbers = sum(number for key, number in self._last.items() if key[:2] == way)
        return self._ways[way] and (not way[0] or MOST_MENTIONS * numbers >= self.entities)


def _entities(tags: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Tag and type of each run of tags of one type, outside left out."""
    labels = ((tag, split_tag(tag)[1] if ENTITY_TAG.match(tag) else tag) for tag in tags)
    for label, run in groupby(labels, key=lambda pair: pair[1]):
        tag = next(run)[0]
        if tag not in (OUTSIDE, "_"):
            yield tag, label
