"""Which columns a file of column text has, as its first lines tell; those of CSV: see csv_rows.py."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nertool.corpus.column_files import TOKEN_NAMES, ends_sentence, is_entity_tag, marks_document, names_columns
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.char_spans import SPANS_WAY
from nertool.sources.readers.column_roles import (
    Rows,
    Table,
    beside_places,
    counts_tokens,
    empty_is_outside,
    ends_sentences,
    holds_clauses,
    holds_entities,
    id_columns,
    is_constant,
    join,
    last_with_tags,
    only_tags,
    part_of_speech,
    parted,
    prefixes_stand_apart,
    rivals,
    stands_before_words,
    token_counter,
)
from nertool.sources.readers.layout import Layout, column_number, tag_columns
from nertool.sources.readers.tally import Tally
from nertool.tags import OUTSIDE

Lines = Sequence[tuple[int, str]]
Split = Callable[[str], list[str]]
COMMENT_MARKS = ("#", "%", ";", "//", "=", "*")
"""How comments begin in files of many kinds."""
WHITE = re.compile(r"[ \t]+")
ESCAPES = {"\\t": "\t", "tab": "\t", "space": " ", "comma": ","}
QUOTED_QUOTE = '""""'
"""A quote as a field of CSV, which no other form would write so."""
SEPARATORS = ";,|"
"""Signs between columns that a hint names."""
SEPARATORS_HELP = (
    "Say what separates them: --delimiter; how lines that are no tokens begin: --comment; what ends a sentence: "
    "--sentence-end."
)


@dataclass(frozen=True)
class Columns:
    """How a file's lines are cut.

    Attributes:
        split: line -> its fields.
        width: number of columns.
        token_at: 0-based index of the tokens' column.
        tag_at: 0-based index of the tags' column.
        header: number of the line that names the columns; 0 without one.
        names: that line; files that were joined have it again.
        tags: those of the first lines.
        id_at: 0-based indices of the columns with the id of a sentence, behind that of its document; empty without.
        counter_at: 0-based index of the column that counts the tokens of each sentence; None without one.
        end_at: 0-based index of the column that marks the last token of a sentence; None without one.
        empty_is_outside: an empty tag stands for O.
        has_entities: all tags of the first lines are O or those of entities.
    """

    split: Split
    width: int
    token_at: int
    tag_at: int
    header: int
    names: str
    tags: frozenset[str]
    id_at: Sequence[int] = ()
    counter_at: int | None = None
    end_at: int | None = None
    empty_is_outside: bool = False
    has_entities: bool = False

    def fields(self, line: str) -> list[str]:
        """The fields of a line, without empty ones behind the last column; a blank in front is an empty token."""
        fields = trim(self.split(line), self.width)
        stripped = line[:1] in (" ", "\t") and fields[0][:1] not in ("", " ", "\t")
        if stripped and self.token_at == 0 and len(fields) == self.width - 1 and self._is_tag(fields[self.tag_at - 1]):
            return ["", *fields]
        return fields

    def fields_at_blanks(self, line: str) -> list[str]:
        """The fields of a line with blanks where others have tabs; none unless its tag is one that the file has."""
        fields = WHITE.split(line.strip(" \t"))
        return fields if len(fields) == self.width and self._is_tag(fields[self.tag_at]) else []

    def is_last_token(self, fields: list[str]) -> bool:
        """Whether a row is marked as the last one of its sentence."""
        return self.end_at is not None and ends_sentence(fields[self.end_at])

    def is_token(self, line: str) -> bool:
        """Whether a line that begins like a comment holds a token: its tag is one that the file has."""
        fields = self.fields(line)
        return len(fields) == self.width and self._is_tag(fields[self.tag_at])

    def _is_tag(self, tag: str) -> bool:
        return tag in self.tags or is_entity_tag(tag)


