"""What the named scenarios show as their plots go on."""

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from simulated import Asker, asking, unix

from exporter.simulator import SCENARIOS, Scenario, SimulatedClock, Simulator, Step

MINUTE, HOUR = 60.0, 3600.0
SHOP = "/shop/deploy-requests"
STATES = {
    *("pending", "ready", "no_changes", "queued", "submitting", "cancelled", "error"),
    *("in_progress", "in_progress_vschema", "in_progress_cutover", "in_progress_cancel", "pending_cutover"),
    *("complete", "complete_cancel", "complete_error", "complete_pending_revert"),
    *("in_progress_revert", "in_progress_revert_vschema", "complete_revert", "complete_revert_error"),
}


class Stage:
    """A database in which scenarios are played, and its clock."""

    def __init__(self, simulator: Simulator, clock: SimulatedClock, asker: Asker) -> None:
        self.simulator, self.clock, self.asker = simulator, clock, asker

    def play(self, scenario: str | Scenario, state: str = "", later: float = 0.0, **how: Any) -> int:
        """Add a deploy request that is *later* seconds into its first step in *state*."""
        plot = SCENARIOS[scenario] if isinstance(scenario, str) else scenario
        age = (plot.begins(state) if state else 0.0) + later
        return self.simulator.add_deploy_request("acme", "shop", scenario, age=age, **how)

    async def deploy_request(self, number: int = 1) -> Any:
        """The deploy request as it is now."""
        return await self.asker.get(f"{SHOP}/{number}")

    async def state(self, number: int = 1) -> Any:
        """Its deployment state now."""
        return (await self.deploy_request(number))["deployment_state"]

    async def rows(self, number: int = 1) -> Any:
        """Its operations as they are now."""
        return (await self.asker.get(f"{SHOP}/{number}/operations"))["data"]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Give an empty database on a clock that stands still."""
    clock = SimulatedClock()
    simulator = Simulator(clock, requests_per_minute=100_000)
    simulator.add_organization("acme")
    simulator.add_database("acme", "shop")
    async with asking(simulator) as asker:
        yield Stage(simulator, clock, asker)


async def test_all_deployment_states_are_played(stage: Stage) -> None:
    """Between them the scenarios show each of the API's twenty deployment states."""
    shown: set[str] = set()
    for scenario in SCENARIOS.values():
        for state in {step.state for step in scenario.steps}:
            number = stage.play(scenario, state, into_branch=f"{state}-{len(shown)}")
            shown.add(await stage.state(number))
            stage.simulator.delete_deploy_request("acme", "shop", number)
    assert shown == STATES


async def test_copy_is_refreshed_every_minute_or_so_in_whole_percents(stage: Stage) -> None:
    """Progress is a whole number, and nothing about a copy changes but every 60 to 90 seconds."""
    stage.play("long_copy", "in_progress", 30 * HOUR)
    seen = []
    for _ in range(120):
        stage.clock.advance(5)
        (row,) = await stage.rows()
        assert isinstance(row["progress_percentage"], int)
        seen.append(row["updated_at"])
    refreshed = sorted(unix(stamp) for stamp in set(seen))
    assert len(refreshed) >= 6
    assert all(60 <= later - earlier <= 90 for earlier, later in pairwise(refreshed))


async def test_eta_tells_when_the_copy_ends(stage: Stage) -> None:
    """Halfway through a steady copy the ETA is the time that is left, to within a few percent."""
    stage.play("long_copy", "in_progress", 36 * HOUR)
    (row,) = await stage.rows()
    assert row["progress_percentage"] in {49, 50}
    assert row["eta_seconds"] == pytest.approx(36 * HOUR, rel=0.05)


async def test_eta_rises_between_two_percents_unless_it_is_finer(stage: Stage) -> None:
    """Where it follows from the whole percentage the ETA rises until the next one, as in a stall; a finer one falls."""
    rises = []
    for fine in (False, True):
        number = stage.play(
            replace(SCENARIOS["long_copy"], fine_eta=fine), "in_progress", 36.2 * HOUR, into_branch=str(fine)
        )
        (before,) = await stage.rows(number)
        stage.clock.advance(10 * MINUTE)
        (after,) = await stage.rows(number)
        assert before["progress_percentage"] == after["progress_percentage"] == 50
        rises.append(after["eta_seconds"] - before["eta_seconds"])
    assert rises == [pytest.approx(10 * MINUTE, abs=90), pytest.approx(-10 * MINUTE, abs=90)]


