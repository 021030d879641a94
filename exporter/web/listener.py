"""Listening: sockets on one port, and an end that finishes the scrapes in flight."""

import asyncio
import errno
import socket
import ssl
from typing import NamedTuple

from aiohttp import web

from exporter.web.connections import Connections

_SHUTDOWN_SECONDS = 1.5  # aiohttp waits twice this: first for the answer, then for whoever takes it too slowly
_BACKLOG = 128
_NO_SUCH_FAMILY = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})  # `localhost` has two, machines may have one


class Address(NamedTuple):
    """An address that is listened on."""

    host: str
    port: int


class Listener:
    """An application that is being served as `scheme` says; `addresses` are those that were bound."""

    def __init__(
        self, runner: web.AppRunner, sockets: list[socket.socket], connections: Connections, scheme: str
    ) -> None:
        self._runner = runner
        self._connections = connections
        self.scheme = scheme
        self.addresses = tuple(Address(*bound.getsockname()[:2]) for bound in sockets)
        self._closing = asyncio.create_task(connections.close_overdue(), name="close of overdue connections")
        for bound in sockets:
            connections.accept(bound)

    @property
    def port(self) -> int:
        """The one port of all addresses."""
        return self.addresses[0].port

    async def close(self) -> None:
        """Stop accepting, give the requests in flight three seconds to be finished, then cut what is left."""
        self._closing.cancel()
        self._connections.stop()
        await self._runner.cleanup()
        self._connections.close_all()
        await asyncio.sleep(0)  # what is aborted is closed by the loop's next turn


async def listen(
    app: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None, *, most: int = 512
) -> Listener:
    """Serve *app* on *host* (empty: on all addresses, IPv4 and IPv6) and *port* (0: a free one, the same for all).

    It has *most* connections at once. Raises OSError where the host is not known or the port is taken.
    """
    sockets = await _bind(host, port)
    for bound in sockets:
        bound.setblocking(False)
        bound.listen(_BACKLOG)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    assert runner.server is not None  # noqa: S101 - for the type: `setup` makes it
    return Listener(runner, sockets, Connections(runner.server, most, tls), "https" if tls else "http")


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
