"""The page on which one types a text and sees its entities: a single file that loads nothing from elsewhere."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files


@cache
def page() -> str:
    """The page, in HTML."""
    return files(__package__).joinpath("page.html").read_text(encoding="utf-8")


@cache
def content_policy() -> str:
    """What a browser lets the page do: run its own script, take its own style, and ask this server."""
    rules = [
        "default-src 'none'",
        f"script-src {_digest_of('script')}",
        f"style-src {_digest_of('style')}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return "; ".join(rules)


def _digest_of(element: str) -> str:
    """What names the content of an element of the page in a policy."""
    (content,) = re.findall(rf"<{element}>(.*?)</{element}>", page(), re.DOTALL)
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
