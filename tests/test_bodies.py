"""Bodies of answers: what is read, what is refused before it is read, and what reading costs."""

import asyncio
import threading
import tracemalloc
from collections.abc import Callable

import pytest
from fakes import FakeServer, answer, client, failure, page
from yarl import URL

from exporter.planetscale.errors import InvalidAnswerError

LARGEST = 16 << 20


def filled(head: bytes, piece: bytes, tail: bytes) -> bytes:
    """A body of 16 MiB with as many pieces as fit: written when it is needed, for no worker has to keep them all."""
    return head + piece * ((LARGEST - len(head) - len(tail)) // len(piece)) + tail


ROW = b'{"data":[{"deployment_state":"queued","deployment":{"%s":['


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda: filled(b'{"data":[', b'{"id":"1"},', b"{}]}"), id="rows"),
        pytest.param(lambda: filled(b'{"data":[', b"{},", b"{}]}"), id="empty rows"),
        pytest.param(lambda: filled(b'{"data":[', b"[],", b"[]]}"), id="lists"),
        pytest.param(lambda: filled(b'{"data":[', b"0,", b"0]}"), id="numbers"),
        pytest.param(lambda: filled(b'{"data":[', b'"ab",', b'""]}'), id="texts"),
        pytest.param(lambda: filled(b'{"data":[{"more":[', b'{"a":0},', b"0]}]}"), id="objects in a row"),
        pytest.param(lambda: filled(ROW % b"deploy_operations", b'{"id":1},', b"0]}}]}"), id="operations"),
        pytest.param(lambda: filled(ROW % b"deploy_operation_summaries", b"{},", b"0]}}]}"), id="summaries"),
        pytest.param(lambda: filled(ROW % b"preceding_deployments", b"{},", b"0]}}]}"), id="preceding deployments"),
        pytest.param(lambda: filled(b'{"data":[],', b'"k":0,', b'"k":0}'), id="keys"),
        pytest.param(lambda: b"[" * LARGEST, id="lists in lists"),
        pytest.param(lambda: filled(b'{"data":', b'{"a":', b""), id="objects in objects"),
        pytest.param(lambda: '{"data":["🐘'.encode() + b"," * 10_000_000 + b'"]}', id="wide text with many signs"),
    ],
)
async def test_what_no_page_can_hold_is_refused_unread(written: Callable[[], bytes]) -> None:
    """Answers that would become gigabytes of objects are invalid, and cost hardly more than their bytes."""
    async with client(max_bytes=LARGEST, timeout=60) as ours, FakeServer(answer(200, written())) as server:
        tracemalloc.start()
        try:
            error = await failure(ours.api(server.url).open_deploy_requests("acme", "shop"))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (type(error), error.code, ours.ledger.codes) == (InvalidAnswerError, "invalid", ["invalid"])
    assert peak < 150 << 20


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda: b'{"data":[],%s}' % b",".join(b'"%x":"%x"' % (n, n) for n in range(300_000)), id="keys"),
        pytest.param(lambda: ROW % b"deploy_operations" + b'{"id":1},' * 20_000 + b"0]}}]}", id="operations"),
        pytest.param(
            lambda: ROW % b"deploy_operation_summaries" + b",".join(b'{"id":%d}' % n for n in range(20_000)) + b"]}}]}",
            id="summaries",
        ),
        pytest.param(
            lambda: (
                ROW % b'deploy_operation_summaries":[{"id":1,"operations'
                + b",".join(b'{"id":%d,"shard":"-80"}' % n for n in range(20_000))
                + b"]}]}}]}"
            ),
            id="shards",
        ),
        pytest.param(lambda: filled(b'{"data":[{"number":', b"9", b"}]}"), id="a long number"),
        pytest.param(lambda: filled(b'{"data":[{"branch":"', b"\x7f", b'"}]}'), id="a long text"),
    ],
)
async def test_what_is_read_stays_within_bounds(written: Callable[[], bytes]) -> None:
    """The greediest answers that are read still take less than 150 MiB."""
    body = written()
    async with client(max_bytes=LARGEST, timeout=60) as ours, FakeServer(answer(200, body)) as server:
        tracemalloc.start()
        try:
            rows = await ours.api(server.url).open_deploy_requests("acme", "shop")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert len(rows) + rows.without_id == body.startswith(b'{"data":[{')
    assert peak < 150 << 20


@pytest.mark.parametrize(("rows", "is_read"), [(100, True), (101, False)])
async def test_no_page_has_more_rows_than_were_asked_for(rows: int, is_read: bool) -> None:
    """A hundred rows are what a page was asked for; one more is an answer to something else."""
    async with client() as ours, FakeServer(page(*({"id": str(n)} for n in range(rows)))) as server:
        asking = ours.api(server.url).operations("acme", "shop", 7)
        if is_read:
            await asking
        else:
            error = await failure(asking)
            assert (error.reason, str(error)) == (
                "invalid",
                "PlanetScale sent more than the 100 rows that a page was asked for; check api.url",
            )


async def test_a_large_answer_is_read_beside_the_loop() -> None:
    """While a large answer is read, the loop goes on: here the reading waits for it."""
    began, went_on = threading.Event(), threading.Event()

    def read(text: str) -> bool:
        began.set()
        return went_on.wait(30) and bool(text)

    async def go_on() -> None:
        await asyncio.to_thread(began.wait)
        went_on.set()

    async with client(max_bytes=LARGEST) as ours, FakeServer(answer(200, b"{}," * 10_000)) as server:
        reading = ours.transport.get(URL(server.url), "operations", "acme", read)
        assert (await asyncio.gather(reading, go_on()))[0]
