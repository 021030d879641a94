"""What a target is: an organisation, some or one of its databases, or one deploy request."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_GLOB = re.compile(r"[A-Za-z0-9._*?-]+")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_MOST_PARTS = 3


@dataclass(frozen=True, slots=True)
class Target:
    """One target, as written in `text`. Without a number it means all deploy requests of what it names."""

    text: str
    organization: str
    database: str | None = None
    number: int | None = None
    exclude: bool = False

    @property
    def is_glob(self) -> bool:
        """Whether the database part is a pattern: `*` stands for any text, `?` for one character."""
        return self.database is not None and not _NAME.fullmatch(self.database)

    @property
    def is_watch(self) -> bool:
        """Whether deploy requests have to be found for it (no number)."""
        return self.number is None

    def matches(self, organization: str, database: str, number: int | None = None) -> bool:
        """Whether it covers a deploy request, or without *number* the database as a whole.

        A numbered target covers its one deploy request only, never the database.
        """
        if self.organization != organization or (self.number is not None and self.number != number):
            return False
        return self.database is None or re.fullmatch(_pattern(self.database), database) is not None


def parse(text: str) -> Target:
    """Read `org`, `org/database` or `org/database/number`, with a leading `!` to exclude.

    Raises ValueError saying what is wrong; the text itself is not repeated.
    """
    text = text.strip()
    parts = text.removeprefix("!").split("/")
    if len(parts) > _MOST_PARTS:
        raise ValueError("has more than three parts")
    organization, database, number = [*parts, *[None] * _MOST_PARTS][:_MOST_PARTS]
    return Target(
        text,
        _organization(organization or ""),
        None if database is None else _database(database, numbered=number is not None),
        None if number is None else _number(number),
        exclude=text.startswith("!"),
    )


def is_name(text: str) -> bool:
    """Whether *text* can be the name of an organisation or a database: safe in a URL's path, neither `.` nor `..`."""
    return _NAME.fullmatch(text) is not None and text not in {".", ".."}


def _organization(name: str) -> str:
    if "*" in name or "?" in name:
        raise ValueError("* and ? may stand in the database part only")
    return _checked(name, "organization")


def _database(name: str, *, numbered: bool) -> str:
    if not _GLOB.fullmatch(name) or is_name(name) or name in {".", ".."}:
        return _checked(name, "database")
    if numbered:
        raise ValueError("* and ? can't be used together with a number")
    return name


def _checked(name: str, part: str) -> str:
    if not name:
        raise ValueError(f"the {part} is empty")
    if not is_name(name):
        raise ValueError(f"the {part} is no name (letters, digits, '-', '_' and '.', but not '.' or '..')")
    return name


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError("the deploy request's number is no whole number from 1 on")
    return int(text)


def _pattern(glob: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in glob)
