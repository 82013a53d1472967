"""What the server answers on each path."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from nertool.progress import logger
from nertool.serving import label_studio
from nertool.serving.answers import Answer
from nertool.serving.batches import Batches
from nertool.serving.bodies import as_json, read_body
from nertool.serving.current_model import CurrentModel
from nertool.serving.description import description
from nertool.serving.keys import BASIC, check_key
from nertool.serving.limits import Limits, Refusal
from nertool.serving.metrics import Metrics
from nertool.serving.middleware import Middleware
from nertool.serving.page import content_policy, page
from nertool.serving.tag_request import TagRequest, parse

PATHS = ("/", "/health", "/metrics", "/openapi.json", "/tag")
LOOKS = 1.0
"""Seconds between two looks for a newer model."""


@dataclass(frozen=True)
class Service:
    """What requests have to do with.

    Attributes:
        keys: one of which a request has to have; empty where it needs none.
        origins: of pages elsewhere that may ask.
        label_studio: whether it answers the calls of Label Studio, too.
    """

    current: CurrentModel
    limits: Limits
    metrics: Metrics
    keys: Sequence[bytes] = ()
    origins: Sequence[str] = ()
    label_studio: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        """What it answers at."""
        return (*PATHS, *label_studio.PATHS) if self.label_studio else PATHS


def build_app(service: Service) -> Middleware:
    """The application that a server of ASGI runs."""
    batches = Batches(service.current.answer, service.limits, service.metrics)
    endpoints = Endpoints(service, batches)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(batches.run()), asyncio.create_task(service.current.watch(LOOKS))]
        for task in tasks:
            task.add_done_callback(_log_failure)
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
    if service.label_studio:
        routes += [
            Route("/predict", endpoints.predict, methods=["POST"]),
            Route("/setup", endpoints.setup, methods=["POST"]),
            Route("/train", endpoints.train, methods=["POST"]),
            Route("/versions", endpoints.versions),
            Route("/webhook", endpoints.train, methods=["POST"]),
        ]
    handlers: Mapping[Any, Any] = {
        Refusal: _refused,
        HTTPException: partial(_no_such_path, service.paths),
        ClientDisconnect: _left,
        Exception: _failed,
    }
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    app.router.redirect_slashes = False
    return Middleware(app, service.metrics, service.paths, service.origins)


class Endpoints:
    """What is answered on each path."""

    def __init__(self, service: Service, batches: Batches) -> None:
        self._service, self._batches = service, batches

    async def tag(self, request: Request) -> Response:
        """Tag texts or tokens."""
        check_key(request, self._service.keys)
        body = await read_body(request, self._service.limits)
        return as_json(200, await self._answer(request, parse(body, self._service.limits)))

    async def health(self, request: Request) -> Response:
        """Say which model answers, and whether a newer one failed."""
        current = self._service.current
        if self._service.label_studio and "authorization" in request.headers:
            check_key(request, self._service.keys, BASIC)  # Label Studio says that a password is wrong if this does
        status = "UP" if self._service.label_studio else "ok"
        content = {"status": status, "model": current.model.version, "types": current.model.types}
        return as_json(200, {**content, "waiting": self._batches.waiting, "problem": current.problem})

    async def metrics(self, request: Request) -> Response:
        """Numbers for Prometheus."""
        check_key(request, self._service.keys)
        text = self._service.metrics.page(self._batches.waiting, self._service.limits.waiting)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, request: Request) -> Response:
        """The description of all this."""
        return as_json(200, description(self._service.label_studio))

    async def page(self, request: Request) -> Response:
        """The page on which one types a text."""
        headers = {"Content-Security-Policy": content_policy()}
        return Response(page(), media_type="text/html; charset=utf-8", headers=headers)

    async def setup(self, request: Request) -> Response:
        """Tell Label Studio the version of the model, if the labels of the project go with it."""
        model = self._service.current.model
        label_studio.parse_setup(await self._body_of_label_studio(request), model.types)
        return as_json(200, {"model_version": model.version})

    async def predict(self, request: Request) -> Response:
        """Predict the regions of tasks of Label Studio."""
        body = await self._body_of_label_studio(request)
        asked = label_studio.parse_predict(body, self._service.current.model.types, self._service.limits)
        return as_json(200, label_studio.predictions(await self._answer(request, asked.request), asked))

    async def versions(self, request: Request) -> Response:
        """Tell Label Studio which versions of the model it can have."""
        check_key(request, self._service.keys, BASIC)
        return as_json(200, {"versions": [self._service.current.model.version]})

    async def train(self, request: Request) -> Response:
        """Refuse what Label Studio sends for training; its webhooks come without a key."""
        raise Refusal(501, *label_studio.NO_TRAINING)

    async def _answer(self, request: Request, asked: TagRequest) -> Answer:
        """The answer to what a request asks, which is not tagged any more once its client has left.

        Raises:
            ClientDisconnect: it has.
            Refusal: as `Batches.answer`.
        """
        answer = asyncio.create_task(self._batches.answer(asked))
        left = asyncio.ensure_future(request.receive())  # comes with nothing else once the body has come
        try:
            await asyncio.wait([answer, left], return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise ClientDisconnect
            return answer.result()
        finally:
            answer.cancel()
            left.cancel()

    async def _body_of_label_studio(self, request: Request) -> bytes:
        check_key(request, self._service.keys, BASIC)
        return await read_body(request, self._service.limits)


def _refused(request: Request, refusal: Refusal) -> Response:
    if request.url.path in label_studio.PATHS and refusal.status not in (401, 501):  # it shows no more than the status
        logger.warning("%s is refused: %s", request.url.path, refusal.error)
    return as_json(refusal.status, {"error": refusal.error, "hint": refusal.hint}, refusal.headers)


def _no_such_path(paths: Sequence[str], request: Request, error: HTTPException) -> Response:
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        content = {"error": "this path does not take this method", "hint": f"It takes {allowed}."}
        return as_json(405, content, error.headers)
    content = {"error": "there is no such path", "hint": f"Paths: {', '.join(paths)}."}
    return as_json(error.status_code, content, error.headers)


def _left(request: Request, error: ClientDisconnect) -> Response:
    """An answer that nobody reads: the client has closed the connection."""
    return as_json(400, {"error": "the connection was closed", "hint": "Send the whole request."})


def _failed(request: Request, error: Exception) -> Response:
    """The answer to a request over which the server itself failed; the log says where, and nothing of the text."""
    _log_bug(error)
    return as_json(500, {"error": "the server failed on this request", "hint": "Its log says where."})


def _log_failure(task: asyncio.Task[None]) -> None:
    """Tell of a task that should run until it is cancelled, and has failed."""
    if not task.cancelled() and (error := task.exception()):
        _log_bug(error)


def _log_bug(error: BaseException) -> None:
    places = "".join(traceback.format_tb(error.__traceback__))
    logger.error("This is a bug in nertool. %s at:\n%s", type(error).__name__, places)
