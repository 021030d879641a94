"""What answers say: each function takes one answer into what is known, and returns the operations that it brought.

*asked* numbers the question; what an older one says never replaces what a newer one said.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from exporter.planetscale.models import Database, Deployment, DeploymentState, DeployRequest, Operation, Throttler
from exporter.planetscale.rows import Rows
from exporter.polling import merge
from exporter.polling.databases import WatchedDatabase, is_watched
from exporter.polling.fleet import Fleet
from exporter.polling.following import Feed, Followed, ends
from exporter.polling.snapshot import DeployRequestStatus, Key, Moment, Scope

Taken = dict[Key, Rows[Operation]]
"""The operations that an answer brought, by deploy request."""


def databases(fleet: Fleet, organization: str, rows: Iterable[Database], now: Moment) -> None:
    """The organisation's databases; those that are missing go once `poll.stale_after` has passed."""
    found = {(organization, row.name) for row in rows if row.name and is_watched(fleet.plan, organization, row)}
    for scope in found - fleet.databases.keys():
        fleet.databases[scope] = WatchedDatabase(named=False)
        fleet.touched.add(scope)
    for scope in found:
        fleet.databases[scope].gone_since = None
    fleet.endings.sight(found)
    for scope, database in fleet.databases.items():
        if scope[0] == organization and scope not in found and not database.named:
            database.gone(now)


def deploy_queue(fleet: Fleet, scope: Scope, rows: Iterable[Deployment], asked: int, now: Moment) -> Taken:
    """The database's deploy queue; what has left it is followed by its own polls."""
    taken: Taken = {}
    if not (database := fleet.databases.get(scope)):
        return taken
    present = set()
    for row in rows:
        key = Key(*scope, row.number or 0)
        present.add(key)
        _note_end(fleet, key, row)
        if not (followed := _admit(fleet, key, row, asked, closed=False, now=now)):
            continue
        status = merge.with_deployment(followed.status, row, asked, now)
        if status.deployment.asked == asked:
            followed.feed = Feed.QUEUE
            followed.rowless = not (row.operations or merge.has_no_rows_yet(row))
        if not followed.has_own_operations:
            taken[key] = row.operations or merge.foreseen(status, row)
            status = merge.with_operations(status, taken[key], asked, now)
        fleet.put(followed, status, now)
    _left(fleet, scope, Feed.QUEUE, present, asked)
    database.gone_since = None if database.named else database.gone_since
    _note_moves(fleet, scope)
    return taken


def open_list(fleet: Fleet, scope: Scope, rows: Iterable[DeployRequest], asked: int, now: Moment) -> Taken:
    """The database's open deploy requests."""
    if not (database := fleet.databases.get(scope)):
        return {}
    listed = {Key(*scope, row.number or 0): row for row in rows}
    states = Counter(_listed_state(row) for key, row in listed.items() if not fleet.plan.excludes(*key))
    database.open_requests = merge.answered(database.open_requests, states, asked, now)
    fleet.touched.add(scope)
    taken = _found(fleet, listed, asked, now)
    _left(fleet, scope, Feed.OPEN, listed, asked)
    fleet.past.forget_unlisted(*scope, listed)
    _note_moves(fleet, scope)
    return taken


def recent_list(fleet: Fleet, scope: Scope, rows: Iterable[DeployRequest], asked: int, now: Moment) -> Taken:
    """What was running lately in the database; asked for once, at the start."""
    if not (database := fleet.databases.get(scope)):
        return {}
    database.past_found = True
    listed = {Key(*scope, row.number or 0): row for row in rows}
    taken = _found(fleet, {key: row for key, row in listed.items() if not fleet.get(key)}, asked, now)
    _note_moves(fleet, scope)
    return taken


def operations(fleet: Fleet, key: Key, rows: Rows[Operation], asked: int, now: Moment) -> Taken:
    """The operations of one deploy request."""
    if not (followed := fleet.get(key)):
        return {}
    followed.empty = rows.is_empty
    taken = followed.summarised if rows.is_empty else rows
    fleet.put(followed, merge.with_operations(followed.status, taken, asked, now), now)
    return {key: taken}


