"""The exporter itself: is what the other dashboards show true and fresh?"""

from typing import Final

import health_graphs
from annotations import Annotation
from frame import Section, framed_dashboard
from grafana_foundation_sdk.builders import stat, table
from grafana_foundation_sdk.models import dashboard
from panels import BAD, NEUTRAL, NO_EXPORTER, NOT_KNOWN, PLAIN, WARNING, Panel, tile
from problem_table import unpolled
from queries import AGE, own, process, request
from states import mapping
from tables import CLOCK, COLOURED, DATABASE, DURATION, ORGANIZATION, REQUEST, Column, coloured, table_of

UID: Final = "planetscale-exporter"
TOP: Final = 50  # rows at most
REASONS: Final = {
    "unauthorized": "renew the token",
    "forbidden": "give the token access",
    "not_found": "is the name right, may the token see it?",
    "rate_limited": "find who else uses the limit",
    "server_error": "see PlanetScale's status",
    "timeout": "look at the network, api.timeout",
    "network": "look at DNS, proxy, firewall",
    "invalid": "the answer can't be read: report it",
    "too_large": "the answer is too large: report it",
    "redirect": "check api.url",
    "late": "raise the budget, or watch less",
    "bug": "report it, with the log",
}
_COLOURED: Final = {"custom.cellOptions": COLOURED, "custom.width": 75}
PROBLEM_DELAY: Final = 60  # seconds, as in the alert PlanetScaleExporterBehind


def dashboard_of_the_exporter() -> dashboard.Dashboard:
    """From whether it is well to polls, budget and delay, what is exported, and the process."""
    sections: list[Section] = [
        ("", [*_tiles(), _targets(), _reasons(), _unpolled()]),
        ("Polls", health_graphs.polls()),
        ("Request budget", health_graphs.budget()),
        ("+What is exported", health_graphs.exported()),
        ("+Process and configuration", [*health_graphs.processes(), _builds()]),
    ]
    return framed_dashboard(
        UID,
        "Is the exporter well: do its polls work, does its request budget suffice, are its values fresh?",
        sections,
        annotations=_marks(),
        exporters=True,
    )


def _marks() -> list[Annotation]:
    started = process("process_start_time_seconds")
    loaded = own("config_last_reload_success_timestamp_seconds")
    return [
        Annotation(
            "Exporter started",
            f"max by (job, instance) ({started}) > time() - $__interval_ms / 1000",
            text="{{job}} {{instance}}",
            colour="blue",
        ),
        Annotation(
            "Configuration loaded",
            f"max by (job, instance) ({loaded}) > time() - $__interval_ms / 1000",
            text="{{job}} {{instance}}",
            colour="purple",
        ),
    ]


def _tiles() -> list[Panel]:
    used = f"60 * sum by (job, instance) (rate({own('api_requests_total')}[$__rate_interval]))"
    budget = f"sum by (job, instance) ({own('api_budget_requests_per_minute')})"
    return [
        _tile(
            "Exporters",
            "How many exporters are scraped.",
            f"count({own('build_info')})",
            empty=NO_EXPORTER,
            filled=False,
        ),
        tile(
            ("Targets that fail", "Configured targets of which some part failed at its last try."),
            f"count(min by (target) ({own('target_up')}) == 0)\nor 0 * count({own('target_up')})",
            empty=NOT_KNOWN,
            colours=(NEUTRAL, (1, BAD)),
        ),
        unpolled(),
        _tile(
            "Budget used",
            "The share of its request budget that an exporter uses, of the one that uses most.",
            f"max({used} / {budget})",
            unit="percentunit",
            colours=(NEUTRAL, (0.8, WARNING), (0.95, BAD)),
        ),
        _tile(
            "Polls start late by",
            "The 95th percentile of how late polls start, of the exporter that is slowest.",
            f"max({health_graphs.quantile(0.95, 'poll_delay_seconds', 'job, instance')})",
            unit="s",
            colours=(NEUTRAL, (PROBLEM_DELAY / 2, WARNING), (PROBLEM_DELAY, BAD)),
        ),
        _tile(
            "Oldest values",
            "The time since the last good poll, of the deploy request that waits longest and moves.",
            f"max({AGE})",
            unit="s",
            colours=(NEUTRAL, (600, WARNING), (1200, BAD)),
        ),
        _tile(
            "Configuration",
            "Whether the last load of the configuration worked.",
            f"min({own('config_last_reload_successful')})",
            texts=mapping([("1", "loaded", NEUTRAL), ("0", "reload failed", BAD)]),
        ),
        _tile(
            "Memory",
            "Resident memory, of the exporter that uses most.",
            f"max({process('process_resident_memory_bytes')})",
            unit="bytes",
            filled=False,
        ),
    ]


