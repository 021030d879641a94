"""The real client, loop and exposition against a world's API on a virtual clock, and every sample that they expose."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from math import nan
from typing import Any

from aiohttp.test_utils import TestServer
from virtual import EPOCH, VirtualLoop, run

from exporter.metrics.exposition import Exposition
from exporter.metrics.own import OwnSeries, live_registry
from exporter.planetscale.budget import RequestBudget
from exporter.planetscale.client import PlanetScale
from exporter.planetscale.http import Transport, open_session
from exporter.planetscale.slots import Slots
from exporter.polling.fleet import Limits
from exporter.polling.pace import Timing
from exporter.polling.plan import Plan, Share
from exporter.polling.poller import Assignment, Clock, Poller
from exporter.polling.snapshot import SnapshotStore
from exporter.targets import parse

from .deploys import Life, Span, World
from .server import ORGANIZATION, create_app

STALE = nan
"""Stands for Prometheus' marker: a scrape no longer brought the series."""
BUDGET, STARVED = 300, 2
TIMING = Timing(interval=60, idle_interval=300, discovery_interval=120)
LIMITS = Limits(stale_after=300, retention=3600, max_operations=50_000, spare_after=600)


@dataclass
class Recorded:
    """The samples of one instance: the times of its scrapes, good and bad, and each series' changes as (time, value).

    Between two changes a series has the same value at every scrape.
    """

    scrapes: list[float] = field(default_factory=list)
    misses: list[float] = field(default_factory=list)
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    _last: dict[str, str] = field(default_factory=dict)
    _lines: frozenset[str] = frozenset()

    def take(self, at: float, page: str, wanted: Callable[[str], bool]) -> None:
        """A scrape."""
        self.scrapes.append(at)
        lines = frozenset(page.splitlines())
        gone = {line.rpartition(" ")[0] for line in self._lines - lines}
        for line in lines - self._lines:
            series, _, value = line.rpartition(" ")
            if not line.startswith("#") and wanted(series):
                gone.discard(series)
                self.series.setdefault(series, []).append((at, float(value)))
        self._end(gone, at)
        self._lines = lines

    def miss(self, at: float) -> None:
        """A scrape without an answer: every series ends."""
        self.misses.append(at)
        self._end({line.rpartition(" ")[0] for line in self._lines}, at)
        self._lines = frozenset()

    def _end(self, gone: set[str], at: float) -> None:
        for series in gone & self.series.keys():
            self.series[series].append((at, STALE))


def record(world: World, step: float, wanted: Callable[[str], bool]) -> dict[str, Recorded]:
    """Let the world pass and scrape every instance each *step* seconds; by instance, what was seen."""
    return run(lambda loop: _record(loop, world, step, wanted))


async def _record(loop: VirtualLoop, world: World, step: float, wanted: Callable[[str], bool]) -> dict[str, Recorded]:
    clock = Clock(loop.time, lambda: EPOCH + loop.time())
    async with TestServer(create_app(world, clock.time)) as server:
        url = str(server.make_url("/v1"))
        instances = [_Instance(life, world, clock, url, step, wanted) for life in world.lives]
        await asyncio.gather(*(instance.live() for instance in instances))
    return {instance.life.name: instance.recorded for instance in instances}


@dataclass(frozen=True)
class _Instance:
    """One exporter: where it asks, and how it is scraped."""

    life: Life
    world: World
    clock: Clock
    url: str
    step: float
    wanted: Callable[[str], bool]
    recorded: Recorded = field(default_factory=Recorded)

    async def live(self) -> None:
        """Its runs, one after the other; where it does not run, scrapes fail."""
        for span in self.life.runs:
            await self._scrape_until(span.start, None)
            await self._run(min(span.end, self.world.span.end))
        await self._scrape_until(self.world.span.end, None)

    async def _scrape_until(self, end: float, page: Callable[[], str] | None) -> None:
        while (at := (self.clock.time() // self.step + 1) * self.step) < end:
            await asyncio.sleep(at - self.clock.time())
            if page:
                self.recorded.take(self.clock.time(), page(), self.wanted)
            else:
                self.recorded.miss(self.clock.time())
        await asyncio.sleep(max(0.0, end - self.clock.time()))

    async def _run(self, end: float) -> None:
        """One process of an exporter, until its end."""
        slots, store = Slots(RequestBudget(BUDGET), self.clock.monotonic), SnapshotStore()
        own = OwnSeries(version="0", revision="")
        own.budget(BUDGET)
        own.shard(*self.life.shard)
        own.reloaded(ok=True, at=self.clock.time())
        live = live_registry(slots.seconds_waited)
        exposition = Exposition(live, own, ddl=False)
        async with open_session() as session:
            transport = Transport(
                session,
                slots,
                lambda _: "id:token",
                timeout=10,
                max_bytes=16 * 2**20,
                user_agent="planetscale-exporter/test",
                observer=own,
            )
            plan = Plan((parse(ORGANIZATION),), Share(*self.life.shard))
            assignment = Assignment(PlanetScale(transport, self.url), plan, TIMING, LIMITS)
            poller = Poller(assignment, slots, store, own, self.clock)

            def page() -> str:
                return exposition.render(store.current, "", "", ()).body.decode()

            tasks = [asyncio.create_task(each) for each in (poller.run(), *self._troubles(slots, own))]
            try:
                await self._scrape_until(end, page)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _troubles(self, slots: Slots, own: OwnSeries) -> Iterator[Coroutine[Any, Any, None]]:
        """What happens to the process meanwhile."""
        for span in self.world.starved:
            yield _at(span, self.clock, slots.resize, STARVED, BUDGET)
        for span in self.world.misconfigured:
            yield _at(span, self.clock, lambda ok: own.reloaded(ok=bool(ok), at=self.clock.time()), 0, 1)


async def _at(span: Span, clock: Clock, act: Callable[[int], None], inside: int, outside: int) -> None:
    """Do something while a time lasts, as far as this process lives to see it."""
    if clock.time() >= span.end:
        return
    await asyncio.sleep(max(0.0, span.start - clock.time()))
    act(inside)
    await asyncio.sleep(max(0.0, span.end - clock.time()))
    act(outside)
