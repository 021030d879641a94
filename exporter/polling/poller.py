"""The poll loop: starts what is due as the request budget allows, and swaps the snapshot after every answer."""

import asyncio
import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic, time
from typing import Final, NamedTuple, Protocol

import structlog

from exporter.planetscale.client import PlanetScale
from exporter.planetscale.errors import NotFoundError, PlanetScaleError, RateLimitedError
from exporter.planetscale.models import Deployment, Operation
from exporter.planetscale.rows import Rows
from exporter.planetscale.slots import Slots
from exporter.polling.fleet import Fleet, Limits
from exporter.polling.jobs import Job, Kind
from exporter.polling.plan import Plan
from exporter.polling.schedule import Entry, Rank, Schedule, Wait, back_off, decide, spread
from exporter.polling.snapshot import SnapshotStore

MAX_RUNNING: Final = 20
_TICK: Final = 1.0
_PER_PAGE: Final = 100
# What nothing is known of may move; a deploy request's operations come before what else there is to know of it.
_FIRST_URGENT: Final = frozenset({Kind.DATABASES, Kind.QUEUE, Kind.OPERATIONS})
_URGENT: Final = frozenset({Kind.QUEUE, Kind.OPERATIONS, Kind.REQUEST})

log = structlog.get_logger()


class PollObserver(Protocol):
    """Who wants to know how polls go."""

    def poll_started(self, delay_seconds: float) -> None:
        """A poll's first request leaves, so many seconds after the poll was due."""

    def poll_failed(self, reason: str) -> None:
        """A poll failed."""

    def skipped(self, reason: str, count: int) -> None:
        """A poll left operations out."""


class Clock(NamedTuple):
    """Seconds that never go back, and Unix time."""

    monotonic: Callable[[], float] = monotonic
    time: Callable[[], float] = time


class Timing(NamedTuple):
    """How often to ask, in seconds."""

    interval: float
    idle_interval: float
    discovery_interval: float


@dataclass(frozen=True, slots=True)
class Assignment:
    """All that a reload swaps."""

    client: PlanetScale
    plan: Plan
    timing: Timing
    limits: Limits


