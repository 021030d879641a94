"""The deploy queue: a serial and a parallel lane into each branch; in each of them one deployment runs at a time."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from .plots import FOREVER
from .states import BLOCKING
from .timeline import Timeline


@dataclass(frozen=True, slots=True)
class Cast:
    """A deploy request: its number, its plot on the clock, and the branches it goes from and into."""

    number: int
    timeline: Timeline
    branch: str
    into_branch: str

    @property
    def lane(self) -> tuple[str, str]:
        """The lane of the queue it stands in."""
        return self.into_branch, self.timeline.scenario.strategy

    @property
    def queued_at(self) -> float:
        """The Unix time at which it enters the queue, `FOREVER` when it never does."""
        queued = self.timeline.step_in({"queued"})
        return FOREVER if queued is None else self.timeline.begins()[queued]


def queue_up(casts: Iterable[Cast]) -> list[Cast]:
    """Make each wait in its lane until all that were queued before it are out of the way.

    Returns:
        The same deploy requests in the order they enter the queue.
    """
    free: dict[tuple[str, str], float] = defaultdict(float)
    queue = []
    for cast in sorted(casts, key=lambda cast: cast.queued_at):
        waiting = _wait(cast, free[cast.lane])
        free[cast.lane] = max(free[cast.lane], _out_of_the_way(waiting.timeline))
        queue.append(waiting)
    return queue


def _wait(cast: Cast, until: float) -> Cast:
    queued = cast.timeline.step_in({"queued"})
    if queued is None or queued + 1 == len(cast.timeline.scenario.steps):
        return cast
    waits = max(0.0, until - cast.timeline.begins()[queued + 1]) * cast.timeline.pace
    return replace(cast, timeline=replace(cast.timeline, waits=waits))


def _out_of_the_way(timeline: Timeline) -> float:
    steps, begins = timeline.scenario.steps, [*timeline.begins(), FOREVER]
    blocked = max((i for i, step in enumerate(steps) if step.state in BLOCKING), default=None)
    if blocked is None:
        return 0.0
    return min(begins[blocked + 1], timeline.closes)
