"""The paths of the exporter, over real HTTP."""

import gzip

import pytest
from web_serving import TEXT, Exposition, World, serving

PATHS = ("/", "/metrics", "/-/healthy", "/-/ready")


async def test_metrics_are_given_as_rendered() -> None:
    """Body, type and encoding are the render's, and it is told what was asked for."""
    body = gzip.compress(b"up 1\n")
    world = World(
        page=Exposition((body[:9], body[9:]), "application/openmetrics-text; version=1.0.0; charset=utf-8", "gzip")
    )
    headers = {"Accept": "application/openmetrics-text", "Accept-Encoding": "gzip"}
    async with serving(world) as client, client.get("/metrics?name[]=b&name[]=a&name[]=b", headers=headers) as answer:
        assert answer.status == 200
        assert await answer.text() == "up 1\n"
        assert answer.headers["Content-Type"] == world.page.content_type
        assert answer.headers["Content-Encoding"] == "gzip"
        assert int(answer.headers["Content-Length"]) == len(body)
    assert world.asked == [("application/openmetrics-text", "gzip", ("a", "b"))]


async def test_metrics_without_compression_say_so_by_silence() -> None:
    """No encoding header where the body is plain."""
    async with serving(World()) as client, client.get("/metrics", skip_auto_headers=["Accept-Encoding"]) as answer:
        assert "Content-Encoding" not in answer.headers
        assert answer.headers["Content-Type"] == TEXT


@pytest.mark.parametrize("path", PATHS)
async def test_head_is_get_without_a_body(path: str) -> None:
    """Every page answers HEAD with the same status and type."""
    async with serving(World()) as client, client.get(path) as get, client.head(path) as head:
        assert head.status == get.status == 200
        assert head.headers["Content-Type"] == get.headers["Content-Type"]
        assert await head.read() == b""
        assert head.headers["Content-Length"] == get.headers["Content-Length"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_a_wrong_method_is_told_the_right_ones(path: str, method: str) -> None:
    """405 with `Allow`, in one line."""
    async with serving(World()) as client, client.request(method, path) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET,HEAD"
        assert await answer.text() == "method not allowed\n"


@pytest.mark.parametrize(
    "path",
    ["/metrics/", "/metric", "/-/", "/-/nope", "/probe", "/debug/pprof", "/favicon.ico", "/../etc", "/%00"],
)
async def test_any_other_path_is_not_found(path: str) -> None:
    """404 in one line that repeats nothing of what was asked."""
    async with serving(World()) as client, client.get(path) as answer:
        assert answer.status == 404
        assert await answer.text() == "not found\n"


@pytest.mark.parametrize(
    ("path", "well", "status", "text"),
    [
        ("/-/healthy", True, 200, "healthy\n"),
        ("/-/healthy", False, 503, "the poll loop has stopped\n"),
        ("/-/ready", True, 200, "ready\n"),
        ("/-/ready", False, 503, "not every target has been tried yet\n"),
    ],
)
async def test_probes_tell_the_truth(path: str, well: bool, status: int, text: str) -> None:
    """200 while all is well, else 503 and why."""
    async with serving(World(alive=well, ready=well)) as client, client.get(path) as answer:
        assert (answer.status, await answer.text()) == (status, text)


@pytest.mark.parametrize(
    ("mistakes", "status", "text"),
    [
        ((), 200, "reloaded\n"),
        (("poll.interval: too short", "targets: none"), 500, "poll.interval: too short\ntargets: none\n"),
    ],
)
async def test_a_reload_says_how_it_went(mistakes: tuple[str, ...], status: int, text: str) -> None:
    """200, or 500 with one line for each mistake."""
    async with serving(World(mistakes=mistakes)) as client, client.post("/-/reload") as answer:
        assert (answer.status, await answer.text()) == (status, text)


async def test_reloading_is_off_unless_it_is_allowed() -> None:
    """403 and the setting that allows it."""
    async with serving(World(), lifecycle=False) as client, client.post("/-/reload") as answer:
        assert answer.status == 403
        assert "web.enable_lifecycle" in await answer.text()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://["])
async def test_another_sites_page_reloads_nothing(origin: str) -> None:
    """What a browser sends for a page from elsewhere is refused; the exporter's own is not."""
    async with serving(World(mistakes=("reloaded it",))) as client:
        async with client.post("/-/reload", headers={"Origin": origin}) as answer:
            assert answer.status == 403
        async with client.post("/-/reload", headers={"Origin": "http://own.example", "Host": "own.example"}) as answer:
            assert answer.status == 500


async def test_reloading_needs_a_post() -> None:
    """A link that is followed reloads nothing."""
    async with serving(World()) as client, client.get("/-/reload") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_the_status_page_shows_the_snapshot_and_takes_a_filter() -> None:
    """What is known is on the page; the query narrows it and can hold it still."""
    async with serving(World()) as client:
        async with client.get("/") as answer:
            page = await answer.text()
            assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "acme/shop #1" in page
        assert "1.2.3" in page
        assert '<meta http-equiv="refresh" content="15">' in page
        async with client.get("/", params={"database": "genes", "refresh": "off"}) as answer:
            page = await answer.text()
        assert "umbrella/genes #9" in page
        assert "acme/shop #" not in page
        assert "http-equiv" not in page


async def test_the_status_page_says_when_the_loop_is_dead() -> None:
    """Old values never look alive."""
    async with serving(World(alive=False)) as client, client.get("/") as answer:
        assert "The poll loop has stopped" in await answer.text()


async def test_the_status_page_hides_ddl_where_the_metrics_do() -> None:
    """`metrics.ddl: false` holds for people as well."""
    async with serving(World(shows_ddl=False)) as client, client.get("/") as answer:
        page = await answer.text()
        assert "ADD COLUMN" not in page
        assert "Duplicate entry" not in page


@pytest.mark.parametrize(
    "query",
    [
        {"organization": "x" * 4000},
        {"organization": "\x00\ud800\u202e'\"<>&", "database": "%00%ff"},
        [("organization", "a")] * 500,
        [("name[]", str(number)) for number in range(400)],
        "%ff=%fe&&&;=;&organization=%E0%80",
    ],
)
@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy"])
async def test_a_hostile_query_hurts_nothing(path: str, query: object) -> None:
    """Every query that is HTTP gets the page."""
    if isinstance(query, dict):
        query = {name: value.encode(errors="replace").decode() for name, value in query.items()}
    async with serving(World()) as client, client.get(path, params=query) as answer:  # type: ignore[arg-type] # any
        assert answer.status == 200
        assert len(await answer.read()) < 100_000
