"""Watched organisations and databases: what is found, what is followed to its end, what goes and what stays gone."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from polled import BRIEF, LIMITS, TIMING, Polled, polling, simulated
from virtual import EPOCH, VirtualLoop, virtually

from exporter.planetscale.models import Deployment
from exporter.planetscale.rows import changed
from exporter.polling.plan import Share
from exporter.simulator import SCENARIOS, Change, Fault, Scenario, Simulator, Step

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
FOREVER = float("inf")
CHANGE = (Change("orders", "ALTER TABLE `orders` ADD COLUMN `a` int"),)
DISCOVERY = TIMING.discovery_interval + 2


def scenario(*steps: tuple[float, str], **fields: Any) -> Scenario:
    """A plot of so many seconds in each state."""
    progress = {"in_progress": (0.0, 100.0), "complete_error": (40.0, 40.0)}
    operations = {"complete": "complete", "complete_error": "error", "complete_revert_error": "complete"}
    return Scenario(
        tuple(
            Step(
                lasts,
                state,
                None if state in {"pending", "ready", "queued", "cancelled", "error", "no_changes"}
                else progress.get(state, (100.0, 100.0)),
                (operations.get(state, "in_progress"),),
            )
            for lasts, state in steps
        ),
        CHANGE,
        **fields,
    )  # fmt: skip


def states(polled: Polled) -> dict[str, str | None]:
    """The state of each exported deploy request."""
    return {str(status.key): status.state for status in polled.snapshot.deploy_requests}


def truth(simulator: Simulator, database: str = "shop") -> set[str]:
    """The deploy requests in the database's queue."""
    home = simulator.organizations["acme"][database]
    return {f"acme/{database}/{request.number}" for request in home.deploy_queue(simulator.clock())}


# -- what is found


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("queued", "queued"),
        ("long_copy", "in_progress"),
        ("gated", "pending_cutover"),
        ("cutover", "in_progress_cutover"),
        ("revert_window", "complete_pending_revert"),
        ("reverted", "in_progress_revert"),
        ("failed", "complete_error"),
        ("revert_failed", "complete_revert_error"),
        ("queue_paused", "queued"),
    ],
)
@virtually
async def test_what_is_under_way_appears(loop: VirtualLoop, name: str, begins: str) -> None:
    """Queued, running, waiting for cutover, in its revert window, failed: found within one interval."""
    simulator = simulated(loop)
    async with polling(loop, simulator, "acme") as polled:
        await asyncio.sleep(100)
        assert polled.keys() == set()
        simulator.add_deploy_request("acme", "shop", name, age=SCENARIOS[name].begins(begins) + 1)
        await asyncio.sleep(DISCOVERY)
        assert states(polled) == {"acme/shop/1": begins}
        status = polled.status("acme", "shop", 1)
        assert status.operations.ok
        assert bool(status.watched) == (begins != "queued")
        assert status.request.value
        assert status.request.value.branch == "change-1"


@virtually
async def test_what_nobody_queued_is_not_exported(loop: VirtualLoop) -> None:
    """`pending` and `ready` deploy requests appear when somebody queues them, never before."""
    simulator = simulated(loop)
    for name in ("pending", "ready"):
        simulator.add_deploy_request("acme", "shop", name)
    simulator.add_deploy_request("acme", "shop", scenario((100, "pending"), (200, "ready"), (FOREVER, "queued")))
    async with polling(loop, simulator, "acme/shop") as polled:
        await asyncio.sleep(299)
        assert polled.keys() == set()
        await asyncio.sleep(DISCOVERY)
        assert states(polled) == {"acme/shop/3": "queued"}


