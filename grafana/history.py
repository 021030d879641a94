"""What was: how many deployments ended and how, how long they took, and DORA's four questions as far as that goes."""

from typing import Final

import history_tables
from annotations import database_marks
from frame import Section, framed_dashboard
from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.models import dashboard
from history_queries import (
    BLOCKED,
    DEPLOYED,
    ENDED,
    RAN,
    TRIED,
    UNDONE,
    WAITED,
    WATCH_STEP,
    count,
    ended,
    mean,
    share,
    watched,
)
from panels import NEUTRAL, NOT_KNOWN, NOTICE, bars, lines, tile
from problem_table import unpolled
from queries import recorded
from states import DONE, FAILED, WAITS
from states import UNDONE as PURPLE

UID: Final = "planetscale-history"
NOTHING_ENDED: Final = "Nothing is known to have ended."
RESULT_COLOURS: Final = {"complete": DONE, "failed": FAILED, "reverted": PURPLE, "cancelled": WAITS}


def dashboard_of_what_was() -> dashboard.Dashboard:
    """From the sums to each database, and to the four questions; each title says what the data can't tell."""
    sections: list[Section] = [
        ("", [*_tiles(), history_tables.databases()]),
        ("How often? Deployments that ended (deployment frequency)", [_results(), _watched()]),
        (
            "How long? From the queue to the end (lead time; not known: how long it took to get into the queue)",
            [history_tables.durations(), _averages()],
        ),
        (
            "How often does it go wrong? (change failure rate; not known: harm that nobody has reverted)",
            [_failures(), history_tables.revertible()],
        ),
        (
            "How long until it is mended? (time to restore; known only: how long failed ones stood in the queue)",
            [_blocked(), history_tables.blocked()],
        ),
    ]
    return framed_dashboard(
        UID,
        "How many deployments ended, how long they ran and waited, and how many failed or were reverted.",
        sections,
        annotations=database_marks(),
        since="now-30d",
    )


def _tiles() -> list[stat.Panel]:
    seconds = f"{WATCH_STEP} * max(count_over_time(({watched()} == 1)[$__range:5m]))"
    return [
        tile(
            (
                "Watched",
                "The share of the time shown in which databases could be polled; what ended in the rest is missing.",
            ),
            f"sum(count_over_time(({watched()} == 1)[$__range:5m]))\n"
            f"/ (count(count_over_time({watched()}[$__range:5m])) * scalar(count_over_time(vector(1)[$__range:5m])))",
            empty=NOT_KNOWN,
            unit="percentunit",
            colours=(NOTICE, (0.95, NEUTRAL)),
        ),
        _count("Completed", "Deployments that ended well and were not reverted.", "complete"),
        _count("Failed", "Deployments that failed, or whose revert failed.", "failed"),
        _count("Reverted", "Deployments that were undone after they had been complete.", "reverted"),
        unpolled(),
        tile(
            (
                "One deployed every",
                "The time that was watched, by the number of deployments that completed, reverted ones included.",
            ),
            f"{seconds}\n/ sum({ended(DEPLOYED, '$__range')})",
            empty="none known",
            unit="s",
            decimals=1,
            filled=False,
        ),
        tile(
            ("Failed or reverted", "Of those that completed, failed or were reverted. Cancelled ones are left out."),
            share(UNDONE, TRIED, "$__range"),
            empty=NOT_KNOWN,
            unit="percentunit",
            decimals=0,
            filled=False,
        ),
        tile(
            ("Queue to end", "How long a deployment waited in the queue and then ran, on average."),
            f"({mean(WAITED, '$__range')}) + ({mean(RAN, '$__range')})",
            empty=NOT_KNOWN,
            unit="s",
            decimals=1,
            filled=False,
        ),
    ]


def _count(title: str, description: str, result: str) -> stat.Panel:
    return tile((title, description), count(result), empty=NOT_KNOWN, filled=False)


def _results() -> timeseries.Panel:
    return bars(
        lines(
            ("Deployments that ended", "How many ended in each part of the time shown, and how."),
            [(f"sum by (result) ({ended(ENDED, '$__interval')})", "{{result}}")],
            empty=NOTHING_ENDED,
            unit="none",
            stacked=True,
            colours=RESULT_COLOURS,
        )
    )


def _watched() -> timeseries.Panel:
    return lines(
        (
            "Databases watched",
            "How many could be polled, and (dashed) could not. A gap: no exporter, and what ended then is not counted.",
        ),
        [(f"count({watched()} == 1)", "watched"), (f"count({watched()} == 0) or 0 * count({watched()})", "not polled")],
        empty=NOT_KNOWN,
        unit="none",
        dashed="not polled",
    )


def _averages() -> timeseries.Panel:
    return bars(
        lines(
            ("Ran and waited, on average", "Of the deployments that ended in each part of the time shown."),
            [(mean(RAN, "$__interval"), "ran"), (mean(WAITED, "$__interval"), "waited in the queue")],
            empty=NOTHING_ENDED,
            unit="s",
            size=(24, 7),
            stacked=True,
        )
    )


def _failures() -> timeseries.Panel:
    return bars(
        lines(
            (
                "Failed or reverted",
                "The share of those that completed, failed or were reverted in each part of the time shown.",
            ),
            [(share(UNDONE, TRIED, "$__interval"), "failed or reverted")],
            empty=NOTHING_ENDED,
            unit="percentunit",
            top=1,
            colours={"failed or reverted": FAILED},
        )
    )


def _blocked() -> timeseries.Panel:
    state = recorded("database_state:planetscale_deploy_request_deployment_state:sum", state=BLOCKED)
    return lines(
        ("Failed ones in the queue", "Failed deployments that wait to be retried or cancelled, by database."),
        [
            (
                f"sum by (organization, database) (max by (organization, database, state) ({state}))",
                "{{organization}}/{{database}}",
            )
        ],
        empty="None is known.",
        unit="none",
    )
