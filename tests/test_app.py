"""The wiring, in this process: what runs, what a reload swaps, and what is seen of a poll loop that dies."""

import asyncio
import errno
import re
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from exporter.app import Application, running, serve
from exporter.cli import configure
from exporter.credentials import Credentials
from exporter.mistakes import ConfigError
from exporter.settings import Settings
from exporter.simulator import Simulator, create_app
from exporter.threads import DaemonThreads

LOGIN = {"PLANETSCALE_SERVICE_TOKEN_ID": "acme-id", "PLANETSCALE_SERVICE_TOKEN": "acme-token"}


pytestmark = pytest.mark.usefixtures("logging_as_before")  # a reload configures it


@dataclass
class Running:
    """An exporter under way, asked over HTTP; the next reload loads what `argv` and `environ` say."""

    simulator: Simulator
    argv: list[str]
    environ: dict[str, str]
    application: Application | None = None
    url: str = ""

    def load(self) -> tuple[Settings, Credentials]:
        """What is configured now."""
        return configure(self.argv, self.environ)

    async def get(self, path: str) -> tuple[int, str]:
        """GET a page: its status and text."""
        async with ClientSession() as client, client.get(f"{self.url}{path}") as answer:
            return answer.status, await answer.text()

    async def until(self, path: str, text: str) -> None:
        """Wait until a page holds *text*."""
        deadline = monotonic() + 20
        while text not in (page := (await self.get(path))[1]):
            assert monotonic() < deadline, page
            await asyncio.sleep(0.02)

    async def reload(self) -> tuple[str, ...]:
        """Reload as SIGHUP does."""
        assert self.application is not None
        return await self.application.reload()


@asynccontextmanager
async def exporting(*argv: str, login: dict[str, str] = LOGIN) -> AsyncIterator[Running]:
    """Run an exporter of `acme/shop/1`, which is in the middle of its copy, and of whatever *argv* names."""
    simulator = Simulator()
    simulator.add_organization("acme")
    simulator.add_database("acme", "shop")
    for _ in range(2):
        simulator.add_deploy_request("acme", "shop", "long_copy", age=36 * 3600)
    async with TestServer(create_app(simulator)) as server:
        ours = ["--web.listen-address=127.0.0.1:0", f"--api.url={server.make_url('/v1')}", "--target=acme/shop/1"]
        run = Running(simulator, [*ours, *argv], dict(login))
        async with running(*run.load(), run.load) as (run.application, listener):
            run.url = f"http://127.0.0.1:{listener.port}"
            yield run


def task(name: str) -> asyncio.Task[object]:
    """The task of that name."""
    return next(each for each in asyncio.all_tasks() if each.get_name() == name)


async def test_values_come_and_all_ends_with_the_context() -> None:
    """No task and no port is left behind."""
    before = asyncio.all_tasks()
    async with exporting() as run:
        await run.until("/metrics", 'deploy_request="1"')
        await run.until("/-/ready", "ready")
        assert await run.get("/-/healthy") == (200, "healthy\n")
        port = int(run.url.rsplit(":", 1)[1])
    assert asyncio.all_tasks() == before
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


@pytest.mark.parametrize("name", ["poll loop", "watch of files that change"])
async def test_a_loop_that_dies_shows_on_the_health_page(name: str) -> None:
    """Health turns to 503 for good, the log says it once, the pages go on, and the end is as ever."""
    with capture_logs() as logged:
        async with exporting("--target=acme/shop") as run:
            await run.until("/metrics", "planetscale_database_up")
            await run.until("/metrics", 'deploy_request="1"')
            task(name).cancel()
            await run.until("/-/healthy", "the poll loop has stopped")
            assert (await run.get("/-/healthy"))[0] == 503
            status, page = await run.get("/metrics")
            assert status == 200
            assert set(re.findall(r"^planetscale_(\w+)_up{.*} (.*)$", page, re.MULTILINE)) == {
                ("database", "0.0"),
                ("deploy_request", "0.0"),
                ("exporter_target", "0.0"),
            }
            assert "planetscale_deploy_operation_state{" not in page
            assert "planetscale_exporter_operations 0.0" in page
            assert "the poll loop has stopped" in (await run.get("/"))[1]
            assert {"poll loop", "watch of files that change"}.isdisjoint(
                each.get_name() for each in asyncio.all_tasks()
            )
    assert [(entry["task"], entry["log_level"]) for entry in logged if entry["event"] == "died"] == [(name, "critical")]