async def test_an_uneven_copy_pauses_and_comes_to_its_end_in_time(stage: Stage) -> None:
    """A copy like a real one never goes back, stands still at times, and ends when a steady one would."""
    stage.play(replace(SCENARIOS["long_copy"], uneven=True), "in_progress")
    seen = []
    for _ in range(72):
        seen.append((await stage.rows())[0]["progress_percentage"])
        stage.clock.advance(HOUR)
    steps = [later - earlier for earlier, later in pairwise(seen)]
    assert (seen[0], min(steps)) == (0, 0)
    assert max(steps) >= 2
    assert seen[-1] >= 97
    stage.clock.advance(MINUTE)
    assert await stage.state() == "complete_pending_revert"


async def test_eta_is_null_before_the_first_percent(stage: Stage) -> None:
    """A copy that has just begun has no ETA."""
    stage.play("long_copy", "in_progress")
    (row,) = await stage.rows()
    assert (row["progress_percentage"], row["eta_seconds"], row["throttled_at"]) == (0, None, None)


async def test_pace_shortens_the_plot_and_keeps_the_clock(stage: Stage) -> None:
    """Played a hundred times as fast, a copy of three days has an ETA of minutes, and stamps are the clock's."""
    stage.play("long_copy", "in_progress", 36 * HOUR, pace=100)
    (row,) = await stage.rows()
    assert row["eta_seconds"] == pytest.approx(36 * HOUR / 100, rel=0.05)
    assert unix(row["created_at"]) == pytest.approx(stage.clock.now() - 36 * HOUR / 100, abs=1)
    assert 0 <= stage.clock.now() - unix(row["updated_at"]) < 1
    stage.clock.advance(36 * HOUR / 100 + 1)
    assert await stage.state() == "complete_pending_revert"


async def test_throttled_stamp_moves_while_throttled_and_then_stays(stage: Stage) -> None:
    """`throttled_at` is the last time of throttling: it moves on during it and stands still after."""
    stage.play("throttled", "in_progress", HOUR + 10 * MINUTE)
    first = (await stage.rows())[0]["throttled_at"]
    stage.clock.advance(10 * MINUTE)
    second = (await stage.rows())[0]["throttled_at"]
    assert unix(second) > unix(first)
    stage.clock.advance(13 * HOUR)
    after = (await stage.rows())[0]["throttled_at"]
    stage.clock.advance(HOUR)
    assert (await stage.rows())[0]["throttled_at"] == after
    throttler = await stage.asker.get(f"{SHOP}/1/throttler")
    assert throttler["configurations"] == [{"keyspace_name": "shop", "ratio": 85}]


async def test_stalled_copy_is_silent_until_it_is_given_up(stage: Stage) -> None:
    """A stalled copy shows the same row for three hours, then Vitess fails it with a reason."""
    stage.play("stalled", "in_progress", 2 * HOUR)
    before = await stage.rows()
    assert before[0]["progress_percentage"] == 41
    stage.clock.advance(3 * HOUR - 1)
    assert await stage.rows() == before
    stage.clock.advance(2)
    (row,) = await stage.rows()
    assert row["state"] == "error"
    assert "no sign of life" in row["deploy_errors"]
    assert (await stage.asker.get(f"{SHOP}/1/storage-check"))["enough_storage"] is False


async def test_first_failure_stops_what_follows(stage: Stage) -> None:
    """A failed table has error text and a link to its documentation, and the next table is cancelled."""
    stage.play("failed", "complete_error")
    failed, cancelled = await stage.rows()
    assert (failed["state"], cancelled["state"]) == ("error", "cancelled")
    assert failed["deploy_errors"].startswith("Duplicate entry")
    assert failed["deploy_error_docs_url"].startswith("https://")
    assert cancelled["deploy_errors"] == ""
    assert (await stage.deploy_request())["state"] == "open"


