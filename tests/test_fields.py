"""The field types: what they keep, and that whatever is odd becomes "not known" and nothing else."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from exporter.planetscale.fields import Flag, Identifier, Names, Percentage, Seconds, Text, Timestamp, clean

NAN, INF = float("nan"), float("inf")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
TYPES: dict[str, TypeAdapter[Any]] = {
    "Text": TypeAdapter(Text),
    "Identifier": TypeAdapter(Identifier),
    "Percentage": TypeAdapter(Percentage),
    "Seconds": TypeAdapter(Seconds),
    "Timestamp": TypeAdapter(Timestamp),
    "Flag": TypeAdapter(Flag),
    "Names": TypeAdapter(Names),
}


def parsed(name: str, value: Any) -> Any:
    """What the field type called *name* makes of a value."""
    return TYPES[name].validate_python(value)


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("Percentage", 0, 0.0),
        ("Percentage", 67, 67.0),
        ("Percentage", 99.99, 99.99),
        ("Percentage", 100, 100.0),
        ("Seconds", 0, 0.0),
        ("Seconds", 4299, 4299.0),
        ("Seconds", 10**15, 1e15),
        ("Flag", True, True),
        ("Flag", False, False),
        ("Text", "a\tb\nc", "a\tb\nc"),
        ("Text", "", ""),
        ("Text", "Überwéisung ☃ 😀", "Überwéisung ☃ 😀"),
        ("Identifier", "abc", "abc"),
        ("Identifier", " abc\n", "abc"),
        ("Identifier", 0, "0"),
        ("Identifier", 12345678901234567890, "12345678901234567890"),
        ("Names", [], ()),
        ("Names", ["fk_1", "fk_2", "fk_1"], ("fk_1", "fk_2", "fk_1")),
        ("Timestamp", "2026-07-30T00:21:59Z", 1785370919.0),
        ("Timestamp", "2026-07-30T02:47:30.76Z", 1785379650.76),
        ("Timestamp", "2026-07-30T02:47:30.123456789Z", 1785379650.123456),
        ("Timestamp", "2026-07-30T02:21:59+02:00", 1785370919.0),
        ("Timestamp", "2026-07-29T19:51:59-04:30", 1785370919.0),
        ("Timestamp", "2026-07-30t00:21:59z", 1785370919.0),
        ("Timestamp", "1970-01-01T00:00:00Z", 0.0),
        ("Timestamp", "0001-01-01T00:00:00Z", -62135596800.0),
        ("Timestamp", "9999-12-31T23:59:59Z", 253402300799.0),
    ],
)
def test_what_makes_sense_is_kept(name: str, value: Any, kept: Any) -> None:
    """A value as documented is kept, neither rounded nor cut."""
    assert parsed(name, value) == kept


@pytest.mark.parametrize("value", [None, True, False, "67", "", -1, -0.01, NAN, INF, -INF, [], [5], {}, {"value": 5}])
@pytest.mark.parametrize("name", ["Percentage", "Seconds"])
def test_an_odd_number_is_not_known(name: str, value: Any) -> None:
    """Text, truth values, what is below zero and what is no number are not known."""
    assert parsed(name, value) is None


@pytest.mark.parametrize("value", [100.0001, 101, 1e300, 10**400])
def test_a_percentage_above_a_hundred_is_not_known(value: float) -> None:
    """There is no more than everything."""
    assert parsed("Percentage", value) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        1785370919,
        1785370919.5,
        True,
        "",
        "now",
        "1785370919",
        "2026-07-30",
        "20260730T002159Z",
        "2026-W31-4",
        "2026-W31-4T00:21:59Z",
        "2026-211T00:21:59Z",
        "2026-07-30T00:21:59",
        "2026-07-30T00:21Z",
        "2026-07-30T00:21:59 Z",
        "2026-07-30 00:21:59Z",
        "2026-07-30T00:21:59UTC",
        "2026-07-30T00:21:59+0200",
        "2026-07-30T00:21:59+99:99",
        "2026-07-30T00:21:59.Z",
        "2026-02-30T00:21:59Z",
        "2026-13-01T00:21:59Z",
        "2026-07-30T25:21:59Z",
        "2026-07-30T00:21:61Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "-2026-07-30T00:21:59Z",
        "٢٠٢٦-07-30T00:21:59Z",
        "2026-07-30T00:21:59Z\n",
        " 2026-07-30T00:21:59Z",
        ["2026-07-30T00:21:59Z"],
        {"at": "2026-07-30T00:21:59Z"},
    ],
)
def test_an_odd_time_is_not_known(value: Any) -> None:
    """Only RFC 3339 with a zone is a time: anything else would have to be guessed."""
    assert parsed("Timestamp", value) is None


@pytest.mark.parametrize("value", [None, 0, 1, 1.0, "true", "false", "", [], [True], {}])
def test_an_odd_flag_is_not_known(value: Any) -> None:
    """Only true and false are flags."""
    assert parsed("Flag", value) is None


@pytest.mark.parametrize("value", [None, True, False, 1.0, NAN, "", " \t\n", [], ["a"], {}])
def test_an_odd_id_is_none(value: Any) -> None:
    """An id is text or a whole number, and not empty."""
    assert parsed("Identifier", value) is None


@pytest.mark.parametrize("value", [None, True, 5, 1.5, [], ["a"], {}])
def test_an_odd_text_is_empty(value: Any) -> None:
    """What is no text has none."""
    assert parsed("Text", value) == ""


@pytest.mark.parametrize("value", [None, True, 5, "fk", [None], ["fk", 5], [["fk"]], {}, {"fk": 1}])
def test_odd_names_are_not_known(value: Any) -> None:
    """Names are a list of texts: counting anything else would count wrong."""
    assert parsed("Names", value) is None


@pytest.mark.parametrize("code", [0, 7, 0x1B, 0x7F, 0x85, 0x9B, 0xD800, 0xDFFF])
def test_what_cannot_be_printed_is_replaced(code: int) -> None:
    """Control characters and half surrogate pairs reach no label, log or page, wherever text is taken."""
    assert clean(f"a{chr(code)}b") == "a�b"
    assert parsed("Text", f"a{chr(code)}b") == "a�b"
    assert parsed("Identifier", f"a{chr(code)}b") == "a�b"
    assert parsed("Names", [f"a{chr(code)}b"]) == ("a�b",)


@pytest.mark.parametrize("name", TYPES)
@given(value=JSON)
def test_no_value_is_too_odd(name: str, value: Any) -> None:
    """Whatever JSON can hold is kept as it is, or not known; nothing raises."""
    result = parsed(name, value)
    match name:
        case "Text":
            assert result == (clean(value) if isinstance(value, str) else "")
            result.encode()
        case "Percentage" | "Seconds":
            assert result is None or (result == value and not isinstance(value, bool) and result >= 0)
        case "Flag":
            assert result is (value if isinstance(value, bool) else None)
        case "Names":
            assert result is None or len(result) == len(value)


@given(
    moment=st.datetimes(timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))),
    digits=st.integers(0, 6),
)
def test_every_time_means_the_same_moment(moment: datetime, digits: int) -> None:
    """A time as RFC 3339 writes it is kept to the microsecond, in whatever zone."""
    moment = moment.replace(microsecond=moment.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits))
    text = moment.isoformat(timespec="microseconds")
    seconds, zone = text[:-6], text[-6:]
    written = seconds[: len(seconds) - 6 + digits] if digits else seconds[:-7]
    assert parsed("Timestamp", written + zone) == (moment - datetime.fromtimestamp(0, UTC)).total_seconds()
