"""All deploy requests that are known, and what answers and failures make of them.

Everything here is a function of the plan, the answers and the times passed in (Unix seconds); nothing waits or asks.

A deploy request that was found is *fed* by one kind of poll: by the deploy queue while it stands there, by the list of
open deploy requests while it waits there for a person, else by polls of its own, to its end.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final, NamedTuple

from exporter.planetscale.models import Database, Deployment, DeployRequest, Operation, Throttler
from exporter.planetscale.rows import Rows
from exporter.polling import merge
from exporter.polling.jobs import Job, Kind
from exporter.polling.outcomes import Outcomes
from exporter.polling.plan import Plan
from exporter.polling.snapshot import DeployRequestStatus, Key, Part, Snapshot

MYSQL: Final = "mysql"
_GRACE: Final = 600.0


class Feed(Enum):
    """Which polls tell about a deploy request that was found."""

    QUEUE = auto()
    OPEN = auto()
    OWN = auto()


class Limits(NamedTuple):
    """How long things are kept, in seconds, and how many operations are exported.

    `spare_after` is for what is asked only with the budget that is left: it goes when that has been too little for so
    long.
    """

    stale_after: float
    retention: float
    max_operations: int
    spare_after: float


@dataclass(slots=True)
class _Database:
    """A watched database; `named` ones are targets themselves and stay, found ones go when they are gone."""

    named: bool
    moves: bool = True
    past_found: bool = False
    gone_since: float | None = None
    numbers: set[int] = field(default_factory=set)

    def gone(self, now: float) -> None:
        """PlanetScale knows it no more; the first time counts."""
        self.gone_since = now if self.gone_since is None else self.gone_since


class Fleet:
    """The deploy requests of a plan, by key."""

    def __init__(self, plan: Plan, limits: Limits) -> None:
        self._statuses: dict[Key, DeployRequestStatus] = {}
        self._feeds: dict[Key, Feed] = {}
        # Deploy requests whose row in the queue should hold operations and holds none.
        self._without_rows: set[Key] = set()
        self._databases: dict[tuple[str, str], _Database] = {}
        # What has had its time must not come back while a list still names it, nor through an answer asked for before.
        self._retired: set[Key] = set()
        self._dropped: dict[Key, float] = {}
        # Deploy requests whose last answer from the operations endpoint held none.
        self._empty: set[Key] = set()
        self.outcomes = Outcomes()
        self.replan(plan, limits)

    # -- the plan and the jobs that follow from it

    def replan(self, plan: Plan, limits: Limits) -> None:
        """Take another plan; what it still covers keeps its values."""
        self._plan, self._limits = plan, limits
        self._configured = frozenset(plan.deploy_requests)
        for key in [key for key in self._statuses if not plan.keeps(key)]:
            self._forget(key)
        named = dict.fromkeys(plan.databases)
        organizations = set(plan.organizations)
        for name in list(self._databases):
            if name not in named and not (name[0] in organizations and plan.watches(*name)):
                self._forget_database(name)
        for name in named:
            self._databases.setdefault(name, _Database(named=True)).named = True
        for key in self._configured:
            status = self._statuses.get(key) or DeployRequestStatus(key, configured=True)
            self._statuses[key] = replace(status, configured=True, finished_at=None)
            self._feeds.pop(key, None)
        for key, status in self._statuses.items():
            if status.configured and key not in self._configured:
                self._statuses[key] = replace(status, configured=False)
                self._feeds[key] = Feed.OWN
                self._database(key).numbers.add(key.number)

    def scopes(self) -> Iterator[tuple[str, str]]:
        """What jobs are grouped by: organisation and database, the latter empty for the organisation itself."""
        yield from ((organization, "") for organization in self._plan.organizations)
        yield from dict.fromkeys([*self._databases, *(key[:2] for key in self._configured)])

    def jobs(self, scope: tuple[str, str]) -> frozenset[Job]:
        """The jobs that a scope needs now."""
        organization, name = scope
        if not name:
            return frozenset({Job(Kind.DATABASES, organization)} if organization in self._plan.organizations else ())
        jobs = {Job(kind, *key) for key in self._configured if key[:2] == scope for kind in self._own_polls(key)}
        if database := self._databases.get(scope):
            jobs |= {Job(Kind.QUEUE, *scope), Job(Kind.OPEN, *scope)}
            if not database.past_found:
                jobs.add(Job(Kind.RECENT, *scope))
            for number in database.numbers:
                key = Key(*scope, number)
                jobs |= {Job(kind, *key) for kind in self._own_polls(key)}
        return frozenset(jobs)

    def moves(self, job: Job) -> bool:
        """Whether what the job asks about can move; what nothing is known of yet can."""
        match job.kind:
            case Kind.QUEUE:
                database = self._databases.get(job.key[:2])
                return database is not None and database.moves
            case Kind.OPERATIONS | Kind.REQUEST | Kind.THROTTLER:
                status = self._statuses.get(job.key)
                return status is not None and (status.moves or not (status.watched or _is_over(status)))
        return False

    def is_last_look(self, job: Job) -> bool:
        """Whether the job is asked once more, for the final values of what has come to its end."""
        status = self._statuses.get(job.key)
        return job.kind is Kind.OPERATIONS and status is not None and not status.configured and _is_over(status)

    def keys_fed_by(self, job: Job) -> list[Key]:
        """The deploy requests whose operations the job brings."""
        return [job.key] if job.kind is Kind.OPERATIONS else self._fed_by(job.key[:2], Feed.QUEUE)

    def is_configured(self, key: Key) -> bool:
        """Whether a target names it by its number."""
        return key in self._configured

    def _own_polls(self, key: Key) -> Iterator[Kind]:
        status = self._statuses[key]
        feed = self._feeds.get(key)
        if status.moves:
            yield Kind.THROTTLER
        if status.configured:
            yield from (Kind.OPERATIONS, Kind.REQUEST)
            return
        if feed is Feed.QUEUE and key in self._without_rows:
            yield Kind.OPERATIONS
        if feed is Feed.OWN:
            if not _is_over(status):
                yield from (Kind.OPERATIONS, Kind.REQUEST)
            elif status.operations.asked_at < status.deployment.asked_at:
                yield Kind.OPERATIONS

    # -- answers

    def databases_answered(self, organization: str, rows: Iterable[Database], now: float) -> None:
        """The organisation's databases; those that are missing go once `poll.stale_after` has passed."""
        found = {(organization, row.name) for row in rows if row.name and is_watched(self._plan, organization, row)}
        for name in found:
            self._databases.setdefault(name, _Database(named=False)).gone_since = None
        for name, database in self._databases.items():
            if name[0] == organization and name not in found and not database.named:
                database.gone(now)

    def queue_answered(self, scope: tuple[str, str], rows: Iterable[Deployment], asked_at: float, now: float) -> None:
        """The database's deploy queue; what has left it is followed by its own polls."""
        if not (database := self._databases.get(scope)):
            return
        present = set()
        for row in rows:
            key = Key(*scope, row.number or 0)
            present.add(key)
            if not (status := self._admit(key, row, asked_at, is_closed=False, now=now)):
                continue
            status = merge.with_deployment(status, row, asked_at, now)
            self._feeds[key] = Feed.QUEUE
            if row.operations or merge.has_no_rows_yet(row):
                self._without_rows.discard(key)
                status = merge.with_operations(status, row.operations, asked_at, now)
            else:
                self._without_rows.add(key)
            self._put(status, now)
        for key in self._fed_by(scope, Feed.QUEUE):
            if key not in present and asked_at >= self._statuses[key].deployment.asked_at:
                self._feeds[key] = Feed.OWN
                self._without_rows.discard(key)
        database.gone_since = None if database.named else database.gone_since
        self._note_moves(scope)

    def open_answered(self, scope: tuple[str, str], rows: Iterable[DeployRequest], asked_at: float, now: float) -> None:
        """The database's open deploy requests."""
        if scope not in self._databases:
            return
        present = set()
        for row in rows:
            key = Key(*scope, row.number or 0)
            present.add(key)
            self._found(key, row, asked_at, now)
        for key in self._fed_by(scope, Feed.OPEN):
            if key not in present and asked_at >= self._statuses[key].request.asked_at:
                self._feeds[key] = Feed.OWN
        self._retired -= {key for key in self._retired if key[:2] == scope and key not in present}
        self._note_moves(scope)

    def recent_answered(
        self, scope: tuple[str, str], rows: Iterable[DeployRequest], asked_at: float, now: float
    ) -> None:
        """What was running lately in the database; asked for once, at the start."""
        if not (database := self._databases.get(scope)):
            return
        database.past_found = True
        for row in rows:
            key = Key(*scope, row.number or 0)
            if key not in self._statuses:
                self._found(key, row, asked_at, now)
        self._note_moves(scope)

    def operations_answered(self, key: Key, rows: Rows[Operation], asked_at: float, now: float) -> None:
        """The operations of one deploy request."""
        if not (status := self._statuses.get(key)):
            return
        if rows:
            self._empty.discard(key)
        else:
            self._empty.add(key)
        self._put(merge.with_operations(status, rows or _summarised(status), asked_at, now), now)

    def request_answered(self, key: Key, request: DeployRequest, asked_at: float, now: float) -> None:
        """One deploy request with its deployment."""
        if not (status := self._statuses.get(key)):
            return
        status = merge.with_request(status, request, asked_at, now)
        self._put(merge.with_summaries(status, _summarised(status), now) if key in self._empty else status, now)

    def throttler_answered(self, key: Key, throttler: Throttler, asked_at: float, now: float) -> None:
        """The throttler of one deploy request."""
        if status := self._statuses.get(key):
            self._put(merge.with_throttle(status, throttler, asked_at, now), now)

    # -- failures and the passing of time

    def failed(self, job: Job, error: str, now: float, *, not_found: bool = False) -> None:
        """A job has failed; what it feeds keeps its values and counts as failing."""
        self.outcomes.failed(job, error)
        match job.kind:
            case Kind.DATABASES if not_found:
                for name, database in self._databases.items():
                    if name[0] == job.organization and not database.named:
                        database.gone(now)
            case Kind.QUEUE:
                self._queue_failed(job.key[:2], error, now, not_found=not_found)
            case Kind.OPEN:
                self._open_failed(job.key[:2], error, now)
            case Kind.OPERATIONS | Kind.REQUEST if not_found and job.key not in self._configured:
                self._drop(job.key, now)
            case Kind.OPERATIONS | Kind.REQUEST | Kind.THROTTLER if job.key in self._statuses:
                feeds_deployment = self._feeds.get(job.key, Feed.OWN) is Feed.OWN
                self._fail(
                    job.key,
                    error,
                    now,
                    operations=job.kind is Kind.OPERATIONS,
                    request=job.kind is Kind.REQUEST,
                    deployment=job.kind is Kind.REQUEST and feeds_deployment,
                    throttle=job.kind is Kind.THROTTLER,
                )

    def pass_time(self, now: float) -> set[tuple[str, str]]:
        """Let go what has had its time; returns the scopes in which something went."""
        changed = set()
        for name, database in list(self._databases.items()):
            if database.gone_since is not None and now - database.gone_since >= self._limits.stale_after:
                changed.add(name)
                if database.named:
                    for number in list(database.numbers):
                        self._drop(Key(*name, number), now)
                else:
                    self._forget_database(name)
        for key, status in list(self._statuses.items()):
            if not status.configured and status.finished_at is not None:
                if now - status.finished_at >= self._limits.retention:
                    self._retire(key)
                    changed.add(key[:2])
            elif (fresh := self._fresh(status, now)) is not status:
                self._statuses[key] = fresh
                changed.add(key[:2])
        for key in [key for key, dropped in self._dropped.items() if now - dropped > _GRACE]:
            del self._dropped[key]
        return changed

    # -- what is read from outside

    def snapshot(self) -> Snapshot:
        """What is exported now."""
        left = self._limits.max_operations
        exported, capped = [], {}
        for key in sorted(self._statuses):
            status = self._statuses[key]
            count = len(status.watched)
            if count > left:
                capped[key] = count - left
                kept = replace(status.operations, value=status.watched[:left])
                status = replace(status, operations=kept)
                count = left
            left -= count
            exported.append(status)
        return Snapshot(
            tuple(exported), self.outcomes.of_targets(self._plan), self._limits.max_operations - left, capped
        )

    def is_tried(self) -> bool:
        """Whether every target has been tried, as far as its parts are known."""
        return self.outcomes.have(
            [
                *(Job(Kind.DATABASES, organization) for organization in self._plan.organizations),
                *(Job(Kind.QUEUE, *name) for name in self._databases),
                *(Job(Kind.OPERATIONS, *key) for key in self._configured),
            ]
        )

    # -- inside

    def _database(self, key: Key) -> _Database:
        return self._databases[key[:2]]

    def _found_in(self, scope: tuple[str, str]) -> list[Key]:
        return (
            [Key(*scope, number) for number in sorted(self._databases[scope].numbers)]
            if scope in self._databases
            else []
        )

    def _fed_by(self, scope: tuple[str, str], feed: Feed) -> list[Key]:
        return [key for key in self._found_in(scope) if self._feeds[key] is feed]

    def _fresh(self, status: DeployRequestStatus, now: float) -> DeployRequestStatus:
        answered_at = status.throttle.answered_at
        if not status.configured and answered_at is not None and now - answered_at >= self._limits.spare_after:
            status = replace(status, throttle=Part())
        return merge.without_stale(status, self._limits.stale_after, now)

    def _queue_failed(self, scope: tuple[str, str], error: str, now: float, *, not_found: bool) -> None:
        database = self._databases.get(scope)
        if database and database.named and not_found:
            database.gone(now)
        for key in self._fed_by(scope, Feed.QUEUE):
            self._fail(key, error, now, deployment=True, operations=key not in self._without_rows)

    def _open_failed(self, scope: tuple[str, str], error: str, now: float) -> None:
        for key in self._found_in(scope):
            if not _is_over(self._statuses[key]):
                is_fed = self._feeds[key] is Feed.OPEN
                self._fail(key, error, now, request=True, deployment=is_fed, operations=is_fed)

    def _note_moves(self, scope: tuple[str, str]) -> None:
        self._databases[scope].moves = any(self._statuses[key].moves for key in self._fed_by(scope, Feed.QUEUE))

    def _found(self, key: Key, row: DeployRequest, asked_at: float, now: float) -> None:
        """A row of a list of deploy requests."""
        deployment = merge.deployment_of(row)
        if deployment is None or not (
            status := self._admit(key, deployment, asked_at, is_closed=row.state == "closed", now=now)
        ):
            return
        is_new = key not in self._statuses
        status = merge.with_request(status, row, asked_at, now)
        feed = self._feeds.get(key)
        if is_new and status.moves and row.state != "closed":
            # The next answer of the queue confirms it, or sends it on to polls of its own.
            feed = Feed.QUEUE
        elif feed is not Feed.QUEUE:
            feed = Feed.OWN if status.moves else Feed.OPEN
        self._feeds[key] = feed
        if is_new or feed is Feed.OPEN:
            status = merge.with_operations(status, deployment.operations, asked_at, now)
        self._put(status, now)

    def _admit(
        self, key: Key, deployment: Deployment, asked_at: float, *, is_closed: bool, now: float
    ) -> DeployRequestStatus | None:
        """The status to go on with, or None where the row is of no concern."""
        if not key.number or key in self._configured or self._plan.excludes(*key):
            return None
        if asked_at < self._dropped.get(key, float("-inf")):
            return None
        known = self._statuses.get(key)
        if known and asked_at < known.deployment.asked_at:
            return None
        state = deployment.state
        if state is not None and state.is_unqueued:
            if known:
                self._drop(key, asked_at)
            return None
        if state is not None and (state.is_finished or (state.is_failed and is_closed)):
            return known or self._finished_lately(key, deployment, now)
        self._retired.discard(key)
        return known or DeployRequestStatus(key, configured=False)

    def _finished_lately(self, key: Key, deployment: Deployment, now: float) -> DeployRequestStatus | None:
        if key in self._retired:
            return None
        was_queued = deployment.queued_at or deployment.started_at
        at = deployment.finished_at or (now if was_queued else None)
        return DeployRequestStatus(key, configured=False) if at and now - at < self._limits.retention else None

    def _put(self, status: DeployRequestStatus, now: float) -> None:
        if not status.configured:
            if not _is_over(status):
                status = replace(status, finished_at=None)
            elif status.finished_at is None:
                deployment = status.deployment.value
                finished = deployment.finished_at if deployment else None
                status = replace(status, finished_at=now if finished is None else finished)
            self._database(status.key).numbers.add(status.key.number)
        if status.throttle != Part() and not status.moves:
            status = replace(status, throttle=Part())
        self._statuses[status.key] = status

    def _fail(self, key: Key, error: str, now: float, **parts: bool) -> None:
        status = self._statuses[key]
        failing: Mapping[str, Part[object]] = {
            name: merge.failed(getattr(status, name), error, now) for name, fails in parts.items() if fails
        }
        self._statuses[key] = replace(status, **failing)  # type: ignore[arg-type] # each name has its own type

    def _retire(self, key: Key) -> None:
        self._retired.add(key)
        self._forget(key)

    def _drop(self, key: Key, now: float) -> None:
        self._dropped[key] = now
        self._forget(key)

    def _forget(self, key: Key) -> None:
        self._statuses.pop(key, None)
        self._feeds.pop(key, None)
        self._without_rows.discard(key)
        self._empty.discard(key)
        if database := self._databases.get(key[:2]):
            database.numbers.discard(key.number)

    def _forget_database(self, name: tuple[str, str]) -> None:
        for number in list(self._databases[name].numbers):
            self._forget(Key(*name, number))
        del self._databases[name]
        self._retired = {key for key in self._retired if key[:2] != name}


def is_watched(plan: Plan, organization: str, row: Database) -> bool:
    """Whether a database of a listing is one to watch; Postgres ones have no deploy requests."""
    name = row.name or ""
    # A name of dots would change the path that is asked; every other character is escaped there.
    return name not in {"", ".", ".."} and row.kind in {MYSQL, ""} and plan.watches(organization, name)


def _summarised(status: DeployRequestStatus) -> Rows[Operation]:
    """What the deployment's summaries say, where it has no operations of its own."""
    deployment = status.deployment.value
    return Rows() if deployment is None or deployment.own_operations else deployment.summarised_operations


def _is_over(status: DeployRequestStatus) -> bool:
    """Whether nothing will change any more; a failure is over when the deploy request is closed."""
    state, request = status.state, status.request.value
    if state is None:
        return False
    return state.is_finished or (state.is_failed and request is not None and request.state == "closed")
