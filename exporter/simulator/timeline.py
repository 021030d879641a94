"""A plot laid on the clock, and where it stands at one moment."""

from bisect import bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import accumulate

from .plots import FOREVER, Scenario, Step
from .speed import uneven
from .states import CLOSED_AS


@dataclass(frozen=True, slots=True)
class Timeline:
    """A plot laid on the clock.

    Args:
        scenario: The plot.
        opens: Unix time at which the deploy request is created.
        pace: Plot seconds per second of the clock.
        waits: Plot seconds spent in the queue behind others, beyond the plot's own.
        closes: Unix time at which somebody closes it: what runs is cancelled, what has run stays. Or `FOREVER`.
    """

    scenario: Scenario
    opens: float
    pace: float = 1.0
    waits: float = 0.0
    closes: float = FOREVER

    def begins(self) -> list[float]:
        """The Unix time at which each step begins."""
        lasts = [step.lasts for step in self.scenario.steps[:-1]]
        queued = self.step_in({"queued"})
        if queued is not None and queued < len(lasts):
            lasts[queued] += self.waits
        return [self.opens + begin / self.pace for begin in accumulate(lasts, initial=0.0)]

    def step_in(self, states: Collection[str]) -> int | None:
        """The index of the first step whose state is one of *states*."""
        return next((i for i, step in enumerate(self.scenario.steps) if step.state in states), None)


@dataclass(frozen=True, slots=True)
class Play:
    """A timeline halted at one moment, in the step at index *current*."""

    timeline: Timeline
    steps: tuple[Step, ...]
    begins: list[float]
    current: int
    moment: float

    @property
    def step(self) -> Step:
        """The current step."""
        return self.steps[self.current]

    @property
    def since(self) -> float:
        """When the current step began."""
        return self.begins[self.current]

    def percent(self, at: float) -> float:
        """How far the plot's copy is at the Unix time *at*, within the current step."""
        percent, end = self.step.progress or (0.0, 0.0)
        if self.current + 1 < len(self.steps):
            share = (at - self.since) / (self.begins[self.current + 1] - self.since)
            if self.timeline.scenario.uneven:
                share = uneven(share, f"{self.timeline.opens:.0f}/{self.current}")
            percent += (end - percent) * share
        return percent

    def past(self) -> Iterator[tuple[Step, float]]:
        """The steps that have begun, each with when it did."""
        return zip(self.steps[: self.current + 1], self.begins, strict=False)

    def first(self, states: Collection[str]) -> float | None:
        """When the first step began whose state is one of *states*; None when none has."""
        return next((begin for step, begin in self.past() if step.state in states), None)


def halt(timeline: Timeline, now: float) -> Play:
    """Halt *timeline* at the Unix time *now*; one that has been closed by then has one step more."""
    steps, begins = timeline.scenario.steps, timeline.begins()
    moment = min(now, timeline.closes)
    play = Play(timeline, steps, begins, bisect_right(begins, moment) - 1, moment)
    ends = CLOSED_AS.get(play.step.state)
    if now < timeline.closes or ends is None:
        return play
    (state, operations), percent, following = ends, play.percent(moment), play.current + 1
    last = Step(FOREVER, state, play.step.progress and (percent, percent), (operations,))
    return Play(timeline, (*steps[:following], last), [*begins[:following], moment], following, moment)
