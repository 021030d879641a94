"""A PlanetScale that others made: Prism, a mock server driven by PlanetScale's published OpenAPI document.

It knows the operations endpoint alone, asks for the Authorization header, and answers everything else with 404.
"""

import asyncio
import os
import re
import socket
from asyncio.subprocess import DEVNULL, STDOUT
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientConnectionError, ClientSession
from processes import FAST, LOGIN, exporting, outcome, until
from real import unavailable

pytestmark = pytest.mark.real
PAGE = "seed-list-deploy-operations.md"


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """The OpenAPI document, taken out of the published page for the endpoint."""
    folder = os.environ.get("PLANETSCALE_OPENAPI")
    if folder is None:
        unavailable(f"no {PAGE}: put it where PLANETSCALE_OPENAPI says")
    found = re.search(r"^````yaml.*?\n(.*?)^````$", (Path(folder) / PAGE).read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    path = tmp_path / "openapi.yaml"
    path.write_text(found[1])
    return path


@asynccontextmanager
async def mocking(prism: Path, document: Path, *flags: str) -> AsyncIterator[str]:
    """Serve *document* for as long as the context lasts; gives the base URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = document.with_suffix(".log")
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            prism, "mock", *flags, "-h", "127.0.0.1", "-p", str(port), document,
            stdin=DEVNULL, stdout=output, stderr=STDOUT,
        )  # fmt: skip
        url = f"http://127.0.0.1:{port}"

        async def listens() -> bool:
            try:
                async with ClientSession() as client, client.get(url):
                    return True
            except ClientConnectionError:
                return False

        try:
            await until(listens, lambda: "Prism does not answer", log.read_text)
            yield url
        finally:
            process.terminate()
            async with asyncio.timeout(20):
                await process.wait()


async def test_the_published_document_is_understood(program: Callable[..., Path], document: Path) -> None:
    """`check` is content and `up` is 1 with the document's examples, though every other endpoint answers 404."""
    async with mocking(program("prism"), document) as url:
        argv = ("--target=acme/shop/1", f"--api.url={url}")
        code, out, err = await outcome("check", *argv, **LOGIN)
        assert (code, err) == (0, ""), out
        async with exporting(*argv, *FAST, **LOGIN) as exporter:
            await exporter.shows(1, "planetscale_deploy_request_up")
            await exporter.shows(1, "planetscale_exporter_target_up")
            assert await exporter.value("planetscale_deploy_operation_state", state="pending") is not None
            assert await exporter.value("planetscale_exporter_poll_failures_total", reason="bug") == 0


async def test_random_answers_end_in_values_or_in_a_reason(program: Callable[..., Path], document: Path) -> None:
    """Whatever the document allows is understood; only a next page out of the blue fails the poll."""
    async with mocking(program("prism"), document, "--dynamic") as url:
        argv = ("--target=acme/shop/1", f"--api.url={url}")
        async with exporting(*argv, *FAST, **LOGIN) as exporter:
            await exporter.answers(200, "/-/ready")
            failures = {
                reason: await exporter.value("planetscale_exporter_poll_failures_total", reason=reason)
                for reason in ("bug", "network", "server_error")
            }
            assert set(failures.values()) == {0}


async def test_the_credentials_are_sent_as_the_document_says(program: Callable[..., Path], document: Path) -> None:
    """Without the header the mock refuses; the exporter, which sends it, is not refused."""
    async with mocking(program("prism"), document) as url:
        path = "/organizations/acme/databases/shop/deploy-requests/1/operations"
        async with ClientSession() as client, client.get(f"{url}{path}") as answer:
            assert answer.status == 401
        async with exporting("--target=acme/shop/1", f"--api.url={url}", **LOGIN) as exporter:
            await exporter.answers(200, "/-/ready")
            assert await exporter.value("planetscale_exporter_poll_failures_total", reason="unauthorized") == 0
            assert await exporter.value("planetscale_exporter_api_requests_total", endpoint="operations") == 1
