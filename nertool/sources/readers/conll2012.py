"""CoNLL-2012 (OntoNotes): a word a line in white-space columns, and names as brackets over several lines.

Source: https://conll.cemantix.org/2012/data.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nertool.corpus.column_files import Sentence, group_rows, is_entity_tag
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.bad_lines import BadLines
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines
from nertool.sources.readers.token_spans import tag_tokens

NUMBER, WORD, POS, NAMES = 2, 3, 4, 10
"""0-based columns: the word's number, the word, its part of speech, and the names that begin or end with it."""
COLUMNS = NAMES + 1
"""Columns of each line, at least: those of predicates vary, and coreference stands behind them."""
NO_WORD = "[WORD]"
"""What files without the words of OntoNotes hold in place of each."""
CELL = re.compile(r"(?P<opened>(?:\([^()*\s]+(?![^()*\s]))*)[*_-]?(?P<closed>(?:[^()*\s]*\))*)")
BLANK_HELP = "A blank line ends a sentence, or a word with the number 0 behind it."
BRACKETS = (
    "A name is (PERSON* ... *), or (GPE) if it is one word, and other words have *; or all words have tags as B-GPE."
)


class Row(NamedTuple):
    """A word: the 1-based number of its line, its tag as a part of speech, and its cell of names."""

    line: int
    word: str
    pos: str
    names: str


class Wrong(NamedTuple):
    """What is wrong with the names of a sentence, and the 1-based number of the line."""

    line: int
    what: str


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of a file: names as tags in IOB2, or parts of speech. Tags such as B-PERSON in their place stay.

    Of names inside each other the longest is taken, the others are counted. Where bad lines are left out, a sentence
    goes as a whole if its brackets do not match.

    Raises:
        InvalidData: too few columns, brackets that do not match, or no words (names file and line).
        InvalidOption: the task is another one.
    """
    if layout.task not in ("ner", "pos"):
        raise InvalidOption(f"{path}: CoNLL-2012 has no tags for {layout.task}", "It has names and parts of speech.")
    tally.form = "CoNLL-2012"
    bad = BadLines(layout.on_error, tally)
    yield from bad.guard(_sentences(path, layout, bad, tally))


def _sentences(path: Path, layout: Layout, bad: BadLines, tally: Tally) -> Iterator[Sentence]:
    for first, rows in group_rows(
        _rows(path, layout, bad, tally), path, lambda row: len(row.word) + len(row.names), BLANK_HELP
    ):
        words = [row.word for row in rows]
        if layout.task == "pos":
            yield Sentence(words, [row.pos for row in rows], first)
            continue
        if all(is_entity_tag(row.names) for row in rows):  # somebody put tags in place of the brackets
            yield Sentence(words, [row.names for row in rows], first)
            continue
        names, wrong = _names(rows)
        if wrong is None:
            yield Sentence(words, tag_tokens(names, len(rows), f"{path}:{first}", tally), first)
        else:
            bad.add(wrong.line, InvalidData(f"{path}:{wrong.line}: {wrong.what}", BRACKETS))
            if bad.skip:
                tally.add("sentences left out, as their names cannot be read")


def _rows(path: Path, layout: Layout, bad: BadLines, tally: Tally) -> Iterator[tuple[int, Row | None]]:
    """Words of a file; None where a sentence ends: at a blank line, with its document, in front of a word 0."""
    for number, line in text_lines(path, tally, encoding=layout.encoding):
        if not line.strip() or line.startswith(("#begin document", "#end document")):
            yield number, None
            continue
        if line.startswith("#"):
            tally.add("comment lines left out")
            continue
        fields = line.split()
        if len(fields) < COLUMNS:
            what = f"{len(fields)} columns, CoNLL-2012 has {COLUMNS} or more: {line.strip()[:80]!r}"
            bad.add(number, InvalidData(f"{path}:{number}: {what}", "The eleventh column holds the names."))
            continue
        if fields[WORD] == NO_WORD:
            raise InvalidData(f"{path}:{number}: {NO_WORD} in place of words", "Put in the words of OntoNotes first.")
        if fields[NUMBER] == "0":
            yield number, None
        yield number, Row(number, fields[WORD], fields[POS], fields[NAMES])


def _names(rows: Sequence[Row]) -> tuple[list[tuple[int, int, str]], Wrong | None]:
    """Half-open places in words and type of each name of a sentence, outer names first; or what is wrong with them."""
    names: list[tuple[int, int, str]] = []
    opened: list[tuple[int, str]] = []
    for at, row in enumerate(rows):
        cell = CELL.fullmatch(row.names)
        if cell is None:
            return [], Wrong(row.line, f"no brackets of names: {row.names!r}")
        opened += [(at, label) for label in cell["opened"].split("(")[1:]]
        for closing in cell["closed"].split(")")[:-1]:
            start, label = opened.pop() if opened else (0, "")
            if not label or closing not in ("", label):
                return [], Wrong(row.line, f"{row.names!r} closes a name that no word before it opens")
            names.append((start, at + 1, label))
    if opened:
        row = rows[opened[-1][0]]
        return [], Wrong(row.line, f"{row.names!r} opens a name that no word of the sentence closes")
    return names[::-1], None
