"""A served web room for tests: real sockets, and services that a test can set."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import ClientSession
from web_snapshots import moment, varied

from exporter.polling.snapshot import Key, Moment, Snapshot
from exporter.web import Services, Webhooks, create_app, listen

TEXT = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Exposition:
    """A rendered page of metrics."""

    parts: tuple[bytes, ...] = (b"up 1\n",)
    content_type: str = TEXT
    content_encoding: str = ""


@dataclass
class World:
    """What the services say; tests set it."""

    snapshot: Snapshot = field(default_factory=varied)
    alive: bool = True
    ready: bool = True
    mistakes: tuple[str, ...] = ()
    page: Exposition = Exposition()
    asked: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    during_render: Callable[[], object] = lambda: None
    shows_ddl: bool = True
    now: Callable[[], Moment] = moment
    refresh_seconds: int = 15
    secrets: tuple[bytes, ...] | None = None
    watched: set[Key] = field(default_factory=set)
    hints: list[Key] = field(default_factory=list)
    webhooks: list[tuple[str, str]] = field(default_factory=list)

    def services(self, *, lifecycle: bool = True) -> Services:
        """The services of this world."""

        async def reload() -> tuple[str, ...]:
            return self.mistakes

        return Services(
            telemetry_path="/metrics",
            render=self._render,
            snapshot=lambda: self.snapshot,
            is_alive=lambda: self.alive,
            is_ready=lambda: self.ready,
            reload=reload if lifecycle else None,
            webhooks=Webhooks(
                lambda: self.secrets, self._hint, lambda event, result: self.webhooks.append((event, str(result)))
            ),
            version="1.2.3",
            now=self.now,
            refresh_seconds=self.refresh_seconds,
            shows_ddl=lambda: self.shows_ddl,
        )

    def _hint(self, key: Key) -> bool:
        self.hints.append(key)
        return key in self.watched

    def _render(self, accept: str, accept_encoding: str, names: tuple[str, ...]) -> Exposition:
        self.asked.append((accept, accept_encoding, names))
        self.during_render()
        return self.page


@asynccontextmanager
async def serving(world: World, *, lifecycle: bool = True) -> AsyncIterator[ClientSession]:
    """Serve the world; gives a client whose base is the server."""
    listener = await listen(create_app(world.services(lifecycle=lifecycle)), "127.0.0.1", 0)
    try:
        async with ClientSession(f"http://127.0.0.1:{listener.port}") as client:
            yield client
    finally:
        await listener.close()
