"""The snapshot's families as the client library would collect them: what the exposition is compared with."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from exporter.metrics.families import (
    DATABASE_FAMILIES,
    ENDED_FAMILIES,
    OPERATION_FAMILIES,
    OPERATION_FAMILIES_WITHOUT_TEXTS,
    REQUEST_FAMILIES,
    SHARD_FAMILIES,
    SNAPSHOT_FAMILIES,
    HistogramFamily,
    SnapshotFamily,
)
from exporter.polling.snapshot import BOUNDS, DeployRequestStatus, Shard, Snapshot, Watched

Subject = TypeVar("Subject")
Subjects = tuple[tuple[str, ...], Subject]


class Reference:
    """The snapshot's families as a collector of the client library."""

    def __init__(self, of: Snapshot, *, ddl: bool = True) -> None:
        self._snapshot = of
        self._operations = OPERATION_FAMILIES if ddl else OPERATION_FAMILIES_WITHOUT_TEXTS

    def describe(self) -> Iterable[Metric]:
        """Name the families."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """Collect every family, of doubled subjects the first."""
        operations: list[Subjects[Watched]] = []
        shards: list[Subjects[Shard]] = []
        requests: list[Subjects[DeployRequestStatus]] = []
        for each in self._snapshot.deploy_requests:
            key = (each.key.organization, each.key.database, str(each.key.number))
            requests.append((key, each))
            for watched in each.watched:
                row = watched.operation
                operations.append(((*key, row.keyspace, row.table, row.name, row.id or ""), watched))
            for shard in each.shards:
                row = shard.summary
                names = (row.keyspace, row.table, row.name, shard.work.id or "", shard.work.shard)
                shards.append(((*key, *names), shard))
        yield from self._collect(self._operations, operations)
        yield from self._collect(SHARD_FAMILIES, shards)
        yield from self._collect(REQUEST_FAMILIES, requests)
        databases = [((each.organization, each.database), each) for each in self._snapshot.databases]
        yield from self._collect(DATABASE_FAMILIES, databases)
        ended = [((each.organization, each.database), each) for each in self._snapshot.ended]
        for family in ENDED_FAMILIES:
            yield from (
                self._histogram(family, ended)
                if isinstance(family, HistogramFamily)
                else self._collect([family], ended)
            )
        yield from self._collect(SNAPSHOT_FAMILIES, [((), self._snapshot)])

    @staticmethod
    def _collect(
        families: Iterable[SnapshotFamily[Subject]], subjects: Iterable[Subjects[Subject]]
    ) -> Iterator[Metric]:
        for family in families:
            kind = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
            metric = kind(family.name, family.help, labels=family.labels)
            seen = set()
            for identity, subject in subjects:
                if identity in seen:
                    continue
                seen.add(identity)
                for more, value in family.samples(subject):
                    metric.add_metric((*identity, *more), value)
            yield metric

    @staticmethod
    def _histogram(family: HistogramFamily[Subject], subjects: Iterable[Subjects[Subject]]) -> Iterator[Metric]:
        metric = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for identity, subject in subjects:
            if durations := family.durations(subject):
                bounds = [*map(floatToGoString, BOUNDS)]
                metric.add_metric(identity, [*zip(bounds, durations.counts, strict=True)], durations.total)
        yield metric
