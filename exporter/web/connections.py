"""Connections: bounded in number, and none is kept that does not ask. A scrape always finds a place."""

import asyncio
import socket
import ssl
from contextlib import suppress
from http import HTTPStatus

import structlog
from aiohttp import web

from exporter.web.guard import dress, line

_ASK_SECONDS = 10.0  # from the connection to the end of a request's headers, the TLS handshake included
_KEEP_SECONDS = 75.0  # between requests: Prometheus' own default interval is a minute
_ANSWER_SECONDS = 60.0
_TLS_END_SECONDS = 1.0
_LINGERING_SECONDS = 1.0
_LOOK_SECONDS = 1.0
_SAY_SECONDS = 60.0
_RETRY_SECONDS = 0.05

_log = structlog.get_logger(__name__)


class Connection(web.RequestHandler):
    """One connection; `since` is when its state last changed, on the loop's clock."""

    def __init__(self, connections: "Connections", server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type] # how aiohttp's own runner says that there is none
            keepalive_timeout=_KEEP_SECONDS,
            lingering_time=_LINGERING_SECONDS,
        )
        self._connections = connections
        self._clock = loop.time
        self.since = self._clock()
        self._has_asked = self._answers = False
        self.opening: asyncio.Task[None] | None = None
        self.wire: asyncio.Transport | None = None  # `transport` is forgotten when it closes, though it may still send

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost with it."""
        unsent = self.wire.get_write_buffer_size() if self.wire else 0
        return not self._answers and not unsent

    @property
    def is_overdue(self) -> bool:
        """Whether it has been in its state for too long."""
        most = _ANSWER_SECONDS if self._answers else _KEEP_SECONDS if self._has_asked else _ASK_SECONDS
        return self._clock() - self.since > most

    def asks(self) -> None:
        """A request has come."""
        self._has_asked = self._answers = True
        self.since = self._clock()

    def is_answered(self) -> None:
        """The next request may come."""
        self._answers = False
        self.since = self._clock()

    def drop(self) -> None:
        """Close it at once, whatever it does."""
        if self.wire is not None:
            self.wire.abort()
        elif self.opening is not None:
            self.opening.cancel()
        self._connections.left(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open, and its TLS handshake done."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type
        self.wire = transport
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is closed."""
        self._connections.left(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """One plain line for what is no HTTP, which is no event of the exporter; a bug is logged."""
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            super().handle_error(request, status, exc, message)  # logs, and raises where a part has been sent
        response = line(HTTPStatus(status), HTTPStatus(status).phrase.lower())
        response.force_close()
        dress(response)
        return response


class Connections:
    """All connections of one listener, *most* at most: when all places are taken, the longest idle one is closed."""

    def __init__(self, server: web.Server, most: int, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._most = most
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._open: dict[Connection, None] = {}
        self._listening: set[socket.socket] = set()
        self._said = -_SAY_SECONDS
        self._answer = server.request_handler
        server.request_handler = self._watched

    def accept(self, listening: socket.socket) -> None:
        """Let in whoever comes at *listening*, one by one, until it is closed. Without descriptors others go first.

        asyncio's own server takes as many as its backlog at once, and logs each that it has no descriptor for.
        """
        self._listening.add(listening)
        self._loop.add_reader(listening, self._come, listening)

    def stop(self) -> None:
        """Let nobody in any more."""
        for listening in self._listening:
            self._loop.remove_reader(listening)
            listening.close()
        self._listening.clear()
        for connection in [each for each in self._open if each.wire is None]:
            connection.drop()

    async def close_overdue(self) -> None:
        """Close who neither asks nor takes its answer, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for connection in [each for each in self._open if each.is_overdue]:
                connection.drop()

    def left(self, connection: Connection) -> None:
        """Its place is free."""
        self._open.pop(connection, None)

    def close_all(self) -> None:
        """Close who still has not taken its answer."""
        for connection in list(self._open):
            connection.drop()

    def _come(self, listening: socket.socket) -> None:
        try:
            connected, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # who came has left again
            return
        except OSError as error:
            self._close_one(error.strerror or "no descriptor")
            self._loop.remove_reader(listening)
            self._loop.call_later(_RETRY_SECONDS, self._come_again, listening)
            return
        connected.setblocking(False)
        while len(self._open) >= self._most:
            self._close_one("all places are taken")
        connection = Connection(self, self._server, self._loop)
        self._open[connection] = None
        connection.opening = self._loop.create_task(self._enter(connection, connected))
        connection.opening.add_done_callback(lambda task: connected.close() if task.cancelled() else None)

    def _come_again(self, listening: socket.socket) -> None:
        if listening in self._listening:
            self._loop.add_reader(listening, self._come, listening)

    async def _enter(self, connection: Connection, connected: socket.socket) -> None:
        limits = {"ssl_handshake_timeout": _ASK_SECONDS, "ssl_shutdown_timeout": _TLS_END_SECONDS} if self._tls else {}
        try:
            await self._loop.connect_accepted_socket(lambda: connection, connected, ssl=self._tls, **limits)
        except (OSError, asyncio.CancelledError):  # no TLS, no certificate, too slow: no event of the exporter
            self.left(connection)
            with suppress(OSError):
                connected.close()

    async def _watched(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)  # noqa: S101 - for the type: `_enter` makes no others
        connection.asks()
        try:
            return await self._answer(request)
        finally:
            connection.is_answered()

    def _close_one(self, why: str) -> None:
        if not self._open:
            return
        min(self._open, key=lambda each: (not each.is_idle, each.since)).drop()
        if self._loop.time() - self._said >= _SAY_SECONDS:
            self._said = self._loop.time()
            _log.warning("connections_closed", reason=why, most=self._most, effect="the longest idle ones go first")
