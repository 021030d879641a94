"""Deploy requests as cards of the page."""

from dataclasses import replace
from typing import Any

import pytest
from web_snapshots import deployment, moment, operation, stamp, status

from exporter.planetscale.models import DeploymentState
from exporter.polling.snapshot import DeployRequestStatus, Key, Part
from exporter.web.cards import Card, card
from exporter.web.rows import Note
from exporter.web.states import Group, Tone


def card_of(one: DeployRequestStatus) -> Card:
    """The card with everything on it."""
    return card(one, moment(), show_ddl=True)


def test_a_card_names_the_deploy_request_and_its_branches() -> None:
    """Who reads it finds the deploy request again, here and at PlanetScale."""
    shown = card_of(status(7))
    assert (shown.home, shown.key.number, shown.branch, shown.into_branch) == ("acme/shop", 7, "add-note", "main")
    assert (shown.url, shown.age) == ("https://app.planetscale.com/acme/shop/1", "data 12 s old")


@pytest.mark.parametrize("state", [state for state in DeploymentState if not state.is_failed])
def test_a_failed_operation_makes_what_is_not_over_wrong(state: DeploymentState) -> None:
    """A failure comes first, until the deploy request has ended."""
    shown = card_of(status(1, [operation(state="error")], deployed=deployment(state)))
    over = state.is_finished and state is not DeploymentState.ERROR
    assert (shown.failed, shown.group is Group.WRONG) == (not over, not over)


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"queue_paused": True}, Note("the queue is paused", Tone.BAD)),
        (
            {"cutover_expiring": True},
            Note("the time to cut over is running out: the copy will be thrown away", Tone.BAD),
        ),
        ({"table_locked": True}, Note("a table is locked", Tone.WARN)),
        ({"state": "queued", "preceding_deployments": [{}]}, Note("1 deployment before it in the queue")),
        ({"state": "queued", "preceding_deployments": []}, Note("next in the queue")),
        ({"strategy": "parallel"}, Note("in the parallel lane")),
        ({"instant_ddl": True}, Note("instant DDL")),
    ],
)
def test_what_holds_a_deployment_up_is_remarked(fields: dict[str, Any], note: Note) -> None:
    """The queue and its dangers are in the notes, and what is bad makes the card wrong."""
    shown = card_of(status(1, deployed=deployment() | fields))
    assert note in shown.notes
    assert (shown.group is Group.WRONG) == (note.tone is Tone.BAD)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"state": "complete", "finished_at": stamp(60), "queued_at": stamp(900)}, "finished 1 min ago"),
        ({"state": "pending_cutover", "ready_to_cutover_at": stamp(7200)}, "ready to cut over 2 h ago"),
        ({"ready_to_cutover_at": stamp(60), "started_at": stamp(7200)}, "started 2 h ago"),
        ({"state": "queued", "started_at": None, "queued_at": stamp(300)}, "queued 5 min ago"),
    ],
)
def test_the_latest_moment_is_told(fields: dict[str, Any], text: str) -> None:
    """One moment, the one that a person counts from."""
    assert card_of(status(1, deployed=deployment() | fields)).notes[-1].text == text


def test_failing_polls_are_wrong_and_say_why() -> None:
    """Old data never looks fresh."""
    shown = card_of(status(1, age=430, failed_for=420, error="HTTP 503: the API is down"))
    assert shown.notes[0] == Note("stale for 7 min: HTTP 503: the API is down", Tone.BAD)
    assert (shown.group, shown.age) == (Group.WRONG, "data 7 min old")


def test_a_failing_side_poll_is_remarked_once() -> None:
    """What is not known beside the operations is named, unless it is the same failure again."""
    one = status(1)
    beside = replace(one, throttle=Part(failed_since=moment(60), error="HTTP 403: forbidden"))
    assert card_of(beside).notes[0] == Note("throttler not known for 1 min: HTTP 403: forbidden", Tone.WARN)
    both = replace(beside, operations=replace(one.operations, failed_since=moment(60), error="HTTP 403: forbidden"))
    assert [note.text for note in card_of(both).notes if "403" in note.text] == ["stale for 1 min: HTTP 403: forbidden"]


def test_throttling_by_ratio_is_told_per_keyspace() -> None:
    """A ratio of nothing is no remark."""
    shown = card_of(status(1, throttle=[{"keyspace_name": "shop", "ratio": 40}, {"keyspace_name": "b", "ratio": 0}]))
    assert [note.text for note in shown.notes if "throttler" in note.text] == ["throttler holds back 40 % in shop"]


def test_nothing_is_invented_before_the_first_answer() -> None:
    """A deploy request of which nothing is known says so, and after a failure why."""
    unknown = card_of(DeployRequestStatus(Key("acme", "shop", 1), configured=True))
    assert (unknown.state, unknown.age, unknown.rows, unknown.group) == (
        "nothing known yet",
        "no data yet",
        (),
        Group.WAITING,
    )
    part: Part[Any] = Part(failed_since=moment(5), error="HTTP 404: not found")
    failed = DeployRequestStatus(Key("acme", "shop", 1), True, part)
    assert card_of(failed).group is Group.WRONG
    assert card_of(failed).notes == (Note("stale for 5 s: HTTP 404: not found", Tone.BAD),)


@pytest.mark.parametrize(("state", "group"), [("in_progress", Group.RUNNING), ("complete", Group.FINISHED)])
def test_operations_speak_where_nothing_tells_the_deployments_state(state: str, group: Group) -> None:
    """A deploy request whose deployment is not known still has its place."""
    one = replace(status(1, [operation(state=state)], request={}), deployment=Part())
    assert card_of(one).group is group


def test_the_requests_own_word_for_the_state_counts_where_the_deployment_is_missing() -> None:
    """Either poll can tell the state."""
    one = replace(status(1, request={"deployment_state": "complete_error"}), deployment=Part())
    assert card_of(one).state == "failed, blocks the queue until someone acts"


def test_a_card_with_too_many_operations_says_how_many_are_missing() -> None:
    """No deploy request fills the page alone, and none hides its size."""
    shown = card_of(status(1, [operation(number) for number in range(1234)]))
    assert (len(shown.rows), shown.left_out) == (200, 1034)
