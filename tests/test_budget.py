"""The request budget on a clock of its own: the window is never exceeded, and every delay is exact."""

from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.planetscale.budget import WINDOW, RequestBudget

# Quarters of a second add up without rounding, so that "exactly" can be asserted.
TICK = 0.25
MOMENTS = st.integers(0, 400).map(lambda quarters: quarters * TICK)
# What may happen: time passes, a request wants to leave, one ends, a pause, another limit.
EVENTS = st.lists(
    st.tuples(st.just("pass"), MOMENTS)
    | st.tuples(st.sampled_from(["ask", "ask paced", "wait"]), st.just(0))
    | st.tuples(st.just("end"), st.integers(0, 9))
    | st.tuples(st.just("pause"), MOMENTS)
    | st.tuples(st.just("resize"), st.integers(1, 6)),
    max_size=60,
)


class Story:
    """A budget, the requests that used it, and what is asserted at every step."""

    def __init__(self, limit: int) -> None:
        self.budget = RequestBudget(limit)
        self.now = 0.0
        self.running: list[float] = []
        self.ended: list[float] = []
        self.paused_until = 0.0

    def happen(self, what: str, value: float) -> None:
        """Let something happen."""
        match what:
            case "pass":
                self.now += value
            case "ask" | "ask paced":
                if self.budget.delay(self.now, paced=what == "ask paced") == 0:
                    self.take()
            case "wait":
                if (delay := self.budget.delay(self.now)) is not None:
                    self.now += delay
                    self.take()
            case "end":
                if self.running:
                    self.running.pop(int(value) % len(self.running))
                    self.ended.append(self.now)
                    self.budget.give_back(self.now)
            case "pause":
                self.paused_until = max(self.paused_until, self.now + value)
                self.budget.pause(self.now + value)
            case "resize":
                self.budget.resize(int(value))

    def take(self) -> None:
        """Let a request leave, which must be allowed."""
        taken = len(self.running) + sum(1 for ended in self.ended if self.now < ended + WINDOW)
        assert taken < self.budget.limit
        assert self.now >= self.paused_until
        self.budget.take(self.now)
        self.running.append(self.now)

    def delay_at(self, now: float, *, paced: bool) -> float | None:
        """What the delay would be at another time, without going there."""
        return deepcopy(self.budget).delay(now, paced=paced)


@given(limit=st.integers(1, 5), events=EVENTS)
def test_the_window_is_never_exceeded(limit: int, events: list[tuple[str, float]]) -> None:
    """Whatever happens, no request leaves while the limit is running or ended less than a minute ago, or in a pause."""
    story = Story(limit)
    for event in events:
        story.happen(*event)


@pytest.mark.parametrize("paced", [False, True])
@given(limit=st.sampled_from([1, 2, 3, 5]), events=EVENTS)
def test_every_delay_is_exact(paced: bool, limit: int, events: list[tuple[str, float]]) -> None:
    """After the delay a request may leave, and a moment before it may not; None is only given while requests run."""
    story = Story(limit)
    for event in events:
        story.happen(*event)
        delay = story.delay_at(story.now, paced=paced)
        if delay is None:
            assert len(story.running) >= story.budget.limit
            assert story.delay_at(story.now + 1000, paced=paced) is None
        elif delay:
            assert story.delay_at(story.now + delay, paced=paced) == pytest.approx(0, abs=1e-9)
            assert story.delay_at(story.now + delay - TICK / 2, paced=paced) == pytest.approx(TICK / 2)


@pytest.fixture
def budget() -> RequestBudget:
    """Give a budget of three requests a minute."""
    return RequestBudget(3)


def test_a_slot_is_free_a_minute_after_its_request_ended(budget: RequestBudget) -> None:
    """A request counts from when it leaves until a minute after its end, as nobody knows when it arrived."""
    for start in (0, 1, 2):
        assert budget.delay(start) == 0
        budget.take(start)
    assert budget.delay(100) is None
    budget.give_back(101)
    budget.give_back(105)
    assert budget.delay(105) == 56
    assert budget.delay(160.75) == 0.25
    assert budget.delay(161) == 0
    budget.take(161)
    assert budget.delay(161) == 4


def test_a_pause_stops_all(budget: RequestBudget) -> None:
    """In a pause nothing leaves; a shorter one later does not end it."""
    budget.pause(300)
    budget.pause(20)
    assert (budget.delay(10), budget.delay(10, paced=True)) == (290, 290)
    assert (budget.paused_until(10), budget.paused_until(300)) == (300, None)
    assert budget.delay(300) == 0


def test_a_pause_does_not_hide_the_window(budget: RequestBudget) -> None:
    """When a pause ends before a slot is free, the delay is until the slot is."""
    for _ in range(3):
        budget.take(0)
    budget.pause(10)
    assert budget.delay(5) is None
    for _ in range(3):
        budget.give_back(2)
    assert budget.delay(5) == 57


def test_another_limit_counts_what_has_left(budget: RequestBudget) -> None:
    """A smaller limit waits until enough slots are free; a larger one lets more leave at once."""
    for end in (1, 2, 3):
        budget.take(0)
        budget.give_back(end)
    budget.resize(1)
    assert budget.delay(10) == 53
    budget.resize(4)
    assert budget.delay(10) == 0


def _paced(limit: int, count: int, pause: Callable[[int], float] = lambda _: 0) -> list[float]:
    """When *count* paced requests leave that end at once, each asked for as soon as possible or after a pause."""
    budget, now, left = RequestBudget(limit), 0.0, []
    for number in range(count):
        now += pause(number)
        delay = budget.delay(now, paced=True)
        assert delay is not None
        now += delay
        assert budget.delay(now, paced=True) == pytest.approx(0)  # who has waited asks again
        budget.take(now)
        budget.give_back(now)
        left.append(now)
    return left


def test_recurring_work_is_spread() -> None:
    """Paced requests leave at even distances, but for a second's worth at once, and use the whole limit."""
    left = _paced(120, 480)
    assert left[:3] == [0] * 3
    assert [later - earlier for earlier, later in pairwise(left[2:119])] == pytest.approx([0.5] * 116)
    for at in range(59, 240, 60):
        assert sum(at - 59 <= each < at + 1 for each in left) == 120


def test_a_quiet_time_earns_a_second() -> None:
    """What was not used is not saved up, but what comes late by less than a second catches up."""
    left = _paced(120, 80, pause=lambda number: {20: 1000, 60: 0.9}.get(number, 0))
    assert left[20:23] == [left[20]] * 3
    assert left[23] == pytest.approx(left[20] + 0.5)
    assert left[70] == pytest.approx(left[20] + 24)


def test_what_is_not_paced_takes_from_the_pace() -> None:
    """Requests that may leave at once still make recurring ones wait."""
    budget = RequestBudget(60)
    for _ in range(30):
        assert budget.delay(0) == 0
        budget.take(0)
    assert budget.delay(0) == 0
    assert budget.delay(0, paced=True) == pytest.approx(29)
