"""SIGTERM and SIGINT end the process with 0, and SIGHUP never ends it: from its first line to its last.

Imports nothing that takes time: `__main__` takes the signals over before anything else is imported.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterator

_ENDS = (signal.SIGTERM, signal.SIGINT)
_hung_up: list[int] = []


def take_over() -> None:
    """While nothing is open yet: an end is at once, a hang-up is kept for `pass_on`."""
    for number in _ENDS:
        signal.signal(number, _leave)
    signal.signal(signal.SIGHUP, lambda number, _: _hung_up.append(number))


def pass_on(loop: AbstractEventLoop, stop: Callable[[], object], hang_up: Callable[[], object]) -> None:
    """From now on *loop* calls *stop* and *hang_up*, however often; a hang-up that came before counts.

    The loop's own way would set the default action back when it closes, and a second SIGTERM would then kill.
    """

    def call(what: Callable[[], object]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(what)

    for number in _ENDS:
        signal.signal(number, lambda *_: call(stop))
    signal.signal(signal.SIGHUP, lambda *_: call(hang_up))
    if _hung_up:
        _hung_up.clear()
        call(hang_up)


@contextmanager
def kept() -> Iterator[None]:
    """What handles the signals now does so again when the context ends."""
    numbers = (*_ENDS, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def ignore() -> None:
    """When all is done: the interpreter's own end takes a moment, too."""
    for number in (*_ENDS, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def give_back() -> None:
    """As Python has them: for commands that are short, whose exit code says what they found."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _leave(*_: object) -> None:
    os._exit(0)  # an exception would be the traceback of whatever is being imported
