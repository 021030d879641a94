"""The poll loop on numbered targets: what decides `up`, what is kept, what goes, and when it asks again."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest
from polled import BRIEF, LIMITS, TIMING, Polled, polling, simulated
from structlog.testing import capture_logs
from virtual import EPOCH, VirtualLoop, virtually

from exporter.planetscale.client import PlanetScale
from exporter.planetscale.models import Throttler
from exporter.polling.poller import Clock
from exporter.simulator import Change, Fault, Scenario, Simulator, Step

HOUR = 3600.0
FOREVER = float("inf")


def running(loop: VirtualLoop, *, requests: int = 1) -> Simulator:
    """Deploy requests in the middle of their copy, each into a branch of its own."""
    simulator = simulated(loop)
    for number in range(requests):
        simulator.add_deploy_request("acme", "shop", "long_copy", age=24 * HOUR, into_branch=f"main-{number}")
    return simulator


def operation(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A row of the operations endpoint."""
    return {
        "id": f"op{number}",
        "state": "in_progress",
        "keyspace_name": "shop",
        "table_name": f"table{number}",
        "operation_name": "ALTER",
    } | fields


def rows(*operations: dict[str, Any]) -> Fault:
    """Answer the operations endpoint with these rows."""
    return Fault("operations", status=200, body=json.dumps({"data": operations, "next_page": None}))


def tables(polled: Polled, number: int = 1) -> list[str]:
    """The tables of the operations that are exported."""
    return [watched.operation.table for watched in polled.status("acme", "shop", number).watched]


def gaps(polled: Polled, endpoint: str, number: int = 0) -> list[float]:
    """Seconds between the requests to an endpoint."""
    times = [asked.at for asked in polled.simulator.asked(endpoint, number=number)]
    return [after - before for before, after in pairwise(times)]


async def next_answer(polled: Polled) -> None:
    """Wait for the next answer with operations."""
    asked = len(polled.simulator.asked("operations"))
    while len(polled.simulator.asked("operations")) == asked:  # noqa: ASYNC110 - as a server sees it
        await asyncio.sleep(0.5)
    await asyncio.sleep(0.5)


# -- what decides up


@virtually
async def test_nothing_is_up_before_the_first_poll_has_ended(loop: VirtualLoop) -> None:
    """A deploy request named by its number is there from the start, and neither up nor down until its first answer."""
    async with polling(loop, running(loop), "acme/shop/1") as polled:
        polled.delays.hold("/operations", 5)
        await asyncio.sleep(2)
        assert polled.status("acme", "shop", 1).operations.ok is None
        assert polled.targets() == {"acme/shop/1": None}
        await asyncio.sleep(5)
        assert polled.status("acme", "shop", 1).operations.ok is True
        assert polled.targets() == {"acme/shop/1": True}


@pytest.mark.parametrize("endpoint", ["deploy_request", "throttler"])
@virtually
async def test_other_endpoints_cost_only_their_own_samples(loop: VirtualLoop, endpoint: str) -> None:
    """When the deploy request or its throttler fails, it stays up and keeps everything else."""
    simulator = running(loop)
    async with polling(loop, simulator, "acme/shop/1") as polled:
        await asyncio.sleep(1)
        before = polled.status("acme", "shop", 1)
        assert before.request.value
        assert before.throttle.value
        simulator.fail(Fault(endpoint, status=500))
        await asyncio.sleep(400)
        status = polled.status("acme", "shop", 1)
        assert status.operations.ok
        assert tables(polled) == ["events"]
        assert polled.targets() == {"acme/shop/1": True}
        assert (status.request.value is None) == (endpoint == "deploy_request")
        assert (status.throttle.value is None) == (endpoint == "throttler")


@virtually
async def test_the_operations_endpoint_alone_decides(loop: VirtualLoop) -> None:
    """Without the operations it is down, whatever the other endpoints say."""
    simulator = running(loop)
    simulator.fail(Fault("operations", status=403))
    async with polling(loop, simulator, "acme/shop/1") as polled:
        await asyncio.sleep(1)
        status = polled.status("acme", "shop", 1)
        assert status.operations.ok is False
        assert status.request.ok is True
        assert polled.targets() == {"acme/shop/1": False}
        assert "403" in polled.snapshot.targets[0].error


