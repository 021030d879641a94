"""What a deploy request looks like at one moment, as a pure function of that moment."""

from dataclasses import dataclass
from math import floor
from zlib import crc32

from .plots import Change, Scenario, Step
from .states import CLOSING, CUTOVER, DEPLOYED, REVERT_WINDOW, SETTLED
from .timeline import Play, Timeline, halt


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
    revertable_until: float | None


def scene(timeline: Timeline, now: float, seed: str = "") -> Scene:
    """What *timeline* shows at the Unix time *now*, which is not before it opens.

    Progress and ETA are whole numbers and refreshed every 60 to 90 s of the plot, each row at its own rhythm (*seed*);
    states change at once. The ETA follows from the whole percentage, or from what is behind it where the plot says so.
    """
    play = halt(timeline, now)
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
        revertable_until=_revertable_until(play),
    )


def _finished(play: Play) -> float | None:
    """When the last run of settled states began: the end of a revert window does not finish a deployment again."""
    if play.step.state not in SETTLED:
        return None
    i = play.current
    while i and play.steps[i - 1].state in SETTLED:
        i -= 1
    return play.begins[i]


def _revertable_until(play: Play) -> float | None:
    opened = play.first({"complete_pending_revert"})
    return None if opened is None else opened + REVERT_WINDOW / play.timeline.pace


def _row(play: Play, index: int, shard: tuple[str, float], seed: str) -> Row:
    name, lead = shard
    state = play.step.operation_state(index)
    moves = state == "in_progress" and not play.step.silent
    waits = state in {"pending", "queued"}
    seen = _refreshed(play, seed) if moves else play.since
    copied = None if waits else 100.0 if state == "complete" else min(100.0, play.percent(seen) * lead)
    progress = None if copied is None else floor(copied + 1e-9)  # a hair up: 99.9999999 is how floats spell 100
    return Row(
        change=play.timeline.scenario.changes[index],
        index=index,
        shard=name,
        state=state,
        progress=progress,
        eta=_eta(copied if play.timeline.scenario.fine_eta else progress, state, seen - _copy_began(play)),
        created=next(begin for step, begin in play.past() if step.progress),
        updated=seen if moves else _unchanged_since(play, index, state),
        throttled=_throttled(play, seen),
        locked=play.step.locked and index == 0,
        errors=None if waits else play.step.errors if state == "error" else "",
    )


def _refreshed(play: Play, seed: str) -> float:
    every = (60 + crc32(seed.encode()) % 31) / play.timeline.pace
    return play.since + floor((play.moment - play.since) / every) * every


def _copy_began(play: Play) -> float:
    zero = [begin for step, begin in play.past() if step.progress and not step.progress[0]]
    return zero[-1] if zero else play.since


def _eta(progress: float | None, state: str, elapsed: float) -> int | None:
    """As Vitess reckons it, from the rate so far; unknown before there is some progress and once nothing is copied."""
    if state == "complete":
        return 0
    return round(elapsed * (100 - progress) / progress) if progress and state == "in_progress" else None


def _unchanged_since(play: Play, index: int, state: str) -> float:
    i = play.current
    while i and play.steps[i - 1].progress == play.step.progress and play.steps[i - 1].operation_state(index) == state:
        i -= 1
    return play.begins[i]


def _throttled(play: Play, seen: float) -> float | None:
    if play.step.throttled:
        return seen
    ends = [until for (step, _), until in zip(play.past(), play.begins[1:], strict=False) if step.throttled]
    return ends[-1] if ends else None
