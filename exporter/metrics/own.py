"""What the exporter counts of itself: requests, polls, budget, reloads; kept across reloads."""

import platform
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily

from exporter.metrics import families

_REQUEST_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_DELAY_SECONDS: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
# An increase is seen only from a series that is there before it; an alert watches 429.
_CODES_FROM_THE_START: Final = ("200", "429")


def live_registry(seconds_waited: Callable[[], float]) -> CollectorRegistry:
    """A registry with what is read at each scrape: of the process, its garbage collector, its Python and the budget.

    *seconds_waited* gives the wall time during which anything waited for the budget, in seconds, so far; it is called
    in a thread of the scrape's own.
    """
    registry = CollectorRegistry(auto_describe=True)
    registry.register(_BudgetWait(seconds_waited))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class OwnSeries:
    """What the client and the poll loop tell, on a `registry`; `changes` tells how often any of it changed.

    `budget`, `shard` and `reloaded` are to be called before the first scrape: their gauges say 0 until then.

    It turns `_created` series off for the whole process: the client library knows no other way.
    """

    def __init__(self, *, version: str, revision: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # not annotated there
        self.registry = registry = CollectorRegistry(auto_describe=True)
        self.changes = 0
        _gauge(families.BUILD_INFO, registry).labels(version, revision, platform.python_version()).set(1)
        self._requests = _counter(families.API_REQUESTS, registry)
        self._request_seconds = _histogram(families.API_DURATION, registry, _REQUEST_SECONDS)
        for endpoint in families.ENDPOINTS:
            self._request_seconds.labels(endpoint)
            for code in _CODES_FROM_THE_START:
                self._requests.labels(endpoint, code)
        self._budget = _gauge(families.API_BUDGET, registry)
        self._failures = _counter(families.POLL_FAILURES, registry)
        for reason in families.FAILURE_REASONS:
            self._failures.labels(reason)
        self._skipped = _counter(families.SKIPPED, registry)
        for reason in families.SKIP_REASONS:
            self._skipped.labels(reason)
        self._webhooks = _counter(families.WEBHOOKS, registry)
        for event in families.WEBHOOK_EVENTS:
            self._webhooks.labels(event, "accepted" if event.startswith("deploy_request.") else "ignored")
        for result in ("ignored", "unsigned", "invalid"):
            self._webhooks.labels("other", result)
        self._delay = _histogram(families.POLL_DELAY, registry, _DELAY_SECONDS)
        self._reload_ok = _gauge(families.RELOAD_OK, registry)
        self._reload_time = _gauge(families.RELOAD_TIME, registry)
        self._shard_index = _gauge(families.SHARD_INDEX, registry)
        self._shard_count = _gauge(families.SHARD_COUNT, registry)

    def request_ended(self, endpoint: str, code: str, seconds: float) -> None:
        """A request to *endpoint* ended after *seconds* with a status, or with the reason why there is none."""
        self._requests.labels(endpoint, code).inc()
        self._request_seconds.labels(endpoint).observe(seconds)
        self.changes += 1

    def poll_started(self, delay_seconds: float) -> None:
        """The first request of a poll left, *delay_seconds* after the poll was due."""
        self._delay.observe(max(delay_seconds, 0.0))
        self.changes += 1

    def poll_failed(self, reason: str) -> None:
        """A poll failed, for one of `FAILURE_REASONS`."""
        self._failures.labels(reason).inc()
        self.changes += 1

    def skipped(self, reason: str, count: int) -> None:
        """A poll left *count* operations out, for one of `SKIP_REASONS`."""
        self._skipped.labels(reason).inc(count)
        self.changes += 1

    def webhook_came(self, event: str, result: str) -> None:
        """A webhook came in; *event* is what it calls itself, empty where that is not to be trusted."""
        self._webhooks.labels(event if event in families.WEBHOOK_EVENTS else "other", result).inc()
        self.changes += 1

    def budget(self, limit: int) -> None:
        """From now on *limit* requests a minute are allowed."""
        self._budget.set(limit)
        self.changes += 1

    def shard(self, index: int, count: int) -> None:
        """From now on this is the exporter at *index*, from 0, of *count*."""
        self._shard_index.set(index)
        self._shard_count.set(count)
        self.changes += 1

    def reloaded(self, ok: bool, at: float) -> None:
        """The configuration was loaded, or could not be, at a Unix time in seconds; the start counts as well."""
        self._reload_ok.set(ok)
        if ok:
            self._reload_time.set(at)
        self.changes += 1


class _BudgetWait:
    """Reads the counter of the budget where it is kept."""

    def __init__(self, seconds_waited: Callable[[], float]) -> None:
        self._seconds_waited = seconds_waited

    def describe(self) -> Iterator[CounterMetricFamily]:
        """The family without a sample, for the registry to know its names."""
        yield CounterMetricFamily(families.API_BUDGET_WAIT.name, families.API_BUDGET_WAIT.help)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The family as it is now."""
        yield CounterMetricFamily(
            families.API_BUDGET_WAIT.name, families.API_BUDGET_WAIT.help, value=self._seconds_waited()
        )


def _gauge(family: families.Family, registry: CollectorRegistry) -> Gauge:
    return Gauge(family.name, family.help, family.labels, registry=registry)


def _counter(family: families.Family, registry: CollectorRegistry) -> Counter:
    return Counter(family.name, family.help, family.labels, registry=registry)


def _histogram(family: families.Family, registry: CollectorRegistry, buckets: tuple[float, ...]) -> Histogram:
    return Histogram(family.name, family.help, family.labels, registry=registry, buckets=buckets)
