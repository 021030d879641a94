"""Every family that is exported: name, type, labels, help, and for what comes from the snapshot, its samples.

`docs/metrics.md`, the dashboards and the alert rules name only what stands here. The facts behind the values are
documented with the models they are read from.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Final, Generic, Literal, TypeVar

from exporter.planetscale.models import DeploymentState, OperationState
from exporter.polling.snapshot import (
    DatabaseStatus,
    DeployRequestStatus,
    Durations,
    Ended,
    Shard,
    Snapshot,
    Watched,
)

Type = Literal["gauge", "counter", "histogram"]
Sample = tuple[tuple[str, ...], float]
Subject = TypeVar("Subject")

DATABASE_LABELS: Final = ("organization", "database")
REQUEST_LABELS: Final = (*DATABASE_LABELS, "deploy_request")
OPERATION_LABELS: Final = (*REQUEST_LABELS, "keyspace", "table", "operation", "operation_id")
SHARD_LABELS: Final = (*OPERATION_LABELS, "shard")
FINISHED_RESULTS: Final = ("complete", "failed", "cancelled", "reverted")
_TEXT_LIMIT: Final = 256

_IN_QUEUE: Final = frozenset(
    {
        DeploymentState.QUEUED,
        DeploymentState.SUBMITTING,
        DeploymentState.IN_PROGRESS,
        DeploymentState.PENDING_CUTOVER,
        DeploymentState.IN_PROGRESS_VSCHEMA,
        DeploymentState.IN_PROGRESS_CANCEL,
        DeploymentState.IN_PROGRESS_CUTOVER,
    }
)


@dataclass(frozen=True, slots=True)
class Family:
    """A family that the exporter counts for itself."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    type: Type = "gauge"


@dataclass(frozen=True, slots=True)
class SnapshotFamily(Family, Generic[Subject]):
    """A family read from the snapshot: *samples* gives a subject's samples.

    A sample is the values of the labels that stand behind those that identify the subject, and its number.
    """

    samples: Callable[[Subject], Iterable[Sample]] = lambda _: ()


@dataclass(frozen=True, slots=True)
class HistogramFamily(Family, Generic[Subject]):
    """A histogram read from the snapshot: *durations* gives a subject's, None where it has none."""

    durations: Callable[[Subject], Durations | None] = lambda _: None


def _one(value: Callable[[Subject], float | None]) -> Callable[[Subject], Iterator[Sample]]:
    """One sample, or none where the value is not known."""

    def samples(subject: Subject) -> Iterator[Sample]:
        if (known := value(subject)) is not None:
            yield (), known

    return samples


def _states(states: type[StrEnum], state: Callable[[Subject], StrEnum | None]) -> Callable[[Subject], Iterator[Sample]]:
    """One sample for every state, 1 for the current one; none where it is not known."""

    def samples(subject: Subject) -> Iterator[Sample]:
        if (current := state(subject)) is not None:
            for each in states:
                yield (each.value,), float(each is current)

    return samples


def operation_family(name: str, help_text: str, value: Callable[[Watched], float | None]) -> SnapshotFamily[Watched]:
    """A family with one sample an operation."""
    return SnapshotFamily(f"planetscale_deploy_operation_{name}", help_text, OPERATION_LABELS, samples=_one(value))


def request_family(
    name: str, help_text: str, value: Callable[[DeployRequestStatus], float | None]
) -> SnapshotFamily[DeployRequestStatus]:
    """A family with one sample a deploy request."""
    return SnapshotFamily(f"planetscale_deploy_request_{name}", help_text, REQUEST_LABELS, samples=_one(value))


def operation_info(watched: Watched, *, ddl: bool = True) -> Iterator[Sample]:
    """The texts of an operation, cut as every label is; without *ddl* statement and errors stay empty."""
    operation = watched.operation
    statement, errors = (operation.ddl[:_TEXT_LIMIT], (operation.errors or "")[:_TEXT_LIMIT]) if ddl else ("", "")
    yield (statement, errors, operation.error_docs_url), 1.0


