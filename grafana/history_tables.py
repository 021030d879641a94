"""The tables of what was."""

from collections.abc import Callable
from functools import partial
from typing import Final

from grafana_foundation_sdk.builders import table
from history_queries import (
    BLOCKED,
    ENDED,
    PER_DATABASE,
    RAN,
    TRIED,
    UNDONE,
    WAITED,
    WATCH_STEP,
    ended,
    mean,
    share,
    watched,
    within,
)
from panels import Look
from queries import recorded, request, series
from tables import CLOCK, DATABASE, ORGANIZATION, REQUEST, Column, table_of

TOP: Final = 50  # rows at most
RANGE: Final = "$__range"
NUMBER: Final[Look] = {"custom.align": "right", "custom.minWidth": 84}
SHARE: Final[Look] = {"unit": "percentunit", "decimals": 0, **NUMBER}
SECONDS: Final[Look] = {"unit": "s", "decimals": 1, **NUMBER}
BOUNDS: Final = {"1 min": 60, "15 min": 900, "1 hour": 3600, "4 hours": 14400, "1 day": 86400, "1 week": 604800}
SHOWN: Final = f"topk({TOP}, sum {PER_DATABASE}({ended(ENDED, RANGE)}) or 0 * {watched()})"
BLOCKED_FOR: Final = (
    f"{WATCH_STEP} * count_over_time((max {PER_DATABASE}"
    f"({recorded('database_state:planetscale_deploy_request_deployment_state:sum', state=BLOCKED)}))[$__range:5m])"
)


def databases() -> table.Panel:
    """Each database: how many ended, how, and how long they took."""
    open_now = series("planetscale_database_open_deploy_requests")
    steps = "scalar(count_over_time(vector(1)[$__range:5m]))"
    columns = (
        ORGANIZATION,
        DATABASE,
        _number("Completed", "complete", {**NUMBER, "custom.width": 106}),
        _number("Failed", "failed"),
        _number("Reverted", "reverted"),
        _number("Cancelled", "cancelled"),
        _column("Undone", share(UNDONE, TRIED, RANGE, PER_DATABASE), SHARE),
        _column("Ran", mean(RAN, RANGE, PER_DATABASE), SECONDS),
        _column("Waited", mean(WAITED, RANGE, PER_DATABASE), SECONDS),
        _column(
            "Open now",
            f"sum {PER_DATABASE}(max by (organization, database, deployment_state) ({open_now}))",
            NUMBER,
        ),
        _column("Watched", f"count_over_time(({watched()} == 1)[$__range:5m]) / {steps}", SHARE),
    )
    return table_of(
        (
            f"By database: the {TOP} in which most ended",
            "Undone: the share that failed or was reverted. Ran, waited (in the queue): on average. Of the time shown.",
        ),
        columns,
        empty="No database is known to have been watched.",
        size=(24, 9),
        sort=[("Completed", True)],
    )


def durations() -> table.Panel:
    """How many took at most so long: the counters' own bounds, so that nothing is estimated between them."""
    columns = (
        Column("Deployments", "part", look={"custom.width": 150}),
        Column("Number", expr=_parts(lambda name: f"sum({within(name, '+Inf', RANGE)})"), look=NUMBER),
        Column("On average", expr=_parts(lambda name: mean(name, RANGE)), look=SECONDS),
        *(Column(f"≤ {text}", expr=_parts(partial(_at_most, seconds)), look=SHARE) for text, seconds in BOUNDS.items()),
    )
    return table_of(
        ("How long", "The share of the deployments that ran, and waited in the queue, at most so long."),
        columns,
        empty="Nothing is known to have ended.",
        size=(24, 5),
    )


def revertible() -> table.Panel:
    """What can still be undone."""
    ends = request("revert_window_end_timestamp_seconds")
    columns = (
        ORGANIZATION,
        DATABASE,
        REQUEST,
        Column("Until", expr=f"1000 * topk({TOP}, {ends} > time())", look=CLOCK),
    )
    return table_of(
        ("Can be reverted now", "Deployments that are complete and can still be undone without losing data."),
        columns,
        empty="None is known.",
        size=(12, 8),
        sort=[("Until", False)],
    )


def blocked() -> table.Panel:
    """How long failed deployments stood in each queue."""
    columns = (
        ORGANIZATION,
        DATABASE,
        Column("In all", expr=f"topk({TOP}, {BLOCKED_FOR})", look=SECONDS),
    )
    return table_of(
        (
            "Blocked by failed ones",
            "How long failed deployments stood in each queue until they were retried or cancelled, to five minutes.",
        ),
        columns,
        empty="None is known.",
        size=(12, 8),
        sort=[("In all", True)],
    )


def _number(heading: str, result: str, look: Look = NUMBER) -> Column:
    """A column of counts: 0 only where the database is watched."""
    number = f"sum {PER_DATABASE}({ended(result, RANGE)})"
    return _column(heading, f"({number} or 0 * ({watched()} == 1))", look)


def _column(heading: str, expr: str, look: Look) -> Column:
    return Column(heading, expr=f"{expr}\nand on (organization, database) {SHOWN}", look=look)


def _at_most(seconds: int, name: str) -> str:
    number = f"sum({within(name, '+Inf', RANGE)})"
    return f"(sum({within(name, f'{seconds}.0', RANGE)}) or 0 * {number}) / {number}"


def _parts(expr: Callable[[str], str]) -> str:
    """A row for running and one for waiting."""
    rows = {"ran": RAN, "waited in the queue": WAITED}
    return "\nor ".join(f'label_replace({expr(name)}, "part", "{part}", "", "")' for part, name in rows.items())
