"""Which form lines are in, as the first of them tell."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from nertool.corpus.column_files import (
    CONLL2012_BEGINNING,
    CONLLU_COLUMNS,
    CONLLU_ID,
    ENTITY_TAG,
    PART_OF_SPEECH,
    TOKEN_NAMES,
    counted,
    is_part_of_speech,
    names_columns,
)
from nertool.corpus.numbering import count_up
from nertool.documents.hints import Unreadable

CONVERTED = {
    "WebAnno TSV": re.compile(r"\ufeff?#\s*FORMAT=WebAnno"),
    "CoNLL-2012": CONLL2012_BEGINNING,
    "CoNLL-U Plus": re.compile(r"#\s*global\.columns\s*="),
    "brat's annotations": re.compile(r"T\d+\t\S+ \d+ \d+"),
}
"""Forms that `download` reads alone, and how their first line begins."""
MARKUP = re.compile(
    r"\ufeff?\s*<(?:(?:\?xml|!DOCTYPE|html)\b|[A-Za-z][\w:.-]*(?:\s+[\w:.-]+=\"[^\"<>]*\")+\s*/?>"
    r"|([A-Za-z][\w:.-]*)>.*</\1>\s*$)"
)
"""A line that begins as XML and HTML do, has a tag with attributes in front, or stands in a tag as a whole."""
MARKUP_NAMES = (".xml", ".html", ".htm", ".xhtml", ".tei")
JSON_KEY = re.compile(r"\s*\"[^\"]*\"\s*:")
NO_TEXT = {
    "XML or HTML": (MARKUP, "Take the text out of it"),
    "PubTator": (re.compile(r"\d+\|[ta]\|"), "Take the text out of it"),
    "JSON, a list of lists": (re.compile(r"\s*\[\s*\[\s*\""), "Write an object with a text in each line, as .jsonl"),
    "a pointer of Git LFS": (re.compile(r"version https://git-lfs\."), "Fetch the file itself: git lfs pull"),
}
"""Forms that nothing reads, how their first line begins, and the way out."""
GLUED = re.compile(rf"\S.*[/|,;:_\xa0\u2000-\u200a\u202f\u3000](O|[BIESLUMW]-[\w-]+|{PART_OF_SPEECH.pattern})")
"""A word with its tag behind anything but a blank or tab, such as Anna/B-PER and Anna/NNP."""
OTHER_TAG = re.compile(r"[BIESLUMW][_:/.][A-Z][\w-]*|[A-Z]{2,}[-_][BIESLUMW]")
"""A tag in another spelling, such as B_PER and PER-B, of which a line of two fields has one."""
OFFSETS = re.compile(r"\d+-\d+")
"""Place of a token in its text, as WebAnno has it."""
WITH_DIGIT = re.compile(r".*\d")
TABLE_WAY = "Take the column of the text: cut -f {} FILE; or name a table with names of columns .csv; or"
CONVERT = "Convert it first:"
LINES_HELP = "Write each record in a line of its own, as jq -c . FILE does; or"
COMMENT = ("# ", "#\t")
FEW_FIELDS = 5
"""Fields of a line that ends with O as its tag, not as its last word."""


class LineForm(NamedTuple):
    """The form of lines.

    Attributes:
        name: `jsonl`, `conllu`, `tokens` or `text`.
        token_at: 0-based field of the token, in lines of tokens: 1 behind a number that counts them.
        has_comments: whether lines before a sentence of tokens are comments.
        has_names: whether the first line that is no comment names the columns.
    """

    name: str
    token_at: int = 0
    has_comments: bool = False
    has_names: bool = False

    @property
    def shown(self) -> str:
        """The form in words; empty for those that speak for themselves."""
        if self.name == "conllu":
            return "CoNLL-U"
        if self.name != "tokens":
            return ""
        behind = ", behind its number" if self.token_at else ""
        left_out = (", without comments" if self.has_comments else "") + (", without names" if self.has_names else "")
        return f"one token a line{behind}{left_out}"


def form_of(label: str, lines: Iterator[str], labels: Collection[str]) -> LineForm:
    """Tell the form of lines.

    A first line that is a JSON object tells `jsonl`, ten columns of which the first is an id tell `conllu`. Lines of a
    single field are tokens. So are lines with a tab behind their first word, and those that end with a tag. Anything
    else is running text. Reads no further than it must: a person may be typing at the other end.

    Args:
        label: the file's name, for messages.
        lines: the first ones.
        labels: labels of the model; a line whose last field is one of them ends with a tag.

    Raises:
        InvalidData: it is a form that `download` reads alone, or a table of texts.
    """
    seen = has_comments = is_opened = False
    for line in lines:
        fields = line.split()
        if is_opened and JSON_KEY.match(line):
            raise Unreadable(f"{label}: this looks like a JSON object over several lines", LINES_HELP, "form")
        is_opened = fields == ["{"] and not seen
        columns = line.rstrip("\r\n").split("\t")
        if len(columns) == len(CONLLU_COLUMNS) and CONLLU_ID.fullmatch(columns[0]):
            return LineForm("conllu")
        if not seen:
            _refuse_other_forms(label, line)
            if is_comment(line, labels):
                has_comments = True
                continue
            if fields and fields[0].startswith("{") and fields[-1].endswith("}"):
                return LineForm("jsonl")
            if _names_columns(columns, fields):
                return _below_names(label, fields, lines, labels)
            _refuse_tags_elsewhere(label, line, fields, labels)
        if len(fields) > 1:
            return _form_of_fields(label, line, lines, labels, has_comments)
        if seen and not fields:
            return LineForm("tokens")
        seen = seen or bool(fields)
    return LineForm("text" if has_comments else "tokens")


def _names_columns(columns: Sequence[str], fields: Sequence[str]) -> bool:
    """Whether a line between tabs, or a line of two such names alone, names the columns; prose may have both words."""
    return names_columns(columns) if len(columns) > 1 else len(fields) == 2 and names_columns(fields)


def _form_of_fields(
    label: str, line: str, lines: Iterator[str], labels: Collection[str], has_comments: bool
) -> LineForm:
    """The form of lines of which the first one has several fields."""
    fields = line.split()
    by_tab = _has_tab_behind_word(line)
    with_tag = ends_with_tag(fields, labels)
    if not with_tag and not (_is_numbered_row(line) if has_comments else by_tab):
        return LineForm("text")
    named = with_tag and len(fields) > 2 and counted(fields[0]) is None and WITH_DIGIT.match(fields[0]) is not None
    following = list(islice(lines, 1)) if named or not with_tag else []
    name_below = following[0].split()[:1] if following else []
    if named and (name_below == fields[:1] or count_up([fields[0], *name_below])):
        raise _other_columns(label)
    if counted(fields[0]) is not None and OFFSETS.fullmatch(fields[1]):
        raise _other_columns(label)
    if not with_tag and any(map(_holds_text, [line, *following])):
        raise _table_of_texts(label, line)
    if not with_tag and any(_begins_with_text(one, labels) for one in following):
        raise _table_of_texts(label, following[0], column=1)
    return LineForm("tokens", int(_counts_tokens(label, fields, with_tag, chain(following, lines))), has_comments)


def _is_numbered_row(line: str) -> bool:
    """Whether a line has three columns or more between tabs, each of one word, and the first one counts tokens."""
    columns = line.rstrip("\r\n").split("\t")
    return len(columns) > 2 and counted(columns[0]) is not None and all(len(one.split()) == 1 for one in columns)


def _has_tab_behind_word(line: str) -> bool:
    first, tab, _ = line.rstrip("\r\n").partition("\t")
    return bool(tab) and first.split() == [first]


def _holds_text(line: str) -> bool:
    """Whether one of the columns behind the first tab holds several words."""
    return any(len(column.split()) > 1 for column in line.split("\t")[1:])


def _begins_with_text(line: str, labels: Collection[str]) -> bool:
    """Whether the first of several columns holds several words, and the last one no tag."""
    first, tab, _ = line.partition("\t")
    return bool(tab) and len(first.split()) > 1 and not ends_with_tag(line.split(), labels)


def _table_of_texts(label: str, line: str, column: int = 2) -> Unreadable:
    what = f"{label}: this looks like a table of texts, not of tokens: {line.strip()[:60]!r}"
    return Unreadable(what, TABLE_WAY.format(column), "form")


def _other_columns(label: str) -> Unreadable:
    what = "a table of tokens with other columns in front, which download alone reads"
    return Unreadable(f"{label}: this looks like {what}", CONVERT, "convert")


def _refuse_tags_elsewhere(label: str, line: str, fields: list[str], labels: Collection[str]) -> None:
    """Refuse a first line with tags in front of words, in quotes, or behind something other than blanks and tabs."""
    glued = [match[1] for match in map(GLUED.fullmatch, line.strip().replace("\t", " ").split(" ")) if match]
    if glued and len(glued) == len(line.split(" ")) and glued != ["O"]:
        what = f"{label}: this looks like words with tags behind another separator: {line.strip()[:60]!r}"
        raise Unreadable(what, "Put a word and its tag in a line, with a tab between; or", "form")
    if len(fields) < 2 or ends_with_tag(fields, labels):
        return
    in_front = ENTITY_TAG.match(fields[0]) or (fields[0] == "O" and _has_tab_behind_word(line))
    in_quotes = ENTITY_TAG.match(fields[-1].strip('"')) or fields[-1] == '"O"'
    if (len(fields) == 2 and in_front) or (fields[0][0] == '"' and in_quotes):
        raise _other_columns(label)


def _below_names(label: str, names: Sequence[str], lines: Iterator[str], labels: Collection[str]) -> LineForm:
    """The form of lines of tokens below the names of the columns.

    Raises:
        InvalidData: the tokens are not in the first column.
    """
    if names[0].lower() not in TOKEN_NAMES:
        raise _other_columns(label)
    following = next(lines, "")
    has_comments = is_comment(following, labels)
    if not has_comments and _begins_with_text(following, labels):
        raise _table_of_texts(label, following, column=1)
    return LineForm("tokens", has_comments=has_comments, has_names=True)


def is_comment(line: str, labels: Collection[str]) -> bool:
    """Whether a line before a sentence is a comment, and no token with a tag."""
    fields = line.split()
    return line.startswith(COMMENT) and len(fields) > 1 and not ends_with_tag(fields, labels)


def ends_with_tag(fields: list[str], labels: Collection[str]) -> bool:
    """Whether the last one of several fields is a tag."""
    last = fields[-1]
    if len(fields) == 2 and (OTHER_TAG.fullmatch(last) or is_part_of_speech(last)):
        return True
    return last in labels or ENTITY_TAG.match(last) is not None or (last == "O" and len(fields) <= FEW_FIELDS)


def is_line_of_prose(fields: list[str], width: int, labels: Collection[str]) -> bool:
    """Whether a line among lines of one token holds several words: another number of fields, and no tag behind them.

    Args:
        width: fields of the first line.
    """
    return len(fields) > 1 and len(fields) != width and not ends_with_tag(fields, labels)


def _counts_tokens(label: str, fields: list[str], with_tag: bool, following: Iterable[str]) -> bool:
    """Whether the first field of the first token's line counts the tokens, and that of the next token's goes on.

    Args:
        with_tag: the last field is a tag.

    Raises:
        InvalidData: the next line has the same number, which numbers sentences.
    """
    number = counted(fields[0])
    if number is None or len(fields) < (3 if with_tag else 2):
        return False
    is_next = True
    for line in following:
        if line.strip() and not line.startswith(COMMENT):
            if is_next and line.split()[0] == fields[0]:
                raise _other_columns(label)
            return counted(line.split()[0]) in (number + 1, 0, 1)
        is_next = False
    return False


def _refuse_other_forms(label: str, line: str) -> None:
    for name, beginning in CONVERTED.items():
        if beginning.match(line):
            raise Unreadable(f"{label}: this looks like {name}, which download alone reads", CONVERT, "convert")
    for name, (beginning, way) in NO_TEXT.items():
        if beginning.match(line) or (beginning is MARKUP and label.lower().endswith(MARKUP_NAMES)):
            raise Unreadable(f"{label}: this looks like {name}, which is no text", f"{way}; or", "form")
