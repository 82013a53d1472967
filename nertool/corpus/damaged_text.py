"""Tell tokens that were damaged on their way: UTF-8 read in another encoding, and entities of HTML."""

from __future__ import annotations

import re
from html.entities import html5

MOJIBAKE = "UTF-8 read as Latin-1 or cp1252 inside a token"
HTML_ENTITY = "HTML entity inside a token"

QUOTES = "‘’“”»–—…"
"""Characters that may stand behind a word's last letter in sound text too."""
FOLLOWING = "\x80-\xbf" + bytes(range(0x80, 0xA0)).decode("cp1252", "ignore")
"""What the bytes behind the first one of a character are in Latin-1 and in cp1252."""
PAIR = re.compile(f"[Â-ô][{FOLLOWING}]")
"""What each misread character begins with; quick to look for."""
SEQUENCE = f"(?:[Â-ß][{FOLLOWING}]|[à-ï][{FOLLOWING}]{{2}}|ð[{FOLLOWING}]{{3}})"
"""A character of two to four bytes."""
MISREAD = re.compile(
    f"[ÂÃÄÅ](?![{QUOTES}]\\Z)[{FOLLOWING}]"  # Latin letters and signs: Ã¤ Ã© Â° Å‚ Ä™
    f"|â(?:€|[{FOLLOWING}]{{2}})"  # punctuation: â€™ â€œ â„¢
    f"|ð[Ÿ\x9f][{FOLLOWING}]"  # emoji
    f"|{SEQUENCE}{{2}}"  # Greek, Cyrillic, Han and others: Ð°Ð½
)
ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
BARE_ENTITY = re.compile(r"&(?:#[0-9]{2,7}|amp|lt|gt|quot|apos|nbsp)")
"""An entity whose semicolon became a token of its own."""


def damage(token: str) -> tuple[str, ...]:
    """What is damaged in a token.

    >>> damage("Ã¤ndern"), damage("AT&amp;T"), damage("ändern")
    (('UTF-8 read as Latin-1 or cp1252 inside a token',), ('HTML entity inside a token',), ())
    """
    kinds = []
    if not token.isascii() and PAIR.search(token) and MISREAD.search(token):
        kinds.append(MOJIBAKE)
    if "&" in token and _has_entity(token):
        kinds.append(HTML_ENTITY)
    return tuple(kinds)


def _has_entity(token: str) -> bool:
    if BARE_ENTITY.fullmatch(token):
        return True
    return any(entity[1] == "#" or entity[1:] in html5 for entity in ENTITY.findall(token))
