"""Around every request: security headers, CORS for pages of other origins, and a count in the metrics."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import Any

from nertool.progress import logger
from nertool.serving.metrics import Metrics

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

SAFE: Headers = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type"),
    (b"access-control-max-age", b"600"),
]


class Middleware:
    """An ASGI application with what every answer has.

    Args:
        app: the application.
        metrics: count each request.
        paths: that the metrics tell apart.
        origins: whose scripts may ask (CORS), such as `https://example.org`.
    """

    def __init__(self, app: Application, metrics: Metrics, paths: Collection[str], origins: Sequence[str]) -> None:
        self._app, self._metrics, self._paths = app, metrics, paths
        self._origins = [origin.encode() for origin in origins]

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        more = [*SAFE, *self._cors(scope["headers"])]
        status = 500

        async def send_more(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        self._metrics.in_flight += 1
        try:
            if scope["method"] == "OPTIONS" and len(more) > len(SAFE):
                await send_more({"type": "http.response.start", "status": 204, "headers": PREFLIGHT})
                await send_more({"type": "http.response.body"})
            else:
                await self._app(scope, receive, send_more)
        finally:
            self._metrics.in_flight -= 1
            self._count(scope, status, time.monotonic() - started)

    def _cors(self, headers: Headers) -> Iterator[tuple[bytes, bytes]]:
        """Headers that let a page of an allowed origin read the answer."""
        for name, value in headers:
            if name == b"origin" and value in self._origins:
                yield b"access-control-allow-origin", value
                yield b"vary", b"origin"
                return

    def _count(self, scope: Any, status: int, seconds: float) -> None:
        path = scope["path"] if scope["path"] in self._paths else "other"
        self._metrics.count_request(path, status, seconds)
        logger.debug("%s %s %d %.0f ms", scope["method"], path, status, 1000 * seconds)
