"""Deploy requests that stand still, and who is told how urgently: through the shipped files, with real programs."""

import time
from pathlib import Path

import pytest
from alerted import ARGV, GENERATIONS, HOUR, Measure, acme, nobody_was_told_twice, opened
from monitoring import FindProgram, monitoring
from processes import LOGIN, exporting, planetscale

pytestmark = pytest.mark.real


@GENERATIONS
async def test_what_stands_still_is_told_by_how_bad_it_is(
    program: FindProgram, tmp_path: Path, record_property: Measure, *, newer: bool
) -> None:
    """Stalled and throttled are tickets, a longer stall pages and mutes the ticket, gated is for information."""
    simulator = acme()
    async with (
        planetscale(simulator) as api,
        exporting(*ARGV, f"--api.url={api.url}", **LOGIN) as exporter,
        monitoring(program, tmp_path, exporter.port, newer=newer) as run,
    ):
        opened_at = time.time()
        moving = opened(simulator, "long_copy", "in_progress", HOUR, pace=1000)
        stuck = opened(simulator, "stalled", "in_progress", 2 * HOUR + 150 * 60)
        throttled = opened(simulator, "throttled", "in_progress", 3 * HOUR)
        gated = opened(simulator, "gated", "pending_cutover", 5 * HOUR)
        labels = {"database": stuck, "table": "events", "deploy_request": "1"}
        await run.chat(f"WARNING: acme/{stuck} deploy request #1 - A schema change makes no progress")
        page = await run.page("PlanetScaleDeployOperationStalled", severity="critical", **labels)
        record_property("seconds from stall to page", round(page.at - opened_at, 1))
        await run.mutes("PlanetScaleDeployOperationStalled", "warning", **labels)
        for title in (
            f"WARNING: acme/{throttled} deploy request #1 - A schema change has been throttled",
            f"INFO: acme/{gated} deploy request #1 - A gated deploy request waits",
        ):
            await run.chat(title)
        for database in (stuck, throttled):
            simulator.close_deploy_request("acme", database, 1)
        await run.page("PlanetScaleDeployOperationStalled", "resolved", **labels)
        for database in (stuck, throttled):
            await run.chat(f"RESOLVED: acme/{database} deploy request #1")
        assert not [each for each in run.messages if moving in str(each)], run.tell()
        nobody_was_told_twice(run)
