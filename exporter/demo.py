"""The `demo` command: a simulated PlanetScale and the exporter that watches it, in one process, without credentials."""

import asyncio
import os
import sys
from functools import partial

from pydantic import SecretStr

from exporter import targets
from exporter.app import serve
from exporter.credentials import Credentials, Login, Source, Sources
from exporter.settings import ListenAddress, Settings
from exporter.simulator import Simulator, create_app, deliver, demo_fleet
from exporter.web import Listener, listen
from exporter.webhook_secrets import WebhookSecrets

_POLL = {"interval": 5.0, "idle_interval": 60.0, "discovery_interval": 10.0}
_API = {"requests_per_minute": 600}
_TOKEN_ID, _TOKEN = "demo", "demo"


async def demo(settings: Settings) -> int:
    """Run both until SIGTERM or SIGINT; returns the exit code.

    The simulated copies take minutes instead of days, so polls are more frequent unless the settings say how often.
    """
    os.environ["no_proxy"] = "*"  # all that is asked is in this process
    simulator, webhooks = demo_fleet(), set[asyncio.Task[None]]()
    listener = await listen(create_app(simulator), "127.0.0.1", 0)
    try:
        watching, credentials = _watching(settings, simulator, listener.port)
        announce = partial(_announce, watching, simulator, webhooks)
        return await serve(watching, credentials, lambda: (watching, credentials), announce)
    finally:
        for task in webhooks:
            task.cancel()
        await listener.close()


def _announce(settings: Settings, simulator: Simulator, webhooks: set[asyncio.Task[None]], listener: Listener) -> None:
    address = settings.web.listen_address
    base = f"{listener.scheme}://{ListenAddress(address.host or 'localhost', listener.port)}"
    if secrets := WebhookSecrets(settings.web.webhook_secrets_file).current:
        webhooks.add(asyncio.ensure_future(deliver(simulator, f"{base}/-/webhook", secrets[0])))
    sys.stdout.write(
        "A simulated PlanetScale and the exporter are running, Ctrl-C ends both:\n"
        f"  {base}/         what runs, for people\n"
        f"  {base}{settings.web.telemetry_path}  the same, for Prometheus\n"
    )
    sys.stdout.flush()


def _watching(settings: Settings, simulator: Simulator, port: int) -> tuple[Settings, Credentials]:
    """The settings with the simulator as API and its organisations as targets."""
    organizations = tuple(simulator.organizations)
    for organization in organizations:
        simulator.grant(f"{_TOKEN_ID}:{_TOKEN}", organization)
    poll = {name: value for name, value in _POLL.items() if name not in settings.poll.model_fields_set}
    api = {name: value for name, value in _API.items() if name not in settings.api.model_fields_set}
    login = Login(Source("demo", SecretStr(_TOKEN_ID)), Source("demo", SecretStr(_TOKEN)), Source("demo"))
    credentials = Credentials(Sources(login), organizations)
    update = {
        "targets": tuple(targets.parse(organization) for organization in organizations),
        "api": settings.api.model_copy(update={**api, "url": f"http://127.0.0.1:{port}/v1"}),
        "poll": settings.poll.model_copy(update=poll),
    }
    return settings.model_copy(update=update), credentials
