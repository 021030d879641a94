"""What is due, and what goes first when not everything can: a function of what was added and the clock passed in.

Jobs are of two classes. *Urgent* ones (what moves, and what has never been asked) come first; the others still get a
fifth of all starts while both wait. Within a class the longest due goes first, so that all get slower evenly.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from exporter.polling.jobs import Job

_OTHERS_SHARE: Final = 0.2


@dataclass(slots=True)
class Entry:
    """A job's place in the schedule."""

    job: Job
    due: float
    urgent: bool
    first: bool = True
    running: bool = False
    failures: int = 0
    reported_late: bool = False
    interval: float = 0.0
    requests: int = 1


class Schedule:
    """The jobs and when each is due, in seconds on a clock that never goes back."""

    def __init__(self) -> None:
        self._entries: dict[Job, Entry] = {}
        self._waiting: dict[bool, list[tuple[float, int, Entry]]] = {True: [], False: []}
        self._order = 0
        # Requests spent by each class, weighed: the class that has spent less goes first.
        self._spent = {True: 0.0, False: 0.0}

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

    def add(self, job: Job, due: float, *, urgent: bool) -> None:
        """Take a job in, unless it is there already."""
        if job not in self._entries:
            entry = self._entries[job] = Entry(job, due, urgent)
            self._wait(entry)

    def remove(self, job: Job) -> None:
        """Forget a job; when it runs, its end changes nothing any more."""
        self._entries.pop(job, None)

    def hasten(self, job: Job, due: float) -> None:
        """Let a job be due earlier, without regard to its failures."""
        entry = self._entries[job]
        if not entry.running and entry.due > due:
            entry.due = due
            self._wait(entry)

    def next(self, now: float) -> Entry | None:
        """The job to start now; None when none is due."""
        due = {urgent: entry for urgent in (True, False) if (entry := self._first(now, urgent=urgent))}
        if len(due) < len(self._spent):
            return next(iter(due.values()), None)
        return due[self._spent[True] <= self._spent[False]]

    def start(self, entry: Entry, now: float) -> None:
        """Mark what `next` gave as running."""
        if self._first(now, urgent=not entry.urgent) is None:
            # Who waits for nothing saves nothing up.
            self._spent[not entry.urgent] = max(self._spent.values())
        self._spend(entry.requests, urgent=entry.urgent)
        entry.running = True
        entry.reported_late = False

    def finish(self, entry: Entry, due: float, *, urgent: bool, requests: int = 1) -> None:
        """A job has ended after so many requests, and is due again."""
        self._spend(requests - entry.requests, urgent=entry.urgent)
        entry.running = False
        entry.first = False
        entry.requests = requests
        entry.due = due
        entry.urgent = urgent
        if self._entries.get(entry.job) is entry:
            self._wait(entry)

    def next_due(self) -> float | None:
        """When the next job that does not run is due; None when there is none."""
        return min(
            (self._waiting[urgent][0][0] for urgent in (True, False) if self._skip_old(urgent=urgent)), default=None
        )

    def late(self, now: float, after: float) -> list[Entry]:
        """The jobs that have been due for *after* seconds and have not started, each once a start."""
        late = [
            entry
            for entry in self._entries.values()
            if not entry.running and not entry.reported_late and now - entry.due >= after
        ]
        for entry in late:
            entry.reported_late = True
        return late

    def requests_per_minute(self) -> float:
        """How many requests a minute it takes to start everything when it is due."""
        return sum(60 * entry.requests / entry.interval for entry in self._entries.values() if entry.interval)

    def _wait(self, entry: Entry) -> None:
        self._order += 1
        heapq.heappush(self._waiting[entry.urgent], (entry.due, self._order, entry))

    def _skip_old(self, *, urgent: bool) -> bool:
        """Drop what was removed or moved from the head of the line; False when the line is empty."""
        line = self._waiting[urgent]
        while line:
            due, _, entry = line[0]
            is_current = self._entries.get(entry.job) is entry and not entry.running
            if is_current and entry.due == due and entry.urgent is urgent:
                return True
            heapq.heappop(line)
        return False

    def _first(self, now: float, *, urgent: bool) -> Entry | None:
        if not self._skip_old(urgent=urgent):
            return None
        due, _, entry = self._waiting[urgent][0]
        return entry if due <= now else None

    def _spend(self, requests: int, *, urgent: bool) -> None:
        self._spent[urgent] += requests / (1 - _OTHERS_SHARE if urgent else _OTHERS_SHARE)


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
