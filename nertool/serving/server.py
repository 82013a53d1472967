"""Listen at an address, answer until a signal asks for the end, and answer what has come until then."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from nertool.errors import InvalidOption, NertoolError
from nertool.serving.outside import Outside

FIRST_SECONDS = 30.0
"""Seconds in which a new connection has to send the head of its first request."""
NOT_HTTP = {"error": "this is no request of HTTP/1.1", "hint": "Send one, such as: curl -d @FILE ADDRESS/tag"}


def listen_at(host: str, port: int) -> socket.socket:
    """A socket at an address, which takes connections from `serve` on.

    Args:
        port: 0 for one that is free.

    Raises:
        InvalidOption: there is no such address here.
        NertoolError: it is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise InvalidOption(f"--host {host}: no such address", "Take one of this machine: 127.0.0.1.") from error
    listener = socket.socket(family, kind, protocol)  # asyncio sends at once only where it sees that this is TCP
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(socket.SOMAXCONN)  # another server that starts now finds the port taken
    except OSError as error:
        listener.close()
        raise _not_bound(host, port, error) from error
    return listener


def _not_bound(host: str, port: int, error: OSError) -> NertoolError:
    if error.errno == errno.EADDRINUSE:
        return NertoolError(f"port {port} of {host} is taken", f"Take another: --port {port + 1}, or 0 for a free one.")
    if error.errno == errno.EACCES:
        return NertoolError(f"port {port} needs more rights", "Take one from 1024 on, such as --port 8000.")
    return InvalidOption(f"--host {host}: {error.strerror}", "Take an address of this machine: 127.0.0.1.")


def address_of(listener: socket.socket) -> str:
    """The address of a socket as a browser takes it.

    >>> with listen_at("127.0.0.1", 0) as listener:
    ...     address_of(listener).startswith("http://127.0.0.1:")
    True
    """
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def build_server(app: Outside, seconds: float, ready: Callable[[], None]) -> Server:
    """A server, whose method `run` takes the sockets.

    Args:
        seconds: that requests have to end in once it is asked to stop.
        ready: is called when it answers.
    """
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)  # nertool has a log of its own, without texts
    logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)  # for the same reason
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(seconds) + 1,
    )
    return Server(config, ready)


class Server(uvicorn.Server):
    """uvicorn's server, for which a signal that asks for the end is no failure."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT, and do not raise them again afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Connection(H11Protocol):
    """uvicorn's connection, which answers in JSON what is no HTTP, and ends where nothing comes."""

    _first: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, and wait for a request for a limited time."""
        super().connection_made(transport)
        self._first = self.loop.call_later(FIRST_SECONDS, self._end_if_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self._first:
            self._first.cancel()
        super().connection_lost(exc)

    def _end_if_idle(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, and end."""
        body = json.dumps(NOT_HTTP, allow_nan=False).encode()
        headers = [("content-type", "application/json"), ("connection", "close"), ("content-length", str(len(body)))]
        events: list[Any] = [
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ]
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def allow_many_connections() -> None:
    """Let this process have as many open connections as the system lets it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
