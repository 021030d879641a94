"""What failures and the passing of time do to what is known."""

from dataclasses import replace

from exporter.polling import merge
from exporter.polling.fleet import Fleet
from exporter.polling.following import Feed, is_over
from exporter.polling.jobs import Job, Kind
from exporter.polling.snapshot import DeployRequestStatus, Key, Moment, Part, Scope


def failed(fleet: Fleet, job: Job, error: str, now: Moment, *, not_found: bool = False) -> None:
    """A job has failed; what it feeds keeps its values and counts as failing."""
    fleet.outcomes.failed(job, error)
    match job.kind:
        case Kind.DATABASES if not_found:
            _all_gone(fleet, job.organization, now)
        case Kind.QUEUE:
            _queue_failed(fleet, job.scope, error, now, not_found=not_found)
        case Kind.OPEN:
            _open_failed(fleet, job.scope, error, now)
        case Kind.OPERATIONS | Kind.REQUEST if not_found and not fleet.is_numbered(job.key):
            fleet.drop(job.key)
        case Kind.OPERATIONS:
            _fail(fleet, job.key, error, now, operations=True)
        case Kind.REQUEST:
            _fail(fleet, job.key, error, now, request=True, deployment=True)
        case Kind.THROTTLER:
            _fail(fleet, job.key, error, now, throttle=True)


def pass_time(fleet: Fleet, now: Moment) -> set[Scope]:
    """Let go what has had its time; returns the scopes in which something went."""
    changed = _pass_time_of_databases(fleet, now)
    for followed in fleet.all():
        status = followed.status
        if status.finished_at is not None and now.unix - status.finished_at >= fleet.limits.retention:
            fleet.past.retire(status.key)
            fleet.forget(status.key)
            changed.add(status.key.scope)
        elif (fresh := _fresh(fleet, status, now)) is not status:
            fleet.change(followed, fresh)
            changed.add(status.key.scope)
    fleet.past.forget_answered()
    return changed


def _pass_time_of_databases(fleet: Fleet, now: Moment) -> set[Scope]:
    changed = set()
    for scope, database in list(fleet.databases.items()):
        fresh = merge.expired(database.open_requests, fleet.limits.stale_after, now)
        if fresh is not database.open_requests:
            database.open_requests = fresh
            changed.add(scope)
        if database.gone_since is not None and now.since(database.gone_since) >= fleet.limits.stale_after:
            changed.add(scope)
            fleet.empty_database(scope)
            if not database.named:
                fleet.forget_database(scope)
    fleet.touched |= changed
    return changed


def _fresh(fleet: Fleet, status: DeployRequestStatus, now: Moment) -> DeployRequestStatus:
    answered_at = status.throttle.answered_at
    if not status.configured and answered_at is not None and now.since(answered_at) >= fleet.limits.spare_after:
        status = replace(status, throttle=Part())
    return merge.without_stale(status, fleet.limits.stale_after, now)


def _all_gone(fleet: Fleet, organization: str, now: Moment) -> None:
    """The organisation is not known any more."""
    for scope, database in fleet.databases.items():
        if scope[0] == organization and not database.named:
            database.gone(now)


def _queue_failed(fleet: Fleet, scope: Scope, error: str, now: Moment, *, not_found: bool) -> None:
    database = fleet.databases.get(scope)
    if database and database.named and not_found:
        database.gone(now)
    for followed in fleet.inside(scope, Feed.QUEUE):
        operations = not followed.has_own_operations
        _fail(fleet, followed.status.key, error, now, deployment=True, operations=operations)


def _open_failed(fleet: Fleet, scope: Scope, error: str, now: Moment) -> None:
    if database := fleet.databases.get(scope):
        database.open_requests = merge.failed(database.open_requests, error, now)
    for followed in fleet.inside(scope, Feed.OPEN):
        if not is_over(followed.status):
            _fail(fleet, followed.status.key, error, now, request=True, deployment=True, operations=True)
    for followed in fleet.inside(scope, Feed.QUEUE):
        _fail(fleet, followed.status.key, error, now, request=True)


def _fail(fleet: Fleet, key: Key, error: str, now: Moment, **parts: bool) -> None:
    if not (followed := fleet.get(key)):
        return
    failing = {name: merge.failed(getattr(followed.status, name), error, now) for name, fails in parts.items() if fails}
    fleet.change(followed, replace(followed.status, **failing))  # type: ignore[arg-type] # mypy can't tell which part a name stands for; each gets its own back
