"""The exporter itself: is what the other dashboards show true and fresh?"""

from typing import Final

import health_graphs
from annotations import Annotation
from frame import Section, framed_dashboard
from grafana_foundation_sdk.builders import stat, table
from grafana_foundation_sdk.models import dashboard
from panels import BAD, NEUTRAL, NO_EXPORTER, PLAIN, WARNING, Panel, tile
from queries import AGE, counted, own, process, request
from states import mapping
from tables import DATABASE, DURATION, ORGANIZATION, REQUEST, Column, coloured, flag_look, table_of

UID: Final = "planetscale-exporter"
PROBLEM_DELAY: Final = 60  # seconds, as in the alert PlanetScaleExporterBehind


def dashboard_of_the_exporter() -> dashboard.Dashboard:
    """From whether it is well to polls, budget and delay, what is exported, and the process."""
    sections: list[Section] = [
        ("", [*_tiles(), _targets(), _unpolled()]),
        ("Polls", health_graphs.polls()),
        ("Request budget", health_graphs.budget()),
        ("What is exported", health_graphs.exported()),
        ("Process and configuration", [*health_graphs.processes(), _builds()]),
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
        _bad(
            "Targets that fail",
            "Configured targets of which some part failed at its last try.",
            f"{own('target_up')} == 0",
        ),
        _bad(
            "Can't be polled", "Deploy requests whose last poll failed: their values are old.", f"{request('up')} == 0"
        ),
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
            texts=mapping([("1", "loaded", PLAIN), ("0", "reload failed", BAD)]),
            filled=False,
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
    columns = (
        Column("Target", "target"),
        Column("Works", expr=f"min by (target) ({own('target_up')})", look=flag_look("yes", PLAIN, 140, no="no")),
    )
    return table_of(
        ("Targets", "Each configured target, and whether every part of it worked at its last try."),
        columns,
        empty="No target has been tried yet.",
        size=(9, 7),
        sort=[("Works", False)],
    )


def _unpolled() -> table.Panel:
    columns = (
        ORGANIZATION,
        DATABASE,
        REQUEST,
        Column(
            "Last good poll",
            expr=f"time() - {request('last_success_timestamp_seconds')} and {request('up')} == 0",
            look={**DURATION, **coloured(WARNING, (600, BAD))},
        ),
    )
    return table_of(
        ("Can't be polled", "Deploy requests whose last poll failed, and how long ago one worked."),
        columns,
        empty="Every deploy request can be polled.",
        size=(15, 7),
        sort=[("Last good poll", True)],
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


def _bad(title: str, description: str, condition: str) -> stat.Panel:
    return tile((title, description), counted(condition), empty=NO_EXPORTER, colours=(NEUTRAL, (1, BAD)))
