"""What a server takes at most, and how it refuses a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a server takes at most.

    Attributes:
        body: bytes of a request.
        texts: texts, or lists of tokens, of a request.
        length: characters of a text, or of all tokens of a list.
        waiting: requests that wait for their batch.
        seconds: time in which a request is read, and again in which it is answered.
        gather: seconds in which requests come together in a batch.
    """

    body: int
    texts: int
    length: int
    waiting: int
    seconds: float
    gather: float


class Refusal(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        error: what is wrong.
        hint: what helps.
        headers: that the answer has.
    """

    def __init__(self, status: int, error: str, hint: str, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.error, self.hint, self.headers = status, error, hint, dict(headers or {})
        super().__init__(f"{error}\n{hint}")