def deploy_request(fleet: Fleet, key: Key, request: DeployRequest, asked: int, now: Moment) -> None:
    """One deploy request with its deployment."""
    if not (followed := fleet.get(key)):
        return
    fleet.put(followed, merge.with_request(followed.status, request, asked, now), now)
    if followed.empty:
        fleet.put(followed, merge.with_summaries(followed.status, followed.summarised, now), now)
    _note_end(fleet, key, merge.deployment_of(request))
    state = followed.status.state
    if followed.feed is not Feed.NUMBER and state is not None and state.is_unqueued:
        fleet.drop(key, asked)


def throttler(fleet: Fleet, key: Key, answer: Throttler, asked: int, now: Moment) -> None:
    """The throttler of one deploy request."""
    if followed := fleet.get(key):
        fleet.put(followed, merge.with_throttle(followed.status, answer, asked, now), now)


# -- the rows of lists


def _found(fleet: Fleet, listed: Mapping[Key, DeployRequest], asked: int, now: Moment) -> Taken:
    """Rows of a list of deploy requests."""
    taken: Taken = {}
    for key, row in listed.items():
        deployment, is_new = merge.deployment_of(row), not fleet.get(key)
        if deployment is None and is_new:
            continue
        deployment = deployment or Deployment()
        _note_end(fleet, key, deployment)
        if not (followed := _admit(fleet, key, deployment, asked, closed=row.state == "closed", now=now)):
            continue
        status = merge.with_request(followed.status, row, asked, now)
        if status.deployment.asked == asked and not (followed.feed is Feed.QUEUE and not is_new):
            followed.feed = _feed_of(status, is_new=is_new)
        is_foreseen = status.deployment.asked == asked and merge.has_no_rows_yet(deployment) and deployment.operations
        if is_new or followed.feed is Feed.OPEN or is_foreseen:
            taken[key] = deployment.operations
            status = merge.with_operations(status, deployment.operations, asked, now)
        fleet.put(followed, status, now)
    return taken


def _admit(  # noqa: PLR0913 - two callers have different rows, so their common facts come one by one
    fleet: Fleet, key: Key, deployment: Deployment, asked: int, *, closed: bool, now: Moment
) -> Followed | None:
    """The record to go on with, or None where the row is of no concern."""
    known, state = fleet.get(key), deployment.state
    if not key.number or fleet.is_numbered(key) or fleet.plan.excludes(*key) or fleet.past.is_late(key, asked):
        return None
    if known and asked < known.status.deployment.asked:
        return known
    if state is not None and state.is_unqueued:
        if known:
            fleet.drop(key, asked)
        return None
    if not ends(state, closed=closed):
        fleet.past.came_back(key)
    elif not known and not _finished_lately(fleet, key, deployment, now):
        return None
    return known or fleet.follow(DeployRequestStatus(key, configured=False), Feed.OWN)


def _finished_lately(fleet: Fleet, key: Key, deployment: Deployment, now: Moment) -> bool:
    is_failure = deployment.state is not None and deployment.state.is_failed
    if is_failure or fleet.past.is_retired(key):
        return False
    was_queued = deployment.queued_at or deployment.started_at
    at = deployment.finished_at or (now.unix if was_queued else None)
    return at is not None and now.unix - at < fleet.limits.retention


def _left(fleet: Fleet, scope: Scope, feed: Feed, present: Iterable[Key], asked: int) -> None:
    """What a list feeds and does not name any more is followed by its own polls."""
    for followed in fleet.inside(scope, feed):
        if followed.status.key not in present and asked >= followed.status.deployment.asked:
            followed.feed, followed.rowless, followed.unlisted = Feed.OWN, False, asked


def _note_moves(fleet: Fleet, scope: Scope) -> None:
    fleet.databases[scope].moves = any(followed.status.moves for followed in fleet.inside(scope, Feed.QUEUE))


def _note_end(fleet: Fleet, key: Key, deployment: Deployment | None) -> None:
    if key.number and deployment and not fleet.plan.excludes(*key):
        fleet.endings.note(key, deployment)


def _listed_state(row: DeployRequest) -> DeploymentState:
    deployment = merge.deployment_of(row)
    return (deployment and deployment.state) or DeploymentState.UNKNOWN


def _feed_of(status: DeployRequestStatus, *, is_new: bool) -> Feed:
    """What feeds a row of a list that the queue did not name before.

    A new one that moves is taken to stand in the queue, whose next answer confirms it or sends it on to its own polls.
    """
    if not status.moves:
        return Feed.OPEN
    closed = status.request.value is not None and status.request.value.state == "closed"
    return Feed.QUEUE if is_new and not closed else Feed.OWN
