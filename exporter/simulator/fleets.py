"""Ready-made fleets: one to show, one to measure."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from .plots import DAY, FOREVER, HOUR, MINUTE, Change, Scenario, Step
from .scenarios import SCENARIOS
from .simulator import Simulator


@dataclass(frozen=True, slots=True)
class Role:
    """A deploy request of the demo.

    Args:
        scenario: Its plot's name.
        minutes: How long the plot takes to its last step; 0 plays it as slowly as it really is.
        begins: The deployment state it is in when its turn begins; empty begins with the plot.
        later: Plot seconds after that (before that, if negative) at which its turn begins.
        delay: Seconds after the beginning of the turn at which it is opened.
        closes: Minutes after the beginning of the turn at which somebody closes it.
        parallel: Whether to move it to the parallel lane.
        into: The branch it goes into.
        fine_eta: Whether its ETA is finer than its percentage.
    """

    scenario: str
    minutes: float = 0.0
    begins: str = ""
    later: float = 0.0
    delay: float = 0.0
    closes: float = FOREVER
    parallel: bool = False
    into: str = "main"
    fine_eta: bool = False


# Minutes that a turn takes, and what is played in it. Slow ones begin in the middle, so that their alerts are near.
DEMO: Final[dict[tuple[str, str], tuple[float, tuple[Role, ...]]]] = {
    ("acme", "shop"): (
        30,
        (
            Role("long_copy", 24, "in_progress", 4 * HOUR),
            Role("parallel", 26, "in_progress", 7 * HOUR, fine_eta=True),
            Role("revert_window", 12, "complete_pending_revert", into="staging"),
        ),
    ),
    ("acme", "billing"): (
        20,
        (
            Role("failed", 3, "complete_error", later=-5 * MINUTE, closes=15),
            Role("cutover", 4, delay=20),
            Role("cancelled", 8, delay=40),
        ),
    ),
    ("acme", "search"): (
        26,
        (
            Role("sharded", 22, "in_progress", HOUR, fine_eta=True),
            Role("sharded_in_summaries", 20, delay=15, parallel=True),
            Role("long_copy", 25, "in_progress", 2 * HOUR, into="staging"),
        ),
    ),
    ("globex", "crm"): (
        40,
        (
            Role("gated", begins="pending_cutover", later=10 * MINUTE),
            Role("queued", 2, "queued"),
            Role("drop_in_use", 30, "in_progress", parallel=True, fine_eta=True),
        ),
    ),
    ("globex", "inventory"): (
        300,
        (
            Role("throttled", begins="in_progress", later=2 * HOUR),
            Role("long_tail", begins="in_progress", later=5 * HOUR, parallel=True),
        ),
    ),
    ("globex", "events"): (130, (Role("stalled", begins="in_progress", later=2 * HOUR + 45 * MINUTE),)),
    ("initech", "payroll"): (
        45,
        (
            Role("failover", 30, fine_eta=True),
            Role("reverted", 12, delay=60),
            Role("parallel", 42, "in_progress", HOUR),
        ),
    ),
    ("initech", "reports"): (
        85,
        (
            Role("cutover_blocked", begins="in_progress_cutover", later=10 * MINUTE),
            Role("failed", begins="complete_error", later=HOUR, into="staging"),
            Role("no_changes", 2),
        ),
    ),
    ("umbrella", "lab"): (
        40,
        (
            Role("cutover_expiring", 150, "complete_cancel", later=-2.25 * HOUR),
            Role("revert_failed", 6, delay=45),
            Role("sharded", 38, "in_progress", 5 * MINUTE, parallel=True),
        ),
    ),
    ("umbrella", "telemetry"): (
        18,
        (
            Role("finished", 1),
            Role("pending"),
            Role("ready", 1),
            Role("instant", 2, delay=30),
            Role("queue_paused", 2, "queued", into="staging"),
            Role("cancelled_copy", 8, delay=90),
            Role("lint_failed", 3, delay=10, parallel=True),
        ),
    ),
    ("umbrella", "ledger"): (
        22,
        (
            Role("early_finish", 9),
            Role("older_answers", 9, delay=60),
            Role("operations_only", 18, parallel=True),
        ),
    ),
}


def demo_fleet(clock: Callable[[], float] = time.time) -> Simulator:
    """Four organisations with twelve databases, one of them Postgres, in which all scenarios play in a loop for ever.

    There is always something that moves, fails, is throttled, stalled, gated and queued; the first failure comes within
    a minute. Copies go as real ones do: at varying speed, with pauses, some with a finer ETA than others. Each
    organisation has a service token of its own, see `Simulator.tokens`.
    """
    simulator = Simulator(clock, remembers=1000)
    for (organization, database), (turn, roles) in DEMO.items():
        if organization not in simulator.organizations:
            simulator.add_organization(organization)
        simulator.add_database(organization, database, period=turn * MINUTE)
        for role in roles:
            _play(simulator, organization, database, role)
    simulator.add_database("acme", "analytics", "postgresql")
    return simulator


def _play(simulator: Simulator, organization: str, database: str, role: Role) -> None:
    scenario = replace(SCENARIOS[role.scenario], uneven=True, fine_eta=role.fine_eta)
    pace = scenario.length / (role.minutes * MINUTE) if role.minutes and scenario.length else 1.0
    age = (scenario.begins(role.begins) if role.begins else 0.0) + role.later
    simulator.add_deploy_request(
        organization,
        database,
        replace(scenario, strategy="parallel") if role.parallel else scenario,
        age=age,
        delay=role.delay,
        pace=pace,
        closes_after=role.closes * MINUTE,
        into_branch=role.into,
    )


def large_fleet(
    clock: Callable[[], float] = time.time,
    *,
    databases: int = 200,
    deploy_requests: int = 400,
    operations: int = 5,
) -> Simulator:
    """One organisation, `large`, whose *deploy_requests*, spread evenly over its *databases*, copy for thirty days.

    Each has that many *operations*. The first two of a database share its `main` branch, one in the serial and one in
    the parallel lane; every further two have a branch of their own, so that all run at once.
    """
    simulator = Simulator(clock)
    simulator.add_organization("large")
    for number in range(databases):
        simulator.add_database("large", f"database-{number:04}")
    changes = tuple(
        Change(f"table_{number:03}", f"ALTER TABLE `table_{number:03}` ADD COLUMN `note` text")
        for number in range(operations)
    )
    serial = Scenario(
        (Step(30 * DAY, "in_progress", (0, 100)), Step(FOREVER, "complete", (100, 100), ("complete",))), changes
    )
    lanes = serial, replace(serial, strategy="parallel")
    for number in range(deploy_requests):
        turn, home = divmod(number, databases)
        branch = f"main-{turn // 2 + 1}" if turn > 1 else "main"
        age = (number * 7919 % 600 + 1) * HOUR
        simulator.add_deploy_request("large", f"database-{home:04}", lanes[turn % 2], age=age, into_branch=branch)
    return simulator
