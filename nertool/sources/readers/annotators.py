"""Chooses one person's annotation where several annotated a text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nertool.errors import InvalidOption
from nertool.sources.readers.tally import Tally

NAME_KEYS = ("id", "email", "username", "name", "annotator", "first_name")
"""Keys of an object that names a person."""


class Annotators:
    """Chooses by name, e-mail address or id; else by number, where the file has no such id.

    Args:
        wanted: name, id or 1-based number; empty for the first annotation of each text.
        path: the file, for messages.
        tally: counts texts with several annotations, and those without the one that is wanted.
    """

    def __init__(self, wanted: str, path: Path | str, tally: Tally) -> None:
        self.wanted, self.path, self.tally = wanted, path, tally
        self.seen: dict[str, None] = {}
        self.by_name = self.by_number = False

    def choose(self, names: Sequence[Sequence[str]], place: str) -> int | None:
        """Index of the annotation to take, by what is known of each one's annotator; None where it is not there.

        Raises:
            InvalidOption: the number that is wanted turns out to be an id.
        """
        for known in names:
            self.seen.update(dict.fromkeys(known[:1]))
        if not self.wanted:
            if len(names) > 1:
                detail = f"{len(names)} annotators: the first is taken (--annotator)"
                self.tally.add("texts with several annotators, of which the first is taken", place, detail)
            return 0
        index = self._find(names)
        if self.by_name and self.by_number:
            raise InvalidOption(
                f"{place}: --annotator {self.wanted} is an id here, and was a number in the texts before",
                f"Name the annotator otherwise; so far there are {', '.join(self.seen)}.",
            )
        if index is None:
            self.tally.add("texts that the annotator did not annotate, left out")
        return index

    def _find(self, names: Sequence[Sequence[str]]) -> int | None:
        for index, known in enumerate(names):
            if self.wanted in known:
                self.by_name = True
                return index
        if self.wanted.isdecimal() and not self.by_name and 1 <= int(self.wanted) <= len(names):
            index = int(self.wanted) - 1
            self.by_number = self.by_number or bool(names[index])
            return index
        return None

    def finish(self, taken: int) -> None:
        """End the file, of which so many texts were taken.

        Raises:
            InvalidOption: the wanted annotator annotated none of them.
        """
        if self.wanted and not taken:
            there = ", ".join(self.seen)
            hint = f"Its annotators are {there}: take one by --annotator." if there else "Leave --annotator out."
            raise InvalidOption(f"{self.path}: no text that {self.wanted} annotated", hint)


def person_names(person: Any) -> list[str]:
    """Id and names of a person, as an id, a name or an object of these; nothing where it is none of them."""
    if isinstance(person, dict):
        names: list[str] = []
        for key in NAME_KEYS:
            names += person_names(person.get(key)) if not isinstance(person.get(key), dict) else []
        whole = f"{person.get('first_name') or ''} {person.get('last_name') or ''}".strip()
        return [*names, whole] if whole else names
    return [str(person)] if isinstance(person, (str, int)) and not isinstance(person, bool) and person != "" else []
