"""How a real copy goes beside a steady one: now faster, now slower, and it pauses to let replicas catch up."""

from functools import lru_cache
from itertools import accumulate
from typing import Final
from zlib import crc32

STRETCHES: Final = 48
"""A step of a plot is cut into so many stretches, each with a speed of its own; in one of six nothing is copied."""


def uneven(share: float, seed: str) -> float:
    """How much of a step's copy is done after a *share* of its time, both from 0 to 1; a function of both arguments."""
    done = _done(seed)
    stretch = min(int(share * STRETCHES), STRETCHES - 1)
    return done[stretch] + (done[stretch + 1] - done[stretch]) * (share * STRETCHES - stretch)


@lru_cache(maxsize=1024)
def _done(seed: str) -> tuple[float, ...]:
    """What is done where each stretch begins, and at the end."""
    drawn = (crc32(f"{seed}/{number}".encode()) for number in range(STRETCHES))
    speeds = [0.0 if number % 6 == 0 else 0.6 + number // 6 % 81 / 100 for number in drawn]
    return tuple(done / sum(speeds) for done in accumulate(speeds, initial=0.0))
