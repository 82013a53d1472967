"""What the server answers on each path."""

from __future__ import annotations

import asyncio
import hmac
import json
import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from nertool.progress import logger
from nertool.serving.batches import Batches
from nertool.serving.current_model import CurrentModel
from nertool.serving.limits import Limits, Refusal
from nertool.serving.metrics import Metrics
from nertool.serving.outside import Outside
from nertool.serving.page import content_policy, page
from nertool.serving.tag_request import parse

PATHS = ("/", "/health", "/metrics", "/openapi.json", "/tag")
DRAINED = 1 << 26
"""Bytes of a request that is too large which are read all the same, since few clients read an answer before."""
LOOKS = 1.0
"""Seconds between two looks for a newer model."""
NO_PATH = f"Paths: {', '.join(PATHS)}."


@dataclass(frozen=True)
class Service:
    """What requests have to do with.

    Attributes:
        keys: one of which a request has to have; empty where it needs none.
        origins: of pages elsewhere that may ask.
    """

    current: CurrentModel
    limits: Limits
    metrics: Metrics
    keys: Sequence[bytes] = ()
    origins: Sequence[str] = ()


def build_app(service: Service) -> Outside:
    """The application that a server of ASGI runs."""
    batches = Batches(service.current.answer, service.limits, service.metrics)
    endpoints = Endpoints(service, batches)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(batches.run()), asyncio.create_task(service.current.watch(LOOKS))]
        yield
        for task in tasks:
            task.cancel()
        batches.close()

    routes = [
        Route("/", endpoints.page),
        Route("/health", endpoints.health),
        Route("/metrics", endpoints.metrics),
        Route("/openapi.json", endpoints.openapi),
        Route("/tag", endpoints.tag, methods=["POST"]),
    ]
    handlers: Mapping[Any, Any] = {
        Refusal: _refused,
        HTTPException: _no_such_path,
        ClientDisconnect: _left,
        Exception: _failed,
    }
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    app.router.redirect_slashes = False
    return Outside(app, service.metrics, PATHS, service.origins)


class Endpoints:
    """What is answered on each path."""

    def __init__(self, service: Service, batches: Batches) -> None:
        self._service, self._batches = service, batches

    async def tag(self, request: Request) -> Response:
        """Tag texts or tokens."""
        self._check_key(request)
        body = await read_body(request, self._service.limits)
        return _json(200, await self._batches.answer(parse(body, self._service.limits)))

    async def health(self, request: Request) -> Response:
        """Say which model answers, and whether a newer one failed."""
        current = self._service.current
        content = {"status": "ok", "model": current.model.version, "types": current.model.types}
        return _json(200, {**content, "waiting": self._batches.waiting, "problem": current.problem})

    async def metrics(self, request: Request) -> Response:
        """Numbers for Prometheus."""
        self._check_key(request)
        text = self._service.metrics.page(self._batches.waiting, self._service.limits.waiting)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, request: Request) -> Response:
        """The description of all this."""
        return Response(files(__package__).joinpath("openapi.json").read_bytes(), media_type="application/json")

    async def page(self, request: Request) -> Response:
        """The page on which one types a text."""
        headers = {"Content-Security-Policy": content_policy()}
        return Response(page(), media_type="text/html; charset=utf-8", headers=headers)

    def _check_key(self, request: Request) -> None:
        """Compare the key of a request with all there are, in a time that says nothing of them.

        Raises:
            Refusal: it has none, or another one.
        """
        if not self._service.keys:
            return
        given = request.headers.get("authorization", "").encode("latin-1")
        right = [hmac.compare_digest(given, b"Bearer " + key) for key in self._service.keys]
        if not any(right):
            hint = "Send a header `Authorization: Bearer KEY`, with a key of --api-key-file."
            raise Refusal(401, "the key is missing or wrong", hint, {"WWW-Authenticate": "Bearer"})


async def read_body(request: Request, limits: Limits) -> bytes:
    """The body of a request.

    Raises:
        Refusal: it is too large, or does not come in time.
    """
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


def _json(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON; half a character, which UTF-8 does not have, becomes the escape that JSON has for it."""
    body = json.dumps(content, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
    return Response(body, status, headers, "application/json")


def _refused(request: Request, refusal: Refusal) -> Response:
    return _json(refusal.status, {"error": refusal.error, "hint": refusal.hint}, refusal.headers)


def _no_such_path(request: Request, error: HTTPException) -> Response:
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        content = {"error": "this path does not take this method", "hint": f"It takes {allowed}."}
        return _json(405, content, error.headers)
    content = {"error": "there is no such path", "hint": NO_PATH}
    return _json(error.status_code, content, error.headers)


def _left(request: Request, error: ClientDisconnect) -> Response:
    """An answer that nobody reads: the client has closed the connection."""
    return _json(400, {"error": "the connection was closed", "hint": "Send the whole request."})


def _failed(request: Request, error: Exception) -> Response:
    """The answer to a request over which the server itself failed; the log says where, and nothing of the text."""
    places = "".join(traceback.format_tb(error.__traceback__))
    logger.error("This is a bug in nertool. %s at:\n%s", type(error).__name__, places)
    return _json(500, {"error": "the server failed on this request", "hint": "Its log says where."})