def _request_info(status: DeployRequestStatus) -> Iterator[Sample]:
    request, deployment = status.request.value, status.deployment.value
    if request is None or deployment is None:
        return
    strategy = (request.deployment.strategy if request.deployment else "") or deployment.strategy
    yield (request.branch, request.into_branch, request.html_url, strategy), 1.0


def _operation(field: str) -> Callable[[Watched], float | None]:
    """A field of the operation."""
    return lambda watched: getattr(watched.operation, field)


def _request(field: str) -> Callable[[DeployRequestStatus], float | None]:
    """A field of the deploy request."""
    return lambda status: getattr(status.request.value, field, None)


def _deployment(field: str) -> Callable[[DeployRequestStatus], float | None]:
    """A field of the deployment."""
    return lambda status: getattr(status.deployment.value, field, None)


def _queue_position(status: DeployRequestStatus) -> float | None:
    deployment = status.deployment.value
    return deployment.preceding if deployment and deployment.state in _IN_QUEUE else None


def _revert_window_end(status: DeployRequestStatus) -> float | None:
    deployment = status.deployment.value
    return (
        deployment.revert_window_end if status.state is DeploymentState.COMPLETE_PENDING_REVERT and deployment else None
    )


def _open_requests(database: DatabaseStatus) -> Iterator[Sample]:
    for state, count in database.open_requests.items():
        yield (state.value,), count


def _finished(ended: Ended) -> Iterator[Sample]:
    for result in FINISHED_RESULTS:
        yield (result,), ended.results.get(result, 0)


def _throttle_ratios(status: DeployRequestStatus) -> Iterator[Sample]:
    for ratio in status.throttle.value or ():
        if ratio.percentage is not None:
            yield (ratio.keyspace,), ratio.percentage / 100


def _targets(snapshot: Snapshot) -> Iterator[Sample]:
    for text, up in {target.text[:_TEXT_LIMIT]: target.up for target in snapshot.targets}.items():
        if up is not None:
            yield (text,), up


_POLLED = " From a background poll; absent where PlanetScale does not say."

OPERATION_FAMILIES: Final[tuple[SnapshotFamily[Watched], ...]] = (
    SnapshotFamily(
        "planetscale_deploy_operation_state",
        "1 for the operation's current state, 0 for every other." + _POLLED,
        (*OPERATION_LABELS, "state"),
        samples=_states(OperationState, lambda watched: watched.operation.state),
    ),
    operation_family(
        "progress_percentage",
        "How much of the table is copied, in per cent, 0 to 100. Row counts are estimates: it can stay at 99 for "
        "hours, end early, or fall back after a failover." + _POLLED,
        _operation("progress"),
    ),
    operation_family(
        "eta_seconds",
        "PlanetScale's estimate of the seconds until the operation is done." + _POLLED,
        _operation("eta"),
    ),
    operation_family(
        "created_timestamp_seconds",
        "When the operation was created, as Unix time in seconds." + _POLLED,
        _operation("created_at"),
    ),
    operation_family(
        "updated_timestamp_seconds",
        "When PlanetScale last updated the operation, as Unix time in seconds." + _POLLED,
        _operation("updated_at"),
    ),
    operation_family(
        "throttled_timestamp_seconds",
        "When the operation was last throttled, as Unix time in seconds: a stamp, which stays after throttling has "
        "ended." + _POLLED,
        _operation("throttled_at"),
    ),
    operation_family(
        "last_advance_timestamp_seconds",
        "When the exporter last saw the percentage rise, the ETA fall or the state change, as Unix time in seconds; "
        "absent until this process has seen that. From a background poll.",
        lambda watched: watched.last_advance,
    ),
    operation_family(
        "can_drop_data", "1 if the operation can drop data, else 0." + _POLLED, _operation("can_drop_data")
    ),
    operation_family(
        "table_locked", "1 while the operation's table is locked, else 0." + _POLLED, _operation("table_locked")
    ),
    operation_family(
        "table_recently_used",
        "1 if the operation's table was used recently, else 0." + _POLLED,
        _operation("table_recently_used"),
    ),
    operation_family(
        "table_recently_used_timestamp_seconds",
        "When the operation's table was last used, as Unix time in seconds." + _POLLED,
        _operation("table_recently_used_at"),
    ),
    operation_family(
        "removed_foreign_keys",
        "How many foreign keys the operation removes." + _POLLED,
        lambda watched: None if (names := watched.operation.removed_foreign_keys) is None else len(names),
    ),
    operation_family(
        "failed",
        "1 if PlanetScale gives error text for the operation or its state is error, else 0." + _POLLED,
        _operation("failed"),
    ),
    SnapshotFamily(
        "planetscale_deploy_operation_info",
        "Always 1; the operation's DDL, its error text and a link that explains the error, the texts cut at "
        f"{_TEXT_LIMIT} characters (empty with metrics.ddl=false). From a background poll.",
        (*OPERATION_LABELS, "ddl_statement", "deploy_errors", "deploy_error_docs_url"),
        samples=operation_info,
    ),
)  # fmt: skip

