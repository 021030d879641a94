"""The simulator's HTTP: pages, filters, credentials, errors, faults, the request limit, its journal and its clock."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout
from aiohttp.test_utils import TestServer
from simulated import Asker, asking

from exporter.simulator import Fault, SimulatedClock, Simulator, create_app

SHOP = "/shop/deploy-requests"
DEPLOY_PATHS = [
    "/shop/deploy-queue",
    SHOP,
    f"{SHOP}/1",
    f"{SHOP}/1/operations",
    f"{SHOP}/1/deployment",
    f"{SHOP}/1/throttler",
    f"{SHOP}/1/storage-check",
]


@pytest.fixture
def clock() -> SimulatedClock:
    """Give a clock that stands still."""
    return SimulatedClock()


@pytest.fixture
def simulator(clock: SimulatedClock) -> Simulator:
    """Give a simulator with one organisation and one database, in which a long copy has just been opened."""
    simulator = Simulator(clock)
    simulator.add_organization("acme")
    simulator.add_database("acme", "shop")
    simulator.add_deploy_request("acme", "shop", "long_copy")
    return simulator


@pytest.fixture
async def acme(simulator: Simulator) -> AsyncIterator[Asker]:
    """Give somebody who asks for acme's things."""
    async with asking(simulator) as asker:
        yield asker


async def status(acme: Asker, path: str, authorization: str | None, organization: str = "acme") -> tuple[int, str]:
    """The status and error code that a credential gets."""
    url = acme.server.make_url(f"/v1/organizations/{organization}/databases{path}")
    headers = {} if authorization is None else {"Authorization": authorization}
    async with acme.session.get(url, headers=headers) as response:
        return response.status, (await response.json()).get("code", "")


async def test_pages_are_followed_to_the_end(simulator: Simulator, acme: Asker) -> None:
    """A list comes 25 at a time by default, each page names the next, and the last one names none."""
    for _ in range(59):
        simulator.add_deploy_request("acme", "shop", "pending")
    numbers, page = [], await acme.get(SHOP)
    assert (page["type"], page["per_page"], page["total_count"], page["total_pages"]) == ("list", 25, 60, 3)
    assert (page["prev_page"], page["prev_page_url"]) == (None, None)
    while True:
        numbers += [request["number"] for request in page["data"]]
        if page["next_page_url"] is None:
            break
        async with acme.session.get(page["next_page_url"], headers={"Authorization": acme.token}) as response:
            page = await response.json()
    assert numbers == list(range(60, 0, -1))
    assert (page["current_page"], page["next_page"], page["prev_page"]) == (3, None, 2)


async def test_pages_hold_a_hundred_at_most(simulator: Simulator, acme: Asker) -> None:
    """`per_page` is honoured up to 100, and a page beyond the end is empty."""
    for _ in range(130):
        simulator.add_deploy_request("acme", "shop", "pending")
    assert len((await acme.get(SHOP, per_page=1000))["data"]) == 100
    assert len((await acme.get(SHOP, per_page=100, page=2))["data"]) == 31
    assert (await acme.get(SHOP, per_page=100, page=3))["data"] == []
    assert len((await acme.get(SHOP, per_page="x", page="-1"))["data"]) == 25


@pytest.mark.parametrize("path", ["/shop/deploy-queue", f"{SHOP}/1/operations"])
async def test_queue_and_operations_are_paged_too(simulator: Simulator, acme: Asker, path: str) -> None:
    """Every list has pages."""
    simulator.delete_deploy_request("acme", "shop", 1)
    simulator.add_deploy_request("acme", "shop", "sharded", age=3600)
    simulator.add_deploy_request("acme", "shop", "queued", age=3600)
    page = await acme.get(path.replace("/1/", "/2/"), per_page=1)
    assert (len(page["data"]), page["next_page"]) == (1, 2)
    assert page["next_page_url"].startswith(str(acme.server.make_url("/v1/")))


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, [4, 3, 2, 1]),
        ({"state": "open"}, [4, 3, 1]),
        ({"state": "closed"}, [2]),
        ({"state": "deployed"}, [3, 2]),
        ({"branch": "change-3"}, [3]),
        ({"into_branch": "staging"}, [4]),
        ({"state": "open", "into_branch": "main"}, [3, 1]),
        ({"deployed_at": "2026-07-25T00:00:00Z.."}, [3, 2]),
        ({"deployed_at": "..2026-07-25T17:00:00Z"}, [2]),
        ({"running_at": "2026-07-25T17:19:00Z..2026-07-25T17:21:00Z"}, [4]),
        ({"running_at": "2020-01-01T00:00:00Z..2020-01-02T00:00:00Z"}, []),
    ],
)
async def test_deploy_requests_are_filtered(
    simulator: Simulator, acme: Asker, query: dict[str, Any], numbers: list[int]
) -> None:
    """The list can be narrowed by state, branches, and when a deployment ran or was deployed."""
    simulator.add_deploy_request("acme", "shop", "revert_window", age=3 * 3600)
    simulator.add_deploy_request("acme", "shop", "revert_window", age=1000)
    simulator.add_deploy_request("acme", "shop", "long_copy", age=1000, into_branch="staging")
    assert [request["number"] for request in (await acme.get(SHOP, **query))["data"]] == numbers


