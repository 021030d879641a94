"""What the exporter tells of itself."""

import platform
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from exporter.metrics.families import ENDPOINTS, FAILURE_REASONS, OWN_FAMILIES, SKIP_REASONS
from exporter.metrics.own import OwnSeries, live_registry

PREFIX = "planetscale_exporter_"


class Own:
    """The series of an exporter that has just started, and their values."""

    def __init__(self) -> None:
        self.waited = 0.0
        self.live = live_registry(lambda: self.waited)
        self.series = OwnSeries(version="1.2.3", revision="abc")

    def value(self, name: str, **labels: str) -> float | None:
        """Give a sample's value, None where there is no such sample."""
        values = (each.get_sample_value(PREFIX + name, labels) for each in (self.series.registry, self.live))
        return next((value for value in values if value is not None), None)


@pytest.fixture
def own() -> Own:
    """Give the series of an exporter that has just started."""
    return Own()


def test_all_families_of_the_table_are_registered(own: Own) -> None:
    """Every own family of the table is there with its type, help and labels."""
    own.series.request_ended("operations", "200", 0.1)
    registries = (own.live, own.series.registry)
    pages = (generate_latest(registry).decode() for registry in registries)
    page = {family.name: family for text in pages for family in text_string_to_metric_families(text)}
    for family in OWN_FAMILIES:
        found = page[family.name.removesuffix("_total")]
        assert (found.type, found.documentation) == (family.type, family.help)
        assert all(set(sample.labels) - {"le"} == set(family.labels) for sample in found.samples)


def test_process_and_python_are_there(own: Own) -> None:
    """The client library's series of process, garbage collector and Python are on the page."""
    page = generate_latest(own.live).decode()
    assert all(
        f"\n{name}" in page for name in ("process_cpu_seconds_total", "python_gc_collections_total", "python_info")
    )


def test_the_share_that_is_polled(own: Own) -> None:
    """Which of how many exporters this is, as configured."""
    own.series.shard(1, 3)
    assert (own.value("shard_index"), own.value("shard_count")) == (1, 3)


@pytest.mark.parametrize("generate", [generate_latest, generate_openmetrics])
def test_no_created_series(own: Own, generate: Callable[[CollectorRegistry], bytes]) -> None:
    """No format has `_created` series."""
    own.series.request_ended("operations", "200", 0.1)
    assert b"_created" not in generate(own.series.registry)


def test_build_info(own: Own) -> None:
    """The build is named with version, revision and Python's version."""
    labels = {"version": "1.2.3", "revision": "abc", "python_version": platform.python_version()}
    assert own.value("build_info", **labels) == 1


def test_reasons_are_there_from_the_start(own: Own) -> None:
    """Every reason starts at 0, so that a first failure is an increase."""
    assert {own.value("poll_failures_total", reason=reason) for reason in FAILURE_REASONS} == {0}
    assert {own.value("operations_skipped_total", reason=reason) for reason in SKIP_REASONS} == {0}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_endpoints_are_there_from_the_start(own: Own, endpoint: str) -> None:
    """Good and rate-limited requests start at 0 for every endpoint, and so does their duration."""
    assert own.value("api_requests_total", endpoint=endpoint, code="200") == 0
    assert own.value("api_requests_total", endpoint=endpoint, code="429") == 0
    assert own.value("api_request_duration_seconds_count", endpoint=endpoint) == 0


def test_requests_are_counted_and_timed(own: Own) -> None:
    """A request counts by endpoint and code, and its duration by endpoint."""
    own.series.request_ended("operations", "200", 0.3)
    own.series.request_ended("operations", "timeout", 10.0)
    assert own.value("api_requests_total", endpoint="operations", code="200") == 1
    assert own.value("api_requests_total", endpoint="operations", code="timeout") == 1
    assert own.value("api_requests_total", endpoint="throttler", code="200") == 0
    assert own.value("api_request_duration_seconds_sum", endpoint="operations") == pytest.approx(10.3)
    assert own.value("api_request_duration_seconds_bucket", endpoint="operations", le="0.25") == 0
    assert own.value("api_request_duration_seconds_bucket", endpoint="operations", le="0.5") == 1
    assert own.value("api_request_duration_seconds_bucket", endpoint="operations", le="10.0") == 2


def test_failures_and_skipped_operations_are_counted(own: Own) -> None:
    """A failed poll counts once, skipped operations as many times as they are."""
    own.series.poll_failed("late")
    own.series.skipped("cap", 3)
    own.series.skipped("cap", 2)
    assert own.value("poll_failures_total", reason="late") == 1
    assert own.value("poll_failures_total", reason="bug") == 0
    assert own.value("operations_skipped_total", reason="cap") == 5


def test_a_delay_of_a_minute_ends_a_bucket(own: Own) -> None:
    """A poll that starts a minute late is not yet late, and 5 minutes can be told from more."""
    for delay in (0.0, 60.0, 60.1, 300.0, 301.0):
        own.series.poll_started(delay)
    assert own.value("poll_delay_seconds_bucket", le="60.0") == 2
    assert own.value("poll_delay_seconds_bucket", le="300.0") == 4
    assert own.value("poll_delay_seconds_count") == 5


def test_a_clock_that_goes_back_is_no_delay(own: Own) -> None:
    """A negative delay counts as none: sums of histograms only rise."""
    own.series.poll_started(-5.0)
    assert own.value("poll_delay_seconds_sum") == 0


def test_the_budget_is_read_when_scraped(own: Own) -> None:
    """The budget is what was said last, and the wait is as long as it is at the scrape."""
    own.series.budget(300)
    own.waited = 1.5
    assert own.value("api_budget_requests_per_minute") == 300
    assert own.value("api_budget_wait_seconds_total") == 1.5
    own.series.budget(60)
    own.waited = 2.5
    assert own.value("api_budget_requests_per_minute") == 60
    assert own.value("api_budget_wait_seconds_total") == 2.5


def test_a_failed_reload_keeps_the_time_of_the_last_good_one(own: Own) -> None:
    """The gauge falls to 0 and the time stays; the next good reload moves both."""
    seen = []
    for ok, at in ((True, 100.0), (False, 200.0), (True, 300.0)):
        own.series.reloaded(ok, at)
        names = ("config_last_reload_successful", "config_last_reload_success_timestamp_seconds")
        seen.append(tuple(own.value(name) for name in names))
    assert seen == [(1, 100), (0, 100), (1, 300)]