OPERATION_FAMILIES_WITHOUT_TEXTS: Final = tuple(
    replace(family, samples=partial(operation_info, ddl=False)) if family.samples is operation_info else family
    for family in OPERATION_FAMILIES
)

SHARD_FAMILIES: Final[tuple[SnapshotFamily[Shard], ...]] = (
    SnapshotFamily(
        "planetscale_deploy_operation_shard_state",
        "1 for the current state of a shard's part of the operation, 0 for every other." + _POLLED,
        (*SHARD_LABELS, "state"),
        samples=_states(OperationState, lambda shard: shard.work.state),
    ),
    SnapshotFamily(
        "planetscale_deploy_operation_shard_progress_percentage",
        "How much of a shard's part of the table is copied, in per cent, 0 to 100." + _POLLED,
        SHARD_LABELS,
        samples=_one(lambda shard: shard.work.progress),
    ),
    SnapshotFamily(
        "planetscale_deploy_operation_shard_eta_seconds",
        "PlanetScale's estimate of the seconds until a shard's part of the operation is done." + _POLLED,
        SHARD_LABELS,
        samples=_one(lambda shard: shard.work.eta),
    ),
)

REQUEST_FAMILIES: Final[tuple[SnapshotFamily[DeployRequestStatus], ...]] = (
    request_family(
        "up",
        "1 if the last background poll of the deploy request worked, else 0; absent until the first has ended.",
        lambda status: status.operations.ok,
    ),
    request_family(
        "last_success_timestamp_seconds",
        "When a background poll of the deploy request last worked, as Unix time in seconds; absent until then.",
        lambda status: status.operations.answered_at and status.operations.answered_at.unix,
    ),
    SnapshotFamily(
        "planetscale_deploy_request_deployment_state",
        "1 for the deployment's current state, 0 for every other." + _POLLED,
        (*REQUEST_LABELS, "state"),
        samples=_states(DeploymentState, lambda status: status.state),
    ),
    SnapshotFamily(
        "planetscale_deploy_request_info",
        "Always 1; the deploy request's branch, the branch it goes into, its page at PlanetScale and its strategy "
        "(serial or parallel). From a background poll; absent until all of it has been asked for.",
        (*REQUEST_LABELS, "branch", "into_branch", "html_url", "strategy"),
        samples=_request_info,
    ),
    request_family(
        "created_timestamp_seconds",
        "When the deploy request was created, as Unix time in seconds." + _POLLED,
        _request("created_at"),
    ),
    request_family(
        "queued_timestamp_seconds",
        "When the deployment was queued, as Unix time in seconds." + _POLLED,
        _deployment("queued_at"),
    ),
    request_family(
        "started_timestamp_seconds",
        "When the deployment was started, as Unix time in seconds." + _POLLED,
        _deployment("started_at"),
    ),
    request_family(
        "finished_timestamp_seconds",
        "When the deployment was finished, as Unix time in seconds." + _POLLED,
        _deployment("finished_at"),
    ),
    request_family(
        "ready_to_cutover_timestamp_seconds",
        "When the deployment became ready to cut over, as Unix time in seconds." + _POLLED,
        _deployment("ready_to_cutover_at"),
    ),
    request_family(
        "auto_cutover",
        "1 if the deployment cuts over by itself, 0 if it waits for a person." + _POLLED,
        _deployment("auto_cutover"),
    ),
    request_family(
        "cutover_expiring",
        "1 if the copy is about to be thrown away because nobody cuts over, else 0." + _POLLED,
        _deployment("cutover_expiring"),
    ),
    request_family(
        "queue_paused",
        "1 while the deploy queue of the target branch is paused, else 0." + _POLLED,
        _deployment("queue_paused"),
    ),
    request_family(
        "table_locked", "1 while the deployment has a table locked, else 0." + _POLLED, _deployment("table_locked")
    ),
    request_family(
        "approved",
        "1 if the deploy request is approved, else 0." + _POLLED,
        _request("approved"),
    ),
    request_family(
        "instant_ddl", "1 if the deployment is done by instant DDL, else 0." + _POLLED, _deployment("instant_ddl")
    ),
    request_family(
        "queue_position",
        "How many deployments precede this one, while it is in the deploy queue." + _POLLED,
        _queue_position,
    ),
    request_family(
        "revert_window_end_timestamp_seconds",
        "When the revert window closes, as Unix time in seconds, while the deployment can be reverted." + _POLLED,
        _revert_window_end,
    ),
    SnapshotFamily(
        "planetscale_deploy_request_throttle_ratio",
        "How much of a keyspace's copying the throttler holds back, as a ratio from 0 to 0.95." + _POLLED,
        (*REQUEST_LABELS, "keyspace"),
        samples=_throttle_ratios,
    ),
)  # fmt: skip

