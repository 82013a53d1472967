"""The body of `POST /tag`: what it may hold, and what it asks for."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nertool.serving.limits import Limits, Refusal

EXAMPLE = 'Send an object such as {"texts": ["Anna left Bern."]} or {"tokens": [["Anna", "left"]]}.'
FIELDS = ("texts", "tokens", "min_score", "types", "format")
FORMS = ("entities", "tags")


@dataclass(frozen=True)
class TagRequest:
    """What a request asks for.

    Attributes:
        texts: to be cut into tokens; empty where `tokens` are given.
        tokens: sentences.
        min_score: as `--min-score` takes it; None for the server's own.
        types: of the entities that are answered; None for all.
        form: `entities`, `tags`, or empty for what fits the model.
    """

    texts: list[str]
    tokens: list[list[str]]
    min_score: list[str] | None = None
    types: list[str] | None = None
    form: str = ""

    @property
    def length(self) -> int:
        """Characters of all texts or tokens."""
        return sum(map(len, self.texts)) + sum(len(token) for tokens in self.tokens for token in tokens)


def parse(body: bytes, limits: Limits) -> TagRequest:
    """Read the body of a request.

    Raises:
        Refusal: it is no such JSON, or has more or longer texts than the server takes.
    """
    content = parse_object(body, EXAMPLE)
    for name in content:
        if name not in FIELDS:
            raise Refusal(400, f"there is no field {name[:40]!r}", f"Fields: {', '.join(FIELDS)}.")
    if ("texts" in content) == ("tokens" in content):
        raise Refusal(400, "the body has to have either `texts` or `tokens`", EXAMPLE)
    request = TagRequest(
        texts=_texts(content.get("texts", []), "texts", limits),
        tokens=_tokens(content.get("tokens", []), limits),
        min_score=_optional(content, "min_score", _min_score),
        types=_optional(content, "types", _types),
        form=content.get("format", ""),
    )
    if request.form not in ("", *FORMS):
        raise Refusal(400, "`format` is none of the forms", f"Take one of: {', '.join(FORMS)}.")
    return request


def parse_object(body: bytes, example: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        example: what a hint shows.

    Raises:
        Refusal: the body is none.
    """
    try:
        content = json.loads(body.removeprefix(BOM_UTF8).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Refusal(400, f"the body is not UTF-8 at byte {error.start}", "Send JSON in UTF-8.") from error
    except RecursionError as error:
        raise Refusal(400, "the body has lists or objects too deep", example) from error
    except json.JSONDecodeError as error:
        raise Refusal(400, f"the body is no JSON: {str(error)[:100]}", example) from error
    except ValueError as error:  # of int()
        raise Refusal(400, "the body has a number of thousands of digits", example) from error
    if not isinstance(content, dict):
        raise Refusal(400, "the body is no JSON object", example)
    return content


def _optional(content: Mapping[str, Any], name: str, read: Callable[[Any], list[str]]) -> list[str] | None:
    return None if content.get(name) is None else read(content[name])


def _texts(value: Any, name: str, limits: Limits) -> list[str]:
    check_list(value, name, limits)
    for number, text in enumerate(value):
        check_string(text, f"{name}[{number}]")
        check_length(len(text), f"{name}[{number}]", limits)
    return list(value)


def _tokens(value: Any, limits: Limits) -> list[list[str]]:
    check_list(value, "tokens", limits)
    for number, tokens in enumerate(value):
        if not isinstance(tokens, list):
            raise Refusal(400, f"`tokens[{number}]` is no list", EXAMPLE)
        for token in tokens:
            check_string(token, f"tokens[{number}]")
        check_length(sum(map(len, tokens)) + len(tokens), f"tokens[{number}]", limits)
    return list(value)


def check_list(value: Any, name: str, limits: Limits, example: str = EXAMPLE) -> None:
    """Refuse what is no list, or a longer one than the server takes."""
    if not isinstance(value, list):
        raise Refusal(400, f"`{name}` is no list", example)
    if len(value) > limits.texts:
        raise Refusal(413, f"`{name}` holds {len(value)}, and the server takes {limits.texts}", "Send fewer at a time.")


def check_length(length: int, place: str, limits: Limits) -> None:
    """Refuse a text that has more characters than the server takes."""
    if length > limits.length:
        error = f"`{place}` has {length} characters, and the server takes {limits.length}"
        raise Refusal(413, error, "Send it in pieces, such as its paragraphs.")


def check_string(value: Any, place: str) -> None:
    """Refuse what is no string, or holds half a character."""
    if not isinstance(value, str):
        raise Refusal(400, f"`{place}` holds something that is no string", "Send a string of JSON there.")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise Refusal(400, f"`{place}` holds half a character (a lone surrogate)", "Send whole characters.")


def _min_score(value: Any) -> list[str]:
    """A number, or one for each type, as `--min-score` takes them; that of the type "" holds for all others."""
    numbers = value if isinstance(value, dict) else {"": value}
    for label, number in numbers.items():
        check_string(label, "min_score")
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
            raise Refusal(400, "`min_score` is no number from 0 to 1", 'Send one, or one a type: {"PER": 0.9}.')
    return [f"{label}={float(number)}" if label else str(float(number)) for label, number in numbers.items()]


def _types(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise Refusal(400, "`types` is no list", 'Send one, such as ["PER", "LOC"].')
    for label in value:
        check_string(label, "types")
    return list(value)
