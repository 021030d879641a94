"""PlanetScale's HTTP API as a world's truth has it, on the clock of whoever asks for the time."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from .deploys import IN_QUEUE, OVER, Deploy, Row, World

Json = dict[str, Any]
ORGANIZATION: Final = "acme"
_DATABASE: Final = "/v1/organizations/{organization}/databases/{database}"
_NUMBER: Final = _DATABASE + "/deploy-requests/{number}"


def create_app(world: World, clock: Callable[[], float]) -> web.Application:
    """An application that answers as PlanetScale would at `clock()`."""
    api = _Api(world, clock)
    app = web.Application()
    for path, handler in (
        ("/v1/organizations/{organization}/databases", api.databases),
        (_DATABASE + "/deploy-queue", api.queue),
        (_DATABASE + "/deploy-requests", api.listed),
        (_NUMBER, api.one),
        (_NUMBER + "/operations", api.operations),
        (_NUMBER + "/throttler", api.throttler),
    ):
        app.router.add_get(path, api.answering(handler))
    return app


class _Api:
    def __init__(self, world: World, clock: Callable[[], float]) -> None:
        self._world, self._clock = world, clock
        self._deploys: dict[str, list[Deploy]] = {}
        for deploy in world.deploys:
            self._deploys.setdefault(deploy.database, []).append(deploy)

    def answering(self, handler: Callable[[web.Request], Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
        """The handler behind whatever fails just now."""

        async def respond(request: web.Request) -> web.Response:
            now = self._clock()
            for span, status in self._world.faults:
                if span.holds(now):
                    if not status:
                        await asyncio.sleep(120)
                    headers = {"Retry-After": "20"} if status == 429 else {}
                    return web.json_response({"code": "no", "message": "No"}, status=status or 500, headers=headers)
            return web.Response(text=json.dumps(handler(request)), content_type="application/json")

        return respond

    def databases(self, _: web.Request) -> Json:
        return _page({"name": name, "kind": "mysql"} for name in self._deploys)

    def queue(self, request: web.Request) -> Json:
        now = self._clock()
        live = [each for each in self._of(request) if each.state(now) in IN_QUEUE]
        live.sort(key=lambda each: each.queued)
        return _page(self._deployment(each, now, live[:place]) for place, each in enumerate(live))

    def listed(self, request: web.Request) -> Json:
        now = self._clock()
        if "running_at" in request.query:
            lately = [
                each for each in self._of(request) if now - 3600 <= min(each.finished, now) and each.queued <= now
            ]
            return _page(self._request(each, now) for each in lately)
        return _page(
            self._request(each, now, listed=True)
            for each in self._of(request)
            if each.queued - 600 <= now < each.closed and each.state(now) not in OVER - {"error"}
        )

    def one(self, request: web.Request) -> Json:
        return self._request(self._named(request), self._clock())

    def operations(self, request: web.Request) -> Json:
        deploy, now = self._named(request), self._clock()
        return _page(_row(deploy, row, now) for row in deploy.rows if _has_rows(deploy, now))

    def throttler(self, _: web.Request) -> Json:
        return {"configurations": [{"keyspace_name": "main", "ratio": 0}]}

    def _of(self, request: web.Request) -> list[Deploy]:
        return self._deploys.get(request.match_info["database"], [])

    def _named(self, request: web.Request) -> Deploy:
        number, now = request.match_info["number"], self._clock()
        for deploy in self._of(request):
            if str(deploy.number) == number and deploy.queued - 600 <= now:
                return deploy
        raise web.HTTPNotFound

    def _request(self, deploy: Deploy, now: float, *, listed: bool = False) -> Json:
        return {
            "number": deploy.number,
            "state": "open" if now < deploy.closed and deploy.state(now) not in OVER - {"error"} else "closed",
            "deployment_state": deploy.state(now),
            "branch": f"feature-{deploy.number}",
            "into_branch": "main",
            "approved": True,
            "html_url": f"https://app.planetscale.com/{ORGANIZATION}/{deploy.database}/deploy-requests/{deploy.number}",
            "created_at": _stamp(deploy.queued - 600),
            "deployment": self._deployment(deploy, now, (), early=listed and deploy.lists_rows_early),
        }

    def _deployment(self, deploy: Deploy, now: float, ahead: Iterable[Deploy], *, early: bool = False) -> Json:
        started, ended = deploy.entered("in_progress"), deploy.entered(*OVER, "complete_error")
        rows = deploy.rows if early or _has_rows(deploy, now) else ()
        return {
            "deploy_request_number": deploy.number,
            "state": deploy.state(now),
            "into_branch": "main",
            "auto_cutover": not deploy.gated,
            "strategy": "serial",
            "queue_paused": any(name == deploy.database and span.holds(now) for name, span in self._world.paused),
            "cutover_expiring": bool(deploy.expiring and deploy.expiring.holds(now)),
            "table_locked": any(row.locked and row.locked.holds(now) for row in deploy.rows),
            "queued_at": _past(deploy.queued, now),
            "started_at": _past(started, now),
            "ready_to_cutover_at": _past(deploy.entered("pending_cutover", "in_progress_cutover"), now),
            "finished_at": _past(ended, now),
            "preceding_deployments": [{"deploy_request_number": each.number} for each in ahead],
            "deploy_operations": [_row(deploy, row, now) for row in rows],
            "deploy_operation_summaries": [],
        }


def _has_rows(deploy: Deploy, now: float) -> bool:
    """Whether there are operations: not while it is queued, and not when it was rejected."""
    started = deploy.entered("in_progress")
    return started is not None and now >= started


def _row(deploy: Deploy, row: Row, now: float) -> Json:
    state, seen = _row_state(deploy, row, now), row.copy.seen(_frozen(deploy, now))
    pending = state == "pending"
    return {
        "id": row.id,
        "keyspace_name": "main",
        "table_name": row.table,
        "operation_name": f"alter {row.table}",
        "ddl_statement": f"ALTER TABLE `{row.table}` DROP COLUMN `note`",
        "state": state,
        "progress_percentage": None if pending else 100 if state == "complete" else seen.progress,
        "eta_seconds": None if pending else 0 if state == "complete" else seen.eta,
        "created_at": _stamp(min(row.copy.start, now)),
        "updated_at": _stamp(min(row.copy.start, now) if pending else seen.updated),
        "throttled_at": None if pending or seen.throttled is None else _stamp(seen.throttled),
        "can_drop_data": row.drops_used,
        "table_locked": bool(row.locked and row.locked.holds(now)),
        "table_recently_used": row.drops_used,
        "table_recently_used_at": _stamp(now - 120) if row.drops_used else None,
        "removed_foreign_key_names": [],
        "deploy_errors": "Duplicate entry '7' for key" if row.id == deploy.failed_row and state == "error" else "",
        "deploy_error_docs_url": None,
    }


def _frozen(deploy: Deploy, now: float) -> float:
    """What is told of the copies stays as it was when the deployment failed."""
    return min(now, deploy.entered("complete_error", "complete_cancel") or now)


def _row_state(deploy: Deploy, row: Row, now: float) -> str:
    match deploy.state(now):
        case "complete_error":
            return "error" if row.id == deploy.failed_row else "cancelled"
        case "complete_cancel" | "cancelled":
            return "cancelled"
        case "complete" | "complete_pending_revert":
            return "complete"
    return "pending" if now < row.copy.start else "in_progress"


def _page(rows: Iterable[Json]) -> Json:
    return {"type": "list", "current_page": 1, "next_page": None, "data": [*rows]}


def _past(at: float | None, now: float) -> str | None:
    return None if at is None or at > now else _stamp(at)


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