@pytest.mark.parametrize("target", ["acme/shop", "acme/shop/1"])
@virtually
async def test_what_an_answer_says_no_more_is_gone(loop: VirtualLoop, target: str) -> None:
    """A good answer without a deployment takes the deployment's values with it, whichever poll brings it."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", "failed", age=DAY)
    async with polling(loop, simulator, target) as polled:
        await asyncio.sleep(100)
        assert states(polled) == {"acme/shop/1": "complete_error"}
        bare = {"number": 1, "branch": "other", "state": "open"}
        queue = [{"deploy_request_number": 1}]
        for endpoint, answer in [
            ("deploy_requests", {"data": [bare]}), ("deploy_queue", {"data": queue}), ("deploy_request", bare)
        ]:  # fmt: skip
            simulator.fail(Fault(endpoint, status=200, body=json.dumps(answer)))
        await asyncio.sleep(2 * TIMING.idle_interval)
        status = polled.status("acme", "shop", 1)
        assert status.state is None
        assert status.deployment.value
        assert changed(status.deployment.value, number=None) == Deployment()
        assert status.request.value
        assert status.request.value.branch == "other"


@virtually
async def test_only_mysql_databases_are_asked(loop: VirtualLoop) -> None:
    """Postgres databases have no deploy requests; a database without any costs two requests a minute."""
    simulator = simulated(loop)
    simulator.add_database("acme", "analytics", "postgresql")
    async with polling(loop, simulator, "acme") as polled:
        await asyncio.sleep(10 * MINUTE)
        assert not simulator.asked(database="analytics")
        assert len(simulator.asked(database="shop")) <= 2 * 11 + 1
        assert polled.targets() == {"acme": True}


@virtually
async def test_a_watched_database_costs_one_request_per_refresh(loop: VirtualLoop) -> None:
    """While it stands in the queue with its operations, nothing asks about a deploy request alone but its throttler."""
    simulator = simulated(loop)
    for lane in ("serial", "parallel"):
        simulator.add_deploy_request("acme", "shop", replace(SCENARIOS["long_copy"], strategy=lane), age=DAY)
    async with polling(loop, simulator, "acme/shop") as polled:
        await asyncio.sleep(HOUR)
        assert len(polled.keys()) == 2
        assert not simulator.asked("operations")
        assert not simulator.asked("deploy_request")
        assert len(simulator.asked("deploy_queue")) == pytest.approx(HOUR / TIMING.interval, abs=3)
        assert len(simulator.asked("throttler")) <= 2 * (HOUR / TIMING.idle_interval + 1)


@virtually
async def test_a_row_without_operations_falls_back_to_the_endpoint(loop: VirtualLoop) -> None:
    """Where a running row of the queue holds no operations, the operations endpoint tells, until it does."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", "long_copy", age=DAY)
    row = {"deploy_request_number": 1, "state": "in_progress", "deploy_operations": []}
    simulator.fail(Fault("deploy_queue", status=200, body=json.dumps({"data": [row], "next_page": None})))
    async with polling(loop, simulator, "acme/shop") as polled:
        await asyncio.sleep(100)
        assert polled.status("acme", "shop", 1).watched
        assert len(simulator.asked("operations")) >= 3
        simulator.heal()
        await asyncio.sleep(60)
        asked = len(simulator.asked("operations"))
        await asyncio.sleep(10 * MINUTE)
        assert len(simulator.asked("operations")) == asked
        assert polled.status("acme", "shop", 1).watched


