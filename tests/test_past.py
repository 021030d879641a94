"""What has gone does not come back through an answer that was asked for before."""

import pytest
from polled import LIMITS

from exporter.planetscale.models import DeployRequest
from exporter.planetscale.rows import Rows, parse_record
from exporter.polling import aging, answers
from exporter.polling.endings import Endings
from exporter.polling.exported import Exported
from exporter.polling.fleet import Fleet
from exporter.polling.jobs import Job, Kind
from exporter.polling.plan import Plan
from exporter.polling.snapshot import Moment
from exporter.targets import parse

SCOPE = ("acme", "shop")
THEN = Moment(0, 0)
KEY = (*SCOPE, 7)


def rows(state: str) -> Rows[DeployRequest]:
    """A list that names one open deploy request."""
    row = {"number": 7, "state": "open", "deployment_state": state, "deployment": {"state": state}}
    return Rows((parse_record(row, DeployRequest),))


@pytest.fixture
def fleet() -> Fleet:
    """A watched database in which one deploy request runs."""
    fleet = Fleet(Plan((parse("acme/shop"),)), LIMITS, Endings(since=0))
    with fleet.questions.asking() as asked:
        answers.open_list(fleet, SCOPE, rows("in_progress"), asked, THEN)
    assert Exported(fleet).snapshot().deploy_requests
    return fleet


def test_a_late_list_does_not_revive_what_was_not_found(fleet: Fleet) -> None:
    """It answered 404 while a list that still names it was on its way; one that was asked for later may name it."""
    with fleet.questions.asking() as early:
        with fleet.questions.asking():
            aging.failed(fleet, Job(Kind.REQUEST, *KEY), "404", THEN, not_found=True)
        answers.open_list(fleet, SCOPE, rows("in_progress"), early, THEN)
    assert not Exported(fleet).snapshot().deploy_requests
    with fleet.questions.asking() as later:
        answers.open_list(fleet, SCOPE, rows("in_progress"), later, THEN)
    assert Exported(fleet).snapshot().deploy_requests


def test_what_is_taken_out_of_the_queue_goes_with_the_list_that_says_so(fleet: Fleet) -> None:
    """Nobody has it queued any more: it goes at once, and a list from before does not bring it back."""
    with fleet.questions.asking() as early, fleet.questions.asking() as later:
        answers.open_list(fleet, SCOPE, rows("ready"), later, THEN)
        assert not Exported(fleet).snapshot().deploy_requests
        answers.open_list(fleet, SCOPE, rows("in_progress"), early, THEN)
        assert not Exported(fleet).snapshot().deploy_requests
