"""Waiting for the request budget."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import monotonic
from typing import Final

from exporter.planetscale.budget import RequestBudget

# As many as what moves may have for each that is the others'.
_LET_PASS: Final = 4


class Slots:
    """Slots of a request budget, first come, first served; one for the process, kept across reloads."""

    def __init__(self, budget: RequestBudget, clock: Callable[[], float] = monotonic) -> None:
        self.budget = budget
        self._clock = clock
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._taken = 0
        self._are_wanted = False
        self._waiters = 0
        self._waiting_since = 0.0
        self._waited = 0.0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it while a request runs."""
        async with self._turn:
            while delay := self._delay():
                with self.waiting():
                    await self._change(delay)
            self.budget.take(self._clock())
        self._taken += 1
        self._changed.set()
        try:
            yield
        finally:
            self.budget.give_back(self._clock())
            self._changed.set()

    @property
    def are_contended(self) -> bool:
        """True while a request that belongs to a poll under way waits for its slot."""
        return self._turn.locked()

    def want(self, *, wanted: bool) -> None:
        """Say whether polls that are due wait for the budget: then pages of those under way give way to them."""
        self._are_wanted = wanted
        if not wanted:
            self._changed.set()

    async def give_way(self) -> None:
        """Let a few others go first, as long as any are due: a list of many pages would hold them all up."""
        enough = self._taken + _LET_PASS
        while self._are_wanted and self._taken < enough:
            self._changed.clear()
            await self._changed.wait()

    def resize(self, limit: int) -> None:
        """Change the budget's limit; what waits looks at it at once."""
        self.budget.resize(limit)
        self._changed.set()

    def pause(self, seconds: float) -> None:
        """Let no request leave for *seconds*."""
        self.budget.pause(self._clock() + seconds)
        self._changed.set()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time inside as time waited for the budget; what waits at once counts once."""
        if not self._waiters:
            self._waiting_since = self._clock()
        self._waiters += 1
        try:
            yield
        finally:
            self._waiters -= 1
            if not self._waiters:
                self._waited += self._clock() - self._waiting_since

    def seconds_waited(self) -> float:
        """The wall time during which anything waited for the budget, until now."""
        return self._waited + (self._clock() - self._waiting_since if self._waiters else 0.0)

    async def _change(self, seconds: float) -> None:
        """Wait until a slot is given back or the pause grows, for so many seconds at most."""
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _delay(self) -> float:
        delay = self.budget.delay(self._clock())
        return float("inf") if delay is None else delay