@pytest.mark.parametrize(
    ("name", "operations", "shards"),
    [("sharded", 8, 8), ("sharded_in_summaries", 8, 8), ("operations_only", 8, 0), ("older_answers", 1, 0)],
)
@virtually
async def test_every_shape_of_answer(loop: VirtualLoop, name: str, operations: int, shards: int) -> None:
    """Operations, summaries or both: each is exported once, though several share their names and differ only by id."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", name, age=HOUR)
    async with polling(loop, simulator, "acme") as polled:
        await asyncio.sleep(100)
        status = polled.status("acme", "shop", 1)
        assert len({watched.operation.id for watched in status.watched}) == operations
        assert len(list(status.shards)) == shards
        assert all(watched.operation.state == "in_progress" for watched in status.watched)


@virtually
async def test_all_pages_are_read(loop: VirtualLoop) -> None:
    """More than a page of databases, and of deploy requests in a database."""
    simulator = simulated(loop, *(f"shop-{number:03}" for number in range(102)))
    for number in range(101):
        simulator.add_deploy_request("acme", "shop-101", "long_copy", age=DAY, into_branch=f"main-{number}")
    async with polling(loop, simulator, "acme", requests_per_minute=3000) as polled:
        await asyncio.sleep(25)
        assert len(polled.keys()) == 101
        assert {asked.database for asked in simulator.asked("deploy_queue")} == set(simulator.organizations["acme"])


# -- to the end


@virtually
async def test_what_finishes_keeps_its_final_values_and_goes(loop: VirtualLoop) -> None:
    """Final values for `poll.retention` from `finished_at`; then it goes, and no list brings it back."""
    simulator = simulated(loop)
    plot = scenario(
        (30, "queued"), (20 * MINUTE, "in_progress"), (30 * MINUTE, "complete_pending_revert"), (FOREVER, "complete")
    )
    simulator.add_deploy_request("acme", "shop", plot)
    finished = 30 + 20 * MINUTE
    async with polling(loop, simulator, "acme") as polled:
        await asyncio.sleep(finished + 35 * MINUTE)
        status = polled.status("acme", "shop", 1)
        assert (status.state, status.finished_at) == ("complete", EPOCH + finished)
        assert [watched.operation.progress for watched in status.watched] == [100]
        asked = len(simulator.asked(number=1))
        await asyncio.sleep(finished + HOUR - 2 - loop.time())
        assert states(polled) == {"acme/shop/1": "complete"}
        assert len(simulator.asked(number=1)) == asked
        await asyncio.sleep(4)
        assert polled.keys() == set()
        for _ in range(20):
            await asyncio.sleep(MINUTE)
            assert polled.keys() == set()


@virtually
async def test_a_failure_stays_as_long_as_it_is_open(loop: VirtualLoop) -> None:
    """A failed deployment is exported for hours; once somebody has closed the deploy request, it goes."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", "failed", age=3600)
    async with polling(loop, simulator, "acme", limits=BRIEF) as polled:
        await asyncio.sleep(30 * MINUTE)
        assert states(polled) == {"acme/shop/1": "complete_error"}
        simulator.close_deploy_request("acme", "shop", 1)
        await asyncio.sleep(2 * MINUTE)
        assert polled.keys() == set()
        await asyncio.sleep(10 * MINUTE)
        assert polled.keys() == set()


