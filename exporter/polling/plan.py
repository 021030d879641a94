"""What the targets ask for: which organisations to list, which databases to watch, which deploy requests to poll."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from exporter.polling.snapshot import Key
from exporter.targets import Target


@dataclass(frozen=True, slots=True)
class Share:
    """The share `index` of `count` of all databases, by rendezvous hashing.

    Every database goes to the share with the highest hash, so that growing from n to n+1 shares moves only what the new
    one takes.
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
    def organizations(self) -> tuple[str, ...]:
        """The organisations whose databases have to be listed."""
        listed = (target for target in self.wanted if target.database is None or target.is_glob)
        return tuple(dict.fromkeys(target.organization for target in listed))

    @cached_property
    def databases(self) -> tuple[tuple[str, str], ...]:
        """The databases that are named without a glob and watched."""
        named = (
            (target.organization, target.database)
            for target in self.wanted
            if target.database is not None and target.is_watch and not target.is_glob
        )
        return tuple(dict.fromkeys(name for name in named if self.watches(*name)))

    @cached_property
    def deploy_requests(self) -> tuple[Key, ...]:
        """The deploy requests that are named by their number."""
        keys = (
            Key(target.organization, target.database, target.number)
            for target in self.wanted
            if target.database is not None and target.number is not None
        )
        return tuple(dict.fromkeys(key for key in keys if self.share.owns(*key[:2]) and not self.excludes(*key)))

    def watches(self, organization: str, database: str) -> bool:
        """Whether deploy requests are to be found in the database, by this share."""
        return (
            any(target.is_watch and target.matches(organization, database) for target in self.wanted)
            and not self.excludes(organization, database)
            and self.share.owns(organization, database)
        )

    def excludes(self, organization: str, database: str, number: int | None = None) -> bool:
        """Whether an exclude covers the deploy request, or the database as a whole; excludes always win."""
        return any(target.matches(organization, database, number) for target in self.targets if target.exclude)

    def keeps(self, key: Key) -> bool:
        """Whether the deploy request is still asked for, by its number or within a watched database."""
        return not self.excludes(*key) and (key in self.deploy_requests or self.watches(*key[:2]))
