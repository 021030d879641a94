"""Every scenario, from the simulated API to the text that Prometheus scrapes, byte for byte.

`python tests/test_golden.py` writes the texts anew; look at each change before it is committed.
"""

import asyncio
from pathlib import Path

import pytest
from polled import clock, polling
from prometheus_client import CollectorRegistry
from virtual import VirtualLoop, run

from exporter.metrics.exposition import Exposition
from exporter.polling.snapshot import Snapshot
from exporter.simulator import SCENARIOS, Scenario, Simulator

FOLDER = Path(__file__).parent / "golden" / "scenarios"

# Where the last step tells the story; of the others the longest does.
LAST_TELLS = {
    "pending", "ready", "no_changes", "queued", "queue_paused", "cancelled", "lint_failed", "instant", "finished",
    "failed", "reverted", "revert_failed", "cancelled_copy",
}  # fmt: skip


def moment(name: str, scenario: Scenario) -> float:
    """Seconds of the plot at which to look."""
    if name == "cutover_expiring":
        return scenario.length - 3600
    if name in LAST_TELLS:
        return scenario.length + 300
    longest = max(scenario.steps[:-1], key=lambda step: step.lasts)
    before = sum(step.lasts for step in scenario.steps[: scenario.steps.index(longest)])
    return before + longest.lasts * 0.6


def text(name: str) -> str:
    """What is exported of a deploy request that is watched for two minutes."""

    async def watch(loop: VirtualLoop) -> Snapshot:
        simulator = Simulator(clock(loop).time)
        simulator.add_organization("acme")
        simulator.add_database("acme", "shop")
        simulator.add_deploy_request("acme", "shop", name, age=moment(name, SCENARIOS[name]))
        async with polling(loop, simulator, "acme/shop/1") as polled:
            await asyncio.sleep(120)
            assert not polled.observer.failures
            return polled.snapshot

    page = Exposition(CollectorRegistry(), ddl=True).render(run(watch), "", "", ())
    return "".join(line for line in page.body.decode().splitlines(keepends=True) if not line.startswith("#"))


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_exported_as_agreed(name: str) -> None:
    """Nothing that PlanetScale says is lost, and nothing that it does not say is made up."""
    assert text(name) == (FOLDER / f"{name}.prom").read_text(encoding="utf-8")


def test_no_text_is_left_over() -> None:
    """Every text belongs to a scenario."""
    assert {path.stem for path in FOLDER.iterdir()} == set(SCENARIOS)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for each in SCENARIOS:
        (FOLDER / f"{each}.prom").write_text(text(each), encoding="utf-8")
