"""What a setting's value may be, and how its text is read. Messages never repeat the text: it may be a secret."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler

_YEAR = 365 * 86400.0
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_AMOUNT = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_DURATION = re.compile("".join(f"(?:({_AMOUNT}){unit})?" for unit in _UNITS))
_ORDINAL = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?-)?([0-9]{1,9})")
_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """Reads a text into a value (`read`, raising ValueError), and says what is allowed; stands in `Annotated`.

    A value that is no text is checked by `check` alone.
    """

    metavar: str
    allowed: str
    read: Callable[[str], Any]
    check: Callable[[Any], None] = lambda _value: None
    show: Callable[[Any], str] = str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Put the reading before pydantic's own validation."""
        return core_schema.no_info_before_validator_function(self._value, handler(source))

    def _value(self, given: object) -> Any:
        try:
            value = self.read(given.strip()) if isinstance(given, str) else given
            self.check(value)
        except ValueError as error:
            raise ValueError(f"{error}; allowed: {self.allowed}") from None
        return value


def duration(least: float, most: float = _YEAR) -> Kind:
    """Seconds, from *least* to *most*."""
    span = f"up to {show_duration(most)}" if not least else f"{show_duration(least)} to {show_duration(most)}"
    return Kind(
        "DURATION",
        f"{span}, written as 15s, 5m, 1h30m, 500ms or a number of seconds",
        _read_duration,
        _within(least, most),
        show_duration,
    )


def whole(least: int, most: int) -> Kind:
    """A whole number from *least* to *most*."""
    return Kind("NUMBER", f"a whole number from {least} to {most}", _read_whole, _within(least, most))


def size(least: int, most: int) -> Kind:
    """Bytes, from *least* to *most*."""
    allowed = f"{show_size(least)} to {show_size(most)}, written as bytes or with a unit (16MiB, 16MB)"
    return Kind("SIZE", allowed, _read_size, _within(least, most), show_size)


def switch() -> Kind:
    """True or false."""
    return Kind("BOOLEAN", "true or false", _read_boolean, show=lambda value: str(value).lower())


def path() -> Kind:
    """The path of a file."""
    return Kind("FILE", "the path of a file", _read_path, show=lambda value: value or "")


def choice(*names: str, **aliases: str) -> Kind:
    """One of *names* in any case; *aliases* are other spellings."""
    spellings = {**{name: name for name in names}, **aliases}

    def read(text: str) -> str:
        if text.lower() not in spellings:
            raise ValueError("is unknown")
        return spellings[text.lower()]

    return Kind("|".join(names), ", ".join(names[:-1]) + f" or {names[-1]}", read)


def ordinal(most: int) -> Kind:
    """A whole number from 0, or a name that ends in `-` and one, as the pods of a StatefulSet have."""
    allowed = "a whole number from 0, or a pod's name that ends in one, as in planetscale-exporter-3"
    return Kind("NUMBER", allowed, _read_ordinal, _within(0, most))


def show_duration(seconds: float) -> str:
    """The shortest text that reads back as *seconds*."""
    text, left = "", round(seconds * 1000)
    for unit, scale in _UNITS.items():
        count, left = divmod(left, round(scale * 1000))
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def show_size(count: int) -> str:
    """Bytes in the largest binary unit that divides them."""
    for unit in ("GiB", "MiB", "KiB"):
        if count and count % _SIZES[unit.upper()] == 0:
            return f"{count // _SIZES[unit.upper()]}{unit}"
    return str(count)


def _within(least: float, most: float) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
            raise ValueError("is no number")
        if value < least:
            raise ValueError("is too small")
        if value > most:
            raise ValueError("is too large")

    return check


def _read_duration(text: str) -> float:
    if re.fullmatch(_AMOUNT, text):
        return float(text)
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError("is no duration")
    return sum(float(count) * scale for count, scale in zip(match.groups(), _UNITS.values(), strict=True) if count)


def _read_whole(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise ValueError("is no whole number")
    return int(text)


def _read_size(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15}) ?([A-Za-z]*)", text)
    if match is None or match[2].upper() not in _SIZES:
        raise ValueError("is no size")
    return int(match[1]) * _SIZES[match[2].upper()]


def _read_boolean(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError("is neither true nor false")
    return _BOOLEANS[text.lower()]


def _read_path(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError("is no path")
    return text


def _read_ordinal(text: str) -> int:
    match = _ORDINAL.fullmatch(text)
    if match is None:
        raise ValueError("is neither a number nor a name that ends in one")
    return int(match[1])
