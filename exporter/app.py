"""The wiring: settings become a running exporter, here and nowhere else.

Two lifetimes: session, request budget, snapshot, counters and listener are *kept* until the end; settings, credentials,
client and plan are *swapped* by a reload.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from time import time
from typing import Final

import structlog
from aiohttp import ClientSession

from exporter import garbage, signals
from exporter import log as logs
from exporter.credentials import Credentials
from exporter.descriptors import share
from exporter.metrics.exposition import Exposition
from exporter.metrics.own import OwnSeries, live_registry
from exporter.mistakes import ConfigError
from exporter.planetscale.budget import RequestBudget
from exporter.planetscale.client import PlanetScale
from exporter.planetscale.http import RequestObserver, Transport, is_in_clear_text, open_session
from exporter.planetscale.slots import Slots
from exporter.polling.fleet import Limits
from exporter.polling.pace import Timing
from exporter.polling.plan import Plan, Share
from exporter.polling.poller import Assignment, Clock, Poller
from exporter.polling.snapshot import Moment, Snapshot, SnapshotStore
from exporter.settings import Settings
from exporter.threads import DaemonThreads
from exporter.version import DISTRIBUTION, revision, version
from exporter.web import Listener, Services, Webhooks, WebSecurity, access, create_app, listen
from exporter.webhook_secrets import WebhookSecrets

Load = Callable[[], tuple[Settings, Credentials]]

_CREDENTIALS_EVERY: Final = 1.0
_NEED_RESTART: Final = ("listen_address", "telemetry_path", "enable_lifecycle", "config_file")

_DEAD: Final = "the poll loop has stopped: restart the exporter, and please report its log"

log = structlog.get_logger()


def connect(
    settings: Settings, credentials: Credentials, session: ClientSession, slots: Slots, observer: RequestObserver
) -> PlanetScale:
    """A client with the settings' limits."""
    transport = Transport(
        session,
        slots,
        credentials.authorization,
        timeout=settings.api.timeout,
        max_bytes=settings.api.max_response_bytes,
        user_agent=f"{DISTRIBUTION}/{version()}",
        observer=observer,
        sources=credentials.names,
    )
    return PlanetScale(transport, settings.api.url)


def plan_of(settings: Settings) -> Plan:
    """What the settings ask to poll."""
    return Plan(settings.targets, Share(settings.shard.index, settings.shard.count))


