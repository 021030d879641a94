"""An event loop whose clock is virtual: hours of waiting pass at once, sockets on loopback work as ever."""

import asyncio
import functools
import inspect
import selectors
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = 1_785_000_000.0


class _Skipping(selectors.DefaultSelector):
    """Moves the clock instead of waiting, once nothing is left to read or write and no thread is at work."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._threads = threading.active_count()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; else the time-out has passed."""
        ready = super().select(0)
        if not ready and timeout is None:
            return super().select(None)
        while not ready and threading.active_count() > self._threads:
            ready = super().select(0.001)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that is never idle: its time jumps to the next timer."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._skipping.now


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(main(loop))


def virtually(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a test of a coroutine function, whose first parameter is the loop; the others are pytest's to fill."""

    @functools.wraps(test)
    def sync(*args: Any, **kwargs: Any) -> None:
        run(lambda loop: test(loop, *args, **kwargs))

    signature = inspect.signature(test)
    sync.__signature__ = signature.replace(parameters=[*signature.parameters.values()][1:])  # type: ignore[attr-defined] # how pytest learns what to fill
    return sync
