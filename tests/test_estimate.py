"""The request budget that a configuration needs."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.polling.estimate import Workload, estimate
from exporter.polling.pace import Timing

TIMING = Timing(interval=30, idle_interval=300, discovery_interval=60)
COUNTS = st.integers(0, 3000)


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """Any workload."""
    databases, numbered = draw(COUNTS), draw(COUNTS)
    return Workload(
        tuple(draw(st.lists(COUNTS, max_size=4))),
        databases,
        draw(st.integers(0, databases)),
        numbered,
        draw(st.integers(0, numbered)),
    )


def test_what_a_workload_needs() -> None:
    """A listing, queues and lists of open deploy requests, and three requests a refresh for what is named and moves."""
    load = Workload((250,), databases=200, moving_databases=100, numbered=10, moving_numbered=5)
    result = estimate(load, TIMING, 1000)
    assert result.needed == 3 + 200 + 100 * 2 + 100 + 5 * 3 * 2 + 5 * 2 / 5
    assert result.oldest == 30


def test_the_goal_of_the_project() -> None:
    """200 databases in which all runs: values within a minute with 300 requests a minute."""
    assert estimate(Workload((200,), databases=200, moving_databases=200), TIMING, 300).oldest <= 60


@given(load=workloads(), limit=st.integers(1, 100_000))
def test_values_are_as_fresh_as_the_budget_allows(load: Workload, limit: int) -> None:
    """With what is needed all is refreshed at the interval; a larger budget never makes values older."""
    result = estimate(load, TIMING, limit)
    assert result.oldest >= TIMING.interval
    if limit >= result.needed:
        assert result.oldest == TIMING.interval
    assert estimate(load, TIMING, 2 * limit).oldest <= result.oldest
    assert estimate(load, TIMING, 2 * limit).needed == result.needed
