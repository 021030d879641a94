"""The webhook's path: who is believed, what is answered, and what is passed on."""

import json
from io import BytesIO
from typing import Any

import pytest
from aiohttp import ClientSession
from hypothesis import given
from hypothesis import strategies as st
from web_serving import World, serving

from exporter.polling.snapshot import Key
from exporter.simulator import SimulatedClock, Simulator, Webhooks, signature
from exporter.web.webhook import MAX_BYTES, parse

SECRET, OLD = b"pscale-hook-new", b"pscale-hook-old"
SEVEN = Key("acme", "shop", 7)
QUEUED = {
    "timestamp": 1698252953,
    "event": "deploy_request.queued",
    "organization": "acme",
    "database": "shop",
    "resource": {"number": 7},
}


async def post(client: ClientSession, body: bytes, sign: str | None) -> int:
    """The status that a webhook is answered with."""
    headers = {} if sign is None else {"X-PlanetScale-Signature": sign}
    async with client.post("/-/webhook", data=body, headers=headers) as answer:
        await answer.read()
        return answer.status


async def told(world: World, said: Any, secret: bytes = SECRET) -> int:
    """The status for a signed webhook that says so."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    async with serving(world) as client:
        return await post(client, body, signature(body, secret))


@pytest.mark.parametrize("secret", [SECRET, OLD])
async def test_a_signed_event_of_something_watched_is_a_hint(secret: bytes) -> None:
    """Any of the secrets will do: each database's webhook has its own, and they are renewed one by one."""
    world = World(secrets=(SECRET, OLD), watched={SEVEN})
    assert await told(world, QUEUED, secret) == 202
    assert world.hints == [SEVEN]
    assert world.webhooks == [("deploy_request.queued", "accepted")]


async def test_what_nobody_watches_is_taken_and_counted() -> None:
    """PlanetScale disables a webhook that keeps failing, so an event of another database is no failure."""
    world = World(secrets=(SECRET,))
    assert await told(world, QUEUED) == 202
    assert world.webhooks == [("deploy_request.queued", "unwatched")]


@pytest.mark.parametrize("event", ["webhook.test", "branch.ready", "something.new"])
async def test_other_events_are_ignored(event: str) -> None:
    """They say nothing about a deploy request."""
    world = World(secrets=(SECRET,), watched={SEVEN})
    assert await told(world, QUEUED | {"event": event}) == 202
    assert (world.hints, world.webhooks) == ([], [(event, "ignored")])


@pytest.mark.parametrize(
    "sign", [None, "", "00" * 32, "é" * 64, signature(b"{}", SECRET), signature(json.dumps(QUEUED).encode(), OLD)]
)
async def test_a_body_without_a_valid_signature_is_refused(sign: str | None) -> None:
    """Nothing that it says is looked at, its event's name neither."""
    world = World(secrets=(SECRET,), watched={SEVEN})
    async with serving(world) as client:
        assert await post(client, json.dumps(QUEUED).encode(), sign) == 401
    assert (world.hints, world.webhooks) == ([], [("", "unsigned")])


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b"7",
        {},
        QUEUED | {"event": None},
        QUEUED | {"organization": 7},
        QUEUED | {"database": None},
        QUEUED | {"resource": []},
    ],
)
async def test_a_signed_body_that_is_no_webhook_is_invalid(said: Any) -> None:
    """It is 400, and nothing is asked."""
    world = World(secrets=(SECRET,), watched={SEVEN})
    assert await told(world, said) == 400
    assert (world.hints, world.webhooks) == ([], [("", "invalid")])


async def test_an_event_without_a_number_is_about_the_database() -> None:
    """The database's queue and list tell what happened."""
    world = World(secrets=(SECRET,), watched={Key("acme", "shop", 0)})
    assert await told(world, QUEUED | {"resource": {}}) == 202
    assert world.hints == [Key("acme", "shop", 0)]


@pytest.mark.parametrize(("size", "status"), [(MAX_BYTES, 401), (MAX_BYTES + 1, 413)])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_above_one_mebibyte_is_refused(size: int, status: int, *, chunked: bool) -> None:
    """Whether it says how long it is or not."""

    async def pieces() -> Any:
        for start in range(0, size, 65536):
            yield b"x" * min(65536, size - start)

    async with serving(World(secrets=(SECRET,))) as client:
        assert await post(client, pieces() if chunked else BytesIO(b"x" * size), "00") == status  # type: ignore[arg-type] # aiohttp takes both


async def test_without_a_file_of_secrets_there_is_no_such_path() -> None:
    """It is off by default, and says which setting turns it on; a GET is another method's."""
    async with serving(World()) as client:
        async with client.post("/-/webhook", data=b"{}") as answer:
            assert answer.status == 404
            assert "web.webhook_secrets_file" in await answer.text()
        async with client.get("/-/webhook") as answer:
            assert answer.status == 405


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from([*QUEUED, "number"]), x),
    )
)
def test_no_body_is_too_odd(said: Any) -> None:
    """Whatever is signed, it is an event or none."""
    event = parse(json.dumps(said).encode())
    assert event is None or isinstance(event.key.number, int)


def test_the_simulator_says_what_happens_once() -> None:
    """A gated deploy is opened, queued, runs, waits for a person and is applied; each is one event."""
    clock = SimulatedClock()
    simulator = Simulator(clock)
    simulator.add_organization("acme")
    simulator.add_database("acme", "shop")
    webhooks = Webhooks(simulator)
    simulator.add_deploy_request("acme", "shop", "gated")
    events = []
    for _ in range(5000):
        events += [webhook.event.removeprefix("deploy_request.") for webhook in webhooks.new()]
        clock.advance(60)
    assert events == ["opened", "queued", "in_progress", "pending_cutover", "schema_applied", "closed"]
