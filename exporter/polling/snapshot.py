"""What is known of the deploy requests right now: immutable, swapped whole, read by metrics and pages.

Times are Unix seconds unless they are moments. A scrape sees one snapshot, old or new, never half of one.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from math import inf
from typing import Final, Generic, NamedTuple, TypeVar

from exporter.planetscale.models import Deployment, DeploymentState, DeployRequest, Operation, ShardWork, ThrottleRatio

T_co = TypeVar("T_co", covariant=True)
BOUNDS: Final = tuple(60.0 * each for each in (1, 5, 15, 30, 60, 120, 240, 480, 1440, 2880, 5760, 10080, inf))
"""The seconds by which durations are counted: a minute to a week, and all."""
Scope = tuple[str, str]
"""An organisation and a database, the latter empty for the organisation itself."""


class Key(NamedTuple):
    """What identifies a deploy request."""

    organization: str
    database: str
    number: int

    @property
    def scope(self) -> Scope:
        """Where it is."""
        return self.organization, self.database

    def __str__(self) -> str:
        return f"{self.organization}/{self.database}/{self.number}"


class Moment(NamedTuple):
    """A moment by two clocks: `steady` seconds that nobody can set, for ages, and Unix time, for people and samples."""

    steady: float
    unix: float

    def since(self, earlier: "Moment") -> float:
        """The seconds that have passed since, however the clock on the wall was set in between."""
        return self.steady - earlier.steady


@dataclass(frozen=True, slots=True)
class Part(Generic[T_co]):
    """What one poll said last, and whether it still can be trusted.

    `value` is None before the first good answer and once polls have failed for `poll.stale_after`. `asked` numbers the
    question that was answered last, in the order in which all were asked. `error` says why the last poll failed, in
    words for a user; it is empty while polls work.
    """

    value: T_co | None = None
    asked: int = 0
    answered_at: Moment | None = None
    failed_since: Moment | None = None
    error: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the last poll worked; None before the first has ended."""
        if self.failed_since is not None:
            return False
        return None if self.answered_at is None else True

    def lost(self, error: str, now: Moment) -> "Part[T_co]":
        """The part when there will be no more polls: down, without a value."""
        return replace(self, value=None, failed_since=self.failed_since or now, error=error)


@dataclass(frozen=True, slots=True)
class Watched:
    """An operation and what watching it has told.

    `last_advance` is when the percentage was last seen to rise, the ETA to fall or the state to change; None until this
    process has seen that. The last known percentage and ETA bridge answers that give none.
    """

    operation: Operation
    last_advance: float | None
    known_progress: float = 0.0
    known_eta: float | None = None


class Shard(NamedTuple):
    """One shard's part of a table's change; the names are those of the summary."""

    summary: Operation
    work: ShardWork


@dataclass(frozen=True, slots=True)
class DeployRequestStatus:
    """All that is known of one deploy request, from whichever polls know it.

    `operations` decides `up`. `deployment` carries no operations of its own; they are in `operations` and `shards`.
    `remembered` are the operations that went stale: never shown, only compared with what comes back.
    """

    key: Key
    configured: bool
    operations: Part[tuple[Watched, ...]] = Part()
    deployment: Part[Deployment] = Part()
    request: Part[DeployRequest] = Part()
    throttle: Part[tuple[ThrottleRatio, ...]] = Part()
    finished_at: float | None = None
    remembered: tuple[Watched, ...] = ()

    def lost(self, error: str, now: Moment) -> "DeployRequestStatus":
        """What is left of it when there will be no more polls."""
        return DeployRequestStatus(
            self.key,
            self.configured,
            self.operations.lost(error, now),
            self.deployment.lost(error, now),
            self.request.lost(error, now),
            self.throttle.lost(error, now),
        )

    @property
    def state(self) -> DeploymentState | None:
        """The deployment's state, None where nothing says."""
        return self.deployment.value.state if self.deployment.value else None

    @property
    def watched(self) -> tuple[Watched, ...]:
        """The operations, none where they are not known."""
        return self.operations.value or ()

    @property
    def shards(self) -> Iterator[Shard]:
        """The parts of the operations that shards do, in sharded keyspaces."""
        summaries = self.deployment.value.summaries if self.deployment.value else ()
        return (Shard(summary, work) for summary in summaries if summary.is_sharded for work in summary.shards)

    @property
    def moves(self) -> bool:
        """True while an operation is not final, or the deployment can still go on."""
        state = self.state
        return any(not watched.operation.state.is_final for watched in self.watched) or (
            state is not None and state.is_moving
        )


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """A configured target: whether every part of it worked at its last try (None before the first), and why not."""

    text: str
    up: bool | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """A watched database: whether its last polls of queue and list worked (None before they were tried).

    `open_requests` counts its open deploy requests by their deployment's state, where the list is known.
    """

    organization: str
    database: str
    up: bool | None = None
    open_requests: Mapping[DeploymentState, int] = field(default_factory=dict)


class Durations(NamedTuple):
    """How long deployments took: `counts` of those that took at most each of `BOUNDS`, in seconds, and their sum."""

    counts: tuple[int, ...] = (0,) * len(BOUNDS)
    total: float = 0.0

    def and_one(self, seconds: float) -> "Durations":
        """These, and one that took so long."""
        counts = (count + (seconds <= bound) for count, bound in zip(self.counts, BOUNDS, strict=True))
        return Durations(tuple(counts), self.total + seconds)


@dataclass(frozen=True, slots=True)
class Ended:
    """What the ends of a database's deployments add up to since the process started: how many, by result, and times.

    `run` and `wait` are None until a deployment waits or runs: they begin at 0, for the first end to be an increase.
    """

    organization: str
    database: str
    results: Mapping[str, int] = field(default_factory=dict)
    run: Durations | None = None
    wait: Durations | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is exported, in the order of its keys; `capped` counts operations left out, by deploy request.

    A deploy request, a database or its ends of which nothing has changed is the same object in the next snapshot.
    """

    by_database: Mapping[Scope, tuple[DeployRequestStatus, ...]] = field(default_factory=dict)
    targets: tuple[TargetStatus, ...] = ()
    operations: int = 0
    capped: Mapping[Key, int] = field(default_factory=dict)
    databases: tuple[DatabaseStatus, ...] = ()
    ended: tuple[Ended, ...] = ()

    @property
    def deploy_requests(self) -> tuple[DeployRequestStatus, ...]:
        """Those of all databases."""
        return tuple(chain.from_iterable(self.by_database.values()))

    def lost(self, error: str, now: Moment) -> "Snapshot":
        """What may still be said when there will be no more polls: everything is down, and no value is known."""
        return Snapshot(
            {scope: tuple(one.lost(error, now) for one in known) for scope, known in self.by_database.items()},
            tuple(replace(target, up=False, error=error) for target in self.targets),
            databases=tuple(DatabaseStatus(one.organization, one.database, up=False) for one in self.databases),
            ended=self.ended,
        )


class SnapshotStore:
    """Holds the current snapshot; the poll loop puts, scrapes take. `changed` is set whenever one is put."""

    def __init__(self) -> None:
        self.current = Snapshot()
        self.changed = asyncio.Event()

    def put(self, snapshot: Snapshot) -> None:
        """Make it the current one."""
        self.current = snapshot
        self.changed.set()
