"""From what goes wrong at PlanetScale to the message that somebody gets, and back, through the shipped files."""

import time
from pathlib import Path

import pytest
from alerted import ARGV, GENERATIONS, HOUR, Measure, acme, nobody_was_told_twice, opened
from monitoring import FindProgram, monitoring
from processes import CREDENTIAL, LOGIN, exporting, planetscale

from exporter.simulator import Fault

pytestmark = pytest.mark.real


@GENERATIONS
async def test_a_failed_operation_pages_once_and_resolves(
    program: FindProgram, tmp_path: Path, record_property: Measure, *, newer: bool
) -> None:
    """The page names the table, the severity and the runbook; closing the deploy request ends it."""
    simulator = acme()
    async with (
        planetscale(simulator) as api,
        exporting(*ARGV, f"--api.url={api.url}", **LOGIN) as exporter,
        monitoring(program, tmp_path, exporter.port, newer=newer) as run,
    ):
        database = opened(simulator, "failed", "complete_error", -3)
        fails_at = time.time() + 3
        page = await run.page("PlanetScaleDeployOperationErrored", database=database)
        record_property("seconds from failure to page", round(page.at - fails_at, 1))
        (alert,) = (each for each in page.body["alerts"] if "Errored" in each["labels"]["alertname"])
        assert alert["labels"] == {
            "alertname": "PlanetScaleDeployOperationErrored",
            "severity": "critical",
            "organization": "acme",
            "database": database,
            "deploy_request": "1",
        }
        assert f"`ALTER` on {database}.customers" in alert["annotations"]["description"]
        assert alert["annotations"]["runbook_url"].endswith("/PlanetScaleDeployOperationErrored.md")
        assert f"var-database={database}" in alert["annotations"]["dashboard_url"]
        await run.chat(f"CRITICAL: acme/{database} deploy request #1")
        await run.mutes("PlanetScaleDeployQueueBlocked", "critical", database=database)
        simulator.close_deploy_request("acme", database, 1)
        closed_at = time.time()
        page = await run.page("PlanetScaleDeployOperationErrored", "resolved", database=database)
        record_property("seconds from closed to resolved", round(page.at - closed_at, 1))
        await run.chat(f"RESOLVED: acme/{database} deploy request #1")
        nobody_was_told_twice(run)


@GENERATIONS
async def test_an_exporter_that_loses_the_api(
    program: FindProgram, tmp_path: Path, record_property: Measure, *, newer: bool
) -> None:
    """What was running pages and speaks for the rest; refused credentials page and mute what follows from them."""
    simulator = acme()
    async with (
        planetscale(simulator) as api,
        exporting(*ARGV, f"--api.url={api.url}", **LOGIN) as exporter,
        monitoring(program, tmp_path, exporter.port, newer=newer) as run,
    ):
        running = opened(simulator, "long_copy", "in_progress", HOUR, pace=1000)
        reverting = opened(simulator, "revert_window", "complete_pending_revert", 60)
        await run.chat(f"INFO: acme/{reverting} deploy request #1 - A schema change is live")
        await run.finds(f'planetscale_deploy_operation_state{{database="{running}",state="in_progress"}} == 1')
        lost_at = time.time()
        simulator.fail(Fault(status=503))
        page = await run.page("PlanetScaleExporterPollStale", severity="critical", database=running)
        record_property("seconds from lost to page", round(page.at - lost_at, 1))
        await run.mutes("PlanetScaleExporterPollStale", "warning", database=running)
        await run.mutes("PlanetScaleExporterPollStale", "warning", database=reverting)
        await run.mutes("PlanetScaleExporterTargetDown", "warning", target="acme")
        simulator.heal()
        await run.page("PlanetScaleExporterPollStale", "resolved", database=running)
        told = len(run.messages)
        simulator.revoke(CREDENTIAL)
        await run.page("PlanetScaleExporterAuthFailed", severity="critical")
        await run.mutes("PlanetScaleExporterTargetDown", "warning", target="acme")
        await run.mutes("PlanetScaleExporterPollStale", "warning", database=reverting)
        simulator.grant(CREDENTIAL, "acme")
        await run.page("PlanetScaleExporterAuthFailed", "resolved")
        assert not [each for each in run.messages[told:] if "polled" in each.title or "target" in each.title], (
            run.tell()
        )