class Application:
    """An exporter that runs: its poll loop, and what its pages need."""

    def __init__(self, settings: Settings, credentials: Credentials, load: Load, session: ClientSession) -> None:
        self.settings = settings
        self._credentials = credentials
        self._webhook_secrets = WebhookSecrets(settings.web.webhook_secrets_file)
        self.security = WebSecurity(settings.web.config_file)
        self._load = load
        self._session = session
        self._slots = Slots(RequestBudget(settings.api.requests_per_minute))
        self._store = SnapshotStore()
        self._own = OwnSeries(version=version(), revision=revision())
        self._own.budget(settings.api.requests_per_minute)
        self._own.shard(settings.shard.index, settings.shard.count)
        self._own.reloaded(ok=True, at=time())
        live = live_registry(self._slots.seconds_waited)
        self._exposition = Exposition(live, self._own, ddl=settings.metrics.ddl)
        self._clock = Clock()
        self._poller = Poller(self._assignment(), self._slots, self._store, self._own, self._clock)
        self._died_at: Moment | None = None

    @property
    def services(self) -> Services:
        """What the pages show and set off."""
        return Services(
            telemetry_path=self.settings.web.telemetry_path,
            render=lambda accept, encoding, names: self._exposition.render(self._snapshot(), accept, encoding, names),
            snapshot=self._snapshot,
            is_alive=lambda: self._died_at is None,
            is_ready=lambda: self._poller.is_ready,
            reload=self.reload if self.settings.web.enable_lifecycle else None,
            webhooks=Webhooks(lambda: self._webhook_secrets.current, self._poller.hint, self._own.webhook_came),
            version=version(),
            now=self._clock.now,
            shows_ddl=lambda: self.settings.metrics.ddl,
            grafana_url=lambda: (self.settings.web.grafana_url or "").rstrip("/"),
        )

    async def run(self) -> None:
        """Poll until cancelled; a poll loop that dies or hangs is said once, and from then on all pages say it."""
        tasks = [
            asyncio.create_task(self._poller.run(), name="poll loop"),
            asyncio.create_task(self._poller.silence(), name="rounds of the poll loop"),
            asyncio.create_task(self._write_pages(), name="writing of what is scraped"),
            asyncio.create_task(self._watch_files(), name="watch of files that change"),
            asyncio.create_task(garbage.spare(), name="care of the garbage collector"),
        ]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self._died_at = self._clock.now()
            for task in ended:
                error = None if task.cancelled() else task.exception()
                log.critical("died", task=task.get_name(), effect="nothing is polled: restart", exc_info=error)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _snapshot(self) -> Snapshot:
        """What polls have told, as long as there are any."""
        snapshot = self._store.current
        return snapshot if self._died_at is None else snapshot.lost(_DEAD, self._died_at)

    async def reload(self) -> tuple[str, ...]:
        """Read the configuration again and swap it whole; returns the mistakes that prevented it."""
        try:
            settings, credentials = self._load()
            self._webhook_secrets = WebhookSecrets(settings.web.webhook_secrets_file)
        except ConfigError as error:
            self._own.reloaded(ok=False, at=time())
            for mistake in error.mistakes:
                log.warning("reload_failed", mistake=mistake, effect="the old configuration stays in use")
            return tuple(error.mistakes)
        for name in _NEED_RESTART:
            if getattr(settings.web, name) != getattr(self.settings.web, name):
                log.warning("restart_needed", setting=f"web.{name}", effect="the old value stays until then")
        kept = {name: getattr(self.settings.web, name) for name in _NEED_RESTART}
        self.settings = settings.model_copy(update={"web": settings.web.model_copy(update=kept)})
        self._credentials = credentials
        logs.configure(settings.log.level, settings.log.format)
        self._slots.resize(settings.api.requests_per_minute)
        self._own.budget(settings.api.requests_per_minute)
        self._own.shard(settings.shard.index, settings.shard.count)
        self._exposition.ddl = settings.metrics.ddl
        self._poller.assign(self._assignment())
        self._poller.retry(lambda _: True)  # what fails may be what was mended
        self._own.reloaded(ok=True, at=time())
        log.info("reloaded", targets=len(settings.targets))
        return ()

    def _assignment(self) -> Assignment:
        settings = self.settings
        poll = settings.poll
        return Assignment(
            connect(settings, self._credentials, self._session, self._slots, self._own),
            plan_of(settings),
            Timing(
                poll.interval,
                poll.idle_interval,
                poll.discovery_interval,
                woken=settings.web.webhook_secrets_file is not None,
            ),
            Limits(
                poll.stale_after,
                poll.retention,
                settings.metrics.max_operations,
                spare_after=poll.idle_interval + poll.stale_after,
            ),
        )

    async def _write_pages(self) -> None:
        """Write what polls have changed before it is scraped, beside the loop."""
        while True:
            await self._store.changed.wait()
            self._store.changed.clear()
            await asyncio.to_thread(self._exposition.keep_up, self._store.current)

    async def _watch_files(self) -> None:
        while True:
            await asyncio.sleep(_CREDENTIALS_EVERY)
            self._webhook_secrets.refresh()
            self.security.refresh()
            if changed := self._credentials.refresh():
                log.info("credentials_changed", organizations=", ".join(sorted(changed)))
                self._poller.retry(changed.__contains__)


@asynccontextmanager
async def running(
    settings: Settings, credentials: Credentials, load: Load
) -> AsyncIterator[tuple[Application, Listener]]:
    """An exporter that polls and answers until the context ends.

    Raises:
        OSError: the listen address can't be used.
    """
    if is_in_clear_text(settings.api.url):
        log.warning(
            "token_in_clear_text", setting="api.url", effect="anyone on the way can read it", remedy="use https"
        )
    async with open_session(share()) as session:
        application = Application(settings, credentials, load, session)
        address = settings.web.listen_address
        security = application.security
        app = create_app(application.services, (access(security),))
        listener = await listen(app, address.host, address.port, security.tls, most=share())
        polling = asyncio.create_task(application.run(), name="application")
        try:
            yield application, listener
        finally:
            polling.cancel()
            with suppress(asyncio.CancelledError):
                await polling
            await listener.close()


async def serve(
    settings: Settings, credentials: Credentials, load: Load, announce: Callable[[Listener], None] = lambda _: None
) -> int:
    """Run until SIGTERM or SIGINT; SIGHUP reloads. Calls *announce* when it listens; returns the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(DaemonThreads())
    reloads: set[asyncio.Task[tuple[str, ...]]] = set()
    try:
        with signals.kept():
            async with running(settings, credentials, load) as (application, listener):

                def hang_up() -> None:
                    if stop.is_set() or reloads:  # one that has not begun yet serves this one, too
                        return
                    task = loop.create_task(application.reload())
                    reloads.add(task)
                    task.add_done_callback(reloads.discard)

                signals.pass_on(loop, stop.set, hang_up)
                log.info("listening", port=listener.port, version=version(), targets=len(settings.targets))
                announce(listener)
                await stop.wait()
                log.info("stopping")
    except OSError as error:
        address = settings.web.listen_address
        sys.stderr.write(f"web.listen_address: can't listen on {address}: {error.strerror}\n")
        return 1
    return 0
