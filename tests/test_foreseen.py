"""What a deployment will do is known before it starts: the list of open deploy requests says it, the queue not yet."""

from typing import Any

import pytest
from polled import LIMITS

from exporter.planetscale.models import Deployment, DeployRequest
from exporter.planetscale.rows import Rows, parse_record
from exporter.polling import answers
from exporter.polling.endings import Endings
from exporter.polling.exported import Exported
from exporter.polling.fleet import Fleet
from exporter.polling.plan import Plan
from exporter.polling.snapshot import Key, Moment
from exporter.targets import parse

SCOPE = ("acme", "shop")
THEN = Moment(0, 0)
DROP = {"id": "a", "state": "pending", "operation_name": "DROP", "table_name": "old", "can_drop_data": True}


def queue(fleet: Fleet, state: str, *rows: dict[str, Any]) -> None:
    """The queue names deploy request 7 in this state, with these operations."""
    row = parse_record({"deploy_request_number": 7, "state": state, "deploy_operations": list(rows)}, Deployment)
    with fleet.questions.asking() as asked:
        answers.deploy_queue(fleet, SCOPE, [row], asked, THEN)


def listed(fleet: Fleet, state: str, *rows: dict[str, Any]) -> None:
    """The list of open deploy requests does."""
    deployment = {"state": state, "deploy_operations": list(rows)}
    row = {"number": 7, "state": "open", "deployment_state": state, "deployment": deployment}
    with fleet.questions.asking() as asked:
        answers.open_list(fleet, SCOPE, Rows((parse_record(row, DeployRequest),)), asked, THEN)


def tables(fleet: Fleet) -> list[tuple[str, str]]:
    """The exported operations: table and state."""
    (status,) = Exported(fleet).snapshot().deploy_requests
    return [(watched.operation.table, str(watched.operation.state)) for watched in status.watched]


@pytest.fixture
def fleet() -> Fleet:
    """A watched database."""
    return Fleet(Plan((parse("acme/shop"),)), LIMITS, Endings(since=0))


@pytest.mark.parametrize("first", [queue, listed])
def test_a_queued_deploy_shows_what_it_will_do_from_the_first_list_to_the_start(fleet: Fleet, first: Any) -> None:
    """Whichever answer comes first, nothing blinks while it waits; what really runs replaces it."""
    first(fleet, "queued")
    listed(fleet, "queued", DROP)
    for _ in range(3):
        queue(fleet, "queued")
        assert tables(fleet) == [("old", "pending")]
        listed(fleet, "queued", DROP)
        assert tables(fleet) == [("old", "pending")]
    queue(fleet, "in_progress", DROP | {"id": "b", "state": "in_progress"})
    assert tables(fleet) == [("old", "in_progress")]


def test_what_has_started_is_never_what_was_foreseen(fleet: Fleet) -> None:
    """A queue that says it runs, and holds no operations of it, leaves them to the operations endpoint."""
    listed(fleet, "queued", DROP)
    queue(fleet, "in_progress")
    answers.operations(fleet, Key(*SCOPE, 7), Rows(), 99, THEN)
    assert tables(fleet) == []