def find_columns(path: Path, layout: Layout, lines: Lines, tally: Tally) -> Columns | None:
    """Tell the columns from a file's first lines; None where none of them holds a token.

    The first line that is no comment decides how many columns there are, and what separates them. What no option
    asked for is noted.

    Raises:
        InvalidData: there is only one column (names file and line).
        InvalidOption: there is no such column, or two that may hold the tags.
    """
    first = _first_line(lines, layout)
    if first is None:
        return None
    place = f"{path}:{first[0]}"
    split, table = _cut(path, layout, lines, first, tally)
    id_at, id_named = _ids(place, layout, table)
    if id_at and not layout.sentence_column:
        shown = ", ".join(str(at + 1) for at in id_at)
        tally.note(f"{path.name}: column {shown} says which sentence a token belongs to (--sentence-column)")
    table = parted(table, id_at) if id_at else table
    front = 1 if id_at == (0,) else 0
    counted = not layout.token_column and counts_tokens(table, front)
    if counted:
        counter, next_one = ("second", "third") if front else ("first", "second")
        what = f"the {counter} column counts the tokens, so they are taken from the {next_one} (--token-column)"
        tally.note(f"{path.name}: {what}")
    behind = _columns_before_tokens(place, layout, table, front + counted, tally)
    token_at, token_named = _find(place, layout.token_column or _token_column(table, behind), "token", table)
    tag_at, tag_named = _tags(place, layout, table, token_at, counted, tally)
    end_at = None if layout.sentence_end or id_named else ends_sentences(table)
    if end_at is not None:
        tally.note(f"{path.name}: column {end_at + 1} says where sentences end (EndOfSentence)")
    tags = _tags_of_tokens(table, tag_at)
    has_names = table.has_header or token_named or tag_named or id_named
    return Columns(
        split,
        table.width,
        token_at,
        tag_at,
        header=first[0] if has_names else 0,
        names=first[1].strip() if has_names else "",
        tags=frozenset(tags),
        id_at=id_at,
        counter_at=token_counter(table, token_at, tag_at, id_at),
        end_at=end_at,
        empty_is_outside=layout.task != "pos" and empty_is_outside(tags),
        has_entities=all(map(is_entity_tag, filter(None, tags))),
    )


def _columns_before_tokens(place: str, layout: Layout, table: Table, known: int, tally: Tally) -> int:
    """How many columns stand before the first one that may hold the tokens.

    Args:
        place: path and line of the first row.
        known: how many of them hold ids or a counter.

    Raises:
        InvalidData: a row holds an entity and its place, and no tag of a token.
        InvalidOption: another column looks more like tokens.
    """
    before = known
    if not any(table.column(before)) and table.width > before + 2:  # a delimiter in front of each line
        before += 1
    if layout.token_column or table.has_header:
        return before
    if is_constant(table, before):
        before += 1
        tally.note(f"{Path(place).name}: column {before} is the same throughout, and is left out (--token-column)")
    before = _behind_places(place, table, before, layout.task)
    if not layout.as_is and stands_before_words(table, before):
        what = f"{place}: column {before + 2} looks more like words than column {before + 1}"
        raise InvalidOption(what, f"Say which one holds the tokens: --token-column {before + 2} or {before + 1}.")
    return before


# -- cutting ---------------------------------------------------------------------------------------


def splitter(delimiter: str, line: str) -> Split:
    """Give the function that cuts lines: at the delimiter, else at tabs if the line has any, else at white space."""
    delimiter = ESCAPES.get(delimiter, delimiter)
    if not delimiter and "\t" in (line if len(line.split()) == 1 else line.strip()):
        delimiter = "\t"
    if delimiter:
        return lambda text: text.split(delimiter)
    return lambda text: WHITE.split(text.strip(" \t"))


def trim(fields: list[str], width: int) -> list[str]:
    """Drop the empty fields that delimiters at the end of a line make."""
    while len(fields) > width and not fields[-1].strip():
        fields.pop()
    return fields


def _splitter(path: Path, layout: Layout, line: str, lines: Lines, tally: Tally) -> Split:
    """The function that cuts lines like this one; it takes quotes off where the file has them as CSV does."""
    split = splitter(layout.delimiter, line)
    delimiter = ESCAPES.get(layout.delimiter, layout.delimiter) or ("\t" if "\t" in line.strip() else " ")
    if len(delimiter) > 1 or not (_all_quoted(delimiter, lines) or _has_quoted_quote(delimiter, lines)):
        return split
    tally.note(f"{path.name}: fields stand in quotes as in CSV: they are taken off")
    return lambda text: next(csv.reader([text], delimiter=delimiter, skipinitialspace=delimiter != "\t"))


def _has_quoted_quote(delimiter: str, lines: Lines) -> bool:
    return delimiter != " " and any(QUOTED_QUOTE in line.split(delimiter) for _, line in lines)


