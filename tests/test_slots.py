"""Waiting for the request budget: first come, first served, on a virtual clock."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual import VirtualLoop, run

from exporter.planetscale.budget import WINDOW, RequestBudget
from exporter.planetscale.slots import Slots


class Scene:
    """Slots on a virtual clock, in which order requests asked for one, and when they held it."""

    def __init__(self, loop: VirtualLoop, limit: int) -> None:
        self.time = loop.time
        self.slots = Slots(RequestBudget(limit), loop.time)
        self.asked: list[str] = []
        self.held: dict[str, tuple[float, float]] = {}

    async def request(self, name: str, seconds: float = 0) -> None:
        """Wait for a slot and hold it for some time."""
        self.asked.append(name)
        async with self.slots.slot():
            start = self.time()
            try:
                await asyncio.sleep(seconds)
            finally:
                self.held[name] = start, self.time()

    def start(self, name: str, seconds: float = 0) -> "asyncio.Task[None]":
        """Begin such a request."""
        return asyncio.create_task(self.request(name, seconds))

    @property
    def starts(self) -> dict[str, float]:
        """When each request left, to the millisecond."""
        return {name: round(start, 3) for name, (start, _) in self.held.items()}


def play(limit: int, act: Callable[[Scene], Coroutine[Any, Any, None]]) -> Scene:
    """Run a scene to its end."""

    async def main(loop: VirtualLoop) -> Scene:
        scene = Scene(loop, limit)
        await act(scene)
        return scene

    return run(main)


async def cancelled(*tasks: "asyncio.Task[None]") -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_first_come_is_first_served() -> None:
    """Requests leave in the order in which they asked, each as soon as a slot is free."""

    async def act(scene: Scene) -> None:
        await asyncio.gather(*(scene.start(name, 10) for name in "abcde"))

    scene = play(2, act)
    assert scene.starts == {"a": 0, "b": 0, "c": 70, "d": 70, "e": 140}
    assert list(scene.held) == list("abcde")


def test_a_larger_budget_is_used_at_once() -> None:
    """What waits when the limit grows leaves then, and not when the old limit would have let it."""

    async def act(scene: Scene) -> None:
        tasks = [scene.start(name) for name in "ab"]
        await asyncio.sleep(10)
        scene.slots.resize(2)
        await asyncio.gather(*tasks)

    assert play(1, act).starts == {"a": 0, "b": 10}


def test_a_waiter_that_is_cancelled_loses_no_slot() -> None:
    """When the first in the queue gives up, the next one leaves at the time when the first would have."""

    async def act(scene: Scene) -> None:
        await scene.request("a")
        first, second, third = (scene.start(name) for name in "bcd")
        await asyncio.sleep(10)
        await cancelled(first, third)
        await second

    assert play(1, act).starts == {"a": 0, "c": 60}


def test_a_holder_that_is_cancelled_loses_no_slot() -> None:
    """A slot comes back a minute after its request was cancelled."""

    async def act(scene: Scene) -> None:
        holder, waiter = scene.start("a", 1000), scene.start("b")
        await asyncio.sleep(10)
        await cancelled(holder)
        await waiter

    assert play(1, act).starts == {"a": 0, "b": 70}


def test_a_request_that_fails_loses_no_slot() -> None:
    """An exception gives the slot back too, and goes on to who asked."""

    async def act(scene: Scene) -> None:
        with pytest.raises(ConnectionError):
            async with scene.slots.slot():
                raise ConnectionError
        await scene.request("b")

    assert play(1, act).starts == {"b": 60}


def test_a_pause_wakes_nobody_early() -> None:
    """A pause that begins or grows while requests wait holds for them too."""

    async def act(scene: Scene) -> None:
        await asyncio.gather(scene.request("a"), scene.request("b"))
        waiters = [scene.start(name) for name in "cd"]
        await asyncio.sleep(10)
        scene.slots.pause(100)
        await asyncio.sleep(10)
        scene.slots.pause(20)
        await asyncio.sleep(80)
        scene.slots.pause(60)
        await asyncio.gather(*waiters)

    assert play(2, act).starts == {"a": 0, "b": 0, "c": 160, "d": 160}


def test_a_slot_that_comes_back_wakes_who_waits_for_it() -> None:
    """While all slots are held nobody knows for how long: the end of one tells."""

    async def act(scene: Scene) -> None:
        await asyncio.gather(scene.start("a", 1000), scene.start("b", 300), scene.start("c"))

    assert play(2, act).starts == {"b": 0, "c": 360, "a": 0}


def test_a_larger_budget_counts_from_the_next_look() -> None:
    """After a change of the limit, who asks anew leaves at once where there is room."""

    async def act(scene: Scene) -> None:
        await scene.request("a")
        scene.slots.budget.resize(2)
        await scene.request("b")

    assert play(1, act).starts == {"a": 0, "b": 0}


def test_time_waited_counts_once() -> None:
    """However many wait at once, a second of waiting is a second; it is told while it passes."""
    told: list[float] = []

    async def act(scene: Scene) -> None:
        await scene.request("a")
        told.append(scene.slots.seconds_waited())
        waiters = [scene.start(name) for name in "bcd"]
        await asyncio.sleep(15)
        with scene.slots.waiting():
            await asyncio.sleep(5)
            told.append(scene.slots.seconds_waited())
            await cancelled(*waiters)
            await asyncio.sleep(5)
        told.append(scene.slots.seconds_waited())
        await asyncio.sleep(100)
        told.append(scene.slots.seconds_waited())

    play(1, act)
    assert told == pytest.approx([0, 20, 25, 25])


def test_contention_is_seen_while_a_request_waits() -> None:
    """Whether requests wait is known, so that no new work is begun before them."""
    seen: list[bool] = []

    async def act(scene: Scene) -> None:
        await scene.request("a")
        seen.append(scene.slots.are_contended)
        waiter = scene.start("b", 10)
        await asyncio.sleep(1)
        seen.append(scene.slots.are_contended)
        await asyncio.sleep(60)
        seen.append(scene.slots.are_contended)
        await waiter

    play(1, act)
    assert seen == [False, True, False]


def test_a_page_gives_way_as_long_as_others_are_due() -> None:
    """The next page of a list lets four others go first while polls are due, and goes at once when none is."""
    told: list[tuple[float, int]] = []

    async def act(scene: Scene) -> None:
        async def pages() -> None:
            for _ in range(3):
                await scene.slots.give_way()
                await scene.request("page")
                told.append((scene.time(), len(scene.asked)))

        scene.slots.want(wanted=True)
        reading = asyncio.create_task(pages())
        for second in range(6):
            await asyncio.sleep(1)
            await scene.request(str(second))
        scene.slots.want(wanted=False)
        await reading

    play(100, act)
    assert told == [(4, 5), (6, 8), (6, 9)]


@given(
    limit=st.integers(1, 4),
    requests=st.lists(
        st.tuples(st.integers(0, 200), st.integers(0, 90), st.none() | st.integers(0, 300)), min_size=1, max_size=15
    ),
    pauses=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 100)), max_size=3),
)
def test_whatever_is_cancelled_the_budget_holds_and_nobody_starves(
    limit: int, requests: list[tuple[int, int, int | None]], pauses: list[tuple[int, int]]
) -> None:
    """Never more than the limit in any minute, in the order of asking, never in a pause, and all get their slot."""

    async def act(scene: Scene) -> None:
        async def one(name: str, at: int, seconds: int, given_up_at: int | None) -> None:
            await asyncio.sleep(at)
            request = scene.start(name, seconds)
            if given_up_at is not None:
                await asyncio.wait([request], timeout=given_up_at)
                await cancelled(request)
            await asyncio.wait([request])

        async def pause(at: int, seconds: int) -> None:
            await asyncio.sleep(at)
            scene.slots.pause(seconds)

        named = [one(str(number), *request) for number, request in enumerate(requests)]
        await asyncio.gather(*(pause(*each) for each in pauses), *named)

    scene = play(limit, act)
    held = scene.held
    for start, _ in held.values():
        taken = [name for name, (other, end) in held.items() if other <= start + 1e-6 and start + 1e-6 < end + WINDOW]
        assert len(taken) <= limit
        assert not [at for at, seconds in pauses if at < start - 1e-6 and start + 1e-6 < at + seconds]
    assert {str(number) for number, (*_, given_up) in enumerate(requests) if given_up is None} <= held.keys()
    assert [held[name][0] for name in scene.asked if name in held] == sorted(start for start, _ in held.values())
    assert not scene.slots.are_contended
