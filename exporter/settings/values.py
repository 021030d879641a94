"""How the values of settings are written. What pydantic reads by itself (numbers, booleans, sizes) it reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import AnyHttpUrl
from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_AMOUNT = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_DURATION = re.compile("".join(f"(?:({_AMOUNT}){unit})?" for unit in _UNITS))
_ORDINAL = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?-)?([0-9]{1,9})")
_HOST = re.compile(r"[A-Za-z0-9_.:-]*")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a setting may be, in `Annotated`. `read` makes of a text what pydantic takes, or raises ValueError."""

    metavar: str
    allowed: str
    read: Callable[[str], Any] = str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Put the reading before pydantic's own validation."""
        return core_schema.no_info_before_validator_function(
            lambda given: self.read(given.strip()) if isinstance(given, str) else given, handler(source)
        )


class ListenAddress(NamedTuple):
    """Where to listen. An empty `host` means every address of the machine; port 0 any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def read(cls, text: str) -> ListenAddress:
        """Read `host:port`, `:port` or `[::1]:port`."""
        url = urlsplit(f"//{text}")
        host, port = url.hostname or "", url.port  # raises for what is no port and no IPv6 address
        if port is None or url.netloc != text or not _HOST.fullmatch(host):
            raise ValueError
        return cls(host, port)


def read_duration(text: str) -> float:
    """Seconds, from a number of them or from parts with units."""
    if re.fullmatch(_AMOUNT, text):
        return float(text)
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError
    return sum(float(count) * scale for count, scale in zip(match.groups(), _UNITS.values(), strict=True) if count)


def read_base_url(text: str) -> str:
    """An http or https URL without its trailing slash."""
    if set("@?#") & set(text):
        raise ValueError
    return str(AnyHttpUrl(text)).rstrip("/")


def read_ordinal(text: str) -> str:
    """A whole number from 0, or the one that a pod's name ends in."""
    match = _ORDINAL.fullmatch(text)
    if match is None:
        raise ValueError
    return match[1]


def read_level(text: str) -> str:
    """A level in any case; Prometheus says warn."""
    return {"warn": "warning"}.get(text.lower(), text.lower())


def read_list(text: str) -> list[str]:
    """The parts between commas, without empty ones."""
    return [part for part in map(str.strip, text.split(",")) if part]
