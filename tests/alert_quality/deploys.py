"""One deploy request's life: its states in time, its copies, and what goes wrong with it. Times are Unix seconds."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from .copies import Copy

IN_QUEUE: Final = frozenset(
    {"queued", "submitting", "in_progress", "pending_cutover", "in_progress_cutover", "complete_pending_revert"}
)
OVER: Final = frozenset({"complete", "complete_cancel", "error", "cancelled"})


class Span(NamedTuple):
    """Some time, from start to end."""

    start: float
    end: float

    def holds(self, at: float) -> bool:
        """Whether a time lies in it."""
        return self.start <= at < self.end


@dataclass(frozen=True)
class Row:
    """An operation: what it does, its copy, when its table is locked."""

    id: str
    table: str
    copy: Copy
    shard: str = ""
    locked: Span | None = None
    drops_used: bool = False


@dataclass(frozen=True)
class Deploy:
    """A deploy request; `steps` are its states with the times they begin, the last one lasts."""

    database: str
    number: int
    steps: tuple[tuple[float, str], ...]
    rows: tuple[Row, ...]
    gated: bool = False
    expiring: Span | None = None
    failed_row: str = ""
    closed: float = float("inf")
    lists_rows_early: bool = False

    def state(self, at: float) -> str:
        """The deployment's state; `ready` before it was queued."""
        position = bisect_right(self.steps, at, key=lambda step: step[0]) - 1
        return "ready" if position < 0 else self.steps[position][1]

    def entered(self, *states: str) -> float | None:
        """When it first came into one of some states."""
        return next((at for at, state in self.steps if state in states), None)

    def left(self, state: str) -> float | None:
        """When it left a state for good."""
        for (_, each), (end, _) in pairwise(self.steps):
            if each == state:
                return end
        return None

    def during(self, state: str) -> Span | None:
        """When it was in a state."""
        entered = self.entered(state)
        return None if entered is None else Span(entered, self.left(state) or float("inf"))

    @property
    def queued(self) -> float:
        """When it was queued."""
        return self.steps[0][0]

    @property
    def finished(self) -> float:
        """When it came to its end."""
        return min(self.closed, self.entered(*OVER, "complete_error") or float("inf"))


@dataclass(frozen=True)
class Life:
    """An instance of the exporter: when it runs, and which share of the databases it polls."""

    name: str
    runs: tuple[Span, ...]
    shard: tuple[int, int] = (0, 1)

    def gaps(self) -> Iterator[Span]:
        """When it does not run."""
        for before, after in pairwise(self.runs):
            yield Span(before.end, after.start)


class Fault(NamedTuple):
    """Some time in which the API fails: an HTTP status, or 0 for no answer."""

    span: Span
    status: int


@dataclass(frozen=True)
class World:
    """All that happens to a fleet between two times."""

    seed: int
    span: Span
    deploys: tuple[Deploy, ...]
    lives: tuple[Life, ...]
    faults: tuple[Fault, ...] = ()
    paused: tuple[tuple[str, Span], ...] = ()
    starved: tuple[Span, ...] = ()
    misconfigured: tuple[Span, ...] = ()

    def deploy_days(self) -> float:
        """For how long deploy requests were queued, running or stuck, added up, in days."""
        return sum(
            max(0.0, min(each.finished, self.span.end) - max(each.queued, self.span.start)) for each in self.deploys
        ) / (24 * 3600)


@dataclass(frozen=True)
class Incident:
    """Something that an alert should tell of.

    `start` is when its cause begins: from then on an alert is no false one. `due` is when the contract's threshold is
    reached. What is not `required` may be told or not. Alerts of one `cause` should come as one message.
    """

    alert: str
    severity: str
    start: float
    due: float
    end: float
    cause: str
    labels: tuple[tuple[str, str], ...] = ()
    required: bool = True
