"""Column text: a token and its tags a line, with any delimiter; a blank line ends a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from nertool.corpus.column_files import Sentence, TaggedRow, group_sentences
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.layout import Layout, column_number
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines

DOCSTART = "-DOCSTART-"
WHITE = re.compile(r"[ \t]+")
ESCAPES = {"\\t": "\t", "tab": "\t", "space": " ", "comma": ","}


class Columns(NamedTuple):
    """How a file's lines are cut.

    Attributes:
        split: line -> its fields.
        width: number of columns.
        token_at: 0-based index of the tokens' column.
        tag_at: 0-based index of the tags' column.
        named: the first line names the columns.
    """

    split: Callable[[str], list[str]]
    width: int
    token_at: int
    tag_at: int
    named: bool


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Read the sentences of a column file.

    The first line with a token decides how many columns there are, and what separates them where the layout does not
    say. Columns named by words need a first line that names them. `-DOCSTART-` lines are left out and counted.

    Raises:
        InvalidData: a line with more or fewer columns, or without a tag (names file and line).
        InvalidOption: there is no such column.
    """
    yield from group_sentences(_rows(path, layout, tally))


def _rows(path: Path, layout: Layout, tally: Tally) -> Iterator[TaggedRow]:
    comment = layout.comment
    split = None
    width = token_at = tag_at = 0
    for number, line in text_lines(path, tally):
        if comment and line.startswith(comment):
            tally.add("comment lines left out")
            continue
        if not line.strip() or line.startswith(DOCSTART):
            if line.startswith(DOCSTART):
                tally.add("-DOCSTART- lines left out")
            yield number, None
            continue
        if split is None:
            split, width, token_at, tag_at, named = _find_columns(f"{path}:{number}", layout, line)
            if named:
                continue
        fields = split(line)
        if len(fields) != width:
            _trim(fields, width)
        if len(fields) != width or not fields[tag_at].strip():
            raise _bad_line(path, number, line, len(fields), width)
        yield number, (fields[token_at], fields[tag_at])


def _splitter(delimiter: str, line: str) -> Callable[[str], list[str]]:
    """Give the function that cuts lines: at the delimiter, else at tabs if the line has any, else at white space."""
    delimiter = ESCAPES.get(delimiter, delimiter) or ("\t" if "\t" in line.strip() else "")
    if delimiter:
        return lambda text: text.split(delimiter)
    return lambda text: WHITE.split(text.strip(" \t"))


def _trim(fields: list[str], width: int) -> list[str]:
    """Drop the empty fields that delimiters at the end of a line make."""
    while len(fields) > width and not fields[-1].strip():
        fields.pop()
    return fields


def _find_columns(place: str, layout: Layout, line: str) -> Columns:
    """Tell from the first line with a token which columns there are."""
    split = _splitter(layout.delimiter, line)
    first = _trim(split(line), 1)
    width = len(first)
    if width == 1:
        raise InvalidData(f"{place}: one column, so no tags: {first[0]!r}", "Say what separates them: --delimiter")
    token_at, token_named = _find_column(place, layout.token_column or "1", "--token-column", first)
    tag_column = layout.tag_column or _task_column(layout.task, width)
    tag_at, tag_named = _find_column(place, tag_column, "--tag-column", first)
    return Columns(split, width, token_at, tag_at, token_named or tag_named)


def _find_column(place: str, wanted: str, option: str, first: list[str]) -> tuple[int, bool]:
    """Find a column by number or by its name in the first line; gives its 0-based index and whether by name."""
    width = len(first)
    index = column_number(wanted, width)
    if index is not None:
        return index, False
    if wanted in first:
        return first.index(wanted), True
    raise InvalidOption(
        f"{place}: no column {wanted}: the first line has {width}: {' '.join(first)}",
        f"Take one of 1 to {width} by {option} (or its name, where the first line names the columns).",
    )


def _task_column(task: str, width: int) -> str:
    """Number the tag column as in CoNLL-2003 (token, part of speech, chunk, entity); of two columns, the last."""
    return {"pos": "2", "chunk": "-2"}.get(task, "-1") if width > 2 else "-1"


def _bad_line(path: Path, number: int, line: str, fields: int, width: int) -> InvalidData:
    if fields in (1, width):
        return InvalidData(f"{path}:{number}: no tag behind the token: {line!r}", "Every token needs a tag.")
    what = f"{path}:{number}: {fields} columns, the first line has {width}: {line[:80]!r}"
    if line.startswith("#"):
        return InvalidData(what, "If that is a comment: --comment '#' leaves such lines out.")
    return InvalidData(what, "Give every line the same number of columns, or say what separates them: --delimiter")
