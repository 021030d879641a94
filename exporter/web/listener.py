"""Listening: sockets on one port, and an end that finishes the scrapes in flight."""

import asyncio
import errno
import logging
import socket
import ssl
from typing import NamedTuple

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

_SHUTDOWN_SECONDS = 1.5  # aiohttp waits twice this: first for the answer, then for whoever takes it too slowly
_LINGERING_SECONDS = 1.0
_IDLE_SECONDS = 120.0
_BACKLOG = 128
_NO_SUCH_FAMILY = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})  # `localhost` has two, machines may have one

_http_log = logging.getLogger(__name__)


class Address(NamedTuple):
    """An address that is listened on."""

    host: str
    port: int


class Listener:
    """An application that is being served; `addresses` are those that were bound."""

    def __init__(self, runner: web.AppRunner, addresses: tuple[Address, ...]) -> None:
        self._runner = runner
        self.addresses = addresses

    @property
    def port(self) -> int:
        """The one port of all addresses."""
        return self.addresses[0].port

    async def close(self) -> None:
        """Stop accepting, give the requests in flight three seconds to be finished, then cut what is left."""
        await self._runner.cleanup()


async def listen(app: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None) -> Listener:
    """Serve *app* on *host* (empty: on all addresses, IPv4 and IPv6) and *port* (0: a free one, the same for all).

    Raises OSError where the host is not known or the port is taken.
    """
    sockets = await _bind(host, port)
    _http_log.addFilter(_is_no_bad_request)
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_http_log,
        shutdown_timeout=_SHUTDOWN_SECONDS,
        lingering_time=_LINGERING_SECONDS,
        keepalive_timeout=_IDLE_SECONDS,
    )
    await runner.setup()
    for bound in sockets:
        await web.SockSite(runner, bound, ssl_context=tls, backlog=_BACKLOG).start()
    return Listener(runner, tuple(Address(*bound.getsockname()[:2]) for bound in sockets))


async def _bind(host: str, port: int) -> list[socket.socket]:
    if not host:
        return [_everywhere(port)]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    for family, _, _, _, address in dict.fromkeys(found):
        same = sockets[0].getsockname()[1] if sockets else port
        try:
            sockets.append(socket.create_server((address[0], same, *address[2:]), family=family))
        except OSError as error:
            missing = error
            if error.errno not in _NO_SUCH_FAMILY:
                break
    if missing is None or (sockets and missing.errno in _NO_SUCH_FAMILY):
        return sockets
    for bound in sockets:
        bound.close()
    raise missing


def _everywhere(port: int) -> socket.socket:
    """One socket for both families, as two sockets can't be sure to get the same free port."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("0.0.0.0", port))  # noqa: S104 - all addresses are what an empty host asks for


def _is_no_bad_request(record: logging.LogRecord) -> bool:
    """Bad requests are answered with 400; what strangers send is no event of the exporter."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
