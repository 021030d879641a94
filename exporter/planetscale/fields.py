"""Field types that keep what PlanetScale gives and drop what it can't have meant.

A bad field never costs a good one: every type here turns an odd value into `None` (not known), and leaves the rest of
the object alone. What is odd: a number as text, `true` as a number, `NaN`, a time without zone, and the like.
"""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

# Control characters have no place in a label, a log line or a page; lone surrogates can't be encoded at all.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# `datetime.fromisoformat` alone takes dates, week dates and times without zone.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def none_if_odd(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Whatever the wrapped type makes of *value*, or None where it refuses."""
    try:
        return handler(value)
    except ValidationError:
        return None


def clean(text: str) -> str:
    """The text with every character replaced that can't be printed (tabs and line breaks stay)."""
    return _UNPRINTABLE.sub("�", text)


def _text(value: Any) -> str:
    return clean(value) if isinstance(value, str) else ""


def _identifier(value: Any) -> str | None:
    match value:
        case bool():
            return None
        case int():
            return str(value)
        case str():
            return clean(value).strip() or None
    return None


def _names(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return None
    return tuple(clean(name) for name in value)


def _timestamp(value: Any) -> float | None:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value.upper()).timestamp()
    except (ValueError, OverflowError):
        return None


_Known = WrapValidator(none_if_odd)
_Finite = Field(strict=True, allow_inf_nan=False)

Text = Annotated[str, BeforeValidator(_text)]
"""Text; empty where the API gives none."""
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