@pytest.mark.parametrize("state", ["pending", "ready", "queued", "submitting", "error"])
async def test_nothing_is_listed_before_the_copy_begins(stage: Stage, state: str) -> None:
    """Until a deployment runs, and when it fails its lint checks, it has no operations."""
    stage.play("lint_failed", state)
    assert await stage.state() == state
    assert await stage.rows() == []


async def test_lint_failure_is_told(stage: Stage) -> None:
    """A deployment that fails its lint checks says why and is not deployable."""
    stage.play("lint_failed", "error")
    deployment = await stage.asker.get(f"{SHOP}/1/deployment")
    assert deployment["deployable"] is False
    assert deployment["lint_errors"]
    assert "unique key" in deployment["deploy_check_errors"]


async def test_gated_deployment_waits_and_holds_the_queue(stage: Stage) -> None:
    """A gated deployment stops before its cutover for hours, and what is behind it stays queued."""
    stage.play("gated", "pending_cutover")
    stage.play("cutover", "queued")
    stage.clock.advance(20 * HOUR)
    deployment = (await stage.deploy_request())["deployment"]
    assert (deployment["state"], deployment["auto_cutover"]) == ("pending_cutover", False)
    assert unix(deployment["ready_to_cutover_at"]) == stage.clock.now() - 20 * HOUR
    waiting = (await stage.deploy_request(2))["deployment"]
    assert waiting["state"] == "queued"
    assert [ahead["deploy_request_number"] for ahead in waiting["preceding_deployments"]] == [1]


async def test_forgotten_cutover_expires(stage: Stage) -> None:
    """A gated copy that nobody applies is said to expire and is then thrown away."""
    plot = SCENARIOS["cutover_expiring"]
    stage.play("cutover_expiring", "complete_cancel", -HOUR)
    assert (await stage.deploy_request())["deployment"]["cutover_expiring"] is True
    stage.clock.advance(HOUR)
    assert await stage.state() == plot.steps[-1].state == "complete_cancel"
    assert {row["state"] for row in await stage.rows()} == {"cancelled"}


async def test_blocked_cutover_locks_and_is_forced(stage: Stage) -> None:
    """A blocked cutover keeps the table locked for an hour, then it is forced and goes through."""
    stage.play("cutover_blocked", "in_progress_cutover", 59 * MINUTE)
    deployment = (await stage.deploy_request())["deployment"]
    assert (deployment["state"], deployment["table_locked"]) == ("in_progress_cutover", True)
    assert (deployment["locked_table_name"], deployment["force_cutover_requested_at"]) == ("orders", None)
    assert (await stage.rows())[0]["table_locked"] is True
    stage.clock.advance(90)
    assert (await stage.deploy_request())["deployment"]["force_cutover_requested_at"] is not None
    stage.clock.advance(60)
    assert await stage.state() == "complete_pending_revert"
    assert (await stage.rows())[0]["table_locked"] is False


async def test_failover_falls_back(stage: Stage) -> None:
    """A failover is silent for minutes at 90 % and then begins anew."""
    stage.play("failover", "in_progress", 9 * HOUR)
    silent = await stage.rows()
    stage.clock.advance(8.9 * MINUTE)
    assert await stage.rows() == silent
    assert silent[0]["progress_percentage"] == 90
    stage.clock.advance(3 * MINUTE)
    (row,) = await stage.rows()
    assert (row["state"], row["progress_percentage"]) == ("in_progress", 0)


async def test_shards_differ_only_by_id(stage: Stage) -> None:
    """A table's shards share all names, progress unevenly, and the summary lists them under the same ids."""
    stage.play("sharded", "in_progress", HOUR)
    rows = [row for row in await stage.rows() if row["table_name"] == "events"]
    assert len({row["id"] for row in rows}) == 4
    assert len({(row["keyspace_name"], row["table_name"], row["operation_name"]) for row in rows}) == 1
    assert len({row["progress_percentage"] for row in rows}) == 4
    summary, _ = (await stage.deploy_request())["deployment"]["deploy_operation_summaries"]
    assert summary["shard_names"] == [shard["shard"] for shard in summary["operations"]]
    assert [shard["id"] for shard in summary["operations"]] == [row["id"] for row in rows]
    assert [shard["eta_seconds"] for shard in summary["operations"]] == [row["eta_seconds"] for row in rows]


