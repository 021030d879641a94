"""Which polls the fleet needs now, and what hangs on each."""

from exporter.polling.fleet import Fleet
from exporter.polling.following import Feed, is_over
from exporter.polling.jobs import Job, Kind
from exporter.polling.snapshot import Key, Scope


def jobs(fleet: Fleet, scope: Scope) -> frozenset[Job]:
    """The jobs that a scope needs."""
    organization, name = scope
    if not name:
        return frozenset({Job(Kind.DATABASES, organization)} if organization in fleet.plan.organizations else ())
    needed = {Job(kind, *followed.status.key) for followed in fleet.inside(scope) for kind in followed.polls()}
    if database := fleet.databases.get(scope):
        needed |= {Job(Kind.QUEUE, *scope), Job(Kind.OPEN, *scope)}
        if not database.past_found:
            needed.add(Job(Kind.RECENT, *scope))
    return frozenset(needed)


def moves(fleet: Fleet, job: Job) -> bool:
    """Whether what the job asks about can move; what nothing is known of yet can."""
    match job.kind:
        case Kind.QUEUE:
            return (database := fleet.databases.get(job.scope)) is not None and database.moves
        case Kind.OPERATIONS | Kind.REQUEST | Kind.THROTTLER:
            return (followed := fleet.get(job.key)) is not None and followed.can_move
    return False


def is_last_look(fleet: Fleet, job: Job) -> bool:
    """Whether the job is asked once more, for the final values of what has come to its end."""
    followed = fleet.get(job.key)
    return (
        job.kind is Kind.OPERATIONS
        and followed is not None
        and followed.feed is not Feed.NUMBER
        and is_over(followed.status)
    )


def telling(fleet: Fleet, key: Key) -> frozenset[Job]:
    """The jobs that would tell what has happened to a deploy request; none where nobody watches it."""
    needed = jobs(fleet, key.scope)
    own = {Kind.OPERATIONS, Kind.REQUEST}
    found = {job for job in needed if job.number == key.number and job.kind in own}
    if fleet.plan.watches(*key.scope) and not fleet.plan.excludes(*key):
        found |= {job for job in needed if job.kind in {Kind.QUEUE, Kind.OPEN}}
        if key.scope not in fleet.databases:
            found |= jobs(fleet, (key.organization, ""))
    return frozenset(found)


def is_tried(fleet: Fleet) -> bool:
    """Whether every target has been tried, as far as its parts are known."""
    return fleet.outcomes.have(
        [
            *(Job(Kind.DATABASES, organization) for organization in fleet.plan.organizations),
            *(Job(Kind.QUEUE, *scope) for scope in fleet.databases),
            *(Job(Kind.OPERATIONS, *key) for key in fleet.plan.numbered),
        ]
    )
