"""The whole page in words and numbers."""

from pathlib import Path

import pytest
from web_snapshots import deployment, many, moment, operation, snapshot, status, varied

from exporter.polling.snapshot import Snapshot, TargetStatus
from exporter.web.states import Alert, Group, Tone
from exporter.web.view import Choice, View, view

ALL = Choice()


def seen(what: Snapshot, choice: Choice = ALL) -> View:
    """The view of a snapshot."""
    return view(what, moment(), choice, show_ddl=True)


def test_the_summary_counts_what_a_person_asks_for_first() -> None:
    """Failures, other troubles, what runs, waits and is throttled, and how old the data is."""
    shown = seen(varied())
    assert [note.text for note in shown.counts] == [
        "1 failed",
        "4 need a look",
        "6 running",
        "1 waiting for a person",
        "1 throttled",
    ]
    assert (shown.age, shown.tone) == ("oldest data: 7 min", Tone.BAD)
    assert shown.title == "1 failed, 4 need a look, 6 running"
    assert shown.troubles == ("hooli/*: HTTP 401: unauthorized",)


def test_what_is_wrong_comes_first_and_what_is_over_last() -> None:
    """The sections have one order, and empty ones are left out."""
    assert [section.group for section in seen(varied()).sections] == list(Group)
    assert [section.group for section in seen(snapshot(status())).sections] == [Group.RUNNING]


@pytest.mark.parametrize(
    ("what", "text"),
    [
        (Snapshot(), "Nothing to show yet: the first polls are under way."),
        (Snapshot(targets=(TargetStatus("acme"),)), "Nothing to show yet: the first polls are under way."),
        (
            Snapshot(targets=(TargetStatus("acme", up=True), TargetStatus("b"))),
            "Nothing to show yet: the first polls are under way.",
        ),
        (Snapshot(targets=(TargetStatus("acme", up=True),)), "No deploy request is running."),
        (
            Snapshot(targets=(TargetStatus("acme", up=True), TargetStatus("b", up=False, error="HTTP 403"))),
            "No deploy request is running.",
        ),
        (Snapshot(targets=(TargetStatus("acme", up=False, error="HTTP 401"),)), "No target works: HTTP 401."),
    ],
)
def test_an_empty_page_says_why_it_is_empty(what: Snapshot, text: str) -> None:
    """Nothing yet, nothing running and nothing working are three different things."""
    assert seen(what).empty == text


def test_a_choice_narrows_cards_and_counts() -> None:
    """Organization and database filter; the options stay."""
    shown = seen(varied(), Choice("umbrella", "genes"))
    assert {card.home for section in shown.sections for card in section.cards} == {"umbrella/genes"}
    assert shown.counts[0].text == "0 failed"
    assert (shown.organizations, shown.databases) == (("acme", "umbrella"), ("genes",))


def test_a_choice_that_fits_nothing_says_so_and_stays_visible() -> None:
    """The form shows what was asked for, even where it does not exist."""
    shown = seen(varied(), Choice("hooli"))
    assert shown.empty == "No deploy request matches the filter."
    assert "hooli" in shown.organizations


def test_links_keep_the_choice() -> None:
    """Holding still forgets no filter, and names are escaped."""
    assert ALL.address(refresh=True) == "./"
    assert Choice("a&b", "c").address(refresh=False) == "./?organization=a%26b&database=c&refresh=off"


def test_of_a_large_fleet_only_what_is_wrong_has_cards() -> None:
    """All else is a line an operation, by database, and those with something wrong come first."""
    fleet = many(400, 1000)
    bad = (status(number, database="db7", deployed=deployment("complete_error")) for number in range(1000, 1100))
    shown = seen(snapshot(*fleet.deploy_requests, *bad))
    cards = [card for section in shown.sections for card in section.cards]
    assert {card.group for card in cards} == {Group.WRONG}
    assert 20 < len(cards) < 60
    assert shown.index[0].name == "acme/db7"
    assert shown.index[0].counts[0].text == f"{100 - len(cards)} wrong"
    assert len(cards) + sum(len(home.cards or ()) for home in shown.index) == 500


def test_of_a_fleet_too_large_for_a_browser_the_databases_are_counted() -> None:
    """What is left out can be counted and asked for."""
    shown = seen(many(2000, 6000))
    left_out = [home for home in shown.index if home.cards is None]
    assert len(shown.index) == 40
    assert 10 < len(left_out) < 40
    assert left_out[0].counts
    assert left_out[0].address == "./?organization=acme&database=" + left_out[0].name.removeprefix("acme/")


def test_what_is_wrong_is_ordered_by_urgency() -> None:
    """A failure before a stall, a stall before polls that fail, whatever their numbers."""
    shown = seen(
        snapshot(
            status(1, failed_for=420, error="HTTP 503"),
            status(2, advance_ago=3 * 3600),
            status(3, deployed=deployment(cutover_expiring=True)),
            status(4, deployed=deployment("complete_error")),
        )
    )
    assert [card.key.number for card in shown.sections[0].cards] == [4, 3, 2, 1]
    assert [card.alerts[0] for card in shown.sections[0].cards] == [
        "PlanetScaleDeployOperationErrored",
        "PlanetScaleDeployCutoverExpiring",
        "PlanetScaleDeployOperationStalled",
        "PlanetScaleExporterPollStale",
    ]


def test_every_alert_that_is_named_has_a_runbook() -> None:
    """The page links to them."""
    pages = Path(__file__).parents[1] / "docs" / "runbooks"
    assert [alert for alert in Alert if not (pages / f"{alert}.md").is_file()] == []


def test_one_deploy_request_can_be_asked_for() -> None:
    """Its card names the address."""
    shown = seen(varied(), Choice("acme", "shop", "2"))
    (card,) = (card for section in shown.sections for card in section.cards)
    assert (card.key.number, card.address) == (2, "./?organization=acme&database=shop&deploy_request=2")


def test_many_failing_targets_do_not_bury_the_page() -> None:
    """The first are named, the rest are counted."""
    shown = seen(Snapshot(targets=tuple(TargetStatus(f"t{i}", up=False, error="HTTP 404") for i in range(50))))
    assert (len(shown.troubles), shown.more_troubles) == (20, 30)


def test_finished_ones_do_not_make_the_data_look_old() -> None:
    """What nobody polls any more says nothing about the age of what moves."""
    over = status(1, [operation(state="complete")], deployed=deployment("complete"), age=3000)
    assert seen(snapshot(over, status(2, age=5))).age == "oldest data: 5 s"
    assert seen(snapshot(over)).age == "oldest data: 50 min"
