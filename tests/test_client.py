"""The API client: what it asks for, how it reads pages, and what it makes of odd answers."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from fakes import Answer, Client, FakeServer, answer, client, failure, page

from exporter.planetscale import client as module
from exporter.planetscale.bodies import decode, parse_object
from exporter.planetscale.client import PlanetScale
from exporter.planetscale.errors import InvalidAnswerError, NotFoundError

Ask = Callable[[PlanetScale], Awaitable[Any]]


@pytest.fixture
async def ours() -> AsyncIterator[Client]:
    """Give a client of ours."""
    async with client() as opened:
        yield opened


def operations(api: PlanetScale) -> Awaitable[Any]:
    """Ask for the operations of acme/shop/7."""
    return api.operations("acme", "shop", 7)


def endless(start: int = 1, **same: Any) -> list[Answer]:
    """Give more pages than are ever read, each naming the next one; alike but for what tells the pages apart."""
    return [page(same or {"id": str(n)}, next_page=n + 1, keep=True) for n in range(start, module.MAX_PAGES + 2)]


# -- what is asked


@pytest.mark.parametrize(
    ("ask", "endpoint", "path"),
    [
        (lambda api: api.databases("acme"), "databases", "?"),
        (lambda api: api.deploy_queue("acme", "shop"), "deploy_queue", "/shop/deploy-queue?"),
        (
            lambda api: api.open_deploy_requests("acme", "shop"),
            "deploy_requests",
            "/shop/deploy-requests?state=open&",
        ),
        (
            lambda api: api.ran_between("acme", "shop", 0, 1_785_379_667.9),
            "deploy_requests",
            "/shop/deploy-requests?running_at=1970-01-01T00:00:00Z..2026-07-30T02:47:47Z&",
        ),
        (operations, "operations", "/shop/deploy-requests/7/operations?"),
    ],
)
async def test_lists_are_asked_for(ours: Client, ask: Ask, endpoint: str, path: str) -> None:
    """Each listing has its path, its filter and full pages; requests count under the endpoint's name."""
    async with FakeServer(page()) as server:
        rows = await ask(ours.api(server.url))
        targets = [asked.target for asked in server.requests]
    assert targets == [f"/v1/organizations/acme/databases{path}page=1&per_page=100"]
    assert (rows.items, rows.without_id, rows.duplicates) == ((), 0, 0)
    assert ours.ledger.endpoints == [endpoint]


@pytest.mark.parametrize(
    ("ask", "endpoint", "path"),
    [
        (lambda api: api.deploy_request("acme", "shop", 7), "deploy_request", "7"),
        (lambda api: api.throttler("acme", "shop", 7), "throttler", "7/throttler"),
    ],
)
async def test_single_objects_are_asked_for(ours: Client, ask: Ask, endpoint: str, path: str) -> None:
    """A single object has its path and no pages."""
    async with FakeServer(answer(200, "{}")) as server:
        await ask(ours.api(server.url))
        targets = [asked.target for asked in server.requests]
    assert targets == [f"/v1/organizations/acme/databases/shop/deploy-requests/{path}"]
    assert ours.ledger.endpoints == [endpoint]


@pytest.mark.parametrize(("body", "is_read"), [('{"number": 7}', True), ("{}", True), ('{"number": 8}', False)])
async def test_another_deploy_request_is_no_answer(ours: Client, body: str, is_read: bool) -> None:
    """What bears another number than was asked for is invalid; what bears none is read."""
    async with FakeServer(answer(200, body)) as server:
        asking = ours.api(server.url).deploy_request("acme", "shop", 7)
        if is_read:
            await asking
        else:
            assert (await failure(asking)).reason == "invalid"
    assert ours.ledger.codes == ["200" if is_read else "invalid"]


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("a/b", "a%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("a%2Fb", "a%252Fb"),
        ("a b+c&d=e;f", "a%20b%2Bc%26d%3De%3Bf"),
        ("é☃", "%C3%A9%E2%98%83"),
        ("../..", "..%2F.."),
        ("a\r\nHost: b", "a%0D%0AHost%3A%20b"),
        ("a-b_c.d~e", "a-b_c.d~e"),
    ],
)
async def test_a_name_is_one_segment_of_the_path(ours: Client, name: str, segment: str) -> None:
    """Whatever a name holds, it can't change which endpoint is asked."""
    async with FakeServer(page()) as server:
        await ours.api(server.url).deploy_queue(name, name)
        (asked,) = server.requests
    assert asked.target.partition("?")[0] == f"/v1/organizations/{segment}/databases/{segment}/deploy-queue"


@pytest.mark.parametrize(
    ("base", "path"), [("", ""), ("/", ""), ("/a/b", "/a/b"), ("/a/b/", "/a/b"), ("/a%2Fb", "/a%2Fb")]
)
async def test_the_base_url_may_have_a_path(ours: Client, base: str, path: str) -> None:
    """The base URL's path stays, with or without a slash at its end."""
    async with FakeServer(page()) as server:
        await ours.api(server.url.removesuffix("/v1") + base).databases("acme")
        assert server.requests[0].url.raw_path == f"{path}/organizations/acme/databases"


