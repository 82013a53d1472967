"""Text inside Markdown: model cards, the README of an export."""

from __future__ import annotations

import re
from typing import Any


def code(value: Any) -> str:
    """Text that Markdown and HTML leave as it is.

    >>> code("a | b")
    '`a \\\\| b`'
    """
    text = re.sub(r"\s+", " ", str(value)).replace("`", "'").replace("|", "\\|")
    return f"`{text}`"
