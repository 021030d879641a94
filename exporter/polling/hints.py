"""What is to be polled at once because a webhook says that something happened: each job once in 5 seconds."""

from collections.abc import Iterable
from typing import Final

from exporter.polling.jobs import Job

HINT_SECONDS: Final = 5.0


class Hints:
    """The jobs that were hinted at and have not started since, on a clock that never goes back.

    A hint is never lost to the 5 seconds: it waits them out, since what it tells of may have come after the last poll.
    """

    def __init__(self) -> None:
        self._waiting: set[Job] = set()
        self._followed: dict[Job, float] = {}

    def take(self, jobs: Iterable[Job]) -> None:
        """Something happened that these jobs would tell about."""
        self._waiting.update(jobs)

    def ripe(self, now: float) -> list[Job]:
        """The jobs that may be asked now; each stays until it is `followed`."""
        self._followed = {job: at for job, at in self._followed.items() if now - at < HINT_SECONDS}
        return [job for job in self._waiting if job not in self._followed]

    def followed(self, job: Job, now: float) -> None:
        """A job is being asked, or is none any more."""
        self._waiting.discard(job)
        self._followed[job] = now