@virtually
async def test_what_is_finished_and_still_listed_does_not_come_back(loop: VirtualLoop) -> None:
    """An `error` stays in the list of open deploy requests for days: exported for `poll.retention` only."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", scenario((MINUTE, "queued"), (FOREVER, "error")))
    async with polling(loop, simulator, "acme", limits=BRIEF) as polled:
        await asyncio.sleep(5 * MINUTE)
        assert states(polled) == {"acme/shop/1": "error"}
        await asyncio.sleep(6 * MINUTE + 2)
        for _ in range(30):
            assert polled.keys() == set()
            await asyncio.sleep(MINUTE)


@pytest.mark.parametrize("finished_at", [None, EPOCH - 600])
@virtually
async def test_retention_begins_when_the_end_is_seen(loop: VirtualLoop, finished_at: float | None) -> None:
    """Without `finished_at`, retention counts from when it was first seen finished, however often it is seen again."""
    simulator = simulated(loop)
    row = {
        "number": 1,
        "state": "open",
        "deployment_state": "error",
        "deployment": {"queued_at": "2026-07-01T00:00:00Z"},
    }
    if finished_at is not None:
        row["deployment"]["finished_at"] = "2026-07-25T17:10:00Z"  # type: ignore[index] # JSON
    simulator.fail(Fault("deploy_requests", status=200, body=json.dumps({"data": [row], "next_page": None})))
    async with polling(loop, simulator, "acme/shop") as polled:
        await asyncio.sleep(10)
        first = polled.status("acme", "shop", 1).finished_at or 0
        assert first == pytest.approx(finished_at or EPOCH, abs=2)
        await asyncio.sleep(first + HOUR - EPOCH - loop.time() - 2)
        assert polled.keys() == {"acme/shop/1"}
        await asyncio.sleep(4)
        for _ in range(10):
            assert polled.keys() == set()
            await asyncio.sleep(MINUTE)


@virtually
async def test_what_finished_before_the_start_is_found(loop: VirtualLoop) -> None:
    """Within `poll.retention` before the start: with its final values; longer ago: never."""
    simulator = simulated(loop)
    for ago in (50 * MINUTE, 70 * MINUTE):
        simulator.add_deploy_request(
            "acme", "shop", scenario((HOUR, "in_progress"), (FOREVER, "complete")), age=HOUR + ago
        )
    async with polling(loop, simulator, "acme") as polled:
        await asyncio.sleep(DISCOVERY)
        assert states(polled) == {"acme/shop/1": "complete"}
        assert polled.status("acme", "shop", 1).watched[0].operation.progress == 100
        await asyncio.sleep(10 * MINUTE)
        assert polled.keys() == set()


@virtually
async def test_an_end_between_two_lists_is_seen(loop: VirtualLoop) -> None:
    """Cancelled, queued again and complete before any list could tell: it ends as what it is, not as what it was."""
    simulator = simulated(loop)
    plot = scenario((30, "queued"), (300, "cancelled"), (0.1, "in_progress"), (FOREVER, "complete"))
    simulator.add_deploy_request("acme", "shop", plot)
    async with polling(loop, simulator, "acme") as polled:
        await asyncio.sleep(200)
        assert states(polled) == {"acme/shop/1": "cancelled"}
        await asyncio.sleep(140 + DISCOVERY)
        assert states(polled) == {"acme/shop/1": "complete"}
        assert polled.status("acme", "shop", 1).watched[0].operation.progress == 100


@virtually
async def test_a_requeued_one_comes_back(loop: VirtualLoop) -> None:
    """What was cancelled, has gone, and is queued again is exported again."""
    simulator = simulated(loop)
    plot = scenario((30, "queued"), (300, "in_progress"), (25 * MINUTE, "cancelled"), (FOREVER, "queued"))
    simulator.add_deploy_request("acme", "shop", plot)
    async with polling(loop, simulator, "acme", limits=BRIEF) as polled:
        await asyncio.sleep(10 * MINUTE)
        assert states(polled) == {"acme/shop/1": "cancelled"}
        await asyncio.sleep(10 * MINUTE)
        assert polled.keys() == set()
        await asyncio.sleep(330 + 25 * MINUTE + DISCOVERY - loop.time())
        assert states(polled) == {"acme/shop/1": "queued"}
        assert polled.status("acme", "shop", 1).finished_at is None


@pytest.mark.parametrize("state", ["complete_error", "complete_revert_error"])
@virtually
async def test_a_failed_one_stays_while_it_is_open(loop: VirtualLoop, state: str) -> None:
    """A failure blocks the queue until somebody closes it: exported until then, and gone after."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", scenario((30, "queued"), (600, "in_progress"), (FOREVER, state)))
    async with polling(loop, simulator, "acme", limits=BRIEF) as polled:
        await asyncio.sleep(HOUR / 2)
        assert states(polled) == {"acme/shop/1": state}
        assert polled.status("acme", "shop", 1).operations.ok
        simulator.close_deploy_request("acme", "shop", 1)
        await asyncio.sleep(DISCOVERY)
        assert polled.keys() == set()
        await asyncio.sleep(10 * MINUTE)
        assert polled.keys() == set()
        asked = len(simulator.asked(number=1))
        await asyncio.sleep(HOUR / 3)
        assert len(simulator.asked(number=1)) == asked


