"""CoNLL-U: ten tab-separated columns, comments, multiword ranges and empty nodes.

Source: https://universaldependencies.org/format.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nertool.corpus.column_files import Sentence, TaggedRow, group_sentences
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.layout import Layout, column_number
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
WORD_ID = re.compile(r"\d+(?:[-.]\d+)?")


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Read the sentences of a CoNLL-U file: its syntactic words (not multiword ranges), with one column as tags.

    The tag column is UPOS unless the layout names another; `feats:NAME` and `misc:NAME` take one value out of those
    columns (`_` where a word has none).

    Raises:
        InvalidData: a line without ten columns or with a malformed id (names file and line).
        InvalidOption: there is no such column.
    """
    token_at, _ = _column(path, layout.token_column or "form", "--token-column")
    tag_at, feature = _column(path, layout.tag_column or "upos", "--tag-column")
    yield from group_sentences(_words(path, token_at, tag_at, feature, tally))


def _words(path: Path, token_at: int, tag_at: int, feature: str, tally: Tally) -> Iterator[TaggedRow]:
    """Give the token and tag of each word."""
    for number, line in text_lines(path, tally):
        if line.startswith("#"):
            continue
        if not line.strip():
            yield number, None
            continue
        fields = _fields(path, number, line)
        if not fields[0].isdigit():
            tally.add("multiword ranges skipped" if "-" in fields[0] else "empty nodes skipped")
            continue
        tag = _feature(fields[tag_at], feature) if feature else fields[tag_at]
        if not tag.strip():
            raise InvalidData(f"{path}:{number}: no tag for {fields[token_at]!r}", "An empty column holds _.")
        yield number, (fields[token_at], tag)


def _fields(path: Path, number: int, line: str) -> list[str]:
    """Split a line into its ten columns and check the id."""
    fields = line.split("\t")
    if len(fields) != len(COLUMNS):
        raise InvalidData(
            f"{path}:{number}: {len(fields)} columns, CoNLL-U has {len(COLUMNS)}: {line[:80]!r}",
            "Columns are separated by one tab each; column text of another form has another name (.txt, .conll).",
        )
    if not WORD_ID.fullmatch(fields[0]):
        raise InvalidData(f"{path}:{number}: {fields[0]!r} is no word id", "Ids are 1, 2-3 or 2.1.")
    return fields


def _column(path: Path, wanted: str, option: str) -> tuple[int, str]:
    """0-based index of a column, and the name of the value in it; the whole column where that is empty."""
    name, _, feature = wanted.partition(":")
    if name.lower() in COLUMNS and (not feature or name.lower() in ("feats", "misc", "deps")):
        return COLUMNS.index(name.lower()), feature
    number = column_number(wanted, len(COLUMNS))
    if number is None:
        raise InvalidOption(
            f"{path}: no column {wanted!r} in CoNLL-U",
            f"{option} takes {', '.join(COLUMNS[1:])}, feats:NAME or misc:NAME.",
        )
    return number, ""


def _feature(column: str, name: str) -> str:
    pairs = (pair.partition("=") for pair in column.split("|"))
    return next((value for key, _, value in pairs if key == name), "_")
