"""What one poll more makes of what is known of a deploy request."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.planetscale.models import Operation
from exporter.polling import merge
from exporter.polling.snapshot import Part, Watched

NOW = 1_785_000_000.0
PERCENTAGES = st.none() | st.integers(0, 100)
ETAS = st.none() | st.integers(0, 10_000)
ANSWERS = st.lists(st.tuples(PERCENTAGES, ETAS, st.sampled_from(["queued", "in_progress"])), min_size=1)
POLLS = st.lists(st.tuples(st.integers(1, 50), st.sampled_from(["answer", "failure", "pause"])))


def operation(progress: int | None, eta: int | None, state: str = "in_progress", **fields: object) -> Operation:
    """An operation as the API gives it."""
    row = {"id": "op", "progress_percentage": progress, "eta_seconds": eta, "state": state}
    return Operation.model_validate(row | fields)


@given(answers=ANSWERS)
def test_an_advance_is_a_rise_a_fall_of_the_eta_or_another_state(
    answers: list[tuple[int | None, int | None, str]],
) -> None:
    """Against the last known values, whatever nulls come in between, and nothing else is an advance."""
    known: Watched | None = None
    for number, (progress, eta, state) in enumerate(answers):
        before, known = known, merge.watch(known, operation(progress, eta, state), NOW + number)
        if before is None:
            assert known.last_advance == NOW
            continue
        earlier = answers[:number]
        percentage = next((p for p, _, _ in reversed(earlier) if p is not None), 0)
        last_eta = next((e for _, e, _ in reversed(earlier) if e is not None), None)
        advanced = (
            state != earlier[-1][2]
            or (progress is not None and progress > percentage)
            or (eta is not None and last_eta is not None and eta < last_eta)
        )
        assert known.last_advance == (NOW + number if advanced else before.last_advance)


def test_first_sight_is_the_last_update() -> None:
    """The first time it is seen, it advanced when the API last updated it, but never in the future."""
    past, future = "2026-07-01T00:00:00Z", "2027-07-01T00:00:00Z"
    assert merge.watch(None, operation(5, 5, updated_at=past), NOW).last_advance == 1782864000.0
    assert merge.watch(None, operation(5, 5, updated_at=future), NOW).last_advance == NOW


@given(polls=POLLS)
def test_a_part_keeps_the_newest_answer_until_it_is_stale(polls: list[tuple[int, str]]) -> None:
    """The answer asked for last stays through failures, up to `stale_after` seconds from the first of them."""
    part: Part[int] = Part()
    newest, failed_since = 0, None
    for now, (asked, what) in enumerate(polls):
        if what == "answer" and asked >= newest:
            newest, failed_since = asked, None
        if what == "answer":
            part = merge.answered(part, asked, asked, now)
        elif what == "failure":
            failed_since = now if failed_since is None else failed_since
            part = merge.failed(part, "no answer", now)
        part = merge.expired(part, 10, now)
        is_stale = failed_since is not None and now - failed_since >= 10
        assert part.failed_since == failed_since
        if is_stale or not newest:
            assert part.value is None
        assert part.ok is (False if failed_since is not None else True if newest else None)
        if not is_stale and part.value is not None:
            assert part.value == newest
