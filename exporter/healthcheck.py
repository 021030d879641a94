"""The `healthcheck` command: one request to the exporter on this machine, for containers without a shell."""

from __future__ import annotations

import http.client
import ssl
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from exporter.settings import ListenAddress

_TIMEOUT = 3.0
_OK = 200
_LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - nothing is bound here


def health_url(address: ListenAddress) -> str:
    """Where an exporter that listens on *address* says how it is; every address of a machine includes loopback."""
    host = _LOOPBACK.get(address.host, f"[{address.host}]" if ":" in address.host else address.host)
    return f"http://{host}:{address.port}/-/healthy"


def healthcheck(url: str) -> int:
    """0 when *url* answers 200 within 3 seconds, else 1 and one line on standard error. Proxies are not asked."""
    problem = _problem(url)
    if problem is not None:
        sys.stderr.write(f"unhealthy: {url} {problem}\n")
    return int(problem is not None)


def _problem(url: str) -> str | None:
    where = urlsplit(url)
    host = where.hostname or ""
    try:
        status = _status(http.client.HTTPConnection(host, where.port, timeout=_TIMEOUT), where.path)
    except _NoAnswerError as problem:
        # It may speak TLS (web.config_file). Whose certificate it has does not matter here: this is the same machine.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        secure = http.client.HTTPSConnection(host, where.port, timeout=_TIMEOUT, context=context)
        try:
            status = _status(secure, where.path)
        except _NoAnswerError:
            return str(problem)
    return None if status == _OK else f"answers {status}"


def _status(connection: http.client.HTTPConnection, path: str) -> int:
    """The status of the answer. Raises _NoAnswerError when there is none."""
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError as error:
        raise _NoAnswerError(f"does not answer: {error.strerror or 'timed out'}".lower()) from None
    except http.client.HTTPException:
        raise _NoAnswerError("does not answer in HTTP") from None
    finally:
        connection.close()


class _NoAnswerError(Exception):
    """Nobody answered in the protocol that was tried; the text says why."""
