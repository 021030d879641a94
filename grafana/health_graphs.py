"""The graphs of the exporter's health."""

from typing import Final

from grafana_foundation_sdk.builders import timeseries
from panels import NO_EXPORTER, Panel, lines
from queries import own, process, recorded

EACH: Final = "{{instance}}"
OLDEST: Final = recorded("database:planetscale_deploy_request_last_success_timestamp_seconds:min")


def polls() -> list[Panel]:
    """Whether polls work, and how old what they know is."""
    return [_failures(), _requests(), _durations(), _ages()]


def budget() -> list[Panel]:
    """Whether the request budget suffices."""
    return [_budget(), _waiting(), _delay()]


def exported() -> list[Panel]:
    """How much is exported."""
    return [_exported(), _skipped()]


def processes() -> list[Panel]:
    """What each exporter uses up."""
    return [_memory(), _cpu(), _files()]


def _failures() -> timeseries.Panel:
    return lines(
        (
            "Failed polls by reason",
            "Polls a minute that failed. late: they did not start within poll.stale_after of being due.",
        ),
        [(f"60 * sum by (reason) (rate({own('poll_failures_total')}[$__rate_interval])) > 0", "{{reason}}")],
        empty="No poll is known to have failed.",
        unit="cpm",
        stacked=True,
        bad="/.+/",
    )


def _requests() -> timeseries.Panel:
    rate = f"60 * sum by (endpoint, code) (rate({own('api_requests_total')}[$__rate_interval]))"
    return lines(
        ("Requests to PlanetScale", "Requests a minute by endpoint and HTTP status, or what there was instead of one."),
        [(f"{rate} > 0", "{{endpoint}} {{code}}")],
        empty="No request is known.",
        unit="cpm",
        stacked=True,
        bad="/.+ (?!200$).+/",
    )


def _durations() -> timeseries.Panel:
    return lines(
        ("How long requests take", "The median of all, and the 99th percentile by endpoint."),
        [
            (quantile(0.5, "api_request_duration_seconds"), "median"),
            (quantile(0.99, "api_request_duration_seconds", "endpoint"), "{{endpoint}} p99"),
        ],
        empty="No request is known.",
        unit="s",
        dashed=".* p99",
    )


def _ages() -> timeseries.Panel:
    oldest = f"max by (organization, database) ({OLDEST})"
    return lines(
        (
            "How old values are",
            "The time since the last good poll of what moves and waits longest, of the five worst databases now.",
        ),
        [(f"time() - {oldest} and bottomk(5, {oldest.replace('}', '} @ end()')})", "{{organization}}/{{database}}")],
        empty="Not recorded, or nothing moves.",
        unit="s",
    )


def _budget() -> timeseries.Panel:
    return lines(
        ("Requests and budget", "Requests a minute, and the budget that they never exceed (api.requests_per_minute)."),
        [
            (f"60 * sum by (instance) (rate({own('api_requests_total')}[$__rate_interval]))", EACH),
            (f"max by (instance) ({own('api_budget_requests_per_minute')})", EACH + " budget"),
        ],
        empty="No request is known.",
        unit="cpm",
        size=(8, 8),
        dashed=".* budget",
    )


def _waiting() -> timeseries.Panel:
    return lines(
        (
            "Time spent waiting for the budget",
            "The share of time in which some request waited. Always 1: the budget is too small.",
        ),
        [(f"sum by (instance) (rate({own('api_budget_wait_seconds_total')}[$__rate_interval]))", EACH)],
        empty="Nothing is known to have waited.",
        unit="percentunit",
        size=(8, 8),
        top=1,
    )


def _delay() -> timeseries.Panel:
    return lines(
        (
            "How late polls start",
            "From when a poll was due to when its first request leaves: median and 95th percentile.",
        ),
        [
            (quantile(0.5, "poll_delay_seconds", "instance"), EACH + " median"),
            (quantile(0.95, "poll_delay_seconds", "instance"), EACH + " p95"),
        ],
        empty="No poll is known.",
        unit="s",
        size=(8, 8),
        dashed=".* p95",
    )


def _exported() -> timeseries.Panel:
    return lines(
        ("Exported", "How many deploy requests and operations each exporter exports."),
        [
            (f"sum by (instance) ({own('operations')})", EACH + " operations"),
            (f"sum by (instance) ({own('deploy_requests')})", EACH + " deploy requests"),
        ],
        empty=NO_EXPORTER,
        unit="none",
    )


def _skipped() -> timeseries.Panel:
    return lines(
        (
            "Operations left out",
            "Operations a minute that a poll left out: without an id, a duplicate, or beyond metrics.max_operations.",
        ),
        [(f"60 * sum by (reason) (rate({own('operations_skipped_total')}[$__rate_interval]))", "{{reason}}")],
        empty=NO_EXPORTER,
        unit="cpm",
    )


def _memory() -> timeseries.Panel:
    return lines(
        ("Memory", "Resident memory of each exporter."),
        [(process("process_resident_memory_bytes"), EACH)],
        empty=NO_EXPORTER,
        unit="bytes",
        size=(8, 8),
    )


def _cpu() -> timeseries.Panel:
    return lines(
        ("Processor", "The share of one core that each exporter uses."),
        [(process("process_cpu_seconds_total", "$__rate_interval"), EACH)],
        empty=NO_EXPORTER,
        unit="percentunit",
        size=(8, 8),
    )


def _files() -> timeseries.Panel:
    return lines(
        ("Open files", "Open file descriptors of each exporter, connections included."),
        [(process("process_open_fds"), EACH)],
        empty=NO_EXPORTER,
        unit="none",
        size=(8, 8),
    )


def quantile(share: float, name: str, by: str = "") -> str:
    """The quantile of a histogram of the exporter's own; none while nothing is observed, where Prometheus says NaN."""
    buckets = own(f"{name}_bucket")
    return (
        f"histogram_quantile({share}, sum by ({f'le, {by}' if by else 'le'}) (rate({buckets}[$__rate_interval]))) >= 0"
    )
