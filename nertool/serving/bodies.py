"""Bodies of requests, whose size and time are bounded, and of answers, which are JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from nertool.serving.limits import Limits, Refusal

DRAINED = 1 << 26
"""Bytes of a request that is too large which are read all the same, since few clients read an answer before."""


async def read_body(request: Request, limits: Limits) -> bytes:
    """The body of a request.

    Raises:
        Refusal: it is too large, compressed, or does not come in time.
    """
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):  # what is small may unpack to gigabytes
        hint = "Send it as it is, without the header Content-Encoding."
        raise Refusal(415, f"the body is compressed ({coding[:40]})", hint, {"Accept-Encoding": "identity"})
    try:
        return await asyncio.wait_for(_read_body(request, limits.body), limits.seconds)
    except asyncio.TimeoutError as error:
        what = f"the request was not complete within {limits.seconds:g} seconds"
        raise Refusal(408, what, "Send it faster, or less of it.", {"Connection": "close"}) from error


async def _read_body(request: Request, most: int) -> bytes:
    too_large = Refusal(413, f"the body has more than {most} bytes", "Send fewer texts at a time.")
    length = request.headers.get("content-length", "")
    waits = "expect" in request.headers  # for leave to send the body
    if length.isdecimal() and int(length) > (most if waits else DRAINED):
        raise too_large
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size <= most:
            pieces.append(piece)
        if size > DRAINED:
            break
    if size > most:
        raise too_large
    return b"".join(pieces)


def as_json(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON; half a character, which UTF-8 does not have, becomes the escape that JSON has for it."""
    body = json.dumps(content, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
    return Response(body, status, headers, "application/json")
