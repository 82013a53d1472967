"""Running text -> sentences, of tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from nertool.corpus.clitics import Clitics, check_clitics
from nertool.errors import InvalidOption, require

if TYPE_CHECKING:
    import regex

WHITE_TOKEN = re.compile(r"\S+")
CHARACTERS = "characters"
"""Name of the way in which text is cut where nothing else is said; see `cutter`."""
WORDS = "words"
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


Cut = Callable[[str, int, int], Words]
"""Text, start and end of a piece of it -> the tokens of the piece; their offsets are places in the whole text."""


def cut_words(text: str) -> Words:
    """Running text, cut as `cut_text` does."""
    return cut_text(text, 0, len(text))


def cut_text(text: str, start: int, end: int) -> Words:
    """Cut at white space and punctuation; in scripts without blanks each character is a token."""
    return _cut_by_pattern(CHARACTERS, text, start, end)


def _cut_by_pattern(tokenizer: str, text: str, start: int, end: int) -> Words:
    from nertool.corpus.token_patterns import pattern_of

    return _cut_by(pattern_of(text[start:end], tokenizer), text, start, end)


def _cut_by(token: re.Pattern[str] | regex.Pattern[str], text: str, start: int, end: int) -> Words:
    places = [match.span() for match in token.finditer(text, start, end)]
    return Words([text[begin:stop] for begin, stop in places], places)


def cutter(name: str) -> Cut:
    """How running text is cut into tokens.

    Args:
        name: `characters`, as `cut_text` does; `words`, the same, but a run of characters without blanks is one token;
            either with clitics that are tokens too, such as `characters:'s,l'`; `white`, at white space alone;
            `spacy:LANGUAGE`, as spaCy's tokenizer for a language does.

    Raises:
        InvalidOption: there is no such name, one of the clitics is none, or spaCy does not know the language.
        NertoolError: spaCy is not installed.
    """
    kind, colon, details = name.partition(":")
    if kind == "spacy" and details:
        return _spacy_cutter(details)
    if name == "white":
        return partial(_cut_by, WHITE_TOKEN)
    if kind in (CHARACTERS, WORDS):
        if colon:
            check_clitics(details.split(","), f"--tokenizer {name}")
        return partial(_cut_by_pattern, name)
    raise InvalidOption(
        f"--tokenizer {name}: there is no such way to cut text",
        f"Take {CHARACTERS}, {WORDS}, white, or spacy: and a language, such as spacy:de.",
    )


def _spacy_cutter(language: str) -> Cut:
    require(["spacy"], "spacy", f"--tokenizer spacy:{language}")
    import spacy

    try:
        tokenizer = spacy.blank(language).tokenizer
    except ImportError as error:
        raise InvalidOption(
            f"--tokenizer spacy:{language}: {str(error).splitlines()[0]}", "Codes are such as en, de, fr."
        ) from error

    def cut(text: str, start: int, end: int) -> Words:
        tokens = [token for token in tokenizer(text[start:end]) if not token.is_space]
        places = [(start + token.idx, start + token.idx + len(token.text)) for token in tokens]
        return Words([token.text for token in tokens], places)

    return cut


def cut_of_tokens(sentences: Iterable[Sequence[str]]) -> str:
    """How tokens seem to have been cut out of their text: a name for `cutter`.

    It is `words` where most tokens of scripts without blanks have several characters, else `characters`, and names the
    clitics that are tokens.
    """
    from nertool.corpus.token_patterns import CHARACTER_ALONE, ONE_CHARACTER

    single = longer = 0
    clitics = Clitics()
    for tokens in sentences:
        clitics.count(tokens)
        for token in tokens:
            if not token.isascii() and CHARACTER_ALONE.match(token):
                is_longer = len(token) > 1 and not ONE_CHARACTER.fullmatch(token)
                longer += is_longer
                single += not is_longer
    return ":".join(filter(None, [WORDS if longer > single else CHARACTERS, ",".join(clitics.cut_off())]))


def line_offsets(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each line of a text, in characters; its line end (LF, CR LF or CR) is part of it."""
    start = 0
    for line_end in LINE_END.finditer(text):
        yield start, line_end.end()
        start = line_end.end()
    if start < len(text):
        yield start, len(text)


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