class Poller:
    """Polls what the plan asks for, for ever."""

    def __init__(
        self,
        assignment: Assignment,
        slots: Slots,
        store: SnapshotStore,
        observer: PollObserver,
        clock: Clock | None = None,
    ) -> None:
        self._assignment = assignment
        self._slots = slots
        self._store = store
        self._observer = observer
        self._clock = clock or Clock()
        self._fleet = Fleet(assignment.plan, assignment.limits)
        self._schedule = Schedule()
        self._jobs: dict[tuple[str, str], frozenset[Job]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._wakeup = asyncio.Event()
        self._ready = False
        self._logged_skips: set[tuple[Job, str]] = set()
        self._told_budget = False
        self._sync(self._fleet.scopes())

    @property
    def is_ready(self) -> bool:
        """Whether every target has been tried once; it never becomes false again."""
        self._ready = self._ready or self._fleet.is_tried()
        return self._ready

    def assign(self, assignment: Assignment) -> None:
        """Take other settings; what is known of what they still cover stays."""
        self._assignment = assignment
        self._fleet.replan(assignment.plan, assignment.limits)
        self._sync({*self._jobs, *self._fleet.scopes()})
        for entry in list(self._schedule):
            self._schedule.hasten(entry.job, self._clock.monotonic() + self._interval(entry.job))
        self._told_budget = False
        self._publish()
        self._wakeup.set()

    def retry(self, is_concerned: Callable[[str], bool]) -> None:
        """Try at once what fails in the organisations concerned: their credentials have changed."""
        for entry in list(self._schedule):
            if entry.failures and is_concerned(entry.job.organization):
                entry.failures = 0
                self._schedule.hasten(entry.job, self._clock.monotonic())
        self._wakeup.set()

    async def run(self) -> None:
        """Poll until cancelled; polls under way are cancelled with it."""
        self._publish()
        housekeeping = float("-inf")
        try:
            while True:
                now = self._clock.monotonic()
                if now - housekeeping >= _TICK:
                    housekeeping = now
                    self._pass_time()
                await self._step(now)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _step(self, now: float) -> None:
        """Start a poll, or wait until there may be more to do."""
        if len(self._running) >= MAX_RUNNING:
            await self._sleep(_TICK)
        elif self._slots.are_contended:
            # The pages of a poll under way go before new polls.
            with self._slots.waiting():
                await self._sleep(_TICK)
        else:
            match decide(self._schedule, self._slots.budget, now, self._is_first_of_target):
                case Entry() as entry:
                    self._start(entry, now)
                    # Lets the poll take its slot before the next one is considered.
                    await asyncio.sleep(0)
                case Wait(seconds, for_budget=True):
                    with self._slots.waiting():
                        await self._sleep(seconds)
                case Wait(seconds):
                    await self._sleep(seconds)

    def _is_first_of_target(self, entry: Entry) -> bool:
        return entry.first and self._fleet.is_configured(entry.job.key)

    async def _sleep(self, seconds: float) -> None:
        self._wakeup.clear()
        try:
            async with asyncio.timeout(min(seconds, _TICK)):
                await self._wakeup.wait()
        except TimeoutError:
            pass

    def _start(self, entry: Entry, now: float) -> None:
        self._schedule.start(entry, now)
        self._observer.poll_started(now - entry.due)
        task = asyncio.create_task(self._poll(entry, now), name=str(entry.job))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wakeup.set()

    # -- one poll

    async def _poll(self, entry: Entry, started: float) -> None:
        """Ask once and note the outcome; only cancelling ends it with an exception."""
        requests = entry.requests
        try:
            requests = await self._ask(entry.job, self._clock.time())
        except PlanetScaleError as error:
            self._failed(entry, error.reason, str(error), not_found=isinstance(error, NotFoundError))
        except Exception as error:
            self._failed(entry, "bug", f"a mistake in the exporter ({type(error).__name__}): please report it")
            log.debug("bug", exc_info=error)
        else:
            self._worked(entry, started, requests)
        self._publish()

    async def _ask(self, job: Job, asked_at: float) -> int:
        """Ask, and hand the answer to the fleet; returns how many requests it took."""
        client, fleet, scope = self._assignment.client, self._fleet, job.key[:2]
        match job.kind:
            case Kind.DATABASES:
                databases = await client.databases(job.organization)
                fleet.databases_answered(job.organization, databases, self._clock.time())
                return _pages(databases)
            case Kind.QUEUE:
                queue = await client.deploy_queue(*scope)
                fleet.queue_answered(scope, queue, asked_at, self._clock.time())
                self._count_skips(job, [queue, *(row.operations for row in queue)])
                return _pages(queue)
            case Kind.OPEN:
                listed = await client.open_deploy_requests(*scope)
                fleet.open_answered(scope, listed, asked_at, self._clock.time())
                return _pages(listed)
            case Kind.RECENT:
                since = asked_at - self._assignment.limits.retention
                recent = await client.ran_between(*scope, since, asked_at)
                fleet.recent_answered(scope, recent, asked_at, self._clock.time())
                return _pages(recent)
            case Kind.OPERATIONS:
                operations = await client.operations(*job.key)
                fleet.operations_answered(job.key, operations, asked_at, self._clock.time())
                self._count_skips(job, [operations])
                return _pages(operations)
            case Kind.REQUEST:
                request = await client.deploy_request(*job.key)
                fleet.request_answered(job.key, request, asked_at, self._clock.time())
            case Kind.THROTTLER:
                throttler = await client.throttler(*job.key)
                fleet.throttler_answered(job.key, throttler, asked_at, self._clock.time())
        return 1

    def _worked(self, entry: Entry, started: float, requests: int) -> None:
        job = entry.job
        if job in self._schedule:
            if self._fleet.outcomes.is_failing(job):
                log.info("poll_recovered", target=job.subject, poll=job.kind.value)
            self._fleet.outcomes.worked(job)
        entry.failures = 0
        entry.interval = self._interval(job)
        # What had to wait for the budget is spread already.
        together = entry.first and started - entry.due < _TICK
        due = started + (spread(job, entry.interval) if together else entry.interval)
        self._schedule.finish(entry, due, self._rank(job), requests)
        self._sync([_scope(job)] if job.kind is not Kind.DATABASES else self._fleet.scopes())

    def _failed(self, entry: Entry, reason: str, error: str, *, not_found: bool = False) -> None:
        job, timing, now = entry.job, self._assignment.timing, self._clock.monotonic()
        self._fail(job, reason, error, not_found=not_found)
        entry.failures += 1
        entry.interval = self._interval(job)
        due = now + back_off(entry.failures, timing.interval, timing.idle_interval, random.random())  # noqa: S311 - jitter
        if reason == RateLimitedError.reason:
            due = self._slots.budget.paused_until(now) or now
        self._schedule.finish(entry, due, self._rank(job), entry.requests)
        self._sync([_scope(job)])

    def _fail(self, job: Job, reason: str, error: str, *, not_found: bool = False) -> None:
        self._observer.poll_failed(reason)
        if job not in self._schedule:
            return
        if not self._fleet.outcomes.is_failing(job):
            log.warning("poll_failed", target=job.subject, poll=job.kind.value, reason=reason, error=error)
        self._fleet.failed(job, error, self._clock.time(), not_found=not_found)

    def _count_skips(self, job: Job, answers: Iterable[Rows[Operation] | Rows[Deployment]]) -> None:
        answers = list(answers)
        counts = {
            "no_id": sum(rows.without_id for rows in answers),
            "duplicate": sum(rows.duplicates for rows in answers),
            "cap": sum(self._store.current.capped.get(key, 0) for key in self._fleet.keys_fed_by(job)),
        }
        for reason, count in counts.items():
            if not count:
                self._logged_skips.discard((job, reason))
                continue
            self._observer.skipped(reason, count)
            if (job, reason) not in self._logged_skips:
                self._logged_skips.add((job, reason))
                log.warning("operations_skipped", target=job.subject, reason=reason, count=count)

    # -- what follows from answers and from time

    def _interval(self, job: Job) -> float:
        timing = self._assignment.timing
        match job.kind:
            case Kind.DATABASES | Kind.OPEN | Kind.RECENT:
                return timing.discovery_interval
            case Kind.QUEUE:
                return timing.interval if self._fleet.moves(job) else timing.discovery_interval
            case Kind.THROTTLER if not self._fleet.is_configured(job.key):
                return timing.idle_interval
        return timing.interval if self._fleet.moves(job) else timing.idle_interval

    def _rank(self, job: Job, *, first: bool = False) -> Rank:
        if job.kind is Kind.RECENT or (job.kind is Kind.THROTTLER and not self._fleet.is_configured(job.key)):
            return Rank.SPARE
        moves = (first and job.kind in _FIRST_URGENT) or (job.kind in _URGENT and self._fleet.moves(job))
        return Rank.MOVING if moves else Rank.REST

    def _sync(self, scopes: Iterable[tuple[str, str]]) -> None:
        """Let the schedule hold the jobs that the scopes need now."""
        now = self._clock.monotonic()
        for scope in scopes:
            needed, had = self._fleet.jobs(scope), self._jobs.get(scope, frozenset())
            for job in had - needed:
                self._schedule.remove(job)
                self._fleet.outcomes.forget(job)
            for job in sorted(needed - had):
                self._schedule.add(job, now, self._rank(job, first=True), self._interval(job))
            for job in needed & had:
                self._hasten(job, now)
            self._jobs[scope] = needed

    def _hasten(self, job: Job, now: float) -> None:
        """Ask at once where an answer made an earlier question pressing."""
        entry = self._schedule.entry(job)
        if entry.failures:
            return
        began_to_move = job.kind is Kind.QUEUE and entry.interval > self._interval(job)
        if began_to_move or self._fleet.is_last_look(job):
            self._schedule.hasten(job, now)

    def _pass_time(self) -> None:
        now = self._clock.monotonic()
        limits = self._assignment.limits
        for entry in self._schedule.late(now, limits.stale_after):
            message = f"it was due {limits.stale_after:.0f}s ago and could not start; see api.requests_per_minute"
            self._fail(entry.job, "late", message)
        self._sync(self._fleet.pass_time(self._clock.time()))
        self._tell_budget()
        self._publish()

    def _tell_budget(self) -> None:
        """Say once when the budget is too small, and how large it would have to be."""
        needed, limit = self._schedule.requests_per_minute(), self._slots.budget.limit
        if needed > limit and not self._told_budget:
            log.warning(
                "budget_too_small",
                requests_per_minute=limit,
                needed=math.ceil(needed),
                effect="polls start late and values get older",
                setting="api.requests_per_minute",
            )
        self._told_budget = needed > limit

    def _publish(self) -> None:
        self._store.current = self._fleet.snapshot()


def _scope(job: Job) -> tuple[str, str]:
    return job.key[:2]


def _pages(rows: Rows[object]) -> int:
    return max(1, math.ceil(len(rows) / _PER_PAGE))
