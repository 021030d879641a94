"""The API's HTTP: routes, credentials, the request limit, pages, filters and error bodies."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final

from aiohttp import web

from . import answers
from .simulator import Asked, Fault, Grant, Simulator
from .world import Database, DeployRequest

Handler = Callable[["Question"], "Answer"]
FOREVER_AGO, FOREVER_AHEAD = float("-inf"), float("inf")
CODES: Final = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    422: "unprocessable",
    429: "too_many_requests",
}
DEFAULT_PER_PAGE, MAX_PER_PAGE = 25, 100
DATABASES: Final = "/v1/organizations/{organization}/databases"
DATABASE: Final = DATABASES + "/{database}"
NUMBER: Final = DATABASE + r"/deploy-requests/{number:\d+}"
STOPPING: Final = web.AppKey("stopping", asyncio.Event)


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


def create_app(simulator: Simulator) -> web.Application:
    """An application that serves *simulator* under `/v1`, like `https://api.planetscale.com/v1`."""
    app = web.Application()
    app[STOPPING] = asyncio.Event()

    async def stop(app: web.Application) -> None:
        app[STOPPING].set()

    app.on_shutdown.append(stop)
    for path, endpoint, handler in ROUTES:
        app.router.add_get(path, _endpoint(simulator, endpoint, handler))
    app.router.add_route("*", "/{path:.*}", _nothing)
    return app


async def _nothing(_: web.Request) -> web.Response:
    return _error(Refused(404))


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


def _matches(request: DeployRequest, now: float, query: Any) -> bool:
    scene = request.scene
    states = {"open": scene.closed is None, "closed": scene.closed is not None, "deployed": scene.deployed is not None}
    deployed, running = _range(query.get("deployed_at", "..")), _range(query.get("running_at", ".."))
    begun, ended = scene.started or FOREVER_AHEAD, scene.finished or now
    return (
        states.get(query.get("state", ""), True)
        and query.get("branch", request.cast.branch) == request.cast.branch
        and query.get("into_branch", request.cast.into_branch) == request.cast.into_branch
        and (
            "deployed_at" not in query or (scene.deployed is not None and deployed[0] <= scene.deployed <= deployed[1])
        )
        and ("running_at" not in query or (begun <= running[1] and ended >= running[0] and begun <= now))
    )


def _range(text: str) -> tuple[float, float]:
    """`A..B`, either of them may be missing; 400 for anything else."""
    begin, _, end = text.partition("..")
    try:
        return _moment(begin, FOREVER_AGO), _moment(end, FOREVER_AHEAD)
    except ValueError:
        raise Refused(400, "a range is written A..B, both in RFC 3339") from None


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
    return Answer(items=answers.operations(question.organization, question.database, question.deploy_request))


def _throttler(question: Question) -> Answer:
    return Answer(answers.throttler(question.organization, question.database, question.deploy_request))


def _storage_check(question: Question) -> Answer:
    return Answer(answers.storage_check(question.deploy_request))


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


def _endpoint(
    simulator: Simulator, endpoint: str, handler: Handler
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def respond(request: web.Request) -> web.StreamResponse:
        path = request.match_info
        where = path["organization"], path.get("database", ""), int(path.get("number", "0"))
        fault = simulator.fault(endpoint, *where)
        response = _answer(simulator, request, handler) if fault is None else _spoiled(fault)
        silent = fault is not None and (fault.hang or fault.drop)
        status = 0 if silent else response.status
        simulator.requests.append(Asked(simulator.clock(), endpoint, *where, status, request.query_string))
        if fault is not None and fault.hang:
            await request.app[STOPPING].wait()
        if silent and request.transport is not None:
            request.transport.abort()
        return response

    return respond


def _spoiled(fault: Fault) -> web.Response:
    if fault.body is None:
        return _error(Refused(fault.status, headers=fault.headers))
    body = fault.body.encode() if isinstance(fault.body, str) else fault.body
    return web.Response(status=fault.status, body=body, headers={"Content-Type": "application/json"} | fault.headers)


def _answer(simulator: Simulator, request: web.Request, handler: Handler) -> web.Response:
    try:
        answer = handler(_let_in(simulator, request))
        body = answer.body if answer.items is None else _page(request, answer)
    except Refused as refused:
        return _error(refused)
    return web.Response(text=json.dumps(body), content_type="application/json")


def _let_in(simulator: Simulator, request: web.Request) -> Question:
    known = simulator.grants(request.headers.get("Authorization", ""))
    if known is None:
        raise Refused(401)
    organization = request.match_info["organization"]
    if organization not in simulator.organizations:
        raise Refused(404)
    grants = [grant for grant in known if grant.organization == organization]
    if not grants:
        raise Refused(403)
    if not simulator.admits(organization):
        after = simulator.retry_after
        raise Refused(429, headers={} if after is None else {"Retry-After": str(after)})
    return Question(simulator, request, grants, organization)


def _error(refused: Refused) -> web.Response:
    code = CODES.get(refused.status, "internal_server_error")
    message = refused.message or code.replace("_", " ").capitalize()
    body = {"code": code, "message": message}
    return web.json_response(body, status=refused.status, headers=refused.headers)


def _page(request: web.Request, answer: Answer) -> dict[str, Any]:
    items = answer.items or ()
    page = _whole(request.query.get("page"), 1)
    size = min(_whole(request.query.get("per_page"), DEFAULT_PER_PAGE), MAX_PER_PAGE)
    pages = max(1, -(-len(items) // size))
    after, before = page + 1 if page < pages else None, page - 1 if page > 1 else None
    body = {
        "type": "list",
        "current_page": page,
        "per_page": size,
        "next_page": after,
        "next_page_url": after and str(request.url.update_query(page=after)),
        "prev_page": before,
        "prev_page_url": before and str(request.url.update_query(page=before)),
        "data": [answer.render(item) for item in items[(page - 1) * size : page * size]],
    }
    return body | ({"total_count": len(items), "total_pages": pages} if answer.counted else {})


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() and int(text) > 0 else otherwise