# -- pages


async def test_all_pages_are_read(ours: Client) -> None:
    """Pages are asked for one after the other until there is no next one; their rows keep the API's order."""
    pages = [page({"id": "c"}, {"id": "a"}, next_page=2), page({"id": "b"}, next_page=3), page({"id": "d"})]
    async with FakeServer(*pages) as server:
        rows = await ours.api(server.url).operations("acme", "shop", 7)
        assert [asked.url.query["page"] for asked in server.requests] == ["1", "2", "3"]
        assert {asked.url.query["per_page"] for asked in server.requests} == {"100"}
    assert [row.id for row in rows] == ["c", "a", "b", "d"]
    assert ours.ledger.codes == ["200"] * 3


async def test_a_filter_is_on_every_page(ours: Client) -> None:
    """The second page is of the same list as the first."""
    async with FakeServer(page({"number": 1}, next_page=2), page({"number": 2})) as server:
        await ours.api(server.url).open_deploy_requests("acme", "shop")
        assert [asked.url.query["state"] for asked in server.requests] == ["open", "open"]


async def test_rows_that_moved_to_the_next_page_count_once(ours: Client) -> None:
    """A row that comes on two pages is kept from the first one."""
    first, second = [{"id": "a"}, {"id": "b", "state": "queued"}], [{"id": "b", "state": "complete"}, {"id": "c"}]
    async with FakeServer(page(*first, next_page=2), page(*second)) as server:
        rows = await ours.api(server.url).operations("acme", "shop", 7)
    assert [(row.id, row.state) for row in rows][1] == ("b", "queued")
    assert (len(rows), rows.duplicates) == (3, 1)


@pytest.mark.parametrize(
    "old",
    [
        {},
        {"next_page": None},
        {"next_page": 0},
        {"next_page": -7},
        {"next_page": None, "next_page_url": None, "type": "list"},
    ],
)
async def test_the_last_page_names_no_next_one(ours: Client, old: dict[str, Any]) -> None:
    """Older answers leave the fields out, newer ones carry more."""
    async with FakeServer(answer(200, json.dumps({"data": [{"id": "a"}], **old}))) as server:
        assert len(await ours.api(server.url).operations("acme", "shop", 7)) == 1


@pytest.mark.parametrize(
    ("pages", "requests"),
    [
        pytest.param([page({"id": "a"}, next_page=1)], 1, id="itself"),
        pytest.param([page({"id": "a"}, next_page=2), page({"id": "b"}, next_page=1)], 2, id="one before"),
        pytest.param([page({"id": "a"}, next_page=2), page({"id": "a"}, next_page=3)], 2, id="the same rows"),
        pytest.param(
            [page({"id": row}, next_page=n) for n, row in [(2, "a"), (3, "b"), (4, "a")]], 3, id="rows of before"
        ),
        pytest.param([page({"id": "a"}, next_page=10**30)], 1, id="one that is far away"),
        pytest.param([page(next_page=module.MAX_PAGES + 1)], 1, id="one beyond the limit"),
        pytest.param(endless(), module.MAX_PAGES, id="ever more"),
    ],
)
async def test_a_list_without_end_makes_no_sense(ours: Client, pages: list[Answer], requests: int) -> None:
    """Pages that repeat, or never end, end the poll as invalid."""
    async with FakeServer(*pages) as server:
        error = await failure(operations(ours.api(server.url)))
        assert len(server.requests) == requests
    assert type(error) is InvalidAnswerError
    assert (error.reason, error.code) == ("invalid", "invalid")


async def test_empty_pages_are_not_the_same_page(ours: Client) -> None:
    """Pages without rows may follow each other."""
    async with FakeServer(page(next_page=2), page(next_page=3), page({"id": "a"})) as server:
        assert len(await ours.api(server.url).operations("acme", "shop", 7)) == 1


async def test_pages_of_unreadable_rows_are_not_the_same_page(ours: Client) -> None:
    """Rows that can't be used say nothing of whether a page has come before; those behind them count."""
    async with FakeServer(page([], next_page=2), page("x", next_page=3), page({"id": "a"})) as server:
        assert len(await ours.api(server.url).operations("acme", "shop", 7)) == 1


async def test_a_failing_page_fails_the_list(ours: Client) -> None:
    """Half a list is no answer."""
    async with FakeServer(page({"id": "a"}, next_page=2), answer(404)) as server:
        assert type(await failure(operations(ours.api(server.url)))) is NotFoundError
    assert ours.ledger.codes == ["200", "404"]


