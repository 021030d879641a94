"""All deploy requests that are known, and what answers and failures make of them.

Everything here is a function of the plan, the answers and the moments passed in; nothing waits or asks.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from exporter.planetscale.models import Database, Deployment, DeploymentState, DeployRequest, Operation, Throttler
from exporter.planetscale.rows import Rows
from exporter.polling import merge
from exporter.polling.databases import WatchedDatabase, is_watched
from exporter.polling.endings import Endings
from exporter.polling.following import Feed, Followed, ends, finished_at, is_over
from exporter.polling.jobs import Job, Kind
from exporter.polling.outcomes import Outcomes
from exporter.polling.past import Past
from exporter.polling.plan import Plan
from exporter.polling.questions import Questions
from exporter.polling.snapshot import DatabaseStatus, DeployRequestStatus, Key, Moment, Part, Scope, Snapshot

Taken = dict[Key, Rows[Operation]]
"""The operations that an answer brought, by deploy request."""


class Limits(NamedTuple):
    """How long things are kept, in seconds, and how many operations are exported.

    `spare_after` is for what is asked only with the budget that is left: it goes when that has been too little for so
    long.
    """

    stale_after: float
    retention: float
    max_operations: int
    spare_after: float


class Fleet:
    """The deploy requests of a plan, by database and number."""

    def __init__(self, plan: Plan, limits: Limits, endings: Endings) -> None:
        self._followed: dict[Scope, dict[int, Followed]] = {}
        self._databases: dict[Scope, WatchedDatabase] = {}
        self.questions = Questions()
        self.outcomes = Outcomes()
        self._past = Past(self.questions)
        self._endings = endings
        self.replan(plan, limits, Moment(0.0, 0.0))

    # -- the plan and the jobs that follow from it

    def replan(self, plan: Plan, limits: Limits, now: Moment) -> None:
        """Take another plan; what it still covers keeps its values."""
        self._plan, self._limits = plan, limits
        for followed in list(self._all()):
            if not plan.keeps(followed.status.key):
                self._forget(followed.status.key)
        self._rewatch(plan)
        for key in plan.numbered:
            known = self._get(key)
            status = known.status if known else DeployRequestStatus(key, configured=True)
            self._follow(replace(status, configured=True, finished_at=None), Feed.NUMBER)
        for followed in list(self._all()):
            if followed.feed is Feed.NUMBER and followed.status.key not in plan.numbered:
                self._let_expire(followed, now)

    def _let_expire(self, followed: Followed, now: Moment) -> None:
        """No target names it by its number any more; it goes on as one that was found in its database."""
        key, state = followed.status.key, followed.status.state
        self._databases.setdefault(key.scope, WatchedDatabase(named=False))
        followed.feed = Feed.OWN
        self._put(followed, replace(followed.status, configured=False), now)
        if state is not None and state.is_unqueued:
            self._forget(key)

    def _rewatch(self, plan: Plan) -> None:
        organizations = set(plan.organizations)
        for name, database in list(self._databases.items()):
            database.named = name in plan.databases
            if not database.named and not (name[0] in organizations and plan.watches(*name)):
                self._forget_database(name)
        for name in plan.databases:
            self._databases.setdefault(name, WatchedDatabase(named=True))
        self._endings.sight([*self._databases, *(key.scope for key in plan.numbered)])

    def scopes(self) -> Iterator[Scope]:
        """What jobs are grouped by: organisation and database, the latter empty for the organisation itself."""
        yield from ((organization, "") for organization in self._plan.organizations)
        yield from dict.fromkeys([*self._databases, *self._followed])

    def jobs(self, scope: Scope) -> frozenset[Job]:
        """The jobs that a scope needs now."""
        organization, name = scope
        if not name:
            return frozenset({Job(Kind.DATABASES, organization)} if organization in self._plan.organizations else ())
        jobs = {Job(kind, *followed.status.key) for followed in self._in(scope) for kind in followed.polls()}
        if database := self._databases.get(scope):
            jobs |= {Job(Kind.QUEUE, *scope), Job(Kind.OPEN, *scope)}
            if not database.past_found:
                jobs.add(Job(Kind.RECENT, *scope))
        return frozenset(jobs)

    def moves(self, job: Job) -> bool:
        """Whether what the job asks about can move; what nothing is known of yet can."""
        match job.kind:
            case Kind.QUEUE:
                return (database := self._databases.get(job.scope)) is not None and database.moves
            case Kind.OPERATIONS | Kind.REQUEST | Kind.THROTTLER:
                return (followed := self._get(job.key)) is not None and followed.can_move
        return False

    def is_last_look(self, job: Job) -> bool:
        """Whether the job is asked once more, for the final values of what has come to its end."""
        followed = self._get(job.key)
        return (
            job.kind is Kind.OPERATIONS
            and followed is not None
            and followed.feed is not Feed.NUMBER
            and is_over(followed.status)
        )

    def telling(self, key: Key) -> frozenset[Job]:
        """The jobs that would tell what has happened to a deploy request; none where nobody watches it."""
        jobs = self.jobs(key.scope)
        own = {Kind.OPERATIONS, Kind.REQUEST}
        telling = {job for job in jobs if job.number == key.number and job.kind in own}
        if self._plan.watches(*key.scope) and not self._plan.excludes(*key):
            telling |= {job for job in jobs if job.kind in {Kind.QUEUE, Kind.OPEN}}
            if key.scope not in self._databases:
                telling |= self.jobs((key.organization, ""))
        return frozenset(telling)

    def is_numbered(self, key: Key) -> bool:
        """Whether a target names it by its number."""
        return key in self._plan.numbered

    # -- answers

    def databases_answered(self, organization: str, rows: Iterable[Database], now: Moment) -> None:
        """The organisation's databases; those that are missing go once `poll.stale_after` has passed."""
        found = {(organization, row.name) for row in rows if row.name and is_watched(self._plan, organization, row)}
        for name in found:
            self._databases.setdefault(name, WatchedDatabase(named=False)).gone_since = None
        self._endings.sight(found)
        for name, database in self._databases.items():
            if name[0] == organization and name not in found and not database.named:
                database.gone(now)

    def queue_answered(self, scope: Scope, rows: Iterable[Deployment], asked: int, now: Moment) -> Taken:
        """The database's deploy queue; what has left it is followed by its own polls."""
        taken: Taken = {}
        if not (database := self._databases.get(scope)):
            return taken
        present = set()
        for row in rows:
            key = Key(*scope, row.number or 0)
            present.add(key)
            self._note_end(key, row)
            if not (followed := self._admit(key, row, asked, closed=False, now=now)):
                continue
            status = merge.with_deployment(followed.status, row, asked, now)
            if status.deployment.asked == asked:
                followed.feed = Feed.QUEUE
                followed.rowless = not (row.operations or merge.has_no_rows_yet(row))
            if not followed.has_own_operations:
                taken[key] = row.operations or merge.foreseen(status, row)
                status = merge.with_operations(status, taken[key], asked, now)
            self._put(followed, status, now)
        self._left(scope, Feed.QUEUE, present, asked)
        database.gone_since = None if database.named else database.gone_since
        self._note_moves(scope)
        return taken

    def open_answered(self, scope: Scope, rows: Iterable[DeployRequest], asked: int, now: Moment) -> Taken:
        """The database's open deploy requests."""
        if not (database := self._databases.get(scope)):
            return {}
        listed = {Key(*scope, row.number or 0): row for row in rows}
        states = Counter(_listed_state(row) for key, row in listed.items() if not self._plan.excludes(*key))
        database.open_requests = merge.answered(database.open_requests, states, asked, now)
        taken = self._found(listed, asked, now)
        self._left(scope, Feed.OPEN, listed, asked)
        self._past.forget_unlisted(*scope, listed)
        self._note_moves(scope)
        return taken

    def recent_answered(self, scope: Scope, rows: Iterable[DeployRequest], asked: int, now: Moment) -> Taken:
        """What was running lately in the database; asked for once, at the start."""
        if not (database := self._databases.get(scope)):
            return {}
        database.past_found = True
        listed = {Key(*scope, row.number or 0): row for row in rows}
        taken = self._found({key: row for key, row in listed.items() if not self._get(key)}, asked, now)
        self._note_moves(scope)
        return taken

    def operations_answered(self, key: Key, rows: Rows[Operation], asked: int, now: Moment) -> Taken:
        """The operations of one deploy request."""
        if not (followed := self._get(key)):
            return {}
        followed.empty = rows.is_empty
        taken = followed.summarised if rows.is_empty else rows
        self._put(followed, merge.with_operations(followed.status, taken, asked, now), now)
        return {key: taken}

    def request_answered(self, key: Key, request: DeployRequest, asked: int, now: Moment) -> None:
        """One deploy request with its deployment."""
        if not (followed := self._get(key)):
            return
        self._put(followed, merge.with_request(followed.status, request, asked, now), now)
        if followed.empty:
            self._put(followed, merge.with_summaries(followed.status, followed.summarised, now), now)
        self._note_end(key, merge.deployment_of(request))
        state = followed.status.state
        if followed.feed is not Feed.NUMBER and state is not None and state.is_unqueued:
            self._drop(key, asked)

    def throttler_answered(self, key: Key, throttler: Throttler, asked: int, now: Moment) -> None:
        """The throttler of one deploy request."""
        if followed := self._get(key):
            self._put(followed, merge.with_throttle(followed.status, throttler, asked, now), now)

    # -- failures and the passing of time

    def failed(self, job: Job, error: str, now: Moment, *, not_found: bool = False) -> None:
        """A job has failed; what it feeds keeps its values and counts as failing."""
        self.outcomes.failed(job, error)
        match job.kind:
            case Kind.DATABASES if not_found:
                self._all_gone(job.organization, now)
            case Kind.QUEUE:
                self._queue_failed(job.scope, error, now, not_found=not_found)
            case Kind.OPEN:
                self._open_failed(job.scope, error, now)
            case Kind.OPERATIONS | Kind.REQUEST if not_found and not self.is_numbered(job.key):
                self._drop(job.key)
            case Kind.OPERATIONS:
                self._fail(job.key, error, now, operations=True)
            case Kind.REQUEST:
                self._fail(job.key, error, now, request=True, deployment=True)
            case Kind.THROTTLER:
                self._fail(job.key, error, now, throttle=True)

    def pass_time(self, now: Moment) -> set[Scope]:
        """Let go what has had its time; returns the scopes in which something went."""
        changed = set()
        for name, database in list(self._databases.items()):
            database.open_requests = merge.expired(database.open_requests, self._limits.stale_after, now)
            if database.gone_since is not None and now.since(database.gone_since) >= self._limits.stale_after:
                changed.add(name)
                self._empty_database(name)
                if not database.named:
                    self._forget_database(name)
        for followed in list(self._all()):
            status = followed.status
            if status.finished_at is not None and now.unix - status.finished_at >= self._limits.retention:
                self._past.retire(status.key)
                self._forget(status.key)
                changed.add(status.key.scope)
            elif (fresh := self._fresh(status, now)) is not status:
                followed.status = fresh
                changed.add(status.key.scope)
        self._past.forget_answered()
        return changed

    # -- what is read from outside

    def snapshot(self) -> Snapshot:
        """What is exported now."""
        left = self._limits.max_operations
        by_database, capped = {}, {}
        for scope in sorted(self._followed):
            exported = []
            for _, followed in sorted(self._followed[scope].items()):
                status = followed.status
                if (over := len(status.watched) - left) > 0:
                    capped[status.key] = over
                    status = replace(status, operations=replace(status.operations, value=status.watched[:left]))
                left -= len(status.watched)
                exported.append(status)
            by_database[scope] = tuple(exported)
        return Snapshot(
            by_database,
            self.outcomes.of_targets(self._plan),
            self._limits.max_operations - left,
            capped,
            tuple(self._status_of(scope) for scope in sorted(self._databases)),
        )

    def _status_of(self, scope: Scope) -> DatabaseStatus:
        up = self.outcomes.of_all((Job(Kind.QUEUE, *scope), Job(Kind.OPEN, *scope)))
        return DatabaseStatus(*scope, up, self._databases[scope].open_requests.value or {})

    def is_tried(self) -> bool:
        """Whether every target has been tried, as far as its parts are known."""
        return self.outcomes.have(
            [
                *(Job(Kind.DATABASES, organization) for organization in self._plan.organizations),
                *(Job(Kind.QUEUE, *name) for name in self._databases),
                *(Job(Kind.OPERATIONS, *key) for key in self._plan.numbered),
            ]
        )

    # -- inside: rows of lists

    def _found(self, listed: Mapping[Key, DeployRequest], asked: int, now: Moment) -> Taken:
        """Rows of a list of deploy requests."""
        taken: Taken = {}
        for key, row in listed.items():
            deployment, is_new = merge.deployment_of(row), not self._get(key)
            if deployment is None and is_new:
                continue
            deployment = deployment or Deployment()
            self._note_end(key, deployment)
            if not (followed := self._admit(key, deployment, asked, closed=row.state == "closed", now=now)):
                continue
            status = merge.with_request(followed.status, row, asked, now)
            if status.deployment.asked == asked and not (followed.feed is Feed.QUEUE and not is_new):
                followed.feed = _feed_of(status, is_new=is_new)
            is_foreseen = (
                status.deployment.asked == asked and merge.has_no_rows_yet(deployment) and deployment.operations
            )
            if is_new or followed.feed is Feed.OPEN or is_foreseen:
                taken[key] = deployment.operations
                status = merge.with_operations(status, deployment.operations, asked, now)
            self._put(followed, status, now)
        return taken

    def _admit(self, key: Key, deployment: Deployment, asked: int, *, closed: bool, now: Moment) -> Followed | None:
        """The record to go on with, or None where the row is of no concern."""
        known, state = self._get(key), deployment.state
        if not key.number or self.is_numbered(key) or self._plan.excludes(*key) or self._past.is_late(key, asked):
            return None
        if known and asked < known.status.deployment.asked:
            return known
        if state is not None and state.is_unqueued:
            if known:
                self._drop(key, asked)
            return None
        if not ends(state, closed=closed):
            self._past.came_back(key)
        elif not known and not self._finished_lately(key, deployment, now):
            return None
        return known or self._follow(DeployRequestStatus(key, configured=False), Feed.OWN)

    def _note_end(self, key: Key, deployment: Deployment | None) -> None:
        if key.number and deployment and not self._plan.excludes(*key):
            self._endings.note(key, deployment)

    def _finished_lately(self, key: Key, deployment: Deployment, now: Moment) -> bool:
        is_failure = deployment.state is not None and deployment.state.is_failed
        if is_failure or self._past.is_retired(key):
            return False
        was_queued = deployment.queued_at or deployment.started_at
        at = deployment.finished_at or (now.unix if was_queued else None)
        return at is not None and now.unix - at < self._limits.retention

    def _left(self, scope: Scope, feed: Feed, present: Iterable[Key], asked: int) -> None:
        """What a list feeds and does not name any more is followed by its own polls."""
        for followed in self._in(scope, feed):
            if followed.status.key not in present and asked >= followed.status.deployment.asked:
                followed.feed, followed.rowless, followed.unlisted = Feed.OWN, False, asked

    def _note_moves(self, scope: Scope) -> None:
        self._databases[scope].moves = any(followed.status.moves for followed in self._in(scope, Feed.QUEUE))

    # -- inside: failures

    def _queue_failed(self, scope: Scope, error: str, now: Moment, *, not_found: bool) -> None:
        database = self._databases.get(scope)
        if database and database.named and not_found:
            database.gone(now)
        for followed in self._in(scope, Feed.QUEUE):
            operations = not followed.has_own_operations
            self._fail(followed.status.key, error, now, deployment=True, operations=operations)

    def _open_failed(self, scope: Scope, error: str, now: Moment) -> None:
        if database := self._databases.get(scope):
            database.open_requests = merge.failed(database.open_requests, error, now)
        for followed in self._in(scope, Feed.OPEN):
            if not is_over(followed.status):
                self._fail(followed.status.key, error, now, request=True, deployment=True, operations=True)
        for followed in self._in(scope, Feed.QUEUE):
            self._fail(followed.status.key, error, now, request=True)

    def _fail(self, key: Key, error: str, now: Moment, **parts: bool) -> None:
        if not (followed := self._get(key)):
            return
        failing: Mapping[str, Part[object]] = {
            name: merge.failed(getattr(followed.status, name), error, now) for name, fails in parts.items() if fails
        }
        followed.status = replace(followed.status, **failing)  # type: ignore[arg-type] # each name has its own type

    def _fresh(self, status: DeployRequestStatus, now: Moment) -> DeployRequestStatus:
        answered_at = status.throttle.answered_at
        if not status.configured and answered_at is not None and now.since(answered_at) >= self._limits.spare_after:
            status = replace(status, throttle=Part())
        return merge.without_stale(status, self._limits.stale_after, now)

    # -- inside: the records

    def _get(self, key: Key) -> Followed | None:
        return self._followed.get(key.scope, {}).get(key.number)

    def _all(self) -> Iterator[Followed]:
        for followed in self._followed.values():
            yield from followed.values()

    def _in(self, scope: Scope, feed: Feed | None = None) -> list[Followed]:
        return [each for each in self._followed.get(scope, {}).values() if feed in {None, each.feed}]

    def _follow(self, status: DeployRequestStatus, feed: Feed) -> Followed:
        followed = Followed(status, feed)
        self._followed.setdefault(status.key.scope, {})[status.key.number] = followed
        return followed

    def _put(self, followed: Followed, status: DeployRequestStatus, now: Moment) -> None:
        if not status.configured:
            status = replace(status, finished_at=finished_at(status, now.unix))
        if status.throttle != Part() and not status.moves:
            status = replace(status, throttle=Part())
        followed.status = status

    def _drop(self, key: Key, asked: int | None = None) -> None:
        self._past.drop(key, asked)
        self._forget(key)

    def _forget(self, key: Key) -> None:
        if scope := self._followed.get(key.scope):
            scope.pop(key.number, None)
            if not scope:
                del self._followed[key.scope]

    def _empty_database(self, name: Scope) -> None:
        """Let go what was found in a database."""
        for followed in self._in(name):
            if followed.feed is not Feed.NUMBER:
                self._drop(followed.status.key)

    def _forget_database(self, name: Scope) -> None:
        self._empty_database(name)
        del self._databases[name]
        self._past.forget_unlisted(*name)
        if name not in self._followed:
            self._endings.lose(name)

    def _all_gone(self, organization: str, now: Moment) -> None:
        """The organisation is not known any more."""
        for name, database in self._databases.items():
            if name[0] == organization and not database.named:
                database.gone(now)


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