async def test_operations_can_stand_in_summaries_or_rows_only(stage: Stage) -> None:
    """One of the two lists may be empty while the other tells all."""
    stage.play("sharded_in_summaries", "in_progress", HOUR)
    stage.play("operations_only", "in_progress", HOUR, into_branch="other")
    first, second = [(await stage.deploy_request(number))["deployment"] for number in (1, 2)]
    assert (first["deploy_operations"], await stage.rows(1)) == ([], [])
    assert len(first["deploy_operation_summaries"]) == 2
    assert len(second["deploy_operations"]) == len(await stage.rows(2)) == 8
    assert second["deploy_operation_summaries"] == []


async def test_drop_of_a_table_in_use_waits_its_turn(stage: Stage) -> None:
    """A table about to be dropped is queued behind a copy and was used within the last minutes."""
    stage.play("drop_in_use", "in_progress", HOUR)
    _, drop = await stage.rows()
    assert (drop["state"], drop["operation_name"], drop["progress_percentage"]) == ("queued", "DROP", None)
    assert (drop["can_drop_data"], drop["table_recently_used"]) == (True, True)
    assert stage.clock.now() - unix(drop["table_recently_used_at"]) < 5 * MINUTE


async def test_estimates_of_rows_can_be_wrong(stage: Stage) -> None:
    """One copy ends at 75 %, another stays at 99 % for hours."""
    stage.play("early_finish", "in_progress_cutover", -MINUTE)
    assert (await stage.rows(1))[0]["progress_percentage"] <= 75
    stage.play("long_tail", "in_progress", 5 * HOUR, into_branch="other")
    stage.clock.advance(6 * HOUR)
    assert (await stage.rows(1))[0]["state"] == "complete"
    assert (await stage.rows(2))[0]["progress_percentage"] == 99


async def test_revert_window_ends_complete(stage: Stage) -> None:
    """After half an hour in which it could be reverted a deployment is complete, finished when it was cut over."""
    stage.play("revert_window", "complete_pending_revert", 29 * MINUTE)
    open_window = await stage.deploy_request()
    stage.clock.advance(2 * MINUTE)
    done = await stage.deploy_request()
    assert (open_window["deployment_state"], open_window["state"]) == ("complete_pending_revert", "open")
    assert (done["deployment_state"], done["state"]) == ("complete", "closed")
    assert done["deployment"]["finished_at"] == open_window["deployment"]["finished_at"] == done["deployed_at"]


async def test_reverts_succeed_or_block(stage: Stage) -> None:
    """A revert ends in `complete_revert`; one that fails stays open and blocks the queue."""
    stage.play("reverted", "in_progress_revert")
    stage.play("revert_failed", "in_progress_revert", into_branch="other")
    stage.play("cutover", "queued", into_branch="other")
    stage.clock.advance(5 * MINUTE)
    assert [await stage.state(number) for number in (1, 2, 3)] == ["complete_revert", "complete_revert_error", "queued"]
    stage.clock.advance(24 * HOUR)
    assert await stage.state(3) == "queued"
    stage.simulator.close_deploy_request("acme", "shop", 2)
    stage.clock.advance(5 * MINUTE)
    assert await stage.state(3) == "in_progress"


async def test_serial_queue_runs_one_after_the_other(stage: Stage) -> None:
    """In the serial lane of a branch one deployment runs at a time, in the order they were queued."""
    for delay in (0, 1, 2):
        stage.play("revert_window", "queued", delay=delay)
    order = []
    for _ in range(200):
        stage.clock.advance(MINUTE)
        queue = (await stage.asker.get("/shop/deploy-queue"))["data"]
        assert [len(entry["preceding_deployments"]) for entry in queue] == list(range(len(queue)))
        assert all(entry["state"] == "queued" for entry in queue[1:])
        order += [entry["deploy_request_number"] for entry in queue[:1]]
    assert sorted(order) == order
    assert set(order) == {1, 2, 3}
    assert (await stage.asker.get("/shop/deploy-queue"))["data"] == []


