"""Plays a plot: what a deploy request looks like at one moment, as a pure function of that moment."""

from bisect import bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import floor
from typing import Final
from zlib import crc32

from .plots import FOREVER, Change, Scenario, Step

CUTOVER: Final = frozenset({"in_progress_cutover"})
DEPLOYED: Final = frozenset({"complete", "complete_pending_revert"})
SETTLED: Final = DEPLOYED | {
    "no_changes",
    "complete_cancel",
    "complete_error",
    "complete_revert",
    "complete_revert_error",
    "cancelled",
    "error",
}
# What a deployment becomes, and its operations, when its deploy request is closed; all others stay as they are.
CLOSED_AS: Final = {
    "queued": ("cancelled", "cancelled"),
    "submitting": ("complete_cancel", "cancelled"),
    "in_progress": ("complete_cancel", "cancelled"),
    "pending_cutover": ("complete_cancel", "cancelled"),
    "in_progress_cancel": ("complete_cancel", "cancelled"),
    "in_progress_cutover": ("complete_cancel", "cancelled"),
    "in_progress_vschema": ("complete", "complete"),
    "complete_pending_revert": ("complete", "complete"),
    "in_progress_revert": ("complete_revert", "complete"),
    "in_progress_revert_vschema": ("complete_revert", "complete"),
}
CLOSING: Final = frozenset({"complete", "complete_cancel", "complete_revert"})


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
class Row:
    """One operation: a change on one shard. Times are Unix times; `eta` in seconds of the clock; None is not known."""

    change: Change
    index: int
    shard: str
    state: str
    progress: int | None
    eta: int | None
    created: float
    updated: float
    throttled: float | None
    locked: bool
    errors: str | None


@dataclass(frozen=True, slots=True)
class Scene:
    """A deploy request at one moment. Times are Unix times, None for what has not happened."""

    scenario: Scenario
    step: Step
    rows: tuple[Row, ...]
    created: float
    updated: float
    queued: float | None
    submitted: float | None
    started: float | None
    ready_to_cutover: float | None
    cutover: float | None
    forced: float | None
    finished: float | None
    deployed: float | None
    closed: float | None


def scene(timeline: Timeline, now: float, seed: str = "") -> Scene:
    """What *timeline* shows at the Unix time *now*, which is not before it opens.

    Progress and ETA are whole numbers and refreshed every 60 to 90 s of the plot, each row at its own rhythm (*seed*);
    states change at once.
    """
    play = _play(timeline, now)
    rows = tuple(
        _row(play, index, shard, f"{seed}/{change.table}/{shard[0]}")
        for index, change in enumerate(timeline.scenario.changes if play.step.progress else ())
        for shard in change.shards
    )
    closed = play.first(CLOSING)
    if closed is None and timeline.closes <= now:
        closed = timeline.closes
    return Scene(
        scenario=timeline.scenario,
        step=play.step,
        rows=rows,
        created=timeline.opens,
        updated=max((play.since, *(row.updated for row in rows))),
        queued=play.first({"queued"}),
        submitted=play.first({"submitting"}),
        started=play.first({"in_progress"}),
        ready_to_cutover=play.first({"pending_cutover", *CUTOVER}),
        cutover=play.first(CUTOVER),
        forced=next((begin for step, begin in play.past() if step.forced), None),
        finished=_finished(play),
        deployed=play.first(DEPLOYED),
        closed=closed,
    )


@dataclass(frozen=True, slots=True)
class _Play:
    """A timeline halted at one moment, in the step at index *current*."""

    timeline: Timeline
    steps: tuple[Step, ...]
    begins: list[float]
    current: int
    moment: float

    @property
    def step(self) -> Step:
        return self.steps[self.current]

    @property
    def since(self) -> float:
        return self.begins[self.current]

    def percent(self, at: float) -> float:
        """How far the plot's copy is at the Unix time *at*, within the current step."""
        percent, end = self.step.progress or (0.0, 0.0)
        if self.current + 1 < len(self.steps):
            percent += (end - percent) * (at - self.since) / (self.begins[self.current + 1] - self.since)
        return percent

    def past(self) -> Iterator[tuple[Step, float]]:
        """The steps that have begun, each with when it did."""
        return zip(self.steps[: self.current + 1], self.begins, strict=False)

    def first(self, states: Collection[str]) -> float | None:
        return next((begin for step, begin in self.past() if step.state in states), None)


def _play(timeline: Timeline, now: float) -> _Play:
    steps, begins = timeline.scenario.steps, timeline.begins()
    moment = min(now, timeline.closes)
    play = _Play(timeline, steps, begins, bisect_right(begins, moment) - 1, moment)
    ends = CLOSED_AS.get(play.step.state)
    if now < timeline.closes or ends is None:
        return play
    percent = play.percent(moment)
    last = Step(FOREVER, ends[0], play.step.progress and (percent, percent), (ends[1],))
    following = play.current + 1
    return _Play(timeline, (*steps[:following], last), [*begins[:following], moment], following, moment)


def _finished(play: _Play) -> float | None:
    """When the last run of settled states began: the end of a revert window does not finish a deployment again."""
    if play.step.state not in SETTLED:
        return None
    i = play.current
    while i and play.steps[i - 1].state in SETTLED:
        i -= 1
    return play.begins[i]


def _row(play: _Play, index: int, shard: tuple[str, float], seed: str) -> Row:
    name, lead = shard
    state = play.step.operation_state(index)
    moves = state == "in_progress" and not play.step.silent
    waits = state in {"pending", "queued"}
    seen = _refreshed(play, seed) if moves else play.since
    progress = None if waits else 100 if state == "complete" else _progress(play, seen, lead)
    return Row(
        change=play.timeline.scenario.changes[index],
        index=index,
        shard=name,
        state=state,
        progress=progress,
        eta=_eta(progress, state, seen - _copy_began(play)),
        created=next(begin for step, begin in play.past() if step.progress),
        updated=seen if moves else _unchanged_since(play, index, state),
        throttled=_throttled(play, seen),
        locked=play.step.locked and index == 0,
        errors=None if waits else play.step.errors if state == "error" else "",
    )


def _refreshed(play: _Play, seed: str) -> float:
    every = (60 + crc32(seed.encode()) % 31) / play.timeline.pace
    return play.since + floor((play.moment - play.since) / every) * every


def _progress(play: _Play, seen: float, lead: float) -> int:
    return floor(min(100.0, play.percent(seen) * lead) + 1e-9)  # a hair up: 99.9999999 is how floats spell 100


def _copy_began(play: _Play) -> float:
    zero = [begin for step, begin in play.past() if step.progress and not step.progress[0]]
    return zero[-1] if zero else play.since


def _eta(progress: int | None, state: str, elapsed: float) -> int | None:
    """As Vitess reckons it, from the rate so far; unknown before the first percent and once nothing is copied."""
    if state == "complete":
        return 0
    return round(elapsed * (100 - progress) / progress) if progress and state == "in_progress" else None


def _unchanged_since(play: _Play, index: int, state: str) -> float:
    i = play.current
    while i and play.steps[i - 1].progress == play.step.progress and play.steps[i - 1].operation_state(index) == state:
        i -= 1
    return play.begins[i]


def _throttled(play: _Play, seen: float) -> float | None:
    if play.step.throttled:
        return seen
    ends = [until for (step, _), until in zip(play.past(), play.begins[1:], strict=False) if step.throttled]
    return ends[-1] if ends else None
