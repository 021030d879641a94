"""A database and its deploy requests: what they show is a function of the clock, and nothing runs in the background."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import floor
from typing import Final

from .lanes import Cast, queue_up
from .plots import FOREVER, HOUR
from .scene import Scene, scene
from .states import BLOCKING, IN_QUEUE
from .timeline import Timeline

MEMORY: Final = 2 * HOUR


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """A deploy request at one moment, with those ahead of it in its lane of the queue."""

    cast: Cast
    scene: Scene
    preceding: tuple["DeployRequest", ...] = ()

    @property
    def number(self) -> int:
        """Its number, unique in its database."""
        return self.cast.number

    @property
    def is_queued(self) -> bool:
        """Whether it stands in the deploy queue: waiting, running or inside its revert window."""
        return self.scene.step.state in IN_QUEUE and self.scene.closed is None

    @property
    def is_blocking(self) -> bool:
        """Whether those behind it wait for it: as long as it is queued, or has failed and nobody has closed it."""
        return self.scene.step.state in BLOCKING and self.scene.closed is None


@dataclass
class Database:
    """A database and its deploy requests.

    With a *period* it plays them again and again: every *period* seconds, counted from the Unix time *since*, what is
    open is closed, and all come again under new numbers. A turn is forgotten two hours after its end: nothing grows.
    """

    name: str
    created: float
    kind: str = "mysql"
    period: float = FOREVER
    since: float = 0.0
    _casts: dict[int, Cast] = field(default_factory=dict)
    _closed: dict[int, float] = field(default_factory=dict)
    _deleted: set[int] = field(default_factory=set)
    _turns: dict[int, list[Cast]] = field(default_factory=dict)

    def open(self, timeline: Timeline, branch: str, into_branch: str) -> int:
        """Add a deploy request and return its number. An empty *branch* gets a name of its own."""
        number = max(self._casts, default=0) + 1
        self._casts[number] = Cast(number, timeline, branch or f"change-{number}", into_branch)
        self._turns.clear()
        return number

    def close(self, number: int, now: float) -> None:
        """Close a deploy request as its owner would, at the Unix time *now*."""
        self._closed[number] = now
        self._turns.clear()

    def delete(self, number: int, now: float) -> None:
        """Let a deploy request vanish at the Unix time *now*; those that waited for it go on from there."""
        self._closed.setdefault(number, now)
        self._deleted.add(number)
        self._turns.clear()

    def deploy_requests(self, now: float) -> list[DeployRequest]:
        """All that exist at *now*, newest first."""
        return sorted(self._in_order(now), key=lambda request: -request.number)

    def deploy_queue(self, now: float) -> list[DeployRequest]:
        """The queued and running ones at *now*, in the order they entered the queue."""
        return [request for request in self._in_order(now) if request.is_queued]

    def _in_order(self, now: float) -> Iterator[DeployRequest]:
        lanes: dict[tuple[str, str], tuple[DeployRequest, ...]] = defaultdict(tuple)
        for cast in self._visible(now):
            request = DeployRequest(cast, scene(cast.timeline, now, f"{self.name}/{cast.number}"))
            if request.is_queued:
                request = replace(request, preceding=lanes[cast.lane])
            if request.is_blocking:
                lanes[cast.lane] += (request,)
            yield request

    def _visible(self, now: float) -> Iterator[Cast]:
        first, last = (max(0, floor((moment - self.since) / self.period)) for moment in (now - MEMORY, now))
        self._turns = {turn: self._turns.get(turn) or self._turn(turn) for turn in range(first, last + 1)}
        for casts in self._turns.values():
            yield from (cast for cast in casts if cast.timeline.opens <= now and cast.number not in self._deleted)

    def _turn(self, turn: int) -> list[Cast]:
        again = (self._again(cast, turn) for cast in self._casts.values())
        return queue_up(again)

    def _again(self, cast: Cast, turn: int) -> Cast:
        number, later = cast.number + turn * len(self._casts), turn * self.period if turn else 0.0
        ends = self.since + (turn + 1) * self.period
        closes = min(ends, cast.timeline.closes + later, self._closed.get(number, FOREVER))
        timeline = replace(cast.timeline, opens=cast.timeline.opens + later, closes=closes)
        branch = cast.branch if not turn else f"{cast.branch}-{turn + 1}"
        return replace(cast, number=number, timeline=timeline, branch=branch)
