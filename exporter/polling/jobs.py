"""The polls there are: one for each endpoint and thing to ask about."""

import math
from enum import StrEnum
from typing import Final, NamedTuple

from exporter.polling.snapshot import Key, Scope

_PER_PAGE: Final = 100


class Kind(StrEnum):
    """What is asked."""

    DATABASES = "databases"
    QUEUE = "deploy queue"
    OPEN = "open deploy requests"
    RECENT = "recent deploy requests"
    OPERATIONS = "operations"
    REQUEST = "deploy request"
    THROTTLER = "throttler"


class Job(NamedTuple):
    """One poll, as it comes again and again."""

    kind: Kind
    organization: str
    database: str = ""
    number: int = 0

    @property
    def key(self) -> Key:
        """The deploy request it is about."""
        return Key(self.organization, self.database, self.number)

    @property
    def scope(self) -> Scope:
        """Where that is."""
        return self.organization, self.database

    @property
    def subject(self) -> str:
        """What it is about, written as a target."""
        parts = (self.organization, self.database, str(self.number or ""))
        return "/".join(part for part in parts if part)

    def __str__(self) -> str:
        return f"{self.subject} ({self.kind})"


def requests_for(rows: int) -> int:
    """How many requests it takes to read a list of so many rows: one a page."""
    return max(1, math.ceil(rows / _PER_PAGE))
