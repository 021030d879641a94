"""What is due, and what goes first when not everything can: a function of what was added and the clock passed in.

What moves comes first, but the rest gets a fifth of all requests while both wait. Within a rank the longest due goes
first, so that all get slower evenly; what a webhook told of goes before all that moves. What is nice to know takes what
is left.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b
from typing import Final, NamedTuple

from exporter.planetscale.budget import RequestBudget
from exporter.polling.jobs import Job


class Rank(IntEnum):
    """How pressing a job is."""

    TOLD = -1
    """What a webhook says has changed: asked with the requests of what moves, and before it."""
    MOVING = 0
    """What moves, and what has never been asked about."""
    REST = 1
    SPARE = 2
    """Nice to know: asked with the budget that is left, and never late."""


_FEW: Final = 0.1  # of a minute's requests
_WEIGHTS: Final = {Rank.MOVING: 0.8, Rank.REST: 0.2}


@dataclass(slots=True)
class Entry:
    """A job's place in the schedule; `requests` is how many its last poll took."""

    job: Job
    due: float
    rank: Rank
    interval: float
    first: bool = True
    running: bool = False
    failures: int = 0
    reported_late: bool = False
    requests: int = 1


class Schedule:
    """The jobs and when each is due, in seconds on a clock that never goes back."""

    def __init__(self) -> None:
        self._entries: dict[Job, Entry] = {}
        self._unasked: set[Job] = set()
        self._lines: dict[Rank, list[tuple[float, int, Entry]]] = {rank: [] for rank in Rank}
        self._order = 0
        # Requests spent by each rank over its weight: the rank that has spent less goes first.
        self._spent = dict.fromkeys(_WEIGHTS, 0.0)

    def __contains__(self, job: Job) -> bool:
        return job in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, job: Job) -> Entry:
        """The job's place.

        Raises:
            KeyError: it has none.
        """
        return self._entries[job]

    def add(self, job: Job, due: float, rank: Rank, interval: float) -> None:
        """Take a job in, unless it is there already; *interval* is how often it is due."""
        if job not in self._entries:
            entry = self._entries[job] = Entry(job, due, rank, interval)
            self._unasked.add(job)
            self._line_up(entry)

    def remove(self, job: Job) -> None:
        """Forget a job; when it runs, its end changes nothing any more."""
        self._entries.pop(job, None)
        self._unasked.discard(job)

    def hasten(self, job: Job, due: float, rank: Rank) -> None:
        """Let a job be due earlier, and as pressing as it is now."""
        entry = self._entries[job]
        rank = Rank.TOLD if entry.rank is Rank.TOLD else rank
        if not entry.running and (entry.due > due or entry.rank is not rank):
            entry.due, entry.rank = min(entry.due, due), rank
            self._line_up(entry)

    def next(self, now: float) -> Entry | None:
        """The job to start now; None when none is due."""
        moving, rest = self._moving(now), self._first(Rank.REST, now)
        if moving and rest:
            return moving if self._spent[Rank.MOVING] <= self._spent[Rank.REST] else rest
        return moving or rest or self._first(Rank.SPARE, now)

    def start(self, entry: Entry, now: float) -> None:
        """Mark what `next` gave as running."""
        waiting = {Rank.MOVING: self._moving(now), Rank.REST: self._first(Rank.REST, now)}
        for rank, first in waiting.items():
            if rank is not _paying(entry.rank) and first is None:
                # Who waits for nothing saves nothing up.
                self._spent[rank] = max(self._spent.values())
        self._spend(entry.rank, entry.requests)
        entry.running = True
        entry.reported_late = False

    def finish(self, entry: Entry, due: float, rank: Rank, requests: int) -> None:
        """A job has ended after so many requests, and is due again."""
        self._spend(entry.rank, requests - entry.requests)
        entry.running = entry.first = False
        entry.requests, entry.due, entry.rank = requests, due, rank
        if self._entries.get(entry.job) is entry:
            self._unasked.discard(entry.job)
            self._line_up(entry)

    def next_due(self) -> float | None:
        """When the next job that does not run is due; None when there is none."""
        return min((line[0][0] for rank in Rank if (line := self._line(rank))), default=None)

    def late(self, now: float, after: float) -> list[Entry]:
        """The jobs that have been due for *after* seconds and have not started, each once a start."""
        late = [
            entry
            for entry in self._entries.values()
            if now - entry.due >= after
            and entry.rank is not Rank.SPARE
            and not entry.running
            and not entry.reported_late
        ]
        for entry in late:
            entry.reported_late = True
        return late

    @property
    def unasked(self) -> int:
        """How many jobs have never been asked."""
        return len(self._unasked)

    def requests_per_minute(self) -> float | None:
        """How many requests a minute it takes to start everything when it is due, spare jobs aside.

        None until all have been asked once: how often they are due follows from what they say.
        """
        entries = [entry for entry in self._entries.values() if entry.rank is not Rank.SPARE]
        if any(entry.first for entry in entries):
            return None
        return sum(60 * entry.requests / entry.interval for entry in entries)

    def _line_up(self, entry: Entry) -> None:
        self._order += 1
        heapq.heappush(self._lines[entry.rank], (entry.due, self._order, entry))

    def _line(self, rank: Rank) -> list[tuple[float, int, Entry]]:
        """A rank's line, with what was removed, started or moved taken from its head."""
        line = self._lines[rank]
        while line:
            due, _, entry = line[0]
            is_current = self._entries.get(entry.job) is entry and not entry.running
            if is_current and entry.due == due and entry.rank is rank:
                break
            heapq.heappop(line)
        return line

    def _moving(self, now: float) -> Entry | None:
        return self._first(Rank.TOLD, now) or self._first(Rank.MOVING, now)

    def _first(self, rank: Rank, now: float) -> Entry | None:
        line = self._line(rank)
        return line[0][2] if line and line[0][0] <= now else None

    def _spend(self, rank: Rank, requests: int) -> None:
        if (paying := _paying(rank)) in self._spent:
            self._spent[paying] += requests / _WEIGHTS[paying]


