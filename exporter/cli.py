"""From arguments to an exit code: 0 well, 1 failed while running, 2 a bad configuration."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from typing import TYPE_CHECKING

from exporter import log
from exporter.credentials import Credentials
from exporter.healthcheck import health_url, healthcheck
from exporter.mistakes import ConfigError
from exporter.settings import Settings, flags, load, load_listen_address
from exporter.usage import usage
from exporter.version import DISTRIBUTION, revision, version
from exporter.webhook_secrets import WebhookSecrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BAD_CONFIGURATION = 2
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in *argv* (else in the process's arguments) and return the exit code.

    A bad configuration is one line per mistake on standard error.
    """
    arguments = tuple(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments, dict(os.environ))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return _BAD_CONFIGURATION
    except KeyboardInterrupt:
        return _INTERRUPTED


def configure(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Settings, Credentials]:
    """What can be swapped by a reload: read anew each time it is called. Raises ConfigError with every mistake."""
    settings = load(argv, environ)
    WebhookSecrets(settings.web.webhook_secrets_file)  # so that its mistake is one of the configuration
    return settings, Credentials(settings.credentials, settings.organizations)


def _run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    line = flags.read(argv)
    if line.question is not None:
        sys.stdout.write(f"{usage() if line.question == 'help' else _build()}\n")
        return 0
    match line.command:
        case "healthcheck":
            return healthcheck(health_url(load_listen_address(argv, environ)))
        case "demo":
            return _demo(load(argv, environ, demo=True))
        case "check":
            return _check(*configure(argv, environ))
    return _serve(argv, environ)


def _build() -> str:
    return f"{DISTRIBUTION} {version()} ({revision()}, {platform.python_version()})"


# the commands are imported when they are run, so that the others answer at once


def _serve(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    settings, credentials = configure(argv, environ)
    from exporter.app import serve  # noqa: PLC0415 - see above

    log.configure(settings.log.level, settings.log.format)
    return asyncio.run(serve(settings, credentials, lambda: configure(argv, environ)))


def _check(settings: Settings, credentials: Credentials) -> int:
    from exporter.check import check  # noqa: PLC0415 - see above

    log.configure(settings.log.level, settings.log.format)
    return asyncio.run(check(settings, credentials))


def _demo(settings: Settings) -> int:
    from exporter.demo import demo  # noqa: PLC0415 - see above

    log.configure(settings.log.level, settings.log.format)
    return asyncio.run(demo(settings))
