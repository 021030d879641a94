"""`POST /-/webhook`: PlanetScale says that something happened to a deploy request, so that it is asked about at once.

Nothing of the body is exported: it is a hint, signed with the hex SHA-256 HMAC of the raw body under the webhook's
secret (PlanetScale's webhook documentation).
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from aiohttp import web

from exporter.polling.snapshot import Key

MAX_BYTES: Final = 2**20
SIGNATURE: Final = "X-PlanetScale-Signature"
_DEPLOY_REQUEST: Final = "deploy_request."
_STATUS: Final = {"unsigned": 401, "invalid": 400}


class Result(StrEnum):
    """What became of a webhook."""

    ACCEPTED = "accepted"
    """Something that is watched is asked about."""
    UNWATCHED = "unwatched"
    IGNORED = "ignored"
    """Not about a deploy request, such as PlanetScale's test."""
    UNSIGNED = "unsigned"
    INVALID = "invalid"


_SAYS: Final = {
    Result.ACCEPTED: "accepted: it is polled at once",
    Result.UNWATCHED: "accepted: nothing that is watched here",
    Result.IGNORED: "accepted: no event of a deploy request",
    Result.UNSIGNED: f"no valid {SIGNATURE}: is the webhook's secret in web.webhook_secrets_file?",
    Result.INVALID: "not a webhook of PlanetScale: an object with event, organization, database and resource",
}


class Event(NamedTuple):
    """What a webhook is about; number 0 where it names no deploy request."""

    name: str
    key: Key


@dataclass(frozen=True, slots=True)
class Webhooks:
    """What the path needs: the secrets in use, who is told, and who counts.

    `secrets` is None where webhooks are off. `hint` says whether the deploy request is watched; `count` takes an
    event's name (empty where it is not to be trusted) and the result.
    """

    secrets: Callable[[], tuple[bytes, ...] | None]
    hint: Callable[[Key], bool]
    count: Callable[[str, str], None]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one webhook; 404 where they are off, 413 for a body of more than 1 MiB."""
        secrets = self.secrets()
        if secrets is None:
            raise web.HTTPNotFound(text="webhooks are off: set web.webhook_secrets_file to take them")
        if (request.content_length or 0) > MAX_BYTES:
            raise web.HTTPRequestEntityTooLarge(MAX_BYTES, request.content_length or 0)
        body = await request.read()
        name, result = "", Result.UNSIGNED
        if is_signed(body, request.headers.get(SIGNATURE, ""), secrets):
            event = parse(body)
            name, result = (event.name, self._take(event)) if event else ("", Result.INVALID)
        self.count(name, result)
        return web.Response(text=f"{_SAYS[result]}\n", status=_STATUS.get(result, 202))

    def _take(self, event: Event) -> Result:
        if not event.name.startswith(_DEPLOY_REQUEST):
            return Result.IGNORED
        return Result.ACCEPTED if self.hint(event.key) else Result.UNWATCHED


def is_signed(body: bytes, signature: str, secrets: Iterable[bytes]) -> bool:
    """Whether the signature is that of *body* under one of the secrets; all of them are tried, in constant time."""
    given = signature.strip().lower().encode()
    good = False
    for secret in secrets:
        good |= hmac.compare_digest(hmac.digest(secret, body, hashlib.sha256).hex().encode(), given)
    return good


def parse(body: bytes) -> Event | None:
    """The event of a signed body; None where it is no such object."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    name, organization, database = (said.get(part) for part in ("event", "organization", "database"))
    resource = said.get("resource")
    if not (isinstance(name, str) and isinstance(organization, str) and isinstance(resource, dict)):
        return None
    if name.startswith(_DEPLOY_REQUEST) and not isinstance(database, str):
        return None
    number = resource.get("number")
    if not isinstance(number, int) or isinstance(number, bool):
        number = 0
    return Event(name, Key(organization, str(database or ""), number))