async def test_a_reload_swaps_settings_and_keeps_values() -> None:
    """Targets, budget and the hiding of DDL change at once; values of what is still asked for stay."""
    async with exporting() as run:
        await run.until("/metrics", "MODIFY COLUMN")
        run.argv += ["--target=acme/shop/2", "--api.requests-per-minute=77", "--metrics.ddl=false"]
        assert await run.reload() == ()
        page = (await run.get("/metrics"))[1]
        assert 'deploy_request="1"' in page
        assert "planetscale_exporter_api_budget_requests_per_minute 77.0" in page
        assert "MODIFY COLUMN" not in page
        await run.until("/metrics", 'deploy_request="2"')
        assert (await run.get("/-/ready"))[0] == 200


async def test_a_mistake_keeps_everything() -> None:
    """All mistakes are returned and logged, and nothing is swapped."""
    async with exporting() as run:
        run.argv += ["--poll.interval=x", "--target=acme/shop/2/3"]
        with capture_logs() as logged:
            mistakes = await run.reload()
        assert [mistake.split(":")[0] for mistake in mistakes] == ["--target", "--poll.interval"]
        page = (await run.get("/metrics"))[1]
        assert "planetscale_exporter_config_last_reload_successful 0.0" in page
        assert [entry["mistake"] for entry in logged if entry["event"] == "reload_failed"] == [*mistakes]


async def test_new_credentials_are_used_at_once() -> None:
    """What was refused is asked again after a reload, with what the environment says now, back-off or not."""
    async with exporting(
        "--poll.interval=1h", "--poll.idle-interval=1h", login=LOGIN | {"PLANETSCALE_SERVICE_TOKEN": "wrong"}
    ) as run:
        await run.until("/metrics", 'planetscale_exporter_target_up{target="acme/shop/1"} 0.0')
        run.environ |= LOGIN
        await run.reload()
        await run.until("/metrics", 'planetscale_exporter_target_up{target="acme/shop/1"} 1.0')


@pytest.mark.parametrize(
    ("url", "warnings"),
    [
        ("http://192.0.2.1/v1", 1),
        ("http://planetscale.invalid", 1),
        ("http://localhost:1", 0),
        ("http://127.1.2.3:1", 0),
        ("http://[::1]:1", 0),
        ("https://planetscale.invalid", 0),
    ],
)
async def test_a_token_in_clear_text_is_warned_of(url: str, warnings: int) -> None:
    """Plain HTTP to another host is told once at the start, with the setting."""
    settings, credentials = configure(["--target=acme", f"--api.url={url}", "--web.listen-address=127.0.0.1:0"], LOGIN)
    with capture_logs() as logged:
        async with running(settings, credentials, lambda: (settings, credentials)):
            pass
    told = [entry for entry in logged if entry["event"] == "token_in_clear_text"]
    assert [(entry["setting"], entry["log_level"]) for entry in told] == [("api.url", "warning")] * warnings


async def test_a_port_that_is_taken_is_an_error_for_users(capsys: pytest.CaptureFixture[str]) -> None:
    """It is one line and the exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        argv = ["--target=acme", f"--web.listen-address=127.0.0.1:{taken.getsockname()[1]}"]

        def load() -> tuple[Settings, Credentials]:
            raise ConfigError(["not reloaded here"])

        assert await serve(*configure(argv, LOGIN), load) == 1
    assert capsys.readouterr().err.startswith("web.listen_address: can't listen on 127.0.0.1:")


async def test_daemon_threads_give_results_and_errors_and_hold_nobody_up() -> None:
    """However many calls hang, the others have their turn, and the end waits for none."""
    loop, pool, release = asyncio.get_running_loop(), DaemonThreads(), threading.Event()
    hanging = [loop.run_in_executor(pool, release.wait) for _ in range(50)]
    assert await loop.run_in_executor(pool, int, "7") == 7
    with pytest.raises(ValueError, match="invalid literal"):
        await loop.run_in_executor(pool, int, "x")
    pool.shutdown()
    assert not any(call.done() for call in hanging)
    release.set()
    assert all(await asyncio.gather(*hanging))
