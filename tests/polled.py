"""The real client, loop and snapshot, polling a simulated PlanetScale over HTTP on a virtual clock."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from operator import attrgetter

from aiohttp import web
from aiohttp.test_utils import TestServer
from virtual import EPOCH, VirtualLoop

from exporter.planetscale.budget import RequestBudget
from exporter.planetscale.client import PlanetScale
from exporter.planetscale.http import Transport, open_session
from exporter.planetscale.slots import Slots
from exporter.polling.fleet import Limits
from exporter.polling.pace import Timing
from exporter.polling.plan import Plan, Share
from exporter.polling.poller import Assignment, Clock, Poller
from exporter.polling.snapshot import DeployRequestStatus, Key, Snapshot, SnapshotStore
from exporter.simulator import Simulator, create_app
from exporter.targets import parse

TIMING = Timing(interval=30, idle_interval=300, discovery_interval=60)
LIMITS = Limits(stale_after=300, retention=3600, max_operations=50_000, spare_after=600)
BRIEF = LIMITS._replace(retention=600)


@dataclass
class Observer:
    """Counts what client and loop report."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    skips: Counter[str] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)

    def request_ended(self, endpoint: str, code: str, seconds: float) -> None:
        """Count a request."""
        assert seconds >= 0
        self.requests[endpoint, code] += 1

    def poll_started(self, delay_seconds: float) -> None:
        """Note a poll's delay."""
        self.delays.append(delay_seconds)

    def poll_failed(self, reason: str) -> None:
        """Count a failure."""
        self.failures[reason] += 1

    def skipped(self, reason: str, count: int) -> None:
        """Count what was left out."""
        self.skips[reason] += count


def clock(loop: VirtualLoop) -> Clock:
    """The loop's time, and Unix time that goes with it."""
    return Clock(loop.time, lambda: EPOCH + loop.time())


def simulated(loop: VirtualLoop, *databases: str, requests_per_minute: int = 100_000) -> Simulator:
    """A simulator on the loop's clock with the organisation `acme`; the database is `shop` unless others are named."""
    simulator = Simulator(clock(loop).time, requests_per_minute=requests_per_minute)
    simulator.add_organization("acme")
    for name in databases or ("shop",):
        simulator.add_database("acme", name)
    return simulator


@dataclass
class Delays:
    """Answers that are ready at once and arrive late: what a path ends in, and the seconds its next answers take."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def hold(self, ending: str, *seconds: float) -> None:
        """Let the next answers to paths with this ending take so long, one after the other."""
        self.seconds.setdefault(ending, []).extend(seconds)

    async def __call__(self, path: str) -> None:
        """Wait as long as an answer to *path* takes."""
        for ending, seconds in list(self.seconds.items()):
            if path.endswith(ending) and seconds:
                await asyncio.sleep(seconds.pop(0))


@dataclass
class Polled:
    """A poll loop under way."""

    simulator: Simulator
    assignment: Assignment
    poller: Poller
    slots: Slots
    store: SnapshotStore
    observer: Observer
    delays: Delays
    task: asyncio.Task[None]

    @property
    def snapshot(self) -> Snapshot:
        """What is exported now."""
        return self.store.current

    def status(self, organization: str, database: str, number: int) -> DeployRequestStatus:
        """What is known of one deploy request."""
        by_key = {status.key: status for status in self.snapshot.deploy_requests}
        return by_key[Key(organization, database, number)]

    def keys(self) -> set[str]:
        """The exported deploy requests, written as targets."""
        return {str(status.key) for status in self.snapshot.deploy_requests}

    def targets(self) -> dict[str, bool | None]:
        """The targets and whether they are up."""
        return {target.text: target.up for target in self.snapshot.targets}

    def reload(
        self,
        *targets: str,
        limits: Limits | None = None,
        timing: Timing | None = None,
        client: PlanetScale | None = None,
    ) -> None:
        """Swap the plan for *targets*, where there are any, and what else is given."""
        old = self.assignment
        self.assignment = replace(
            old,
            plan=Plan(tuple(map(parse, targets)), old.plan.share) if targets else old.plan,
            limits=limits or old.limits,
            timing=timing or old.timing,
            client=client or old.client,
        )
        self.poller.assign(self.assignment)


def served(simulator: Simulator, delays: Delays) -> web.Application:
    """The simulator, whose answers may be held."""
    app = create_app(simulator)

    @web.middleware
    async def delayed(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        response = await handler(request)
        await delays(request.path)
        return response

    app.middlewares.append(delayed)
    return app


@asynccontextmanager
async def polling(  # noqa: PLR0913 - each has a default and a name
    loop: VirtualLoop,
    simulator: Simulator,
    *targets: str,
    requests_per_minute: int = 300,
    timing: Timing = TIMING,
    limits: Limits = LIMITS,
    share: Share = Share(),  # noqa: B008 - frozen
    timeout: float = 10,  # noqa: ASYNC109 - the setting of the client, not of this function
    times: Clock | None = None,
) -> AsyncIterator[Polled]:
    """Poll *targets* of *simulator*, whose clock should be `clock(loop).time`, until the context ends."""
    slots, store, observer, delays = (
        Slots(RequestBudget(requests_per_minute), loop.time), SnapshotStore(), Observer(), Delays()
    )  # fmt: skip
    async with TestServer(served(simulator, delays)) as server, open_session() as session:
        transport = Transport(
            session,
            slots,
            lambda organization: simulator.tokens.get(organization, "none:none"),
            timeout=timeout,
            max_bytes=16 * 2**20,
            user_agent="planetscale-exporter/test",
            observer=observer,
        )
        client = PlanetScale(transport, str(server.make_url("/v1")))
        assignment = Assignment(client, Plan(tuple(map(parse, targets)), share), timing, limits)
        poller = Poller(assignment, slots, store, observer, times or clock(loop))
        task = asyncio.create_task(poller.run())
        polled = Polled(simulator, assignment, poller, slots, store, observer, delays, task)
        try:
            yield polled
            kept = polled.snapshot
            polled.reload(*(target.text for target in polled.assignment.plan.targets))
            assert polled.snapshot == kept, "what was put together bit by bit is not what is known"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def most_in_a_minute(simulator: Simulator) -> int:
    """The most requests that came in any 60 seconds."""
    times = [asked.at for asked in sorted(simulator.requests, key=attrgetter("at"))]
    first = most = 0
    for last, at in enumerate(times):
        while times[first] <= at - 60:
            first += 1
        most = max(most, last - first + 1)
    return most
