"""Samples as lines of text, the same in every format that the client library offers: our families are all gauges.

Label names are sorted, numbers and labels are written as the client library writes them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Final, TypeVar

from prometheus_client.utils import floatToGoString

from exporter.metrics.families import (
    OPERATION_FAMILIES,
    OPERATION_FAMILIES_WITHOUT_TEXTS,
    OPERATION_LABELS,
    REQUEST_FAMILIES,
    REQUEST_LABELS,
    SHARD_FAMILIES,
    SHARD_LABELS,
    SNAPSHOT_FAMILIES,
    Family,
    SnapshotFamily,
)
from exporter.polling.snapshot import DeployRequestStatus, Snapshot

Subject = TypeVar("Subject")
Chunks = tuple[bytes, ...]


DEPLOY_REQUEST_FAMILIES: Final[tuple[Family, ...]] = (*OPERATION_FAMILIES, *SHARD_FAMILIES, *REQUEST_FAMILIES)


def deploy_request_chunks(status: DeployRequestStatus, *, ddl: bool) -> Chunks:
    """The lines of a deploy request, a chunk for each of `DEPLOY_REQUEST_FAMILIES`."""
    key = (status.key.organization, status.key.database, str(status.key.number))
    operations = [
        ((*key, row.keyspace, row.table, row.name, row.id or ""), watched)
        for watched in status.watched
        for row in [watched.operation]
    ]
    shards = [
        ((*key, row.keyspace, row.table, row.name, shard.work.id or "", shard.work.shard), shard)
        for shard in status.shards
        for row in [shard.summary]
    ]
    return (
        *_chunks(OPERATION_FAMILIES if ddl else OPERATION_FAMILIES_WITHOUT_TEXTS, OPERATION_LABELS, operations),
        *_chunks(SHARD_FAMILIES, SHARD_LABELS, shards),
        *_chunks(REQUEST_FAMILIES, REQUEST_LABELS, [(key, status)]),
    )


def snapshot_chunks(snapshot: Snapshot) -> Chunks:
    """The lines of the snapshot as a whole, a chunk for each of `SNAPSHOT_FAMILIES`."""
    return tuple(_chunks(SNAPSHOT_FAMILIES, (), [((), snapshot)]))


def _chunks(
    families: Iterable[SnapshotFamily[Subject]],
    identity: tuple[str, ...],
    subjects: Sequence[tuple[tuple[str, ...], Subject]],
) -> Iterator[bytes]:
    """One chunk of lines a family; of subjects that share their labels the first stays."""
    bare = _template(identity)
    named: dict[str, tuple[list[str], Subject]] = {}
    for values, subject in subjects:
        escaped = [_escape(value) for value in values]
        named.setdefault(bare(*escaped), (escaped, subject))
    for family in families:
        template = _template(family.labels)
        lines = []
        for labels, (escaped, subject) in named.items():
            for more, number in family.samples(subject):
                full = template(*escaped, *[_escape(value) for value in more]) if more else labels
                lines.append(f"{family.name}{full} {_number(number)}\n")
        yield "".join(lines).encode()


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
