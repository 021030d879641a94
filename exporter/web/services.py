"""What the pages need from the rest of the exporter."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from exporter.polling.snapshot import Moment, Snapshot
from exporter.web.webhook import Webhooks


class Page(Protocol):
    """A rendered exposition. `content_encoding` is None where the body is not compressed."""

    @property
    def parts(self) -> tuple[bytes, ...]:
        """The bytes to send, in parts."""
        ...

    @property
    def content_type(self) -> str:
        """The whole header, with version and charset."""
        ...

    @property
    def content_encoding(self) -> str | None:
        """`gzip`, or None."""
        ...


Render = Callable[[str, str, tuple[str, ...]], Page]
"""Renders the metrics for `Accept`, `Accept-Encoding` and the names to filter by (none: all). Called in a thread."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the pages show and set off.

    `is_alive`, `is_ready` and `reload` are called on the event loop, the others in a thread, where they may only read.

    `reload` returns the mistakes that prevented it; it is None where reloading over HTTP is off. `now` is this moment.
    Without `shows_ddl` the status page shows neither DDL nor error text. `grafana_url` is the base URL of Grafana,
    empty where none is known.
    """

    telemetry_path: str
    render: Render
    snapshot: Callable[[], Snapshot]
    is_alive: Callable[[], bool]
    is_ready: Callable[[], bool]
    reload: Callable[[], Awaitable[tuple[str, ...]]] | None
    webhooks: Webhooks
    version: str
    now: Callable[[], Moment]
    grafana_url: Callable[[], str] = lambda: ""
    refresh_seconds: int = 15
    shows_ddl: Callable[[], bool] = lambda: True
