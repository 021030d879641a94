"""Mutated answers, against what the contract makes of each: the real client, loop and page on a virtual clock.

    .venv/bin/python tests/fuzz.py [ANSWERS] [SEED]

Answers of the simulator are changed as JSON (values replaced, removed, doubled, nested) or as bytes on their way to the
exporter. After every round of polls the page is compared with what the last answers to the operations' endpoint, read
by rules of its own, allow. What is wrong is exit code 1.
"""

import asyncio
import json
import math
import os
import random
import re
import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from polled import LIMITS, TIMING, Observer, clock
from prometheus_client import CollectorRegistry
from virtual import VirtualLoop, run

from exporter.metrics.exposition import Exposition
from exporter.planetscale.budget import RequestBudget
from exporter.planetscale.client import PlanetScale
from exporter.planetscale.http import Transport, open_session
from exporter.planetscale.slots import Slots
from exporter.polling.plan import Plan
from exporter.polling.poller import Assignment, Poller
from exporter.polling.snapshot import SnapshotStore
from exporter.simulator import SCENARIOS, Simulator, create_app
from exporter.targets import parse

ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 67, 99.5, 100, 100.0001, 101, -0.0, 1e308, 10**30, "", " ", "67", "null",
    "in_progress", "error", "new_state", "\ud800", "\x00\x1b[31m", "x" * 5000, "javascript:alert(1)",
    "2026-13-45T99:99:99Z", "2026-W01-1T00:00:00Z",
    "9999-12-31T23:59:59Z", [], {}, [[]], [None], {"id": "op"}, [1, "a", {}], "NaN",
)  # fmt: skip
PIECES: Final = (b"NaN", b"1e999", b"\xff", b"{", b"]", b'"', b"-" + b"9" * 500)
STATES: Final = frozenset({"pending", "queued", "in_progress", "complete", "cancelled", "error"})
PREFIX: Final = "planetscale_deploy_operation_"
UP: Final = "planetscale_deploy_request_up"
# The text format, strictly: of the time of a million answers, the client library's parser would take half.
_LABEL: Final = r'[a-z_]+="(?:[^"\\]|\\["\\n])*"'
SAMPLE: Final = re.compile(rf"(?P<name>[a-z_]+)(?:{{(?P<labels>{_LABEL}(?:,{_LABEL})*)}})? (?P<value>\S+)")
LABEL: Final = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
ESCAPE: Final = re.compile(r"\\(.)")
Expected = dict[str, dict[str, float]]


@dataclass
class Report:
    """What happened; `wrong` says what must not."""

    answers: int = 0
    mutated: int = 0
    compared: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    kilobytes: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)

    def measure(self) -> None:
        """What this process holds now."""
        self.kilobytes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        self.descriptors.append(len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - it changes while it is read
        self.tasks.append(len(asyncio.all_tasks()))

    def __str__(self) -> str:
        """A few lines for people."""
        return (
            f"{self.answers:,} answers, {self.mutated:,} of them mutated; polls failed: {dict(self.failures)}\n"
            f"{self.compared:,} operations compared; wrong: {len(self.wrong)}\n"
            f"over time: tasks {self.tasks}, descriptors {self.descriptors}, kB {self.kilobytes}"
        )


class Mutator:
    """Changes bodies, reproducibly."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - no secret

    def mutate(self, body: bytes) -> bytes:
        """A changed body; now and then the same."""
        chance = self._chance
        if chance.random() < 0.1:
            return self._bytes(body)
        document = json.loads(body)
        for _ in range(chance.choice((0, 1, 1, 1, 2, 5, 20))):
            document = self._change(document)
        return json.dumps(document).encode()

    def _bytes(self, body: bytes) -> bytes:
        chance, changed = self._chance, bytearray(body)
        for _ in range(chance.choice((1, 1, 3, 30))):
            place = chance.randrange(len(changed) or 1)
            match chance.choice(("flip", "cut", "insert")):
                case "flip" if changed:
                    changed[place] ^= 1 << chance.randrange(8)
                case "cut":
                    del changed[place : place + chance.choice((1, 10, 10_000))]
                case "insert":
                    changed[place:place] = chance.choice(PIECES)
        return bytes(changed)

    def _change(self, document: Any) -> Any:
        chance, places = self._chance, list(_places(document))
        if not places or chance.random() < 0.02:
            return chance.choice(ODD)
        holder, key = chance.choice(places)
        match chance.choice(("replace", "replace", "replace", "remove", "double", "nest")):
            case "remove":
                del holder[key]
            case "double" if isinstance(holder, list):
                holder.append(deepcopy(holder[key]))
            case "nest":
                holder[key] = {"data": holder[key]} if chance.random() < 0.5 else [holder[key]]
            case _:
                holder[key] = deepcopy(chance.choice(ODD))
        return document


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every value in a document, as its holder and key."""
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in pairs:
        yield document, key
        yield from _places(value)


def expected(body: bytes) -> Expected | None:
    """What the page may say after such an answer of the operations endpoint, by operation id; None: the poll fails.

    Raises:
        LookupError: another answer decides (a next page, an answer without rows), or JSON does not say what it is.
    """
    try:
        text = body.decode()
        document = json.loads(text)
    except UnicodeDecodeError:
        raise LookupError from None
    except (ValueError, RecursionError):
        return None
    if isinstance(document, dict) and document.get("next_page") is not None:
        raise LookupError
    if not isinstance(document, dict) or not isinstance(document.get("data"), list):
        return None
    rows: Expected = {}
    for row in document["data"]:
        identity = row.get("id") if isinstance(row, dict) else None
        if type(identity) is str or (type(identity) is int and len(str(identity)) < 20):
            label = str(identity).strip()[:256]
            if not label:
                continue
            if not label.isprintable():
                raise LookupError
            rows.setdefault(label, dict(_values(row)))
    if not document["data"]:
        raise LookupError
    return rows


def _values(row: dict[str, Any]) -> Iterator[tuple[str, float]]:
    state = row.get("state")
    state = state if isinstance(state, str) and state in STATES else "unknown"
    yield f"state {state}", 1.0
    for name, most in (("progress_percentage", 100.0), ("eta_seconds", math.inf)):
        value: Any = row.get(name)
        if type(value) in {int, float} and 0 <= value <= most and math.isfinite(value):
            yield name, float(value)
    errors = row.get("deploy_errors")
    if state == "error" or (isinstance(errors, str) and errors.strip()):
        yield "failed", 1.0
    elif errors is None or isinstance(errors, str):
        yield "failed", 0.0


class Spoiled:
    """The simulator behind a mutator; remembers the last body of the operations of each database's deploy request."""

    def __init__(self, simulator: Simulator, report: Report, seed: int) -> None:
        self.report, self._mutator, self._share = report, Mutator(seed), random.Random(seed)  # noqa: S311 - no secret
        self.last: dict[str, bytes] = {}
        self.app = create_app(simulator)

        @web.middleware
        async def spoil(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._spoil(request, handler)

        self.app.middlewares.append(spoil)

    async def _spoil(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if not isinstance(response, web.Response) or not isinstance(response.body, bytes) or response.status != 200:
            return response
        body = response.body
        self.report.answers += 1
        if self._share.random() < 0.7:
            self.report.mutated += 1
            body = self._mutator.mutate(body)
        if request.path.endswith("/operations"):
            self.last[request.match_info["database"]] = body
        return web.Response(body=body, content_type="application/json")


def read(page: str) -> tuple[dict[str, float], dict[str, Expected]]:
    """What a page says: `up`, and the values of each operation, both by database.

    Raises:
        ValueError: a line is not of the format.
    """
    up: dict[str, float] = {}
    shown: dict[str, Expected] = {}
    for line in page.split("\n")[:-1]:
        sample = SAMPLE.fullmatch(line)
        if sample is None:
            if not line.startswith(("# HELP ", "# TYPE ")):
                raise ValueError(line)
            continue
        name, value = sample["name"], float(sample["value"])
        if not name.startswith((UP, PREFIX)):
            continue
        labels = {label: ESCAPE.sub(unescaped, text) for label, text in LABEL.findall(sample["labels"] or "")}
        if name == UP:
            up[labels["database"]] = value
        elif "shard" not in labels:
            name = name.removeprefix(PREFIX)
            if name == "state" and value:
                name = f"state {labels['state']}"
            shown.setdefault(labels["database"], {}).setdefault(labels["operation_id"], {})[name] = value
    return up, shown


def unescaped(escape: re.Match[str]) -> str:
    """What two characters of a label's value stand for."""
    return {"n": "\n"}.get(escape[1], escape[1])


def compare(page: str, last: dict[str, bytes], report: Report) -> None:
    """Compare the page with what the last answers allow."""
    up, shown = read(page)
    for database, body in last.items():
        try:
            allowed = expected(body)
        except LookupError:
            continue
        if up.get(database) != (0.0 if allowed is None else 1.0):
            report.wrong.append(f"{database}: up is {up.get(database)} after {body!r}")
        for identity, values in (allowed or {}).items():
            report.compared += 1
            said = shown.get(database, {}).get(identity, {})
            report.wrong += [
                f"{database}/{identity}: {name} {said.get(name)} not {values.get(name)}: {body!r}"
                for name in {"progress_percentage", "eta_seconds", "failed", *values}
                if said.get(name) != values.get(name)
            ]


async def fuzz(loop: VirtualLoop, answers: int, seed: int, tell: Callable[[Report], object] = lambda _: None) -> Report:
    """Poll until so many answers were given; *tell* is called ten times on the way."""
    report, now = Report(), clock(loop)
    simulator = Simulator(now.time, requests_per_minute=10**9, remembers=0)
    token = simulator.add_organization("acme")
    for name, scenario in SCENARIOS.items():  # a database each, since in one they would wait for each other
        simulator.add_database("acme", name)
        simulator.add_deploy_request("acme", name, name, age=scenario.length / 3, pace=0.01)
    targets = [parse(f"acme/{name}/1") for name in SCENARIOS]
    spoiled, observer, store = Spoiled(simulator, report, seed), Observer(), SnapshotStore()
    slots = Slots(RequestBudget(10**6), loop.time)
    exposition = Exposition(CollectorRegistry(auto_describe=True), ddl=True)
    async with TestServer(spoiled.app) as server, open_session() as session:
        transport = Transport(
            session, slots, lambda _: token, timeout=10, max_bytes=2**24, user_agent="fuzz", observer=observer
        )
        client = PlanetScale(transport, str(server.make_url("/v1")))
        timing = TIMING._replace(interval=30, idle_interval=30)
        poller = Poller(Assignment(client, Plan(tuple(targets)), timing, LIMITS), slots, store, observer, now)
        task = asyncio.create_task(poller.run())
        measured = 0
        while report.answers < answers and not report.wrong and not task.done():
            await asyncio.sleep(29)
            given = dict(spoiled.last)
            await asyncio.sleep(1)  # an answer that was only just given may not have been taken yet
            taken = {database: body for database, body in given.items() if spoiled.last[database] is body}
            compare(exposition.render(store.current, "", "", ()).body.decode(), taken, report)
            if report.answers >= measured:
                observer.delays.clear()
                report.measure()
                measured += answers // 10
                tell(report)
        if task.done():
            report.wrong.append(f"the poll loop has died: {task.exception()!r}")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    report.failures = observer.failures
    if observer.failures["bug"]:
        report.wrong.append(f"{observer.failures['bug']} bugs")
    return report


def main(answers: int = 1_000_000, seed: int = 1) -> int:
    """Print the report; 1 when something was wrong."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

    def tell(report: Report) -> None:
        sys.stderr.write(f"{report.answers:,} answers, {report.compared:,} operations compared\n")

    report = run(lambda loop: fuzz(loop, answers, seed, tell))
    sys.stdout.write("\n".join([str(report), *report.wrong[:20], ""]))
    return int(bool(report.wrong))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