@virtually
async def test_a_throttler_is_asked_only_while_something_moves(loop: VirtualLoop) -> None:
    """What is over has no throttler to ask and no ratio to show."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", "revert_window", age=0, pace=60)
    async with polling(loop, simulator, "acme/shop/1") as polled:
        await asyncio.sleep(20)
        assert polled.status("acme", "shop", 1).throttle.value
        await asyncio.sleep(120)
        assert polled.status("acme", "shop", 1).state == "complete"
        asked = len(simulator.asked("throttler"))
        await asyncio.sleep(900)
        assert len(simulator.asked("throttler")) == asked
        assert polled.status("acme", "shop", 1).throttle.value is None


# -- failing, going stale and coming back


@pytest.mark.parametrize(
    "fault",
    [
        Fault("operations", status=500),
        Fault("operations", status=404),
        Fault("operations", status=401),
        Fault("operations", status=422),
        Fault("operations", status=200, body="<html>"),
        Fault("operations", status=200, body="[]"),
        Fault("operations", hang=True),
        Fault("operations", drop=True),
    ],
    ids=["500", "404", "401", "422", "html", "no object", "hang", "drop"],
)
@virtually
async def test_a_failing_one_keeps_its_values_until_they_are_stale(loop: VirtualLoop, fault: Fault) -> None:
    """However polls fail: down at once, values for `poll.stale_after`, then only `up 0`, and an answer heals."""
    simulator = running(loop)
    async with polling(loop, simulator, "acme/shop/1") as polled:
        await asyncio.sleep(1)
        simulator.fail(fault)
        await asyncio.sleep(45)
        failing = polled.status("acme", "shop", 1)
        assert failing.operations.ok is False
        assert failing.watched
        since = failing.operations.failed_since
        assert since is not None
        await asyncio.sleep(since.steady + 299 - loop.time())
        assert polled.status("acme", "shop", 1).watched
        await asyncio.sleep(3)
        stale = polled.status("acme", "shop", 1)
        assert stale.operations.ok is False
        assert not stale.watched
        await asyncio.sleep(2 * TIMING.idle_interval + 1)
        assert polled.status("acme", "shop", 1).operations.ok is False
        simulator.heal()
        await asyncio.sleep(301)
        assert polled.status("acme", "shop", 1).operations.ok is True
        assert tables(polled) == ["events"]


@virtually
async def test_nothing_ages_between_good_polls(loop: VirtualLoop) -> None:
    """However long the interval is, values stay while polls work."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", "finished")
    timing = TIMING._replace(idle_interval=2 * HOUR)
    async with polling(loop, simulator, "acme/shop/1", timing=timing) as polled:
        for _ in range(20):
            await asyncio.sleep(600)
            assert polled.status("acme", "shop", 1).operations.ok
            assert len(tables(polled)) == 2


@virtually
async def test_one_that_fails_never_touches_another(loop: VirtualLoop) -> None:
    """A neighbour that hangs changes neither the values nor the rhythm of a deploy request."""
    simulator = running(loop, requests=2)
    simulator.fail(Fault(number=1, hang=True))
    async with polling(loop, simulator, "acme/shop/1", "acme/shop/2") as polled:
        await asyncio.sleep(600)
        assert polled.targets() == {"acme/shop/1": False, "acme/shop/2": True}
        assert max(gaps(polled, "operations", 2)) <= 31


@virtually
async def test_a_missing_operation_goes_at_once(loop: VirtualLoop) -> None:
    """What a good answer does not name any more is not exported any more."""
    simulator = running(loop)
    simulator.fail(rows(operation(1), operation(2)))
    async with polling(loop, simulator, "acme/shop/1") as polled:
        await asyncio.sleep(1)
        assert tables(polled) == ["table1", "table2"]
        simulator.heal()
        simulator.fail(rows(operation(2)))
        await asyncio.sleep(31)
        assert tables(polled) == ["table2"]


