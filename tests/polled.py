"""The real client, loop and snapshot, polling a simulated PlanetScale over HTTP on a virtual clock."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp.test_utils import TestServer

from exporter.planetscale.budget import RequestBudget
from exporter.planetscale.client import PlanetScale
from exporter.planetscale.http import Transport, open_session
from exporter.planetscale.slots import Slots
from exporter.polling.fleet import Limits
from exporter.polling.plan import Plan, Share
from exporter.polling.poller import Assignment, Clock, Poller, Timing
from exporter.polling.snapshot import DeployRequestStatus, Key, Snapshot, SnapshotStore
from exporter.simulator import Simulator, create_app
from exporter.targets import parse
from virtual import EPOCH, VirtualLoop

TIMING = Timing(interval=30, idle_interval=300, discovery_interval=60)
LIMITS = Limits(stale_after=300, retention=3600, max_operations=50_000, spare_after=600)


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


@dataclass
class Polled:
    """A poll loop under way."""

    simulator: Simulator
    poller: Poller
    slots: Slots
    store: SnapshotStore
    observer: Observer
    task: asyncio.Task[None]
    client: PlanetScale

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


@asynccontextmanager
async def polling(  # noqa: PLR0913 - each has a default and a name
    loop: VirtualLoop,
    simulator: Simulator,
    targets: Iterable[str],
    *,
    requests_per_minute: int = 300,
    timing: Timing = TIMING,
    limits: Limits = LIMITS,
    share: Share = Share(),  # noqa: B008 - frozen
    timeout: float = 10,
) -> AsyncIterator[Polled]:
    """Poll *targets* of *simulator*, whose clock should be `clock(loop).time`, until the context ends."""
    slots, store, observer = Slots(RequestBudget(requests_per_minute), loop.time), SnapshotStore(), Observer()
    async with TestServer(create_app(simulator)) as server, open_session() as session:
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
        plan = Plan(tuple(map(parse, targets)), share)
        poller = Poller(Assignment(client, plan, timing, limits), slots, store, observer, clock(loop))
        task = asyncio.create_task(poller.run())
        try:
            yield Polled(simulator, poller, slots, store, observer, task, client)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
