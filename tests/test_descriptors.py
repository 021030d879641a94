"""A real process with few descriptors: who does not ask never keeps who asks from being answered."""

import asyncio
import socket
from contextlib import suppress

import pytest
from processes import LOGIN, Exporter, exporting, planetscale

FEW = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({0}, {0}))
sys.argv[0] = "exporter"
runpy.run_module("exporter", run_name="__main__")
"""
CROWDS = {
    "nothing": b"",
    "half a line": b"GET /metrics HT",
    "half the headers": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "half a body": b"POST /-/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx",
    "a request, then nothing": b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n",
}


def crowd(port: int, says: bytes, count: int = 200) -> list[socket.socket]:
    """So many connections that say this and then nothing; those that are closed meanwhile are in it."""
    sockets = []
    for _ in range(count):
        one = socket.create_connection(("127.0.0.1", port), timeout=20)
        with suppress(ConnectionError):
            one.sendall(says)
        sockets.append(one)
    return sockets


async def scrapes(exporter: Exporter) -> None:
    """A whole page, over a new connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", exporter.port)
    writer.write(b"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(10):
        page = await reader.read()
    writer.close()
    assert page.startswith(b"HTTP/1.0 200"), page[:100]
    assert b"planetscale_exporter_build_info" in page


@pytest.mark.parametrize("limit", [40, 96])
async def test_a_crowd_that_does_not_ask_keeps_no_scrape_waiting(limit: int) -> None:
    """Every scrape is answered, polls go on, and the log gets a line or two, not a flood."""
    async with planetscale() as api:
        argv = ("--target=acme", f"--api.url={api.url}", "--poll.interval=1s")
        async with exporting(*argv, run=("-c", FEW.format(limit)), **LOGIN) as exporter:
            await exporter.shows(1, "planetscale_deploy_request_up", database="shop")
            for name, says in CROWDS.items():
                before = len(exporter.log)
                sockets = await asyncio.to_thread(crowd, exporter.port, says)
                try:
                    for _ in range(5):
                        await scrapes(exporter)
                finally:
                    for one in sockets:
                        one.close()
                assert len(exporter.log) - before < 7, (name, exporter.tell())