def _all_quoted(delimiter: str, lines: Lines) -> bool:
    """Whether all fields of all lines stand in quotes."""
    row = re.compile(rf'"[^"]*"( *{re.escape(delimiter)} *"[^"]*")+\s*')
    filled = [line for _, line in lines if line.strip()]
    return bool(filled) and all(map(row.fullmatch, filled))


def _first_line(lines: Lines, layout: Layout) -> tuple[int, str] | None:
    """The first line that is no comment; where all seem to be, the first that is not blank."""
    first = None
    for number, line in lines:
        if line.strip() and not marks_document(line.split(maxsplit=1)[0]) and line.strip() != layout.sentence_end:
            if not line.startswith(layout.comment or "#"):
                return number, line
            first = first or (number, line)
    return first


def _separator_help(lines: Lines) -> str:
    """What helps where lines have one column; names the separator if a usual one stands before tags of entities."""
    for sign in SEPARATORS:
        if any(is_entity_tag(line.rpartition(sign)[2].strip()) for _, line in lines if sign in line):
            return f"Name the separator: --delimiter '{sign}'"
    return SEPARATORS_HELP


def _cut(path: Path, layout: Layout, lines: Lines, first: tuple[int, str], tally: Tally) -> tuple[Split, Table]:
    """How the lines are cut, and the first rows.

    Raises:
        InvalidData: there is only one column (names file and line).
    """
    number, line = first
    split = _splitter(path, layout, line, lines, tally)
    names = trim(split(line), 1)
    if len(names) == 1:
        names = trim(split(line), _most_fields(lines, split, len(split(line))))
    if len(names) == 1:
        raise InvalidData(f"{path}:{number}: one column, so no tags: {names[0]!r}", _separator_help(lines))
    sentences = _sentences(lines, split, len(names), layout.comment)
    table = Table(names, names_columns(names), sentences)
    if table.has_header:
        sentences[0] = sentences[0][1:]
        tally.note(f"{path.name}:{number}: the first line names the columns: {', '.join(names)}")
    places = None if layout.tag_column else prefixes_stand_apart(table)
    if places is None:
        return split, table
    tally.note(f"{path.name}: prefixes and types of tags stand in two columns, and are joined (--tag-column)")
    joined = [[join(row, places) for row in sentence] for sentence in sentences]
    return _joining(split, len(names), places), Table([*names[:-2], names[-1]], table.has_header, joined)


def _most_fields(lines: Lines, split: Split, limit: int) -> int:
    """The most fields that a line has, without empty ones at its end; 1 if that is over the limit."""
    most = max(len(trim(split(line), 1)) for _, line in lines)
    return most if most <= limit else 1


def _sentences(lines: Lines, split: Split, width: int, comment: str) -> list[Rows]:
    """The fields of the lines that have as many as the first one, by sentence; at least one sentence.

    Args:
        comment: how lines begin that are left out; empty for a # in front of a sentence.
    """
    sentences: list[Rows] = [[]]
    for _, line in lines:
        fields = trim(split(line), width) if line.strip() else []
        if any(map(marks_document, fields)) or not fields:
            if sentences[-1]:
                sentences.append([])
        elif len(fields) == width and not (line.startswith(comment or "#") and (comment or not sentences[-1])):
            sentences[-1].append(fields)
    return sentences


def _joining(split: Split, width: int, places: tuple[int, int]) -> Split:
    """Cut lines so that the last two of `width` fields are one tag; a line that has fewer keeps too few.

    Args:
        places: indices of the prefix and the type, from the end.
    """

    def cut(line: str) -> list[str]:
        fields = trim(split(line), width)
        return join(fields, places) if len(fields) == width else fields[: width - 2]

    return cut


# -- which column ----------------------------------------------------------------------------------


def _ids(place: str, layout: Layout, table: Table) -> tuple[tuple[int, ...], bool]:
    """Columns of a sentence's id; and whether an option names it by its name in the first line."""
    if not layout.sentence_column:
        return id_columns(table), False
    at, named = _find(place, layout.sentence_column, "sentence", table)
    return (at,), named


def _behind_places(place: str, table: Table, behind: int, task: str) -> int:
    """Index of the token's column where columns of places in a text stand in front of it; else `behind`.

    Raises:
        InvalidData: a row holds an entity and its place, and no tag of a token.
    """
    at = beside_places(table)
    if at is None:
        return behind
    others = [{*table.column(other)} for other in range(table.width) if other != at]
    if task != "pos" and not any(OUTSIDE in cells or all(map(is_entity_tag, cells)) for cells in others):
        raise InvalidData(f"{place}: a row holds one span with its place, which is not read", SPANS_WAY)
    return max(at, behind) if at < table.width - 1 else behind


def _token_column(table: Table, behind: int) -> str:
    """The tokens' column where no option names it.

    Args:
        behind: number of columns that number sentences and tokens.
    """
    at = table.named(TOKEN_NAMES)
    return str((behind if at is None else at) + 1)


def _tags(place: str, layout: Layout, table: Table, token_at: int, index: bool, tally: Tally) -> tuple[int, bool]:
    """Column of the tags; and whether an option names it by its name in the first line.

    Raises:
        InvalidOption: there is no such column, or two that may hold them.
    """
    if layout.tag_column:
        return _find(place, layout.tag_column, "tag", table)
    at = table.named(tag_columns(layout.task))
    if at is not None:
        return at, False
    behind = table.width - token_at - 1
    if behind < 1:
        raise InvalidOption(f"{place}: no column behind the tokens", "Say which one holds the tags: --tag-column")
    if layout.task == "pos":
        return part_of_speech(table, token_at), False
    if behind == 1:
        return token_at + 1, False
    return _tags_behind(place, layout, table, token_at, index, tally), False


def _tags_behind(place: str, layout: Layout, table: Table, token_at: int, index: bool, tally: Tally) -> int:
    """Column of the tags among several behind the tokens.

    Without names the columns are those of CoNLL-2003: token, part of speech, chunk, entity. Two columns of entities
    behind an index and a token are those of GermEval 2014, outer before inner.
    """
    alone = only_tags(table) if index else None
    if alone is not None:
        return alone
    last = last_with_tags(table, token_at, layout.task)
    if last - 1 > token_at and holds_clauses(table, last):
        if layout.task == "chunk":
            what = f"{place}: no column of chunks: column {last + 1} holds clauses, column {last} entities"
            raise InvalidOption(what, f"Take one: --tag-column {last} or --tag-column {last + 1}.")
        tally.note(
            f"{Path(place).name}: column {last + 1} holds clauses, so column {last} holds the tags (--tag-column)"
        )
        return last - 1
    if last < table.width - 1:
        shown = f"column {last + 1} holds the tags, and what stands behind it is left out (--tag-column)"
        tally.note(f"{Path(place).name}: {shown}")
    before = last - 1
    both = holds_entities(table, last) and holds_entities(table, before)
    two = before == token_at + 1
    if layout.task == "chunk":
        return last if two and not both and holds_entities(table, last) else before
    if index and two and both:
        shown = "two columns of entities: the first is taken, outer ones as in GermEval (--tag-column)"
        tally.note(f"{Path(place).name}: {shown}")
        return before
    others = rivals(table, token_at, last)
    if others:
        numbers = [str(at + 1) for at in (*others, last)]
        all_of_them = "both" if len(numbers) == 2 else "all"
        shown = f"columns {' and '.join(numbers)} may {all_of_them} hold the tags"
        what = f"{shown}: gold and predicted, nested, or finer ones"
        options = " or ".join(f"--tag-column {number}" for number in numbers)
        raise InvalidOption(f"{place}: {what}", f"Take one: {options}.")
    return last


def _tags_of_tokens(table: Table, tag_at: int) -> list[str]:
    """The tags of the first lines, of those that look like comments only where all do."""
    rows = [row for sentence in table.sentences for row in sentence]
    tags = [row[tag_at] for row in rows if not row[0].startswith(COMMENT_MARKS)]
    return tags or [row[tag_at] for row in rows]


def _find(place: str, wanted: str, kind: str, table: Table) -> tuple[int, bool]:
    """Find a column by number or by its name in the first line; gives its 0-based index and whether by name."""
    names = table.names
    index = column_number(wanted, len(names))
    if index is not None:
        return index, False
    if wanted in names:
        return names.index(wanted), True
    raise InvalidOption(
        f"{place}: no column {wanted}: the first line has {len(names)}: {' '.join(names)}",
        f"Take one of 1 to {len(names)} by --{kind}-column (or its name, where the first line names the columns).",
    )
