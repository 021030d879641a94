"""The poll loop: starts what is due as the request budget allows, and swaps the snapshot after every answer."""

import asyncio
import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic, time
from typing import Final, NamedTuple, Protocol

import structlog

from exporter.planetscale.client import PlanetScale
from exporter.planetscale.errors import NotFoundError, PlanetScaleError, RateLimitedError
from exporter.planetscale.slots import Slots
from exporter.polling import aging, needs
from exporter.polling.agenda import Agenda
from exporter.polling.asking import ask
from exporter.polling.endings import Endings
from exporter.polling.exported import Exported
from exporter.polling.fleet import Fleet, Limits
from exporter.polling.jobs import Job
from exporter.polling.pace import Timing
from exporter.polling.plan import Plan
from exporter.polling.schedule import Entry, Wait, back_off, decide
from exporter.polling.skips import Skips
from exporter.polling.snapshot import Key, Moment, SnapshotStore, TargetStatus

MAX_RUNNING: Final = 20
_TICK: Final = 1.0
_LONGEST_SILENCE: Final = 60  # in ticks

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

    def now(self) -> Moment:
        """This moment by both."""
        return Moment(self.monotonic(), self.time())


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
        self._fleet = Fleet(assignment.plan, assignment.limits, Endings(since=self._clock.time()))
        self._exported = Exported(self._fleet)
        self._skips = Skips(observer.skipped)
        self._broken: set[Job] = set()
        self._agenda = Agenda(self._fleet, assignment.timing, self._clock.monotonic, self._forget)
        self._running = 0
        self._wakeup = asyncio.Event()
        self._ready = False
        self._told_budget = False
        self._rounds = 0

    @property
    def is_ready(self) -> bool:
        """Whether every target has been tried once; it never becomes false again."""
        self._ready = self._ready or needs.is_tried(self._fleet)
        return self._ready

    def assign(self, assignment: Assignment) -> None:
        """Take other settings; what is known of what they still cover stays."""
        self._assignment = assignment
        self._fleet.replan(assignment.plan, assignment.limits, self._clock.now())
        self._agenda.retime(assignment.timing)
        self._told_budget = False
        self._publish()
        self._wakeup.set()

    def retry(self, is_concerned: Callable[[str], bool]) -> None:
        """Try at once what fails in the organisations concerned: their credentials have changed."""
        self._agenda.retry(is_concerned)
        self._wakeup.set()

    def hint(self, key: Key) -> bool:
        """Something happened to a deploy request: poll what tells about it; False where nobody watches it."""
        self._wakeup.set()
        return self._agenda.hint(key)

    async def run(self) -> None:
        """Poll until cancelled; polls under way are cancelled with it."""
        self._publish()
        housekeeping = float("-inf")
        async with asyncio.TaskGroup() as polls:
            while True:
                self._rounds += 1
                now = self._clock.monotonic()
                if now - housekeeping >= _TICK:
                    housekeeping = now
                    self._pass_time()
                self._agenda.follow_hints(now)
                await self._step(now, polls)

    async def silence(self) -> None:
        """Wait until the loop hangs: it has made no round for a minute.

        A minute of ticks, for no clock tells a loop that hangs from a process that was stopped for a while.
        """
        quiet, seen = 0, self._rounds
        while quiet < _LONGEST_SILENCE:
            await asyncio.sleep(_TICK)
            quiet, seen = quiet + 1 if self._rounds == seen else 0, self._rounds

    async def _step(self, now: float, polls: asyncio.TaskGroup) -> None:
        """Start a poll, or wait until there may be more to do."""
        if self._running >= MAX_RUNNING:
            self._slots.want(wanted=False)  # no more can start before one of those has ended
            await self._sleep(_TICK)
        elif self._slots.are_contended:
            # What a poll under way asks for goes before new polls.
            with self._slots.waiting():
                await self._sleep(_TICK)
        else:
            match decide(self._agenda.schedule, self._slots.budget, now, self._is_first_of_target):
                case Entry() as entry:
                    self._start(entry, now, polls)
                    # Lets the poll take its slot before the next one is considered.
                    await asyncio.sleep(0)
                case Wait(seconds, for_budget=True):
                    self._slots.want(wanted=True)
                    with self._slots.waiting():
                        await self._sleep(seconds)
                case Wait(seconds):
                    self._slots.want(wanted=False)
                    await self._sleep(seconds)

    def _is_first_of_target(self, entry: Entry) -> bool:
        return entry.job in self._assignment.plan.first_jobs

    async def _sleep(self, seconds: float) -> None:
        self._wakeup.clear()
        try:
            async with asyncio.timeout(min(seconds, _TICK)):
                await self._wakeup.wait()
        except TimeoutError:
            pass

    # -- one poll

    def _start(self, entry: Entry, now: float, polls: asyncio.TaskGroup) -> None:
        self._agenda.schedule.start(entry, now)
        self._observer.poll_started(now - entry.due)
        self._running += 1
        polls.create_task(self._poll(entry, now), name=str(entry.job)).add_done_callback(self._ended)

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._running -= 1
        self._wakeup.set()

    async def _poll(self, entry: Entry, started: float) -> None:
        """Ask once and note the outcome."""
        job, assignment = entry.job, self._assignment
        try:
            answer = await ask(job, assignment.client, self._fleet, assignment.limits.retention, self._clock.now)
            self._worked(entry, started, answer.requests)
        except PlanetScaleError as error:
            self._failed(entry, error.reason, str(error), not_found=isinstance(error, NotFoundError))
            self._publish()
        except Exception as error:
            if job not in self._broken:
                self._broken.add(job)
                log.exception("bug", target=job.subject, poll=job.kind.value, report="with this traceback")
            self._failed(entry, "bug", f"a mistake in the exporter ({type(error).__name__}): please report it")
            self._publish()
        else:
            self._publish()
            self._skips.count(job, answer, self._store.current.capped)

    def _worked(self, entry: Entry, started: float, requests: int) -> None:
        job = entry.job
        if job in self._agenda.schedule:
            self._fleet.outcomes.worked(job)
        self._broken.discard(job)
        log.debug("polled", target=job.subject, poll=job.kind.value, requests=requests)
        self._agenda.worked(entry, started, requests)

    def _failed(self, entry: Entry, reason: str, error: str, *, not_found: bool = False) -> None:
        timing, now = self._assignment.timing, self._clock.monotonic()
        self._fail(entry.job, reason, error, not_found=not_found)
        due = now + back_off(entry.failures + 1, timing.interval, timing.idle_interval, random.random())  # noqa: S311 - jitter
        if reason == RateLimitedError.reason:
            due = self._slots.budget.paused_until(now) or now
        self._agenda.failed(entry, due)

    def _fail(self, job: Job, reason: str, error: str, *, not_found: bool = False) -> None:
        self._observer.poll_failed(reason)
        if job in self._agenda.schedule:
            log.debug("poll_failed", target=job.subject, poll=job.kind.value, reason=reason, error=error)
            aging.failed(self._fleet, job, error, self._clock.now(), not_found=not_found)

    def _forget(self, job: Job) -> None:
        """Nothing asks this any more."""
        self._fleet.outcomes.forget(job)
        self._skips.forget(job)
        self._broken.discard(job)

    # -- what follows from time

    def _pass_time(self) -> None:
        now = self._clock.monotonic()
        limits = self._assignment.limits
        late = self._agenda.schedule.late(now, limits.stale_after)
        for entry in late:
            message = f"it was due {limits.stale_after:.0f}s ago and could not start; see api.requests_per_minute"
            self._fail(entry.job, "late", message)
        changed = aging.pass_time(self._fleet, self._clock.now())
        self._agenda.sync(changed)
        self._tell_budget()
        if late or changed:
            self._publish()

    def _tell_budget(self) -> None:
        """Say once when the budget is too small, and how large it would have to be."""
        needed, limit = self._agenda.schedule.requests_per_minute(), self._slots.budget.limit
        if needed is not None and needed > limit and not self._told_budget:
            self._told_budget = True
            log.warning(
                "budget_too_small",
                requests_per_minute=limit,
                needed=math.ceil(needed),
                effect="polls start late and values get older",
                setting="api.requests_per_minute",
            )

    def _publish(self) -> None:
        before = self._store.current.targets
        self._store.put(self._exported.snapshot())
        after = self._store.current.targets
        if after is not before:
            _tell_targets({target.text: target.up for target in before}, after)


def _tell_targets(before: Mapping[str, bool | None], targets: Iterable[TargetStatus]) -> None:
    """Say which targets began to fail and which work again."""
    for target in targets:
        if target.up is False and before.get(target.text) is not False:
            log.warning("target_failed", target=target.text, error=target.error)
        elif target.up and before.get(target.text) is False:
            log.info("target_recovered", target=target.text)
