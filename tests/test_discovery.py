"""Deploy requests, databases and faults in any order: what is exported in the end is what a model says.

The simulator is a pure function of time and HTTP takes no virtual time, so every value must equal the truth at the
moment of its answer. What had no time to be seen may be there or not; everything else must, or must not.
"""

import asyncio
import os
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from polled import LIMITS, TIMING, Polled, polling, simulated
from virtual import EPOCH, VirtualLoop

from exporter.polling.snapshot import DeployRequestStatus, Key, Part
from exporter.simulator import Change, Fault, Scenario, Step

# Shorter than the defaults, so that all faults are forgotten soon.
TIMES: Final = TIMING._replace(idle_interval=120)
KEEPS: Final = LIMITS._replace(stale_after=180, retention=3600)
SEEN_WITHIN: Final = TIMES.discovery_interval + 4
SETTLED: Final = 1.3 * TIMES.idle_interval + SEEN_WITHIN
NAMES: Final = ("alpha", "beta")
NUMBERED: Final = Key("acme", "alpha", 1)

LIVE: Final = (
    "queued", "submitting", "in_progress", "pending_cutover", "in_progress_cutover", "complete_pending_revert",
    "in_progress_revert",
)  # fmt: skip
FAILED: Final = ("complete_error", "complete_revert_error")
# What closes a deploy request is its end; the others can be queued again.
CLOSING: Final = ("complete", "complete_cancel", "complete_revert")
OVER: Final = (*CLOSING, "cancelled", "error")
UNQUEUED: Final = ("pending", "ready")
WITHOUT_ROWS: Final = {*UNQUEUED, "queued", "submitting", "cancelled", "error"}
OPERATION: Final = {"complete_error": "error", "in_progress": "in_progress", "complete_cancel": "cancelled"}
ENDPOINTS: Final = ("*", "databases", "deploy_queue", "deploy_requests", "deploy_request", "operations", "throttler")
FAULTS: Final[tuple[dict[str, Any], ...]] = (
    {"status": 500},
    {"status": 403},
    {"status": 404},
    {"status": 429, "times": 1, "headers": {"Retry-After": "20"}},
    {"status": 200, "body": "<html>"},
    {"status": 200, "body": '{"data": {}}'},
    {"hang": True},
)


def step(state: str, lasts: float) -> Step:
    """A while in one state."""
    progress = None if state in WITHOUT_ROWS else (0.0, 80.0) if state == "in_progress" else (80.0, 80.0)
    return Step(lasts, state, progress, (OPERATION.get(state, "complete" if state in OVER else "in_progress"),))


@st.composite
def plots(draw: st.DrawFn) -> Scenario:
    """States in any order, each for some minutes, the last for ever."""
    begin = draw(st.lists(st.sampled_from(UNQUEUED), max_size=1))
    goes_on = draw(st.lists(st.sampled_from((*LIVE, *LIVE, *FAILED, "cancelled", "error", *UNQUEUED)), max_size=3))
    steps = [step(state, 60 * draw(st.integers(3, 8))) for state in (*begin, "queued", *goes_on)]
    last = step(draw(st.sampled_from((*LIVE, *FAILED, *OVER, *OVER, *OVER, *UNQUEUED))), float("inf"))
    changes = tuple(Change(f"table{number}", "DDL") for number in range(draw(st.integers(1, 2))))
    return Scenario((*steps, last), changes, strategy=draw(st.sampled_from(["serial", "parallel"])))


class Is(Enum):
    """What the model says of a deploy request at one moment."""

    LIVE = auto()
    OVER = auto()
    ABSENT = auto()


@dataclass(frozen=True)
class Truth:
    """A deploy request at one moment: operations are counted by table, state and progress."""

    state: str
    condition: Is
    finished: float | None
    operations: Counter[tuple[str, str, float | None]]


