"""Deployments that end: each counted once, whatever polls, reloads and late answers make of it."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polled import BRIEF, polling, simulated
from virtual import VirtualLoop, virtually

from exporter.planetscale.models import Deployment
from exporter.planetscale.rows import parse_record
from exporter.polling.endings import RESULTS, Endings
from exporter.polling.snapshot import DatabaseStatus, Durations, Ended, Key
from exporter.simulator import SCENARIOS, Fault

HOUR, DAY = 3600.0, 86400.0
KEY = Key("acme", "shop", 7)
START = 1_785_000_000.0

STATES = ["in_progress", "complete_pending_revert", "no_changes", *(state.value for state in RESULTS), "new", None]


def stamp(seconds: float | None) -> str | None:
    """A Unix time as the API writes it."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def deployment(**fields: object) -> Deployment:
    """A deployment as the API gives it."""
    return parse_record(
        {key: stamp(value) if key.endswith("_at") else value for key, value in fields.items()},  # type: ignore[arg-type] # the stamps are numbers
        Deployment,
    )


def watching(*databases: str) -> Endings:
    """The ends in some databases of acme, shop unless they are named."""
    endings = Endings(since=START)
    endings.sight(("acme", database) for database in databases or ("shop",))
    return endings


def count(ended: Iterable[Ended]) -> int:
    """How many deployments have ended."""
    return sum(sum(each.results.values()) for each in ended)


@dataclass(frozen=True)
class Said:
    """What one answer says of one deployment."""

    number: int
    identity: int
    state: str | None
    finished: float | None


ANSWERS = st.builds(
    Said,
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from(STATES),
    st.none() | st.sampled_from([START - 1, START, START + 5]),
)


@given(answers=st.lists(ANSWERS))
def test_each_end_is_told_once_in_whatever_order_answers_come(answers: list[Said]) -> None:
    """Every deployment that ended since the start is told at its first mention, and never again."""
    endings = watching()
    told: set[tuple[int, int]] = set()
    for each in answers:
        before = count(endings.all)
        endings.note(
            Key("acme", "shop", each.number), deployment(id=each.identity, state=each.state, finished_at=each.finished)
        )
        is_end = each.state in set(RESULTS) and each.finished is not None and each.finished >= START
        is_new = is_end and (each.number, each.identity) not in told
        if is_new:
            told.add((each.number, each.identity))
        assert count(endings.all) - before == is_new


@pytest.mark.parametrize(
    ("fields", "run", "wait"),
    [
        ({"queued_at": START, "started_at": START + 60, "finished_at": START + 360}, 300.0, 60.0),
        ({"started_at": START + 60, "finished_at": START + 360}, 300.0, None),
        ({"queued_at": START, "finished_at": START + 360}, None, None),
        ({"queued_at": START + 90, "started_at": START + 400, "finished_at": START + 360}, None, 310.0),
    ],
)
def test_what_lacks_a_stamp_is_left_out(fields: dict[str, float], run: float | None, wait: float | None) -> None:
    """Durations come from the API's stamps alone; one that is missing, or makes no sense, leaves its duration out."""
    endings = watching()
    endings.note(KEY, deployment(state="complete", **fields))
    times = (None if each is None else Durations().and_one(each) for each in (run, wait))
    assert endings.all == (Ended("acme", "shop", {"complete": 1}, *times),)


def test_an_end_without_an_id_is_the_one_that_is_known() -> None:
    """Answers that leave the deployment's id out count nothing twice; a new deployment of the same number counts."""
    endings = watching()
    for identity in ("a", None, "a", "b", None):
        endings.note(KEY, deployment(id=identity, state="error", finished_at=START))
    assert count(endings.all) == 2


def test_durations_start_at_zero_before_the_first_end() -> None:
    """What a deployment waits or runs for is there from when it does, so that `increase` sees its end."""
    endings = watching()
    assert endings.all == (Ended("acme", "shop"),)
    endings.note(KEY, deployment(state="queued"))
    assert endings.all == (Ended("acme", "shop", {}, Durations(), Durations()),)


