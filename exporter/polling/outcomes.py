"""How the last try of every job ended, and what that means for the targets."""

from collections.abc import Collection, Iterable, Iterator

from exporter.polling.jobs import Job, Kind
from exporter.polling.plan import Plan, first_job
from exporter.polling.snapshot import Scope, TargetStatus
from exporter.targets import Target


class Outcomes:
    """The jobs that have been tried, and the errors of those that failed.

    The scope of each change goes into *touched*.
    """

    def __init__(self, touched: set[Scope]) -> None:
        self._touched = touched
        self._tried: set[Job] = set()
        self._failing: dict[Scope, dict[Job, str]] = {}

    def worked(self, job: Job) -> None:
        """The job has brought an answer."""
        self._try(job)
        self._recover(job)

    def failed(self, job: Job, error: str) -> None:
        """The job has brought none."""
        self._try(job)
        self._failing.setdefault(job.scope, {})[job] = error
        self._touched.add(job.scope)

    def forget(self, job: Job) -> None:
        """The job is needed no more."""
        self._tried.discard(job)
        self._touched.add(job.scope)
        self._recover(job)

    def have(self, jobs: Iterable[Job]) -> bool:
        """Whether all of the jobs have been tried."""
        return self._tried.issuperset(jobs)

    def of_all(self, jobs: Collection[Job]) -> bool | None:
        """Whether the last try of each of the jobs worked; None where one has not been tried and none has failed."""
        if any(job in self._failing.get(job.scope, ()) for job in jobs):
            return False
        return True if self.have(jobs) else None

    def of_target(self, target: Target, plan: Plan) -> TargetStatus:
        """The target, and whether every part of it worked at its last try."""
        return TargetStatus(target.text, *self._of(target, plan))

    def _try(self, job: Job) -> None:
        if job not in self._tried:
            self._tried.add(job)
            self._touched.add(job.scope)

    def _recover(self, job: Job) -> None:
        if failing := self._failing.get(job.scope):
            self._touched.add(job.scope)
            failing.pop(job, None)
            if not failing:
                del self._failing[job.scope]

    def _of(self, target: Target, plan: Plan) -> tuple[bool | None, str]:
        first = first_job(target)
        if first not in self._tried:
            return None, ""
        if target.number is not None:
            # Its operations alone decide.
            error = self._failing.get(first.scope, {}).get(first)
            return error is None, f"{first.subject}: {error}" if error else ""
        for job, error in self._failures(target):
            if job == first or _is_part(job, target, plan):
                return False, f"{job.subject}: {error}"
        return True, ""

    def _failures(self, target: Target) -> Iterator[tuple[Job, str]]:
        """What fails where the target is."""
        if target.database is None or target.is_glob:
            scopes: Iterable[Scope] = (scope for scope in self._failing if scope[0] == target.organization)
        else:
            scopes = [(target.organization, target.database)]
        for scope in scopes:
            yield from self._failing.get(scope, {}).items()


def _is_part(job: Job, target: Target, plan: Plan) -> bool:
    """Whether a target that is watched depends on the job.

    What was found belongs to it, but no throttler: its failure costs only its own samples.
    """
    return (
        job.kind not in {Kind.DATABASES, Kind.THROTTLER}
        and job.key not in plan.numbered
        and target.matches(job.organization, job.database)
    )
