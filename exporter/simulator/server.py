"""The API's HTTP: routes, credentials, the request limit, pages, filters and error bodies."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from .faults import Fault
from .questions import ROUTES, Answer, Handler, Question, Refused
from .simulator import Asked, Simulator

CODES: Final = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    422: "unprocessable",
    429: "too_many_requests",
}
DEFAULT_PER_PAGE, MAX_PER_PAGE = 25, 100
STOPPING: Final = web.AppKey("stopping", asyncio.Event)


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
