"""The tables of the fleet."""

from typing import Final

from grafana_foundation_sdk.builders import table
from panels import BAD, NOTICE, PLAIN, WARNING
from problems import NOT_KNOWN, listed
from queries import IDLE, LIVE, RUNNING, THROTTLED, deployment_in, observed_eta, operation, request
from states import OPEN, by_name, mapping
from tables import (
    DATABASE,
    DURATION,
    IDLE_LOOK,
    NOTHING,
    ORGANIZATION,
    PLANETSCALE,
    PROGRESS,
    REQUEST,
    Column,
    flag_look,
    state_look,
    table_of,
)

from exporter.metrics.families import OPERATION_LABELS, REQUEST_LABELS
from exporter.planetscale.models import DeploymentState, OperationState

PER_OPERATION: Final = ", ".join(OPERATION_LABELS)
PER_REQUEST: Final = ", ".join(REQUEST_LABELS)


def problems() -> table.Panel:
    """What is in trouble, worst first."""
    severity = mapping([("1", "critical", BAD), ("2", "warning", WARNING), ("3", "notice", NOTICE)])
    columns = (
        Column("Severity", "severity", look=state_look(severity, 110)),
        Column("What is wrong", "problem"),
        ORGANIZATION,
        DATABASE,
        REQUEST,
        Column("Table", "table"),
        Column("For", expr=listed(), look={**DURATION, "mappings": [mapping([(str(NOT_KNOWN), NOTHING, PLAIN)])]}),
    )
    return table_of(
        (
            "What is wrong",
            "What is in trouble, worst first, and for how long. Each has an alert and a runbook.",
        ),
        columns,
        empty="Nothing is wrong.",
        size=(24, 7),
        sort=[("Severity", False), ("For", True)],
    )


def operations() -> table.Panel:
    """What runs, how far, and until when."""
    columns = (
        ORGANIZATION,
        DATABASE,
        REQUEST,
        Column("Table", "table"),
        Column(
            "State",
            "state",
            expr=f"({operation('state', 'state')} == 1) and on ({PER_OPERATION}) ({LIVE})",
            look=state_look(by_name(OperationState), 110),
        ),
        Column("Progress", expr=f"{operation('progress_percentage')} and {LIVE}", look=PROGRESS),
        Column("Time left", expr=f"{operation('eta_seconds')} and {LIVE}", look=DURATION),
        Column("By its rate", expr=observed_eta(), look=DURATION),
        Column("No progress for", expr=f"{IDLE} and {LIVE}", look=IDLE_LOOK),
        Column("Throttled", expr=f"0 * ({THROTTLED}) + 1", look=flag_look("throttled", NOTICE, 100)),
        Column("Age", expr=f"time() - {operation('created_timestamp_seconds')} and {LIVE}", look=DURATION),
        Column(
            "PlanetScale",
            "html_url",
            expr=f"({LIVE}) * on ({PER_REQUEST}) group_left (html_url) {request('info', 'html_url')}",
            look=PLANETSCALE,
        ),
    )
    return table_of(
        (
            "What runs",
            "Operations that run or are about to, the time left as PlanetScale estimates it and by the observed rate.",
        ),
        columns,
        empty="Nothing runs.",
        size=(24, 12),
        hidden=("keyspace", "operation", "operation_id"),
        sort=[("State", False), ("Time left", True)],
    )


def deploy_requests() -> table.Panel:
    """Where each deploy request stands."""
    is_open = deployment_in(*OPEN)
    columns = (
        ORGANIZATION,
        DATABASE,
        REQUEST,
        Column(
            "State",
            "state",
            expr=request("deployment_state", "state", state="|".join(OPEN)) + " == 1",
            look=state_look(by_name(DeploymentState), 190),
        ),
        Column(
            "Progress",
            expr=f"avg by ({PER_REQUEST}) ({operation('progress_percentage')}) and {is_open}",
            look=PROGRESS,
        ),
        Column(
            "Done in",
            expr=f"max by ({PER_REQUEST}) ({operation('eta_seconds')} and {RUNNING}) and {is_open}",
            look=DURATION,
        ),
        Column("Ahead", expr=f"{request('queue_position')} and {is_open}", look={"custom.width": 100}),
        Column(
            "Cutover",
            expr=f"{request('auto_cutover')} and {is_open}",
            look=flag_look("by itself", PLAIN, 110, no="by hand"),
        ),
        Column("Queued for", expr=f"time() - {request('queued_timestamp_seconds')} and {is_open}", look=DURATION),
        Column(
            "PlanetScale",
            "html_url",
            expr=f"{request('info', 'html_url')} and on ({PER_REQUEST}) ({is_open})",
            look=PLANETSCALE,
        ),
    )
    return table_of(
        ("Deploy requests", "Every deploy request that is not over: where it stands, and what it waits for."),
        columns,
        empty="No deploy request is open.",
        size=(24, 9),
        sort=[("State", False)],
    )
