"""Logs: one event is one line, in either format, from either library."""

import io
import json
import logging
import re

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from exporter import log

pytestmark = pytest.mark.usefixtures("logging_as_before")


def fail() -> None:
    """Raise an error whose text is two lines."""
    raise RuntimeError("two\nlines")


def test_logfmt_line() -> None:
    """An event is its time, level and name, then its fields, quoted where they must be."""
    stream = io.StringIO()
    log.configure("info", "logfmt", stream)
    structlog.get_logger().warning("poll_failed", target="acme/shop", tries=3, ok=False, of=None, why='a "b"\n\x1b[0m')
    time, rest = stream.getvalue().split(" ", 1)
    assert re.fullmatch(r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", time)
    assert rest == (
        'level=warning event=poll_failed target=acme/shop tries=3 ok=false of="" why="a \\"b\\"\\n\\u001b[0m"\n'
    )


def test_json_line() -> None:
    """In JSON an event is one object."""
    stream = io.StringIO()
    log.configure("info", "json", stream)
    structlog.get_logger().info("started", address=":10048")
    event = json.loads(stream.getvalue())
    assert list(event) == ["time", "level", "event", "address"]
    assert event["address"] == ":10048"


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_standard_loggers_and_tracebacks_are_one_line_each(form: str) -> None:
    """What aiohttp logs looks like our own, fields and traceback included."""
    stream = io.StringIO()
    log.configure("info", form, stream)
    try:
        fail()
    except RuntimeError:
        logging.getLogger("aiohttp.server").exception("Error\n%s", "x", extra={"peer": "a\rb"})
        structlog.get_logger().exception("bug")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert all("two\\nlines" in line for line in lines)
    assert "aiohttp.server" in lines[0]
    assert "a\\rb" in lines[0]


def test_level_is_that_of_the_last_call() -> None:
    """A reload can change how much is told."""
    stream = io.StringIO()
    logger = structlog.get_logger()
    log.configure("info", "logfmt", stream)
    logger.debug("hidden")
    log.configure("debug", "logfmt", stream)
    logger.debug("shown")
    log.configure("error", "logfmt", stream)
    logger.warning("hidden")
    logging.getLogger("x").warning("hidden")
    assert len(stream.getvalue().splitlines()) == 1


@given(st.text() | st.integers() | st.floats() | st.binary())
def test_no_value_breaks_a_line(value: object) -> None:
    """Whatever a field holds, its line is printable ASCII."""
    line = log.render_logfmt(None, "info", {"event": "x", "field": value})
    assert re.fullmatch(r"[ -~]+", line)
