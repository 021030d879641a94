"""How old values get: the schedule and the request budget over thousands of hours, and the goal of the project."""

import asyncio
import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polled import clock, most_in_a_minute, polling
from virtual import VirtualLoop, virtually

from exporter.planetscale.budget import WINDOW, RequestBudget
from exporter.polling.jobs import Job, Kind
from exporter.polling.plan import Share
from exporter.polling.schedule import Entry, Rank, Schedule, Wait, again, decide
from exporter.simulator import large_fleet

HOUR: Final = 3600.0
STALE_AFTER: Final = 300.0


@dataclass(frozen=True)
class Load:
    """Jobs of a kind: how many, how often they are due, how pressing they are, and how many pages each takes."""

    count: int
    interval: float
    rank: Rank
    pages: int = 1

    @property
    def requests_per_minute(self) -> float:
        """What it takes to start all of them in time."""
        return 60 / self.interval * self.count * self.pages


@dataclass
class Simulated:
    """What happened: when each job was started, when each request left and ended, and how many polls were late."""

    starts: dict[Job, list[float]] = field(default_factory=lambda: defaultdict(list))
    requests: list[tuple[float, float]] = field(default_factory=list)
    late: int = 0

    def gaps(self, load: int, after: float) -> list[float]:
        """Seconds between the polls of each job of a load, from a time on."""
        return [
            later - earlier
            for job, starts in self.starts.items()
            if job.database == str(load)
            for earlier, later in pairwise(starts)
            if earlier > after
        ]

    def most_in_a_window(self) -> int:
        """The most requests that may have counted in any 60 seconds: each counts until a minute after it ended."""
        begins, ends = sorted(left for left, _ in self.requests), sorted(ended for _, ended in self.requests)
        gone = most = 0
        for number, left in enumerate(begins):
            while ends[gone] + WINDOW <= left:
                gone += 1
            most = max(most, number + 1 - gone)
        return most


class Simulation:
    """The real schedule and the real budget, with polls that take *latency* seconds a page."""

    def __init__(self, loads: Iterable[Load], limit: int, latency: float) -> None:
        self.now, self.latency = 0.0, latency
        self.schedule, self.budget, self.happened = Schedule(), RequestBudget(limit), Simulated()
        self.pages: dict[Job, int] = {}
        # When the page under way of each running poll ends, its entry, when it began, and how many pages are to come.
        self.running: list[tuple[float, int, Entry, float, int]] = []
        self.waiting: list[tuple[Entry, float, int]] = []
        for number, load in enumerate(loads):
            for index in range(load.count):
                job = Job(Kind.OPERATIONS, "acme", str(number), index + 1)
                self.schedule.add(job, 0, load.rank, load.interval)
                self.pages[job] = load.pages

    def leave(self, entry: Entry, began: float, left: int) -> None:
        """Send a request, the first of so many."""
        self.budget.take(self.now)
        self.happened.requests.append((self.now, self.now + self.latency))
        heapq.heappush(self.running, (self.now + self.latency, len(self.happened.requests), entry, began, left - 1))

    def end(self) -> None:
        """Let end what has ended by now."""
        while self.running and self.running[0][0] <= self.now:
            ended, _, entry, began, left = heapq.heappop(self.running)
            self.budget.give_back(ended)
            if left:
                self.waiting.append((entry, began, left))
            else:
                due = again(entry, began, entry.interval)
                self.schedule.finish(entry, due, entry.rank, self.pages[entry.job])

    def step(self) -> float | None:
        """Start what may start: seconds until there may be more to do, None when only an end can tell."""
        if self.waiting:
            # The pages of a poll under way go before new polls.
            wait = self.budget.delay(self.now)
            if wait == 0:
                self.leave(*self.waiting.pop(0))
            return wait
        decision = decide(self.schedule, self.budget, self.now, lambda _: False)
        if isinstance(decision, Wait):
            return decision.seconds
        self.schedule.start(decision, self.now)
        self.happened.starts[decision.job].append(self.now)
        self.leave(decision, self.now, self.pages[decision.job])
        return 0

    def run(self, hours: float) -> Simulated:
        """Let so much time pass."""
        told = 0.0
        while self.now < hours * HOUR:
            self.end()
            if self.now - told >= 1:
                told = self.now
                self.happened.late += len(self.schedule.late(told, STALE_AFTER))
            if wait := self.step():
                self.now += max(wait, 1e-6)
                self.now = min(self.now, self.running[0][0]) if self.running else self.now
            elif wait is None:
                self.now = self.running[0][0]
        return self.happened


def simulate(loads: Iterable[Load], limit: int, hours: float, latency: float) -> Simulated:
    """What happens in so many hours."""
    return Simulation(loads, limit, latency).run(hours)


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[Load], int]:
    """Some loads of every rank, and a budget from far too small to ample."""
    counts = st.integers(1, 15)
    loads = [
        Load(draw(counts), 30, Rank.MOVING, draw(st.integers(1, 2))),
        Load(draw(counts), 30, Rank.REST),
        Load(draw(counts), draw(st.sampled_from([60, 300])), Rank.REST),
        Load(draw(counts), 300, Rank.SPARE),
    ]
    return loads, draw(st.integers(3, 60))


