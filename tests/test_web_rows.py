"""Operations as rows of the page."""

from dataclasses import replace
from typing import Any

import pytest
from web_snapshots import NOW, deployment, operation, stamp, status, summary

from exporter.polling.snapshot import DeployRequestStatus
from exporter.web.rows import Note, Row, rows, web_address
from exporter.web.states import Tone


def only(one: DeployRequestStatus, *, show_ddl: bool = True) -> Row:
    """The only row of a deploy request."""
    (row,) = rows(one, NOW, show_ddl)
    return row


def row_of(advance_ago: float = 20, deployed: dict[str, Any] | None = None, **fields: Any) -> Row:
    """The row of an operation with these fields."""
    return only(status(1, [operation(1, **fields)], advance_ago=advance_ago, deployed=deployed))


def test_a_running_operation_says_how_far_it_is_and_how_long_it_takes() -> None:
    """Table, progress, time left, state and last progress are in words."""
    row = row_of()
    assert (row.table, row.name, row.state, row.eta) == ("shop.orders_1", "ALTER", "running", "1 h 11 min")
    assert (row.bar.value, row.bar.text) == (67, "67 %")
    assert row.notes == (Note("last progress 20 s ago"),)
    assert row.running
    assert not row.failed


def test_what_the_api_does_not_give_is_not_known_and_never_zero() -> None:
    """Without percentage and ETA there is no bar and no time."""
    row = row_of(progress_percentage=None, eta_seconds=None, table_name="", keyspace_name="")
    assert (row.bar.value, row.bar.text, row.eta, row.table) == (None, "not known", "not known", "table not known")


def test_nobody_expects_a_time_for_what_has_not_started() -> None:
    """Before the start a missing ETA is no news; a given one is told."""
    assert row_of(state="queued", eta_seconds=None).eta == ""
    assert row_of(state="queued", eta_seconds=60).eta == "1 min"


@pytest.mark.parametrize("state", ["complete", "cancelled", "error"])
def test_what_has_ended_has_no_time_left_and_no_remarks(state: str) -> None:
    """The ETA, throttling and locks of an ended operation are history."""
    row = row_of(state=state, throttled_at=stamp(60), table_locked=True, can_drop_data=True)
    assert (row.eta, row.notes) == ("", ())


@pytest.mark.parametrize(
    ("minutes", "fields", "note"),
    [
        (29, {}, Note("last progress 29 min ago")),
        (43, {}, Note("no progress for 43 min", Tone.BAD)),
        (43, {"progress_percentage": 99}, Note("no progress for 43 min", Tone.WARN)),
        (43, {"throttled_at": stamp(60)}, Note("no progress for 43 min", Tone.WARN)),
        (43, {"throttled_at": stamp(3600)}, Note("no progress for 43 min", Tone.BAD)),
        (130, {"progress_percentage": 99}, Note("no progress for 2 h 10 min", Tone.BAD)),
        (130, {"throttled_at": stamp(60)}, Note("no progress for 2 h 10 min", Tone.BAD)),
    ],
)
def test_a_stall_is_what_the_alerts_call_one(minutes: float, fields: dict[str, Any], note: Note) -> None:
    """Half an hour without progress is wrong, two hours where throttling or the tail excuse it."""
    assert row_of(minutes * 60, **fields).notes[0] == note


@pytest.mark.parametrize(
    ("minutes", "begun", "progress", "is_stall"),
    [
        (170, 50 * 3600, 48, False),
        (190, 50 * 3600, 48, True),
        (350, 6 * 3600, 0, False),
        (370, 7 * 3600, 0, True),
        (700, 90 * 86400, 10, False),
        (721, 90 * 86400, 10, True),
    ],
    ids=["an hour a percent", "three hours", "at 0 %", "at 0 % for long", "ten days a percent", "half a day at most"],
)
def test_a_stall_follows_the_pace_of_the_copy(minutes: float, begun: float, progress: int, *, is_stall: bool) -> None:
    """Three times what a percent took so far; at 0 % six hours."""
    (note, *_) = row_of(minutes * 60, created_at=stamp(begun), progress_percentage=progress).notes
    assert note.text.startswith("no progress for") is is_stall


