"""What can be asked: each endpoint's path and its answer to a question that was let in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final

from aiohttp import web

from . import answers
from .operations import operations
from .plots import FOREVER
from .simulator import Grant, Simulator
from .world import Database, DeployRequest

Handler = Callable[["Question"], "Answer"]
DATABASES: Final = "/v1/organizations/{organization}/databases"
DATABASE: Final = DATABASES + "/{database}"
NUMBER: Final = DATABASE + r"/deploy-requests/{number:\d{1,9}}"


class Refused(Exception):  # noqa: N818 - an answer with an error status, not a failure of the simulator
    """An answer with an error status and the API's error body."""

    def __init__(self, status: int, message: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


@dataclass(frozen=True, slots=True)
class Question:
    """A request that was let in, with what its path names."""

    simulator: Simulator
    request: web.Request
    grants: list[Grant]
    organization: str

    @property
    def now(self) -> float:
        """The Unix time of the simulator."""
        return self.simulator.clock()

    @property
    def databases(self) -> list[Database]:
        """The organisation's databases that the credential may see, by name."""
        homes = self.simulator.organizations[self.organization].values()
        return sorted((home for home in homes if self._may_read(home.name)), key=lambda home: home.name)

    @property
    def database(self) -> Database:
        """The database in the path; 404 if none there has deploy requests, 403 if the credential may not read it."""
        name = self.request.match_info["database"]
        home = self.simulator.organizations[self.organization].get(name)
        if home is None:
            raise Refused(404)
        if not self._may_read(name):
            raise Refused(403)
        if home.kind != "mysql":
            raise Refused(404, "Postgres databases have no deploy requests")
        return home

    @property
    def deploy_request(self) -> DeployRequest:
        """The deploy request in the path, or 404."""
        number = int(self.request.match_info["number"])
        for request in self.database.deploy_requests(self.now):
            if request.number == number:
                return request
        raise Refused(404)

    def _may_read(self, database: str) -> bool:
        return any(fnmatchcase(database, grant.databases) for grant in self.grants)


@dataclass(frozen=True, slots=True)
class Answer:
    """A body, or (with *items*) a list to be cut into pages, each of which *render* makes JSON of."""

    body: Any = None
    items: Sequence[Any] | None = None
    render: Callable[[Any], Any] = dict
    counted: bool = False


def _databases(question: Question) -> Answer:
    if not any(grant.may_list for grant in question.grants):
        raise Refused(403)
    wanted = question.request.query.get("q", "")
    homes = [home for home in question.databases if wanted in home.name]
    return Answer(items=homes, render=lambda home: answers.database(question.organization, home), counted=True)


def _deploy_queue(question: Question) -> Answer:
    home = question.database
    return Answer(
        items=home.deploy_queue(question.now),
        render=lambda request: answers.deployment(question.organization, home, request),
    )


def _deploy_requests(question: Question) -> Answer:
    home, now, query = question.database, question.now, question.request.query
    wanted = [request for request in home.deploy_requests(now) if _matches(request, now, query)]
    return Answer(
        items=wanted,
        render=lambda request: answers.deploy_request(question.organization, home, request),
        counted=True,
    )


def _matches(request: DeployRequest, now: float, query: Mapping[str, str]) -> bool:
    scene, cast = request.scene, request.cast
    states = {"open": scene.closed is None, "closed": scene.closed is not None, "deployed": scene.deployed is not None}
    return (
        states.get(query.get("state", ""), True)
        and query.get("branch", cast.branch) == cast.branch
        and query.get("into_branch", cast.into_branch) == cast.into_branch
        and ("deployed_at" not in query or _overlap(scene.deployed, scene.deployed, query["deployed_at"]))
        and ("running_at" not in query or _overlap(scene.started, scene.finished or now, query["running_at"]))
    )


def _overlap(begin: float | None, end: float | None, text: str) -> bool:
    """Whether something that lasts from *begin* to *end* falls into the range `A..B`; 400 for what is no range."""
    since, _, until = text.partition("..")
    try:
        first, last = _moment(since, -FOREVER), _moment(until, FOREVER)
    except ValueError:
        raise Refused(400, "a range is written A..B, both in RFC 3339") from None
    return begin is not None and end is not None and begin <= last and end >= first


def _moment(text: str, missing: float) -> float:
    if not text:
        return missing
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _deploy_request(question: Question) -> Answer:
    return Answer(answers.deploy_request(question.organization, question.database, question.deploy_request))


def _deployment(question: Question) -> Answer:
    return Answer(answers.deployment(question.organization, question.database, question.deploy_request))


def _operations(question: Question) -> Answer:
    return Answer(items=operations(question.organization, question.database, question.deploy_request))


def _throttler(question: Question) -> Answer:
    return Answer(answers.throttler(question.organization, question.database, question.deploy_request))


def _storage_check(question: Question) -> Answer:
    return Answer(answers.storage_check(question.database, question.deploy_request))


ROUTES: Final[tuple[tuple[str, str, Handler], ...]] = (
    (DATABASES, "databases", _databases),
    (DATABASE + "/deploy-queue", "deploy_queue", _deploy_queue),
    (DATABASE + "/deploy-requests", "deploy_requests", _deploy_requests),
    (NUMBER, "deploy_request", _deploy_request),
    (NUMBER + "/operations", "operations", _operations),
    (NUMBER + "/deployment", "deployment", _deployment),
    (NUMBER + "/throttler", "throttler", _throttler),
    (NUMBER + "/storage-check", "storage_check", _storage_check),
)