@pytest.mark.slow
@settings(max_examples=60)
@given(fleet=fleets(), latency=st.sampled_from([0.0, 0.2, 3.0]))
def test_nothing_starves_and_the_budget_holds(fleet: tuple[list[Load], int], latency: float) -> None:
    """Whatever there is to poll: never above the limit in any minute, and every rank gets its share of it."""
    loads, limit = fleet
    happened = simulate(loads, limit, hours=4, latency=latency)
    assert happened.most_in_a_window() <= limit
    for rank, share in ((Rank.MOVING, 0.8), (Rank.REST, 0.2)):
        requests = sum(load.count * load.pages for load in loads if load.rank is rank)
        # A round of all there is in the rank, on its share of the budget, which a busy server gives back later.
        for number, load in enumerate(loads):
            if load.rank is rank:
                longest = load.interval + 1.2 * (WINDOW + latency) * (requests + limit / 5 + 2) / (limit * share)
                assert max(happened.gaps(number, after=0), default=0) <= longest


@pytest.mark.slow
@settings(max_examples=30)
@given(moving=st.integers(20, 60), rest=st.integers(20, 60), limit=st.integers(5, 20))
def test_within_a_rank_all_get_slower_evenly(moving: int, rest: int, limit: int) -> None:
    """Far too small a budget: what moves gets four fifths, the rest one, each job of a rank as much as the next."""
    loads = [Load(moving, 30, Rank.MOVING), Load(rest, 60, Rank.REST), Load(5, 300, Rank.SPARE)]
    happened = simulate(loads, limit, hours=10, latency=0.2)
    polls = Counter({job.database: 0 for job in happened.starts})
    for job, starts in happened.starts.items():
        polls[job.database] += len(starts)
    assert 0.19 < polls["1"] / (polls["0"] + polls["1"]) < 0.24
    for number in (0, 1):
        gaps = happened.gaps(number, after=HOUR)
        assert max(gaps) / min(gaps) < 1.5


@pytest.mark.slow
@settings(max_examples=30)
@given(
    loads=st.lists(
        st.builds(Load, st.integers(1, 15), st.sampled_from([30, 60, 300]), st.sampled_from([Rank.MOVING, Rank.REST])),
        min_size=1,
        max_size=4,
    ),
    latency=st.sampled_from([0.0, 0.2, 1.0]),
)
def test_with_enough_budget_nothing_is_late(loads: list[Load], latency: float) -> None:
    """With a tenth more than is needed no poll ever starts a minute late, once all has been asked."""
    jobs = sum(load.count for load in loads)
    limit = int(1.1 * sum(load.requests_per_minute for load in loads)) + 5
    happened = simulate([*loads, Load(5, 300, Rank.SPARE)], limit, hours=1, latency=latency)
    assert happened.most_in_a_window() <= limit
    assert happened.late == 0
    for number, load in enumerate(loads):
        assert max(happened.gaps(number, after=2 * WINDOW * jobs / limit), default=0) <= load.interval + WINDOW


@pytest.mark.slow
@virtually
async def test_the_goal(loop: VirtualLoop) -> None:
    """200 databases, 400 deploy requests, 300 requests a minute: all found within 90 s, never older than a minute."""
    simulator = large_fleet(clock(loop).time, databases=200, deploy_requests=400, operations=2)
    simulator.requests_per_minute = 300
    oldest = 0.0
    async with polling(loop, simulator, "large", requests_per_minute=300) as polled:
        await asyncio.sleep(90)
        for _ in range(150):
            statuses = polled.snapshot.deploy_requests
            assert len(statuses) == 400
            assert all(status.operations.ok and len(status.watched) == 2 for status in statuses)
            answers = [status.operations.answered_at for status in statuses]
            ages = [loop.time() - answered.steady for answered in answers if answered]
            assert len(ages) == 400
            oldest = max(oldest, *ages)
            await asyncio.sleep(1)
        assert polled.observer.failures == {}
        assert sum(status.request.value is not None for status in statuses) == 400
    assert oldest <= 60
    assert most_in_a_minute(simulator) <= 300


@pytest.mark.slow
@virtually
async def test_the_goal_with_ten_replicas(loop: VirtualLoop) -> None:
    """Ten times that among ten: in the largest share nothing gets older than a minute, while long lists are read."""
    simulator = large_fleet(clock(loop).time, databases=2000, deploy_requests=4000, operations=2)
    simulator.requests_per_minute = 300
    shares = [Share(index, 10) for index in range(10)]
    sizes = [sum(share.owns("large", name) for name in simulator.organizations["large"]) for share in shares]
    largest, share = max(zip(sizes, shares, strict=True), key=itemgetter(0))
    oldest = 0.0
    async with polling(loop, simulator, "large", requests_per_minute=300, share=share) as polled:
        await asyncio.sleep(90)
        for _ in range(240):
            statuses = polled.snapshot.deploy_requests
            assert len(statuses) == 2 * largest
            answers = [status.operations.answered_at for status in statuses]
            oldest = max(oldest, *(loop.time() - answered.steady for answered in answers if answered))
            await asyncio.sleep(1)
        assert polled.observer.failures == {}
        assert polled.observer.requests["databases", "200"] > 20  # all pages more than once
    assert oldest <= 60
    assert most_in_a_minute(simulator) <= 300
