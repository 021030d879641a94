"""A deploy request that is followed: what is known of it, and which polls tell about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from exporter.planetscale.models import DeploymentState, Operation
from exporter.planetscale.rows import Rows
from exporter.polling.jobs import Kind
from exporter.polling.snapshot import DeployRequestStatus


class Feed(Enum):
    """Which polls tell about a deploy request."""

    NUMBER = auto()
    """Its own, for ever: a target names it by its number."""
    QUEUE = auto()
    """The deploy queue, while it stands there."""
    OPEN = auto()
    """The list of open deploy requests, while it waits there for a person."""
    OWN = auto()
    """Its own, to its end."""


@dataclass(slots=True)
class Followed:
    """What is known of a deploy request, and where that comes from.

    `rowless` says that its row in the queue should hold operations and holds none, `empty` that the operations
    endpoint's last answer held none. `unlisted` is the question whose answer named it no more: its end may have come
    between two lists.
    """

    status: DeployRequestStatus
    feed: Feed
    rowless: bool = False
    empty: bool = False
    unlisted: int = 0

    @property
    def has_own_operations(self) -> bool:
        """Whether the operations endpoint is what tells about its operations."""
        return self.feed in {Feed.NUMBER, Feed.OWN} or self.rowless

    @property
    def can_move(self) -> bool:
        """Whether it moves, or may any moment: what nothing is known of, and what has no operations yet."""
        return self.status.moves or not (self.status.watched or is_over(self.status))

    @property
    def summarised(self) -> Rows[Operation]:
        """What the deployment's summaries say, where it has no operations of its own."""
        deployment = self.status.deployment.value
        return deployment.summarised if deployment else Rows()

    def polls(self) -> Iterator[Kind]:
        """What is asked about it alone; of what has come to its end, what is missing of its final values."""
        status = self.status
        if status.moves:
            yield Kind.THROTTLER
        if self.feed is Feed.OWN and is_over(status):
            if not status.operations.ok or status.operations.asked < status.deployment.asked:
                yield Kind.OPERATIONS
            if not status.request.ok or status.request.asked < self.unlisted:
                yield Kind.REQUEST
        elif self.has_own_operations:
            yield Kind.OPERATIONS
            if self.feed is not Feed.QUEUE:
                yield Kind.REQUEST


def ends(state: DeploymentState | None, *, closed: bool) -> bool:
    """Whether nothing will change any more; a failure is over when the deploy request is closed."""
    if state is None:
        return closed
    return state.is_finished or (closed and not state.is_moving)


def is_over(status: DeployRequestStatus) -> bool:
    """Whether nothing will change any more, as far as is known."""
    request = status.request.value
    return ends(status.state, closed=request is not None and request.state == "closed")


def finished_at(status: DeployRequestStatus, now: float) -> float | None:
    """When it came to its end: as the API says, else when that was first seen; None while it has not.

    A failure stays for as long as it is open, and not a moment longer: somebody has dealt with it.
    """
    if not is_over(status):
        return None
    if status.state is not None and status.state.is_failed:
        return float("-inf")
    deployment = status.deployment.value
    if deployment and deployment.finished_at is not None:
        return deployment.finished_at
    return now if status.finished_at is None else status.finished_at