@virtually
async def test_a_numbered_one_that_does_not_exist_stays(loop: VirtualLoop) -> None:
    """A 404 on a deploy request named by its number is down, not gone, for as long as it takes."""
    async with polling(loop, simulated(loop), "acme/shop/7") as polled:
        await asyncio.sleep(2 * HOUR)
        assert polled.status("acme", "shop", 7).operations.ok is False
        polled.simulator.add_deploy_request("acme", "shop", "long_copy")
        assert polled.observer.failures["not_found"] > 0


@virtually
async def test_a_clock_that_is_set_back_stops_nothing(loop: VirtualLoop) -> None:
    """Answers are taken in the order they were asked for, by a clock that nobody can set."""
    offset = 0.0
    simulator = running(loop)
    simulator.fail(rows(operation(1)))
    times = Clock(loop.time, lambda: EPOCH + loop.time() - offset)
    async with polling(loop, simulator, "acme/shop/1", times=times) as polled:
        await asyncio.sleep(1)
        offset = HOUR
        simulator.heal()
        simulator.fail(rows(operation(2)))
        await asyncio.sleep(60)
        assert tables(polled) == ["table2"]


@pytest.mark.parametrize("step", [9 * HOUR, -9 * HOUR], ids=["set forward", "set back"])
@virtually
async def test_a_clock_that_is_set_makes_nothing_stale_and_keeps_nothing(loop: VirtualLoop, step: float) -> None:
    """However the clock on the wall is set, values go `poll.stale_after` seconds after the first failure."""
    offset = 0.0
    simulator = running(loop)
    times = Clock(loop.time, lambda: EPOCH + loop.time() + offset)
    async with polling(loop, simulator, "acme/shop/1", "acme/shop", times=times) as polled:
        await asyncio.sleep(1)
        simulator.fail(Fault("operations", status=500))
        simulator.fail(Fault("deploy_requests", status=500))
        await asyncio.sleep(100)
        offset = step
        await asyncio.sleep(190)
        assert polled.status("acme", "shop", 1).watched
        assert polled.snapshot.databases[0].open_requests
        await asyncio.sleep(100)
        assert not polled.status("acme", "shop", 1).watched
        assert not polled.snapshot.databases[0].open_requests


@pytest.mark.parametrize("step", [9 * HOUR, -9 * HOUR], ids=["set forward", "set back"])
@virtually
async def test_a_clock_that_is_set_changes_nothing_for_a_database_that_is_gone(loop: VirtualLoop, step: float) -> None:
    """A database that the listing names no more goes after `poll.stale_after`, by a clock that nobody can set."""
    offset = 0.0
    simulator = simulated(loop, "shop", "ledger")
    simulator.add_deploy_request("acme", "shop", "long_copy")
    times = Clock(loop.time, lambda: EPOCH + loop.time() + offset)
    async with polling(loop, simulator, "acme", times=times) as polled:
        await asyncio.sleep(5)
        del simulator.organizations["acme"]["shop"]
        await asyncio.sleep(100)
        offset = step
        await asyncio.sleep(150)
        assert {status.database for status in polled.snapshot.databases} == {"shop", "ledger"}
        await asyncio.sleep(150)
        assert {status.database for status in polled.snapshot.databases} == {"ledger"}


# -- the loop itself


@virtually
async def test_a_loop_that_hangs_is_noticed(loop: VirtualLoop) -> None:
    """A loop that goes round is never taken for one that hangs, however long nothing is due; one that stops is."""
    timing = TIMING._replace(interval=HOUR, idle_interval=HOUR, discovery_interval=HOUR)
    async with polling(loop, running(loop), "acme/shop/1", timing=timing) as polled:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(polled.poller.silence(), HOUR)
        polled.task.cancel()
        await asyncio.wait_for(polled.poller.silence(), 90)


# -- summaries instead of operations