@virtually
async def test_a_deleted_one_goes_at_once(loop: VirtualLoop) -> None:
    """A discovered deploy request that answers 404 goes, with the next look at it."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", "long_copy", age=DAY)
    async with polling(loop, simulator, "acme") as polled:
        await asyncio.sleep(100)
        simulator.delete_deploy_request("acme", "shop", 1)
        await asyncio.sleep(TIMING.interval + 3)
        assert polled.keys() == set()


@virtually
async def test_what_is_closed_before_it_is_queued_again_goes(loop: VirtualLoop) -> None:
    """Taken out of the queue and closed: no list names it any more, and it is not followed for ever."""
    simulator = simulated(loop)
    plot = scenario((150, "queued"), (FOREVER, "ready"))
    simulator.add_deploy_request("acme", "shop", plot, closes_after=151)
    async with polling(loop, simulator, "acme") as polled:
        await asyncio.sleep(100)
        assert states(polled) == {"acme/shop/1": "queued"}
        await asyncio.sleep(50 + DISCOVERY)
        assert polled.keys() == set()
        asked = len(simulator.asked(number=1))
        await asyncio.sleep(HOUR)
        assert len(simulator.asked(number=1)) == asked


# -- late answers


@virtually
async def test_a_late_queue_brings_nothing_back(loop: VirtualLoop) -> None:
    """A slow answer of the queue that was overtaken by the end of the deploy request does not revive it."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", scenario((200, "in_progress"), (FOREVER, "complete_error")))
    async with polling(loop, simulator, "acme", timeout=500, limits=LIMITS._replace(stale_after=1000)) as polled:
        await asyncio.sleep(150)
        polled.delays.hold("/deploy-queue", 200)
        await asyncio.sleep(60)
        simulator.delete_deploy_request("acme", "shop", 1)
        await asyncio.sleep(400)
        assert polled.keys() == set()


@virtually
async def test_a_late_list_changes_nothing(loop: VirtualLoop) -> None:
    """What the queue said since a slow list was asked for stands."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", scenario((100, "queued"), (FOREVER, "in_progress")))
    async with polling(loop, simulator, "acme", timeout=100) as polled:
        await asyncio.sleep(50)
        polled.delays.hold("/deploy-requests", 80)
        while loop.time() < 250:
            await asyncio.sleep(1)
            if loop.time() > 100 + TIMING.interval + 2:
                assert states(polled) == {"acme/shop/1": "in_progress"}


# -- failures


@virtually
async def test_a_forbidden_listing_hurts_nothing_else(loop: VirtualLoop) -> None:
    """403 on an organisation's databases: that target is down, its named database and others are polled on."""
    simulator = simulated(loop, "shop", "web")
    simulator.add_deploy_request("acme", "shop", "long_copy", age=DAY)
    simulator.add_deploy_request("acme", "web", "long_copy", age=DAY)
    simulator.revoke(simulator.tokens["acme"])
    simulator.grant(simulator.tokens["acme"], "acme", "shop", may_list=False)
    async with polling(loop, simulator, "acme", "acme/shop") as polled:
        await asyncio.sleep(10 * MINUTE)
        assert polled.targets() == {"acme": False, "acme/shop": True}
        assert "403" in polled.snapshot.targets[0].error
        assert polled.keys() == {"acme/shop/1"}
        assert polled.status("acme", "shop", 1).operations.ok


@virtually
async def test_a_failing_database_hurts_no_other(loop: VirtualLoop) -> None:
    """One database fails: its deploy requests are down and go stale, those of the others are untouched."""
    simulator = simulated(loop, "shop", "web")
    for name in ("shop", "web"):
        simulator.add_deploy_request("acme", name, "long_copy", age=DAY)
    async with polling(loop, simulator, "acme", "acme/web") as polled:
        await asyncio.sleep(100)
        simulator.fail(Fault(database="shop", status=503))
        await asyncio.sleep(100)
        assert polled.targets() == {"acme": False, "acme/web": True}
        assert polled.status("acme", "shop", 1).operations.ok is False
        assert polled.status("acme", "shop", 1).watched
        await asyncio.sleep(300)
        assert polled.status("acme", "shop", 1).operations.ok is False
        assert not polled.status("acme", "shop", 1).watched
        assert polled.status("acme", "shop", 1).state is None
        assert polled.status("acme", "web", 1).operations.ok
        simulator.heal()
        await asyncio.sleep(301)
        assert polled.status("acme", "shop", 1).watched
        assert polled.targets() == {"acme": True, "acme/web": True}


