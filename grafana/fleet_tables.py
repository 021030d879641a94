"""The tables of the fleet."""

from typing import Final

from grafana_foundation_sdk.builders import table
from panels import NOTICE, PLAIN
from queries import (
    ETA,
    IDLE,
    OBSERVED,
    PER_OPERATION,
    PER_REQUEST,
    RUNNING,
    THROTTLED,
    TIMED,
    deployment_in,
    ends,
    in_state,
    operation,
    request,
)
from states import OPEN, by_name
from tables import (
    CLOCK,
    DATABASE,
    DURATION,
    IDLE_LOOK,
    ORGANIZATION,
    PLANETSCALE,
    PROGRESS,
    REQUEST,
    Column,
    flag_look,
    state_look,
    table_of,
)

from exporter.planetscale.models import DeploymentState, OperationState

TOP: Final = 50  # rows at most: more are neither read nor drawn in time
# The few are chosen before anything else is looked up about them: that is what keeps a load short.
LONGEST: Final = (
    f"(topk({TOP}, {operation('eta_seconds')} or 0 * ({in_state(OperationState.IN_PROGRESS)})) and {RUNNING})"
)
IS_OPEN: Final = deployment_in(*OPEN)
OLDEST: Final = f"topk({TOP}, time() - {request('created_timestamp_seconds')} and {IS_OPEN} or 0 * ({IS_OPEN}))"


def operations() -> table.Panel:
    """What runs, how far, and until when."""
    shown = f"on ({PER_OPERATION}) ({LONGEST})"
    eta = f"({operation('eta_seconds')} and {shown}{TIMED})"
    columns = (
        ORGANIZATION,
        DATABASE,
        REQUEST,
        Column("Table", "table"),
        Column("Progress", expr=f"{operation('progress_percentage')} and {shown}", look=PROGRESS),
        Column("Time left", expr=eta, look=DURATION),
        Column("Ends about", expr=ends(eta), look=CLOCK),
        Column("By its rate", expr=f"{OBSERVED} and {shown}{TIMED}", look=DURATION),
        Column("No progress for", expr=f"{IDLE} and {shown}", look=IDLE_LOOK),
        Column("Throttled", expr=f"0 * ({THROTTLED}) + 1 and {shown}", look=flag_look("throttled", NOTICE, 105)),
        Column(
            "PlanetScale",
            "html_url",
            expr=f"0 * ({LONGEST}) + on ({PER_REQUEST}) group_left (html_url) {request('info', 'html_url')}",
            look=PLANETSCALE,
        ),
    )
    return table_of(
        (
            f"What runs: the {TOP} operations with most time left",
            "Time left by PlanetScale's estimate and by the observed rate; none for what stands still or is unpolled.",
        ),
        columns,
        empty="No operation is known to run.",
        size=(24, 11),
        hidden=("keyspace", "operation", "operation_id"),
        sort=[("Time left", True)],
    )


def deploy_requests() -> table.Panel:
    """Where each deploy request stands."""
    shown = f"on ({PER_REQUEST}) ({OLDEST})"
    columns = (
        ORGANIZATION,
        DATABASE,
        REQUEST,
        Column(
            "State",
            "state",
            expr=f"({request('deployment_state', 'state', state='|'.join(OPEN))} == 1) and {shown}",
            look=state_look(by_name(DeploymentState), 190),
        ),
        Column(
            "Progress",
            expr=f"avg by ({PER_REQUEST}) ({operation('progress_percentage')}) and {shown}",
            look=PROGRESS,
        ),
        Column("Time left", expr=f"max by ({PER_REQUEST}) ({ETA}) and {shown}", look=DURATION),
        Column("Ahead", expr=f"{request('queue_position')} and {shown}", look={"custom.width": 85}),
        Column(
            "Cutover",
            expr=f"{request('auto_cutover')} and {shown}",
            look=flag_look("by itself", PLAIN, 100, no="by hand"),
        ),
        Column("Open for", expr=f"time() - {request('created_timestamp_seconds')} and {shown}", look=DURATION),
        Column(
            "PlanetScale",
            "html_url",
            expr=f"{request('info', 'html_url')} and {shown}",
            look=PLANETSCALE,
        ),
    )
    return table_of(
        (
            f"Deploy requests: the {TOP} that have been open longest",
            "Deploy requests that are not over: where each stands, and what it waits for.",
        ),
        columns,
        empty="No deploy request is known to be open.",
        size=(24, 9),
        sort=[("Open for", True)],
    )
