"""The copying of one table (or shard) as it really goes, and what the API would say of it. Times are Unix seconds.

Nothing here knows an alert or a threshold: a copy has a speed, things that hold it up, and an estimate that is wrong.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR


class Hold(StrEnum):
    """What holds a copy up."""

    PAUSE = "catches up"
    THROTTLE = "throttled"
    FAILOVER = "failover"
    STALL = "stalled"


class Interruption(NamedTuple):
    """Some time in which a copy goes at a fraction of its speed; `end` may be infinite."""

    hold: Hold
    start: float
    end: float
    speed: float = 0.0


class EtaKind(StrEnum):
    """How the time left is told."""

    WHOLE = "from the whole percent"
    FLOAT = "from a finer ratio"
    MISSING = "not told"


class Seen(NamedTuple):
    """What the API says of a copy that runs."""

    progress: int
    eta: int | None
    updated: float
    throttled: float | None


class _Leg(NamedTuple):
    """A stretch of even speed: when it starts, the work done by then, and the work a second."""

    start: float
    work: float
    rate: float


@dataclass(frozen=True)
class Copy:
    """A copy that has been worked out; `skew` is how much too fast (above 1) or too slow the percentage runs."""

    legs: tuple[_Leg, ...]
    interruptions: tuple[Interruption, ...]
    healthy: tuple[tuple[float, float], ...]
    finish: float
    skew: float
    eta: EtaKind
    refresh: float
    phase: float

    @property
    def start(self) -> float:
        """When it begins."""
        return self.legs[0].start

    def work(self, at: float) -> float:
        """How much is done, from 0 to 1."""
        leg = self.legs[max(bisect_right(self.legs, at, key=lambda leg: leg.start) - 1, 0)]
        return min(1.0, leg.work + max(0.0, at - leg.start) * leg.rate)

    def pace(self, at: float) -> float:
        """Seconds a visible percent takes when nothing holds the copy up."""
        position = max(bisect_right(self.healthy, at, key=lambda each: each[0]) - 1, 0)
        return 1 / (100 * self.skew * self.healthy[position][1])

    def refreshed(self, at: float) -> float:
        """When the values that are told at a time were written: every 60-90 s, and not during a failover."""
        for each in self.interruptions:
            if each.hold is Hold.FAILOVER and each.start <= at < each.end:
                at = each.start
        return max(self.start, at - (at - self.start + self.phase) % self.refresh)

    def seen(self, at: float) -> Seen:
        """What the API says at a time."""
        if at >= self.finish:
            return Seen(100, None if self.eta is EtaKind.MISSING else 0, self.finish, self._throttled(self.finish))
        written = self.refreshed(at)
        ratio = min(1.0, self.work(written) * self.skew)
        return Seen(math.floor(100 * ratio + 1e-9), self._eta(written, ratio), written, self._throttled(written))

    def since(self, percent: float) -> float:
        """When it first stands at so many percent, as far as is told."""
        for leg, following in zip(self.legs, (*self.legs[1:], None), strict=True):
            end = following.start if following else self.finish
            wanted = percent / 100 / self.skew
            if leg.work >= wanted:
                return leg.start
            if leg.rate and leg.work + (end - leg.start) * leg.rate >= wanted:
                return leg.start + (wanted - leg.work) / leg.rate
        return self.finish

    def _eta(self, written: float, ratio: float) -> int | None:
        told = math.floor(100 * ratio + 1e-9) / 100 if self.eta is EtaKind.WHOLE else ratio
        if self.eta is EtaKind.MISSING or told <= 0:
            return None
        return max(0, math.floor((written - self.start) * (1 / told - 1)))

    def _throttled(self, written: float) -> float | None:
        ends = [
            min(each.end, written)
            for each in self.interruptions
            if each.hold is Hold.THROTTLE and each.start <= written
        ]
        return max(ends, default=None)


def work_out(  # noqa: PLR0913 - each is named where it is called
    rng: random.Random,
    start: float,
    duration: float,
    interruptions: Iterable[Interruption],
    *,
    skew: float,
    eta: EtaKind,
) -> Copy:
    """A copy that would take *duration* seconds undisturbed; it slows down as indexes grow, and its speed varies."""
    held = tuple(sorted(interruptions, key=lambda each: each.start))
    slower = rng.uniform(0.5, 1.0)
    pieces = [rng.lognormvariate(0, 0.2) * (1 + (slower - 1) * number / 20) for number in range(20)]
    healthy = tuple(
        (start + number * duration / 20, speed / duration * 20 / sum(pieces)) for number, speed in enumerate(pieces)
    )
    bounds = sorted({*(at for at, _ in healthy), *(at for each in held for at in (each.start, each.end)), math.inf})
    legs, work, finish = [], 0.0, math.inf
    for begin, end in pairwise(bounds):
        rate = healthy[bisect_right(healthy, begin, key=lambda each: each[0]) - 1][1]
        for each in held:
            if each.start <= begin < each.end:
                rate *= each.speed
            if each.hold is Hold.FAILOVER and each.start == begin:
                work = 0.0
        legs.append(_Leg(begin, work, rate))
        if rate and work + (end - begin) * rate >= 1:
            finish = begin + (1 - work) / rate
            break
        work += (end - begin) * rate if rate else 0.0
    refresh = rng.uniform(60, 90)
    return Copy(tuple(legs), held, healthy, finish, skew, eta, refresh, rng.uniform(0, refresh))
