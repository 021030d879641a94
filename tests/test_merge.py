"""What one poll more makes of what is known of a deploy request."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exporter.planetscale.models import Operation
from exporter.planetscale.rows import parse_record
from exporter.polling import merge
from exporter.polling.snapshot import DeployRequestStatus, Key, Moment, Part, Watched

NOW = 1_785_000_000.0
PERCENTAGES = st.none() | st.integers(0, 100)
ETAS = st.none() | st.integers(0, 10_000)
ANSWERS = st.lists(st.tuples(PERCENTAGES, ETAS, st.sampled_from(["queued", "in_progress"])), min_size=1)
POLLS = st.lists(st.tuples(st.integers(1, 50), st.sampled_from(["answer", "failure", "pause"])))


def at(seconds: float) -> Moment:
    """The moment so many seconds after NOW, whose clocks differ."""
    return Moment(seconds, NOW + seconds)


def operation(progress: int | None, eta: int | None, state: str = "in_progress", **fields: object) -> Operation:
    """An operation as the API gives it."""
    row = {"id": "op", "progress_percentage": progress, "eta_seconds": eta, "state": state}
    return parse_record(row | fields, Operation)


@given(answers=ANSWERS)
def test_an_advance_is_a_rise_a_fall_of_the_eta_or_another_state(
    answers: list[tuple[int | None, int | None, str]],
) -> None:
    """Against the last known values, whatever nulls come in between, and nothing else is an advance."""
    known: Watched | None = None
    for number, (progress, eta, state) in enumerate(answers):
        before, known = known, merge.watch(known, operation(progress, eta, state), at(number))
        if before is None:
            assert known.last_advance is None
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


def test_first_sight_is_no_advance() -> None:
    """What was seen once has not been seen to advance, whenever the API says that it updated it."""
    assert merge.watch(None, operation(5, 5, updated_at="2026-07-01T00:00:00Z"), at(0)).last_advance is None


def test_what_comes_back_after_an_outage_is_compared_with_what_went() -> None:
    """Values that went stale are shown no more, but a copy that comes back has advanced only if it is further."""
    key = Key("acme", "shop", 1)
    for progress, expected in ((40, None), (41, NOW + 900)):
        status = merge.with_operations(DeployRequestStatus(key, configured=True), [operation(40, 60)], 1, at(0))
        lost = replace(status, operations=merge.failed(status.operations, "timeout", at(30)))
        stale = merge.without_stale(merge.without_stale(lost, 300, at(330)), 300, at(360))
        assert stale.watched == ()
        (back,) = merge.with_operations(stale, [operation(progress, 60)], 2, at(900)).watched
        assert back.last_advance == expected


@given(polls=POLLS)
def test_a_part_keeps_the_newest_answer_until_it_is_stale(polls: list[tuple[int, str]]) -> None:
    """The answer asked for last stays through failures, up to `stale_after` seconds from the first of them."""
    part: Part[int] = Part()
    newest = 0
    failed_since: Moment | None = None
    for seconds, (asked, what) in enumerate(polls):
        now = at(seconds)
        if what == "answer" and asked >= newest:
            newest, failed_since = asked, None
        if what == "answer":
            part = merge.answered(part, asked, asked, now)
        elif what == "failure":
            failed_since = now if failed_since is None else failed_since
            part = merge.failed(part, "no answer", now)
        part = merge.expired(part, 10, now)
        is_stale = failed_since is not None and now.since(failed_since) >= 10
        assert part.failed_since == failed_since
        if is_stale or not newest:
            assert part.value is None
        assert part.ok is (False if failed_since is not None else True if newest else None)
        if not is_stale and part.value is not None:
            assert part.value == newest