DATABASE_FAMILIES: Final[tuple[SnapshotFamily[DatabaseStatus], ...]] = (
    SnapshotFamily(
        "planetscale_database_up",
        "1 if the last background polls of a watched database's deploy queue and list of open deploy requests worked, "
        "else 0; absent until the first have ended.",
        DATABASE_LABELS,
        samples=_one(lambda database: database.up),
    ),
    SnapshotFamily(
        "planetscale_database_open_deploy_requests",
        "How many open deploy requests of a watched database stand in a deployment state, those that nobody has queued "
        "included; only states that occur. From a background poll of the list.",
        (*DATABASE_LABELS, "deployment_state"),
        samples=_open_requests,
    ),
)

FINISHED: Final[SnapshotFamily[Ended]] = SnapshotFamily(
    "planetscale_deploy_requests_finished_total",
    "Deployments that ended since this process started, each counted once, by result: complete, failed, cancelled or "
    "reverted. From a background poll.",
    (*DATABASE_LABELS, "result"),
    "counter",
    _finished,
)
RUN_SECONDS: Final[HistogramFamily[Ended]] = HistogramFamily(
    "planetscale_deploy_request_run_seconds",
    "How long deployments that ended since this process started had run, in seconds, without their revert window. From "
    "a background poll; one is left out where PlanetScale does not say.",
    DATABASE_LABELS,
    "histogram",
    lambda ended: ended.run,
)
WAIT_SECONDS: Final[HistogramFamily[Ended]] = HistogramFamily(
    "planetscale_deploy_request_wait_seconds",
    "How long deployments that ended since this process started had waited in the queue, in seconds. From a background "
    "poll; one is left out where PlanetScale does not say.",
    DATABASE_LABELS,
    "histogram",
    lambda ended: ended.wait,
)
ENDED_FAMILIES: Final = (FINISHED, RUN_SECONDS, WAIT_SECONDS)

SNAPSHOT_FAMILIES: Final[tuple[SnapshotFamily[Snapshot], ...]] = (
    SnapshotFamily(
        "planetscale_exporter_target_up",
        "1 if every part of the configured target worked at its last background poll, else 0; absent until the first "
        "has ended.",
        ("target",),
        samples=_targets,
    ),
    SnapshotFamily(
        "planetscale_exporter_deploy_requests",
        "How many deploy requests are exported now.",
        samples=_one(lambda snapshot: sum(map(len, snapshot.by_database.values()))),
    ),
    SnapshotFamily(
        "planetscale_exporter_operations",
        "How many operations are exported now.",
        samples=_one(lambda snapshot: snapshot.operations),
    ),
)

