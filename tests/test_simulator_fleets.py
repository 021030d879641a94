"""The ready-made fleets: the demo that plays for ever, and the large one."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

from simulated import asking, unix

from exporter.simulator import SCENARIOS, SimulatedClock, demo_fleet, large_fleet
from exporter.simulator.fleets import DEMO

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


class Demo:
    """The demo's fleet on a clock, and everything its deploy requests show."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.clock = SimulatedClock()
        self.fleet = demo_fleet(self.clock)
        self.stack, self.askers = stack, dict[str, Any]()

    async def shown(self, **query: Any) -> list[Any]:
        """All deploy requests of all organisations."""
        found = []
        for organization, homes in self.fleet.organizations.items():
            if organization not in self.askers:
                self.askers[organization] = await self.stack.enter_async_context(asking(self.fleet, organization))
            for name in [name for name, home in homes.items() if home.kind == "mysql"]:
                page = await self.askers[organization].get(f"/{name}/deploy-requests", per_page=100, **query)
                assert page["next_page"] is None
                found += page["data"]
        return found


def troubles(requests: list[Any], now: float) -> Iterator[str]:
    """What can be seen to be going on in open deploy requests."""
    for request in requests:
        deployment = request["deployment"]
        if deployment["state"] == "queued":
            yield "queued"
        if deployment["state"] == "pending_cutover" and not deployment["auto_cutover"]:
            yield "gated"
        for row in deployment["deploy_operations"]:
            if row["state"] == "error":
                yield "failed"
            if row["state"] == "in_progress" and (row["progress_percentage"] or 0) < 99:
                silent = now - unix(row["updated_at"])
                throttled = row.get("throttled_at") and now - unix(row["throttled_at"]) < 2 * MINUTE
                yield "throttled" if throttled else "stalled" if silent > 30 * MINUTE else "moving"
            if row["state"] == "in_progress" and row["progress_percentage"] == 99:
                yield "tail"


async def test_demo_tells_the_time_left_in_both_ways() -> None:
    """Of what runs in the demo some ETAs follow from the whole percentage, others are finer."""
    async with AsyncExitStack() as stack:
        demo = Demo(stack)
        kinds = Counter[bool]()
        for _ in range(30):
            demo.clock.advance(MINUTE)
            for request in await demo.shown(state="open"):
                for row in request["deployment"]["deploy_operations"]:
                    if row["state"] == "in_progress" and row["eta_seconds"] and row["progress_percentage"]:
                        elapsed = unix(row["updated_at"]) - unix(row["created_at"])
                        whole = elapsed * (100 / row["progress_percentage"] - 1)
                        kinds[abs(row["eta_seconds"] - whole) <= 2] += 1
    assert kinds[True] > kinds[False] > 30


async def test_demo_always_has_something_of_everything() -> None:
    """At any time something moves, fails, is throttled, stalled, gated, queued or at 99 %, in 20 to 40 requests."""
    async with AsyncExitStack() as stack:
        demo = Demo(stack)
        start = demo.clock.now()
        for sample in range(60):
            demo.clock.set(start + sample * 29 * MINUTE + 1)
            requests = await demo.shown(state="open")
            seen = set(troubles(requests, demo.clock.now()))
            assert seen == {"moving", "failed", "throttled", "stalled", "gated", "queued", "tail"}, sample
            assert 18 <= len(requests) <= 40


async def test_demo_fails_within_a_minute_and_again() -> None:
    """A running operation fails within the first minute, and another under a new number each twenty minutes."""
    async with AsyncExitStack() as stack:
        demo = Demo(stack)
        before = {row["id"] for request in await demo.shown() for row in failed(request)}
        numbers = []
        demo.clock.advance(MINUTE)
        for _ in range(3):
            numbers += [
                request["number"]
                for request in await demo.shown(state="open")
                for row in failed(request)
                if row["id"] not in before and "billing" in request["html_url"]
            ]
            demo.clock.advance(20 * MINUTE)
        assert numbers == [1, 4, 7]


def failed(request: Any) -> list[Any]:
    """The failed operations of a deploy request."""
    return [row for row in request["deployment"]["deploy_operations"] if row["state"] == "error"]


