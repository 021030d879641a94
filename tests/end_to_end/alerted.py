"""What tests of alerts share: deploy requests that are where an alert begins, and an exporter that sees it soon."""

from collections.abc import Callable

import pytest
from monitoring import Monitoring
from processes import CREDENTIAL, FAST

from exporter.simulator import SCENARIOS, Simulator

GENERATIONS = pytest.mark.parametrize("newer", [False, True], ids=["older", "newer"])
HOUR = 3600.0
ARGV = ("--target=acme", *FAST, "--api.requests-per-minute=6000", "--poll.stale-after=5s", "--poll.retention=1s")

Measure = Callable[[str, object], None]


def opened(simulator: Simulator, scenario: str, state: str, later: float, pace: float = 1.0) -> str:
    """Open a deploy request in a database of its own, *later* seconds after its deployment came into *state*.

    It goes *pace* times as fast as it would.
    """
    database = f"{scenario}-{len(simulator.organizations['acme'])}".replace("_", "-")
    simulator.add_database("acme", database)
    age = SCENARIOS[scenario].begins(state) + later
    simulator.add_deploy_request("acme", database, scenario, age=age, pace=pace)
    return database


def acme() -> Simulator:
    """An organisation without a database."""
    simulator = Simulator(requests_per_minute=100_000)
    simulator.add_organization("acme", CREDENTIAL)
    return simulator


def nobody_was_told_twice(run: Monitoring) -> None:
    """No two pages say the same; in the chat no headline about the same comes twice before it is resolved."""
    pages = [str(message) for message in run.messages if message.is_page]
    assert len(pages) == len(set(pages)), run.tell()