@virtually
async def test_a_failing_list_does_not_touch_what_others_feed(loop: VirtualLoop) -> None:
    """The list of open deploy requests fails for long: what the queue and polls of its own tell stays whole."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", "long_copy", age=DAY)
    async with polling(loop, simulator, "acme") as polled:
        await asyncio.sleep(100)
        simulator.fail(Fault("deploy_requests", status=500))
        await asyncio.sleep(20 * MINUTE)
        status = polled.status("acme", "shop", 1)
        assert status.operations.ok
        assert status.state == "in_progress"
        assert status.request.value is None
        assert polled.targets() == {"acme": False}


@virtually
async def test_a_finished_one_whose_last_look_fails_goes_stale(loop: VirtualLoop) -> None:
    """When the final values can't be had it is down, and what is old goes after `poll.stale_after` like everything."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", scenario((200, "in_progress"), (FOREVER, "complete")))
    async with polling(loop, simulator, "acme") as polled:
        await asyncio.sleep(150)
        simulator.fail(Fault("operations", status=500))
        await asyncio.sleep(200)
        assert polled.status("acme", "shop", 1).operations.ok is False
        await asyncio.sleep(400)
        assert states(polled) == {"acme/shop/1": "complete"}
        assert not polled.status("acme", "shop", 1).watched
        simulator.heal()
        await asyncio.sleep(301)
        assert polled.status("acme", "shop", 1).watched[0].operation.progress == 100


# -- what vanishes


@pytest.mark.parametrize("target", ["acme", "acme/sh*", "acme/shop"])
@virtually
async def test_a_vanished_database_takes_its_series_with_it(loop: VirtualLoop, target: str) -> None:
    """Gone after `poll.stale_after`; a target that names it stays down, one that found it is well again."""
    simulator = simulated(loop, "shop", "web")
    simulator.add_deploy_request("acme", "shop", "long_copy", age=DAY)
    async with polling(loop, simulator, target) as polled:
        await asyncio.sleep(100)
        simulator.remove_database("acme", "shop")
        await asyncio.sleep(LIMITS.stale_after)
        assert polled.keys() == {"acme/shop/1"}
        await asyncio.sleep(DISCOVERY + 10)
        assert polled.keys() == set()
        await asyncio.sleep(300)
        assert polled.targets() == {target: target != "acme/shop"}


@virtually
async def test_a_vanished_organisation_takes_its_series_with_it(loop: VirtualLoop) -> None:
    """Gone after `poll.stale_after`, its target stays down, others are untouched."""
    simulator = simulated(loop)
    simulator.add_organization("other")
    simulator.add_database("other", "web")
    for organization, database in (("acme", "shop"), ("other", "web")):
        simulator.add_deploy_request(organization, database, "long_copy", age=DAY)
    async with polling(loop, simulator, "acme", "other") as polled:
        await asyncio.sleep(100)
        token = simulator.tokens["acme"]
        simulator.remove_organization("acme")
        simulator.tokens["acme"] = token
        await asyncio.sleep(LIMITS.stale_after + DISCOVERY + 40)
        assert polled.keys() == {"other/web/1"}
        assert polled.targets() == {"acme": False, "other": True}