async def test_demo_keeps_to_the_clock() -> None:
    """No time stamp lies in the future, and a copy that plays fast ends about when its ETA said, by the clock."""
    async with AsyncExitStack() as stack:
        demo = Demo(stack)
        for _ in range(20):
            demo.clock.advance(7 * MINUTE)
            for request in await demo.shown():
                things = [request, request["deployment"], *request["deployment"]["deploy_operations"]]
                stamps = [
                    unix(thing[name]) for thing in things for name in thing if name.endswith("_at") and thing[name]
                ]
                assert max(stamps) <= demo.clock.now() + 0.001
        while not (copying := [row async for row in rows(demo, "shop") if (row["progress_percentage"] or 0) > 60]):
            demo.clock.advance(MINUTE)
        demo.clock.advance(copying[0]["eta_seconds"] * 0.75)
        (later,) = [row async for row in rows(demo, "shop") if row["id"] == copying[0]["id"]]
        assert later["progress_percentage"] >= 80


async def rows(demo: Demo, database: str) -> AsyncIterator[Any]:
    """The operations of a database's open deploy requests that are being copied."""
    for request in await demo.shown(state="open"):
        if f"/{database}/" in request["html_url"]:
            for row in request["deployment"]["deploy_operations"]:
                if row["state"] == "in_progress":
                    yield row


async def test_demo_never_grows() -> None:
    """After a month the demo lists no more than after its first hours, under higher numbers."""
    async with AsyncExitStack() as stack:
        demo = Demo(stack)
        demo.clock.advance(DAY)
        early = len(await demo.shown())
        demo.clock.advance(30 * DAY)
        late = await demo.shown()
        assert early / 1.5 < len(late) < early * 1.5
        assert max(request["number"] for request in late) > 10_000
        assert len(demo.fleet.requests) <= 1000


async def test_demo_closes_what_its_turns_leave() -> None:
    """A deploy request of an earlier turn is closed and in a state in which nothing happens any more."""
    async with AsyncExitStack() as stack:
        demo = Demo(stack)
        demo.clock.advance(DAY)
        closed = await demo.shown(state="closed")
        assert len(closed) > 30
        for request in closed:
            assert not request["deployment_state"].startswith(("in_progress", "queued", "pending_", "submitting"))


def test_demo_plays_all_scenarios() -> None:
    """Four organisations and twelve databases, one of them Postgres, play each scenario somewhere."""
    fleet = demo_fleet(SimulatedClock())
    homes = [home for organization in fleet.organizations.values() for home in organization.values()]
    assert (len(fleet.organizations), len(homes)) == (4, 12)
    assert Counter(home.kind for home in homes) == {"mysql": 11, "postgresql": 1}
    assert {role.scenario for _, roles in DEMO.values() for role in roles} == SCENARIOS.keys()


async def test_large_fleet_runs_all_at_once() -> None:
    """Each database of the large fleet runs two deployments, in the serial and the parallel lane, all copying."""
    fleet = large_fleet(SimulatedClock(), databases=20, deploy_requests=40, operations=3)
    fleet.requests_per_minute = 1000
    async with asking(fleet, "large") as large:
        names = [database["name"] for database in (await large.get(per_page=100))["data"]]
        assert len(names) == 20
        for name in names:
            queue = (await large.get(f"/{name}/deploy-queue"))["data"]
            assert {entry["strategy"] for entry in queue} == {"serial", "parallel"}
            for entry in queue:
                assert [row["state"] for row in entry["deploy_operations"]] == ["in_progress"] * 3


async def test_large_fleet_has_a_queue_for_every_two() -> None:
    """Every further two deploy requests of a database have a branch, and so a queue, of their own."""
    fleet = large_fleet(SimulatedClock(), databases=3, deploy_requests=9, operations=1)
    async with asking(fleet, "large") as large:
        queue = (await large.get("/database-0000/deploy-queue"))["data"]
        assert sorted(entry["into_branch"] for entry in queue) == ["main", "main", "main-2"]
        assert all(entry["state"] == "in_progress" for entry in queue)
