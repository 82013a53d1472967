"""Column text: a token and its tags a line, with any delimiter; a blank line ends a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from nertool.corpus.column_files import Sentence
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.layout import Layout, column_number
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines

DOCSTART = "-DOCSTART-"
WHITE = re.compile(r"[ \t]+")
ESCAPES = {"\\t": "\t", "tab": "\t", "space": " ", "comma": ","}


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of a column file.

    The first line with a token decides how many columns there are, and what separates them where the layout does not
    say. Columns named by words need a first line that names them. `-DOCSTART-` lines are left out and counted.

    Raises:
        InvalidData: a line with more or fewer columns, or without a tag (names file and line).
        InvalidOption: there is no such column.
    """
    tokens: list[str] = []
    tags: list[str] = []
    first = width = token_at = tag_at = 0
    split = None
    for number, line in text_lines(path, tally):
        if layout.comment and line.startswith(layout.comment):
            tally.add("comment lines left out")
            continue
        if not line.strip() or line.startswith(DOCSTART):
            if line.startswith(DOCSTART):
                tally.add("-DOCSTART- lines left out")
            if tokens:
                yield Sentence(tokens, tags, first)
                tokens, tags, first = [], [], 0
            continue
        if split is None:
            split = _splitter(layout.delimiter, line)
            header = _trimmed(split(line), 1)
            width, token_at, tag_at, named = _columns(f"{path}:{number}", layout, header)
            if named:
                continue
        fields = _trimmed(split(line), width)
        if len(fields) != width:
            raise InvalidData(*_ragged(path, number, line, len(fields), width))
        token, tag = fields[token_at], fields[tag_at]
        if not tag.strip():
            raise InvalidData(f"{path}:{number}: no tag behind the token: {line!r}", "Every token needs a tag.")
        first = first or number
        tokens.append(token)
        tags.append(tag)
    if tokens:
        yield Sentence(tokens, tags, first)


def _splitter(delimiter: str, line: str) -> Callable[[str], list[str]]:
    delimiter = ESCAPES.get(delimiter, delimiter) or ("\t" if "\t" in line.strip() else "")
    return (lambda text: text.split(delimiter)) if delimiter else (lambda text: WHITE.split(text.strip(" \t")))


def _trimmed(fields: list[str], width: int) -> list[str]:
    """Without the empty fields that delimiters at the end of a line make."""
    while len(fields) > width and not fields[-1].strip():
        fields.pop()
    return fields


def _columns(place: str, layout: Layout, first: list[str]) -> tuple[int, int, int, bool]:
    """(columns, index of the tokens', index of the tags', whether the first line names the columns)."""
    width = len(first)
    if width == 1:
        raise InvalidData(f"{place}: one column, so no tags: {first[0]!r}", "Say what separates them: --delimiter")
    chosen, named = [], False
    for wanted, option in (
        (layout.token_column or "1", "--token-column"),
        (layout.tag_column or _task_column(layout.task, width), "--tag-column"),
    ):
        index = column_number(wanted, width)
        if index is None and wanted in first:
            index, named = first.index(wanted), True
        if index is None:
            raise InvalidOption(
                f"{place}: no column {wanted}: the first line has {width}: {' '.join(first)}",
                f"Take one of 1 to {width} by {option} (or its name, where the first line names the columns).",
            )
        chosen.append(index)
    return width, chosen[0], chosen[1], named


def _task_column(task: str, width: int) -> str:
    """As in CoNLL-2003: token, part of speech, chunk, entity; the last column where there are but two."""
    return {"pos": "2", "chunk": "-2"}.get(task, "-1") if width > 2 else "-1"


def _ragged(path: Path, number: int, line: str, found: int, width: int) -> tuple[str, str]:
    if found == 1:
        return f"{path}:{number}: no tag behind the token: {line!r}", "Every token needs a tag."
    what = f"{path}:{number}: {found} columns, the first line has {width}: {line[:80]!r}"
    if line.startswith("#"):
        return what, "If that is a comment: --comment '#' leaves such lines out."
    return what, "Give every line the same number of columns, or say what separates them: --delimiter"
