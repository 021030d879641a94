"""What tests of the simulator share: a served one, and asking it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiohttp import ClientSession
from aiohttp.test_utils import BaseTestServer, TestServer

from exporter.simulator import Simulator, create_app


class Asker:
    """Asks a served simulator with one organisation's service token."""

    def __init__(self, server: BaseTestServer, session: ClientSession, token: str, organization: str) -> None:
        self.server, self.session, self.token, self.organization = server, session, token, organization

    async def get(self, path: str = "", *, status: int = 200, **query: str | int) -> Any:
        """The JSON of what is at *path* below the organisation's databases, answered with *status*."""
        url = self.server.make_url(f"/v1/organizations/{self.organization}/databases{path}")
        async with self.session.get(url, params=query, headers={"Authorization": self.token}) as response:
            answer = await response.json()
            assert response.status == status, answer
            return answer


@asynccontextmanager
async def asking(simulator: Simulator, organization: str = "acme") -> AsyncIterator[Asker]:
    """Serve *simulator* on a port of its own for as long as the context lasts."""
    async with TestServer(create_app(simulator)) as server, ClientSession() as session:
        yield Asker(server, session, simulator.tokens[organization], organization)


def unix(text: str) -> float:
    """The Unix time of an RFC 3339 time stamp."""
    return datetime.fromisoformat(text).timestamp()
