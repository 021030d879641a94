"""Samples as lines of text, the same in every format that the client library offers; headlines are not.

Label names are sorted, numbers and labels are written as the client library writes them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Final, TypeVar

from prometheus_client.utils import floatToGoString

from exporter.metrics.families import (
    DATABASE_FAMILIES,
    DATABASE_LABELS,
    ENDED_FAMILIES,
    OPERATION_FAMILIES,
    OPERATION_FAMILIES_WITHOUT_TEXTS,
    OPERATION_LABELS,
    REQUEST_FAMILIES,
    REQUEST_LABELS,
    SHARD_FAMILIES,
    SHARD_LABELS,
    SNAPSHOT_FAMILIES,
    Family,
    HistogramFamily,
    SnapshotFamily,
)
from exporter.polling.snapshot import BOUNDS, DatabaseStatus, DeployRequestStatus, Ended, Snapshot

Subject = TypeVar("Subject")
Lines = Iterator[str]

STATUS_FAMILIES: Final[tuple[Family, ...]] = (*OPERATION_FAMILIES, *SHARD_FAMILIES, *REQUEST_FAMILIES)


def status_lines(statuses: Sequence[DeployRequestStatus], *, ddl: bool = True) -> Iterator[Lines]:
    """The lines of a database's deploy requests, for each of `STATUS_FAMILIES`."""
    keyed = [((each.key.organization, each.key.database, str(each.key.number)), each) for each in statuses]
    operations = (
        ((*key, row.keyspace, row.table, row.name, row.id or ""), watched)
        for key, status in keyed
        for watched in status.watched
        for row in [watched.operation]
    )
    shards = (
        ((*key, row.keyspace, row.table, row.name, shard.work.id or "", shard.work.shard), shard)
        for key, status in keyed
        for shard in status.shards
        for row in [shard.summary]
    )
    yield from _lines(OPERATION_FAMILIES if ddl else OPERATION_FAMILIES_WITHOUT_TEXTS, OPERATION_LABELS, operations)
    yield from _lines(SHARD_FAMILIES, SHARD_LABELS, shards)
    yield from _lines(REQUEST_FAMILIES, REQUEST_LABELS, keyed)


def status_lines_without_texts(statuses: Sequence[DeployRequestStatus]) -> Iterator[Lines]:
    """The same without statements and errors."""
    return status_lines(statuses, ddl=False)


def database_lines(databases: Sequence[DatabaseStatus]) -> Iterator[Lines]:
    """The lines of databases, for each of `DATABASE_FAMILIES`."""
    keyed = (((each.organization, each.database), each) for each in databases)
    return _lines(DATABASE_FAMILIES, DATABASE_LABELS, keyed)


def ended_lines(ended: Sequence[Ended]) -> Iterator[Lines]:
    """The lines of how deployments ended in databases, for each of `ENDED_FAMILIES`."""
    keyed = (((each.organization, each.database), each) for each in ended)
    return _lines(ENDED_FAMILIES, DATABASE_LABELS, keyed)


def snapshot_lines(snapshot: Snapshot) -> Iterator[Lines]:
    """The lines of the snapshot as a whole, for each of `SNAPSHOT_FAMILIES`."""
    return _lines(SNAPSHOT_FAMILIES, (), [((), snapshot)])


def _lines(
    families: Iterable[SnapshotFamily[Subject] | HistogramFamily[Subject]],
    identity: tuple[str, ...],
    subjects: Iterable[tuple[tuple[str, ...], Subject]],
) -> Iterator[Lines]:
    """The lines of each family; of subjects that share their labels the first stays."""
    bare = _template(identity)
    named: dict[str, tuple[tuple[str, ...], Subject]] = {}
    for values, subject in subjects:
        escaped = tuple(map(_escape, values))
        named.setdefault(bare(*escaped), (escaped, subject))
    for family in families:
        yield _histogram_lines(family, named) if isinstance(family, HistogramFamily) else _family_lines(family, named)


def _histogram_lines(
    family: HistogramFamily[Subject], named: dict[str, tuple[tuple[str, ...], Subject]]
) -> Iterator[str]:
    name, bucket, bounds = family.name, _template((*family.labels, "le")), [*map(_number, BOUNDS)]
    for labels, (escaped, subject) in named.items():
        if (durations := family.durations(subject)) is not None:
            for bound, count in zip(bounds, durations.counts, strict=True):
                yield f"{name}_bucket{bucket(*escaped, bound)} {_number(count)}\n"
            yield f"{name}_count{labels} {_number(durations.counts[-1])}\n"
            yield f"{name}_sum{labels} {_number(durations.total)}\n"


def _family_lines(family: SnapshotFamily[Subject], named: dict[str, tuple[tuple[str, ...], Subject]]) -> Iterator[str]:
    name, template, samples = family.name, _template(family.labels), family.samples
    for labels, (escaped, subject) in named.items():
        for more, number in samples(subject):
            full = template(*escaped, *map(_escape, more)) if more else labels
            yield f"{name}{full} {_number(number)}\n"


def _number(value: float) -> str:
    return floatToGoString(value)  # type: ignore[no-any-return, no-untyped-call] # not annotated there


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")  # four times as fast as translate


@cache
def _template(labels: tuple[str, ...]) -> Callable[..., str]:
    """What writes the values of *labels*, given in this order, sorted by the labels' names."""
    pairs = ",".join(
        f'{name}="{{{position}}}"' for name, position in sorted(zip(labels, range(len(labels)), strict=True))
    )
    return f"{{{{{pairs}}}}}".format if labels else "".format
