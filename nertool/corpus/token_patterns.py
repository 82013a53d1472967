"""Patterns of a token of running text. Compiling them takes a while, so this is imported where text is cut.

Words follow Unicode's rules: combining marks and joiners stay with their letter, and what annex 29 calls one character
stays whole.
"""

from __future__ import annotations

import re
from typing import Any

import regex

WITHOUT_BLANKS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
"""Scripts that have no blanks between words: each character is a token."""
HANGUL = regex.compile(r"\p{Hangul}")
"""Korean has blanks: Han characters in it are parts of words."""
CHARACTER_ALONE = regex.compile(f"[{WITHOUT_BLANKS}]")
ONE_CHARACTER = regex.compile(r"\X")
"""What a person takes for one character: a letter with its marks, an emoji of several signs."""


def _token_pattern(letter: str, rest: str, alone: str) -> str:
    """The pattern of a token.

    Args:
        letter: class of the characters that a word begins with.
        rest: class of those that it goes on with.
        alone: pattern of a character that is a token by itself.

    A number is looked for once at a place, and not for ever: else a long list of numbers without blanks takes a time
    that grows with its square, or more.
    """
    return rf"""
      https?://\S*[^\s.,;:!?'")\]}}>»”’…]                      # a web address, without the punctuation behind it
    | [\w.+-]{{1,64}}@\w[\w-]*(?:\.\w[\w-]*)+                        # an e-mail address
    | [\d\#*]\ufe0f?\u20e3                                    # a keycap
    | [@\#]{rest}+                                            # a user name or hash tag
    | (?=(\d+(?:[.,:]\d+){{,19}}))\1(?![A-Z]\b)                 # a number, price or time; 3D is a word
    | (?:{letter}\.){{2,}}(?!\w)                              # an abbreviation, such as z.B. or U.S.
    | {letter}{rest}*(?:[-'’.&/]{letter}{rest}*)*             # a word, with inner hyphens, apostrophes and dots
    | {alone}                                                 # any other sign by itself
    """


ASCII_TOKEN = re.compile(_token_pattern(r"\w", r"\w", r"\S"), re.VERBOSE)
"""Faster, and the same for text in ASCII."""
SIGN = r"\p{RI}{2}(?=\p{RI}) | (?![\s\x1c-\x1f])\X"
r"""What a person takes for one character; flags one by one, as `\X` looks at all those before each."""
WORD_TOKEN = regex.compile(_token_pattern(r"\w", r"[\w\p{M}\u200c\u200d]", SIGN), regex.VERBOSE | regex.VERSION1)
"""A run of characters without blanks is one token."""
TOKEN = regex.compile(
    _token_pattern(f"[\\w--[{WITHOUT_BLANKS}]]", f"[[\\w\\p{{M}}\u200c\u200d]--[{WITHOUT_BLANKS}]]", SIGN),
    regex.VERBOSE | regex.VERSION1,
)
"""As WORD_TOKEN, but each character of a script without blanks is a token."""


def pattern_of(text: str, tokenizer: str) -> Any:
    """The pattern of the tokens of a text.

    Args:
        tokenizer: `characters`, by which each character of a script without blanks is a token; or `words`.

    Raises:
        ValueError: it is another one, which has no pattern.
    """
    if tokenizer not in ("characters", "words"):
        raise ValueError(f"texts are cut into tokens by {tokenizer}, which is not here")
    if tokenizer == "words":
        return WORD_TOKEN
    if text.isascii():
        return ASCII_TOKEN
    korean = HANGUL.findall(text)
    is_korean = korean and len(korean) > len(CHARACTER_ALONE.findall(text))
    return WORD_TOKEN if is_korean else TOKEN