async def test_a_range_that_is_none_is_refused(acme: Asker) -> None:
    """A range that can't be read is answered 400."""
    answer = await acme.get(SHOP, deployed_at="yesterday", status=400)
    assert answer["code"] == "bad_request"


async def test_databases_are_listed_with_their_kind(simulator: Simulator, acme: Asker) -> None:
    """The list of databases is sorted by name, can be searched, and tells Postgres from MySQL."""
    simulator.add_database("acme", "analytics", "postgresql")
    listed = [(database["name"], database["kind"]) for database in (await acme.get())["data"]]
    assert listed == [("analytics", "postgresql"), ("shop", "mysql")]
    assert [database["name"] for database in (await acme.get(q="ho"))["data"]] == ["shop"]


@pytest.mark.parametrize("path", DEPLOY_PATHS)
async def test_what_is_not_there_answers_404(simulator: Simulator, acme: Asker, path: str) -> None:
    """Postgres databases have nothing to deploy; databases and deploy requests that don't exist answer 404 too."""
    simulator.add_database("acme", "analytics", "postgresql")
    assert await acme.get(path)
    assert (await acme.get(path.replace("shop", "analytics"), status=404))["code"] == "not_found"
    assert (await acme.get(path.replace("shop", "nowhere"), status=404))["code"] == "not_found"
    if "1" in path:
        assert (await acme.get(path.replace("1", "99"), status=404))["message"]


async def test_credentials_open_their_own_organisation_only(simulator: Simulator, acme: Asker) -> None:
    """Unknown credentials get 401, known ones of another organisation 403, and a missing organisation is 404."""
    other = simulator.add_organization("globex", "secret-id:secret")
    assert await status(acme, SHOP, None) == (401, "unauthorized")
    assert await status(acme, SHOP, "secret-id:wrong") == (401, "unauthorized")
    assert await status(acme, SHOP, other) == (403, "forbidden")
    assert await status(acme, "/nowhere/deploy-queue", other) == (403, "forbidden")
    assert await status(acme, "", other, "globex") == (200, "")
    assert await status(acme, "", other, "nowhere") == (404, "not_found")


async def test_access_tokens_can_be_granted_and_revoked(simulator: Simulator, acme: Asker) -> None:
    """An OAuth token reads what it was granted, in several organisations, until it is revoked."""
    simulator.add_organization("globex")
    for organization in ("acme", "globex"):
        simulator.grant("Bearer oauth", organization)
    assert await status(acme, SHOP, "Bearer oauth") == (200, "")
    assert await status(acme, "", "Bearer oauth", "globex") == (200, "")
    simulator.revoke("Bearer oauth")
    assert await status(acme, SHOP, "Bearer oauth") == (401, "unauthorized")


async def test_tokens_can_be_limited_to_databases(simulator: Simulator, acme: Asker) -> None:
    """A token limited to some databases reads those, not others, and may be unable to list them."""
    simulator.add_database("acme", "secret")
    simulator.grant("some:token", "acme", "shop", may_list=False)
    assert await status(acme, SHOP, "some:token") == (200, "")
    assert await status(acme, "/secret/deploy-queue", "some:token") == (403, "forbidden")
    assert await status(acme, "", "some:token") == (403, "forbidden")
    simulator.grant("lists:token", "acme", "sh*")
    acme.token = "lists:token"
    assert [database["name"] for database in (await acme.get())["data"]] == ["shop"]


async def test_things_come_and_go_while_it_serves(simulator: Simulator, acme: Asker) -> None:
    """Deploy requests, databases and organisations can be added and removed at any time."""
    simulator.delete_deploy_request("acme", "shop", 1)
    await acme.get(f"{SHOP}/1", status=404)
    assert simulator.add_deploy_request("acme", "shop", "pending") == 2
    assert (await acme.get(f"{SHOP}/2"))["number"] == 2
    simulator.remove_database("acme", "shop")
    await acme.get(f"{SHOP}/2", status=404)
    simulator.remove_organization("acme")
    await acme.get(status=404)


async def test_what_vanishes_changes_nothing_of_what_was(
    simulator: Simulator, clock: SimulatedClock, acme: Asker
) -> None:
    """One that waited for another was queued, ran and ended when it did, whatever becomes of the other."""
    for _ in range(2):
        simulator.add_deploy_request("acme", "shop", "long_copy")
    clock.advance(300 * 3600)
    before = await acme.get(f"{SHOP}/3")
    assert before["deployment"]["finished_at"] > (await acme.get(f"{SHOP}/2"))["deployment"]["finished_at"]
    simulator.delete_deploy_request("acme", "shop", 2)
    assert await acme.get(f"{SHOP}/3") == before


