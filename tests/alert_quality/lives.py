"""How deploy requests are made up: durations, estimates, what holds copies up, and how it ends. All from a seed."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from .copies import DAY, HOUR, Copy, EtaKind, Hold, Interruption, work_out
from .deploys import Deploy, Row, Span

PLOTS: Final = {
    "healthy": 30,
    "stall": 12,
    "dead": 8,
    "held": 8,
    "throttled": 10,
    "error": 7,
    "lock": 7,
    "blocked cutover": 8,
    "gated": 10,
    "drop": 6,
    "rejected": 4,
    "waiting": 4,
}
"""What deploy requests live through, and how often: `held` is throttled to a standstill, `dead` stalls for good."""
MINUTE: Final = 60.0


@dataclass(frozen=True)
class Seat:
    """Where and when a deploy request comes: its database, number, and the time at which it is queued."""

    database: str
    number: int
    queued: float


def deploy(rng: random.Random, seat: Seat) -> tuple[Deploy, str]:
    """A deploy request and the name of its plot."""
    plot = rng.choices([*PLOTS], [*PLOTS.values()])[0]
    if plot == "rejected":
        at = seat.queued + rng.uniform(1, 5) * MINUTE
        closed = at + rng.uniform(1, 6) * HOUR
        return Deploy(seat.database, seat.number, ((seat.queued, "queued"), (at, "error")), (), closed=closed), plot
    waits = rng.uniform(6.2, 14) * HOUR if plot == "waiting" else rng.uniform(0.5, 30) * MINUTE
    drops = plot == "drop"
    started = seat.queued + (max(waits, 5 * MINUTE) if drops else waits)
    rows = tuple(_rows(rng, seat, started, plot))
    if drops:
        rows = (replace(rows[0], drops_used=True), *rows[1:])
    return _ending(rng, seat, started, rows, plot), plot


def _duration(rng: random.Random, plot: str) -> float:
    """Seconds to weeks; what stalls or is held takes long enough to be looked at."""
    shortest = 40 * MINUTE if plot in {"stall", "dead", "held", "throttled", "error"} else MINUTE
    return math.exp(rng.uniform(math.log(shortest), math.log(12 * DAY)))


def _rows(rng: random.Random, seat: Seat, started: float, plot: str) -> Iterator[Row]:
    shape = rng.choices(["single", "tables", "shards"], [55, 25, 20])[0]
    count = {"single": 1, "tables": rng.randint(2, 4), "shards": rng.randint(2, 6)}[shape]
    duration, begins = _duration(rng, plot), started
    in_turn = shape == "tables" and rng.random() < 0.4
    eta = rng.choices([*EtaKind], [50, 30, 20])[0]
    for index in range(count):
        own = duration * (rng.uniform(0.7, 1.3) if shape == "shards" else rng.uniform(0.05, 1) if index else 1)
        copy = _copy(rng, begins, own, eta, plot if index == 0 else "healthy")
        table = f"orders_{0 if shape == 'shards' else index}"
        locked = None
        if plot == "lock" and index == 0:
            at = rng.uniform(copy.start, copy.finish)
            locked = Span(at, at + rng.choice([rng.uniform(20, 150), rng.uniform(9, 40) * MINUTE]))
        shard = f"{index}-" if shape == "shards" else ""
        yield Row(f"{seat.database}-{seat.number}-{index}", table, copy, shard=shard, locked=locked)
        begins = copy.finish if in_turn and math.isfinite(copy.finish) else begins


def _copy(rng: random.Random, start: float, duration: float, eta: EtaKind, plot: str) -> Copy:
    skew = 1.0
    if plot == "healthy":
        skew = rng.choices([1.0, rng.uniform(1.02, 1.3), rng.uniform(0.72, 0.95)], [65, 20, 15])[0]
    plain = work_out(_fork(rng), start, duration, (), skew=skew, eta=eta)
    held = [*_everyday(rng, start, duration)]
    at = start + rng.uniform(0.08, 0.8) * duration
    pace = plain.pace(at)
    longest = max(0.5 * HOUR, 3 * pace)
    match plot:
        case "stall":
            longer = rng.choice([rng.uniform(1.3, 2.5), rng.uniform(4.5, 8)])
            held = [*_before(held, at), Interruption(Hold.STALL, at, at + longest * longer)]
        case "dead":
            held = [*_before(held, at), Interruption(Hold.STALL, at, math.inf)]
        case "held":
            lasts = max(2 * HOUR, 3 * pace) * rng.uniform(1.2, 2)
            held = [*_before(held, at), Interruption(Hold.THROTTLE, at, at + lasts)]
        case "throttled":
            lasts = rng.choice([rng.uniform(5, 40) * MINUTE, rng.uniform(1.2, 8) * HOUR])
            held = [*_before(held, at), Interruption(Hold.THROTTLE, at, at + lasts, rng.uniform(0.15, 0.7))]
    return work_out(_fork(rng), start, duration, held, skew=skew, eta=eta)


def _fork(rng: random.Random) -> random.Random:
    return random.Random(rng.random())  # noqa: S311 - no secret


def _before(held: list[Interruption], at: float) -> list[Interruption]:
    return [each for each in held if each.end < at - 10 * MINUTE]


def _everyday(rng: random.Random, start: float, duration: float) -> Iterator[Interruption]:
    """What is part of a healthy copy: it pauses to catch up, it is throttled for minutes, its server fails over."""
    at = start
    while (at := at + rng.expovariate(1 / (10 * HOUR))) < start + duration:
        hold = rng.choices([Hold.PAUSE, Hold.THROTTLE, Hold.FAILOVER], [60, 35, 5])[0]
        lasts = 10 * MINUTE if hold is Hold.FAILOVER else rng.uniform(2, 22) * MINUTE
        yield Interruption(hold, at, at + lasts, rng.uniform(0, 0.5) if hold is Hold.THROTTLE else 0.0)
        at += lasts


def _ending(rng: random.Random, seat: Seat, started: float, rows: tuple[Row, ...], plot: str) -> Deploy:
    steps = [(seat.queued, "queued"), (started, "in_progress")]
    copied = max(row.copy.finish for row in rows)
    first = rows[0].copy
    if not math.isfinite(copied):
        stall = first.interruptions[-1].start
        given_up = stall + max(2 * HOUR, 3 * first.pace(stall)) * rng.uniform(1.5, 3)
        steps.append((given_up, "complete_cancel"))
        return Deploy(seat.database, seat.number, tuple(steps), rows, closed=given_up)
    if plot == "error":
        at = rng.uniform(first.start, first.finish)
        closed = at + rng.uniform(0.3, 5) * HOUR
        steps.append((at, "complete_error"))
        return Deploy(seat.database, seat.number, tuple(steps), rows, failed_row=rows[0].id, closed=closed)
    expiring, at = None, copied
    if plot == "gated":
        at = copied + math.exp(rng.uniform(math.log(10 * MINUTE), math.log(40 * HOUR)))
        steps.append((copied, "pending_cutover"))
        expiring = Span(max(copied, at - HOUR), at) if at - copied > 30 * HOUR else None
    cutover = rng.uniform(17, 59) * MINUTE if plot == "blocked cutover" else rng.uniform(5, 240)
    steps.append((at, "in_progress_cutover"))
    done = at + cutover
    if rng.random() < 0.6:
        steps.append((done, "complete_pending_revert"))
        done += rng.uniform(4, 30) * MINUTE
    steps.append((done, "complete"))
    return Deploy(
        seat.database,
        seat.number,
        tuple(steps),
        rows,
        gated=plot == "gated",
        expiring=expiring,
        closed=done,
        lists_rows_early=plot == "drop",
    )
