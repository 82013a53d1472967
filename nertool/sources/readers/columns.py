"""Which columns a file of column text has, as its first lines tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nertool.corpus.column_files import ENTITY_TAG, counted
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.layout import TAG_NAMES, TOKEN_NAMES, Layout, column_number, tag_columns
from nertool.sources.readers.tally import Tally

Split = Callable[[str], list[str]]
Rows = list[list[str]]
DOCSTART = "-DOCSTART-"
WHITE = re.compile(r"[ \t]+")
ESCAPES = {"\\t": "\t", "tab": "\t", "space": " ", "comma": ","}
OUTER = "-2"
"""Column of the outer entities where there are two of entities."""
FIRST_ROWS = 3
"""Rows that are enough to tell an index by."""
PREFIXES = frozenset("BIOESLUMW")
EMPTY = frozenset({"_", "-", "*", "--"})
"""What stands in a column that holds nothing."""
NO_TYPE = frozenset({"", "O", "_", "-"})
"""What stands where a type would, beside a prefix in a column of its own, outside entities."""


@dataclass(frozen=True)
class Columns:
    """How a file's lines are cut.

    Attributes:
        split: line -> its fields.
        width: number of columns.
        token_at: 0-based index of the tokens' column.
        tag_at: 0-based index of the tags' column.
        header: number of the line that names the columns; 0 without one.
        tags: those of the first lines.
    """

    split: Split
    width: int
    token_at: int
    tag_at: int
    header: int
    tags: frozenset[str]

    def fields(self, line: str) -> list[str]:
        """The fields of a line, without empty ones behind the last column; a blank in front is an empty token."""
        fields = trim(self.split(line), self.width)
        stripped = line[:1] in (" ", "\t") and fields[0][:1] not in ("", " ", "\t")
        if stripped and self.token_at == 0 and len(fields) == self.width - 1 and self._is_tag(fields[self.tag_at - 1]):
            return ["", *fields]
        return fields

    def is_token(self, line: str) -> bool:
        """Whether a line that begins like a comment holds a token: its tag is one that the file has."""
        fields = self.fields(line)
        return len(fields) == self.width and self._is_tag(fields[self.tag_at])

    def _is_tag(self, tag: str) -> bool:
        return tag == "O" or tag in self.tags or ENTITY_TAG.match(tag) is not None


def splitter(delimiter: str, line: str) -> Split:
    """Give the function that cuts lines: at the delimiter, else at tabs if the line has any, else at white space."""
    delimiter = ESCAPES.get(delimiter, delimiter) or ("\t" if "\t" in line.strip() else "")
    if delimiter:
        return lambda text: text.split(delimiter)
    return lambda text: WHITE.split(text.strip(" \t"))


def trim(fields: list[str], width: int) -> list[str]:
    """Drop the empty fields that delimiters at the end of a line make."""
    while len(fields) > width and not fields[-1].strip():
        fields.pop()
    return fields


def find_columns(path: Path, layout: Layout, lines: Sequence[tuple[int, str]], tally: Tally) -> Columns | None:
    """Tell the columns from a file's first lines; None where none of them holds a token.

    The first line that is no comment decides how many columns there are, and what separates them. What no option
    asked for is noted.

    Raises:
        InvalidData: there is only one column (names file and line).
        InvalidOption: there is no such column.
    """
    first = _first_line(lines, layout.comment or "#")
    if first is None:
        return None
    number, line = first
    place = f"{path}:{number}"
    split = splitter(layout.delimiter, line)
    names = trim(split(line), 1)
    width = len(names)
    if width == 1:
        raise InvalidData(f"{place}: one column, so no tags: {names[0]!r}", "Say what separates them: --delimiter")
    sentences = _sentences(lines, split, width, layout.comment or "#")
    header = _is_header(names)
    if header:
        sentences[0] = sentences[0][1:]
        tally.note(f"{path.name}:{number}: the first line names the columns: {', '.join(names)}")
    if not layout.tag_column and _prefixes_stand_apart(sentences):
        split, names, width = _joining(split, width), [*names[:-2], names[-1]], width - 1
        sentences = [[_join(row) for row in sentence] for sentence in sentences]
        tally.note(f"{path.name}: prefixes and types of tags stand in two columns, and are joined (--tag-column)")
    index = not layout.token_column and _is_index(sentences, width)
    if index:
        tally.note(
            f"{path.name}: the first column counts the tokens, so they are taken from the second (--token-column)"
        )
    token_at, token_named = _find(place, layout.token_column or _token_column(header, index, names), "token", names)
    wanted = layout.tag_column or _tag_column(layout.task, header, index, names, sentences)
    tag_at, tag_named = _find(place, wanted, "tag", names)
    if index and wanted == OUTER:
        tally.note(
            f"{path.name}: two columns of entities: the first is taken, outer ones as in GermEval (--tag-column)"
        )
    named = header or token_named or tag_named
    tags: set[str] = set()
    for sentence in sentences:
        tags.update(row[tag_at] for row in sentence)
    return Columns(split, width, token_at, tag_at, number if named else 0, frozenset(tags))


def _first_line(lines: Sequence[tuple[int, str]], comment: str) -> tuple[int, str] | None:
    """The first line that is no comment; where all seem to be, the first that is not blank."""
    first = None
    for number, line in lines:
        if line.strip() and not line.startswith(DOCSTART):
            if not line.startswith(comment):
                return number, line
            first = first or (number, line)
    return first


def _prefixes_stand_apart(sentences: Sequence[Rows]) -> bool:
    """Whether the last two columns hold the prefix and the type of a tag."""
    prefixes: set[str] = set()
    for sentence in sentences:
        for row in sentence:
            prefix, kind = row[-2:]
            if len(row) < 3 or prefix not in PREFIXES or (prefix == "O") != (kind in NO_TYPE):
                return False
            prefixes.add(prefix)
    return bool(prefixes - {"O"})


def _joining(split: Split, width: int) -> Split:
    """Cut lines so that the last two of `width` fields are one tag; a line that has fewer keeps too few."""

    def cut(line: str) -> list[str]:
        fields = trim(split(line), width)
        return _join(fields) if len(fields) == width else fields[: width - 2]

    return cut


def _join(fields: list[str]) -> list[str]:
    """Make one tag of a prefix and a type, the last two fields."""
    prefix, kind = fields[-2:]
    return [*fields[:-2], "O" if prefix == "O" else f"{prefix}-{kind}"]


def _sentences(lines: Sequence[tuple[int, str]], split: Split, width: int, comment: str) -> list[Rows]:
    """The fields of the lines that have as many as the first one, by sentence; at least one sentence."""
    sentences: list[Rows] = [[]]
    for _, line in lines:
        fields = trim(split(line), width) if line.strip() else []
        if DOCSTART in fields or not fields:
            if sentences[-1]:
                sentences.append([])
        elif len(fields) == width and not line.startswith(comment):
            sentences[-1].append(fields)
    return sentences


def _is_header(names: Sequence[str]) -> bool:
    """Whether the first line names the columns, a token's and a tag's among them."""
    lower = [name.strip().lower() for name in names]
    likely = {*TAG_NAMES, *tag_columns("ner"), *tag_columns("pos"), *tag_columns("chunk")}
    return not (likely.isdisjoint(lower) or {*TOKEN_NAMES}.isdisjoint(lower))


def _is_index(sentences: Sequence[Rows], width: int) -> bool:
    """Whether the first column counts: from 0 or 1 in each sentence, or through the whole file."""
    if width < 3 or sum(map(len, sentences)) < FIRST_ROWS:
        return False
    before = None
    for sentence in sentences:
        for position, row in enumerate(sentence):
            number = counted(row[0])
            if number is None:
                return False
            begins = position == 0 and number in (0, 1)
            if not begins and before is not None and number != before + 1:
                return False
            before = number
    return True


def _token_column(header: bool, index: bool, names: Sequence[str]) -> str:
    """The tokens' column where no option names it."""
    if header:
        for number, name in enumerate(names, start=1):
            if name.strip().lower() in TOKEN_NAMES:
                return str(number)
    return "2" if index else "1"


