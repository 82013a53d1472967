"""Patterns of a token of running text. Compiling them takes a while, so this is imported where text is cut.

Words follow Unicode's rules: combining marks and joiners stay with their letter, invisible characters between letters
part no word, and what annex 29 calls one character stays whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import regex

WITHOUT_BLANKS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
"""Scripts that have no blanks between words: each character is a token."""
INVISIBLE = "\u00ad\u061c\u180e\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
"""Soft hyphens, marks of direction and others without width, which annex 29 takes for a part of the word.

A space of no width, U+200B, is none of them: it parts words.
"""
SIGNS_INSIDE = "-'’.&/"
"""Signs that may stand between two letters of a word."""
HANGUL = regex.compile(r"\p{Hangul}")
"""Korean has blanks: Han characters in it are parts of words."""
CHARACTER_ALONE = regex.compile(f"[{WITHOUT_BLANKS}]")
ONE_CHARACTER = regex.compile(r"\X")
"""What a person takes for one character: a letter with its marks, an emoji of several signs."""


def _token_pattern(letter: str, rest: str, alone: str, clitics: Sequence[str] = (), invisible: str = "") -> str:
    """The pattern of a token.

    Args:
        letter: class of the characters that a word begins with.
        rest: class of those that it goes on with.
        alone: pattern of a character that is a token by itself.
        clitics: parts of a word that are tokens of their own; those that end with an apostrophe stand before the word.
        invisible: characters that may stand between two letters of a word, beside signs.

    A number is looked for once at a place, and not for ever: else a long list of numbers without blanks takes a time
    that grows with its square, or more.
    """
    before = _one_of([clitic for clitic in clitics if clitic.endswith("'")])
    behind = _one_of([clitic for clitic in clitics if not clitic.endswith("'")])
    part_before = rf"| (?<!\w){before}(?=\w)" if before else ""
    part_behind = rf"| (?<=[\w.]){behind}(?!-?\w)" if behind else ""
    inside = f"[{SIGNS_INSIDE}{invisible}]"
    go_on = rf"(?!{behind}(?!-?\w))" if behind else ""
    return rf"""
      https?://\S*[^\s.,;:!?'")\]}}>»”’…]                      # a web address, without the punctuation behind it
    | [\w.+-]{{1,64}}@\w[\w-]*(?:\.\w[\w-]*)+                        # an e-mail address
    | [\d\#*]\ufe0f?\u20e3                                    # a keycap
    | [@\#]{rest}+                                            # a user name or hash tag
    {part_before}                                             # l' of l'ONU
    {part_behind}                                             # 's of Anna's
    | (?=(\d+(?:[.,:]\d+){{,19}}))\1(?![A-Z]\b)                 # a number, price or time; 3D is a word
    | (?:{letter}\.){{2,}}(?!\w)                              # an abbreviation, such as z.B. or U.S.
    | {letter}(?:{go_on}{rest})*(?:{go_on}{inside}{letter}(?:{go_on}{rest})*)*  # a word, inner hyphens and all
    | {alone}                                                 # any other sign by itself
    """


def _one_of(clitics: Sequence[str]) -> str:
    """The pattern of one of them, in any case and with either apostrophe; empty for none."""
    escaped = [re.escape(clitic).replace("'", "['’]") for clitic in sorted(clitics, key=len, reverse=True)]
    return f"(?i:{'|'.join(escaped)})" if escaped else ""


SIGN = r"\p{RI}{2}(?=\p{RI}) | (?![\s\x1c-\x1f])\X"
r"""What a person takes for one character; flags one by one, as `\X` looks at all those before each."""


@lru_cache(maxsize=16)
def _ascii_token(clitics: tuple[str, ...]) -> Any:
    """Faster than the others, and the same for text in ASCII."""
    return re.compile(_token_pattern(r"\w", r"\w", r"\S", clitics), re.VERBOSE)


@lru_cache(maxsize=16)
def _word_token(clitics: tuple[str, ...]) -> Any:
    """A run of characters without blanks is one token."""
    rest = r"[\w\p{M}\u200c\u200d]"
    return regex.compile(_token_pattern(r"\w", rest, SIGN, clitics, INVISIBLE), regex.VERBOSE | regex.VERSION1)


@lru_cache(maxsize=16)
def _character_token(clitics: tuple[str, ...]) -> Any:
    """As `_word_token`, but each character of a script without blanks is a token."""
    letter, rest = f"[\\w--[{WITHOUT_BLANKS}]]", f"[[\\w\\p{{M}}\u200c\u200d]--[{WITHOUT_BLANKS}]]"
    return regex.compile(_token_pattern(letter, rest, SIGN, clitics, INVISIBLE), regex.VERBOSE | regex.VERSION1)


def pattern_of(text: str, tokenizer: str) -> Any:
    """The pattern of the tokens of a text.

    Args:
        tokenizer: `characters`, by which each character of a script without blanks is a token; or `words`. Behind a
            colon there may be clitics, such as `characters:'s,l'`.

    Raises:
        ValueError: it is another one, which has no pattern.
    """
    name, _, listed = tokenizer.partition(":")
    if name not in ("characters", "words"):
        raise ValueError(f"texts are cut into tokens by {tokenizer}, which is not here")
    clitics = tuple(listed.split(",")) if listed else ()
    if name == "words":
        return _word_token(clitics)
    if text.isascii():
        return _ascii_token(clitics)
    korean = HANGUL.findall(text)
    is_korean = korean and len(korean) > len(CHARACTER_ALONE.findall(text))
    return (_word_token if is_korean else _character_token)(clitics)
