"""A clock that tests hold in their hands."""

import time
from collections.abc import Callable

EPOCH = 1_785_000_000.0  # 2026-07-25: where a simulated clock starts unless told otherwise


class SimulatedClock:
    """Unix time that stands still, is moved by hand, or runs *factor* times as fast as the machine's clock.

    Called like `time.time`, which it stands in for. With the default factor of 0 only `set` and `advance` move it.
    """

    def __init__(
        self, start: float = EPOCH, *, factor: float = 0.0, real: Callable[[], float] = time.monotonic
    ) -> None:
        self._real = real
        self._factor = factor
        self._base, self._since = start, real()

    def __call__(self) -> float:
        """The simulated Unix time in seconds."""
        return self.now()

    def now(self) -> float:
        """The simulated Unix time in seconds."""
        return self._base + (self._real() - self._since) * self._factor

    def set(self, now: float) -> None:
        """Jump to the Unix time *now*."""
        self._base, self._since = now, self._real()

    def advance(self, seconds: float) -> None:
        """Jump *seconds* ahead."""
        self.set(self.now() + seconds)

    @property
    def factor(self) -> float:
        """Simulated seconds per real second."""
        return self._factor

    @factor.setter
    def factor(self, factor: float) -> None:
        self.set(self.now())
        self._factor = factor
