"""What is asked and when: the schedule, kept in step with what the fleet needs and with what webhooks tell."""

from collections.abc import Callable, Iterable

from exporter.polling import needs
from exporter.polling.fleet import Fleet
from exporter.polling.hints import Hints
from exporter.polling.jobs import Job
from exporter.polling.pace import Timing, interval_of, rank_of
from exporter.polling.schedule import Entry, Rank, Schedule, again
from exporter.polling.snapshot import Key, Scope


class Agenda:
    """The jobs that the fleet needs, each as often and as pressing as things stand; `schedule` tells what is due.

    *monotonic* gives seconds that never go back; *given_up* is called with each job that is not needed any more.
    """

    def __init__(
        self, fleet: Fleet, timing: Timing, monotonic: Callable[[], float], given_up: Callable[[Job], None]
    ) -> None:
        self.schedule = Schedule()
        self._fleet = fleet
        self._timing = timing
        self._monotonic = monotonic
        self._given_up = given_up
        self._hints = Hints()
        self._jobs: dict[Scope, frozenset[Job]] = {}
        self.sync(fleet.scopes())

    def retime(self, timing: Timing) -> None:
        """Ask as often as this says, in all that the fleet's plan covers now."""
        self._timing = timing
        for entry in list(self.schedule):
            entry.interval = self._interval(entry.job)
            self._hasten(entry.job, self._monotonic() + entry.interval)
        self.sync({*self._jobs, *self._fleet.scopes()})

    def sync(self, scopes: Iterable[Scope]) -> None:
        """Let the schedule hold the jobs that the scopes need now."""
        now = self._monotonic()
        for scope in scopes:
            needed, had = needs.jobs(self._fleet, scope), self._jobs.pop(scope, frozenset())
            for job in had - needed:
                self.schedule.remove(job)
                self._given_up(job)
            for job in sorted(needed - had):
                self.schedule.add(job, now, rank_of(job, self._fleet, first=True), self._interval(job))
            for job in needed & had:
                self._press(job, now)
            if needed:
                self._jobs[scope] = needed

    def worked(self, entry: Entry, started: float, requests: int) -> None:
        """A poll that began at *started* has brought an answer, in so many requests."""
        job, outage_is_over = entry.job, entry.failures > 1
        entry.failures = 0
        entry.interval = self._interval(job)
        self.schedule.finish(entry, again(entry, started, entry.interval), rank_of(job, self._fleet), requests)
        self.sync([job.scope] if job.database else self._fleet.scopes())
        if outage_is_over:
            self.retry(lambda organization: organization == job.organization)

    def failed(self, entry: Entry, due: float) -> None:
        """A poll has failed, and is *due* again."""
        entry.failures += 1
        entry.interval = self._interval(entry.job)
        self.schedule.finish(entry, due, rank_of(entry.job, self._fleet), entry.requests)
        self.sync([entry.job.scope])

    def retry(self, is_concerned: Callable[[str], bool]) -> None:
        """Do not let what fails in these organisations wait for its next try: others work again, or will now."""
        for entry in list(self.schedule):
            if entry.failures and is_concerned(entry.job.organization):
                self._hasten(entry.job, self._monotonic())

    def hint(self, key: Key) -> bool:
        """Something happened to a deploy request: ask what tells about it; False where nobody watches it."""
        jobs = needs.telling(self._fleet, key)
        self._hints.take(jobs)
        return bool(jobs)

    def follow_hints(self, now: float) -> None:
        """Let what was hinted at be due; what runs already may have been asked too early, and is asked again."""
        for job in self._hints.ripe(now):
            if job not in self.schedule:
                self._hints.followed(job, now)
            elif not self.schedule.entry(job).running:
                self.schedule.hasten(job, now, Rank.TOLD)
                self._hints.followed(job, now)

    def _press(self, job: Job, now: float) -> None:
        """Ask at once where an answer made an earlier question pressing."""
        entry = self.schedule.entry(job)
        began_to_move = entry.interval > self._interval(job)
        if not entry.failures and (began_to_move or needs.is_last_look(self._fleet, job)):
            self._hasten(job, now)

    def _interval(self, job: Job) -> float:
        return interval_of(job, self._fleet, self._timing)

    def _hasten(self, job: Job, due: float) -> None:
        entry = self.schedule.entry(job)
        self.schedule.hasten(job, due, rank_of(job, self._fleet, first=entry.first))
