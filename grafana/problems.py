"""What is wrong, worst first: the conditions of the alert rules, without their waiting, as one query."""

from dataclasses import dataclass
from typing import Final

from queries import IDLE, STALLED, THROTTLED, deployment_in, in_state, operation, request

from exporter.metrics.families import REQUEST_LABELS
from exporter.planetscale.models import DeploymentState, OperationState

CRITICAL, WARNING, NOTICE = "1", "2", "3"  # in the order of the table
NOT_KNOWN: Final = -1  # for how long, where nothing says
CUTOVER_DELAYED_AFTER: Final = 15 * 60  # seconds, as in the alert rules


@dataclass(frozen=True, slots=True)
class Problem:
    """A condition whose samples are 1, one for each operation or deploy request in trouble, and the seconds since."""

    severity: str
    text: str
    condition: str
    since: str = ""
    of_operations: bool = False


READY: Final = f"time() - {request('ready_to_cutover_timestamp_seconds')}"
UNSTARTED: Final = in_state(OperationState.PENDING, OperationState.QUEUED)

PROBLEMS: Final = (
    Problem(CRITICAL, "operation failed", f"{operation('failed')} == 1", IDLE, of_operations=True),
    Problem(
        CRITICAL,
        "failed: blocks the queue until someone acts",
        deployment_in(DeploymentState.COMPLETE_ERROR, DeploymentState.COMPLETE_REVERT_ERROR),
        f"time() - {request('finished_timestamp_seconds')}",
    ),
    Problem(
        CRITICAL,
        "deploy queue is paused",
        f"{request('queue_paused')} == 1",
        f"time() - {request('queued_timestamp_seconds')}",
    ),
    Problem(CRITICAL, "copy is about to be thrown away: cut over", f"{request('cutover_expiring')} == 1", READY),
    Problem(CRITICAL, "table is locked", f"{operation('table_locked')} == 1", IDLE, of_operations=True),
    Problem(WARNING, "stalled: no progress", f"0 * ({STALLED}) + 1", IDLE, of_operations=True),
    Problem(
        WARNING,
        "cutover takes long",
        f"{deployment_in(DeploymentState.IN_PROGRESS_CUTOVER)} and {READY} > {CUTOVER_DELAYED_AFTER}",
        READY,
    ),
    Problem(
        WARNING,
        "can't be polled: values are old",
        f"1 - {request('up')} == 1",
        f"time() - {request('last_success_timestamp_seconds')}",
    ),
    Problem(
        WARNING,
        "will drop a table that is in use",
        f"{operation('can_drop_data')} == 1 and {operation('table_recently_used')} == 1 and {UNSTARTED}",
        f"time() - {operation('created_timestamp_seconds')}",
        of_operations=True,
    ),
    Problem(NOTICE, "throttled", f"0 * ({THROTTLED}) + 1", of_operations=True),
    Problem(
        NOTICE,
        "waits for a person to cut over",
        f"{deployment_in(DeploymentState.PENDING_CUTOVER)} and {request('auto_cutover')} == 0",
        READY,
    ),
)


def listed() -> str:
    """All problems, the seconds since each began as its value, with the labels `severity` and `problem`."""
    return "\nor ".join(_listed(problem) for problem in PROBLEMS)


def _listed(problem: Problem) -> str:
    by = (*REQUEST_LABELS, "table") if problem.of_operations else REQUEST_LABELS
    known = f"({problem.since}) and ({problem.condition})\n  or " if problem.since else ""
    value = f"max by ({', '.join(by)}) (\n  {known}{NOT_KNOWN} * ({problem.condition})\n)"
    severe = f'label_replace(\n{value}, "severity", "{problem.severity}", "", "")'
    return f'label_replace({severe}, "problem", "{problem.text}", "", "")'
