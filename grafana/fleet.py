"""The fleet: what is wrong, what runs and when it ends."""

from typing import Final

import fleet_tables
from annotations import database_marks
from frame import Section, framed_dashboard
from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.models import dashboard
from panels import BAD, NEUTRAL, NOT_KNOWN, NOTICE, WARNING, lines, tile
from problem_table import problems, unpolled
from problems import RULES_LOADED
from queries import (
    MOVING,
    STALLED,
    TIMED,
    WAITS_FOR_A_PERSON,
    counted,
    deployment_in,
    ends,
    operation,
    recorded,
)
from states import OPEN, UNENDED, colours

from exporter.planetscale.models import DeploymentState, OperationState

UID: Final = "planetscale-deploys"
FAILED: Final = deployment_in(
    DeploymentState.COMPLETE_ERROR, DeploymentState.COMPLETE_REVERT_ERROR, DeploymentState.ERROR
)


def dashboard_of_the_fleet() -> dashboard.Dashboard:
    """From what is wrong to what runs, until when, and how it went."""
    sections: list[Section] = [
        ("", [*_tiles(), problems(), fleet_tables.operations(), fleet_tables.deploy_requests()]),
        ("Over time", _states()),
    ]
    return framed_dashboard(
        UID,
        "Which schema changes run, how far they are, when they end, and what is wrong with them.",
        sections,
        annotations=database_marks(),
    )


def _tiles() -> list[stat.Panel]:
    return [
        unpolled(),
        _count(
            "Failed",
            "Deploy requests that have failed, or an operation of which has.",
            f"{FAILED} or {operation('failed', only='== 1')}",
            BAD,
        ),
        _count(
            "Stalled",
            "Deploy requests with an operation that stands still, as the alerts about it say.",
            STALLED,
            WARNING,
            unless=RULES_LOADED,
        ),
        _count(
            "Wait for you",
            "Deploy requests that are copied and wait for a person to cut over.",
            WAITS_FOR_A_PERSON,
            NOTICE,
        ),
        _count("Running", "Deploy requests that PlanetScale works on: submitted, copying, cutting over.", MOVING),
        _count("Queued", "Deploy requests in the queue.", deployment_in(DeploymentState.QUEUED)),
        tile(
            ("Longest left", "The longest time left of what runs, as PlanetScale estimates it."),
            f"max({fleet_tables.LEFT} >= 0{TIMED})",
            empty=NOT_KNOWN,
            unit="s",
            decimals=1,
            filled=False,
        ),
        tile(
            ("All done about", "When the last of what runs will end, by the same estimate."),
            ends(f"max({fleet_tables.LEFT} >= 0{TIMED})"),
            empty=NOT_KNOWN,
            unit="dateTimeAsIsoNoDateIfToday",
            filled=False,
        ),
    ]


def _count(title: str, description: str, condition: str, colour: str = NEUTRAL, unless: str = "") -> stat.Panel:
    return tile((title, description), counted(condition, unless), empty=NOT_KNOWN, colours=(NEUTRAL, (1, colour)))


def _states() -> list[timeseries.Panel]:
    operations = recorded("database_state:planetscale_deploy_operation_state:sum", state="|".join(UNENDED))
    requests = recorded("database_state:planetscale_deploy_request_deployment_state:sum", state="|".join(OPEN))
    return [
        lines(
            ("Deploy requests by state", "How many deploy requests were in each state, of those that were not over."),
            [(f"sum by (state) (max by (organization, database, state) ({requests})) > 0", "{{state}}")],
            empty="Nothing is recorded: nothing is polled, or the recording rules are not loaded.",
            unit="none",
            stacked=True,
            colours=colours(DeploymentState),
        ),
        lines(
            (
                "Operations by state",
                "How many operations were in each state, of those that ran, were about to, or had failed.",
            ),
            [(f"sum by (state) (max by (organization, database, state) ({operations})) > 0", "{{state}}")],
            empty="Nothing is recorded: nothing is polled, or the recording rules are not loaded.",
            unit="none",
            stacked=True,
            colours=colours(OperationState),
        ),
    ]