class Discovery(RuleBasedStateMachine):
    """A watched organisation, in which one deploy request is named by its number as well."""

    @initialize()
    def start(self) -> None:
        """Two databases without deploy requests."""
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        loop = self.runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop, self.stack = loop, AsyncExitStack()
        self.simulator = simulated(loop, *NAMES)
        watching = polling(loop, self.simulator, "acme", timing=TIMES, limits=KEEPS)
        self.polled: Polled = self.runner.run(self.stack.enter_async_context(watching))
        # Databases that are there, by name, and the deploy requests that must have been seen while they were under way.
        self.seen: set[tuple[int, int]] = set()
        self.removed: dict[str, float] = {}
        self.numbered = self.excluded = self.is_spoilt = False

    def teardown(self) -> None:
        """Look once more, then stop."""
        try:
            self.compare()
        finally:
            self.runner.run(self.stack.aclose())
            self.runner.close()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.runner.run(asyncio.sleep(seconds))

    @property
    def now(self) -> float:
        """Unix time."""
        return EPOCH + self.loop.time()

    # -- what happens

    @rule(name=st.sampled_from(NAMES), plot=plots())
    def open(self, name: str, plot: Scenario) -> None:
        """Open a deploy request."""
        if name in self.simulator.organizations["acme"]:
            self.simulator.add_deploy_request("acme", name, plot)

    @rule(name=st.sampled_from(NAMES), number=st.integers(1, 5), delete=st.booleans())
    def close(self, name: str, number: int, delete: bool) -> None:
        """Close a deploy request, or let it vanish."""
        home = self.simulator.organizations["acme"].get(name)
        if home and number in {request.number for request in home.deploy_requests(self.now)}:
            change = self.simulator.delete_deploy_request if delete else self.simulator.close_deploy_request
            change("acme", name, number)

    @rule(name=st.sampled_from(NAMES))
    def come_or_go(self, name: str) -> None:
        """Remove a database, or create it anew."""
        if name in self.simulator.organizations["acme"]:
            self.simulator.remove_database("acme", name)
            self.removed[name] = self.now
        else:
            self.simulator.add_database("acme", name)

    @rule(endpoint=st.sampled_from(ENDPOINTS), name=st.sampled_from(("*", *NAMES)), fault=st.sampled_from(FAULTS))
    def spoil(self, endpoint: str, name: str, fault: dict[str, Any]) -> None:
        """Let something fail from now on."""
        self.simulator.fail(Fault(endpoint, database="*" if endpoint == "databases" else name, **fault))
        self.is_spoilt = True
        if fault.get("status") == 404:
            # What answers 404 goes; what is finished by then is never listed again.
            self.seen.clear()

    @rule(minutes=st.integers(1, 15))
    def pass_time(self, minutes: int) -> None:
        """Let minutes pass."""
        self.wait(60 * minutes)

    @rule(numbered=st.booleans(), excluded=st.booleans())
    def reload(self, numbered: bool, excluded: bool) -> None:
        """Name one deploy request by its number, or not; exclude a database, or not."""
        if excluded or self.excluded:
            self.seen = {(home, number) for home, number in self.seen if home != id(self.home("beta"))}
        self.numbered, self.excluded = numbered, excluded
        self.polled.reload("acme", *(["acme/alpha/1"] if numbered else []), *(["!acme/beta"] if excluded else []))
        assert not (excluded and {key for key in self.exported() if key.database == "beta"})

    # -- what must come of it

    @precondition(lambda self: len(self.simulator.requests) < 10_000)
    @rule()
    def compare(self) -> None:
        """Once all is well again for a while, what is exported is what the model says."""
        self.simulator.heal()
        if self.is_spoilt:
            # What vanished while the lists failed is missed from now on only.
            self.removed = dict.fromkeys(self.removed, self.now)
        self.is_spoilt = False
        self.wait(SETTLED)
        exported = self.exported()
        for name in NAMES:
            for number in range(1, 40):
                self.compare_one(Key("acme", name, number), exported.get(Key("acme", name, number)))
        assert self.polled.observer.failures["bug"] == 0
        assert not self.polled.task.done()
        if not any(self.now - at < KEEPS.stale_after + SEEN_WITHIN for at in self.removed.values()):
            assert self.polled.targets()["acme"] is True

    def compare_one(self, key: Key, status: DeployRequestStatus | None) -> None:
        """Compare one deploy request."""
        samples = [self.truth(key, self.now - ago) for ago in range(0, int(SEEN_WITHIN) + 1, 10)]
        if key == NUMBERED and self.numbered:
            assert status
            assert status.configured
            assert status.operations.ok is (samples[0] is not None) or None in samples
            return
        # One that was over may come to another end: until that had time to be seen, either may be shown.
        conditions = {truth and (truth.condition, truth.condition is Is.OVER and truth.state) for truth in samples}
        if self.excluded and key.database == "beta":
            assert status is None
        if len(conditions) > 1 or (self.excluded and key.database == "beta"):
            return
        now = samples[0]
        if now is None:
            # Nobody asks again about one that has come to its end: should it vanish, it stays for `poll.retention`.
            is_past = status and status.finished_at and self.now - status.finished_at < KEEPS.retention + SEEN_WITHIN
            is_gone = self.home(key.database) or self.now - self.removed[key.database] > KEEPS.stale_after + SEEN_WITHIN
            assert status is None or is_past or not is_gone
        elif now.condition is Is.ABSENT:
            assert status is None
        elif now.condition is Is.LIVE:
            assert status
            self.seen.add((id(self.home(key.database)), key.number))
            assert status.request.ok
            self.compare_values(status, since=self.now - SEEN_WITHIN)
        else:
            self.compare_finished(key, now, status)

    def compare_finished(self, key: Key, now: Truth, status: DeployRequestStatus | None) -> None:
        """What has come to its end has its final values, until `poll.retention` has passed."""
        assert now.finished is not None
        left = now.finished + KEEPS.retention - self.now
        if left < -SEEN_WITHIN:
            assert status is None
        elif left > SEEN_WITHIN and (id(self.home(key.database)), key.number) in self.seen:
            assert status
        if status:
            assert status.state == now.state
            assert status.finished_at == now.finished
            self.compare_values(status, since=now.finished)

    def compare_values(self, status: DeployRequestStatus, since: float) -> None:
        """Every value is the truth at the moment of its answer, which came in time."""
        assert status.operations.ok
        for part in (status.operations, status.deployment):
            assert answered(part) >= since
        then = self.truth(status.key, answered(status.deployment))
        assert then
        assert status.state == then.state
        then = self.truth(status.key, answered(status.operations))
        assert then
        shown = [watched.operation for watched in status.watched]
        assert Counter((each.table, str(each.state), each.progress) for each in shown) == then.operations

    def exported(self) -> dict[Key, DeployRequestStatus]:
        """What is exported, by key."""
        return {status.key: status for status in self.polled.snapshot.deploy_requests}

    def home(self, name: str) -> Any:
        """The database, None where there is none."""
        return self.simulator.organizations["acme"].get(name)

    def truth(self, key: Key, at: float) -> Truth | None:
        """The deploy request as it was at a Unix time; None where there was none."""
        home = self.home(key.database)
        found = [request for request in home.deploy_requests(at) if request.number == key.number] if home else []
        if not found or found[0].scene.created > at:
            return None
        scene = found[0].scene
        state = scene.step.state
        is_absent = state in UNQUEUED or (state in FAILED and scene.closed is not None)
        condition = Is.ABSENT if is_absent else Is.OVER if state in OVER else Is.LIVE
        return Truth(
            state,
            condition,
            scene.finished,
            Counter((row.change.table, row.state, row.progress) for row in scene.rows),
        )


def answered(part: Part[Any]) -> float:
    """The Unix time of the last good answer."""
    assert part.answered_at is not None
    return part.answered_at.unix


Discovery.TestCase.settings = settings(max_examples=60, stateful_step_count=25, derandomize="CI" in os.environ)
TestDiscovery = pytest.mark.slow(Discovery.TestCase)
