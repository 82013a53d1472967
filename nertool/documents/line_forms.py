"""Which form lines are in, as the first of them tell."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from nertool.corpus.column_files import CONLLU_COLUMNS, CONLLU_ID, ENTITY_TAG, counted
from nertool.errors import InvalidData

CONVERTED = {
    "WebAnno TSV": re.compile(r"\ufeff?#\s*FORMAT=WebAnno"),
    "CoNLL-2012": re.compile(r"#begin document"),
    "brat's annotations": re.compile(r"T\d+\t\S+ \d+ \d+"),
}
"""Forms that `download` reads alone, and how their first line begins."""
COMMENT = ("# ", "#\t")
FEW_FIELDS = 5
"""Fields of a line that ends with O as its tag, not as its last word."""


class LineForm(NamedTuple):
    """The form of lines.

    Attributes:
        name: `jsonl`, `conllu`, `tokens` or `text`.
        token_at: 0-based field of the token, in lines of tokens: 1 behind a number that counts them.
        has_comments: whether lines before a sentence of tokens are comments.
    """

    name: str
    token_at: int = 0
    has_comments: bool = False

    @property
    def shown(self) -> str:
        """The form in words; empty for those that speak for themselves."""
        if self.name == "conllu":
            return "CoNLL-U"
        if self.name != "tokens":
            return ""
        behind = ", behind its number" if self.token_at else ""
        return f"one token a line{behind}{', without comments' if self.has_comments else ''}"


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
        InvalidData: it is a form that `download` reads alone.
    """
    seen = has_comments = False
    for line in lines:
        fields = line.split()
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
        if len(fields) > 1:
            by_tab = len(columns) > 1 and columns[0].split() == columns[:1]
            if not ends_with_tag(fields, labels) and (has_comments or not by_tab):
                return LineForm("text")
            return LineForm("tokens", int(_counts_tokens(fields, lines)), has_comments)
        if seen and not fields:
            return LineForm("tokens")
        seen = seen or bool(fields)
    return LineForm("text" if has_comments else "tokens")


def is_comment(line: str, labels: Collection[str]) -> bool:
    """Whether a line before a sentence is a comment, and no token with a tag."""
    fields = line.split()
    return line.startswith(COMMENT) and len(fields) > 1 and not ends_with_tag(fields, labels)


def ends_with_tag(fields: list[str], labels: Collection[str]) -> bool:
    """Whether the last one of several fields is a tag."""
    last = fields[-1]
    return last in labels or ENTITY_TAG.match(last) is not None or (last == "O" and len(fields) <= FEW_FIELDS)


def _counts_tokens(fields: list[str], following: Iterable[str]) -> bool:
    """Whether the first field of the first token's line counts the tokens, and that of the next token's goes on."""
    number = counted(fields[0])
    if number is None or len(fields) < 3:
        return False
    for line in following:
        if line.strip() and not line.startswith(COMMENT):
            return counted(line.split()[0]) in (number + 1, 0, 1)
    return False


def _refuse_other_forms(label: str, line: str) -> None:
    for name, beginning in CONVERTED.items():
        if beginning.match(line):
            raise InvalidData(
                f"{label}: this looks like {name}, which predict does not read",
                "Convert it first: nertool download --test-file FILE, preprocess, predict --split test; "
                "or say that it is text: --input text.",
            )
