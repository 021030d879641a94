"""Snapshots for tests and measurements, made by parsing what PlanetScale could have answered."""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, TypeVar

from exporter.planetscale.models import DeployRequest, Operation, Throttler
from exporter.planetscale.rows import parse_record, parse_rows
from exporter.polling.snapshot import DeployRequestStatus, Key, Moment, Part, Scope, Snapshot, TargetStatus, Watched

Value = TypeVar("Value")

POLLED_AT = 1785379680.0  # 2026-07-30T02:48:00Z


def known(value: Value, *, failed: bool = False) -> Part[Value]:
    """Make what a poll at POLLED_AT said last, and whether polls fail since."""
    at = Moment(500, POLLED_AT)
    return Part(value, 1, at, Moment(560, POLLED_AT + 60) if failed else None, "network" if failed else "")


def watched(rows: Iterable[Any]) -> tuple[Watched, ...]:
    """Parse operations as they come from the API and watch each, as seen first at its last update."""
    operations = parse_rows(list(rows), Operation, attrgetter("id"))
    return tuple(Watched(each, each.updated_at or POLLED_AT) for each in operations)


def status(key: Key, payload: dict[str, Any], *, failed: bool = False) -> DeployRequestStatus:
    """Parse a payload of `operations`, `request` with its deployment, and `throttler`; what is missing is not known."""
    request = parse_record(payload["request"], DeployRequest) if "request" in payload else None
    deployment = request.deployment if request else None
    rows = payload["operations"]["data"] if "operations" in payload else []
    summarised = tuple(Watched(each, POLLED_AT) for each in deployment.operations) if deployment else ()
    throttler = parse_record(payload["throttler"], Throttler) if "throttler" in payload else None
    return DeployRequestStatus(
        key,
        configured=True,
        operations=known(watched(rows) or summarised, failed=failed),
        deployment=known(deployment) if deployment else Part(),
        request=known(request) if request else Part(),
        throttle=known(throttler.ratios.items) if throttler else Part(),
    )


def snapshot(*statuses: DeployRequestStatus, targets: Iterable[TargetStatus] = ()) -> Snapshot:
    """Put deploy requests together, counting their operations."""
    by_database: dict[Scope, tuple[DeployRequestStatus, ...]] = {}
    for each in statuses:
        by_database[each.key.scope] = (*by_database.get(each.key.scope, ()), each)
    return Snapshot(by_database, tuple(targets), sum(len(each.watched) for each in statuses))
