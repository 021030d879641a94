"""Rendering off the event loop."""

import asyncio
import threading

import pytest

from exporter.web.renders import Renders


class Slow:
    """A render that waits until it is let go, and remembers what it was asked."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def __call__(self, asked: str) -> str:
        """Render *asked* once let go."""
        self.begun.set()
        with self._lock:
            self.asked.append(asked)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.go.wait(10)
        with self._lock:
            self.at_once -= 1
        return asked.upper()


async def test_who_asks_for_the_same_shares_one_render() -> None:
    """Ten servers that scrape at once cost one render, and the next scrape is a fresh one."""
    slow = Slow()
    renders = Renders(slow)
    askers = [asyncio.create_task(renders.get("a")) for _ in range(10)]
    assert await asyncio.to_thread(slow.begun.wait, 10)
    slow.go.set()
    assert await asyncio.gather(*askers) == ["A"] * 10
    assert slow.asked == ["a"]
    assert await renders.get("a") == "A"
    assert slow.asked == ["a", "a"]


async def test_different_pages_are_rendered_one_after_another() -> None:
    """Renders never pile up in threads."""
    slow = Slow()
    renders = Renders(slow)
    askers = [asyncio.create_task(renders.get(name)) for name in "abcd"]
    assert await asyncio.to_thread(slow.begun.wait, 10)
    slow.go.set()
    assert await asyncio.gather(*askers) == ["A", "B", "C", "D"]
    assert slow.most_at_once == 1


async def test_a_reader_who_leaves_takes_nothing_away() -> None:
    """The others still get the page."""
    slow = Slow()
    renders = Renders(slow)
    leaver, stayer = (asyncio.create_task(renders.get("a")) for _ in range(2))
    assert await asyncio.to_thread(slow.begun.wait, 10)
    leaver.cancel()
    slow.go.set()
    assert await stayer == "A"
    assert leaver.cancelled()


async def test_a_failing_render_fails_its_askers_only() -> None:
    """The next one is tried anew."""
    answers = iter([ZeroDivisionError("bug"), None])

    def render(asked: str) -> str:
        error = next(answers)
        if error is not None:
            raise error
        return asked

    renders = Renders(render)
    with pytest.raises(ZeroDivisionError):
        await renders.get("a")
    assert await renders.get("a") == "a"
