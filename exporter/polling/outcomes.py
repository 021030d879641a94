"""How the last try of every job ended, and what that means for the targets."""

from collections.abc import Iterable

from exporter.polling.jobs import Job, Kind
from exporter.polling.plan import Plan
from exporter.polling.snapshot import TargetStatus
from exporter.targets import Target


class Outcomes:
    """The jobs that have been tried, and the errors of those that failed."""

    def __init__(self) -> None:
        self._tried: set[Job] = set()
        self._failing: dict[Job, str] = {}

    def worked(self, job: Job) -> None:
        """The job has brought an answer."""
        self._tried.add(job)
        self._failing.pop(job, None)

    def failed(self, job: Job, error: str) -> None:
        """The job has brought none."""
        self._tried.add(job)
        self._failing[job] = error

    def forget(self, job: Job) -> None:
        """The job is needed no more."""
        self._tried.discard(job)
        self._failing.pop(job, None)

    def is_failing(self, job: Job) -> bool:
        """Whether the job's last try failed."""
        return job in self._failing

    def have(self, jobs: Iterable[Job]) -> bool:
        """Whether all of the jobs have been tried."""
        return self._tried.issuperset(jobs)

    def of_targets(self, plan: Plan) -> tuple[TargetStatus, ...]:
        """Each target, and whether every part of it worked at its last try."""
        return tuple(TargetStatus(target.text, *self._of(target, plan)) for target in plan.wanted)

    def _of(self, target: Target, plan: Plan) -> tuple[bool | None, str]:
        if _first_job(target) not in self._tried:
            return None, ""
        for job, error in self._failing.items():
            if _is_part(job, target, plan):
                return False, f"{job.subject}: {error}"
        return True, ""


def _first_job(target: Target) -> Job:
    if target.database is None or target.is_glob:
        return Job(Kind.DATABASES, target.organization)
    if target.number is None:
        return Job(Kind.QUEUE, target.organization, target.database)
    return Job(Kind.OPERATIONS, target.organization, target.database, target.number)


def _is_part(job: Job, target: Target, plan: Plan) -> bool:
    """Whether the target depends on the job.

    A deploy request named by its number depends on its operations alone; of the others, what was found belongs to the
    target as well, but no throttler: its failure costs only its own samples.
    """
    if job == _first_job(target):
        return True
    if target.number is not None or job.kind in {Kind.DATABASES, Kind.THROTTLER} or job.key in plan.deploy_requests:
        return False
    return target.matches(job.organization, job.database)
