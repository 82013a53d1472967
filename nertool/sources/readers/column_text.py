"""Column text: a token and its tags a line, with any delimiter; a blank line ends a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from nertool.corpus.column_files import Sentence, TaggedRow, group_sentences
from nertool.errors import InvalidData
from nertool.sources.readers.bad_lines import BadLines
from nertool.sources.readers.columns import DOCSTART, Columns, find_columns
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines

LINES_AHEAD = 2000
"""Lines from which the columns are told."""


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Read the sentences of a column file.

    The first lines decide which columns there are, what separates them, and whether one of them counts the tokens,
    where the layout does not say. Comments before a sentence and `-DOCSTART-` lines are left out and counted.

    Raises:
        InvalidData: a line with more or fewer columns, or without a tag (names file and line).
        InvalidOption: there is no such column.
    """
    lines = text_lines(path, tally, encoding=layout.encoding)
    ahead = list(islice(lines, LINES_AHEAD))
    columns = find_columns(path, layout, ahead, tally)
    if columns:
        bad = BadLines(layout.on_error, tally)
        rows = _rows(path, layout, columns, chain(ahead, lines), bad, tally)
        yield from group_sentences(bad.guard(rows))


def _rows(
    path: Path, layout: Layout, columns: Columns, lines: Iterator[tuple[int, str]], bad: BadLines, tally: Tally
) -> Iterator[TaggedRow]:
    """Give the token and tag of each line; None where a sentence ends."""
    width, token_at, tag_at = columns.width, columns.token_at, columns.tag_at
    comment, sentence_end = layout.comment or "#", layout.sentence_end
    inside = False
    for number, line in lines:
        if not line.strip() or number == columns.header:
            inside = False
            yield number, None
            continue
        if line.startswith(comment) and _is_comment(line, layout, columns, inside):
            tally.add("comment lines left out")
            continue
        fields = columns.split(line)
        if len(fields) != width:
            fields = columns.fields(line)
        if DOCSTART in (fields[0], fields[token_at] if len(fields) > token_at else ""):
            tally.add("-DOCSTART- lines left out")
            inside = False
            yield number, None
            continue
        if len(fields) != width or not fields[tag_at].strip():
            bad.add(number, _bad_line(path, number, line, len(fields), width))
            continue
        inside = True
        token = fields[token_at]
        yield number, (token, fields[tag_at])
        if sentence_end and token == sentence_end:
            inside = False
            yield number, None


def _is_comment(line: str, layout: Layout, columns: Columns, inside: bool) -> bool:
    """Whether a line that begins like a comment is one; without --comment only `# ...` before a sentence can be."""
    if not layout.comment and (inside or line[1:2] not in (" ", "\t")):
        return False
    return not columns.is_token(line)


def _bad_line(path: Path, number: int, line: str, fields: int, width: int) -> InvalidData:
    if fields in (1, width):
        return InvalidData(f"{path}:{number}: no tag behind the token: {line!r}", "Every token needs a tag.")
    what = f"{path}:{number}: {fields} columns, the first line has {width}: {line[:80]!r}"
    if line.startswith("#"):
        return InvalidData(what, "If that is a comment: --comment '#' leaves such lines out.")
    return InvalidData(what, "Give every line the same number of columns, or say what separates them: --delimiter.")