async def test_parallel_lane_runs_beside_the_serial_one(stage: Stage) -> None:
    """A deployment in the parallel lane does not wait for the serial queue."""
    stage.play("long_copy", "queued")
    stage.play("parallel", "queued")
    stage.clock.advance(HOUR)
    queue = (await stage.asker.get("/shop/deploy-queue"))["data"]
    assert [(entry["state"], entry["strategy"]) for entry in queue] == [
        ("in_progress", "serial"),
        ("in_progress", "parallel"),
    ]


async def test_paused_queue_says_why(stage: Stage) -> None:
    """A deployment in a paused queue stays queued and gives the reason."""
    stage.play("queue_paused", "queued", 24 * HOUR)
    deployment = (await stage.deploy_request())["deployment"]
    assert (deployment["state"], deployment["queue_paused"]) == ("queued", True)
    assert "resized" in deployment["queue_pause_reason"]


async def test_older_answers_leave_fields_out(stage: Stage) -> None:
    """Older answers have no throttling, lock and foreign-key fields at all."""
    stage.play("older_answers", "in_progress", HOUR)
    (row,) = await stage.rows()
    assert not {"throttled_at", "table_locked", "removed_foreign_key_names"} & row.keys()


async def test_instant_and_finished_ones_are_done(stage: Stage) -> None:
    """Instant DDL takes seconds and has no revert window; a finished deploy request is closed with complete rows."""
    stage.play("instant", "in_progress")
    assert (await stage.deploy_request(1))["deployment"]["instant_ddl"] is True
    stage.play("finished")
    stage.clock.advance(10)
    assert [await stage.state(number) for number in (1, 2)] == ["complete", "complete"]
    assert {(row["state"], row["progress_percentage"], row["eta_seconds"]) for row in await stage.rows(2)} == {
        ("complete", 100, 0)
    }
    assert (await stage.deploy_request(2))["state"] == "closed"


@pytest.mark.parametrize(
    ("scenario", "state", "closed_as", "operations"),
    [
        ("queued", "queued", "cancelled", set()),
        ("long_copy", "in_progress", "complete_cancel", {"cancelled"}),
        ("gated", "pending_cutover", "complete_cancel", {"cancelled"}),
        ("revert_window", "complete_pending_revert", "complete", {"complete"}),
        ("failed", "complete_error", "complete_error", {"error", "cancelled"}),
        ("ready", "ready", "ready", set()),
    ],
)
async def test_closing_ends_what_runs(
    stage: Stage, scenario: str, state: str, closed_as: str, operations: set[str]
) -> None:
    """Closing a deploy request cancels what is queued or runs and leaves what has ended as it is."""
    stage.play(scenario, state, MINUTE)
    stage.simulator.close_deploy_request("acme", "shop", 1)
    closed = stage.clock.now()
    stage.clock.advance(24 * HOUR)
    request = await stage.deploy_request()
    assert (request["state"], request["deployment_state"]) == ("closed", closed_as)
    assert unix(request["closed_at"]) == closed
    assert {row["state"] for row in await stage.rows()} == operations


async def test_the_same_moment_always_looks_the_same(stage: Stage) -> None:
    """What is shown depends on the time alone: turned back, the clock shows the same answers again."""
    stage.play("sharded", "in_progress")
    moments = [stage.clock.now() + later for later in (0, HOUR, 4 * HOUR, 6 * HOUR)]
    first: list[Any] = []
    again: list[Any] = []
    for answers, order in ((first, moments), (again, moments[::-1])):
        for moment in order:
            stage.clock.set(moment)
            answers.append(await stage.deploy_request())
    assert again[::-1] == first


def test_a_plot_ends_with_a_step_that_lasts() -> None:
    """A scenario whose last step ends, or in which another never does, is refused."""
    plot = SCENARIOS["long_copy"]
    with pytest.raises(ValueError, match="lasts for ever"):
        replace(plot, steps=plot.steps[:-1])
    with pytest.raises(ValueError, match="lasts for ever"):
        replace(plot, steps=(*plot.steps, Step(1, "complete")))


def test_a_scenario_knows_when_its_states_begin() -> None:
    """Where a state comes in a plot is told in its seconds, and a state that never comes is an error."""
    plot = SCENARIOS["revert_window"]
    assert plot.begins("pending") == 0
    assert plot.begins("complete") - plot.begins("complete_pending_revert") == 30 * MINUTE
    with pytest.raises(KeyError):
        plot.begins("complete_cancel")
