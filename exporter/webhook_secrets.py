"""The secrets of PlanetScale's webhooks, from a file that may change."""

from __future__ import annotations

import structlog

from exporter import files
from exporter.mistakes import ConfigError

_LARGEST_FILE = 64 * 1024

log = structlog.get_logger(__name__)


class WebhookSecrets:
    """The secrets in *path*, one on each line; none and webhooks off where *path* is None.

    Blank lines and lines that begin with `#` are left out. The file is read by the constructor and by `refresh`.

    Raises ConfigError when it can't be read or holds no secret.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._signature: files.Signature | None = None
        self._problem = ""
        self.current: tuple[bytes, ...] | None = None
        if path is not None:
            try:
                self._read(path)
            except files.UnreadableError as error:
                raise ConfigError([f"web.webhook_secrets_file: {path} {error}"]) from None

    def refresh(self) -> None:
        """Read the file again where it has changed; what is wrong is logged once, and the last good secrets stay."""
        if self._path is None:
            return
        try:
            changed = self._read(self._path)
        except files.UnreadableError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                log.warning(
                    "webhook_secrets_unusable", file=self._path, problem=self._problem, kept="the last good ones"
                )
            return
        self._problem = ""
        if changed:
            log.info("webhook_secrets_changed", file=self._path, secrets=len(self.current or ()))

    def _read(self, path: str) -> bool:
        signature = files.signature(path)  # before the contents: a change between the two is seen next time
        if signature == self._signature:
            return False
        lines = (line.strip() for line in files.read(path, _LARGEST_FILE).splitlines())
        secrets = tuple(line for line in lines if line and not line.startswith(b"#"))
        if not secrets:
            raise files.UnreadableError("holds no secret: write that of one PlanetScale webhook on each line")
        self.current, self._signature = secrets, signature
        return True
