"""Listening and ending, on real sockets."""

import asyncio
import re
import socket
import threading
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import ClientSession
from web_serving import Exposition, World, serving

from exporter.web import Listener, create_app, listen


async def begin(world: World, host: str = "127.0.0.1", port: int = 0) -> Listener:
    """Serve the world."""
    return await listen(create_app(world.services()), host, port)


async def status(url: str) -> int:
    """The status of a GET."""
    async with ClientSession() as client, client.get(url) as answer:
        return answer.status


async def accepts(port: int) -> bool:
    """Whether a connection is let in."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("::1", ["[::1]"]),
        ("localhost", ["localhost"]),
        ("", ["127.0.0.1", "[::1]"]),
        ("0.0.0.0", ["127.0.0.1"]),  # noqa: S104 - what a person may ask for
    ],
)
async def test_every_form_of_address_is_served(host: str, asked: list[str]) -> None:
    """The port is a free one, the same for all addresses; an empty host is IPv4 and IPv6."""
    listener = await begin(World(), host)
    try:
        assert {address.port for address in listener.addresses} == {listener.port}
        assert listener.port != 0
        for name in asked:
            assert await status(f"http://{name}:{listener.port}/-/healthy") == 200
    finally:
        await listener.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", ""])
async def test_a_taken_port_is_an_error_for_the_caller(host: str) -> None:
    """Nothing stays open after it."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await begin(World(), host, taken.getsockname()[1])


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name lead to these addresses."""

    def resolve(_host: str, port: int, *_hints: object) -> list[Any]:
        v4, v6 = (socket.AF_INET, lambda one: (one, port)), (socket.AF_INET6, lambda one: (one, port, 0, 0))
        chosen = [(v6 if ":" in one else v4, one) for one in addresses]
        return [(family, socket.SOCK_STREAM, 6, "", address(one)) for (family, address), one in chosen]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.parametrize(
    ("found", "bound"),
    [
        (("127.0.0.1", "::1"), ["127.0.0.1", "::1"]),
        (("127.0.0.1", "127.0.0.1"), ["127.0.0.1"]),
        (("192.0.2.1", "127.0.0.1"), ["127.0.0.1"]),
        (("127.0.0.1", "2001:db8::1"), ["127.0.0.1"]),
    ],
)
async def test_a_name_is_served_on_every_address_that_the_machine_has(
    monkeypatch: pytest.MonkeyPatch, found: tuple[str, ...], bound: list[str]
) -> None:
    """One free port for all of them; an address that the machine lacks (IPv6 is often off) is left out."""
    resolve_to(monkeypatch, *found)
    listener = await begin(World(), "name.example")
    assert [address.host for address in listener.addresses] == bound
    assert {address.port for address in listener.addresses} == {listener.port}
    await listener.close()


async def test_a_name_none_of_whose_addresses_is_here_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to listen on is never mistaken for success."""
    resolve_to(monkeypatch, "192.0.2.1", "2001:db8::1")
    with pytest.raises(OSError, match="annot assign"):
        await begin(World(), "name.example")


async def test_a_port_taken_on_one_address_leaves_the_others_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """All or nothing, and nothing stays open."""
    resolve_to(monkeypatch, "127.0.0.1", "::1")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await begin(World(), "name.example", port)
        socket.create_server(("127.0.0.1", port)).close()


async def test_an_unknown_host_is_an_error_for_the_caller() -> None:
    """A name that leads nowhere is an OSError as well."""
    with pytest.raises(OSError, match=r"not known|failure|No address|resolution"):
        await begin(World(), "no-such-host.invalid")


async def test_the_port_is_free_again_after_the_end() -> None:
    """A restart finds its port, and no new request is let in."""
    listener = await begin(World())
    await listener.close()
    with pytest.raises(OSError, match="Connect"):
        await status(f"http://127.0.0.1:{listener.port}/")
    again = await begin(World(), port=listener.port)
    await again.close()


async def test_a_scrape_in_flight_is_finished() -> None:
    """Who asked before the end gets the whole page."""
    begun, go = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go.wait(10)

    world = World(page=Exposition((b"x 1\n" * 500_000, b"y 1\n")), during_render=wait)
    listener = await begin(world)
    async with ClientSession() as client:
        scrape = asyncio.create_task(client.get(f"http://127.0.0.1:{listener.port}/metrics"))
        await asyncio.to_thread(begun.wait, 10)
        end = asyncio.create_task(listener.close())
        while await accepts(listener.port):
            pass
        go.set()
        async with await scrape as answer:
            assert await answer.read() == b"".join(world.page.parts)
    await end


async def test_clients_that_hang_cannot_stop_the_end() -> None:
    """One that never reads, one that never asks and one that is idle are cut after some seconds."""
    listener = await begin(World(page=Exposition((b"x" * 50_000_000,))))
    asks = (
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HT",
        b"POST /-/reload HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
    )
    open_ones = [await asyncio.open_connection("127.0.0.1", listener.port, limit=1) for _ in asks]
    for (_, writer), ask in zip(open_ones, asks, strict=True):
        writer.write(ask)
        await writer.drain()
    await open_ones[0][0].read(1)
    async with asyncio.timeout(10):
        await listener.close()
    for _, writer in open_ones:
        writer.close()


async def raw(port: int, request: bytes) -> bytes:
    """What the server answers to these bytes before it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = b""
    with suppress(ConnectionError):  # what is still being sent when it closes
        while part := await reader.read(1000):
            answer += part
    writer.close()
    return answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /?" + b"a=b&" * 30_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nExpect: nonsense\r\nConnection: close\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_no_stack_trace_and_no_log(
    request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Strangers are refused, leave nothing in the log, and the next one is served."""
    async with serving(World()) as client:
        port = client._base_url.port  # type: ignore[union-attr] # noqa: SLF001 - aiohttp offers no other way
        answer = await raw(port or 0, request_bytes)
        assert re.match(rb"HTTP/1\.[01] 4\d\d ", answer)
        assert b"\r\nServer: planetscale-exporter\r\n" in answer
        assert b"aiohttp" not in answer
        assert b"Traceback" not in answer
        assert b".py" not in answer
        async with client.get("/-/healthy") as healthy:
            assert healthy.status == 200
    assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []
