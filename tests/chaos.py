"""A simulated day of everything that goes wrong, against the simulator's own truth, on a virtual clock.

    .venv/bin/python tests/chaos.py [HOURS] [SEED]

Answers fail, hang, break off, come late, are refused or limited; tokens are revoked; deploy requests and databases come
and go; the configuration is reloaded, the exporter restarted with a clock that is off. Every minute what is exported
is compared with what PlanetScale had said; afterwards all is well again and must be exported. What is wrong is exit
code 1.
"""

import asyncio
import os
import random
import resource
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

import structlog
from polled import Polled, most_in_a_minute, polling
from virtual import EPOCH, VirtualLoop, run

from exporter.polling.poller import Clock
from exporter.polling.snapshot import DeployRequestStatus, Key
from exporter.simulator import SCENARIOS, Fault, Simulator

BUDGET: Final = 300
DATABASES: Final = 25
SLOW: Final = 8.0
FAULTS: Final = (
    {"status": 500},
    {"status": 503, "body": "<html>"},
    {"status": 403},
    {"status": 404},
    {"status": 422},
    {"status": 429, "headers": {"Retry-After": "20"}},
    {"status": 200, "body": '{"data": 7}'},
    {"status": 200, "body": b"\xff\x00"},
    {"status": 200, "body": '{"data": [' + "{}," * 200 + "{}]}"},
    {"status": 302, "headers": {"Location": "http://elsewhere.invalid/"}},
    {"drop": True},
)
ENDPOINTS: Final = ("*", "databases", "deploy_queue", "deploy_requests", "deploy_request", "operations", "throttler")
NUMBERED: Final = Key("acme", "database-0", 1)
TARGETS: Final = ("acme", str(NUMBERED))


@dataclass
class Report:
    """What happened; `wrong` says what must not."""

    compared: int = 0
    events: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    requests: int = 0
    most: int = 0
    kilobytes: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        """A few lines for people."""
        return (
            f"{self.events.total():,} events ({', '.join(f'{n} {name}' for name, n in sorted(self.events.items()))})\n"
            f"{self.requests:,} requests, at most {self.most} in a minute; polls failed: {dict(self.failures)}\n"
            f"{self.compared:,} operations compared with the truth; wrong: {len(self.wrong)}\n"
            f"at the start and after each hour: tasks {self.tasks}, descriptors {self.descriptors}, kB {self.kilobytes}"
        )


class Chaos:
    """One exporter after another before one simulator, on the loop's clock."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self.loop = loop
        self.chance = random.Random(seed)  # noqa: S311 - no secret
        self.report = Report()
        self.simulator = Simulator(lambda: EPOCH + loop.time(), requests_per_minute=600, remembers=50_000)
        self.token = self.simulator.add_organization("acme")
        self.skew = 0.0
        for index in range(DATABASES):
            self.simulator.add_database("acme", f"database-{index}")
        self.open("database-0", "long_copy")

    def open(self, database: str, scenario: str) -> None:
        """Open a deploy request that plays its plot in about an hour."""
        pace = max(1.0, SCENARIOS[scenario].length / self.chance.uniform(1800, 7200))
        self.simulator.add_deploy_request("acme", database, scenario, pace=pace)

    # -- what happens

    def change(self) -> None:
        """Something that people at PlanetScale or beside it do."""
        chance, simulator = self.chance, self.simulator
        databases = list(simulator.organizations["acme"])
        database = chance.choice(databases)
        home = simulator.organizations["acme"][database]
        there = home.deploy_requests(simulator.clock())
        live = [request.number for request in there if request.scene.closed is None]
        match chance.choice(["open"] * 6 + ["close", "delete", "database gone", "database new"]):
            case "open":
                self.open(database, chance.choice(list(SCENARIOS)))
                self.report.events["opened"] += 1
            case "close" if live:
                simulator.close_deploy_request("acme", database, chance.choice(live))
                self.report.events["closed"] += 1
            case "delete" if live and (number := chance.choice(live)) and (database, number) != NUMBERED[1:]:
                simulator.delete_deploy_request("acme", database, number)
                self.report.events["deleted"] += 1
            case "database gone" if len(databases) > DATABASES // 2 and database != NUMBERED.database:
                simulator.remove_database("acme", database)
                self.report.events["database gone"] += 1
            case "database new":
                simulator.add_database("acme", f"later-{int(self.loop.time())}")
                self.report.events["database new"] += 1

    def trouble(self, polled: Polled) -> None:
        """Something that goes wrong, until `heal`."""
        chance = self.chance
        match chance.choice(["fault", "fault", "fault", "slow", "revoked", "limited", "reload"]):
            case "fault":
                database = chance.choice(["*", *self.simulator.organizations["acme"]])
                times = chance.choice([None, 1, 5, 50])
                endpoint = chance.choice(ENDPOINTS)
                self.simulator.fail(Fault(endpoint, "*", database, times=times, **chance.choice(FAULTS)))
                self.report.events["fault"] += 1
            case "slow":
                for ending in ("/deploy-queue", "/operations", "/deploy-requests"):
                    polled.delays.hold(ending, *[SLOW] * 10)
                self.report.events["slow"] += 1
            case "revoked":
                self.simulator.revoke(self.token)
                self.report.events["token revoked"] += 1
            case "limited":
                self.simulator.requests_per_minute = chance.choice([0, 20, 200])
                self.report.events["limit used by others"] += 1
            case "reload":
                polled.reload(*TARGETS, f"!acme/database-{chance.randrange(DATABASES)}")
                self.report.events["reload"] += 1

    def heal(self, polled: Polled) -> None:
        """All is well again, as far as PlanetScale can tell."""
        self.simulator.heal()
        self.simulator.revoke(self.token)
        self.simulator.grant(self.token, "acme")
        self.simulator.requests_per_minute = 600
        polled.delays.seconds.clear()
        polled.reload(*TARGETS)

    # -- what must hold

    def compare(self, polled: Polled) -> None:
        """What is exported is what PlanetScale said at the time of the answer, and not too old to count as well."""
        if polled.task.done():
            self.report.wrong.append("the poll loop has died")
        now = self.simulator.clock()
        for status in polled.snapshot.deploy_requests:
            part = status.operations
            if part.value is None or part.answered_at is None:
                continue
            at = part.answered_at.unix - self.skew
            if part.ok and status.finished_at is None and now - at > LIMIT:
                self.report.wrong.append(f"{status.key} counts as up, its data is {now - at:.0f} s old")
            said = list(self.truths(status.key, at))
            rows = [one.operation for one in part.value]
            exported = Counter((row.table, str(row.state), row.progress) for row in rows)
            self.report.compared += len(part.value)
            if said and exported and exported not in said:
                self.report.wrong.append(f"{status.key} shows {exported} where PlanetScale said {said}")

    def truths(self, key: Key, at: float) -> Iterator[Counter[tuple[str, str, float | None]]]:
        """What PlanetScale may have said of a deploy request in an answer that came in at that time."""
        home = self.simulator.organizations["acme"].get(key.database)
        for moment in (at, at - SLOW) if home else ():
            for request in home.deploy_requests(moment) if home else ():
                if request.number == key.number:
                    yield Counter((row.change.table, row.state, row.progress) for row in request.scene.rows)

    def settled(self, polled: Polled) -> None:
        """After the storm everything that runs is exported, up, and as it is."""
        shown: dict[Key, DeployRequestStatus] = {status.key: status for status in polled.snapshot.deploy_requests}
        for name, home in self.simulator.organizations["acme"].items():
            for request in home.deploy_queue(self.simulator.clock()):
                status = shown.get(Key("acme", name, request.number))
                if status is None:
                    self.report.wrong.append(f"acme/{name}/{request.number} runs and is not exported")
                elif not status.operations.ok:
                    self.report.wrong.append(f"{status.key} is not up though all is well: {status.operations.error}")
        if down := [f"{target.text}: {target.error}" for target in polled.snapshot.targets if not target.up]:
            self.report.wrong.append(f"targets are down though all is well: {down}")
        if bugs := polled.observer.failures["bug"]:
            self.report.wrong.append(f"{bugs} bugs")

    def measure(self) -> None:
        """What this process holds."""
        self.report.kilobytes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        self.report.descriptors.append(len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - it changes while it is read
        self.report.tasks.append(len(asyncio.all_tasks()))


LIMIT: Final = 300 + 300 + 60
"""The longest interval, what a late poll may take until it counts as failed, and a check's own minute."""


async def hour(chaos: Chaos) -> None:
    """One exporter's life: forty minutes of trouble, and twenty in which it must find its way back."""
    async with AsyncExitStack() as stack:
        chaos.skew = chaos.chance.choice([0.0, 0.0, -400.0, 3600.0])
        times = Clock(chaos.loop.time, lambda: EPOCH + chaos.loop.time() + chaos.skew)
        polled = await stack.enter_async_context(
            polling(chaos.loop, chaos.simulator, *TARGETS, requests_per_minute=BUDGET, times=times)
        )
        chaos.report.events["start"] += 1
        for minute in range(60):
            if minute < 40:
                chaos.change()
                if minute % 4 == 0:
                    chaos.trouble(polled)
                if minute % 13 == 12:
                    chaos.heal(polled)
            elif minute == 40:
                chaos.heal(polled)
            await asyncio.sleep(60)
            chaos.compare(polled)
        chaos.settled(polled)
        chaos.report.failures += polled.observer.failures


async def chaos_for(loop: VirtualLoop, hours: int, seed: int) -> Report:
    """So many hours of it."""
    chaos = Chaos(loop, seed)
    chaos.measure()
    for _ in range(hours):
        await hour(chaos)
        report = chaos.report
        report.requests += len(chaos.simulator.requests)
        report.most = max(report.most, most_in_a_minute(chaos.simulator))
        if report.most > 2 * BUDGET:  # two exporters' lives may touch in one minute
            report.wrong.append(f"{report.most} requests in a minute")
        chaos.simulator.requests.clear()
        chaos.measure()
    return chaos.report


def main(hours: int = 24, seed: int = 1) -> int:
    """Print the report; 1 when something was wrong."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    report = run(lambda loop: chaos_for(loop, hours, seed))
    sys.stdout.write("\n".join([f"{hours} hours", str(report), *report.wrong[:50], ""]))
    return int(bool(report.wrong))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