def _paying(rank: Rank) -> Rank:
    """The rank whose requests are spent."""
    return Rank.MOVING if rank is Rank.TOLD else rank


class Wait(NamedTuple):
    """Nothing can start for so many seconds; *for_budget* tells why."""

    seconds: float
    for_budget: bool = False


def decide(
    schedule: Schedule, budget: RequestBudget, now: float, is_first_of_target: Callable[[Entry], bool]
) -> Entry | Wait:
    """The poll to start now, or how long to wait: for something to be due, or for the request budget.

    The first poll of a configured target leaves as soon as there is a slot, and so do first polls of a few other
    things; everything that recurs keeps the pace.
    """
    entry = schedule.next(now)
    if entry is None:
        due = schedule.next_due()
        return Wait(float("inf") if due is None else due - now)
    if (paused_until := budget.paused_until(now)) is not None:
        return Wait(paused_until - now)
    leaves_at_once = entry.first and (schedule.unasked <= _FEW * budget.limit or is_first_of_target(entry))
    delay = budget.delay(now, paced=not leaves_at_once)
    if delay == 0:
        return entry
    return Wait(float("inf") if delay is None else delay, for_budget=True)


def again(entry: Entry, started: float, interval: float) -> float:
    """When a job is due again, given when it was started and how often it is due now."""
    # What had to wait for the budget longer than that is spread over it already.
    started_together = entry.first and started - entry.due < interval
    return started + (spread(entry.job, interval) if started_together else interval)


def back_off(failures: int, interval: float, longest: float, chance: float) -> float:
    """Seconds until the next try after so many failures in a row; *chance* is random, 0 to 1."""
    longest = max(interval, longest)
    doubled = interval * 2.0 ** min(failures - 1, 32)
    if doubled >= longest:
        return max(interval, longest * (1 - 0.2 * chance))
    return min(doubled * (1 + 0.2 * chance), longest)


def spread(job: Job, interval: float) -> float:
    """A job's own part of the interval, at least a quarter: what starts together does not come again together."""
    digest = blake2b(repr(tuple(job)).encode(), digest_size=4).digest()
    return interval * (0.25 + 0.75 * int.from_bytes(digest, "big") / 2**32)
