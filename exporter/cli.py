"""From arguments to an exit code: 0 well, 1 failed while running, 2 a bad configuration."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

import structlog

from exporter import garbage, log, signals
from exporter.mistakes import ConfigError
from exporter.settings import Settings, doubts, load
from exporter.settings.command_line import read
from exporter.webhook_secrets import WebhookSecrets

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from exporter.credentials import Credentials

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
    except SystemExit:  # argparse has answered --help or --version
        return 0
    except KeyboardInterrupt:
        return _INTERRUPTED


def configure(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Settings, Credentials]:
    """What can be swapped by a reload: read anew each time it is called. Raises ConfigError with every mistake."""
    settings, credentials = load(argv, environ)
    WebhookSecrets(settings.web.webhook_secrets_file)  # so that its mistake is one of the configuration
    if settings.web.config_file is not None:
        from exporter.web.security import WebSecurity  # noqa: PLC0415 - the web server, which nothing before it waits for

        WebSecurity(settings.web.config_file)
    return settings, credentials


def _run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    match read(argv).command:
        case "healthcheck":
            signals.give_back()
            return _healthcheck(argv, environ)
        case "demo":
            return _demo(argv, environ)
        case "check":
            signals.give_back()
            return _check(argv, environ)
    return _serve(argv, environ)


def _healthcheck(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    from exporter.healthcheck import health_url, healthcheck  # noqa: PLC0415 - no other command pays for it

    return healthcheck(health_url(load(argv, environ)[0].web.listen_address))


def _serve(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    settings, credentials = configure(argv, environ)
    from exporter.app import serve  # noqa: PLC0415 - half a second that mistakes and probes need not wait for

    _configure_log(settings, argv, environ)
    return _run_loop(serve(settings, credentials, lambda: configure(argv, environ)))


def _check(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    settings, credentials = configure(argv, environ)
    from exporter.check import check  # noqa: PLC0415 - no other command pays for it

    _configure_log(settings, argv, environ)
    return _run_loop(check(settings, credentials))


def _demo(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    settings, _ = load(argv, environ)
    from exporter.demo import demo  # noqa: PLC0415 - the simulator, which serving never needs

    _configure_log(settings, argv, environ)
    return _run_loop(demo(settings))


def _run_loop(main: Coroutine[Any, Any, int]) -> int:
    """Run it to its exit code."""
    garbage.start()
    return asyncio.run(main)


def _configure_log(settings: Settings, argv: Sequence[str], environ: Mapping[str, str]) -> None:
    """Log from here on, first of all what is most likely not what was meant."""
    log.configure(settings.log.level, settings.log.format)
    for doubt in doubts(argv, environ, settings):
        structlog.get_logger(__name__).warning("configuration_doubtful", problem=doubt)