BUILD_INFO: Final = Family(
    "planetscale_exporter_build_info",
    "Always 1; the exporter's version, the revision it was built from, and Python's version.",
    ("version", "revision", "python_version"),
)
API_REQUESTS: Final = Family(
    "planetscale_exporter_api_requests_total",
    "Requests to PlanetScale by endpoint and HTTP status, or what there was instead of one: timeout, network, "
    "too_large, redirect, or invalid for a body that can't be read.",
    ("endpoint", "code"),
    "counter",
)
API_DURATION: Final = Family(
    "planetscale_exporter_api_request_duration_seconds",
    "How long requests to PlanetScale took, in seconds, from connect to the last byte.",
    ("endpoint",),
    "histogram",
)
API_BUDGET: Final = Family(
    "planetscale_exporter_api_budget_requests_per_minute",
    "The request budget, in requests a minute (api.requests_per_minute).",
)
API_BUDGET_WAIT: Final = Family(
    "planetscale_exporter_api_budget_wait_seconds_total",
    "The wall time during which anything waited for the request budget, in seconds.",
    type="counter",
)
POLL_FAILURES: Final = Family(
    "planetscale_exporter_poll_failures_total",
    "Polls that failed, by reason; late ones did not start within poll.stale_after of being due.",
    ("reason",),
    "counter",
)
SKIPPED: Final = Family(
    "planetscale_exporter_operations_skipped_total",
    "Operations that were left out at a poll: no_id, duplicate, or cap (metrics.max_operations).",
    ("reason",),
    "counter",
)
POLL_DELAY: Final = Family(
    "planetscale_exporter_poll_delay_seconds",
    "How late polls start, in seconds: from when a poll was due to when its first request leaves.",
    type="histogram",
)
WEBHOOKS: Final = Family(
    "planetscale_exporter_webhooks_total",
    "Webhooks of PlanetScale that came in, by event (a known name, else other) and result: accepted ones let"
    " something be polled at once; the others are unwatched, ignored, unsigned or invalid.",
    ("event", "result"),
    "counter",
)
RELOAD_OK: Final = Family(
    "planetscale_exporter_config_last_reload_successful", "1 if the last load of the configuration worked, else 0."
)
RELOAD_TIME: Final = Family(
    "planetscale_exporter_config_last_reload_success_timestamp_seconds",
    "When the configuration was last loaded with success, as Unix time in seconds.",
)

SHARD_INDEX: Final = Family(
    "planetscale_exporter_shard_index", "Which share of the targets' databases this exporter polls (shard.index)."
)
SHARD_COUNT: Final = Family(
    "planetscale_exporter_shard_count", "How many exporters share the targets' databases (shard.count)."
)

ENDPOINTS: Final = ("databases", "deploy_queue", "deploy_requests", "deploy_request", "operations", "throttler")
FAILURE_REASONS: Final = (
    "unauthorized", "forbidden", "not_found", "rate_limited", "server_error", "timeout", "network", "invalid",
    "too_large", "redirect", "late", "bug",
)  # fmt: skip
WEBHOOK_EVENTS: Final = (
    "deploy_request.opened", "deploy_request.queued", "deploy_request.in_progress", "deploy_request.pending_cutover",
    "deploy_request.schema_applied", "deploy_request.errored", "deploy_request.reverted", "deploy_request.closed",
    "webhook.test",
)  # fmt: skip
SKIP_REASONS: Final = ("no_id", "duplicate", "cap")

OWN_FAMILIES: Final = (
    BUILD_INFO, API_REQUESTS, API_DURATION, API_BUDGET, API_BUDGET_WAIT, POLL_FAILURES, SKIPPED, POLL_DELAY, WEBHOOKS,
    RELOAD_OK, RELOAD_TIME, SHARD_INDEX, SHARD_COUNT,
)  # fmt: skip
FAMILIES: Final[tuple[Family, ...]] = (
    *OPERATION_FAMILIES, *SHARD_FAMILIES, *REQUEST_FAMILIES, *DATABASE_FAMILIES, *ENDED_FAMILIES,
    *SNAPSHOT_FAMILIES, *OWN_FAMILIES,
)  # fmt: skip
