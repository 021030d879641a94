"""The reverse proxy of the documentation exposes the webhook's path alone."""

import asyncio
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession
from processes import until
from web_serving import World, serving

from exporter.polling.snapshot import Key
from exporter.simulator import signature

pytestmark = pytest.mark.real

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"
BODY = (
    b'{"timestamp":1,"event":"deploy_request.queued","organization":"acme","database":"shop","resource":{"number":7}}'
)


def configuration(port: int, exporter: str, folder: Path) -> str:
    """The page's nginx example in a configuration of its own: without TLS, on *port*, before *exporter*."""
    found = re.search(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    server = re.sub(r" *ssl_certificate.*\n", "", found[1]).replace("443 ssl", f"127.0.0.1:{port}")
    server = server.replace("http://127.0.0.1:10048", exporter)
    paths = "".join(f"{name}_temp_path {folder};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"daemon off; pid {folder}/pid; error_log stderr; events {{}} http {{ access_log off; {paths}\n{server} }}"


async def test_the_documented_nginx_passes_webhooks_and_nothing_else(
    program: Callable[..., Path], tmp_path: Path
) -> None:
    """A signed webhook arrives byte for byte; pages and metrics are not found."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    world = World(secrets=(b"secret",), watched={Key("acme", "shop", 7)})
    async with serving(world) as exporter:
        file = tmp_path / "nginx.conf"
        file.write_text(configuration(port, str(exporter._base_url).rstrip("/"), tmp_path))  # noqa: SLF001 - it has no other name
        nginx = await asyncio.create_subprocess_exec(
            program("nginx"), "-e", "stderr", "-c", file, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            async with ClientSession(f"http://127.0.0.1:{port}") as client:

                async def listens() -> bool:
                    with socket.socket() as connection:
                        return connection.connect_ex(("127.0.0.1", port)) == 0

                await until(listens, lambda: "nginx does not listen")
                headers = {"X-PlanetScale-Signature": signature(BODY, b"secret")}
                async with client.post("/-/webhook", data=BODY, headers=headers) as answer:
                    assert answer.status == 202
                assert world.hints == [Key("acme", "shop", 7)]
                for path in ("/", "/metrics", "/-/healthy", "/-/webhook/x"):
                    async with client.get(path) as answer:
                        assert answer.status == 404, path
                async with client.get("/-/webhook") as answer:
                    assert answer.status == 403
        finally:
            nginx.terminate()
            await nginx.wait()
