"""What holds for every answer."""

import io

import pytest
from web_serving import World, serving

from exporter import log
from exporter.web.page import POLICY


def burst() -> None:
    """A bug."""
    raise RuntimeError("secret detail")


@pytest.mark.usefixtures("logging_as_before")
async def test_a_bug_is_one_plain_line_and_a_log_entry() -> None:
    """500 without a trace of what went wrong, which the log has; the next request is answered again."""
    world, stream = World(during_render=burst), io.StringIO()
    log.configure("info", "logfmt", stream)
    async with serving(world) as client:
        async with client.get("/metrics", headers={"Accept": "text/html"}) as answer:
            assert answer.status == 500
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert await answer.text() == "internal error: the exporter's log says more\n"
        logged = stream.getvalue()
        assert "request_failed" in logged
        assert "secret detail" in logged
        world.during_render = lambda: None
        async with client.get("/metrics") as answer:
            assert answer.status == 200


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/nope", "/-/reload"])
async def test_browsers_are_kept_careful(path: str) -> None:
    """Nothing is cached, framed, guessed at or told to others, and the server's software is its own business."""
    async with serving(World()) as client, client.get(path) as answer:
        headers = answer.headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Server"] == "planetscale-exporter"
        policy = headers.getall("Content-Security-Policy")
        assert policy == [POLICY if path == "/" else "default-src 'none'; frame-ancestors 'none'"]
