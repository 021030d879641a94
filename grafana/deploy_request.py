"""One deploy request: how it goes, when it is done, and what holds it up."""

from typing import Final

import request_tables
from annotations import marks
from frame import Section, framed_dashboard
from grafana_foundation_sdk.builders import statetimeline, timeseries
from grafana_foundation_sdk.models import dashboard
from panels import BAD, NEUTRAL, NOT_KNOWN, NOTICE, WARNING, Panel, lines, tile, timeline
from problem_table import problems
from queries import (
    ETA,
    IDLE,
    OBSERVED_ETA,
    PER_OPERATION,
    PER_REQUEST,
    RUNNING,
    STALLED,
    WAITS_FOR_A_PERSON,
    coded,
    ends,
    operation,
    recorded,
    request,
    shard,
)
from states import by_place, mapping

from exporter.metrics.families import REQUEST_LABELS
from exporter.planetscale.models import DeploymentState, OperationState

UID: Final = "planetscale-deploy-request"
NAME: Final = "{{database}} #{{deploy_request}}"
PER_TABLE: Final = ", ".join((*REQUEST_LABELS, "keyspace", "table"))  # its slowest part decides
TABLE_NAME: Final = NAME + " {{keyspace}}.{{table}}"
HOUR: Final = 3600
# None while some operation stands still: the whole is not done before it.
ALL_ETA: Final = f"{ETA} unless on ({PER_REQUEST}) {STALLED}"
POLLED: Final = f"on ({PER_REQUEST}) {request('up')} == 1"
# Seconds, 0 where it is not known how many; -1 where nothing stalls, -2 where nothing runs.
STALLED_FOR: Final = (
    f"max(({IDLE} or 0 * {RUNNING}) and on ({PER_OPERATION}) {STALLED})\n"
    f"or 0 * count({RUNNING} and {POLLED}) - 1\nor -2 * min({request('up')} == 1)"
)


def dashboard_of_a_deploy_request() -> dashboard.Dashboard:
    """From where it stands to its operations, its history, its shards, and what it waits for."""
    sections: list[Section] = [
        ("", [*_tiles(), problems(height=8), request_tables.errors(), request_tables.operations()]),
        ("Progress", [_progress(), _time_left()]),
        ("States", [_deployment_states(), _operation_states()]),
        ("What holds it up", [request_tables.gates(), _rate(), _throttling(), _queue()]),
        ("+Shards", [request_tables.shards()]),
        ("+Changes and times", [request_tables.changes(), request_tables.times()]),
    ]
    return framed_dashboard(
        UID,
        "How one deploy request goes, when it is done, and what holds it up.",
        sections,
        annotations=marks(*DeploymentState),
        one=True,
    )


def _tiles() -> list[Panel]:
    return [
        tile(
            ("State", "The state of the deployment: yellow waits for a person, red has failed."),
            coded(DeploymentState),
            empty=NOT_KNOWN,
            texts=by_place(DeploymentState),
        ),
        tile(
            ("Waits for you", "How long it has been copied and waits for a person to cut over."),
            f"max(time() - {request('ready_to_cutover_timestamp_seconds')} and {WAITS_FOR_A_PERSON})\n"
            f"or 0 * min({request('up')} == 1) - 1",
            empty=NOT_KNOWN,
            unit="s",
            decimals=1,
            colours=(NEUTRAL, (0, NOTICE)),
            texts=mapping([("-1", "does not wait", NEUTRAL)]),
        ),
        tile(
            ("Progress", "How much of all tables is copied, on average. Row counts are estimates: 99 % can last."),
            f"avg({operation('progress_percentage')})",
            empty=NOT_KNOWN,
            unit="percent",
            decimals=0,
            filled=False,
        ),
        tile(
            (
                "Time left",
                "The longest of its operations, by PlanetScale's estimate. None while one stands still or is unpolled.",
            ),
            f"max({ALL_ETA})",
            empty=NOT_KNOWN,
            unit="s",
            decimals=1,
            filled=False,
        ),
        tile(
            ("Ends about", "The same as a clock time."),
            ends(f"max({ALL_ETA})"),
            empty=NOT_KNOWN,
            unit="dateTimeAsIsoNoDateIfToday",
            filled=False,
        ),
        tile(
            ("Left by its rate", "The same by the rate at which the percentage really rose, as recorded."),
            f"max({OBSERVED_ETA})",
            empty=NOT_KNOWN,
            unit="s",
            decimals=1,
            filled=False,
        ),
        tile(
            ("Stalled for", "How long an operation has stood still that the alert rules call stalled, of the longest."),
            STALLED_FOR,
            empty=NOT_KNOWN,
            unit="s",
            decimals=1,
            colours=(NEUTRAL, (0, WARNING)),
            texts=mapping([("0", "stalled", WARNING), ("-1", "no", NEUTRAL), ("-2", "nothing runs", NEUTRAL)]),
        ),
        tile(
            ("Polled", "Whether the exporter's last poll of it worked; if not, everything here is old."),
            f"min({request('up')})",
            empty=NOT_KNOWN,
            texts=mapping([("1", "yes", NEUTRAL), ("0", "no: values are old", BAD)]),
        ),
    ]


