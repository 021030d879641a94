"""The request budget: how many requests may leave, and when.

Two limits hold together. The *window* is hard: never more than `limit` requests in any 60 seconds, and as a request
counts at PlanetScale some time between leaving and being answered, its slot is taken from before it leaves until 60
seconds after it ended. The *pace* is soft: work that recurs leaves one request every 60/limit seconds, so that what is
refreshed together does not age together; what comes late may catch up within a second.
"""

from collections import deque
from typing import Final

WINDOW: Final = 60.0
_LATE: Final = 1.0


class RequestBudget:
    """Counts slots on a clock that callers pass in (seconds that never go back); it waits for nothing itself."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._ended: deque[float] = deque()
        self._running = 0
        self._paced_until = float("-inf")
        self._paused_until = float("-inf")

    def resize(self, limit: int) -> None:
        """Change the limit; what has left already still counts."""
        self.limit = limit

    def pause(self, until: float) -> None:
        """Let nothing leave before *until*; an earlier end never shortens a pause."""
        self._paused_until = max(self._paused_until, until)

    def paused_until(self, now: float) -> float | None:
        """When the pause ends, or None when there is none."""
        return self._paused_until if self._paused_until > now else None

    def delay(self, now: float, *, paced: bool = False) -> float | None:
        """Seconds until the next request may leave: 0 for now, None when only a running one's end can tell."""
        while self._ended and self._ended[0] + WINDOW <= now:
            self._ended.popleft()
        start = max(now, self._paused_until)
        if paced:
            start = max(start, self._paced_until - _LATE)
        excess = self._running + len(self._ended) - self.limit
        if excess >= 0:
            if excess >= len(self._ended):
                return None
            start = max(start, self._ended[excess] + WINDOW)
        return start - now

    def take(self, now: float) -> None:
        """Take a slot, which `delay` must have given."""
        self._running += 1
        self._paced_until = max(self._paced_until, now) + WINDOW / self.limit

    def give_back(self, now: float) -> None:
        """The request that took a slot has ended."""
        self._running -= 1
        self._ended.append(now)
