"""The exporter as a process of its own beside a simulated PlanetScale, which this process serves over HTTP."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from prometheus_client.parser import text_string_to_metric_families

from exporter.simulator import Simulator, create_app

TOKEN_ID, TOKEN = "k3y1dabcdef9", "pscale_tkn_Zq8xVtYw42LmNo"
CREDENTIAL = f"{TOKEN_ID}:{TOKEN}"
LOGIN = {"PLANETSCALE_SERVICE_TOKEN_ID": TOKEN_ID, "PLANETSCALE_SERVICE_TOKEN": TOKEN}

MODULE = ("-m", "exporter")
FAST = ("--poll.interval=1s", "--poll.idle-interval=1s", "--poll.discovery-interval=1s")

Samples = list[tuple[str, dict[str, str], float]]


def surroundings(environ: Mapping[str, str]) -> dict[str, str]:
    """The tester's environment without the tester's settings and proxies, and *environ*."""
    ours = {
        name: text for name, text in os.environ.items() if not re.match(r"PLANETSCALE_|.*_proxy$", name, re.IGNORECASE)
    }
    return {**ours, **environ}


@dataclass
class PlanetScale:
    """A served simulator; requests whose path ends in what `held` holds wait until it no longer does."""

    simulator: Simulator
    url: str = ""
    held: set[str] = field(default_factory=set)
    waiting: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @web.middleware
    async def hold(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request wait."""
        self.waiting += 1
        async with self.changed:
            await self.changed.wait_for(lambda: not any(request.path.endswith(end) for end in self.held))
        self.waiting -= 1
        return await handler(request)

    async def release(self) -> None:
        """Let all go on."""
        async with self.changed:
            self.held.clear()
            self.changed.notify_all()


@asynccontextmanager
async def planetscale(simulator: Simulator | None = None) -> AsyncIterator[PlanetScale]:
    """Serve a simulator, by default one with two databases in which deploy requests run."""
    serving = PlanetScale(simulator or acme())
    app = create_app(serving.simulator)
    app.middlewares.append(serving.hold)
    async with TestServer(app) as server:
        serving.url = str(server.make_url("/v1"))
        try:
            yield serving
        finally:
            await serving.release()


def acme(token: str = CREDENTIAL) -> Simulator:
    """`acme/shop` and `acme/billing`, each with a deploy request in the middle of its copy."""
    simulator = Simulator(requests_per_minute=100_000)
    simulator.add_organization("acme", token)
    for database in ("shop", "billing"):
        simulator.add_database("acme", database)
        simulator.add_deploy_request("acme", database, "long_copy", age=36 * 3600)
    return simulator


@dataclass
class Exporter:
    """A process under way; `log` and `out` grow by a line when it writes one."""

    process: Process
    client: ClientSession
    log: list[str] = field(default_factory=list)
    out: list[str] = field(default_factory=list)
    port: int = 0

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        """GET a page: its status and text."""
        async with self.client.get(f"http://127.0.0.1:{self.port}{path}", headers=headers) as answer:
            return answer.status, await answer.text()

    async def reload(self) -> tuple[int, str]:
        """POST /-/reload: status and text."""
        async with self.client.post(f"http://127.0.0.1:{self.port}/-/reload") as answer:
            return answer.status, await answer.text()

    async def samples(self, *names: str) -> Samples:
        """What a scrape holds now: all of it, or the samples named."""
        status, page = await self.get(
            "/metrics" + "".join(f"{'&' if i else '?'}name[]={n}" for i, n in enumerate(names))
        )
        assert status == 200, page
        return [sample[:3] for family in text_string_to_metric_families(page) for sample in family.samples]

    async def value(self, name: str, **labels: str) -> float | None:
        """The sum of the samples of *name* with these labels; None where there is none."""
        found = [value for _, given, value in await self.samples(name) if labels.items() <= given.items()]
        return sum(found) if found else None

    async def shows(self, expected: float, name: str, **labels: str) -> None:
        """Wait until `value` is what is expected."""
        seen: list[float | None] = []

        async def is_there() -> bool:
            seen.append(await self.value(name, **labels))
            return seen[-1] == expected

        await until(is_there, lambda: f"{name} {labels} was {seen[-1]}, not {expected}", self.tell)

    async def says(self, text: str, times: int = 1) -> None:
        """Wait until so many lines of the log hold *text*."""

        async def is_said() -> bool:
            is_over = self.process.returncode is not None
            if (said := sum(text in line for line in self.log) >= times) or not is_over:
                return said
            pytest.fail(f"it ended with {self.process.returncode} before {text!r} was logged\n{self.tell()}")

        await until(is_said, lambda: f"{text!r} was not logged", self.tell)

    async def answers(self, status: int, path: str) -> str:
        """Wait until *path* answers with *status*, and give its text."""
        answer: tuple[int, str] = (0, "")

        async def has_come() -> bool:
            nonlocal answer
            answer = await self.get(path)
            return answer[0] == status

        await until(has_come, lambda: f"{path} answers {answer}, not {status}", self.tell)
        return answer[1]

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit code."""
        self.process.send_signal(number)
        async with asyncio.timeout(20):
            return await self.process.wait()

    def tell(self) -> str:
        """The log's end, for messages."""
        return "\n".join(self.log[-30:])


async def until(
    condition: Callable[[], Awaitable[bool]],
    what: Callable[[], str],
    tell: Callable[[], str] = str,
    *,
    seconds: float = 30,
) -> None:
    """Try again and again until *condition* holds; after *seconds* fail with *what* is missing and what *tell* says."""
    deadline = monotonic() + seconds
    while not await condition():
        if monotonic() > deadline:
            pytest.fail(f"{what()}\n{tell()}")
        await asyncio.sleep(0.05)


@asynccontextmanager
async def exporting(*argv: str, run: Sequence[str] = MODULE, **environ: str) -> AsyncIterator[Exporter]:
    """Start `python -m exporter`, or what *run* says, on a free port until the context ends; it is to end well."""
    command = [sys.executable, *run, *argv, "--web.listen-address=127.0.0.1:0"]
    process = await asyncio.create_subprocess_exec(*command, env=surroundings(environ), stdout=PIPE, stderr=PIPE)
    async with ClientSession() as client:
        exporter = Exporter(process, client)
        reading = [
            asyncio.create_task(_read(process.stdout, exporter.out)),
            asyncio.create_task(_read(process.stderr, exporter.log)),
        ]
        try:
            await exporter.says("listening")
            exporter.port = next(int(found[1]) for line in exporter.log if (found := _PORT.search(line)))
            yield exporter
        finally:
            if process.returncode is None:
                await exporter.end()
            await asyncio.gather(*reading)
    assert process.returncode == 0, exporter.tell()
    assert not any("Traceback" in line for line in exporter.log), exporter.tell()


async def outcome(*argv: str, **environ: str) -> tuple[int, str, str]:
    """Run the exporter to its end: exit code, standard output, standard error."""
    command = [sys.executable, *MODULE, *argv]
    process = await asyncio.create_subprocess_exec(*command, env=surroundings(environ), stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(50):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


_PORT = re.compile(r"\bport\W+(\d+)")


async def _read(stream: asyncio.StreamReader | None, lines: list[str]) -> None:
    assert stream is not None
    while line := await stream.readline():
        lines.append(line.decode().rstrip("\n"))