def _progress() -> timeseries.Panel:
    return lines(
        ("Progress", "How far the slowest part of each table was. It can stay at 99 % for hours, or fall back."),
        [(f"min by ({PER_TABLE}) ({operation('progress_percentage')})", TABLE_NAME)],
        empty="No operation is known.",
        unit="percent",
        top=100,
    )


def _time_left() -> timeseries.Panel:
    return lines(
        ("Time left", "PlanetScale's estimate, and (dashed) the one by the rate at which the percentage really rose."),
        [
            (f"max by ({PER_TABLE}) ({ETA})", TABLE_NAME),
            (f"max by ({PER_TABLE}) ({OBSERVED_ETA})", TABLE_NAME + " by its rate"),
        ],
        empty="Nothing is known to have run.",
        unit="s",
        dashed=".* by its rate",
    )


def _deployment_states() -> statetimeline.Panel:
    return timeline(
        ("Deployment", "The state of the deployment over time."),
        (coded(DeploymentState), NAME),
        by_place(DeploymentState),
        empty="No deployment is known.",
        size=(24, 5),
    )


def _operation_states() -> statetimeline.Panel:
    states = coded(OperationState)
    shards = f"0 * {shard('state', only='== 1')}"
    return timeline(
        ("Operations", "The state of each operation over time, of each shard where the keyspace is sharded."),
        (
            f"({states}) + on ({PER_OPERATION}) group_left (shard) {shards}\nor on ({PER_OPERATION}) ({states})",
            TABLE_NAME + " {{shard}}",
        ),
        by_place(OperationState),
        empty="No operation is known.",
    )


def _rate() -> timeseries.Panel:
    rate = recorded("operation:planetscale_deploy_operation_progress:deriv")
    return lines(
        (
            "Observed rate",
            "Per cent an hour at which the slowest part of each table really advanced. It falls when throttled.",
        ),
        [(f"100 * {HOUR} * min by ({PER_TABLE}) ({rate})", TABLE_NAME)],
        empty="Nothing is known to have run long enough.",
        unit="percent",
        size=(8, 7),
    )


def _throttling() -> timeseries.Panel:
    return lines(
        (
            "Throttle ratio that people set",
            "How much of the copying in each keyspace the throttler is told to hold back: a setting, no measurement.",
        ),
        [(request("throttle_ratio", "keyspace"), NAME + " {{keyspace}}")],
        empty="No ratio is known.",
        unit="percentunit",
        size=(8, 7),
        top=1,
    )


def _queue() -> timeseries.Panel:
    return lines(
        ("Before it in the queue", "How many deployments had to end first."),
        [(request("queue_position"), NAME)],
        empty="Not known to have been in the queue.",
        unit="none",
        size=(8, 7),
    )