@virtually
async def test_the_summaries_stand_in_for_operations(loop: VirtualLoop) -> None:
    """Where the operations endpoint has no rows and the summaries have, these are the operations; and only then."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", "sharded_in_summaries", age=HOUR)
    async with polling(loop, simulator, "acme/shop/1") as polled:
        await asyncio.sleep(1)
        status = polled.status("acme", "shop", 1)
        assert len(status.watched) == 8
        assert len({watched.operation.id for watched in status.watched}) == 8
        assert len(list(status.shards)) == 8


@virtually
async def test_rows_that_are_skipped_are_no_reason_to_ask_the_summaries(loop: VirtualLoop) -> None:
    """Rows without ids are rows: the summaries do not stand in for them, and they are counted at every poll."""
    simulator = running(loop)
    simulator.fail(rows(operation(id=None)))
    async with polling(loop, simulator, "acme/shop/1") as polled:
        await asyncio.sleep(70)
        assert tables(polled) == []
        assert polled.observer.skips == {"no_id": len(simulator.asked("operations"))}


@virtually
async def test_summaries_without_ids_are_counted(loop: VirtualLoop) -> None:
    """A summary that stands in for an operation and can't be told apart is skipped and counted likewise."""
    simulator = running(loop)
    simulator.fail(rows())
    summary = operation(id=None) | {"operations": []}
    deployment = {"deploy_operations": [], "deploy_operation_summaries": [summary, operation(2)]}
    body = json.dumps({"number": 1, "deployment_state": "in_progress", "deployment": deployment})
    simulator.fail(Fault("deploy_request", status=200, body=body))
    async with polling(loop, simulator, "acme/shop/1") as polled:
        await asyncio.sleep(70)
        assert tables(polled) == ["table2"]
        assert polled.observer.skips["no_id"] >= 2


# -- late answers


@virtually
async def test_a_late_answer_changes_nothing(loop: VirtualLoop) -> None:
    """A reload while an answer is under way: it was asked for before, and changes nothing of what came since."""
    simulator = running(loop)
    simulator.fail(rows(operation(1)))
    async with polling(loop, simulator, "acme/shop/1", timeout=100) as polled:
        polled.delays.hold("/operations", 60)
        await asyncio.sleep(5)
        polled.reload("acme/shop/2")
        assert polled.keys() == {"acme/shop/2"}
        polled.reload("acme/shop/1")
        simulator.heal()
        simulator.fail(rows(operation(2)))
        await asyncio.sleep(10)
        assert tables(polled) == ["table2"]
        await asyncio.sleep(55)
        assert tables(polled) == ["table2"]


@virtually
async def test_a_late_answer_brings_no_dropped_target_back(loop: VirtualLoop) -> None:
    """An answer for a target that a reload has dropped is thrown away."""
    simulator = running(loop, requests=2)
    async with polling(loop, simulator, "acme/shop/1", "acme/shop/2", timeout=100) as polled:
        polled.delays.hold("/1/operations", 50)
        await asyncio.sleep(5)
        polled.reload("acme/shop/2")
        await asyncio.sleep(60)
        assert polled.keys() == {"acme/shop/2"}
        assert polled.targets() == {"acme/shop/2": True}


# -- rhythm


@virtually
async def test_what_moves_is_polled_at_the_interval(loop: VirtualLoop) -> None:
    """A copy under way is asked about every `poll.interval`, and what has ended every `poll.idle_interval`."""
    simulator = running(loop)
    simulator.add_deploy_request("acme", "shop", "finished")
    async with polling(loop, simulator, "acme/shop/1", "acme/shop/2") as polled:
        await asyncio.sleep(1500)
        assert gaps(polled, "operations", 1)[1:] == pytest.approx([30] * len(gaps(polled, "operations", 1)[1:]), abs=2)
        assert gaps(polled, "operations", 2)[1:] == pytest.approx([300] * len(gaps(polled, "operations", 2)[1:]), abs=2)


