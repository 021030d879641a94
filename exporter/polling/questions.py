"""The order in which questions were asked: answers are taken by it, whatever the clock on the wall is set to."""

from collections.abc import Iterator
from contextlib import contextmanager


class Questions:
    """Numbers questions from 1, and knows which of them are still open."""

    def __init__(self) -> None:
        self.latest = 0
        self._open: set[int] = set()

    @contextmanager
    def asking(self) -> Iterator[int]:
        """The question's number, open for as long as the context lasts."""
        self.latest += 1
        number = self.latest
        self._open.add(number)
        try:
            yield number
        finally:
            self._open.discard(number)

    @property
    def oldest(self) -> int:
        """The first question whose answer may still come."""
        return min(self._open, default=self.latest + 1)
