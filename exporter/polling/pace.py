"""How often and how urgently each job is asked."""

from typing import Final, NamedTuple

from exporter.polling import needs
from exporter.polling.fleet import Fleet
from exporter.polling.jobs import Job, Kind
from exporter.polling.schedule import Rank

# What nothing is known of may move; a deploy request's operations come before what else there is to know of it.
_FIRST_URGENT: Final = frozenset({Kind.DATABASES, Kind.QUEUE, Kind.OPERATIONS})
_URGENT: Final = frozenset({Kind.QUEUE, Kind.OPERATIONS, Kind.REQUEST})


# Webhooks tell at once what begins to move, and the list of open deploy requests shows it as well.
_RARER: Final = 3


class Timing(NamedTuple):
    """How often to ask, in seconds; *woken* says that webhooks tell what happens in between."""

    interval: float
    idle_interval: float
    discovery_interval: float
    woken: bool = False

    @property
    def idle_queue_interval(self) -> float:
        """How often the queue of a database is asked in which nothing moves."""
        return self.discovery_interval * (_RARER if self.woken else 1)


def interval_of(job: Job, fleet: Fleet, timing: Timing) -> float:
    """How often the job is due as things stand, in seconds."""
    match job.kind:
        case Kind.DATABASES | Kind.OPEN | Kind.RECENT:
            return timing.discovery_interval
        case Kind.QUEUE:
            return timing.interval if needs.moves(fleet, job) else timing.idle_queue_interval
        case Kind.THROTTLER if not fleet.is_numbered(job.key):
            return timing.idle_interval
    return timing.interval if needs.moves(fleet, job) else timing.idle_interval


def rank_of(job: Job, fleet: Fleet, *, first: bool = False) -> Rank:
    """How pressing the job is as things stand; *first* says that nothing is known yet."""
    if job.kind is Kind.RECENT or (job.kind is Kind.THROTTLER and not fleet.is_numbered(job.key)):
        return Rank.SPARE
    moves = (first and job.kind in _FIRST_URGENT) or (job.kind in _URGENT and needs.moves(fleet, job))
    return Rank.MOVING if moves else Rank.REST
