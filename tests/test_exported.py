"""What is exported is put together anew only where something was touched, and is always what is known."""

from hypothesis import given
from hypothesis import strategies as st
from polled import LIMITS

from exporter.planetscale.models import Database, Deployment, DeployRequest
from exporter.planetscale.rows import parse_record
from exporter.polling import aging, answers
from exporter.polling.endings import Endings
from exporter.polling.exported import Exported
from exporter.polling.fleet import Fleet
from exporter.polling.jobs import Job, Kind
from exporter.polling.plan import Plan
from exporter.polling.snapshot import Key, Moment, Scope, Snapshot
from exporter.targets import parse

SHOP, CRM = ("acme", "shop"), ("acme", "crm")
TARGETS = ("acme/shop", "acme/crm", "acme/crm/9", "initech/*")


def made(*targets: str, most: int = 50_000) -> Fleet:
    """A fleet of these targets that exports so many operations at most."""
    plan = Plan(tuple(map(parse, targets)))
    return Fleet(plan, LIMITS._replace(max_operations=most), Endings(since=0))


def queue(fleet: Fleet, scope: Scope, counts: dict[int, int], now: float = 0) -> None:
    """The queue names these deploy requests, each with so many operations."""
    rows = [
        parse_record(
            {
                "deploy_request_number": number,
                "state": "in_progress",
                "deploy_operations": [{"id": str(row), "state": "in_progress"} for row in range(count)],
            },
            Deployment,
        )
        for number, count in counts.items()
    ]
    with fleet.questions.asking() as asked:
        answers.deploy_queue(fleet, scope, rows, asked, Moment(now, now))
    fleet.outcomes.worked(Job(Kind.QUEUE, *scope))


def anew(fleet: Fleet) -> Snapshot:
    """All that is known, put together from nothing."""
    fleet.touched.update(fleet.followed, fleet.databases)
    return Exported(fleet).snapshot()


def test_what_was_not_touched_stays_the_same_object() -> None:
    """A poll of one database costs nothing for the others, nor for the targets while these stay up."""
    fleet = made(*TARGETS)
    exported = Exported(fleet)
    queue(fleet, SHOP, {1: 2})
    queue(fleet, CRM, {7: 3})
    before = exported.snapshot()
    queue(fleet, SHOP, {1: 2, 2: 1})
    after = exported.snapshot()
    assert after.by_database[CRM] is before.by_database[CRM]
    assert after.by_database[SHOP] is not before.by_database[SHOP]
    assert after.targets is before.targets
    assert before.operations == 5
    assert after.operations == 6


def test_what_is_cut_stays_the_same_object() -> None:
    """Beyond `metrics.max_operations`, too, a poll of one database does not touch the others."""
    fleet = made(*TARGETS, most=4)
    exported = Exported(fleet)
    queue(fleet, CRM, {7: 3})
    queue(fleet, SHOP, {1: 2, 2: 1})
    before = exported.snapshot()
    assert before.capped == {Key(*SHOP, 1): 1, Key(*SHOP, 2): 1}
    queue(fleet, CRM, {7: 3})
    after = exported.snapshot()
    assert after.by_database[SHOP] is before.by_database[SHOP]
    assert (after.capped, after.operations) == (before.capped, 4)


def test_what_is_told_of_a_database_follows_its_polls_and_time() -> None:
    """Also where it has no deploy request that is exported: whether it is up, and what is open in it."""
    fleet = made("acme/shop")
    exported = Exported(fleet)

    def told() -> tuple[bool | None, int, bool | None]:
        """Whether the database is up, how many deploy requests are open in it, whether the target is up."""
        snapshot = exported.snapshot()
        return snapshot.databases[0].up, sum(snapshot.databases[0].open_requests.values()), snapshot.targets[0].up

    assert told() == (None, 0, None)
    queue(fleet, SHOP, {})
    answers.open_list(fleet, SHOP, [parse_record({"number": 1}, DeployRequest)], 1, Moment(0, 0))
    fleet.outcomes.worked(Job(Kind.OPEN, *SHOP))
    assert told() == (True, 1, True)
    aging.failed(fleet, Job(Kind.OPEN, *SHOP), "HTTP 500", Moment(9, 9))
    assert told() == (False, 1, False)
    aging.pass_time(fleet, Moment(9 + LIMITS.stale_after, 9))
    assert told() == (False, 0, False)
    fleet.outcomes.worked(Job(Kind.OPEN, *SHOP))
    assert told() == (True, 0, True)


SCOPES = st.sampled_from([SHOP, CRM, ("initech", "x")])
COUNTS = st.dictionaries(st.integers(1, 3), st.integers(0, 3), max_size=3)
STEPS = st.lists(
    st.tuples(st.just("queue"), SCOPES, COUNTS)
    | st.tuples(st.just("list"), SCOPES, COUNTS)
    | st.tuples(st.just("found"), SCOPES, st.sampled_from([(), ("x",), ("x", "y")]))
    | st.tuples(st.just("fails"), SCOPES, st.sampled_from([Kind.QUEUE, Kind.OPEN, Kind.OPERATIONS, Kind.DATABASES]))
    | st.tuples(st.just("time"), SCOPES, st.sampled_from([10, 400, 4000]))
    | st.tuples(st.just("plan"), SCOPES, st.lists(st.sampled_from(TARGETS), min_size=1))
    | st.tuples(st.just("cap"), SCOPES, st.integers(1, 6))
)


def step(fleet: Fleet, what: str, scope: Scope, how: object, now: float) -> float:
    """Let one thing happen; returns what time it is then."""
    moment = Moment(now, now)
    match what, how:
        case "queue", dict():
            queue(fleet, scope, how, now)
        case "list", dict():
            listed = [parse_record({"number": each, "deployment_state": "queued"}, DeployRequest) for each in how]
            with fleet.questions.asking() as asked:
                answers.open_list(fleet, scope, listed, asked, moment)
        case "found", tuple():
            rows = [parse_record({"name": name, "kind": "mysql"}, Database) for name in how]
            answers.databases(fleet, "initech", rows, moment)
            fleet.outcomes.worked(Job(Kind.DATABASES, "initech"))
        case "fails", Kind():
            job = Job(how, scope[0]) if how is Kind.DATABASES else Job(how, *scope, 1 if how is Kind.OPERATIONS else 0)
            aging.failed(fleet, job, "HTTP 500", moment, not_found=how is Kind.DATABASES)
        case "time", int():
            aging.pass_time(fleet, Moment(now + how, now + how))
            return now + how
        case "plan", list():
            fleet.replan(Plan(tuple(map(parse, how))), fleet.limits, moment)
        case "cap", int():
            fleet.replan(fleet.plan, fleet.limits._replace(max_operations=how), moment)
    return now


@given(STEPS)
def test_bit_by_bit_is_the_same_as_from_nothing(steps: list[tuple[str, Scope, object]]) -> None:
    """Whatever answers, failures, time, reloads and caps do, the snapshot says all of it and nothing else."""
    fleet, now = made(*TARGETS), 0.0
    exported = Exported(fleet)
    for what, scope, how in steps:
        now = step(fleet, what, scope, how, now)
        assert exported.snapshot() == anew(fleet)
