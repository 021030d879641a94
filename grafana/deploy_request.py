"""One deploy request: how it goes, when it is done, and what holds it up."""

from typing import Final

import request_tables
from annotations import marks
from frame import Section, framed_dashboard
from grafana_foundation_sdk.builders import statetimeline, timeseries
from grafana_foundation_sdk.models import dashboard
from panels import BAD, NEUTRAL, NO_EXPORTER, PLAIN, WARNING, Panel, lines, tile, timeline
from queries import (
    IDLE,
    RUNNING,
    STALLED_AFTER,
    TAIL,
    coded,
    observed_eta,
    observed_rate,
    operation,
    request,
)
from states import by_place, mapping

from exporter.metrics.families import REQUEST_LABELS
from exporter.planetscale.models import DeploymentState, OperationState

UID: Final = "planetscale-deploy-request"
NAME: Final = "{{database}} #{{deploy_request}}"
PER_TABLE: Final = ", ".join((*REQUEST_LABELS, "keyspace", "table"))  # its slowest part decides
TABLE_NAME: Final = NAME + " {{keyspace}}.{{table}}"
HOUR: Final = 3600


def dashboard_of_a_deploy_request() -> dashboard.Dashboard:
    """From where it stands to its operations, its history, its shards, and what it waits for."""
    sections: list[Section] = [
        ("", [*_tiles(), request_tables.operations()]),
        ("Progress", [_progress(), _time_left()]),
        ("States", [_deployment_states(), _operation_states()]),
        ("What holds it up", [request_tables.gates(), _rate(), _throttling(), _queue()]),
        ("Shards", [request_tables.shards()]),
        ("Changes", [request_tables.changes(), request_tables.times()]),
    ]
    return framed_dashboard(
        UID,
        "How one deploy request goes, when it is done, and what holds it up.",
        sections,
        annotations=marks(*DeploymentState),
    )


def _tiles() -> list[Panel]:
    return [
        tile(
            ("State", "The state of the deployment: yellow waits for a person, red has failed."),
            coded(DeploymentState),
            empty="no deployment",
            texts=by_place(DeploymentState),
            size=(6, 4),
        ),
        tile(
            ("Progress", "How much of all tables is copied, on average. Row counts are estimates: 99 % can last."),
            f"avg({operation('progress_percentage')})",
            empty="not started",
            unit="percent",
            decimals=0,
            filled=False,
        ),
        tile(
            ("Done in", "The longest time left of its operations, as PlanetScale estimates it."),
            f"max({operation('eta_seconds')} and {RUNNING})",
            empty="nothing runs",
            unit="s",
            decimals=1,
            filled=False,
        ),
        tile(
            ("By its rate", "The same by the rate at which the percentage really rose."),
            f"max(\n{observed_eta()}\n)",
            empty="not known yet",
            unit="s",
            decimals=1,
            filled=False,
        ),
        tile(
            ("No progress for", "How long nothing has moved, of what stands longest below 99 %."),
            f"max({IDLE} and {RUNNING} unless {operation('progress_percentage')} >= {TAIL})",
            empty="nothing runs",
            unit="s",
            decimals=1,
            colours=(NEUTRAL, (STALLED_AFTER / 3, WARNING), (STALLED_AFTER, BAD)),
        ),
        tile(
            ("Ahead in queue", "How many deployments must end first."),
            f"max({request('queue_position')})",
            empty="not queued",
            filled=False,
        ),
        tile(
            ("Polled", "Whether the exporter's last poll of it worked; if not, everything here is old."),
            f"min({request('up')})",
            empty=NO_EXPORTER,
            texts=mapping([("1", "yes", PLAIN), ("0", "no: values are old", BAD)]),
            filled=False,
        ),
    ]


def _progress() -> timeseries.Panel:
    return lines(
        ("Progress", "How far the slowest part of each table was. It can stay at 99 % for hours, or fall back."),
        [(f"min by ({PER_TABLE}) ({operation('progress_percentage')})", TABLE_NAME)],
        empty="It has no operations yet.",
        unit="percent",
        top=100,
    )


def _time_left() -> timeseries.Panel:
    return lines(
        ("Time left", "PlanetScale's estimate, and (dashed) the one by the rate at which the percentage really rose."),
        [
            (f"max by ({PER_TABLE}) ({operation('eta_seconds')} and {RUNNING})", TABLE_NAME),
            (f"max by ({PER_TABLE}) (\n{observed_eta()}\n)", TABLE_NAME + " by its rate"),
        ],
        empty="Nothing ran.",
        unit="s",
        dashed=".* by its rate",
    )


def _deployment_states() -> statetimeline.Panel:
    return timeline(
        ("Deployment", "The state of the deployment over time."),
        (coded(DeploymentState), NAME),
        by_place(DeploymentState),
        empty="No deployment.",
        size=(24, 5),
    )


def _operation_states() -> statetimeline.Panel:
    return timeline(
        ("Operations", "The state of each operation over time."),
        (coded(OperationState), TABLE_NAME),
        by_place(OperationState),
        empty="It has no operations yet.",
    )


def _rate() -> timeseries.Panel:
    below = f"{operation('progress_percentage')} < {TAIL}"
    return lines(
        (
            "Observed rate",
            "Per cent an hour at which the slowest part of each table really advanced. It falls when throttled.",
        ),
        [(f"min by ({PER_TABLE}) (\n{HOUR} * (\n{observed_rate()}\n) and {RUNNING} and {below}\n)", TABLE_NAME)],
        empty="Nothing ran long enough to tell.",
        unit="percent",
        size=(8, 7),
    )


def _throttling() -> timeseries.Panel:
    return lines(
        ("Throttler", "How much of the copying in each keyspace the throttler holds back."),
        [(request("throttle_ratio", "keyspace"), NAME + " {{keyspace}}")],
        empty="Nothing is throttled.",
        unit="percentunit",
        size=(8, 7),
        top=1,
    )


def _queue() -> timeseries.Panel:
    return lines(
        ("Before it in the queue", "How many deployments had to end first."),
        [(request("queue_position"), NAME)],
        empty="It was not in the queue.",
        unit="none",
        size=(8, 7),
    )
