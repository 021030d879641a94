"""Prometheus and Alertmanager as they are shipped against, run with the shipped files in a fraction of the time."""

import asyncio
import json
import re
import socket
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, web
from aiohttp.test_utils import TestServer
from processes import until

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
IDENTITY = ("organization", "database", "deploy_request", "operation_id", "target")

FindProgram = Callable[..., Path]


def quick(rules: str) -> str:
    """The rules with every `for:` and every window shortened, 5 minutes to 2 seconds and a day to a minute.

    What is longer stays longer, as the rules' own comments ask for. Thresholds on stamps stay: old ones are easily
    had. An advance must have been seen, so a stall is one after 4 seconds, and for long after 12, whatever the pace.
    """

    def shorter(found: re.Match[str]) -> str:
        seconds = int(found[2]) * UNITS[found[3]]
        return f"{found[1]}{2000 * (seconds / 300) ** 0.6:.0f}ms"

    for threshold, seconds in (("1800", 4), ("7200", 12), ("21600", 4), ("43200", 12)):
        rules = rules.replace(f", {threshold}, 43200)", f", {seconds}, {seconds})")
        rules = rules.replace(f"or {threshold} * (", f"or {seconds} * (")
    rules = rules.replace(")) >= 3600\n", ")) >= 4\n")  # what is throttled must have been so for an hour
    return re.sub(r"(\bfor: |\bkeep_firing_for: |\binterval: |\[|:|\boffset )(\d+)([smhd])(?=[\]:)\s])", shorter, rules)


@dataclass(frozen=True)
class Message:
    """What somebody was told: by the webhook that pages, or in the chat."""

    at: float
    body: dict[str, Any]

    @property
    def is_page(self) -> bool:
        """Whether it was the webhook."""
        return "alerts" in self.body

    @property
    def title(self) -> str:
        """The headline of a chat message."""
        return "" if self.is_page else str(self.body["attachments"][0]["title"])

    def tells(self, name: str, labels: Mapping[str, str], status: str) -> bool:
        """Whether it is a page with such an alert."""
        return any(
            alert["status"] == status and {"alertname": name, **labels}.items() <= alert["labels"].items()
            for alert in self.body.get("alerts", ())
        )

    def __str__(self) -> str:
        if not self.is_page:
            return f"chat: {self.title}"
        alerts = (
            (alert["status"], *(alert["labels"].get(name, "") for name in ("alertname", "severity", *IDENTITY)))
            for alert in self.body["alerts"]
        )
        return "page: " + "; ".join(sorted(map(" ".join, alerts)))


@dataclass
class Monitoring:
    """Both under way, and what they have sent."""

    client: ClientSession
    prometheus: str
    alertmanager: str
    messages: list[Message] = field(default_factory=list)

    async def get(self, url: str, **query: str) -> Any:
        """GET JSON."""
        async with self.client.get(url, params=query) as answer:
            return await answer.json()

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """What an instant query answers."""
        answer = await self.get(f"{self.prometheus}/api/v1/query", query=expression)
        assert answer["status"] == "success", answer
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    async def rules(self) -> list[dict[str, Any]]:
        """Every rule with its state."""
        answer = await self.get(f"{self.prometheus}/api/v1/rules")
        return [rule for group in answer["data"]["groups"] for rule in group["rules"]]

    async def finds(self, expression: str) -> None:
        """Wait until a query has an answer."""

        async def is_there() -> bool:
            return bool(await self.query(expression))

        await until(is_there, lambda: f"no answer: {expression}", self.tell)

    async def page(self, name: str, status: str = "firing", **labels: str) -> Message:
        """Wait for a page that tells of such an alert."""
        return await self._message(f"page: {status} {name} {labels}", lambda each: each.tells(name, labels, status))

    async def chat(self, title: str) -> Message:
        """Wait for a message in the chat whose headline begins with *title*."""
        return await self._message(title, lambda each: each.title.startswith(title))

    async def mutes(self, name: str, severity: str, **labels: str) -> None:
        """Wait until such an alert is active and inhibited by another."""

        async def is_muted() -> bool:
            alerts = await self.get(f"{self.alertmanager}/api/v2/alerts", active="false", inhibited="true")
            wanted = {"alertname": name, "severity": severity, **labels}.items()
            return any(wanted <= alert["labels"].items() and alert["status"]["inhibitedBy"] for alert in alerts)

        await until(is_muted, lambda: f"not muted: {severity} {name} {labels}", self.tell)

    def tell(self) -> str:
        """All that was sent."""
        return "\n".join(map(str, self.messages))

    async def _message(self, what: str, fits: Callable[[Message], bool]) -> Message:
        async def has_come() -> bool:
            return any(map(fits, self.messages))

        await until(has_come, lambda: f"nobody was told: {what}", self.tell, seconds=45)
        return next(filter(fits, self.messages))


