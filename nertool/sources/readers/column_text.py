"""Column text: a token and its tags a line, with any delimiter; a blank line ends a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from nertool.corpus.column_files import (
    Sentence,
    TaggedRow,
    group_sentences,
    is_entity_tag,
    marks_document,
    names_columns,
)
from nertool.errors import InvalidData
from nertool.sources.readers.bad_lines import BadLines
from nertool.sources.readers.column_roles import EMPTY_TAGS, NAMES_AGAIN
from nertool.sources.readers.columns import COMMENT_MARKS, Columns, find_columns
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.sentence_ends import Restarts, SentenceEnds
from nertool.sources.readers.tag_names import named
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines
from nertool.tags import OUTSIDE

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
        tally.form = "column text"
        yield from named(group_sentences(bad.guard(rows), path), path, layout.tag_names, tally)


def _rows(
    path: Path, layout: Layout, columns: Columns, lines: Iterator[tuple[int, str]], bad: BadLines, tally: Tally
) -> Iterator[TaggedRow]:
    """Give the token and tag of each line; None where a sentence ends."""
    width, token_at, tag_at = columns.width, columns.token_at, columns.tag_at
    comment, sentence_end = layout.comment or "#", layout.sentence_end
    ends = SentenceEnds(path, layout, columns.id_at) if columns.id_at else None
    restarts = Restarts(columns.counter_at)
    inside = False
    for number, line in lines:
        bare = line.strip()
        if bare == columns.names and bare and number != columns.header:
            tally.add(NAMES_AGAIN)
        if bare in ("", columns.names, sentence_end):
            inside = False
            yield number, None
            continue
        if line.startswith(comment) and _is_comment(line, layout, columns, inside):
            tally.add("comment lines left out")
            continue
        fields = columns.split(line)
        if len(fields) != width:
            fields = _mended(line, columns, tally)
        if not inside and len(fields) == width and names_columns(fields) and not is_entity_tag(fields[tag_at]):
            tally.add(NAMES_AGAIN)
            yield number, None
            continue
        if marks_document(fields[0]) or marks_document(fields[token_at] if len(fields) > token_at else ""):
            tally.add("-DOCSTART- lines left out")
            inside = False
            yield number, None
            continue
        tag = fields[tag_at] if len(fields) == width else ""
        if not tag.strip() and columns.empty_is_outside and len(fields) == width:
            tally.add(EMPTY_TAGS)
            tag = OUTSIDE
        if not tag.strip() and not any(map(str.isprintable, bare)):
            tally.add("lines without a visible character, taken for blank ones")
            inside = False
            yield number, None
            continue
        if not tag.strip() or (not inside and _may_be_comment(line, layout, columns)):
            bad.add(number, _bad_line(path, number, line, len(fields), width))
            continue
        begins = restarts.before(fields)
        if (ends and ends.before(number, fields)) or begins:
            yield number, None
        inside = True
        token = fields[token_at]
        yield number, (token, tag)
        if (sentence_end and token == sentence_end) or columns.is_last_token(fields):
            inside = False
            yield number, None


def _mended(line: str, columns: Columns, tally: Tally) -> list[str]:
    """The fields of a line that has more or fewer than the first one, as far as it can be told what is meant."""
    fields = columns.fields(line)
    if len(fields) == 1 and (at_blanks := columns.fields_at_blanks(line)):
        tally.add("lines cut at blanks in place of tabs")
        return at_blanks
    return fields


def _is_comment(line: str, layout: Layout, columns: Columns, inside: bool) -> bool:
    """Whether a line that begins like a comment is one; without --comment only `# ...` before a sentence can be."""
    if not layout.comment and (inside or line[1:2] not in (" ", "\t") or not any(map(str.isalnum, line))):
        return False
    return not columns.is_token(line)


def _may_be_comment(line: str, layout: Layout, columns: Columns) -> bool:
    """Whether a line before a sentence of a file of entities begins as comments do, and has no tag of an entity."""
    return columns.has_entities and line.startswith(COMMENT_MARKS) and not layout.comment and not columns.is_token(line)


def _bad_line(path: Path, number: int, line: str, fields: int, width: int) -> InvalidData:
    what = f"{path}:{number}: {fields} columns, the first line has {width}: {line[:80]!r}"
    hint = "Give every line as many columns; or say what separates them: --delimiter; or how comments begin: --comment."
    if fields in (1, width):
        what = f"{path}:{number}: no tag behind the token: {line[:80]!r}"
        hint = "Every token needs a tag."
        if line.strip() == line.strip().upper():
            hint = f"Every token needs a tag; if such a line ends a sentence: --sentence-end='{line.strip()[:20]}'."
    if line.startswith(COMMENT_MARKS) and any(map(str.isalnum, line)):
        mark = line[:1] if line[1:2].isalnum() else line[:2].strip()
        hint = f"If that is a comment, leave such lines out: --comment '{mark}'."
    return InvalidData(what, hint)
