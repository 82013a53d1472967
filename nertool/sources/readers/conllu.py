"""CoNLL-U: ten tab-separated columns, comments, multiword ranges and empty nodes.

Source: https://universaldependencies.org/format.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nertool.corpus.column_files import Sentence
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.layout import Layout, column_number
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
WORD, RANGE, EMPTY_NODE = re.compile(r"\d+"), re.compile(r"\d+-\d+"), re.compile(r"\d+\.\d+")


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of a CoNLL-U file: the words (syntactic words, not multiword ranges) with one column as tags.

    The tag column is UPOS unless the layout says another; `feats:NAME` and `misc:NAME` take one value out of those
    columns (`_` where a word has none).

    Raises:
        InvalidData: a line without ten columns or with an id that is none (names file and line).
        InvalidOption: there is no such column.
    """
    token_at, _ = _column(path, layout.token_column or "form", "--token-column")
    tag_at, feature = _column(path, layout.tag_column or "upos", "--tag-column")
    tokens: list[str] = []
    tags: list[str] = []
    first = 0
    for number, line in text_lines(path, tally):
        if line.startswith("#"):
            continue
        if not line.strip():
            if tokens:
                yield Sentence(tokens, tags, first)
                tokens, tags, first = [], [], 0
            continue
        fields = line.split("\t")
        if len(fields) != len(COLUMNS):
            raise InvalidData(
                f"{path}:{number}: {len(fields)} columns, CoNLL-U has {len(COLUMNS)}: {line[:80]!r}",
                "Columns are separated by one tab each; column text of another form has another name (.txt, .conll).",
            )
        if RANGE.fullmatch(fields[0]):
            tally.add("multiword ranges skipped")
        elif EMPTY_NODE.fullmatch(fields[0]):
            tally.add("empty nodes skipped")
        elif not WORD.fullmatch(fields[0]):
            raise InvalidData(f"{path}:{number}: {fields[0]!r} is no word id", "Ids are 1, 2-3 or 2.1.")
        else:
            first = first or number
            tag = _feature(fields[tag_at], feature) if feature else fields[tag_at]
            if not tag.strip():
                raise InvalidData(f"{path}:{number}: no tag for {fields[token_at]!r}", "An empty column holds _.")
            tokens.append(fields[token_at])
            tags.append(tag)
    if tokens:
        yield Sentence(tokens, tags, first)


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
