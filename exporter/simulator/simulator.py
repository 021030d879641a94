"""The simulator: organisations and who may read them, faults, the request limit, and a journal of all requests."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .faults import Fault
from .plots import FOREVER, Scenario
from .scenarios import SCENARIOS
from .timeline import Timeline
from .world import Database

WINDOW = 60.0


@dataclass(frozen=True, slots=True)
class Grant:
    """What a credential may read: an organisation's databases that match *databases*, and whether it may list them."""

    organization: str
    databases: str = "*"
    may_list: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came in. *number* is 0 where the path has none; *status* is 0 when no answer was sent."""

    at: float
    endpoint: str
    organization: str
    database: str
    number: int
    status: int
    query: str = ""


class Simulator:
    """A PlanetScale in memory, changed by its methods and served by `create_app`.

    Args:
        clock: The Unix time, `time.time` or a `SimulatedClock`. All that is shown is a function of it.
        requests_per_minute: What an organisation may ask in any 60 seconds of the clock; the rest is answered 429.
        retry_after: The `Retry-After` header of a 429, in seconds; None sends none, as PlanetScale may.
        remembers: How many requests the journal holds; None for all.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        *,
        requests_per_minute: int = 600,
        retry_after: int | None = None,
        remembers: int | None = None,
    ) -> None:
        self.clock = clock
        self.requests_per_minute = requests_per_minute
        self.retry_after = retry_after
        self.requests: deque[Asked] = deque(maxlen=remembers)
        self.organizations: dict[str, dict[str, Database]] = {}
        self.tokens: dict[str, str] = {}
        self._grants: dict[str, list[Grant]] = {}
        self._faults: list[Fault] = []
        self._recent: dict[str, deque[float]] = {}

    # What there is

    def add_organization(self, name: str, token: str = "") -> str:
        """Add an organisation; returns its service token as `ID:TOKEN`, which is made up when *token* is empty.

        `tokens` keeps it by the organisation's name.
        """
        self.tokens[name] = token = token or f"{name}-id:{name}-token"
        self.organizations[name] = {}
        self.grant(token, name)
        return token

    def remove_organization(self, name: str) -> None:
        """Remove an organisation with all that is in it; its token knows nothing any more."""
        del self.organizations[name], self.tokens[name]

    def add_database(self, organization: str, name: str, kind: str = "mysql", *, period: float = FOREVER) -> Database:
        """Add a database of *kind* `mysql` or `postgresql`.

        With a *period* in seconds it plays in a loop what it is given before its first turn ends.
        """
        now = self.clock()
        home = Database(name, created=now, kind=kind, period=period, since=now)
        self.organizations[organization][name] = home
        return home

    def remove_database(self, organization: str, name: str) -> None:
        """Remove a database with its deploy requests."""
        del self.organizations[organization][name]

    def add_deploy_request(  # noqa: PLR0913 - each has a default and a name
        self,
        organization: str,
        database: str,
        scenario: str | Scenario,
        *,
        age: float = 0.0,
        delay: float = 0.0,
        pace: float = 1.0,
        closes_after: float = FOREVER,
        branch: str = "",
        into_branch: str = "main",
    ) -> int:
        """Open a deploy request that plays *scenario* (a name in `SCENARIOS` or one of your own); returns its number.

        Args:
            organization: Where.
            database: Where.
            scenario: The plot.
            age: Seconds of the plot that have passed already.
            delay: Seconds of the clock from now until it opens.
            pace: Seconds of the plot in a second of the clock: all times and ETAs shown are the clock's.
            closes_after: Seconds of the clock from now until somebody closes it.
            branch: Its own branch; made up when empty.
            into_branch: The branch it goes into: each has its own deploy queue.
        """
        plot = SCENARIOS[scenario] if isinstance(scenario, str) else scenario
        now = self.clock()
        timeline = Timeline(plot, now + delay - age / pace, pace, closes=now + closes_after)
        return self.organizations[organization][database].open(timeline, branch, into_branch)

    def close_deploy_request(self, organization: str, database: str, number: int) -> None:
        """Close a deploy request: what is queued or runs is cancelled, what has run stays; those behind move up."""
        self.organizations[organization][database].close(number, self.clock())

    def delete_deploy_request(self, organization: str, database: str, number: int) -> None:
        """Let a deploy request vanish: it answers 404, and those behind it move up."""
        self.organizations[organization][database].delete(number, self.clock())

    # Who may read it

    def grant(self, credential: str, organization: str, databases: str = "*", *, may_list: bool = True) -> None:
        """Let *credential* read; it is the whole `Authorization` header: `ID:TOKEN` or `Bearer TOKEN`."""
        self._grants.setdefault(credential, []).append(Grant(organization, databases, may_list))

    def revoke(self, credential: str) -> None:
        """Make a credential unknown."""
        self._grants.pop(credential, None)

    def grants(self, credential: str) -> list[Grant] | None:
        """What *credential* may read; None when nobody knows it."""
        return self._grants.get(credential)

    # What goes wrong, and what was asked

    def fail(self, fault: Fault) -> None:
        """Spoil answers from now on; of several faults that fit, the oldest that is not used up strikes."""
        self._faults.append(fault)

    def heal(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    def fault(self, endpoint: str, organization: str, database: str, number: int) -> Fault | None:
        """The fault that strikes this question, used up by one; None when all is well."""
        for fault in self._faults:
            if fault.strikes(endpoint, organization, database, number):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None

    def admits(self, organization: str) -> bool:
        """Count a request against the organisation's limit; False when it is beyond it."""
        recent, now = self._recent.setdefault(organization, deque()), self.clock()
        while recent and recent[0] <= now - WINDOW:
            recent.popleft()
        if len(recent) >= self.requests_per_minute:
            return False
        recent.append(now)
        return True

    def asked(self, endpoint: str = "*", organization: str = "*", database: str = "*", number: int = 0) -> list[Asked]:
        """The requests so far that match, oldest first; the first three are globs, number 0 is any."""
        return [
            asked
            for asked in self.requests
            if fnmatchcase(asked.endpoint, endpoint)
            and fnmatchcase(asked.organization, organization)
            and fnmatchcase(asked.database, database)
            and number in {0, asked.number}
        ]
