"""Field types that keep what PlanetScale gives and drop what it can't have meant.

A bad field never costs a good one: every type here turns an odd value into `None` (not known), and leaves the rest of
the object alone. What is odd: a number as text, `true` as a number, `NaN`, a time without zone, and the like.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler
from pydantic_core import core_schema

_TEXT_LIMIT: Final = 256
_LONG_TEXT_LIMIT: Final = 20_000

# Control characters have no place in a label, a log line or a page; lone surrogates can't be encoded at all.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# `datetime.fromisoformat` alone takes dates, week dates and times without zone.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

# Whoever shows a link lets people follow it: no javascript:, no data:.
_LINK = re.compile(r"https?://[^/\s]", re.IGNORECASE)


class _NoneIfOdd:
    """None for whatever the annotated type refuses."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Let pydantic itself fall back, which takes a quarter of the time of a function around it."""
        return core_schema.with_default_schema(handler(source), default=None, on_error="default")


def clean(text: str, limit: int = _TEXT_LIMIT) -> str:
    """The text's first characters, *limit* at most; what can't be printed is replaced (tabs and line breaks stay)."""
    text = text[:limit]
    return text if text.isprintable() else _UNPRINTABLE.sub("�", text)  # nearly all is, and that is told at once


def _text(value: Any) -> str:
    return clean(value) if isinstance(value, str) else ""


def _long_text(value: Any) -> str:
    return clean(value, _LONG_TEXT_LIMIT) if isinstance(value, str) else ""


def _errors(value: Any) -> str | None:
    if value is None:
        return ""
    return _long_text(value.strip()) if isinstance(value, str) else None


def _identifier(value: Any) -> str | None:
    match value:
        case bool():
            return None
        case int():
            return str(value)
        case str():
            return clean(value.strip()) or None
    return None


def _link(value: Any) -> str:
    text = _text(value)
    return text if _LINK.match(text) else ""


def _names(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not set(map(type, value)) <= {str}:
        return None
    return tuple(map(clean, value))


def _timestamp(value: Any) -> float | None:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value.upper()).timestamp()
    except (ValueError, OverflowError):
        return None


_Known = _NoneIfOdd()
_Finite = Field(strict=True, allow_inf_nan=False)

Text = Annotated[str, BeforeValidator(_text)]
"""Text, cut at 256 characters; empty where the API gives none."""
LongText = Annotated[str, BeforeValidator(_long_text)]
"""Text that people read whole, cut at 20,000 characters; empty where the API gives none."""
ErrorText = Annotated[str | None, BeforeValidator(_errors)]
"""Error text, as long; empty where there is none, None for what is no text."""
Link = Annotated[str, BeforeValidator(_link)]
"""An address on the web; empty for what is none that a browser could only go to."""
Identifier = Annotated[str | None, BeforeValidator(_identifier)]
"""An id as text; None where there is none that could tell two rows apart."""
Percentage = Annotated[Annotated[float, _Finite, Field(ge=0, le=100)] | None, _Known]
"""0 to 100; None for what lies outside."""
Seconds = Annotated[Annotated[float, _Finite, Field(ge=0)] | None, _Known]
"""A duration in seconds; Vitess says "not known" with a negative one, which is None here."""
Timestamp = Annotated[float | None, BeforeValidator(_timestamp)]
"""Unix time in seconds, from RFC 3339 with or without fractions."""
Flag = Annotated[Annotated[bool, Field(strict=True)] | None, _Known]
Names = Annotated[tuple[str, ...] | None, BeforeValidator(_names)]
"""A list of names; None for what is none."""
