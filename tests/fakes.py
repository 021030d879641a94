"""A scripted HTTP server that really misbehaves, and a client of ours that asks it."""

import asyncio
import json
import re
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
from aiohttp import ClientSession
from yarl import URL

from exporter.planetscale.bodies import parse_object
from exporter.planetscale.budget import RequestBudget
from exporter.planetscale.client import PlanetScale
from exporter.planetscale.errors import PlanetScaleError
from exporter.planetscale.http import Transport, open_session
from exporter.planetscale.slots import Slots

TOKEN_ID, TOKEN = "tokenid4711", "pscale_tkn_s3cret"
_SECRETS = (TOKEN_ID, TOKEN, "s3cret", "Authorization")
_MENDS = re.compile(r"\b(api\.(url|timeout|max_response_bytes|requests_per_minute)|PLANETSCALE_\w+|token|target)\b")


@dataclass(frozen=True)
class Asked:
    """A request as it came; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def url(self) -> URL:
        """The target, parsed."""
        return URL(self.target, encoded=True)


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Answer = bytes | Script


def answer(status: int = 200, body: bytes | str = b"{}", *headers: str, keep: bool = False) -> bytes:
    """A well-formed answer; the connection is closed after it unless it is to be kept."""
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    lines += [] if keep else ["Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def page(*rows: Any, next_page: Any = None, keep: bool = False) -> bytes:
    """An answer with one page of a list."""
    return answer(200, json.dumps({"data": rows, "next_page": next_page}), keep=keep)


def redirect(to: str, status: int = 302) -> bytes:
    """A redirect."""
    return answer(status, "", f"Location: {to}")


def trickled(data: bytes) -> Script:
    """Send a byte now and then for as long as the client waits."""

    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    return script


def repeated(head: bytes, piece: bytes) -> Script:
    """Send the head, then the same piece for as long as the client reads."""

    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()

    return script


async def stall(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Break the connection off."""
    writer.transport.abort()


def tunnel(port: int) -> Script:
    """Agree to a CONNECT, then pass bytes on to *port* and back."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, onward = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await asyncio.gather(pump(reader, onward), pump(answers, writer))
        finally:
            onward.close()

    return script


class FakeServer:
    """Gives the nth request of all connections the nth answer, and the last one from then on."""

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answers = answers
        self.requests: list[Asked] = []
        self.connections = 0
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """The base URL of the API."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while not writer.is_closing():
                    self.requests.append(_asked(await reader.readuntil(b"\r\n\r\n")))
                    await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        current = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if not isinstance(current, bytes):
            await current(reader, writer)
            writer.close()
            return
        writer.write(current)
        await writer.drain()
        if b"Content-Length" not in current or b"Connection: close" in current:
            writer.close()


def _asked(head: bytes) -> Asked:
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    return Asked(method, target, {name.lower(): value.strip() for name, _, value in pairs})


@dataclass
class Ledger:
    """Notes what a request observer is told."""

    codes: list[str] = field(default_factory=list)
    endpoints: list[str] = field(default_factory=list)

    def request_ended(self, endpoint: str, code: str, seconds: float) -> None:
        """Note it."""
        assert seconds >= 0
        self.codes.append(code)
        self.endpoints.append(endpoint)


@dataclass(frozen=True)
class Client:
    """All the parts of a client of ours."""

    transport: Transport
    slots: Slots
    ledger: Ledger

    async def get(self, url: str) -> dict[str, Any]:
        """The JSON object at *url*."""
        return await self.transport.get(URL(url), "operations", "acme", parse_object)

    async def failure(self, url: str) -> PlanetScaleError:
        """What asking for *url* fails with."""
        return await failure(self.get(url))

    def api(self, base_url: str) -> PlanetScale:
        """The whole API at *base_url*."""
        return PlanetScale(self.transport, base_url)


async def failure(asking: Awaitable[object]) -> PlanetScaleError:
    """The error that *asking* ends with, once it is seen to be fit for users: one line that says what mends it."""
    with pytest.raises(PlanetScaleError) as raised:
        await asking
    error = raised.value
    told = "".join([str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)])
    assert not [secret for secret in _SECRETS if secret in told]
    assert "\n" not in str(error)
    assert _MENDS.search(str(error)), f"no setting is named: {error}"
    return error


@asynccontextmanager
async def client(
    *,
    authorization: str = f"{TOKEN_ID}:{TOKEN}",
    session: ClientSession | None = None,
    timeout: float = 10,  # noqa: ASYNC109 - the setting of the client, not of this function
    max_bytes: int = 1 << 20,
) -> AsyncIterator[Client]:
    """A client with a budget that is never short; with the session that is used in production unless told otherwise."""
    slots, ledger = Slots(RequestBudget(10_000)), Ledger()
    async with session or open_session() as opened:
        transport = Transport(
            opened,
            slots,
            lambda _: authorization,
            timeout=timeout,
            max_bytes=max_bytes,
            user_agent="planetscale-exporter/test",
            observer=ledger,
        )
        yield Client(transport, slots, ledger)