@virtually
async def test_a_database_that_comes_back_is_found_again(loop: VirtualLoop) -> None:
    """A database that was away from the listing for a while comes back with its deploy requests."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", "long_copy", age=DAY)
    async with polling(loop, simulator, "acme") as polled:
        await asyncio.sleep(100)
        home = simulator.organizations["acme"].pop("shop")
        await asyncio.sleep(120)
        simulator.organizations["acme"]["shop"] = home
        await asyncio.sleep(LIMITS.stale_after + 100)
        assert polled.status("acme", "shop", 1).operations.ok
        del simulator.organizations["acme"]["shop"]
        await asyncio.sleep(LIMITS.stale_after + DISCOVERY + 10)
        assert polled.keys() == set()
        simulator.organizations["acme"]["shop"] = home
        await asyncio.sleep(DISCOVERY)
        assert polled.status("acme", "shop", 1).operations.ok


@virtually
async def test_a_named_database_that_does_not_exist(loop: VirtualLoop) -> None:
    """Its target is down and says what to check; when it is created it is found."""
    simulator = simulated(loop, "web")
    async with polling(loop, simulator, "acme/shop") as polled:
        await asyncio.sleep(HOUR)
        assert polled.targets() == {"acme/shop": False}
        assert "does not exist" in polled.snapshot.targets[0].error
        simulator.add_database("acme", "shop")
        simulator.add_deploy_request("acme", "shop", "long_copy", age=DAY)
        await asyncio.sleep(301)
        assert polled.keys() == {"acme/shop/1"}
        assert polled.targets() == {"acme/shop": True}


# -- targets


def found(polled: Polled) -> set[str]:
    """The databases whose queue was asked for."""
    return {asked.database for asked in polled.simulator.asked("deploy_queue")}


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["acme"], {"shop", "Shop", "shop-eu", "web"}),
        (["acme/shop*"], {"shop", "shop-eu"}),
        (["acme/????"], {"shop", "Shop"}),
        (["acme/*", "!acme/shop*"], {"Shop", "web"}),
        (["acme", "!acme/web"], {"shop", "Shop", "shop-eu"}),
        (["acme/web", "!acme/w?b"], set()),
        (["acme/shop", "!acme"], set()),
        (["acme/Shop"], {"Shop"}),
    ],
)
@virtually
async def test_globs_and_excludes(loop: VirtualLoop, targets: Iterable[str], expected: set[str]) -> None:
    """Globs choose by name, upper and lower case apart; an exclude wins over whatever names or finds a database."""
    async with polling(loop, simulated(loop, "shop", "Shop", "shop-eu", "web"), *targets) as polled:
        await asyncio.sleep(100)
        assert found(polled) == expected


@virtually
async def test_an_excluded_number_in_a_watched_database(loop: VirtualLoop) -> None:
    """An exclude with a number takes that deploy request out of a database that is watched."""
    simulator = simulated(loop)
    for number in range(2):
        simulator.add_deploy_request("acme", "shop", "long_copy", age=DAY, into_branch=f"main-{number}")
    async with polling(loop, simulator, "acme", "!acme/shop/1") as polled:
        await asyncio.sleep(100)
        assert polled.keys() == {"acme/shop/2"}


NAMES = ["a b", "ü", "50%", "a#b", "a?b", "a/b", "a+b", "%2e%2e", "a'b\"", "日本"]


@virtually
async def test_odd_names_from_the_api(loop: VirtualLoop) -> None:
    """Whatever characters a database's name has, it is asked for by exactly that name."""
    simulator = simulated(loop, *NAMES, "..", ".")
    names = [name for name in NAMES if name != "a/b"]
    for name in names:
        simulator.add_deploy_request("acme", name, "long_copy", age=DAY)
    async with polling(loop, simulator, "acme") as polled:
        await asyncio.sleep(100)
        assert polled.keys() == {f"acme/{name}/1" for name in names}
        assert found(polled) >= set(names)
        assert not found(polled) & {".", ".."}


@virtually
async def test_organisations_with_their_own_credentials(loop: VirtualLoop) -> None:
    """Each organisation is asked with its own token; an empty one is well, one without access is down."""
    simulator = simulated(loop)
    for organization in ("empty", "closed", "other"):
        simulator.add_organization(organization)
    simulator.revoke(simulator.tokens["closed"])
    simulator.add_database("other", "shop")
    for organization in ("acme", "other"):
        simulator.add_deploy_request(organization, "shop", "long_copy", age=DAY)
    async with polling(loop, simulator, "acme", "empty", "closed", "other/shop") as polled:
        await asyncio.sleep(100)
        assert polled.targets() == {"acme": True, "empty": True, "closed": False, "other/shop": True}
        assert polled.keys() == {"acme/shop/1", "other/shop/1"}
        assert polled.poller.is_ready


