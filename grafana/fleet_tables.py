"""The tables of the fleet."""

from typing import Final

from grafana_foundation_sdk.builders import table
from panels import PLAIN
from queries import (
    HELD_UP,
    OBSERVED,
    PER_OPERATION,
    PER_REQUEST,
    TIMED,
    ends,
    picked,
    recorded,
    request,
)
from states import OPEN, by_name
from tables import (
    CLOCK,
    DATABASE,
    DURATION,
    HELD_UP_LOOK,
    ORGANIZATION,
    PLANETSCALE,
    PROGRESS,
    REQUEST,
    Column,
    flag_look,
    state_look,
    table_of,
)

from exporter.planetscale.models import DeploymentState

TOP: Final = 50  # rows at most: more are neither read nor drawn in time
# The few are chosen before anything else is looked up about them: that is what keeps a load short.
LEFT: Final = recorded("operation:planetscale_deploy_operation_eta_seconds:running")  # -1 where it is not known
LONGEST: Final = f"topk({TOP}, {LEFT})"
IS_OPEN: Final = recorded("deploy_request:planetscale_deploy_request_created_timestamp_seconds:open")
OLDEST: Final = f"topk({TOP}, time() - ({IS_OPEN} > 0) or 0 * {IS_OPEN})"
RATIO: Final = recorded("operation:planetscale_deploy_operation_progress:ratio")


def operations() -> table.Panel:
    """What runs, how far, and until when."""
    shown = f"on ({PER_OPERATION}) ({LONGEST})"
    eta = f"(1 * {LONGEST} >= 0{TIMED})"
    columns = (
        ORGANIZATION,
        DATABASE,
        REQUEST,
        Column("Table", "table", look={"custom.minWidth": 90}),
        Column("Progress", expr=f"100 * {RATIO} and {shown}", look=PROGRESS),
        Column("Time left", expr=eta, look=DURATION),
        Column("Ends about", expr=ends(eta), look=CLOCK),
        Column("By its rate", expr=f"{OBSERVED} and {shown}{TIMED}", look=DURATION),
        Column("Idle for", expr=f"time() - {picked('last_advance_timestamp_seconds', LONGEST)}", look=DURATION),
        Column("Held up", expr=f"{HELD_UP} and {shown}", look=HELD_UP_LOOK),
        Column(
            "Page",
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
            expr=f"{request('deployment_state', 'state', state='|'.join(OPEN), only='== 1')} and {shown}",
            look=state_look(by_name(DeploymentState), 180),
        ),
        Column(
            "Progress",
            expr=f"100 * avg by ({PER_REQUEST}) ({RATIO} and {shown})",
            look=PROGRESS,
        ),
        Column("Time left", expr=f"max by ({PER_REQUEST}) ({LEFT} >= 0 and {shown}{TIMED})", look=DURATION),
        Column("Ahead", expr=f"{request('queue_position')} and {shown}", look={"custom.width": 75}),
        Column(
            "Cutover",
            expr=f"{request('auto_cutover')} and {shown}",
            look=flag_look("by itself", PLAIN, 85, no="by hand"),
        ),
        Column("Open for", expr=f"time() - {request('created_timestamp_seconds')} and {shown}", look=DURATION),
        Column(
            "Page",
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