def _tag_column(task: str, header: bool, index: bool, names: Sequence[str], sentences: Sequence[Rows]) -> str:
    """The tags' column where no option names it.

    Without names the columns are those of CoNLL-2003: token, part of speech, chunk, entity. Two columns of entities
    behind an index and a token are those of GermEval 2014, outer before inner.
    """
    if header:
        for likely in tag_columns(task):
            for number, name in enumerate(names, start=1):
                if name.strip().lower() == likely:
                    return str(number)
    behind = len(names) - (2 if index else 1)
    if task == "pos":
        return str(len(names) - behind + 1)
    if behind == 1:
        return "-1"
    alone = _only_tags(sentences, len(names)) if index else ""
    if alone:
        return alone
    both = _holds_entities(sentences, -1) and _holds_entities(sentences, -2)
    if task == "chunk":
        return "-1" if behind == 2 and not both and _holds_entities(sentences, -1) else "-2"
    return OUTER if index and behind == 2 and both else "-1"


def _only_tags(sentences: Sequence[Rows], width: int) -> str:
    """The one column of entities behind an index and tokens; empty unless the last one holds nothing, as in UNER's."""
    for sentence in sentences:
        if not EMPTY.issuperset(row[-1] for row in sentence):
            return ""
    holding = [column for column in range(2, width - 1) if _holds_entities(sentences, column)]
    return str(holding[0] + 1) if len(holding) == 1 else ""


def _holds_entities(sentences: Sequence[Rows], column: int) -> bool:
    """Whether all tags of a column are O or those of entities."""
    for sentence in sentences:
        for row in sentence:
            if row[column] != "O" and not ENTITY_TAG.match(row[column]):
                return False
    return True


def _find(place: str, wanted: str, kind: str, names: Sequence[str]) -> tuple[int, bool]:
    """Find a column by number or by its name in the first line; gives its 0-based index and whether by name."""
    width = len(names)
    index = column_number(wanted, width)
    if index is not None:
        return index, False
    if wanted in names:
        return list(names).index(wanted), True
    raise InvalidOption(
        f"{place}: no column {wanted}: the first line has {width}: {' '.join(names)}",
        f"Take one of 1 to {width} by --{kind}-column (or its name, where the first line names the columns).",
    )