def test_what_was_counted_of_a_database_goes_with_it() -> None:
    """Its counts go, and no other database's; an answer that comes later brings nothing back, and nothing twice."""
    endings = watching("gone", "stays")
    end = deployment(id="a", state="complete", finished_at=START)
    for database in ("gone", "stays"):
        endings.note(Key("acme", database, 1), end)
    endings.lose(("acme", "gone"))
    for late in ("a", "b"):
        endings.note(Key("acme", "gone", 1), deployment(id=late, state="complete", finished_at=START))
    assert endings.all == (Ended("acme", "stays", {"complete": 1}),)
    endings.sight([("acme", "gone")])
    endings.note(Key("acme", "gone", 1), end)
    assert Ended("acme", "gone") in endings.all


async def until_over(loop: VirtualLoop, name: str, *targets: str, reload: bool = False) -> list[tuple[Ended, ...]]:
    """Watch a deploy request from its queue until it has gone; what had ended after each fortieth of that."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", "cancelled", age=DAY)
    pace = 4
    async with polling(loop, simulator, *targets, limits=BRIEF) as polled:
        await asyncio.sleep(10)
        simulator.add_deploy_request("acme", "shop", name, pace=pace)
        parts = []
        for part in range(40):
            await asyncio.sleep((SCENARIOS[name].length / pace + 1.2 * BRIEF.retention) / 40)
            parts.append(polled.snapshot.ended)
            if reload:
                polled.reload("acme/other" if part % 2 == 0 else "acme/shop")
        return parts


@pytest.mark.parametrize(
    ("name", "result"),
    [("revert_window", "complete"), ("reverted", "reverted"), ("failed", "failed"), ("revert_failed", "failed"),
     ("cancelled", "cancelled")],
)  # fmt: skip
@pytest.mark.parametrize("target", ["acme", "acme/shop/2"])
@virtually
async def test_the_end_of_each_kind_is_counted(loop: VirtualLoop, name: str, result: str, target: str) -> None:
    """Complete once its revert window is over, else failed, cancelled or reverted; what ended before is not counted."""
    *_, (ended,) = await until_over(loop, name, target)
    assert (ended.organization, ended.database, ended.results) == ("acme", "shop", {result: 1})


@virtually
async def test_reloads_count_nothing_twice(loop: VirtualLoop) -> None:
    """A database that goes with a reload and comes back with the next brings no end again."""
    parts = await until_over(loop, "revert_window", "acme/shop", reload=True)
    told = [(each.database, each.results) for part in parts for each in part if each.results]
    assert told == [("shop", {"complete": 1})]


@virtually
async def test_a_restart_counts_nothing_twice(loop: VirtualLoop) -> None:
    """What ended before the process started is history, though it is found and exported."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", "revert_failed", age=3 * HOUR)
    simulator.add_deploy_request("acme", "shop", "instant", age=HOUR)
    async with polling(loop, simulator, "acme") as polled:
        await asyncio.sleep(HOUR / 2)
        assert polled.keys()
        assert [each.results for each in polled.snapshot.ended] == [{}]


@virtually
async def test_what_no_target_names_any_more_is_not_counted(loop: VirtualLoop) -> None:
    """The counters of a database go with the last target in it, whether that was watched or one of its numbers."""
    simulator = simulated(loop, "shop", "web")
    simulator.add_deploy_request("acme", "shop", "long_copy")
    async with polling(loop, simulator, "acme/shop/1", "acme/web") as polled:
        await asyncio.sleep(60)
        assert [each.database for each in polled.snapshot.ended] == ["shop", "web"]  # in the order of their names
        polled.reload("acme/web")
        await asyncio.sleep(60)
        assert [each.database for each in polled.snapshot.ended] == ["web"]


@virtually
async def test_open_deploy_requests_are_counted_by_state(loop: VirtualLoop) -> None:
    """The unqueued ones count as well; polls that fail keep the counts until they are stale, and `up` tells."""
    simulator = simulated(loop)
    for name in ("ready", "ready", "failed"):
        simulator.add_deploy_request("acme", "shop", name, age=DAY)
    async with polling(loop, simulator, "acme/shop", "acme/shop/1") as polled:
        await asyncio.sleep(100)
        counts = {"ready": 2, "complete_error": 1}
        assert polled.snapshot.databases == (DatabaseStatus("acme", "shop", True, counts),)  # type: ignore[arg-type] # states are their texts
        simulator.fail(Fault("deploy_requests", status=500))
        await asyncio.sleep(200)
        assert polled.snapshot.databases == (DatabaseStatus("acme", "shop", False, counts),)  # type: ignore[arg-type] # states are their texts
        await asyncio.sleep(400)
        assert polled.snapshot.databases == (DatabaseStatus("acme", "shop", False, {}),)
