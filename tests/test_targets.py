"""Targets: what can be written, and what each covers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.targets import Target, is_name, parse


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("acme", Target("acme", "acme")),
        ("acme/shop", Target("acme/shop", "acme", "shop")),
        ("acme/shop/7", Target("acme/shop/7", "acme", "shop", 7)),
        ("!acme", Target("!acme", "acme", exclude=True)),
        ("!acme/old-*", Target("!acme/old-*", "acme", "old-*", exclude=True)),
        ("!acme/shop/7", Target("!acme/shop/7", "acme", "shop", 7, exclude=True)),
        (" acme/a.b_c-? ", Target("acme/a.b_c-?", "acme", "a.b_c-?")),
    ],
)
def test_what_can_be_written(text: str, target: Target) -> None:
    """Each form is read into its parts; white space around it does not count."""
    assert parse(text) == target


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "organization is empty"),
        ("!", "organization is empty"),
        ("/shop", "organization is empty"),
        ("acme/", "database is empty"),
        ("acme//7", "database is empty"),
        ("acme/shop/", "number"),
        ("acme/shop/7/", "more than three parts"),
        ("acme/shop/7/8", "more than three parts"),
        ("acme/shop/0", "number"),
        ("acme/shop/07", "number"),
        ("acme/shop/-1", "number"),
        ("acme/shop/1e3", "number"),
        ("acme/shop/٣", "number"),
        ("acme/shop/" + "9" * 5000, "number"),
        ("ac*me", "database part only"),
        ("a?/shop", "database part only"),
        ("acme/*/7", "together with a number"),
        ("..", "organization is no name"),
        ("./shop", "organization is no name"),
        ("acme/..", "database is no name"),
        ("acme/../7", "database is no name"),
        ("!!acme", "organization is no name"),
        ("! acme", "organization is no name"),
        ("acme/sh op", "database is no name"),
        ("acme/sh\nop", "database is no name"),
        ("acme/sh\x00op", "database is no name"),
        ("acme/%2e%2e", "database is no name"),
        ("acme/a%2fb", "database is no name"),
        ("acme\\shop", "organization is no name"),
        ("acme/shop#x", "database is no name"),
        ("acme/[ab]", "database is no name"),
        ("acmé", "organization is no name"),
    ],
)
def test_what_cannot_be_written(text: str, why: str) -> None:
    """A bad target says which part is wrong."""
    with pytest.raises(ValueError, match=why):
        parse(text)


@pytest.mark.parametrize(
    ("text", "is_glob", "is_watch"),
    [("acme", False, True), ("acme/shop", False, True), ("acme/s*", True, True), ("acme/shop/7", False, False)],
)
def test_kinds_of_target(text: str, is_glob: bool, is_watch: bool) -> None:
    """A pattern is a glob, and everything without a number has to be watched."""
    assert (parse(text).is_glob, parse(text).is_watch) == (is_glob, is_watch)


@pytest.mark.parametrize(
    ("text", "organization", "database", "number", "covered"),
    [
        ("acme", "acme", "shop", None, True),
        ("acme", "acme", "shop", 7, True),
        ("acme", "other", "shop", 7, False),
        ("acme/shop", "acme", "shop", 7, True),
        ("acme/shop", "acme", "shopping", None, False),
        ("acme/shop*", "acme", "shopping", None, True),
        ("acme/s?op", "acme", "shop", None, True),
        ("acme/s?op", "acme", "sop", None, False),
        ("acme/a.*", "acme", "abc", None, False),
        ("acme/shop/7", "acme", "shop", 7, True),
        ("acme/shop/7", "acme", "shop", 8, False),
        ("acme/shop/7", "acme", "shop", None, False),
    ],
)
def test_what_a_target_covers(text: str, organization: str, database: str, number: int | None, covered: bool) -> None:
    """Globs match whole names only, and a number covers its deploy request alone."""
    assert parse(text).matches(organization, database, number) is covered


@given(st.text())
def test_any_text_is_a_target_or_a_value_error(text: str) -> None:
    """Whatever is written, what comes out can stand in the path of a URL."""
    try:
        target = parse(text)
    except ValueError:
        return
    assert is_name(target.organization)
    assert target.database is None or target.is_glob or is_name(target.database)
    assert parse(target.text) == target