@virtually
async def test_configured_and_discovered_is_one(loop: VirtualLoop) -> None:
    """A numbered target inside a watched database is polled once, as numbered, shown whole, and never expires."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", scenario((600, "in_progress"), (FOREVER, "complete")))
    async with polling(loop, simulator, "acme", "acme/shop", "acme/shop/1", limits=BRIEF) as polled:
        await asyncio.sleep(300)
        (status,) = polled.snapshot.deploy_requests
        assert status.configured
        assert len(simulator.asked("operations")) == pytest.approx(10, abs=1)
        await asyncio.sleep(HOUR / 2)
        assert states(polled) == {"acme/shop/1": "complete"}


@pytest.mark.parametrize("watched", ["acme", "acme/shop"])
@virtually
async def test_a_found_one_becomes_numbered_and_back(loop: VirtualLoop, watched: str) -> None:
    """A reload that names it, or names it no more, keeps its values; without its number it expires like any other."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", scenario((600, "in_progress"), (FOREVER, "complete")))
    async with polling(loop, simulator, watched, limits=BRIEF) as polled:
        await asyncio.sleep(100)
        polled.reload(watched, "acme/shop/1")
        kept = polled.status("acme", "shop", 1)
        assert kept.configured
        assert kept.watched
        await asyncio.sleep(HOUR / 2)
        assert states(polled) == {"acme/shop/1": "complete"}
        polled.reload("acme/shop/1")
        await asyncio.sleep(100)
        assert states(polled) == {"acme/shop/1": "complete"}
        polled.reload(watched)
        await asyncio.sleep(5)
        assert polled.keys() == set()
        assert polled.observer.failures["bug"] == 0


@virtually
async def test_a_numbered_one_goes_on_as_found(loop: VirtualLoop) -> None:
    """A reload from its number to its organisation keeps a copy under way, with its values."""
    simulator = simulated(loop)
    simulator.add_deploy_request("acme", "shop", "long_copy", age=DAY)
    simulator.add_deploy_request("acme", "shop", "ready")
    async with polling(loop, simulator, "acme/shop/1", "acme/shop/2") as polled:
        await asyncio.sleep(100)
        polled.reload("acme")
        assert polled.keys() == {"acme/shop/1"}
        assert polled.status("acme", "shop", 1).watched
        await asyncio.sleep(100)
        assert polled.status("acme", "shop", 1).operations.ok
        assert not polled.status("acme", "shop", 1).configured
        asked = len(simulator.asked("operations"))
        await asyncio.sleep(300)
        assert len(simulator.asked("operations")) == asked


@virtually
async def test_a_database_named_no_more_goes_like_a_found_one(loop: VirtualLoop) -> None:
    """A reload from a database to its organisation: it may vanish from then on without leaving a target down."""
    simulator = simulated(loop, "shop", "web")
    simulator.add_deploy_request("acme", "shop", "long_copy", age=DAY)
    async with polling(loop, simulator, "acme", "acme/shop") as polled:
        await asyncio.sleep(100)
        polled.reload("acme")
        assert polled.keys() == {"acme/shop/1"}
        simulator.remove_database("acme", "shop")
        await asyncio.sleep(LIMITS.stale_after + DISCOVERY + 310)
        assert polled.keys() == set()
        assert polled.targets() == {"acme": True}


@virtually
async def test_two_replicas_share_everything(loop: VirtualLoop) -> None:
    """Each deploy request, numbered or found, is exported by exactly one of the replicas."""
    simulator = simulated(loop, *(f"shop-{number}" for number in range(12)))
    for number in range(12):
        simulator.add_deploy_request("acme", f"shop-{number}", "long_copy", age=DAY)
    targets = ["acme", *(f"acme/shop-{number}/1" for number in range(6))]
    async with (
        polling(loop, simulator, *targets, share=Share(0, 2)) as left,
        polling(loop, simulator, *targets, share=Share(1, 2)) as right,
    ):
        await asyncio.sleep(200)
        assert left.keys() | right.keys() == {f"acme/shop-{number}/1" for number in range(12)}
        assert not left.keys() & right.keys()
        assert len(left.keys()) > 1
        assert len(right.keys()) > 1
        assert left.targets()["acme"] is right.targets()["acme"] is True
        assert left.poller.is_ready
        assert right.poller.is_ready


@virtually
async def test_a_database_that_is_gone_does_not_come_back_with_a_reload(loop: VirtualLoop) -> None:
    """A number in it that is no target any more says nothing of the database: it is not asked about."""
    async with polling(loop, simulated(loop, "shop"), "acme", "acme/gone/1") as polled:
        await asyncio.sleep(HOUR)
        polled.reload("acme")
        await asyncio.sleep(TIMING.interval + 1)
        assert polled.targets() == {"acme": True}
        assert [status.database for status in polled.snapshot.databases] == ["shop"]
        assert polled.keys() == set()