def _targets() -> table.Panel:
    up = f"min by (target) ({own('target_up')})"
    worked = f"max by (target) (max_over_time(timestamp({own('target_up')} == 1)[$__range:1m]))"
    columns = (
        Column("Target", "target", look={"custom.minWidth": 110}),
        Column("Works", expr=up, look={"mappings": [mapping([("1", "yes", NEUTRAL), ("0", "no", BAD)])], **_COLOURED}),
        Column("Fails for", expr=f"time() - {worked} and {up} == 0", look=DURATION),
        Column("Worked last at", expr=f"1000 * ({worked} and {up} == 0)", look=CLOCK),
    )
    return table_of(
        ("Targets", "Each configured target, whether every part of it worked at its last try, and since when not."),
        columns,
        empty="No target is known to have been tried.",
        size=(12, 8),
        sort=[("Works", False)],
    )


def _unpolled() -> table.Panel:
    failing = f"topk({TOP}, time() - {request('last_success_timestamp_seconds')} and {request('up')} == 0)"
    columns = (
        ORGANIZATION,
        DATABASE,
        REQUEST,
        Column("Fails for", expr=failing, look={**DURATION, **coloured(WARNING, (600, BAD))}),
    )
    return table_of(
        (
            "Deploy requests that can't be polled",
            f"Those whose last poll failed, and how long ago one worked: the {TOP} that have failed longest.",
        ),
        columns,
        empty="No poll of a deploy request is known to fail.",
        size=(24, 7),
        sort=[("Fails for", True)],
    )


def _reasons() -> table.Panel:
    failures = f"sum by (reason) (rate({own('poll_failures_total')}[$__rate_interval]))"
    steps = mapping((reason, f"{reason}: {step}", PLAIN) for reason, step in REASONS.items())
    columns = (
        Column("Reason, and what to do", "reason", look={"mappings": [steps]}),
        Column("A minute", expr=f"60 * ({failures} > 0)", look={"decimals": 1, "custom.width": 90}),
    )
    return table_of(
        ("Why polls fail", "The reasons of the polls that fail now. The log names the target and the setting."),
        columns,
        empty="No poll is known to have failed lately.",
        size=(12, 8),
        sort=[("A minute", True)],
    )


def _builds() -> table.Panel:
    since = {"unit": "dateTimeAsIso", "custom.width": 180}
    loaded = own("config_last_reload_success_timestamp_seconds")
    columns = (
        Column("Job", "job"),
        Column("Instance", "instance"),
        Column(
            "Version",
            "version",
            expr=f"max by (job, instance, version, revision, python_version) ({own('build_info')})",
        ),
        Column("Revision", "revision"),
        Column("Python", "python_version"),
        Column("Started", expr=f"1000 * max by (job, instance) ({process('process_start_time_seconds')})", look=since),
        Column("Configuration loaded", expr=f"1000 * max by (job, instance) ({loaded})", look=since),
    )
    return table_of(
        ("Exporters", "Each exporter's version, since when it runs, and when its configuration was last loaded."),
        columns,
        empty=NO_EXPORTER,
        size=(24, 5),
    )


def _tile(  # noqa: PLR0913 - each is a word on the tile
    title: str,
    description: str,
    expr: str,
    *,
    empty: str = NO_EXPORTER,
    unit: str = "none",
    colours: tuple[str, *tuple[tuple[float, str], ...]] = (PLAIN,),
    texts: dashboard.ValueMap | None = None,
    filled: bool = True,
) -> stat.Panel:
    return tile((title, description), expr, empty=empty, unit=unit, colours=colours, texts=texts, filled=filled)
