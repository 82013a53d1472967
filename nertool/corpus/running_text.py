"""Running text and token lists -> sentences, of tokens; and the form that lines are in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import regex

from nertool.corpus.column_files import CONLLU_COLUMNS, CONLLU_ID
from nertool.errors import InvalidOption, require

WITHOUT_BLANKS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
"""Scripts that have no blanks between words: each character is a token."""
HANGUL = regex.compile(r"\p{Hangul}")
"""Korean has blanks: Han characters in it are parts of words."""


def _token_pattern(letter: str, rest: str, alone: str) -> str:
    """The pattern of a token.

    Args:
        letter: class of the characters that a word begins with.
        rest: class of those that it goes on with.
        alone: pattern of a character that is a token by itself.
    """
    return rf"""
      https?://\S+                                            # a web address
    | [\w.+-]{{1,64}}@\w[\w-]*(?:\.\w[\w-]*)+                        # an e-mail address
    | [@\#]{rest}+                                            # a user name or hash tag
    | \d+(?:[.,:]\d+)*                                       # a number, price or time
    | (?:{letter}\.){{2,}}(?!\w)                              # an abbreviation, such as z.B. or U.S.
    | {letter}{rest}*(?:[-'’.&/]{letter}{rest}*)*             # a word, with inner hyphens, apostrophes and dots
    | {alone}                                                 # any other sign by itself
    """


ASCII_TOKEN = re.compile(_token_pattern(r"\w", r"\w", r"\S"), re.VERBOSE)
"""Faster, and the same for text in ASCII."""
WORD_TOKEN = regex.compile(
    _token_pattern(r"\w", r"[\w\p{M}\u200c\u200d]", r"(?![\s\x1c-\x1f])\X"), regex.VERBOSE | regex.VERSION1
)
TOKEN = regex.compile(
    _token_pattern(
        f"[\\w--[{WITHOUT_BLANKS}]]", f"[[\\w\\p{{M}}\u200c\u200d]--[{WITHOUT_BLANKS}]]", r"(?![\s\x1c-\x1f])\X"
    ),
    regex.VERBOSE | regex.VERSION1,
)
"""Combining marks and joiners stay with their letter, and what Unicode's annex 29 calls one character stays whole."""


SHOWN = "\n\u00a0\u200c\u200d"
"""Not printable, and harmless on a terminal: words of many scripts and emoji need the last two."""


LINE_END = re.compile(r"\r\n|\n|\r")


class Words(NamedTuple):
    """A sentence to be tagged.

    Attributes:
        tokens: what the model is given.
        offsets: 0-based half-open places of the tokens in the text they were cut from, in characters; empty where the
            input was tokens already.
    """

    tokens: list[str]
    offsets: Sequence[tuple[int, int]] = ()


def cut_words(text: str) -> Words:
    """Running text, cut at white space and punctuation."""
    return cut_text(text, 0, len(text))


def cut_text(text: str, start: int, end: int) -> Words:
    """A piece of a text, cut so; the offsets are places in the whole."""
    piece = text[start:end]
    if piece.isascii():
        places = [match.span() for match in ASCII_TOKEN.finditer(text, start, end)]
    else:
        pattern = WORD_TOKEN if HANGUL.search(piece) else TOKEN
        places = [match.span() for match in pattern.finditer(text, start, end)]
    return Words([text[begin:stop] for begin, stop in places], places)


def line_offsets(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each line of a text, in characters; its line end (LF, CR LF or CR) is part of it."""
    start = 0
    for line_end in LINE_END.finditer(text):
        yield start, line_end.end()
        start = line_end.end()
    if start < len(text):
        yield start, len(text)


def form_of(lines: Iterator[str], labels: set[str]) -> str:
    """What lines hold: `jsonl`, `conllu`, `tokens` or `text`.

    A first line that is a JSON object tells the first, ten columns of which the first is an id the second; lines of a
    single field are tokens, and so are lines with a tab behind their first word and those whose last field is one of
    `labels`; anything else is running text. Reads no further than it must: a person may be typing at the other end.
    """
    seen = commented = False
    for line in lines:
        fields = line.split()
        columns = line.rstrip("\r\n").split("\t")
        if len(columns) == len(CONLLU_COLUMNS) and CONLLU_ID.fullmatch(columns[0]):
            return "conllu"
        if not seen and line.startswith("# ") and len(fields) > 1:
            commented = True
            continue
        if commented:
            return "text"
        if not seen and fields and fields[0].startswith("{") and fields[-1].endswith("}"):
            return "jsonl"
        if len(fields) > 1:
            by_tab = len(columns) > 1 and columns[0].split() == columns[:1]
            return "tokens" if by_tab or fields[-1] in labels else "text"
        if seen and not fields:
            return "tokens"
        seen = seen or bool(fields)
    return "text" if commented else "tokens"


def visible(text: str) -> str:
    r"""A text that does nothing to the terminal it is shown on: control and other invisible characters escaped.

    >>> visible("a\x1b[2J")
    'a\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in SHOWN else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def sentence_splitter(language: str) -> Callable[[str], Iterator[tuple[int, int]]]:
    """Text -> (start, end) of its sentences, by pySBD's rules for a language.

    Raises:
        NertoolError: it is not installed.
        InvalidOption: it does not know the language.
    """
    require(["pysbd"], "sentences", "--split-sentences")
    from pysbd import Segmenter

    try:
        segmenter = Segmenter(language=language, clean=False, char_span=True)
    except ValueError as error:
        raise InvalidOption(
            f"--language {language}: pySBD has no rules for it", "Codes are such as en, de, fr."
        ) from error

    def split(text: str) -> Iterator[tuple[int, int]]:
        end = 0
        for span in segmenter.segment(text):
            yield end, span.end  # nothing between sentences is lost
            end = span.end
        yield end, len(text)

    return split