@virtually
async def test_no_operations_yet_is_polled_at_the_interval(loop: VirtualLoop) -> None:
    """A deploy request without operations may get some any moment."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", "ready")
    async with polling(loop, simulator, "acme/shop/1") as polled:
        await asyncio.sleep(200)
        assert max(gaps(polled, "operations")) <= 31


@virtually
async def test_what_begins_to_move_is_asked_about_at_once(loop: VirtualLoop) -> None:
    """A poll that waits out the idle interval does not: the deploy request tells that it moves again."""
    simulator = running(loop)
    failed = json.dumps({"number": 1, "deployment_state": "complete_error"})
    simulator.fail(rows(operation(state="error")))
    simulator.fail(Fault("deploy_request", status=200, body=failed))
    async with polling(loop, simulator, "acme/shop/1"):
        await asyncio.sleep(1000)
        simulator.heal()
        await asyncio.sleep(301)
        asked = [simulator.asked(endpoint)[-1].at for endpoint in ("operations", "deploy_request")]
        assert max(asked) - min(asked) < 31


@virtually
async def test_back_off_grows_and_ends_with_new_credentials(loop: VirtualLoop) -> None:
    """Failures are asked again after `poll.interval` first and `poll.idle_interval` at last, or at once on `retry`."""
    simulator = running(loop)
    simulator.fail(Fault("operations", status=401))
    async with polling(loop, simulator, "acme/shop/1") as polled:
        await asyncio.sleep(HOUR)
        waits = gaps(polled, "operations")
        assert 30 <= waits[0] <= 37
        assert waits[:4] == sorted(waits[:4])
        assert all(239 <= wait <= 301 for wait in waits[5:])
        assert len({round(wait, 3) for wait in waits[5:]}) > 3
        await asyncio.sleep(100)
        asked = len(simulator.asked("operations"))
        simulator.heal()
        polled.poller.retry({"other"}.__contains__)
        await asyncio.sleep(1)
        assert len(simulator.asked("operations")) == asked
        polled.poller.retry({"acme"}.__contains__)
        await asyncio.sleep(1)
        assert len(simulator.asked("operations")) == asked + 1
        assert polled.status("acme", "shop", 1).operations.ok is True


@virtually
async def test_the_first_answer_after_an_outage_wakes_what_failed_with_it(loop: VirtualLoop) -> None:
    """An organisation works again as a whole, so nothing there waits for the end of its own back-off."""
    databases = [f"db-{index}" for index in range(12)]
    simulator = simulated(loop, *databases)
    for name in databases:
        simulator.add_deploy_request("acme", name, "long_copy", age=HOUR)
    async with polling(loop, simulator, "acme") as polled:
        await asyncio.sleep(120)
        simulator.fail(Fault(status=503))
        await asyncio.sleep(HOUR / 3)
        simulator.heal()
        for _ in range(300):
            await asyncio.sleep(1)
            if any(each.operations.ok for each in polled.snapshot.deploy_requests):
                break
        await asyncio.sleep(30)
        assert polled.targets() == {"acme": True}


@pytest.mark.parametrize(
    ("headers", "pause"),
    [({"Retry-After": "90"}, 90), ({"Retry-After": "86400"}, 300), ({}, 60)],
    ids=["as told", "five minutes at most", "a minute when not told"],
)
@virtually
async def test_429_pauses_every_request(loop: VirtualLoop, headers: dict[str, str], pause: float) -> None:
    """One 429 stops everything for as long as it says; what was refused is asked again when the pause ends."""
    simulator = running(loop, requests=2)
    simulator.add_organization("other")
    simulator.add_database("other", "web")
    async with polling(loop, simulator, "acme/shop/1", "acme/shop/2", "other") as polled:
        await asyncio.sleep(100)
        simulator.fail(Fault("operations", number=1, status=429, times=1, headers=headers))
        await asyncio.sleep(40)
        (refused,) = [asked for asked in simulator.requests if asked.status == 429]
        assert polled.status("acme", "shop", 1).operations.ok is False
        await asyncio.sleep(pause)
        after = sorted(asked.at for asked in simulator.requests if asked.at > refused.at + 1)
        assert after[0] == pytest.approx(refused.at + pause, abs=2)
        assert polled.status("acme", "shop", 1).operations.ok is True
        assert polled.observer.failures == {"rate_limited": 1}


@virtually
async def test_a_poll_that_can_not_start_is_late(loop: VirtualLoop) -> None:
    """Due for `poll.stale_after` and not started, for a pause: a failure, once, and its values go stale."""
    simulator = running(loop)
    limits = LIMITS._replace(stale_after=60)
    async with polling(loop, simulator, "acme/shop/1", limits=limits) as polled:
        await asyncio.sleep(20)
        simulator.fail(Fault("deploy_request", status=429, times=1, headers={"Retry-After": "300"}))
        await asyncio.sleep(125)
        assert polled.status("acme", "shop", 1).operations.ok is False
        assert polled.targets() == {"acme/shop/1": False}
        assert polled.observer.failures["late"] == 2
        assert tables(polled)
        await asyncio.sleep(60)
        assert tables(polled) == []
        assert polled.observer.failures["late"] == 2
        await asyncio.sleep(150)
        assert polled.status("acme", "shop", 1).operations.ok is True


@virtually
async def test_a_budget_that_is_too_small_is_told_once(loop: VirtualLoop) -> None:
    """The log says what would be needed, once all has been asked once; polls that can't start in time count as late."""
    simulator = running(loop, requests=20)
    with capture_logs() as logs:
        targets = [f"acme/shop/{number}" for number in range(1, 21)]
        async with polling(loop, simulator, *targets, requests_per_minute=4) as polled:
            await asyncio.sleep(HOUR * 2 / 3)
            assert polled.observer.failures["late"]
            assert len(simulator.requests) / 40 <= 4
    told = [line for line in logs if line["event"] == "budget_too_small"]
    assert [(line["requests_per_minute"], line["needed"]) for line in told] == [(4, 120)]


