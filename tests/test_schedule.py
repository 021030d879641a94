"""What is due and what goes first, as a function of what was added and the clock passed in."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.planetscale.budget import RequestBudget
from exporter.polling.jobs import Job, Kind
from exporter.polling.schedule import Entry, Rank, Schedule, Wait, again, back_off, decide, spread

SECONDS = st.floats(1, 100_000)
CHANCES = st.floats(0, 1)


def job(number: int = 1) -> Job:
    """A job like any other."""
    return Job(Kind.OPERATIONS, "acme", "shop", number)


def schedule(*entries: tuple[int, float, Rank]) -> Schedule:
    """A schedule of these jobs: number, when due, rank."""
    made = Schedule()
    for number, due, rank in entries:
        made.add(job(number), due, rank, 30)
    return made


def started(made: Schedule, now: float) -> list[int]:
    """The numbers of all jobs that can start now, in the order they do."""
    numbers = []
    while entry := made.next(now):
        made.start(entry, now)
        numbers.append(entry.job.number)
    return numbers


# -- back-off and spreading


@given(failures=st.integers(1, 10_000), interval=SECONDS, longest=SECONDS, chance=CHANCES)
def test_back_off_stays_between_the_intervals(failures: int, interval: float, longest: float, chance: float) -> None:
    """Never sooner than the interval, never later than the longest, which is the interval at least."""
    assert interval <= back_off(failures, interval, longest, chance) <= max(interval, longest)


@given(failures=st.integers(1, 100), interval=SECONDS, longest=SECONDS)
def test_back_off_grows(failures: int, interval: float, longest: float) -> None:
    """One failure more never shortens it, given the same luck, until it is as long as it gets."""
    first, second = (back_off(each, interval, longest, 0) for each in (failures, failures + 1))
    assert second >= first


def test_back_off_has_jitter() -> None:
    """What fails together does not come again together, neither at first nor at last."""
    for failures in (1, 3, 50):
        assert len({back_off(failures, 30, 300, chance / 10) for chance in range(10)}) == 10


@given(number=st.integers(1, 10**9), interval=SECONDS)
def test_spread_is_a_part_of_the_interval(number: int, interval: float) -> None:
    """A quarter of the interval at least, the whole at most, and the same at every start."""
    assert interval / 4 <= spread(job(number), interval) <= interval
    assert spread(job(number), interval) == spread(job(number), interval)


def test_spread_spreads() -> None:
    """A hundred jobs that start together fall evenly into the rest of the interval."""
    parts = sorted(spread(job(number), 100) for number in range(100))
    assert all(parts[i + 25] - parts[i] < 50 for i in range(75))


def test_what_starts_together_does_not_come_again_together() -> None:
    """The second poll is spread, unless the first had to wait for its whole interval; later ones keep the interval."""
    at_once, waited = Entry(job(), 0, Rank.REST, 30), Entry(job(), 0, Rank.REST, 30)
    assert again(at_once, 0.5, 30) == 0.5 + spread(job(), 30)
    assert again(waited, 20, 30) == 20 + spread(job(), 30)
    assert again(waited, 30, 30) == 60
    at_once.first = False
    assert again(at_once, 0.5, 30) == 30.5


# -- order


@given(dues=st.lists(st.floats(0, 100), max_size=30), now=st.floats(0, 100), rank=st.sampled_from(Rank))
def test_the_longest_due_goes_first(dues: list[float], now: float, rank: Rank) -> None:
    """Within a rank all that is due starts, and nothing else, in the order it became due."""
    made = schedule(*((number, due, rank) for number, due in enumerate(dues)))
    expected = sorted((due, number) for number, due in enumerate(dues) if due <= now)
    assert started(made, now) == [number for _, number in expected]
    later = [due for due in dues if due > now]
    assert made.next_due() == (min(later) if later else None)


def test_ranks_share_four_to_one() -> None:
    """While both wait, what moves gets four of five requests, and the rest the fifth."""
    made = schedule(*((n, 0, Rank.MOVING) for n in range(100)), *((n, 0, Rank.REST) for n in range(100, 200)))
    first = started(made, 0)[:100]
    assert sum(number >= 100 for number in first) == 20
    assert all(sum(number >= 100 for number in first[i : i + 5]) == 1 for i in range(0, 100, 5))


def test_spare_jobs_take_what_is_left() -> None:
    """They start when nothing else is due."""
    made = schedule((1, 0, Rank.SPARE), (2, 5, Rank.REST), (3, 5, Rank.MOVING))
    assert started(made, 5)[-1] == 1


def test_a_rank_saves_nothing_up() -> None:
    """A rank that waited for nothing for long does not take everything afterwards."""
    made = schedule(*((n, 0, Rank.MOVING) for n in range(100)))
    started(made, 0)
    for number in range(100, 200):
        made.add(job(number), 0, Rank.REST, 30)
        made.add(job(number + 100), 0, Rank.MOVING, 30)
    assert sum(100 <= number < 200 for number in started(made, 0)[:50]) <= 12


# -- single jobs


def test_a_running_job_never_starts_twice() -> None:
    """However late it is, and whatever hastens it: a poll is never doubled."""
    made = schedule((1, 0, Rank.REST))
    assert started(made, 0) == [1]
    made.hasten(job(1), 1, Rank.MOVING)
    assert started(made, 1000) == []
    entry = made.entry(job(1))
    made.finish(entry, 30, Rank.REST, 1)
    assert started(made, 1000) == [1]


def test_a_removed_job_is_gone() -> None:
    """It starts no more, and its end brings it not back; added again it starts afresh."""
    made = schedule((1, 0, Rank.REST), (2, 0, Rank.REST))
    entry = made.next(0)
    assert entry
    made.start(entry, 0)
    made.remove(job(1))
    made.remove(job(2))
    made.finish(entry, 1, Rank.REST, 1)
    assert started(made, 100) == []
    assert len(made) == 0
    made.add(job(1), 100, Rank.REST, 30)
    assert started(made, 100) == [1]


def test_a_hastened_job_comes_sooner_never_later() -> None:
    """It is due as early as it was or earlier, and goes with the rank it has now."""
    made = schedule((1, 50, Rank.REST), (2, 0, Rank.REST))
    made.hasten(job(1), 10, Rank.MOVING)
    made.hasten(job(2), 10, Rank.REST)
    assert started(made, 9) == [2]
    assert made.entry(job(1)).rank is Rank.MOVING
    assert started(made, 10) == [1]


def test_late_is_told_once_a_start() -> None:
    """A job due for so long is late once; what is spare, running or not due so long is not."""
    made = schedule((1, 0, Rank.REST), (2, 0, Rank.SPARE), (3, 50, Rank.MOVING), (4, 0, Rank.MOVING))
    entry = made.next(0)
    assert entry
    made.start(entry, 0)
    assert [late.job.number for late in made.late(100, 100)] == [1]
    assert made.late(101, 100) == []
    assert started(made, 101)
    made.finish(made.entry(job(1)), 110, Rank.REST, 1)
    assert 1 in {late.job.number for late in made.late(300, 100)}


def test_what_is_needed_is_known_when_all_has_been_asked() -> None:
    """Requests a minute over all that recurs, a poll of three pages three times; None before each was asked once."""
    made = schedule((1, 0, Rank.MOVING), (2, 0, Rank.REST), (3, 0, Rank.SPARE))
    assert made.requests_per_minute() is None
    for number, requests in ((1, 3), (2, 1)):
        entry = made.entry(job(number))
        made.start(entry, 0)
        made.finish(entry, 30, entry.rank, requests)
    assert made.requests_per_minute() == 8


# -- with the budget


def test_nothing_is_due() -> None:
    """Wait for what is due next, or for ever."""
    budget = RequestBudget(10)
    assert decide(schedule((1, 50, Rank.REST)), budget, 20, lambda _: False) == Wait(30)
    assert decide(schedule(), budget, 20, lambda _: False) == Wait(float("inf"))


def test_a_pause_is_no_wait_for_the_budget() -> None:
    """While a pause lasts nothing starts, and that is not counted as waiting for the budget."""
    budget = RequestBudget(10)
    budget.pause(100)
    assert decide(schedule((1, 0, Rank.REST)), budget, 40, lambda _: True) == Wait(60)
    assert isinstance(decide(schedule((1, 0, Rank.REST)), budget, 100, lambda _: True), Entry)


def test_first_polls_of_targets_do_not_keep_the_pace() -> None:
    """They leave as long as there are slots; what recurs leaves a second's worth at once and then one by one."""
    made = schedule(*((n, 0, Rank.REST) for n in range(100)))
    for first, expected in ((True, 100), (False, 2)):
        budget, count = RequestBudget(100), 0
        while isinstance(decide(made, budget, 0, lambda _, first=first: first), Entry):  # type: ignore[misc] # mypy knows no types of lambda defaults
            budget.take(0)
            count += 1
        assert count == expected
        wait = decide(made, budget, 0, lambda _: False)
        assert isinstance(wait, Wait)
        assert wait.for_budget


def test_first_polls_of_a_few_things_do_not_keep_the_pace() -> None:
    """As many as a tenth of a minute's requests leave at once, more do not, nor does what has been asked before."""

    def leave_at_once(made: Schedule) -> int:
        budget, count = RequestBudget(100), 0
        while count < len(made) and isinstance(decide(made, budget, 0, lambda _: False), Entry):
            budget.take(0)
            count += 1
        return count

    few, many = (schedule(*((n, 0, Rank.REST) for n in range(count))) for count in (10, 11))
    assert (leave_at_once(few), leave_at_once(many)) == (10, 2)
    for entry in few:
        few.start(entry, 0)
        few.finish(entry, 0, Rank.REST, 1)
    assert leave_at_once(few) == 2
