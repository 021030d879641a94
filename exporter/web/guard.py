"""What holds for every answer: one plain line where something is wrong, and headers that keep browsers careful."""

from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SERVER = "planetscale-exporter"
_log = structlog.get_logger(__name__)


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with *handler*; refusals are one plain line, and what fails is logged and answered with 500."""
    try:
        response = await handler(request)
    except web.HTTPException as refused:
        response = _refusal(refused)
    except Exception:  # noqa: BLE001 - a bug in one page must neither show a stack trace nor end the others
        _log.exception("request_failed", method=request.method, path=request.path)
        response = line(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error: the exporter's log says more")
    return response


def dress(response: web.StreamResponse) -> None:
    """Set the headers that every answer has, where it has no other; of the server's software none is told."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = _SERVER


async def dress_all(_request: web.Request, response: web.StreamResponse) -> None:
    """`dress` as a signal of the application, which also reaches what passes the guard by."""
    dress(response)


def line(status: HTTPStatus, text: str) -> web.Response:
    """One plain line."""
    return web.Response(text=f"{text}\n", status=status)


def _refusal(refused: web.HTTPException) -> web.Response:
    own_words = refused.text and refused.text != f"{refused.status}: {refused.reason}"
    response = line(HTTPStatus(refused.status), refused.text if own_words and refused.text else refused.reason.lower())
    for name in ("Allow", "WWW-Authenticate"):
        if name in refused.headers:
            response.headers[name] = refused.headers[name]
    return response
