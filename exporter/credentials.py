"""Which `Authorization` header an organisation gets, from values and from files that may change."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from pydantic import SecretStr

from exporter import files
from exporter.mistakes import LONGEST_PATH, ConfigError, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NAMES = {  # those that PlanetScale's command line and Terraform provider use
    "service_token_id": "PLANETSCALE_SERVICE_TOKEN_ID",
    "service_token": "PLANETSCALE_SERVICE_TOKEN",
    "access_token": "PLANETSCALE_ACCESS_TOKEN",
}
_LARGEST_FILE = 16 * 1024
_HEADER_SAFE = re.compile(r"[!-~]+")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """Where one half comes from: a value, a file, or neither; both are a mistake. `name` is how its user calls it."""

    name: str
    value: SecretStr | None = None
    file: str | None = field(default=None, repr=False)  # may be a token that was set in the wrong place

    @property
    def is_set(self) -> bool:
        """Whether anything was given for it."""
        return self.value is not None or self.file is not None


@dataclass(frozen=True, slots=True)
class Login:
    """The sources of one service token (two halves) or one OAuth token."""

    service_token_id: Source
    service_token: Source
    access_token: Source

    @property
    def sources(self) -> tuple[Source, Source, Source]:
        """The three of them, in the order of their fields."""
        return self.service_token_id, self.service_token, self.access_token

    @classmethod
    def of(cls, environ: Mapping[str, str], files: Mapping[str, str | None], where: str) -> Login | None:
        """Each half from *environ*, else from its file among those that *where* names; None when there is none of all.

        A half that is missing is named where another one stands.
        """
        found: dict[str, Source] = {}
        for half, name in NAMES.items():
            value, path = (environ.get(f"{name}{end}", "").strip() for end in ("", "_FILE"))
            if value or path:
                secret = SecretStr(value) if value else None
                found[half] = Source(name if value else f"{name}_FILE", secret, path or None)
        names = NAMES if found else {half: f"{where}.{half}_file" for half in NAMES}
        for half in NAMES.keys() - found.keys():
            file = files[f"{half}_file"]
            found[half] = Source(f"{where}.{half}_file" if file else names[half], file=file)
        return cls(**found) if any(source.is_set for source in found.values()) else None


@dataclass(frozen=True, slots=True)
class Sources:
    """The login of every organisation that has its own, and the one that serves all others."""

    default: Login | None = None
    organizations: Mapping[str, Login] = field(default_factory=dict)

    def logins(self) -> Iterator[tuple[str | None, Login]]:
        """Each login with its organisation; None is the default."""
        if self.default is not None:
            yield None, self.default
        yield from self.organizations.items()


class Credentials:
    """The headers in use. Files are read by the constructor and by `refresh`, never in between.

    Raises ConfigError when a file can't be read, a value can't be used, or one of *organizations* has none.
    """

    def __init__(self, sources: Sources, organizations: Iterable[str]) -> None:
        self._sources = sources
        self._organizations = tuple(organizations)
        self._files = {path: files.Watched(path, _LARGEST_FILE, SecretStr(""), _text) for path in _paths(sources)}
        self._headers, self._trouble = self._resolved()
        for organization in self._organizations:
            if self._owner(organization) is None and sources.default is None:
                self._trouble[organization] = _without(organization)
        if self._trouble:
            raise ConfigError(self._trouble.values())

    def authorization(self, organization: str) -> str:
        """The whole header value for *organization*. Raises KeyError when nothing serves it."""
        return self._headers[self._owner(organization)].get_secret_value()

    def names(self, organization: str) -> str:
        """How the user calls the sources of what `authorization` gives."""
        owner = self._owner(organization)
        login = next((login for name, login in self._sources.logins() if name == owner), None)
        return " and ".join(source.name for source in login.sources if source.is_set) if login else "its credentials"

    def refresh(self) -> frozenset[str]:
        """Read again what has changed, and say which organisations have a new header.

        What can't be read or used is logged once, and its last good value stays; so is its recovery.
        """
        before = {organization: self.authorization(organization) for organization in self._organizations}
        for file in self._files.values():
            file.refresh()
        headers, trouble = self._resolved()
        self._headers |= headers
        self._report(trouble)
        return frozenset(name for name, header in before.items() if self.authorization(name) != header)

    def _owner(self, organization: str) -> str | None:
        return organization if organization in self._sources.organizations else None

    def _resolved(self) -> tuple[dict[str | None, SecretStr], dict[str, str]]:
        headers: dict[str | None, SecretStr] = {}
        trouble: dict[str, str] = {}
        for owner, login in self._sources.logins():
            wrong = dict(self._problems(login))
            if wrong:
                trouble |= wrong
            else:
                headers[owner] = _header(*(self._text(source) for source in login.sources))
        return headers, trouble

    def _problems(self, login: Login) -> Iterator[tuple[str, str]]:
        """What keeps *login* from being used, by the name of the source."""
        unusable = False
        for source in login.sources:
            problem = self._problem(source)
            if problem:
                unusable = True
                yield source.name, f"{source.name}: {problem}"
        if not unusable:
            yield from self._incomplete(login)

    def _problem(self, source: Source) -> str | None:
        if source.value is not None and source.file is not None:
            return f"excludes {source.name}_FILE; set one of the two"
        known = self._files[source.file] if source.file is not None else None
        if known is not None and known.problem:
            return f"the file {shown(source.file or '', LONGEST_PATH)} {known.problem}"
        text = self._text(source)
        if text and not _HEADER_SAFE.fullmatch(text):
            return "holds characters that can't be sent; allowed: one line of ASCII letters, digits and signs"
        return None

    def _incomplete(self, login: Login) -> Iterator[tuple[str, str]]:
        identity, token, access = (bool(self._text(source)) for source in login.sources)
        if access and (identity or token):
            other = login.service_token_id if identity else login.service_token
            yield (
                login.access_token.name,
                f"{login.access_token.name}: excludes {other.name}; set an OAuth token or a service token, not both",
            )
        elif identity != token:
            missing = login.service_token if identity else login.service_token_id
            yield missing.name, f"{missing.name}: {_absence(missing)}; a service token needs both halves"
        elif not access and not identity:
            for source in login.sources:
                if source.is_set:
                    yield source.name, f"{source.name}: {_absence(source)}"

    def _text(self, source: Source) -> str:
        if source.file is not None:
            return self._files[source.file].value.get_secret_value()
        return source.value.get_secret_value().strip() if source.value is not None else ""

    def _report(self, trouble: dict[str, str]) -> None:
        for name in trouble.keys() - self._trouble.keys():
            log.warning("credentials_unusable", problem=trouble[name], kept="the last good value")
        for name in self._trouble.keys() - trouble.keys():
            log.info("credentials_usable_again", source=name)
        self._trouble = trouble


def _paths(sources: Sources) -> tuple[str, ...]:
    found = (source.file for _, login in sources.logins() for source in login.sources)
    return tuple(dict.fromkeys(path for path in found if path is not None))


def _text(contents: bytes) -> tuple[SecretStr, Mapping[str, files.Signature]]:
    """latin-1 takes every byte, so that what is no text shows as characters that can't be sent."""
    return SecretStr(contents.decode("latin-1").strip()), {}


def _header(identity: str, token: str, access: str) -> SecretStr:
    return SecretStr(f"Bearer {access}" if access else f"{identity}:{token}")


def _absence(source: Source) -> str:
    return "the file is empty" if source.file is not None else "is not set"


def _without(organization: str) -> str:
    return (
        f"organization {organization}: no credentials; set {NAMES['service_token_id']} and {NAMES['service_token']},"
        f" or {NAMES['access_token']}, or credentials.{organization} in the configuration file"
    )
