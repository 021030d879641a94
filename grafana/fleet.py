"""The fleet: what is wrong, what runs and when it ends."""

from typing import Final

import fleet_tables
from annotations import marks
from frame import Section, framed_dashboard
from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.models import dashboard
from panels import BAD, NEUTRAL, NO_EXPORTER, NOTICE, WARNING, lines, tile
from queries import RUNNING, STALLED, THROTTLED, counted, deployment_in, operation, request
from states import OPEN, RUNS, UNENDED, WAITS, colours

from exporter.planetscale.models import DeploymentState, OperationState

UID: Final = "planetscale-deploys"
NAME: Final = "{{database}} #{{deploy_request}} {{table}}"


def dashboard_of_the_fleet() -> dashboard.Dashboard:
    """From what is wrong to what runs, until when, and how it went."""
    sections: list[Section] = [
        ("", [*_tiles(), fleet_tables.problems(), fleet_tables.operations()]),
        ("Deploy requests", [fleet_tables.deploy_requests()]),
        ("Over time", [_progress(), *_states()]),
    ]
    return framed_dashboard(
        UID,
        "Which schema changes run, how far they are, when they end, and what is wrong with them.",
        sections,
        annotations=marks(
            *(state for state in DeploymentState if not state.is_moving), DeploymentState.PENDING_CUTOVER
        ),
    )


def _tiles() -> list[stat.Panel]:
    waits = deployment_in(DeploymentState.PENDING_CUTOVER)
    blocked = deployment_in(DeploymentState.COMPLETE_ERROR, DeploymentState.COMPLETE_REVERT_ERROR)
    return [
        _count("Failed", "Operations with error text or in state error.", f"{operation('failed')} == 1", BAD),
        _count(
            "Blocked",
            "Deploy requests that block their queue until someone acts: failed ones, and paused queues.",
            f"({blocked}) or {request('queue_paused')} == 1",
            BAD,
        ),
        _count(
            "Stalled",
            "Operations below 99 % in progress without any progress for 30 minutes, and not throttled.",
            STALLED,
            WARNING,
        ),
        _count(
            "Throttled", "Operations in progress that were throttled within the last 10 minutes.", THROTTLED, NOTICE
        ),
        _count("To cut over", "Deploy requests that are copied and wait to be cut over.", waits, NOTICE),
        _count("Running", "Operations in progress.", RUNNING, RUNS),
        _count("Queued", "Deploy requests in the queue.", deployment_in(DeploymentState.QUEUED), WAITS),
        tile(
            ("All done in", "The longest time left of all operations in progress, as PlanetScale estimates it."),
            f"max({operation('eta_seconds')} and {RUNNING})",
            empty="nothing runs",
            unit="s",
            decimals=1,
            filled=False,
        ),
    ]


def _count(title: str, description: str, condition: str, colour: str) -> stat.Panel:
    return tile((title, description), counted(condition), empty=NO_EXPORTER, colours=(NEUTRAL, (1, colour)))


def _progress() -> timeseries.Panel:
    return lines(
        ("Progress", "How far each operation in progress was; a flat line is one that stands still."),
        [(f"{operation('progress_percentage')} and {RUNNING}", NAME)],
        empty="Nothing ran.",
        unit="percent",
        size=(24, 9),
        beside=True,
        top=100,
    )


def _states() -> list[timeseries.Panel]:
    return [
        lines(
            (
                "Operations by state",
                "How many operations were in each state, of those that ran, were about to, or had failed.",
            ),
            [(f"sum by (state) ({operation('state', 'state', state='|'.join(UNENDED))}) > 0", "{{state}}")],
            empty="Nothing ran.",
            unit="none",
            stacked=True,
            colours=colours(OperationState),
        ),
        lines(
            ("Deploy requests by state", "How many deploy requests were in each state, of those that were not over."),
            [(f"sum by (state) ({request('deployment_state', 'state', state='|'.join(OPEN))}) > 0", "{{state}}")],
            empty="No deploy request was open.",
            unit="none",
            stacked=True,
            colours=colours(DeploymentState),
        ),
    ]
