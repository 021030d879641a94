"""The Alertmanager configuration: who is told, what mutes what, and what a message says."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import ClientConnectionError, ClientSession, web
from aiohttp.test_utils import TestServer, unused_port

FOLDER = Path(__file__).parents[1] / "deploy" / "alertmanager"
CONFIG = FOLDER / "alertmanager.yml"
GENERATIONS = pytest.mark.parametrize("newer", [False, True], ids=["0.25", "newer"])
REQUEST = {"organization": "acme", "database": "shop", "deploy_request": "42"}
OPERATION = {**REQUEST, "keyspace": "shop", "table": "orders", "operation": "ALTER", "operation_id": "op1"}

Program = Callable[..., Path]


def alert(name: str, severity: str, **labels: str) -> dict[str, Any]:
    """An alert as Prometheus posts it."""
    return {
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {
            "summary": f"{name} in short.",
            "description": f"{name} at length.",
            "runbook_url": f"https://runbooks.example/{name}",
            "dashboard_url": "https://grafana.example/d/x",
        },
    }


@dataclass
class Receivers:
    """The other end of every receiver: a real HTTP server that keeps what it is sent."""

    pages: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    chat: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    def app(self) -> web.Application:
        """Its two addresses."""
        app = web.Application()
        app.router.add_post("/page", self._page)
        app.router.add_post("/chat", self._chat)
        return app

    async def _page(self, request: web.Request) -> web.Response:
        await self.pages.put(await request.json())
        return web.Response()

    async def _chat(self, request: web.Request) -> web.Response:
        await self.chat.put((await request.json())["attachments"][0])
        return web.Response(text="ok")


@dataclass(frozen=True)
class Alertmanager:
    """A running one, by its API."""

    url: str
    session: ClientSession
    receivers: Receivers

    async def post(self, *alerts: dict[str, Any]) -> None:
        """Hand alerts over, as Prometheus does."""
        async with self.session.post(f"{self.url}/api/v2/alerts", json=alerts) as answer:
            assert answer.status == 200, await answer.text()

    async def muted(self) -> dict[tuple[str, str], bool]:
        """Which alerts are inhibited at this moment, by name and severity."""
        async with self.session.get(f"{self.url}/api/v2/alerts") as answer:
            return {
                (each["labels"]["alertname"], each["labels"]["severity"]): bool(each["status"]["inhibitedBy"])
                for each in await answer.json()
            }

    async def settles(self, expected: dict[tuple[str, str], bool]) -> None:
        """Wait until exactly what is expected is muted; say what is instead if it never is."""
        seen: dict[tuple[str, str], bool] = {}
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                while (seen := await self.muted()) != expected:  # noqa: ASYNC110 - its state is in another process
                    await asyncio.sleep(0.05)
        assert seen == expected


def fast_config(target: Path, receiver: str) -> Path:
    """The shipped configuration, with its receivers and its patience replaced and nothing else."""
    (target / "chat-url").write_text(f"{receiver}/chat")
    config = yaml.safe_load(CONFIG.read_text())
    for route in (config["route"], *config["route"]["routes"]):
        route |= {"group_wait": "500ms", "group_interval": "100ms"}
    for each in config["receivers"]:
        for chat in each.get("slack_configs", ()):
            chat["api_url_file"] = str(target / "chat-url")
        for hook in each.get("webhook_configs", ()):
            hook["url"] = f"{receiver}/page"
    config["templates"] = [str(FOLDER / pattern) for pattern in config["templates"]]
    path = target / "alertmanager.yml"
    path.write_text(yaml.safe_dump(config))
    return path


@asynccontextmanager
async def running(binary: Path, folder: Path) -> AsyncIterator[Alertmanager]:
    """A real Alertmanager with the shipped routes, inhibition and templates, and a receiver behind it."""
    receivers = Receivers()
    async with TestServer(receivers.app()) as server, ClientSession() as session:
        config = fast_config(folder, str(server.make_url("")).rstrip("/"))
        url = f"http://127.0.0.1:{unused_port()}"
        log = (folder / "log").open("wb")
        process = await asyncio.create_subprocess_exec(
            binary,
            f"--config.file={config}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={url.removeprefix('http://')}",
            "--cluster.listen-address=",
            stdout=log,
            stderr=log,
        )
        try:
            await _ready(session, url, process, folder / "log")
            yield Alertmanager(url, session, receivers)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            log.close()


async def _ready(session: ClientSession, url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(20):
        while True:
            assert process.returncode is None, log.read_text()  # noqa: ASYNC240 - it fails here, nothing else waits
            with suppress(ClientConnectionError):
                async with session.get(f"{url}/-/ready") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)


@pytest.mark.real
@GENERATIONS
def test_configuration_loads(program: Program, newer: bool) -> None:
    """Both generations accept the configuration and its template, with no secret in place."""
    tool = program("amtool", newer=newer)
    done = subprocess.run([tool, "check-config", CONFIG], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.real
@GENERATIONS
@pytest.mark.parametrize(("severity", "receiver"), [("critical", "page"), ("warning", "chat"), ("info", "info")])
def test_severity_decides_who_is_told(program: Program, newer: bool, severity: str, receiver: str) -> None:
    """Critical alerts page, warnings go to the chat, information to where nobody is waked."""
    tool = program("amtool", newer=newer)
    done = subprocess.run(
        [
            *(tool, "config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={receiver}"),
            *(f"severity={severity}", "alertname=PlanetScaleDeployCutoverDelayed", "deploy_request=42"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_secret_is_in_the_configuration() -> None:
    """Every address that is a secret comes from a file."""
    text = CONFIG.read_text()
    assert "api_url:" not in text
    assert "password:" not in text


NAME = "PlanetScaleDeployOperationStalled"
INHIBITIONS = {
    "critical over warning of the same operation": (
        [alert(NAME, "critical", **OPERATION), alert(NAME, "warning", **OPERATION)],
        {(NAME, "warning")},
    ),
    "but not over another operation's": (
        [alert(NAME, "critical", **OPERATION), alert(NAME, "warning", **{**OPERATION, "operation_id": "op2"})],
        set(),
    ),
    "warning over info": (
        [alert("PlanetScaleDeployPendingCutover", severity, **REQUEST) for severity in ("warning", "info")],
        {("PlanetScaleDeployPendingCutover", "info")},
    ),
    "errored over stalled": (
        [
            alert("PlanetScaleDeployOperationErrored", "critical", **REQUEST),
            alert(NAME, "critical", **OPERATION),
            alert("PlanetScaleDeployOperationThrottled", "warning", **{**OPERATION, "deploy_request": "43"}),
        ],
        {(NAME, "critical")},
    ),
    "stale polls over what they say of the deploy request": (
        [
            alert("PlanetScaleExporterPollStale", "warning", **REQUEST),
            alert("PlanetScaleDeployQueueBlocked", "critical", **REQUEST),
            alert("PlanetScaleDeployTableLocked", "critical", **OPERATION),
            alert("PlanetScaleDeployCutoverExpiring", "critical", **{**REQUEST, "database": "crm"}),
        ],
        {("PlanetScaleDeployQueueBlocked", "critical"), ("PlanetScaleDeployTableLocked", "critical")},
    ),
    "a failed deploy over the queue that it blocks, and who waits behind it": (
        [
            alert("PlanetScaleDeployOperationErrored", "critical", **REQUEST),
            alert("PlanetScaleDeployQueueBlocked", "critical", **REQUEST),
            alert("PlanetScaleDeployRejected", "warning", **REQUEST),
            alert("PlanetScaleDeployQueueWaiting", "info", **{**REQUEST, "deploy_request": "43"}),
            alert("PlanetScaleDeployRevertWindowOpen", "info", **{**REQUEST, "deploy_request": "41"}),
        ],
        {
            ("PlanetScaleDeployQueueBlocked", "critical"),
            ("PlanetScaleDeployRejected", "warning"),
            ("PlanetScaleDeployQueueWaiting", "info"),
        },
    ),
    "but not over another queue": (
        [
            alert("PlanetScaleDeployOperationErrored", "critical", **REQUEST),
            alert("PlanetScaleDeployQueueBlocked", "critical", **{**REQUEST, "database": "crm"}),
        ],
        set(),
    ),
    "what ran over the rest of an outage": (
        [
            alert("PlanetScaleExporterPollStale", "critical", **REQUEST),
            alert("PlanetScaleExporterPollStale", "warning", **{**REQUEST, "deploy_request": "43"}),
            alert("PlanetScaleExporterTargetDown", "warning", target="acme"),
        ],
        {("PlanetScaleExporterPollStale", "warning"), ("PlanetScaleExporterTargetDown", "warning")},
    ),
    "refused credentials over all that fails behind them": (
        [
            alert("PlanetScaleExporterAuthFailed", "critical"),
            alert("PlanetScaleExporterTargetDown", "warning", target="acme"),
            alert("PlanetScaleExporterPollStale", "critical", **REQUEST),
            alert("PlanetScaleExporterBehind", "warning"),
        ],
        {("PlanetScaleExporterTargetDown", "warning"), ("PlanetScaleExporterPollStale", "critical")},
    ),
    "a hit limit over what is late for it, but not over a running deploy": (
        [
            alert("PlanetScaleExporterRateLimited", "warning"),
            alert("PlanetScaleExporterBehind", "warning"),
            alert("PlanetScaleExporterPollStale", "critical", **REQUEST),
        ],
        {("PlanetScaleExporterBehind", "warning")},
    ),
    "a table that is locked over its late cutover": (
        [
            alert("PlanetScaleDeployTableLocked", "critical", **OPERATION),
            alert("PlanetScaleDeployCutoverDelayed", "warning", **REQUEST),
        ],
        {("PlanetScaleDeployCutoverDelayed", "warning")},
    ),
    "no exporter over everything, in its cluster": (
        [
            alert("PlanetScaleExporterDown", "critical", cluster="east"),
            alert("PlanetScaleDeployOperationErrored", "critical", cluster="east", **REQUEST),
            alert("PlanetScaleExporterRateLimited", "warning", cluster="east"),
            alert("PlanetScaleDeployQueueBlocked", "critical", cluster="west", **REQUEST),
        ],
        {("PlanetScaleDeployOperationErrored", "critical"), ("PlanetScaleExporterRateLimited", "warning")},
    ),
}


@pytest.mark.real
@GENERATIONS
@pytest.mark.parametrize("case", INHIBITIONS)
async def test_inhibition(program: Program, tmp_path: Path, newer: bool, case: str) -> None:
    """An alert mutes what it explains, of the same thing, and nothing else."""
    alerts, muted = INHIBITIONS[case]
    async with running(program("prometheus-alertmanager", newer=newer), tmp_path) as alertmanager:
        await alertmanager.post(*alerts)
        keys = [(each["labels"]["alertname"], each["labels"]["severity"]) for each in alerts]
        await alertmanager.settles({key: key in muted for key in keys})


def _for_the_operator(config: dict[str, Any]) -> dict[str, Any]:
    """A route or inhibition as the operator's resource spells it."""
    spelled: dict[str, Any] = {}
    for name, value in config.items():
        parts = name.replace("matchers", "match" if name != "matchers" else "matchers").split("_")
        key = parts[0] + "".join(part.title() for part in parts[1:])
        if key.lower().endswith(("match", "matchers")):
            found = (re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', each) for each in value)
            spelled[key] = [{"name": each[1], "matchType": each[2], "value": each[3]} for each in found if each]
        else:
            spelled[key] = [_for_the_operator(each) for each in value] if name == "routes" else value
    return spelled


def test_the_operator_gets_the_same() -> None:
    """The example for the Prometheus operator has the routes and inhibition of the configuration."""
    config = yaml.safe_load(CONFIG.read_text())
    spec = yaml.safe_load((FOLDER / "alertmanagerconfig.example.yaml").read_text())["spec"]
    assert spec["route"] == _for_the_operator(config["route"])
    assert spec["inhibitRules"] == [_for_the_operator(rule) for rule in config["inhibit_rules"]]
    assert [each["name"] for each in spec["receivers"]] == [each["name"] for each in config["receivers"]]


@pytest.mark.real
@GENERATIONS
async def test_a_page_can_be_read_by_a_person(program: Program, tmp_path: Path, newer: bool) -> None:
    """A critical alert reaches pager and chat, and says what, where, how bad, and where to read on."""
    async with running(program("prometheus-alertmanager", newer=newer), tmp_path) as alertmanager:
        await alertmanager.post(alert(NAME, "critical", **OPERATION))
        async with asyncio.timeout(20):
            page = await alertmanager.receivers.pages.get()
            message = await alertmanager.receivers.chat.get()
        assert page["groupLabels"] == REQUEST
        assert message["title"] == f"CRITICAL: acme/shop deploy request #42 - {NAME} in short."
        assert message["title_link"] == "https://grafana.example/d/x"
        assert message["color"] == "danger"
        lines = message["text"].splitlines()
        assert lines[:2] == [f"*{NAME} in short.*", f"{NAME} at length."]
        assert lines[2].startswith(
            f"<https://runbooks.example/{NAME}|Runbook> | <https://grafana.example/d/x|Dashboard>"
        )


@pytest.mark.real
@GENERATIONS
async def test_one_deploy_request_is_one_message(program: Program, tmp_path: Path, newer: bool) -> None:
    """Alerts of one deploy request come together, those of the exporter by themselves."""
    tables = [{**OPERATION, "table": name, "operation_id": name} for name in ("orders", "carts")]
    async with running(program("prometheus-alertmanager", newer=newer), tmp_path) as alertmanager:
        await alertmanager.post(*(alert(NAME, "warning", **labels) for labels in tables))
        await alertmanager.post(alert("PlanetScaleExporterBehind", "warning"))
        messages: dict[str, str] = {}
        async with asyncio.timeout(20):
            while len(messages) < 2 or sum(text.count("|Runbook>") for text in messages.values()) < 3:
                message = await alertmanager.receivers.chat.get()
                messages[message["title"]] = message["text"]
        assert {title: text.count("|Runbook>") for title, text in messages.items()} == {
            "WARNING: PlanetScale exporter - PlanetScaleExporterBehind in short.": 1,
            f"WARNING: acme/shop deploy request #42 - {NAME} in short. (2 alerts)": 2,
        }


@pytest.mark.real
@GENERATIONS
async def test_an_outage_of_many_is_one_message(program: Program, tmp_path: Path, newer: bool) -> None:
    """What was running when PlanetScale went away is one page, with the worst summary as its title."""
    stale = "PlanetScaleExporterPollStale"
    many = [
        alert(stale, severity, **{**REQUEST, "deploy_request": f"{number}", "database": f"db{number % 7}"})
        for number in range(52)
        for severity in ("critical", "warning")
    ]
    async with running(program("prometheus-alertmanager", newer=newer), tmp_path) as alertmanager:
        await alertmanager.post(*many)
        async with asyncio.timeout(20):
            page = await alertmanager.receivers.pages.get()
            message = await alertmanager.receivers.chat.get()
        assert page["groupLabels"] == {"organization": "acme"}
        assert len(page["alerts"]) == 52
        assert message["title"] == f"CRITICAL: PlanetScale exporter - {stale} in short. (52 alerts)"
        assert message["text"].count("|Runbook>") == 10


@pytest.mark.real
@GENERATIONS
async def test_a_paused_queue_is_one_message_with_the_worst_on_top(
    program: Program, tmp_path: Path, newer: bool
) -> None:
    """All deploy requests of a queue are one page; what else a group says does not hide the worst of it."""
    blocked = [alert("PlanetScaleDeployQueueBlocked", "critical", **{**REQUEST, "deploy_request": n}) for n in "123"]
    mixed = [
        alert("PlanetScaleDeployDropsRecentlyUsedTable", "warning", **OPERATION),
        alert("PlanetScaleDeployPendingCutover", "warning", **REQUEST),
    ]
    async with running(program("prometheus-alertmanager", newer=newer), tmp_path) as alertmanager:
        await alertmanager.post(*blocked)
        async with asyncio.timeout(20):
            page = await alertmanager.receivers.pages.get()
            message = await alertmanager.receivers.chat.get()
            assert page["groupLabels"] == {"organization": "acme", "database": "shop"}
            assert message["title"] == "CRITICAL: acme/shop - PlanetScaleDeployQueueBlocked in short. (3 alerts)"
            await alertmanager.post(*mixed)
            message = await alertmanager.receivers.chat.get()
        assert message["title"].startswith("WARNING: acme/shop deploy request #42 - PlanetScaleDeploy")
        assert "|PlanetScale>" in message["text"]


@pytest.mark.real
@GENERATIONS
async def test_the_end_is_told_too(program: Program, tmp_path: Path, newer: bool) -> None:
    """When a warning is over, the chat says so and names the table."""
    async with running(program("prometheus-alertmanager", newer=newer), tmp_path) as alertmanager:
        firing = alert(NAME, "warning", **OPERATION)
        await alertmanager.post(firing)
        async with asyncio.timeout(20):
            assert (await alertmanager.receivers.chat.get())["color"] == "warning"
            await alertmanager.post({**firing, "endsAt": "2020-01-01T00:00:00Z", "startsAt": "2019-12-31T00:00:00Z"})
            message = await alertmanager.receivers.chat.get()
        assert message["title"] == f"RESOLVED: acme/shop deploy request #42 - {NAME} in short."
        assert message["text"].strip() == f"Resolved: {NAME} in short. (orders)"
        assert message["color"] == "good"
