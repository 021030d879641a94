"""The secrets of PlanetScale's webhooks, from a file that may change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from exporter import files
from exporter.mistakes import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST_FILE = 64 * 1024

log = structlog.get_logger(__name__)


class WebhookSecrets:
    """The secrets in *path*, one on each line; none and webhooks off where *path* is None.

    Blank lines and lines that begin with `#` are left out. The file is read by the constructor and by `refresh`.

    Raises ConfigError when it can't be read or holds no secret.
    """

    def __init__(self, path: str | None) -> None:
        self._file = None if path is None else files.Watched[tuple[bytes, ...]](path, _LARGEST_FILE, (), _parse)
        if self._file and self._file.error:
            raise ConfigError([f"web.webhook_secrets_file: {path} {self._file.problem}"])

    @property
    def current(self) -> tuple[bytes, ...] | None:
        """The last good secrets; None where there is no file."""
        return self._file.value if self._file else None

    def refresh(self) -> None:
        """Read the file again where it has changed; what is wrong is logged once, and the last good secrets stay."""
        if (file := self._file) is None:
            return
        before = file.problem
        if file.refresh():
            log.info("webhook_secrets_changed", file=file.path, secrets=len(file.value))
        elif file.problem not in {"", before}:
            log.warning("webhook_secrets_unusable", file=file.path, problem=file.problem, kept="the last good ones")


def _parse(contents: bytes) -> tuple[tuple[bytes, ...], Mapping[str, files.Signature]]:
    lines = (line.strip() for line in contents.splitlines())
    secrets = tuple(line for line in lines if line and not line.startswith(b"#"))
    if not secrets:
        raise files.UnreadableError("holds no secret: write that of one PlanetScale webhook on each line")
    return secrets, {}
