"""Numbers and times in words, short enough for a phone and plain enough for the middle of the night."""

import math

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_LONGEST_DAYS = 1000


def duration(seconds: float) -> str:
    """`12 s`, `7 min`, `1 h 12 min` or `3 d 4 h`: rounded down, two units at most; what is negative is `0 s`."""
    if seconds >= _LONGEST_DAYS * _DAY:
        return f"more than {_LONGEST_DAYS} d"
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return _pair(whole // _HOUR, "h", whole % _HOUR // _MINUTE, "min")
    return _pair(whole // _DAY, "d", whole % _DAY // _HOUR, "h")


def ago(then: float, now: float) -> str:
    """`12 s ago`; `just now` within the last second, and for what lies ahead, as clocks differ."""
    return "just now" if now - then < 1 else f"{duration(now - then)} ago"


def percent(value: float) -> str:
    """`67 %` or `99.9 %`: never rounded up, so that only what is whole says 100."""
    return f"{math.floor(value * 10) / 10:g} %"


def count(number: int, noun: str) -> str:
    """`1 shard`, `1,200 shards`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def shortened(text: str, most: int) -> str:
    """The text in one line of *most* characters, its end replaced by `…` where it is longer."""
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most and len(text) <= 4 * most else line[: most - 1].rstrip() + "…"


def _pair(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"
