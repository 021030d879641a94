"""The table of what is wrong, on the boards of the fleet and of a deploy request."""

from grafana_foundation_sdk.builders import stat, table
from panels import BAD, NEUTRAL, NOT_KNOWN, NOTICE, PLAIN, WARNING, tile
from problems import RUNBOOK_BASE, SUMMARIES, listed, next_steps
from queries import TARGET_UP, request
from states import mapping
from tables import (
    DURATION,
    NOTHING,
    PLANETSCALE,
    REQUEST,
    WRAPPED,
    Column,
    link,
    state_look,
    table_of,
)

SEVERITY = mapping(
    [
        ("0 critical", "critical", BAD),
        ("0 warning", "warning", WARNING),
        ("1 critical", "critical", BAD),
        ("2 warning", "warning", WARNING),
        ("3 info", "info", NOTICE),
    ]
)


UNKNOWN = mapping([("-1", NOTHING, PLAIN)])


def problems(*, height: int = 10) -> table.Panel:
    """Each cause once, what makes blind first, then by severity."""
    texts = mapping((alert, text, PLAIN) for alert, text in SUMMARIES.items())
    steps = mapping((alert, text, PLAIN) for alert, text in next_steps().items())
    runbooks = mapping((alert, "read ↗", PLAIN) for alert in SUMMARIES)
    columns = (
        Column("Severity", "severity", look=state_look(SEVERITY, 76)),
        Column("What is wrong", "alertname", look={"mappings": [texts], **WRAPPED, "custom.minWidth": 200}),
        Column("Next", "next", look={"mappings": [steps], **WRAPPED, "custom.width": 160}),
        Column("Organization", "organization", look={"custom.width": 94}),
        Column("Database", "database", look={"custom.width": 104}),
        REQUEST,
        Column("About", "about", look={"custom.width": 92}),
        Column("For", expr=listed(), look={**DURATION, "custom.width": 75, "mappings": [UNKNOWN]}),
        Column(
            "Runbook",
            "runbook",
            look={
                **link("Read the runbook", f"{RUNBOOK_BASE}/${{__value.raw}}.md", away=True),
                "mappings": [runbooks],
                "custom.width": 70,
            },
        ),
        Column("Page", "html_url", look=PLANETSCALE),
    )
    return table_of(
        (
            "What is wrong",
            "What can't be polled, then the alerts that fire: each cause once, since when, and what to do next.",
        ),
        columns,
        empty="Nothing is wrong with what is polled.",
        size=(24, height),
        tall=True,
        hidden=("keyspace", "table", "operation", "operation_id", "target", "rank"),
        sort=[("Severity", False), ("For", True)],
    )


def unpolled() -> stat.Panel:
    """Red wherever something is not seen."""
    failing = f"count({request('up')} == 0)"
    targets = f"0 * count({TARGET_UP} == 0) - 1"
    return tile(
        (
            "Can't be polled",
            "Deploy requests whose last poll failed: their values are old. Or a target, where none is known.",
        ),
        f"{failing}\nor {targets}\nor 0 * count({TARGET_UP})",
        empty=NOT_KNOWN,
        texts=mapping([("-1", "target fails", BAD)]),
        colours=(BAD, (0, NEUTRAL), (1, BAD)),
    )
