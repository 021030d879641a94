"""Snapshots for the tests of the web room, parsed from JSON by the real models."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from snapshots import snapshot as put_together

from exporter.planetscale.models import Deployment, DeployRequest, Operation, ThrottleRatio
from exporter.planetscale.rows import parse_record
from exporter.polling.snapshot import DeployRequestStatus, Key, Moment, Part, Snapshot, TargetStatus, Watched

NOW = 1_760_000_000.0


def moment(ago: float = 0) -> Moment:
    """The moment *ago* seconds before NOW, whose clocks differ."""
    return Moment(50_000 - ago, NOW - ago)


def stamp(ago: float) -> str:
    """The API's way to write the moment *ago* seconds before NOW."""
    return datetime.fromtimestamp(NOW - ago, UTC).isoformat().replace("+00:00", "Z")


def operation(number: int = 1, **fields: Any) -> dict[str, Any]:
    """An operation as the API gives it."""
    return {
        "id": f"op{number}",
        "state": "in_progress",
        "keyspace_name": "shop",
        "table_name": f"orders_{number}",
        "operation_name": "ALTER",
        "progress_percentage": 67,
        "eta_seconds": 4299,
        "ddl_statement": f"ALTER TABLE `orders_{number}` ADD COLUMN `note` varchar(255)",
        "deploy_errors": "",
        "can_drop_data": False,
        "table_locked": False,
    } | fields


def deployment(state: str = "in_progress", **fields: Any) -> dict[str, Any]:
    """A deployment as the API gives it."""
    return {"state": state, "into_branch": "main", "auto_cutover": True, "started_at": stamp(3 * 3600)} | fields


def summary(shards: Sequence[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """What a deployment does to one table of a sharded keyspace."""
    return operation(**fields) | {"id": "summary", "sharded": True, "operations": list(shards)}


def status(  # noqa: PLR0913 - what a test may want to differ
    number: int = 1,
    operations: Sequence[dict[str, Any]] | None = None,
    *,
    organization: str = "acme",
    database: str = "shop",
    deployed: dict[str, Any] | None = None,
    request: dict[str, Any] | None = None,
    advance_ago: float = 20,
    age: float = 12,
    failed_for: float | None = None,
    error: str = "",
    throttle: Sequence[dict[str, Any]] = (),
) -> DeployRequestStatus:
    """A deploy request whose polls gave these answers."""
    rows = [operation()] if operations is None else operations
    watched = tuple(Watched(parse_record(row, Operation), NOW - advance_ago) for row in rows)
    asked = {"branch": "add-note", "into_branch": "main", "html_url": "https://app.planetscale.com/acme/shop/1"}
    failed_since = None if failed_for is None else moment(failed_for)
    ratios = tuple(parse_record(row, ThrottleRatio) for row in throttle)
    return DeployRequestStatus(
        key=Key(organization, database, number),
        configured=False,
        operations=Part(watched, answered_at=moment(age), failed_since=failed_since, error=error),
        deployment=Part(parse_record(deployed or deployment(), Deployment), answered_at=moment(age)),
        request=Part(parse_record(asked if request is None else request, DeployRequest), answered_at=moment(age)),
        throttle=Part(ratios, answered_at=moment(age)),
    )


def snapshot(*statuses: DeployRequestStatus, targets: Sequence[TargetStatus] | None = None) -> Snapshot:
    """A snapshot of these, all targets well unless said otherwise."""
    given = (TargetStatus("acme", up=True),) if targets is None else tuple(targets)
    return put_together(*statuses, targets=given)


def varied() -> Snapshot:
    """One of everything that the page has words for."""
    shards = [
        {"id": f"s{i}", "shard": shard, "state": "in_progress", "progress_percentage": 30 + 12 * i, "eta_seconds": 900}
        for i, shard in enumerate(["-40", "40-80", "80-c0", "c0-"])
    ]
    used = stamp(3 * 3600)
    dropped: dict[str, Any] = {"can_drop_data": True, "table_recently_used": True, "table_recently_used_at": used}
    failure: dict[str, Any] = {
        "state": "error",
        "progress_percentage": 31,
        "eta_seconds": None,
        "deploy_errors": "Duplicate entry 'a@b.example' for key 'users.email'",
        "deploy_error_docs_url": "https://planetscale.com/docs/errors/duplicate-entry",
    }
    long = "ALTER TABLE `orders_1` " + ", ".join(f"ADD COLUMN `column_{i}` varchar(255) NOT NULL" for i in range(9))
    return snapshot(
        status(1, [operation(ddl_statement=long), operation(2, throttled_at=stamp(130), progress_percentage=12)]),
        status(2, [operation(1, **failure), operation(2, state="cancelled")], deployed=deployment("complete_error")),
        status(3, deployed=deployment("pending_cutover", auto_cutover=False, ready_to_cutover_at=stamp(4 * 3600))),
        status(4, [], deployed=deployment("queued", preceding_deployments=[{}, {}], queued_at=stamp(3000))),
        status(5, [operation(state="complete")], deployed=deployment("complete", finished_at=stamp(1200))),
        status(6, database="ledger", age=430, failed_for=420, error="HTTP 503: the API is down"),
        status(7, database="ledger", advance_ago=43 * 60),
        status(8, database="ledger", deployed=deployment(deploy_operation_summaries=[summary(shards)])),
        status(9, [operation(state="pending", **dropped)], organization="umbrella", database="genes"),
        status(
            10,
            [operation(progress_percentage=None, eta_seconds=None, table_locked=True)],
            organization="umbrella",
            database="genes",
            deployed=deployment(queue_paused=True),
            throttle=[{"keyspace_name": "genes", "ratio": 40}],
        ),
        targets=[TargetStatus("acme", up=True), TargetStatus("hooli/*", up=False, error="HTTP 401: unauthorized")],
    )


def many(deploy_requests: int, operations: int) -> Snapshot:
    """A large snapshot: this many operations in this many deploy requests."""
    each, rest = divmod(operations, deploy_requests)
    return snapshot(
        *(
            status(
                number,
                [operation(i, progress_percentage=(number + i) % 101) for i in range(each + (number < rest))],
                database=f"db{number % 40}",
                deployed=deployment(("in_progress", "queued", "complete", "pending_cutover")[number % 4]),
            )
            for number in range(deploy_requests)
        )
    )
