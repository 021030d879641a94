"""How mistakes of configuration are told to the people who made them."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_NAME = 80
_TOKEN = re.compile(r"(pscale_(?:tkn|oauth|pat|pw)_)[A-Za-z0-9_-]+")
_LONGEST_VALUE = 60
LONGEST_PATH = 4096


class ConfigError(Exception):
    """The configuration can't be used. `mistakes` holds one line for each thing to mend, and never a credential."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = tuple(dict.fromkeys(mistakes))
        super().__init__("\n".join(self.mistakes))


def shown(name: str, longest: int = _LONGEST_NAME) -> str:
    """*name* as it may stand in one line: what can't be printed is escaped, what is too long is cut.

    A token of PlanetScale that was put in the wrong place is left out.
    """
    name = _TOKEN.sub(r"\1…", name)
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name[:longest])
    return escaped if len(name) <= longest else escaped + "…"


def given(value: object) -> str:
    """The value of a setting in one line, in quotes and cut; a user in a URL is left out, it may be a password."""
    return f"'{shown(re.sub(r'//[^/]*@', '//…@', str(value)), _LONGEST_VALUE)}'"


def suggestion(name: str, known: Iterable[str], likeness: float = 0.7) -> str:
    """`; did you mean …?` with the closest of *known*, or nothing when none is close."""
    close = difflib.get_close_matches(name, tuple(known), n=1, cutoff=likeness)
    return f"; did you mean {close[0]}?" if close else ""
