"""What each job asks PlanetScale, and what of the fleet takes the answer."""

from collections.abc import Callable
from dataclasses import dataclass, field

from exporter.planetscale.client import PlanetScale
from exporter.planetscale.rows import Rows
from exporter.polling import answers
from exporter.polling.answers import Taken
from exporter.polling.fleet import Fleet
from exporter.polling.jobs import Job, Kind, requests_for
from exporter.polling.snapshot import Moment


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of a list (none for what is no list), and the operations that came with them."""

    rows: Rows[object] = field(default_factory=Rows)
    taken: Taken = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """How many requests it took."""
        return requests_for(len(self.rows))


async def ask(job: Job, client: PlanetScale, fleet: Fleet, retention: float, now: Callable[[], Moment]) -> Answer:
    """Ask, and hand the answer to the fleet.

    Raises:
        PlanetScaleError: there is no answer.
    """
    with fleet.questions.asking() as asked:
        match job.kind:
            case Kind.DATABASES:
                databases = await client.databases(job.organization)
                answers.databases(fleet, job.organization, databases, now())
                return Answer(databases)
            case Kind.QUEUE:
                queue = await client.deploy_queue(*job.scope)
                return Answer(queue, answers.deploy_queue(fleet, job.scope, queue, asked, now()))
            case Kind.OPEN:
                listed = await client.open_deploy_requests(*job.scope)
                return Answer(listed, answers.open_list(fleet, job.scope, listed, asked, now()))
            case Kind.RECENT:
                unix = now().unix
                recent = await client.ran_between(*job.scope, unix - retention, unix)
                return Answer(recent, answers.recent_list(fleet, job.scope, recent, asked, now()))
            case Kind.OPERATIONS:
                operations = await client.operations(*job.key)
                return Answer(operations, answers.operations(fleet, job.key, operations, asked, now()))
            case Kind.REQUEST:
                request = await client.deploy_request(*job.key)
                answers.deploy_request(fleet, job.key, request, asked, now())
            case Kind.THROTTLER:
                throttler = await client.throttler(*job.key)
                answers.throttler(fleet, job.key, throttler, asked, now())
    return Answer()
