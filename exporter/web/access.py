"""Who gets in: passwords and client certificates, as the web configuration asks for."""

import asyncio
import base64
import binascii
import hmac
import math
import secrets
from time import monotonic
from typing import Final

import bcrypt
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from exporter.web.security import WebSecurity
from exporter.web.web_config import RateLimit

OPEN: Final = frozenset({"/-/healthy", "/-/ready", "/-/webhook"})
"""Never asked for a password and never limited: probes tell nothing, and a webhook is signed."""

_MOST_KNOWN, _MOST_WAITING = 1000, 50
_LONGEST = 72  # what bcrypt looks at


class Passwords:
    """Checks passwords beside the loop, one at a time; those that were good are known by a keyed digest from then on.

    An unknown user takes as long as a wrong password, which is compared with another user's. A flood of wrong ones is
    refused when too many wait.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._known: dict[bytes, None] = {}
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def are_good(self, users: dict[str, str], name: str, password: bytes) -> bool:
        """Whether the user has this password. Raises HTTPServiceUnavailable when too many are being checked."""
        hashed = users.get(name, "").encode()
        compared = hashed or next(iter(users.values()), "").encode()
        digest = hmac.digest(self._secret, b"\0".join((name.encode(), hashed, password)), "sha256")
        if digest in self._known:
            return True
        if self._waiting >= _MOST_WAITING:
            raise web.HTTPServiceUnavailable(text="too many passwords are being checked")
        self._waiting += 1
        try:
            async with self._turn:
                good = await asyncio.to_thread(_check, password[:_LONGEST], compared) and bool(hashed)
        finally:
            self._waiting -= 1
        if good:
            while len(self._known) >= _MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[digest] = None
        return good


def _check(password: bytes, hashed: bytes) -> bool:
    try:
        return bcrypt.checkpw(password, hashed)
    except ValueError:  # no hash, or a NUL in the password
        return False


class Bucket:
    """A token bucket: a burst at once, then a token for each interval."""

    def __init__(self) -> None:
        self._tokens, self._at = math.inf, 0.0

    def allows(self, limit: RateLimit, now: float) -> bool:
        """Take a token at *now*, in seconds that never go back; False when there is none."""
        if not limit.interval:
            return True
        earned = (now - self._at) / limit.interval
        self._tokens, self._at = min(self._tokens + earned, limit.burst), now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def access(security: WebSecurity) -> Middleware:
    """Lets in whom the web configuration lets in, and adds its headers."""
    passwords, bucket = Passwords(), Bucket()

    @web.middleware
    async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
        config = security.config
        if request.path not in OPEN and not bucket.allows(config.rate_limit, monotonic()):
            raise web.HTTPTooManyRequests(text="more requests than rate_limit allows")
        tls = config.tls_server_config
        if tls and tls.client_allowed_sans and not _is_allowed(request, tls.client_allowed_sans):
            raise web.HTTPForbidden(text="the client's certificate has none of client_allowed_sans")
        if config.basic_auth_users and request.path not in OPEN:
            name, password = _said(request.headers.get("Authorization", ""))
            if not await passwords.are_good(config.basic_auth_users, name, password):
                realm = {"WWW-Authenticate": 'Basic realm="planetscale-exporter", charset="UTF-8"'}
                raise web.HTTPUnauthorized(text="a user and a password are needed", headers=realm)
        response = await handler(request)
        response.headers.update([(name, text) for name, text in config.http_server_config.headers.items() if text])
        return response

    return checked


def _said(header: str) -> tuple[str, bytes]:
    scheme, _, text = header.partition(" ")
    try:
        name, _, password = base64.b64decode(text.strip(), validate=True).partition(b":")
        return (name.decode(), password) if scheme.lower() == "basic" else ("", b"")
    except (binascii.Error, UnicodeDecodeError):
        return "", b""


def _is_allowed(request: web.Request, allowed: list[str]) -> bool:
    certificate = request.transport.get_extra_info("peercert") if request.transport else None
    names = [value for _, value in (certificate or {}).get("subjectAltName", ())]
    return not set(allowed).isdisjoint(names)
