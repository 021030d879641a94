"""Lists of rows: what is told apart, and what is counted as left out."""

from operator import attrgetter
from typing import Any

import pytest

from exporter.planetscale.models import Operation
from exporter.planetscale.rows import Rows, parse_rows


@pytest.mark.parametrize("value", [None, True, 5, "x", {}, {"id": "a"}])
def test_what_is_no_list_has_no_rows(value: Any) -> None:
    """Where a list should be, anything else holds nothing."""
    assert parse_rows(value, Operation, attrgetter("id")) == Rows()


def test_rows_are_told_apart_by_their_id() -> None:
    """The first of duplicates stays, in the answer's order; what has no id or is no row at all is counted."""
    values = [
        {"id": "b"},
        {"id": "a", "state": "queued"},
        {},
        {"id": None},
        {"id": " "},
        None,
        5,
        {"id": "a"},
        {"id": 5},
    ]
    rows = parse_rows(values, Operation, attrgetter("id"))
    assert [(row.id, row.state) for row in rows] == [("b", "unknown"), ("a", "queued"), ("5", "unknown")]
    assert (len(rows), rows.without_id, rows.duplicates, rows.is_empty) == (3, 5, 1, False)


@pytest.mark.parametrize(("values", "empty"), [([], True), ([{}], False), ([None], False), ([{"id": "a"}], False)])
def test_rows_are_empty_only_where_there_were_none(values: list[Any], empty: bool) -> None:
    """Rows that can't be told apart are rows all the same."""
    assert parse_rows(values, Operation, attrgetter("id")).is_empty is empty
