"""Logs on standard error: one event, one line, whatever is in it."""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from typing import TextIO

    from structlog.typing import EventDict, Processor, WrappedLogger

_BARE = re.compile(r"[!#-<>-\[\]-~]+")  # printable ASCII that needs no quotes: no space, '"', '=' or '\'
_FIRST = ("time", "level", "event")


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send the events of structlog and of the standard library to *stream* (standard error) as `logfmt` or `json`.

    Times are RFC 3339 in UTC. May be called again: the last call counts.
    """
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        _in_order,
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer() if form == "json" else render_logfmt,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a reload may change level and format
    )


def render_logfmt(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """`key=value` pairs; a value with anything but plain ASCII in it is quoted and escaped as in JSON."""
    return " ".join(f"{key}={_value(value)}" for key, value in event.items())


def _value(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
    return text if _BARE.fullmatch(text) else json.dumps(text)


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    first = {key: event[key] for key in _FIRST if key in event}
    return {**first, **{key: value for key, value in event.items() if key not in first}}
