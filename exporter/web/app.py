"""The paths of the exporter and what they answer."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NamedTuple

from aiohttp import web
from aiohttp.typedefs import Middleware

from exporter.web.guard import dress_all, guard
from exporter.web.page import POLICY, Frame, html
from exporter.web.renders import Renders
from exporter.web.services import Page, Services
from exporter.web.view import Choice, view
from exporter.web.webhook import MAX_BYTES

_LONGEST_NAME = 100
_CHUNK = 1 << 20  # in bytes


class _Scrape(NamedTuple):
    accept: str
    accept_encoding: str
    names: tuple[str, ...]


class _Look(NamedTuple):
    choice: Choice
    frame: Frame


def create_app(services: Services, middlewares: Sequence[Middleware] = ()) -> web.Application:
    """An application that serves *services*; *middlewares* see each request after the guard."""
    pages = _Pages(services)
    app = web.Application(middlewares=[guard, *middlewares], client_max_size=MAX_BYTES)
    app.on_response_prepare.append(dress_all)
    app.add_routes(
        [
            web.get("/", pages.status),
            web.get(services.telemetry_path, pages.metrics),
            web.get("/-/healthy", pages.healthy),
            web.get("/-/ready", pages.ready),
            web.post("/-/reload", pages.reload),
            web.post("/-/webhook", services.webhooks.answer),
        ]
    )
    return app


class _Pages:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._scrapes = Renders[_Scrape, Page](lambda asked: services.render(*asked))
        self._looks = Renders[_Look, bytes](self._look)

    async def metrics(self, request: web.Request) -> web.Response:
        headers, names = request.headers, request.query.getall("name[]", [])
        asked = _Scrape(
            ",".join(headers.getall("Accept", [])),
            ",".join(headers.getall("Accept-Encoding", [])),
            tuple(sorted(set(names))),
        )
        page = await self._scrapes.get(asked)
        answer = {
            "Content-Type": page.content_type,
            "Content-Length": str(sum(map(len, page.parts))),
            "Vary": "Accept, Accept-Encoding",
        }
        if page.content_encoding:
            answer["Content-Encoding"] = page.content_encoding
        return web.Response(body=_in_chunks(page.parts), headers=answer)

    async def status(self, request: web.Request) -> web.Response:
        query = request.query
        choice = Choice(
            *(query.get(name, "")[:_LONGEST_NAME] for name in ("organization", "database", "deploy_request"))
        )
        body = await self._looks.get(_Look(choice, self._frame(refreshes=query.get("refresh") != "off")))
        headers = {"Content-Security-Policy": POLICY, "Vary": "Accept-Encoding"}
        response = web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)
        response.enable_compression()
        return response

    async def healthy(self, _request: web.Request) -> web.Response:
        return _probe(self._services.is_alive(), "healthy", "the poll loop has stopped")

    async def ready(self, _request: web.Request) -> web.Response:
        return _probe(self._services.is_ready(), "ready", "not every target has been tried yet")

    async def reload(self, request: web.Request) -> web.Response:
        if not _is_own_site(request):
            raise web.HTTPForbidden(text="another site's page may not reload: its Origin is not this Host")
        if self._services.reload is None:
            raise web.HTTPForbidden(text="reloading over HTTP is off: set web.enable_lifecycle to allow it")
        mistakes = await self._services.reload()
        return _plain("\n".join(mistakes) or "reloaded", status=500 if mistakes else 200)

    def _frame(self, *, refreshes: bool) -> Frame:
        services = self._services
        return Frame(
            version=services.version,
            telemetry_path=services.telemetry_path,
            alive=services.is_alive(),
            ready=services.is_ready(),
            refresh=services.refresh_seconds if refreshes else 0,
            grafana=services.grafana_url(),
        )

    def _look(self, asked: _Look) -> bytes:
        services = self._services
        return html(view(services.snapshot(), services.now(), asked.choice, services.shows_ddl()), asked.frame)


async def _in_chunks(parts: Iterable[bytes]) -> AsyncIterator[memoryview]:
    """The parts as they are sent: aiohttp would copy a body that is one, twice."""
    for part in parts:
        for start in range(0, len(part), _CHUNK):
            yield memoryview(part)[start : start + _CHUNK]


def _is_own_site(request: web.Request) -> bool:
    """Browsers name the page that a POST comes from; what is no browser names none."""
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2].lower() == request.host.lower()


def _probe(ok: bool, good: str, bad: str) -> web.Response:
    return _plain(good if ok else bad, status=200 if ok else 503)


def _plain(text: str, status: int) -> web.Response:
    return web.Response(text=f"{text}\n", status=status)
