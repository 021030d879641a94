"""All that is known: the deploy requests that are followed and the databases that are watched.

What answers say of them is in `answers`, what failures and time do to them in `aging`, which polls they need in
`needs`, and what is exported of them in `exported`. None of these waits or asks.

The life of a deploy request, by the polls that tell about it (`Feed`):

    named by a target's number ─────────> NUMBER ── as long as a target does
                                             │
    a list of open ones names it             │        the deploy queue names it
         │                                   │                 │
         v        queued                     │                 v
       OPEN ─────────────────────────────────│──────────────> QUEUE
         │  waits for a person               │                 │  waits, runs, may be reverted
         │                                   v                 │
         └──── no longer listed ──────────> OWN <──────────────┘  left the queue
                                             │
                                             v
                        over: asked once more; its final values stay for `poll.retention`
                                             │
                                             v
                                            gone

A list that names it again takes it back: OWN becomes QUEUE or OPEN. At once goes what answers 404, what was taken out
of the queue, a failure that was closed, and what no target covers; what is in a database that is gone goes after
`poll.stale_after`. When polls fail, only values go, after the same time.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from exporter.polling.databases import WatchedDatabase
from exporter.polling.endings import Endings
from exporter.polling.following import Feed, Followed, finished_at
from exporter.polling.outcomes import Outcomes
from exporter.polling.past import Past
from exporter.polling.plan import Plan
from exporter.polling.questions import Questions
from exporter.polling.snapshot import DeployRequestStatus, Key, Moment, Part, Scope


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
    """The deploy requests of a plan, by database and number, and its databases.

    `touched` names the databases of which something may have changed since it was last emptied.
    """

    def __init__(self, plan: Plan, limits: Limits, endings: Endings) -> None:
        self.followed: dict[Scope, dict[int, Followed]] = {}
        self.databases: dict[Scope, WatchedDatabase] = {}
        self.touched: set[Scope] = set()
        self.questions = Questions()
        self.outcomes = Outcomes(self.touched)
        self.past = Past(self.questions)
        self.endings = endings
        self.replan(plan, limits, Moment(0.0, 0.0))

    # -- the plan

    def replan(self, plan: Plan, limits: Limits, now: Moment) -> None:
        """Take another plan; what it still covers keeps its values."""
        self.plan, self.limits = plan, limits
        for followed in self.all():
            if not plan.keeps(followed.status.key):
                self.forget(followed.status.key)
        self._rewatch(plan)
        for key in plan.numbered:
            known = self.get(key)
            status = known.status if known else DeployRequestStatus(key, configured=True)
            self.follow(replace(status, configured=True, finished_at=None), Feed.NUMBER)
        for followed in self.all():
            if followed.feed is Feed.NUMBER and followed.status.key not in plan.numbered:
                self._let_expire(followed, now)
        self.touched.update(self.followed, self.databases)

    def is_numbered(self, key: Key) -> bool:
        """Whether a target names it by its number."""
        return key in self.plan.numbered

    def _let_expire(self, followed: Followed, now: Moment) -> None:
        """No target names it by its number any more; it goes on as one that was found in its database."""
        key, state = followed.status.key, followed.status.state
        followed.feed = Feed.OWN
        self.put(followed, replace(followed.status, configured=False), now)
        if state is not None and state.is_unqueued:
            self.forget(key)

    def _rewatch(self, plan: Plan) -> None:
        organizations = set(plan.organizations)
        for scope, database in list(self.databases.items()):
            database.named = scope in plan.databases
            if not database.named and not (scope[0] in organizations and plan.watches(*scope)):
                self.forget_database(scope)
        for scope in plan.databases:
            self.databases.setdefault(scope, WatchedDatabase(named=True))
        self.endings.sight([*self.databases, *(key.scope for key in plan.numbered)])

    # -- deploy requests

    def get(self, key: Key) -> Followed | None:
        """The deploy request, if it is followed."""
        return self.followed.get(key.scope, {}).get(key.number)

    def all(self) -> list[Followed]:
        """All that are followed."""
        return [each for followed in self.followed.values() for each in followed.values()]

    def inside(self, scope: Scope, feed: Feed | None = None) -> list[Followed]:
        """Those of a database, or those of them that *feed* tells about."""
        return [each for each in self.followed.get(scope, {}).values() if feed in {None, each.feed}]

    def follow(self, status: DeployRequestStatus, feed: Feed) -> Followed:
        """Follow it from now on, by *feed*."""
        followed = Followed(status, feed)
        self.followed.setdefault(status.key.scope, {})[status.key.number] = followed
        self.touched.add(status.key.scope)
        return followed

    def put(self, followed: Followed, status: DeployRequestStatus, now: Moment) -> None:
        """This is known of it now, after an answer."""
        if not status.configured:
            status = replace(status, finished_at=finished_at(status, now.unix))
        if status.throttle != Part() and not status.moves:
            status = replace(status, throttle=Part())
        self.change(followed, status)

    def change(self, followed: Followed, status: DeployRequestStatus) -> None:
        """This is known of it now."""
        followed.status = status
        self.touched.add(status.key.scope)

    def drop(self, key: Key, asked: int | None = None) -> None:
        """Let it go for now; no answer that was asked for up to now, or up to the question *asked*, brings it back."""
        self.past.drop(key, asked)
        self.forget(key)

    def forget(self, key: Key) -> None:
        """Follow it no longer."""
        self.touched.add(key.scope)
        if scope := self.followed.get(key.scope):
            scope.pop(key.number, None)
            if not scope:
                del self.followed[key.scope]
                if key.scope not in self.databases:
                    self.endings.lose(key.scope)

    # -- databases

    def empty_database(self, scope: Scope) -> None:
        """Let go what was found in a database."""
        for followed in self.inside(scope):
            if followed.feed is not Feed.NUMBER:
                self.drop(followed.status.key)

    def forget_database(self, scope: Scope) -> None:
        """Watch it no longer."""
        self.touched.add(scope)
        self.empty_database(scope)
        del self.databases[scope]
        self.past.forget_unlisted(*scope)
        if scope not in self.followed:
            self.endings.lose(scope)

    def scopes(self) -> Iterator[Scope]:
        """Organisation and database of all that is polled; the latter is empty for the organisation itself."""
        yield from ((organization, "") for organization in self.plan.organizations)
        yield from dict.fromkeys([*self.databases, *self.followed])