def test_nothing_stalls_while_the_cutover_is_awaited() -> None:
    """A copy that is ready stays `in_progress` below 100 %: neither its ETA nor its rest says anything."""
    row = row_of(5 * 3600, deployed=deployment("pending_cutover", auto_cutover=False))
    assert (row.state, row.eta, row.notes, row.tone) == ("ready to cut over", "", (), Tone.WARN)


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"throttled_at": stamp(125)}, Note("throttled 2 min ago", Tone.WARN)),
        ({"throttled_at": stamp(9000)}, Note("throttled 2 h 30 min ago")),
        ({"table_locked": True}, Note("table locked", Tone.WARN)),
        ({"can_drop_data": True}, Note("can drop data")),
        (
            {"can_drop_data": True, "table_recently_used": True, "table_recently_used_at": stamp(7200)},
            Note("can drop data of a table that was used 2 h ago", Tone.WARN),
        ),
        (
            {"state": "queued", "can_drop_data": True, "table_recently_used": True},
            Note("can drop data of a table that was used recently", Tone.BAD),
        ),
        ({"removed_foreign_key_names": ["a", "b"]}, Note("removes 2 foreign keys")),
    ],
)
def test_what_a_person_must_know_is_remarked(fields: dict[str, Any], note: Note) -> None:
    """Throttling, locks and dangers are in the notes, as loud as they deserve."""
    assert row_of(**fields).notes[-1] == note


def test_a_failure_comes_with_its_text_and_where_it_is_explained() -> None:
    """Error text makes an operation failed, whatever its state says."""
    row = row_of(deploy_errors="Duplicate entry", deploy_error_docs_url="https://planetscale.com/docs/x")
    assert (row.failed, row.state, row.tone) == (True, "failed", Tone.BAD)
    assert (row.error, row.error_url) == ("Duplicate entry", "https://planetscale.com/docs/x")


def test_without_leave_neither_ddl_nor_error_text_is_shown() -> None:
    """Where the metrics hide DDL, the page hides it as well; that something failed stays."""
    row = only(status(1, [operation(1, deploy_errors="Duplicate entry 'secret'")]), show_ddl=False)
    assert (row.ddl, row.short_ddl, row.error, row.failed) == ("", "", "", True)


def test_huge_texts_are_cut() -> None:
    """No statement makes the page too large."""
    row = row_of(ddl_statement="x" * 1_000_000, deploy_errors="y" * 1_000_000)
    assert len(row.ddl) == len(row.error) == 20_000
    assert len(row.short_ddl) == 90


def test_shards_of_a_table_are_one_row() -> None:
    """The parts that shards do are bars of their table, and the slowest part tells whether it moves."""
    shards = [
        {"id": "op1", "shard": "-80", "state": "in_progress", "progress_percentage": 40, "eta_seconds": 600},
        {"id": "op2", "shard": "80-", "state": "complete", "progress_percentage": 100, "eta_seconds": 0},
    ]
    parts = [operation(1, table_name="orders"), operation(2, table_name="orders", state="complete")]
    whole = summary(shards, table_name="orders", progress_percentage=70)
    row = only(status(1, parts, deployed=deployment(deploy_operation_summaries=[whole]), advance_ago=3600))
    assert (row.bar.value, row.notes) == (70, (Note("no progress for 1 h", Tone.BAD),))
    assert [(bar.label, bar.value, bar.text) for bar in row.shards] == [
        ("-80", 40, "40 %, running, 10 min left"),
        ("80-", 100, "100 %, complete"),
    ]


def test_the_shard_that_stands_still_tells_that_its_table_does() -> None:
    """Shards that move don't hide the one that does not."""
    shards = [{"id": f"op{number}", "shard": f"{number}", "state": "in_progress"} for number in (1, 2)]
    whole = summary(shards, table_name="orders")
    one = status(1, [operation(1, table_name="orders")], deployed=deployment(deploy_operation_summaries=[whole]))
    (moving,) = one.watched
    still = replace(moving, last_advance=NOW - 3600)
    row = only(replace(one, operations=replace(one.operations, value=(moving, still))))
    assert row.notes == (Note("no progress for 1 h", Tone.BAD),)


def test_a_failed_shard_fails_its_table() -> None:
    """What one shard says is not lost in the summary."""
    whole = summary([{"id": "op1", "shard": "-", "state": "in_progress"}], table_name="orders")
    parts = [operation(1, table_name="orders", deploy_errors="disk full")]
    row = only(status(1, parts, deployed=deployment(deploy_operation_summaries=[whole])))
    assert (row.failed, row.error) == (True, "disk full")


def test_what_is_wrong_comes_first() -> None:
    """Rows are in the order of their loudness, and else in the API's."""
    given = [operation(1, state="complete"), operation(2), operation(3, state="error"), operation(4)]
    assert [row.table[-1] for row in rows(status(1, given), NOW, show_ddl=True)] == ["3", "2", "4", "1"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "javascript:alert(1)",
        " https://x.example",
        "//x.example",
        "https://",
        "http://[",
        "https://a@b/",
        "data:text/html,x",
    ],
)
def test_only_web_addresses_become_links(text: str) -> None:
    """What a browser might run instead of visit is no link."""
    assert web_address(text) == ""
    assert web_address("https://app.planetscale.com/a/b/1") == "https://app.planetscale.com/a/b/1"
