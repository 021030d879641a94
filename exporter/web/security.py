"""TLS, client certificates and passwords as a web configuration asks for them, renewed when its files change."""

import ssl
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from exporter import files
from exporter.mistakes import ConfigError
from exporter.web.web_config import CIPHERS, CLIENTS, CURVES, TLS, VERSIONS, WebConfig, parse

_LARGEST_FILE: Final = 2**20

log = structlog.get_logger(__name__)

_Read = tuple[WebConfig, ssl.SSLContext | None]


class WebSecurity:
    """What is in force; `refresh` reads again what has changed: users, headers, certificates and their authorities.

    `tls` is the context to listen with, None without TLS; whether there is TLS, and `client_auth_type`, need a restart.

    Raises ConfigError when the file, or one that it names, can't be used.
    """

    def __init__(self, path: str | None) -> None:
        self.config = WebConfig()
        self.tls: ssl.SSLContext | None = None
        self._file = None
        if path is not None:
            self._file = files.Watched[_Read](path, _LARGEST_FILE, (self.config, None), partial(_read, path))
            if isinstance(self._file.error, files.UnreadableError):
                raise ConfigError([f"web.config_file: {path} {self._file.problem}"])
            if self._file.error:
                raise self._file.error
            self.config, self.tls = self._file.value

    def refresh(self) -> None:
        """Read again what has changed; what is wrong is logged once, and what was in force stays."""
        if (file := self._file) is None:
            return
        before = file.problem
        if file.refresh():
            self.config, renewed = file.value
            if self.tls and renewed:
                self.tls.sni_callback = lambda connection, _name, _context: setattr(connection, "context", renewed)
            log.info("web_config_changed", file=file.path)
        elif file.problem not in {"", before}:
            log.warning("web_config_unusable", file=file.path, problem=file.problem, kept="what was in force")


def _read(path: str, text: bytes) -> tuple[_Read, dict[str, files.Signature]]:
    """What the file says, with the context that it asks for, and the signatures of the files that it names."""
    config = parse(path, text)
    if (tls := config.tls_server_config) is None:
        return (config, None), {}
    named = (tls.cert_file, tls.key_file, tls.client_ca_file)
    at = {name: str(Path(path).parent / name) for name in named if name}
    try:
        seen = {each: files.signature(each) for each in at.values()}
    except files.UnreadableError as error:
        missing = next(each for each in at.values() if not Path(each).is_file())
        raise ConfigError([f"web.config_file: {path}: tls_server_config: {missing} {error}"]) from None
    return (config, _context(path, tls, at)), seen


def _context(path: str, tls: TLS, at: dict[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = VERSIONS[tls.min_version], VERSIONS[tls.max_version]
    context.verify_mode = CLIENTS[tls.client_auth_type]
    if tls.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    if tls.curve_preferences:
        context.set_ecdh_curve(CURVES[tls.curve_preferences[0]])  # Python takes one
    try:
        if suites := [CIPHERS[name] for name in tls.cipher_suites if name in CIPHERS]:
            context.set_ciphers(":".join(suites))
        with tempfile.TemporaryDirectory() as folder:
            files_of = {}
            for name in ("cert", "key"):
                files_of[name] = at.get(getattr(tls, f"{name}_file")) or str(Path(folder) / name)
                if inline := getattr(tls, name):
                    Path(files_of[name]).write_text(inline)
            context.load_cert_chain(files_of["cert"], files_of["key"], password=_refuse)
        if tls.client_auth_type != "NoClientCert":
            context.load_verify_locations(at.get(tls.client_ca_file), cadata=tls.client_ca or None)
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "can't be read"
        raise ConfigError([f"web.config_file: {path}: tls_server_config: {str(reason).lower()}"]) from None
    return context


def _refuse() -> str:
    raise ValueError("a key with a passphrase can't be read")
