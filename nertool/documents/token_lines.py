"""Lines of tokens, in columns or CoNLL-U: which of them count, where sentences end, and the token of each."""

from __future__ import annotations

from collections.abc import Collection

from nertool.corpus.column_files import CONLLU_COLUMNS, CONLLU_ID, ends_sentence, marks_document
from nertool.documents.byte_source import Lines, decode_line
from nertool.documents.document import ReadCounts
from nertool.documents.hints import Unreadable
from nertool.documents.line_forms import ends_with_tag, is_comment, is_line_of_prose
from nertool.errors import InvalidData

# -- which lines there are ------------------------------------------------------------------------


def without_names(lines: Lines) -> Lines:
    """Leave out the first line that is not blank, which names the columns."""
    is_named = False
    for number, line in lines:
        if is_named or not line.strip():
            yield number, line
        else:
            is_named = True


def without_comments(lines: Lines, labels: Collection[str], counts: ReadCounts) -> Lines:
    """Leave out the comments before sentences of tokens, and count them."""
    inside = False
    for number, line in lines:
        if inside or not is_comment(line.decode("utf-8", "replace"), labels):
            inside = bool(line.strip())
            yield number, line
        else:
            counts.comments += 1


def without_prose(label: str, lines: Lines, labels: Collection[str]) -> Lines:
    """Give lines of tokens on, as long as they look like such.

    Raises:
        Unreadable: a line holds several words, or a tag without a token in front of it.
    """
    width = 0
    for number, line in lines:
        count = len(line.split())
        width = width or count
        if line[:1] in (b" ", b"\t") and count == 1 < width:
            tag = line.decode("utf-8", "replace").strip()
            if ends_with_tag(["", tag], labels):
                what = f"{label}:{number}: a tag without a token in front of it: {tag[:60]!r}"
                raise Unreadable(what, "Mend it; or", "form")
        elif count not in (0, width) and b"\t" not in line:
            fields = line.decode("utf-8", "replace").split()
            if is_line_of_prose(fields, width, labels):
                what = f"several words in a line, where others hold a token: {' '.join(fields)[:60]!r}"
                raise Unreadable(f"{label}:{number}: {what}", "If lines hold text:", "form")
        yield number, line


def with_sentence_ends(lines: Lines) -> Lines:
    """Put a blank line behind a line whose last column says that a sentence ends, as in HIPE's files."""
    for number, line in lines:
        yield number, line
        if ends_sentence(line.rpartition(b"\t")[2].strip().decode("utf-8", "replace")):
            yield number, b"\n"


def with_document_ends(lines: Lines) -> Lines:
    """Put a blank line behind one that stands between documents, as Label Studio leaves it out."""
    for number, line in lines:
        yield number, line
        if line[:1] == b"-" and marks_document(line.split(maxsplit=1)[0].decode("utf-8", "replace")):
            yield number, b"\n"


def words_of_conllu(lines: Lines) -> Lines:
    """Give the lines of words and those between sentences: no comments, multiword ranges and empty nodes."""
    for number, line in lines:
        word_id = line.partition(b"\t")[0]
        skipped = b"-" in word_id or b"." in word_id
        if not line.startswith(b"#") and not (skipped and CONLLU_ID.fullmatch(word_id.decode("utf-8", "replace"))):
            yield number, line


# -- the token of a line ----------------------------------------------------------------------------


def decode_token_line(label: str, number: int, line: bytes) -> str:
    """Decode a line of one token.

    Raises:
        Unreadable: it holds a carriage return, as files of old Macs do in place of line ends; or as `decode_line`.
    """
    text = decode_line(label, number, line)
    if "\r" in text.rstrip("\r\n"):
        what = f"{label}:{number}: a carriage return inside a line of one token"
        raise Unreadable(what, "Convert the ends of lines first: tr '\\r' '\\n'; or", "skip")
    return text


def decode_numbered_line(label: str, number: int, line: bytes) -> str:
    """Decode what stands behind the number that counts a token; a blank line as it is.

    Raises:
        Unreadable: nothing stands there; or as `decode_token_line`.
    """
    text = decode_token_line(label, number, line).strip(" \t\r\n")
    fields = text.replace("\t", " ").split(" ", 1)
    if text and len(fields) == 1:
        what = f"{label}:{number}: no token behind its number: {text[:80]!r}"
        raise Unreadable(what, "Mend it; or", "form")
    return fields[-1]


def decode_word_of_conllu(label: str, number: int, line: bytes) -> str:
    """Decode the form of a word, which may hold blanks; empty for a blank line.

    Raises:
        Unreadable: the line holds no word; or as `decode_line`.
    """
    text = decode_line(label, number, line).rstrip("\r\n")
    if not text.strip():
        return ""
    fields = text.split("\t")
    if len(fields) != len(CONLLU_COLUMNS) or not CONLLU_ID.fullmatch(fields[0]) or not fields[1].strip():
        what = f"{label}:{number}: no word of CoNLL-U: {text[:80]!r}"
        raise Unreadable(what, "A word has ten columns, an id and a form among them; or", "skip")
    return fields[1]


def first_token(line: str | InvalidData) -> str | InvalidData | None:
    """Give the token of a line; None for a blank line.

    It ends at the first tab, or without one at the first blank. Other white space, as in `10\u00a0000`, is part of it.
    """
    if isinstance(line, InvalidData):
        return line
    if not line.strip():
        return None
    text = line.strip(" \t\r\n")
    return text.partition("\t" if "\t" in text else " ")[0].rstrip(" ")


def whole_token(form: str | InvalidData) -> str | InvalidData | None:
    """Give the form of a word as its token; None for a blank line."""
    return form or None if isinstance(form, str) else form


def token_length(token: object) -> int:
    """Characters of a token; 0 for an error in its place."""
    return len(token) if isinstance(token, str) else 0
