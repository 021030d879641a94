"""The webhooks that PlanetScale sends when something happens to a deploy request, signed as it signs them."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiohttp import ClientError, ClientSession, ClientTimeout

from .answers import deploy_request
from .simulator import Simulator
from .world import Database, DeployRequest

_EVENTS: Final = {
    "queued": "queued",
    "in_progress": "in_progress",
    "pending_cutover": "pending_cutover",
    "complete_pending_revert": "schema_applied",
    "complete": "schema_applied",
    "error": "errored",
    "complete_error": "errored",
    "complete_revert_error": "errored",
    "complete_revert": "reverted",
}
_APPLIED_BEFORE: Final = frozenset({"complete_pending_revert", "complete"})


class Webhook(NamedTuple):
    """One event; `body` is sent with `signature(body, secret)` in the header `X-PlanetScale-Signature`."""

    event: str
    organization: str
    database: str
    number: int
    body: bytes


class Webhooks:
    """What there is to send, each event once: all that has happened since the last look."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._known: dict[tuple[str, str, int], tuple[str, bool]] = {}
        list(self.new())

    def new(self) -> Iterator[Webhook]:
        """The events between the last look and now, by the simulator's clock."""
        now, seen = self._simulator.clock(), {}
        for organization, databases in self._simulator.organizations.items():
            for home in databases.values():
                for request in home.deploy_requests(now):
                    key = organization, home.name, request.number
                    seen[key] = request.scene.step.state, request.scene.closed is not None
                    for event in _between(self._known.get(key), *seen[key]):
                        yield _webhook(f"deploy_request.{event}", organization, home, request, now)
        self._known = seen


async def deliver(simulator: Simulator, url: str, secret: bytes, *, every: float = 1.0) -> None:
    """Send what happens to *url* until cancelled, looking *every* so many seconds.

    As PlanetScale does: it waits 2 seconds for an answer, follows no redirect, and sends nothing twice. Unlike it, it
    takes any certificate: what it tells is made up.
    """
    webhooks = Webhooks(simulator)
    async with ClientSession(timeout=ClientTimeout(2)) as session:
        while True:
            await asyncio.sleep(every)
            for webhook in webhooks.new():
                headers = {"X-PlanetScale-Signature": signature(webhook.body, secret)}
                with suppress(ClientError, TimeoutError):  # whoever does not listen has missed it
                    await session.post(url, data=webhook.body, headers=headers, allow_redirects=False, ssl=False)


def signature(body: bytes, secret: bytes) -> str:
    """The hex SHA-256 HMAC of the body under the webhook's secret."""
    return hmac.digest(secret, body, hashlib.sha256).hex()


def _between(before: tuple[str, bool] | None, state: str, closed: bool) -> Iterator[str]:
    if before is None:
        yield "opened"
    was, was_closed = before or ("", False)
    event = _EVENTS.get(state)
    if state != was and event and not (was in _APPLIED_BEFORE and state in _APPLIED_BEFORE):
        yield event
    if closed and not was_closed:
        yield "closed"


def _webhook(event: str, organization: str, home: Database, request: DeployRequest, now: float) -> Webhook:
    body: dict[str, Any] = {
        "timestamp": int(now),
        "event": event,
        "organization": organization,
        "database": home.name,
        "resource": deploy_request(organization, home, request),
    }
    return Webhook(event, organization, home.name, request.number, json.dumps(body).encode())
