"""What polls say of one deploy request, added up: pure functions from one status to the next.

An answer is taken by when it was asked for (*asked* numbers questions in that order), never by when it came: a late one
changes nothing.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from exporter.planetscale.models import (
    Deployment,
    DeploymentState,
    DeployRequest,
    Operation,
    OperationState,
    Throttler,
)
from exporter.planetscale.rows import Rows, changed
from exporter.polling.snapshot import DeployRequestStatus, Moment, Part, Watched

T = TypeVar("T")


def answered(part: Part[T], value: T, asked: int, now: Moment) -> Part[T]:
    """The part after a good answer."""
    return part if asked < part.asked else Part(value, asked, now)


def failed(part: Part[T], error: str, now: Moment) -> Part[T]:
    """The part after a failed poll: the last values stay, and the time of the first failure."""
    return replace(part, failed_since=now if part.failed_since is None else part.failed_since, error=error)


def expired(part: Part[T], stale_after: float, now: Moment) -> Part[T]:
    """The part without its values once polls have failed for *stale_after* seconds."""
    if part.failed_since is None or part.value is None or now.since(part.failed_since) < stale_after:
        return part
    return replace(part, value=None)


def with_operations(
    status: DeployRequestStatus, rows: Iterable[Operation], asked: int, now: Moment
) -> DeployRequestStatus:
    """After a good answer with the deploy request's operations."""
    operations = answered(status.operations, _watch(status, rows, now), asked, now)
    return replace(status, operations=operations, remembered=() if operations.ok else status.remembered)


def with_summaries(status: DeployRequestStatus, rows: Rows[Operation], now: Moment) -> DeployRequestStatus:
    """With what the deployment's summaries say, where the last good answer had no operations."""
    if not status.operations.ok:
        return status
    return replace(status, operations=replace(status.operations, value=_watch(status, rows, now)))


def with_deployment(
    status: DeployRequestStatus, deployment: Deployment, asked: int, now: Moment
) -> DeployRequestStatus:
    """After a good answer with the deployment, whose operations are another part."""
    return replace(status, deployment=answered(status.deployment, deployment.bare, asked, now))


def with_request(status: DeployRequestStatus, request: DeployRequest, asked: int, now: Moment) -> DeployRequestStatus:
    """After a good answer with the deploy request; its deployment comes with it, or is gone."""
    deployment = deployment_of(request)
    bare = changed(request, deployment=request.deployment and request.deployment.bare)
    with_it = replace(status, request=answered(status.request, bare, asked, now))
    return with_deployment(with_it, deployment or Deployment(), asked, now)


def with_throttle(status: DeployRequestStatus, throttler: Throttler, asked: int, now: Moment) -> DeployRequestStatus:
    """After a good answer of the throttler."""
    return replace(status, throttle=answered(status.throttle, throttler.ratios.items, asked, now))


def without_stale(status: DeployRequestStatus, stale_after: float, now: Moment) -> DeployRequestStatus:
    """Without the values whose polls have failed for too long; of the operations it is remembered how far they were."""
    parts = (status.operations, status.deployment, status.request, status.throttle)
    if all(expired(part, stale_after, now) is part for part in parts):
        return status
    return replace(
        status,
        operations=expired(status.operations, stale_after, now),
        deployment=expired(status.deployment, stale_after, now),
        request=expired(status.request, stale_after, now),
        throttle=expired(status.throttle, stale_after, now),
        remembered=status.watched or status.remembered,
    )


def deployment_of(request: DeployRequest) -> Deployment | None:
    """The deployment of a deploy request, with the state that the deploy request names."""
    deployment = request.deployment
    state = request.deployment_state or (deployment.state if deployment else None)
    if deployment is None:
        return changed(Deployment(), state=state) if state else None
    return changed(deployment, state=state)


def has_no_rows_yet(deployment: Deployment) -> bool:
    """Whether the absence of operations is natural: they come when a deployment starts."""
    state = deployment.state
    return state is not None and (state.is_waiting or state.is_unqueued or state is DeploymentState.NO_CHANGES)


def foreseen(status: DeployRequestStatus, deployment: Deployment) -> Rows[Operation]:
    """What the list of open deploy requests said will be done, while the queue has no operations of it yet."""
    if not has_no_rows_yet(deployment):
        return Rows()
    not_begun = {OperationState.PENDING, OperationState.QUEUED}
    return Rows(tuple(one.operation for one in status.watched if one.operation.state in not_begun))


def _watch(status: DeployRequestStatus, rows: Iterable[Operation], now: Moment) -> tuple[Watched, ...]:
    before = {watched.operation.id: watched for watched in status.watched or status.remembered}
    return tuple(watch(before.get(operation.id), operation, now) for operation in rows)


def watch(before: Watched | None, operation: Operation, now: Moment) -> Watched:
    """The operation with the time of its last advance.

    The percentage rose, the ETA fell or the state changed: that is an advance. A fall-back after a failover is none,
    and neither is the first sight: `updated_at` moves with an ETA that rises, so a stall would look fresh.
    """
    if before is None:
        return Watched(operation, None, operation.progress or 0.0, operation.eta)
    progress, eta = operation.progress, operation.eta
    advanced = (
        operation.state is not before.operation.state
        or (progress is not None and progress > before.known_progress)
        or (eta is not None and before.known_eta is not None and eta < before.known_eta)
    )
    return Watched(
        operation,
        now.unix if advanced else before.last_advance,
        before.known_progress if progress is None else progress,
        before.known_eta if eta is None else eta,
    )