@asynccontextmanager
async def monitoring(
    program: FindProgram, folder: Path, exporter_port: int, *, newer: bool, job: str = ""
) -> AsyncIterator[Monitoring]:
    """Run both, one generation or the other, until the context ends; what they send is kept.

    *job* is more lines of the scrape job in YAML, indented by four spaces.
    """
    prometheus, alertmanager = (program(name, newer=newer) for name in ("prometheus", "prometheus-alertmanager"))
    prometheus_port, alertmanager_port = _free_ports(2)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(ClientSession())
        run = Monitoring(client, f"http://127.0.0.1:{prometheus_port}", f"http://127.0.0.1:{alertmanager_port}")
        receiver = await stack.enter_async_context(TestServer(_receiver(run.messages)))
        _write_alertmanager(folder, str(receiver.make_url("/")))
        _write_prometheus(folder, exporter_port, alertmanager_port, job)
        await stack.enter_async_context(
            _process(
                folder / "alertmanager.log",
                alertmanager,
                f"--config.file={folder}/alertmanager.yml",
                f"--storage.path={folder}/alerts",
                f"--web.listen-address=127.0.0.1:{alertmanager_port}",
                "--cluster.listen-address=",
            )
        )
        await stack.enter_async_context(
            _process(
                folder / "prometheus.log",
                prometheus,
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/series",
                f"--web.listen-address=127.0.0.1:{prometheus_port}",
            )
        )
        await _is_up(run, folder)
        yield run


def _free_ports(count: int) -> Iterator[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    for each in sockets:
        yield each.getsockname()[1]
    for each in sockets:
        each.close()


def _receiver(messages: list[Message]) -> web.Application:
    async def receive(request: web.Request) -> web.Response:
        messages.append(Message(time.time(), json.loads(await request.text())))
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_post("/{where}", receive)
    return app


def _write_alertmanager(folder: Path, receiver: str) -> None:
    (folder / "chat-url").write_text(f"{receiver}chat")
    (folder / "templates").mkdir()
    for template in (DEPLOY / "alertmanager/templates").iterdir():
        (folder / "templates" / template.name).write_text(template.read_text())
    text = (DEPLOY / "alertmanager/alertmanager.yml").read_text()
    for shipped, ours in (
        ("/run/secrets/chat-url", f"{folder}/chat-url"),
        ("http://pager:9099/page", f"{receiver}page"),
        ("group_wait: 30s", "group_wait: 1s"),
        ("group_wait: 10s", "group_wait: 500ms"),
        ("group_wait: 1m", "group_wait: 500ms"),
        ("group_wait: 2m", "group_wait: 1s"),
        ("group_interval: 5m", "group_interval: 300ms"),
        ("group_interval: 15m", "group_interval: 300ms"),
        ("group_interval: 30m", "group_interval: 300ms"),
    ):
        assert shipped in text, f"the shipped Alertmanager configuration has no {shipped}"
        text = text.replace(shipped, ours)
    (folder / "alertmanager.yml").write_text(text)


def _write_prometheus(folder: Path, exporter_port: int, alertmanager_port: int, job: str) -> None:
    (folder / "rules").mkdir()
    for rules in (DEPLOY / "prometheus/rules").iterdir():
        (folder / "rules" / rules.name).write_text(quick(rules.read_text()))
    text = (DEPLOY / "prometheus/prometheus.yml").read_text()
    for shipped, ours in (
        ("_interval: 15s", "_interval: 250ms"),
        ("alertmanager:9093", f"127.0.0.1:{alertmanager_port}"),
        ("exporter:10048", f"127.0.0.1:{exporter_port}"),
        ("  - job_name: planetscale-exporter\n", f"  - job_name: planetscale-exporter\n{job}"),
    ):
        assert shipped in text, f"the shipped Prometheus configuration has no {shipped}"
        text = text.replace(shipped, ours)
    (folder / "prometheus.yml").write_text(text)


@asynccontextmanager
async def _process(log: Path, *command: object) -> AsyncIterator[None]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*map(str, command), stdin=DEVNULL, stdout=output, stderr=STDOUT)
        try:
            yield
        finally:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(20):
                await process.wait()


async def _is_up(run: Monitoring, folder: Path) -> None:
    """Both answer, and the first scrape, which comes seconds after the start, has worked."""

    async def is_up() -> bool:
        try:
            await run.get(f"{run.alertmanager}/api/v2/status")
            return bool(await run.query('up{job="planetscale-exporter"} == 1'))
        except ClientError:
            return False

    def tell() -> str:
        return "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))

    await until(is_up, lambda: "Prometheus has no good scrape", tell)


async def promtool(path: Path, *argv: str, given: str = "") -> tuple[int, str]:
    """Run promtool with *given* on its standard input: exit code and all it says."""
    process = await asyncio.create_subprocess_exec(path, *argv, stdin=PIPE, stdout=PIPE, stderr=STDOUT)
    said, _ = await process.communicate(given.encode())
    assert process.returncode is not None
    return process.returncode, said.decode()