@virtually
async def test_a_budget_that_suffices_is_not_complained_about(loop: VirtualLoop) -> None:
    """At the start everything might move; that is no reason to ask for a budget that nobody needs."""
    simulator = simulated(loop, *(f"shop-{number}" for number in range(100)))
    with capture_logs() as logs:
        async with polling(loop, simulator, "acme", requests_per_minute=220):
            await asyncio.sleep(300)
    assert "budget_too_small" not in {line["event"] for line in logs}


# -- readiness and reload


@virtually
async def test_ready_when_every_target_has_been_tried(loop: VirtualLoop) -> None:
    """Ready once each target has had an answer or a failure, and for ever after."""
    simulator = running(loop)
    simulator.fail(Fault("deploy_queue", status=500))
    async with polling(loop, simulator, "acme/shop/1", "acme", "other") as polled:
        assert not polled.poller.is_ready
        polled.delays.hold("/1/operations", 8)
        await asyncio.sleep(5)
        assert not polled.poller.is_ready
        await asyncio.sleep(5)
        assert polled.poller.is_ready
        polled.reload("acme/shop/1", "third")
        assert polled.poller.is_ready


@virtually
async def test_a_reload_keeps_what_it_still_covers(loop: VirtualLoop) -> None:
    """Values of kept targets survive, dropped ones go at once, new ones are asked at once."""
    simulator = running(loop, requests=3)
    async with polling(loop, simulator, "acme/shop/1", "acme/shop/2") as polled:
        await asyncio.sleep(10)
        kept = polled.status("acme", "shop", 2)
        polled.reload("acme/shop/2", "acme/shop/3")
        assert polled.keys() == {"acme/shop/2", "acme/shop/3"}
        assert polled.status("acme", "shop", 2) == kept
        await asyncio.sleep(1)
        assert polled.status("acme", "shop", 3).operations.ok is True
        assert polled.targets() == {"acme/shop/2": True, "acme/shop/3": True}
        asked = len(simulator.asked(number=1))
        await asyncio.sleep(100)
        assert len(simulator.asked(number=1)) == asked


