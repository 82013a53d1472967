"""Parts of a word with an apostrophe that data have as tokens: `'s` and `n't` behind a word, `l'` before it.

Tools cut them off, or not: CoNLL-2003 has `Germany` and `'s`. Running text is to be cut as a model's data were.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from nertool.errors import InvalidOption

LETTERS = r"[^\W\d_]"
BEHIND = re.compile(rf"n't|'{LETTERS}{{1,3}}")
"""A clitic behind a word, with a plain apostrophe."""
BEFORE = re.compile(rf"{LETTERS}{{1,8}}'")
"""A clitic before a word."""
LEAST = 3
"""How often a clitic must be a token to be taken for one: fewer may be slips of the data."""
MOST = 50
"""Clitics of a tokenizer; no language has so many."""


def check_clitics(clitics: Sequence[str], option: str) -> None:
    """Check that text can be cut at them.

    Raises:
        InvalidOption: one is no clitic, or there are too many.
    """
    wrong = [clitic for clitic in clitics if not BEHIND.fullmatch(clitic) and not BEFORE.fullmatch(clitic)]
    if wrong or len(clitics) > MOST:
        what = f"{wrong[0]!r} is no part of a word with an apostrophe" if wrong else f"these are more than {MOST}"
        raise InvalidOption(f"{option}: {what}", "Name them as in: --tokenizer \"characters:'s,l'\"")


class Clitics:
    """Counts how often clitics are tokens, and how often they are parts of one."""

    def __init__(self) -> None:
        self._alone: Counter[str] = Counter()
        self._inside: Counter[str] = Counter()

    def count(self, tokens: Sequence[str]) -> None:
        """Count those of a sentence."""
        for number, token in enumerate(tokens):
            if "'" not in token and "’" not in token:
                continue
            plain = token.lower().replace("’", "'")
            if BEHIND.fullmatch(plain):
                self._alone[plain] += number > 0
            elif BEFORE.fullmatch(plain):
                self._alone[plain] += number + 1 < len(tokens)
            elif plain[0] != "'":
                first, _, _ = plain.partition("'")
                _, _, last = plain.rpartition("'")
                self._inside.update([f"{first}'", f"'{last}"])
                self._inside["n't"] += plain.endswith("n't")

    def cut_off(self) -> list[str]:
        """The clitics that are tokens more often than parts of one, in the order of the alphabet."""
        known = [one for one, count in self._alone.most_common() if count >= LEAST and count > self._inside[one]]
        return sorted(known[:MOST])
