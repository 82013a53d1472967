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
from nertool.serving.middleware import Middleware

WAITED_SECONDS = 30.0
"""Seconds in which a client has to send the head of a request, or to take something of an answer."""
KEPT_SECONDS = 75
"""Seconds in which a connection may be idle. Proxies keep theirs for 60 and must close first, as a request on its way
into a connection that the server closes is lost."""
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


def build_server(app: Middleware, seconds: float, ready: Callable[[], None]) -> Server:
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
        timeout_keep_alive=KEPT_SECONDS,
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
    """uvicorn's connection, which answers in JSON what is no HTTP, and waits for no client for long."""

    _for_head: asyncio.TimerHandle | None = None
    _for_reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take what has come; uvicorn waits for ever for the rest of a head, or of a body that nobody reads."""
        super().data_received(data)
        self._wait_for_head()

    def pause_writing(self) -> None:
        """Wait for a client that does not take its answer."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """Go on."""
        _cancel(self._for_reader)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        _cancel(self._for_head)
        _cancel(self._for_reader)
        super().connection_lost(exc)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_head(self) -> None:
        if self._is_answering():
            _cancel(self._for_head)
            self._for_head = None
        elif self._for_head is None:
            self._for_head = self.loop.call_later(WAITED_SECONDS, self._end_without_head)

    def _end_without_head(self) -> None:
        self._for_head = None
        if not self._is_answering():
            self.transport.close()

    def _wait_for_reader(self) -> None:
        left = self.transport.get_write_buffer_size()
        self._for_reader = self.loop.call_later(WAITED_SECONDS, self._end_without_reader, left)

    def _end_without_reader(self, left: int) -> None:
        if self.transport.get_write_buffer_size() < left:
            self._wait_for_reader()
        else:
            self.transport.abort()

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


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer:
        timer.cancel()


def allow_many_connections() -> None:
    """Let this process have as many open connections as the system lets it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