@virtually
async def test_a_reload_with_shorter_intervals_takes_effect(loop: VirtualLoop) -> None:
    """What waits out the old interval is asked after the new one."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", "finished")
    async with polling(loop, simulator, "acme/shop/1") as polled:
        await asyncio.sleep(400)
        polled.reload(timing=TIMING._replace(idle_interval=10, interval=10))
        await asyncio.sleep(100)
        assert len([asked for asked in simulator.asked("operations") if asked.at > EPOCH + 400]) >= 9


@virtually
async def test_excludes_win_over_numbers(loop: VirtualLoop) -> None:
    """An exclude takes even what another target names by its number, and is no target itself."""
    simulator = running(loop, requests=3)
    targets = ("acme/shop/1", "!acme/shop/1", "acme/shop/2", "acme/web/1", "!acme/w*", "acme/shop/2")
    async with polling(loop, simulator, *targets) as polled:
        await asyncio.sleep(60)
        assert polled.keys() == {"acme/shop/2"}
        assert polled.targets() == {"acme/shop/1": None, "acme/shop/2": True, "acme/web/1": None}
        assert {(asked.database, asked.number) for asked in simulator.requests} == {("shop", 2)}


# -- what watching an operation tells


@virtually
async def test_last_advance(loop: VirtualLoop) -> None:
    """A higher percentage, a lower ETA or another state is an advance; first sight, nulls and a fall-back are none."""
    simulator = running(loop)
    at: list[float | None] = []
    async with polling(loop, simulator, "acme/shop/1", timing=TIMING._replace(interval=10)) as polled:
        answers: list[tuple[dict[str, Any], str]] = [
            ({"progress_percentage": 50, "eta_seconds": 900, "updated_at": "2026-07-01T00:00:00Z"}, "first sight"),
            ({"progress_percentage": 50, "eta_seconds": 900}, "as before"),
            ({"progress_percentage": 51, "eta_seconds": 900}, "advance"),
            ({"progress_percentage": None, "eta_seconds": None}, "as before"),
            ({"progress_percentage": 51, "eta_seconds": 900}, "as before"),
            ({"progress_percentage": 51, "eta_seconds": 899}, "advance"),
            ({"progress_percentage": 3, "eta_seconds": 5000}, "as before"),
            ({"progress_percentage": 4, "eta_seconds": 5000}, "advance"),
            ({"progress_percentage": 4, "eta_seconds": 5000, "state": "complete"}, "advance"),
        ]
        for fields, expected in answers:
            simulator.heal()
            simulator.fail(rows(operation(**fields)))
            await next_answer(polled)
            (watched,) = polled.status("acme", "shop", 1).watched
            answered_at = polled.status("acme", "shop", 1).operations.answered_at
            assert answered_at is not None
            before = at[-1] if at else None
            assert watched.last_advance == (answered_at.unix if expected == "advance" else before), fields
            at.append(watched.last_advance)


# -- what is skipped


@virtually
async def test_the_cap_is_counted_at_every_poll_and_logged_once(loop: VirtualLoop) -> None:
    """Operations beyond `metrics.max_operations` are skipped; the first of them stay."""
    simulator = running(loop)
    simulator.fail(rows(*(operation(number) for number in range(1, 6))))
    with capture_logs() as logs:
        limits = LIMITS._replace(max_operations=3)
        async with polling(loop, simulator, "acme/shop/1", limits=limits) as polled:
            await asyncio.sleep(100)
            assert tables(polled) == ["table1", "table2", "table3"]
            assert polled.snapshot.operations == 3
            assert polled.observer.skips == {"cap": 2 * len(simulator.asked("operations"))}
    assert [line["reason"] for line in logs if line["event"] == "operations_skipped"] == ["cap"]


@virtually
async def test_rows_that_can_not_be_told_apart_are_counted(loop: VirtualLoop) -> None:
    """No id and a second row with the same id: both are skipped, counted at every poll and logged once each."""
    simulator = running(loop)
    first, same = operation(1), operation(2, id="op1")
    simulator.fail(rows(first, same, operation(3, id=None), operation(4, id=None), operation(5)))
    with capture_logs() as logs:
        async with polling(loop, simulator, "acme/shop/1") as polled:
            await asyncio.sleep(100)
            polls = len(simulator.asked("operations"))
            assert tables(polled) == ["table1", "table5"]
            assert polled.observer.skips == {"no_id": 2 * polls, "duplicate": polls}
    assert sorted(line["reason"] for line in logs if line["event"] == "operations_skipped") == ["duplicate", "no_id"]


# -- mistakes of our own, and the log


class Broken(PlanetScale):
    """A client with a mistake in it."""

    async def throttler(self, organization: str, database: str, number: int) -> Throttler:  # noqa: ARG002 - overrides
        """Fail as no poll should."""
        raise ZeroDivisionError


@virtually
async def test_a_mistake_of_ours_is_counted_and_the_loop_goes_on(loop: VirtualLoop) -> None:
    """An exception that nobody expects is a failed poll with reason `bug`, whose traceback is logged once."""
    simulator = running(loop)
    with capture_logs() as logs:
        async with polling(loop, simulator, "acme/shop/1") as polled:
            await asyncio.sleep(1)
            old = polled.assignment.client
            polled.reload(client=Broken(old._transport, old._base_url))  # noqa: SLF001 - the same server, another client
            await asyncio.sleep(100)
            assert polled.observer.failures["bug"] >= 2
            assert not polled.task.done()
            status = polled.status("acme", "shop", 1)
            assert status.operations.ok is True
            assert "report" in status.throttle.error
    bugs = [line for line in logs if line["event"] == "bug"]
    assert [(line["log_level"], line["target"], line["exc_info"]) for line in bugs] == [("error", "acme/shop/1", True)]


@virtually
async def test_debug_shows_each_request_and_each_poll(loop: VirtualLoop) -> None:
    """Who looks at the log's finest level sees what is asked and what comes of it."""
    simulator = running(loop)
    simulator.fail(Fault("throttler", status=500))
    with capture_logs() as logs:
        async with polling(loop, simulator, "acme/shop/1"):
            await asyncio.sleep(5)
    path = "/v1/organizations/acme/databases/shop/deploy-requests/1"
    requests = [line for line in logs if line["event"] == "request"]
    assert all(line["log_level"] == "debug" and line["seconds"] >= 0 for line in requests)
    assert {(line["endpoint"], line["path"], line["status"]) for line in requests} == {
        ("operations", f"{path}/operations", "200"),
        ("deploy_request", path, "200"),
        ("throttler", f"{path}/throttler", "500"),
    }
    polls = {(line["event"], line["target"], line["poll"]) for line in logs if "poll" in line}
    assert polls == {
        ("polled", "acme/shop/1", "operations"),
        ("polled", "acme/shop/1", "deploy request"),
        ("poll_failed", "acme/shop/1", "throttler"),
    }


