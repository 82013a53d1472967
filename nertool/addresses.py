"""Web addresses as anybody may see them: without user names, passwords, tokens and signatures."""

from __future__ import annotations

import re

MASK = "***"
ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]{1,30}:/+|\burl: /)(\S*[^\s\"'`,;:.)\]>]|\S)", re.IGNORECASE)
"""An address in a text, with its scheme and the rest, less the punctuation behind it. A path may have lost a slash;
libraries tell paths alone."""
USER = re.compile(r"(?:[^/?#]*|[^/:?#]*:(?!\d+(?:[/?#]|$))\S*)@")
"""User name and password before the host, those with signs that they should not hold as well."""
PUBLIC = ("id", "export", "download")
"""Keys of a query whose values tell files apart, and nothing else."""
BEARER = re.compile(r"\b(Bearer )\S+", re.IGNORECASE)
"""A token as a header of HTTP holds it."""


def without_secrets(text: str) -> str:
    """The text, with nothing in its web addresses that only its owner may know.

    >>> without_secrets("https://me:secret@host/data?id=3&token=secret#secret: not found")
    'https://host/data?id=3&token=***: not found'
    """
    return BEARER.sub(rf"\1{MASK}", ADDRESS.sub(_public, text))


def _public(match: re.Match[str]) -> str:
    scheme, rest = match.groups()
    user = USER.match(rest)
    place = rest[user.end() if user else 0 :].partition("#")[0]
    place, mark, query = place.partition("?")
    return scheme + place + mark + "&".join(map(_masked, query.split("&")))


def _masked(parameter: str) -> str:
    """A parameter of a query, without its value."""
    key, equals, _ = parameter.partition("=")
    if not parameter or key in PUBLIC:
        return parameter
    return f"{key}={MASK}" if equals else MASK
