"""What the targets ask for: which organisations to list, which databases to watch, which deploy requests to poll."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from exporter.polling.jobs import Job, Kind
from exporter.polling.snapshot import Key, Scope
from exporter.targets import Target


@dataclass(frozen=True, slots=True)
class Share:
    """The share `index` of `count` of all databases, by rendezvous hashing.

    Every database goes to the share with the highest hash, so that growing from n to n+1 shares moves only what the new
    one takes. Shares differ by chance, by about the square root of their size. What would be evener has to weigh the
    list of all databases, and of two replicas whose lists differ for a moment, neither may watch a database.
    """

    index: int = 0
    count: int = 1

    def owns(self, organization: str, database: str) -> bool:
        """Whether this share polls the database."""
        if self.count == 1:
            return True
        weights = [
            hashlib.blake2b(f"{organization}/{database}/{index}".encode(), digest_size=8).digest()
            for index in range(self.count)
        ]
        return max(range(self.count), key=weights.__getitem__) == self.index


@dataclass(frozen=True)
class Plan:
    """The targets, sorted by what they need; all of it is limited to the share."""

    targets: tuple[Target, ...]
    share: Share = Share()

    @cached_property
    def wanted(self) -> tuple[Target, ...]:
        """The targets without the excludes."""
        return tuple(target for target in self.targets if not target.exclude)

    @cached_property
    def _unwanted(self) -> tuple[Target, ...]:
        return tuple(target for target in self.targets if target.exclude)

    @cached_property
    def organizations(self) -> tuple[str, ...]:
        """The organisations whose databases have to be listed."""
        listed = (target for target in self.wanted if target.database is None or target.is_glob)
        return tuple(dict.fromkeys(target.organization for target in listed))

    @cached_property
    def databases(self) -> tuple[Scope, ...]:
        """The databases that are named without a glob and watched."""
        named = (
            (target.organization, target.database)
            for target in self.wanted
            if target.database is not None and target.is_watch and not target.is_glob
        )
        return tuple(dict.fromkeys(name for name in named if self.watches(*name)))

    @cached_property
    def numbered(self) -> frozenset[Key]:
        """The deploy requests that are named by their number."""
        keys = {
            Key(target.organization, target.database, target.number)
            for target in self.wanted
            if target.database is not None and target.number is not None
        }
        return frozenset(key for key in keys if self.share.owns(*key.scope) and not self.excludes(*key))

    @cached_property
    def first_jobs(self) -> frozenset[Job]:
        """What is asked first for each target."""
        return frozenset(map(first_job, self.wanted))

    def watches(self, organization: str, database: str) -> bool:
        """Whether deploy requests are to be found in the database, by this share."""
        return (
            any(target.is_watch and target.matches(organization, database) for target in self.wanted)
            and not self.excludes(organization, database)
            and self.share.owns(organization, database)
        )

    def excludes(self, organization: str, database: str, number: int | None = None) -> bool:
        """Whether an exclude covers the deploy request, or the database as a whole; excludes always win."""
        return any(target.matches(organization, database, number) for target in self._unwanted)

    def keeps(self, key: Key) -> bool:
        """Whether the deploy request is still asked for, by its number or within a watched database."""
        return key in self.numbered or (not self.excludes(*key) and self.watches(*key.scope))


def first_job(target: Target) -> Job:
    """What is asked first for a target."""
    if target.database is None or target.is_glob:
        return Job(Kind.DATABASES, target.organization)
    if target.number is None:
        return Job(Kind.QUEUE, target.organization, target.database)
    return Job(Kind.OPERATIONS, target.organization, target.database, target.number)