@virtually
async def test_a_line_per_change_of_state(loop: VirtualLoop) -> None:
    """A target that starts failing is logged once however many of its polls fail, and once when it works again."""
    simulator = simulated(loop, "shop", "web")
    simulator.add_deploy_request("acme", "shop", "long_copy", age=24 * HOUR)
    with capture_logs() as logs:
        async with polling(loop, simulator, "acme/shop/1", "acme"):
            await asyncio.sleep(100)
            simulator.fail(Fault(status=500))
            await asyncio.sleep(HOUR / 3)
            simulator.heal()
            await asyncio.sleep(400)
    lines = [(line["log_level"], line["event"], line.get("target")) for line in logs if line["log_level"] != "debug"]
    assert sorted(lines) == [
        ("info", "target_recovered", "acme"),
        ("info", "target_recovered", "acme/shop/1"),
        ("warning", "target_failed", "acme"),
        ("warning", "target_failed", "acme/shop/1"),
    ]
    assert all("500" in line["error"] for line in logs if line["event"] == "target_failed")


@virtually
async def test_polls_end_with_the_loop(loop: VirtualLoop) -> None:
    """Cancelling the loop cancels the polls under way and waits for them."""
    simulator = running(loop)
    simulator.fail(Fault(hang=True))
    async with polling(loop, simulator, "acme/shop/1") as polled:
        await asyncio.sleep(1)
        polled.task.cancel()
        await asyncio.gather(polled.task, return_exceptions=True)
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert not [name for name in names if name.startswith("acme/")]


@virtually
async def test_no_operation_of_a_finished_one_is_lost(loop: VirtualLoop) -> None:
    """A deploy request named by its number is exported for ever, finished or not."""
    scenario = Scenario(
        (Step(600, "in_progress", (0, 100)), Step(FOREVER, "complete", (100, 100), ("complete",))), (Change("t", "x"),)
    )
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", scenario)
    async with polling(loop, simulator, "acme/shop/1", limits=BRIEF) as polled:
        await asyncio.sleep(HOUR)
        assert polled.status("acme", "shop", 1).watched[0].operation.state == "complete"
