"""Numbers and times in words."""

import pytest

from exporter.web import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (4320, "1 h 12 min"),
        (86399, "23 h 59 min"),
        (86400, "1 d"),
        (100_000, "1 d 3 h"),
        (1e300, "more than 1000 d"),
        (float("inf"), "more than 1000 d"),
    ],
)
def test_durations_have_two_units_at_most_and_are_never_rounded_up(seconds: float, text: str) -> None:
    """A duration reads as a person would say it."""
    assert words.duration(seconds) == text


@pytest.mark.parametrize(("then", "text"), [(88, "12 s ago"), (99.5, "just now"), (500, "just now")])
def test_moments_are_told_from_now(then: float, text: str) -> None:
    """What lies ahead because clocks differ is just now, never a negative age."""
    assert words.ago(then, 100) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0 %"), (67.0, "67 %"), (99.99, "99.9 %"), (100, "100 %")])
def test_only_what_is_whole_says_100_percent(value: float, text: str) -> None:
    """Percentages are rounded down."""
    assert words.percent(value) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 shards"), (1, "1 shard"), (1200, "1,200 shards")])
def test_counted_things_agree_with_their_number(number: int, text: str) -> None:
    """One shard is no shards."""
    assert words.count(number, "shard") == text


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("", ""),
        ("ten chars!", "ten chars!"),
        ("a\n  b\tc", "a b c"),
        ("eleven char", "eleven ch…"),
        ("four words are here", "four word…"),
        (" " * 100 + "x", "…"),
    ],
)
def test_what_is_too_long_is_cut_and_says_so(text: str, short: str) -> None:
    """A shortened text is one line that never exceeds its length and never hides that something is missing."""
    assert words.shortened(text, 10) == short
