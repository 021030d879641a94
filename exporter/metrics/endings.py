"""What the ends of deployments add up to: in a large fleet far more series than all else that the exporter counts."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from exporter.metrics import families

# From a minute to a week.
_SECONDS: Final = tuple(60.0 * minutes for minutes in (1, 5, 15, 30, 60, 120, 240, 480, 1440, 2880, 5760, 10080))


class EndingSeries:
    """Series of every database on a `registry` of their own; `changes` tells how often any of them changed.

    They change a few times an hour, and the client library takes a second to write those of a thousand databases: so
    their page is kept for as long as `changes` is the same.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self.changes = 0
        finished, *times = families.FINISHED, families.RUN_SECONDS, families.WAIT_SECONDS
        self._finished = Counter(finished.name, finished.help, finished.labels, registry=self.registry)
        self._run, self._wait = (
            Histogram(each.name, each.help, each.labels, registry=self.registry, buckets=_SECONDS) for each in times
        )

    def database_seen(self, organization: str, database: str) -> None:
        """A database is watched, or a deploy request in it polled, for the first time."""
        for result in families.FINISHED_RESULTS:
            self._finished.labels(organization, database, result)
        self.changes += 1

    def deployment_awaited(self, organization: str, database: str) -> None:
        """A deployment waits or runs: what will be observed of its end starts at 0, so that it is an increase."""
        for histogram in (self._run, self._wait):
            histogram.labels(organization, database)
        self.changes += 1

    def database_gone(self, organization: str, database: str) -> None:
        """A database is not watched any more: its series go with it."""
        for series in (self._finished, self._run, self._wait):
            series.remove_by_labels({"organization": organization, "database": database})
        self.changes += 1

    def deployment_ended(
        self, organization: str, database: str, result: str, *, run: float | None, wait: float | None
    ) -> None:
        """A deployment ended with one of `FINISHED_RESULTS`, after so many seconds where they are known."""
        self._finished.labels(organization, database, result).inc()
        for histogram, seconds in ((self._run, run), (self._wait, wait)):
            if seconds is not None:
                histogram.labels(organization, database).observe(seconds)
        self.changes += 1
