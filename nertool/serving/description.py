"""The description of the server's paths, in OpenAPI 3.1."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def description(label_studio: bool) -> dict[str, Any]:
    """What `/openapi.json` answers.

    Args:
        label_studio: whether the paths for Label Studio are there.
    """
    whole = _read("openapi.json")
    if label_studio:
        more = _read("label_studio.json")
        whole["paths"] |= more["paths"]
        for kind, parts in more["components"].items():
            whole["components"][kind] |= parts
    return whole


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(files(__package__).joinpath(name).read_text(encoding="utf-8"))
    return content