async def test_requests_beyond_the_limit_are_refused(clock: SimulatedClock) -> None:
    """In any 60 seconds an organisation has so many requests; the rest is 429, with `Retry-After` if so wished."""
    simulator = Simulator(clock, requests_per_minute=3)
    simulator.add_organization("acme")
    async with asking(simulator) as acme:
        for _ in range(3):
            clock.advance(10)
            await acme.get()
        assert (await acme.get(status=429))["code"] == "too_many_requests"
        simulator.retry_after = 7
        url = acme.server.make_url("/v1/organizations/acme/databases")
        async with acme.session.get(url, headers={"Authorization": acme.token}) as response:
            assert response.headers["Retry-After"] == "7"
        clock.advance(40)
        await acme.get()
        await acme.get(status=429)
        assert [asked.status for asked in simulator.asked("databases")] == [200, 200, 200, 429, 429, 200, 429]


async def test_faults_spoil_as_many_answers_as_told(simulator: Simulator, acme: Asker) -> None:
    """A fault strikes the endpoint, database and deploy request it names, so many times, and nothing else."""
    simulator.fail(Fault("operations", database="shop", number=1, times=2, status=503))
    assert (await acme.get(f"{SHOP}/1/operations", status=503))["code"] == "internal_server_error"
    await acme.get(f"{SHOP}/1")
    await acme.get(f"{SHOP}/1/operations", status=503)
    await acme.get(f"{SHOP}/1/operations")
    simulator.fail(Fault(number=2))
    await acme.get(f"{SHOP}/1/operations")
    simulator.fail(Fault(status=404))
    await acme.get(f"{SHOP}/1", status=404)
    simulator.heal()
    await acme.get(f"{SHOP}/1")


async def test_faults_can_send_any_body_and_header(simulator: Simulator, acme: Asker) -> None:
    """Garbage with status 200, and redirects, are faults like others."""
    url = acme.server.make_url("/v1/organizations/acme/databases")
    simulator.fail(Fault(times=1, status=200, body="<html>"))
    async with acme.session.get(url) as response:
        assert (response.status, await response.text()) == (200, "<html>")
    simulator.fail(Fault(times=1, status=302, body=b"", headers={"Location": "https://example.com/"}))
    async with acme.session.get(url, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "https://example.com/")


async def test_connections_can_be_cut(simulator: Simulator, acme: Asker) -> None:
    """A dropped connection is an error to the client and is in the journal without a status."""
    simulator.fail(Fault(drop=True))
    with pytest.raises(ClientError):
        await acme.get()
    assert {asked.status for asked in simulator.asked()} == {0}


async def test_hanging_answers_never_come_and_the_server_still_stops(simulator: Simulator) -> None:
    """A hanging answer outlasts the client's patience and does not keep the server from stopping."""
    simulator.fail(Fault(hang=True))
    async with TestServer(create_app(simulator)) as server, ClientSession() as session:
        url = server.make_url("/v1/organizations/acme/databases")
        with pytest.raises(asyncio.TimeoutError):
            await session.get(url, timeout=ClientTimeout(total=0.1))
    assert [asked.status for asked in simulator.asked()] == [0]


async def test_the_journal_tells_who_asked_what_and_when(
    simulator: Simulator, clock: SimulatedClock, acme: Asker
) -> None:
    """Every request is remembered with its time, endpoint, names, query and status."""
    start = clock.now()
    await acme.get(per_page=100)
    clock.advance(5)
    await acme.get(f"{SHOP}/7/throttler", status=404)
    listing, throttler = simulator.asked()
    assert (listing.at, listing.endpoint, listing.query, listing.status) == (start, "databases", "per_page=100", 200)
    assert (throttler.at, throttler.database, throttler.number, throttler.status) == (start + 5, "shop", 7, 404)
    assert simulator.asked("throttler", "acme", "sh*", 7) == [throttler]
    assert simulator.asked(number=8) == []


async def test_a_journal_can_be_kept_short(clock: SimulatedClock) -> None:
    """A simulator that runs for ever remembers only so many requests."""
    simulator = Simulator(clock, remembers=2)
    simulator.add_organization("acme")
    async with asking(simulator) as acme:
        for page in (1, 2, 3):
            await acme.get(page=page)
    assert [asked.query for asked in simulator.requests] == ["page=2", "page=3"]


async def test_unknown_paths_and_methods(acme: Asker) -> None:
    """What PlanetScale doesn't have answers 404 in its own form, and nothing can be written."""
    for path in ("/", "/v1/nothing"):
        async with acme.session.get(acme.server.make_url(path)) as response:
            assert (response.status, (await response.json())["code"]) == (404, "not_found")
    async with acme.session.post(acme.server.make_url("/v1/organizations/acme/databases")) as response:
        assert response.status == 404


def test_clock_stands_runs_and_jumps() -> None:
    """A simulated clock stands still or runs so many times as fast as the real one, and can be moved."""
    real = [100.0]
    clock = SimulatedClock(1000, real=lambda: real[0])
    real[0] += 50
    assert clock() == clock.now() == 1000
    clock.factor = 60
    real[0] += 2
    assert (clock.now(), clock.factor) == (1120, 60)
    clock.advance(10)
    assert clock.now() == 1130
    clock.set(5)
    real[0] += 1
    assert clock.now() == 65