# -- odd answers


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="nothing"),
        pytest.param("<html><h1>Welcome to nginx!</h1>", id="HTML"),
        pytest.param("[]", id="list"),
        pytest.param("null", id="null"),
        pytest.param('"data"', id="text"),
        pytest.param("{}", id="no data"),
        pytest.param('{"code": "not_found", "message": "Not Found"}', id="error body"),
        pytest.param('{"data": null}', id="null data"),
        pytest.param('{"data": {}}', id="data is an object"),
        pytest.param('{"data": [], "data": 1}', id="data twice"),
        pytest.param('{"data": []', id="cut"),
        pytest.param('{"data": []} {}', id="more than one"),
        pytest.param('{"data": ' * 100_000, id="objects in objects"),
        pytest.param('{"data": [' + "[" * 100_000 + "]" * 100_000 + "]}", id="lists in lists"),
        pytest.param('{"data": [], "next_page": "2"}', id="next page as text"),
        pytest.param('{"data": [], "next_page": 2.5}', id="next page is no whole number"),
        pytest.param('{"data": [], "next_page": true}', id="next page is true"),
        pytest.param('{"data": [], "next_page": [2]}', id="next page is a list"),
        pytest.param('{"data": [], "next_page": ' + "9" * 5000 + "}", id="next page is huge"),
    ],
)
async def test_what_is_no_list_is_invalid(ours: Client, body: str) -> None:
    """An answer that is no JSON object with a `data` list, or that loses the next page, is a failed poll."""
    async with FakeServer(answer(200, body)) as server:
        error = await failure(operations(ours.api(server.url)))
    assert type(error) is InvalidAnswerError
    assert (error.reason, error.code, ours.ledger.codes) == ("invalid", "invalid", ["invalid"])
    assert not body or body[:9] not in str(error)


@pytest.mark.parametrize("body", ["", "<html>", "[]", "null", "1", '"x"', "{", "{" * 100_000])
@pytest.mark.parametrize("method", ["deploy_request", "throttler"])
async def test_what_is_no_object_is_invalid(ours: Client, method: str, body: str) -> None:
    """A single object that is none is a failed poll."""
    async with FakeServer(answer(200, body)) as server:
        error = await failure(getattr(ours.api(server.url), method)("acme", "shop", 7))
    assert (type(error), error.code, ours.ledger.codes) == (InvalidAnswerError, "invalid", ["invalid"])


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(b'"progress_percentage": NaN', id="NaN"),
        pytest.param(b'"progress_percentage": -Infinity', id="Infinity"),
        pytest.param(b'"progress_percentage": 1e999', id="beyond floats"),
        pytest.param(b'"progress_percentage": ' + b"9" * 5000, id="5000 digits"),
        pytest.param(b'"progress_percentage": -' + b"9" * 5000, id="5000 digits below zero"),
        pytest.param(b'"progress_percentage": "67"', id="text"),
        pytest.param(b'"more": {"progress_percentage": 1}', id="unknown field"),
        pytest.param(b'"more": ' + b"[" * 150 + b"]" * 150, id="deep unknown field"),
        pytest.param(b'"table_name": "\xff\xfe"', id="no UTF-8"),
        pytest.param(b'"table_name": "\\ud800"', id="half a surrogate pair"),
        pytest.param(b'"\\udfff": 1', id="half a surrogate pair as a key"),
        pytest.param(b'"removed_foreign_key_names": ["\\udfff"]', id="half a surrogate pair in a list"),
        pytest.param(b'"table_name": "a\\u0000\\u001b[31m"', id="control characters"),
        pytest.param(b'"state": "queued", "state": "in_progress"', id="the same key twice"),
    ],
)
async def test_a_bad_field_costs_no_good_one(ours: Client, field: bytes) -> None:
    """An odd value takes nothing else along: not its row's other values, not the other rows."""
    good = b'"keyspace_name": "main", "eta_seconds": 4299'
    body = b'{"data": [{"id": "a", %s, %s}, {"id": "b", %s}]}' % (field, good, good)
    async with FakeServer(answer(200, body)) as server:
        rows = await ours.api(server.url).operations("acme", "shop", 7)
    assert [(row.id, row.keyspace, row.eta, row.progress) for row in rows] == [
        ("a", "main", 4299, None),
        ("b", "main", 4299, None),
    ]
    texts = [text for row in rows for text in (row.table, *(row.removed_foreign_keys or ()))]
    assert not [text for text in texts if not text.encode().decode().isprintable()]


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b" \r\n\t"])
def test_what_stands_before_an_object_is_no_harm(start: bytes) -> None:
    """A byte order mark and white space are skipped."""
    assert parse_object(decode(start + b'{"a": "\\ud83d\\ude00"}')) == {"a": "😀"}


async def test_rows_without_id_are_counted(ours: Client) -> None:
    """Rows that can't be told apart are left out and counted; ids may be numbers."""
    rows = [{"id": 7}, {"id": "7"}, {"id": None}, {"id": ""}, {"id": True}, {"id": 1.5}, {"id": [1]}, {}, None, [], "x"]
    async with FakeServer(page(*rows)) as server:
        found = await ours.api(server.url).operations("acme", "shop", 7)
    assert ([row.id for row in found], found.without_id, found.duplicates) == (["7"], 9, 1)
