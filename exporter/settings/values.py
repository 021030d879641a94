"""How the values of settings are written. What pydantic reads by itself (numbers, booleans, sizes) it reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import AnyHttpUrl, ValidationError
from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_AMOUNT = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_DURATION = re.compile("".join(f"(?:({_AMOUNT}){unit})?" for unit in _UNITS))
_ORDINAL = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?-)?([0-9]{1,9})")
_HOST = re.compile(r"[A-Za-z0-9_.:-]*")
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")
_SIZES = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10}


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value is written; stands in `Annotated`, before pydantic's own checks.

    `read` makes of a text what pydantic takes, or raises ValueError; `show` makes the text that reads back.
    """

    metavar: str
    allowed: str
    read: Callable[[str], Any] = str
    show: Callable[[Any], str] = str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Put the reading before pydantic's own validation."""
        return core_schema.no_info_before_validator_function(
            lambda given: self.read(given.strip()) if isinstance(given, str) else given, handler(source)
        )


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen. An empty `host` means every address of the machine; port 0 any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def duration(bounds: str) -> Kind:
    """Seconds."""
    allowed = f"{bounds}, written as 15s, 5m, 1h30m, 500ms or a number of seconds"
    return Kind("DURATION", allowed, _read_duration, show_duration)


def show_duration(seconds: float) -> str:
    """The shortest text that reads back as *seconds*."""
    text, left = "", round(seconds * 1000)
    for unit, scale in _UNITS.items():
        count, left = divmod(left, round(scale * 1000))
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def show_size(count: int) -> str:
    """Bytes in the largest binary unit that divides them."""
    unit = next((unit for unit, size in _SIZES.items() if count and count % size == 0), None)
    return f"{count // _SIZES[unit]}{unit}" if unit else str(int(count))


def read_listen_address(text: str) -> ListenAddress:
    """Read `host:port`, `:port` or `[::1]:port`. Raises ValueError."""
    try:
        url = urlsplit(f"//{text}")
        host, port = url.hostname or "", url.port  # raises for what is no port and no IPv6 address
    except ValueError:
        raise ValueError("is no address") from None
    if port is None or url.netloc != text or not _HOST.fullmatch(host):
        raise ValueError("has no valid host" if port is not None else "has no port")
    return ListenAddress(host, port)


def read_base_url(text: str) -> str:
    """An http or https URL without its trailing slash. Raises ValueError."""
    try:
        url = AnyHttpUrl(text)
    except ValidationError:
        raise ValueError("is no http or https URL") from None
    if "@" in text or url.query is not None or url.fragment is not None:
        raise ValueError("has a user, a query or a fragment")
    return str(url).rstrip("/")


def read_path(text: str) -> str:
    """A path of the exporter's own, away from its other pages. Raises ValueError."""
    if not _PATH.fullmatch(text) or text.startswith("/-/"):
        raise ValueError("is no path that can be used")
    return text


def read_file_name(text: str) -> str:
    """The path of a file. Raises ValueError."""
    if not text or "\0" in text:
        raise ValueError("is no path")
    return text


def read_ordinal(text: str) -> str:
    """A whole number from 0, or the one that a pod's name ends in. Raises ValueError."""
    match = _ORDINAL.fullmatch(text)
    if match is None:
        raise ValueError("is neither a number nor a name that ends in one")
    return match[1]


def read_word(text: str) -> str:
    """One of a few words in any case, `warn` as Prometheus has it."""
    return {"warn": "warning"}.get(text.lower(), text.lower())


def _read_duration(text: str) -> float:
    if re.fullmatch(_AMOUNT, text):
        return float(text)
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError("is no duration")
    return sum(float(count) * scale for count, scale in zip(match.groups(), _UNITS.values(), strict=True) if count)
