"""Names of tags that are numbers: those of a file that the user names, or those that the data bring along."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nertool.corpus.column_files import Sentence
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.layout import NAMES_HELP
from nertool.sources.readers.tally import Tally

LONGEST_NAMES = 1 << 20
"""Characters of a file of tag names at the most."""

LONGEST_NUMBER = 20
"""Digits of a number that may have a name."""


class TagNames:
    """Puts names in place of numbers, once.

    Args:
        path: the file or data set, for messages.
        given: names of 0, 1, ... that the user gives; then numbers written as text have names too.
        own: those that the data bring along, where the user gives none.
    """

    def __init__(self, path: Path | str, given: Sequence[str], own: Sequence[str] = ()) -> None:
        self.path, self.given, self.names = path, given, given or own
        self.is_used = False

    def find(self, tag: Any, place: str, kind: str = "tag") -> Any:
        """The name of a tag that is a number; any other tag as it is.

        Args:
            kind: what the tag is, for messages.

        Raises:
            InvalidData: the number has no name.
        """
        if isinstance(tag, bool) or not isinstance(tag, (int, str)):
            return tag
        if isinstance(tag, str) and not (self.given and tag.isdecimal()):
            return tag
        if not self.names:
            raise InvalidData(f"{place}: {kind} {tag} is an integer without a name", NAMES_HELP)
        number = -1 if isinstance(tag, str) and len(tag) > LONGEST_NUMBER else int(tag)
        if not 0 <= number < len(self.names):
            shown = tag[:LONGEST_NUMBER] if isinstance(tag, str) else tag
            what = f"{place}: {kind} {shown}, but there are names for 0 to {len(self.names) - 1}"
            raise InvalidData(what, NAMES_HELP)
        self.is_used = True
        return self.names[number]

    def finish(self, tally: Tally) -> None:
        """End the file: say so where the names that the user gives were not needed."""
        if self.given and not self.is_used:
            tally.note(f"{Path(self.path).name}: no tag is a number, so the names of --tag-names are not needed")


def named(sentences: Iterable[Sentence], path: Path | str, given: Sequence[str], tally: Tally) -> Iterator[Sentence]:
    """Sentences with names in place of tags that are numbers.

    Raises:
        InvalidData: a number has no name (names file and line).
    """
    names = TagNames(path, given)
    for sentence in sentences:
        if given:
            tags = [names.find(tag, f"{path}:{sentence.line}") for tag in sentence.tags]
            sentence = sentence._replace(tags=tags)
        yield sentence
    names.finish(tally)


def read_tag_names(path: Path) -> tuple[str, ...]:
    """Names of integer tags: a name a line, or JSON: a list, or an object name -> id (or id -> name).

    Raises:
        InvalidOption: it is none of these, or holds no name.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(LONGEST_NAMES + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidOption(f"--tag-names {path}: {reason}", "Name a file of tag names, one a line.") from error
    if len(text) > LONGEST_NAMES:
        raise InvalidOption(f"--tag-names {path}: more than {LONGEST_NAMES:,} characters", "Name a file of tag names.")
    names = _parse_names(path, text)
    if not names:
        raise InvalidOption(f"--tag-names {path}: no name in this file", "Name a file of tag names, one a line.")
    return names


def _parse_names(path: Path, text: str) -> tuple[str, ...]:
    if not text.lstrip().startswith(("[", "{")):
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    try:
        found = json.loads(text)
        if isinstance(found, dict):
            pairs = [(int(k), v) if isinstance(v, str) else (int(v), k) for k, v in found.items()]
            if sorted(number for number, _ in pairs) != list(range(len(pairs))):
                raise ValueError("ids are not 0, 1, 2, ...")
            found = [name for _, name in sorted(pairs)]
        if not all(isinstance(name, str) for name in found):
            raise ValueError("a name is no text")
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidOption(
            f"--tag-names {path}: {error}", 'Such as {"O": 0, "B-PER": 1} or ["O", "B-PER"].'
        ) from error
    return tuple(found)
