"""What a plot is made of: changes to tables, and steps in time."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Final

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86400.0
FOREVER: Final = float("inf")

ONE_SHARD: Final = (("-", 1.0),)


@dataclass(frozen=True, slots=True)
class Change:
    """One schema change to one table.

    Args:
        table: The table's name.
        ddl: The statement.
        operation: The API's `operation_name`.
        keyspace: The keyspace, the database's own name when empty.
        shards: Each shard's name and how far it is ahead of the plot's progress (1.0 is level with it).
        drops: Whether data can be lost.
        used: Whether the table is still being read or written.
        foreign_keys: Names of the foreign keys that go.
    """

    table: str
    ddl: str
    operation: str = "ALTER"
    keyspace: str = ""
    shards: tuple[tuple[str, float], ...] = ONE_SHARD
    drops: bool = False
    used: bool = False
    foreign_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """What a deployment does for a while.

    Args:
        lasts: Seconds of the plot's own time; the last step of every plot lasts for ever.
        state: The deployment state.
        progress: Percent copied at the beginning and at the end; none as long as there are no operations.
        operations: The state of each change's operations; the last one stands for all that follow.
        errors: Error text of operations in state `error`, or the lint error when there are none.
        throttled: Whether the copy is being throttled all along.
        silent: Whether nothing is heard of the copy: its values and `updated_at` stay.
        locked: Whether the first table is locked.
        expiring: Whether the copy is about to be thrown away.
        forced: Whether somebody or PlanetScale itself has asked for the cutover to be forced.
        paused: Why the queue is paused, empty when it is not.
    """

    lasts: float
    state: str
    progress: tuple[float, float] | None = None
    operations: tuple[str, ...] = ("in_progress",)
    errors: str = ""
    throttled: bool = False
    silent: bool = False
    locked: bool = False
    expiring: bool = False
    forced: bool = False
    paused: str = ""

    def operation_state(self, change: int) -> str:
        """The state of the operations of the change at index *change*."""
        return self.operations[min(change, len(self.operations) - 1)]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named plot: what one deploy request does from the moment it is opened, in seconds of its own time.

    Args:
        steps: What happens, in order.
        changes: The tables it changes.
        strategy: `serial` or `parallel`: the lane of the deploy queue.
        auto_cutover: False for a gated deployment.
        instant: Whether it is an instant DDL deployment.
        approved: Whether somebody approved it.
        throttle: The throttler's ratio, 0 to 95 percent.
        in_operations: Whether `deploy_operations` lists its operations.
        in_summaries: Whether `deploy_operation_summaries` does.
        omits: Fields of an operation that its answers leave out, as older ones did.
        fits: Whether the storage check finds room for the copy.
        uneven: Whether its copies vary in speed and pause, as real ones do, instead of going steadily.
        fine_eta: Whether the ETA follows from Vitess' own ratio; else from the whole percentage, rising in between.
    """

    steps: tuple[Step, ...]
    changes: tuple[Change, ...]
    strategy: str = "serial"
    auto_cutover: bool = True
    instant: bool = False
    approved: bool = True
    throttle: int = 0
    in_operations: bool = True
    in_summaries: bool = True
    omits: frozenset[str] = frozenset()
    fits: bool = True
    uneven: bool = False
    fine_eta: bool = False

    def __post_init__(self) -> None:
        *passing, last = (step.lasts for step in self.steps)
        if FOREVER in passing or last != FOREVER:
            raise ValueError("the last step of a plot, and no other, lasts for ever")

    @property
    def length(self) -> float:
        """Plot seconds until its last step begins."""
        return sum(step.lasts for step in self.steps[:-1])

    def begins(self, state: str) -> float:
        """Plot seconds until the deployment is first in *state*; KeyError when it never is.

        Nothing waits in a queue here: behind others, a deployment's steps from `queued` on come later.
        """
        for step, begin in zip(self.steps, accumulate((s.lasts for s in self.steps), initial=0.0), strict=False):
            if step.state == state:
                return begin
        raise KeyError(state)
