"""The tables of a deploy request."""

from grafana_foundation_sdk.builders import table
from panels import BAD, PLAIN, WARNING
from queries import (
    ETA,
    HELD_UP,
    IDLE,
    OBSERVED_ETA,
    PER_OPERATION,
    RUNNING,
    ends,
    operation,
    request,
    shard,
)
from states import by_name
from tables import (
    CLOCK,
    DURATION,
    HELD_UP_LOOK,
    LONG,
    PLANETSCALE,
    PROGRESS,
    WRAPPED,
    Column,
    address_look,
    flag_look,
    state_look,
    table_of,
)

from exporter.planetscale.models import OperationState

DOCS_URL = address_look("Read about this error", "read ↗", 100)


def errors() -> table.Panel:
    """What failed, with the whole text."""
    failed = operation("failed", only="== 1")
    columns = (
        Column("Keyspace", "keyspace", look={"custom.width": 110}),
        Column("Table", "table", look={"custom.width": 150}),
        Column("Operation", "operation", look={"custom.width": 95}),
        Column(
            "Error",
            "deploy_errors",
            expr=f"{operation('info', 'deploy_errors', 'deploy_error_docs_url')} and on ({PER_OPERATION}) {failed}",
            look=WRAPPED,
        ),
        Column("Explained", "deploy_error_docs_url", look=DOCS_URL),
    )
    return table_of(
        ("Errors", "The whole error text of each operation that failed, as far as metrics.ddl lets it be exported."),
        columns,
        empty="No operation is known to have failed.",
        size=(24, 4),
        hidden=("organization", "database", "deploy_request", "operation_id"),
    )


def operations() -> table.Panel:
    """Each operation and how it goes."""
    states = operation("state", "state", only="== 1")
    columns = (
        Column("Keyspace", "keyspace", look={"custom.width": 95}),
        Column("Table", "table", look={"custom.minWidth": 90}),
        Column(
            "Shard",
            "shard",
            expr=f"{shard('state', only='== 1')} and on ({PER_OPERATION}) ({states})",
            look={"custom.width": 70},
        ),
        Column("Operation", "operation", look={"custom.width": 88}),
        Column("State", "state", expr=states, look=state_look(by_name(OperationState), 100)),
        Column("Progress", expr=operation("progress_percentage"), look=PROGRESS),
        Column("Time left", expr=ETA, look=DURATION),
        Column("Ends about", expr=ends(ETA), look=CLOCK),
        Column("By its rate", expr=OBSERVED_ETA, look=DURATION),
        Column("Idle for", expr=f"{IDLE} and {RUNNING}", look=DURATION),
        Column("Held up", expr=f"{HELD_UP} and {RUNNING}", look=HELD_UP_LOOK),
    )
    return table_of(
        (
            "Operations",
            "Time left by PlanetScale's estimate and by the observed rate; none for what stands still or is unpolled.",
        ),
        columns,
        empty="No operation is known.",
        size=(24, 8),
        hidden=("organization", "database", "deploy_request", "operation_id"),
        sort=[("Progress", False), ("Time left", True)],
    )


def gates() -> table.Panel:
    """What it waits for."""
    columns = (
        Column("Request", "deploy_request", look={"custom.width": 75}),
        Column(
            "From",
            "branch",
            expr=request("info", "branch", "into_branch", "strategy", "html_url"),
            look={"custom.minWidth": 90},
        ),
        Column("Into", "into_branch", look={"custom.minWidth": 80}),
        Column("Strategy", "strategy", look={"custom.minWidth": 80}),
        Column("Approved", expr=request("approved"), look=flag_look("yes", PLAIN, 95, no="no")),
        Column("Cutover", expr=request("auto_cutover"), look=flag_look("by itself", PLAIN, 100, no="by hand")),
        Column("Copy expires", expr=request("cutover_expiring"), look=flag_look("cut over now", BAD, 110)),
        Column("Ahead", expr=request("queue_position"), look={"custom.width": 75}),
        Column("Queue", expr=request("queue_paused"), look=flag_look("paused", BAD, 90, no="runs")),
        Column("Table", expr=request("table_locked"), look=flag_look("locked", BAD, 90, no="free")),
        Column("Instant DDL", expr=request("instant_ddl"), look=flag_look("yes", PLAIN, 105, no="no")),
        Column("Page", "html_url", look=PLANETSCALE),
    )
    return table_of(
        ("Gates", "What a deployment waits for, or needs no waiting for."),
        columns,
        empty="No deployment is known.",
        size=(24, 5),
        hidden=("organization", "database"),
    )


def shards() -> table.Panel:
    """Each shard's part of each operation."""
    columns = (
        Column("Database", "database", look={"custom.width": 110}),
        Column("Request", "deploy_request", look={"custom.width": 85}),
        Column("Keyspace", "keyspace", look={"custom.width": 130}),
        Column("Table", "table"),
        Column("Shard", "shard", look={"custom.width": 110}),
        Column(
            "State", "state", expr=shard("state", "state", only="== 1"), look=state_look(by_name(OperationState), 110)
        ),
        Column("Progress", expr=shard("progress_percentage"), look=PROGRESS),
        Column("Time left", expr=shard("eta_seconds"), look=DURATION),
    )
    return table_of(
        ("Shards", "Each shard's part of each operation, slowest first: the last shard decides when it is done."),
        columns,
        empty="No shard is known.",
        size=(24, 7),
        hidden=("organization", "operation", "operation_id"),
        sort=[("Time left", True)],
    )


def changes() -> table.Panel:
    """What each operation does to its table."""
    columns = (
        Column("Request", "deploy_request", look={"custom.width": 85}),
        Column("Table", "table", look={"custom.width": 150}),
        Column("DDL", "ddl_statement", expr=operation("info", "ddl_statement", "deploy_error_docs_url"), look=LONG),
        Column(
            "Explained",
            "deploy_error_docs_url",
            look=DOCS_URL,
        ),
        Column("Drops data", expr=operation("can_drop_data"), look=flag_look("drops data", WARNING, 105, no="no")),
        Column("Table in use", expr=operation("table_recently_used"), look=flag_look("in use", WARNING, 105, no="no")),
        Column("Foreign keys removed", expr=operation("removed_foreign_keys"), look={"custom.width": 160}),
    )
    return table_of(
        ("Changes", "What each operation does, what is lost by it, and what explains its error."),
        columns,
        empty="No operation is known.",
        size=(24, 7),
        hidden=("organization", "database", "keyspace", "operation", "operation_id"),
    )


def times() -> table.Panel:
    """When it came into which state."""
    when = {"unit": "dateTimeAsIso", "custom.minWidth": 120}
    names = {
        "Created": "created",
        "Queued": "queued",
        "Started": "started",
        "Ready to cut over": "ready_to_cutover",
        "Finished": "finished",
        "Revert until": "revert_window_end",
        "Last polled": "last_success",
    }
    columns = (
        Column("Request", "deploy_request", look={"custom.width": 75}),
        *(
            Column(heading, expr=f"1000 * {request(f'{name}_timestamp_seconds')}", look=when)
            for heading, name in names.items()
        ),
    )
    return table_of(
        ("Times", "When it was created, queued, started, ready to cut over and finished, and can be reverted until."),
        columns,
        empty="Nothing is known yet.",
        size=(24, 4),
        hidden=("organization", "database"),
    )
