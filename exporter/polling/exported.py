"""What is exported of what is known, put together anew only where something was touched."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar

from exporter.polling.fleet import Fleet
from exporter.polling.jobs import Job, Kind
from exporter.polling.outcomes import Outcomes
from exporter.polling.plan import Plan
from exporter.polling.snapshot import DatabaseStatus, DeployRequestStatus, Key, Scope, Snapshot, TargetStatus

_Told = TypeVar("_Told")
_Statuses = tuple[DeployRequestStatus, ...]


class Exported:
    """The snapshots of a fleet; what is told of a database stays the same object until it is touched."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._statuses: dict[Scope, _Statuses] = {}
        self._operations: dict[Scope, int] = {}
        self._cuts: dict[Scope, _Cut] = {}
        self._databases: dict[Scope, DatabaseStatus] = {}
        self._targets = _Targets(fleet.plan, fleet.outcomes)

    def snapshot(self) -> Snapshot:
        """What is exported now."""
        fleet, touched = self._fleet, frozenset(self._fleet.touched)
        fleet.touched.clear()
        statuses = {scope: _statuses(fleet, scope) for scope in touched & fleet.followed.keys()}
        self._statuses = _renewed(self._statuses, touched, statuses)
        counts = {scope: sum(len(status.watched) for status in found) for scope, found in statuses.items()}
        self._operations = _renewed(self._operations, touched, counts)
        databases = {scope: _database(fleet, scope) for scope in touched & fleet.databases.keys()}
        self._databases = _renewed(self._databases, touched, databases)
        if self._targets.plan is not fleet.plan:
            self._targets = _Targets(fleet.plan, fleet.outcomes)
        most, operations = fleet.limits.max_operations, sum(self._operations.values())
        self._cuts = self._cut(most) if operations > most else {}
        return Snapshot(
            {**self._statuses, **{scope: cut.statuses for scope, cut in self._cuts.items()}},
            self._targets.told(touched),
            min(operations, most),
            {key: count for cut in self._cuts.values() for key, count in cut.over.items()},
            tuple(self._databases.values()),
            fleet.endings.all,
        )

    def _cut(self, most: int) -> dict[Scope, "_Cut"]:
        """What is beyond the first *most* operations is left out; what is cut as before stays the same object."""
        cuts, left = {}, most
        for scope, statuses in self._statuses.items():
            if self._operations[scope] > left:
                known = self._cuts.get(scope)
                is_same = known is not None and known.of is statuses and known.most == left
                cuts[scope] = known if known is not None and is_same else _cut(statuses, left)
            left = max(0, left - self._operations[scope])
        return cuts


class _Cut(NamedTuple):
    """A database's deploy requests with their first *most* operations alone, and how many were left out of each."""

    of: _Statuses
    most: int
    statuses: _Statuses
    over: Mapping[Key, int]


class _Targets:
    """What is told of a plan's targets; only those are looked at again of which something was touched."""

    def __init__(self, plan: Plan, outcomes: Outcomes) -> None:
        self.plan, self._outcomes = plan, outcomes
        self._told = tuple(outcomes.of_target(target, plan) for target in plan.wanted)
        self._about: dict[Scope, list[int]] = {}
        for position, target in enumerate(plan.wanted):
            database = "" if target.is_glob else target.database or ""
            self._about.setdefault((target.organization, database), []).append(position)

    def told(self, touched: Iterable[Scope]) -> tuple[TargetStatus, ...]:
        """Each target, and whether every part of it worked at its last try; the same object while nothing changes."""
        wholes = {(organization, "") for organization, _ in touched}
        positions = [position for scope in {*touched, *wholes} for position in self._about.get(scope, ())]
        told = {position: self._outcomes.of_target(self.plan.wanted[position], self.plan) for position in positions}
        if any(self._told[position] != status for position, status in told.items()):
            self._told = tuple(told.get(position, status) for position, status in enumerate(self._told))
        return self._told


def _statuses(fleet: Fleet, scope: Scope) -> _Statuses:
    return tuple(followed.status for _, followed in sorted(fleet.followed[scope].items()))


def _database(fleet: Fleet, scope: Scope) -> DatabaseStatus:
    up = fleet.outcomes.of_all((Job(Kind.QUEUE, *scope), Job(Kind.OPEN, *scope)))
    return DatabaseStatus(*scope, up, fleet.databases[scope].open_requests.value or {})


def _renewed(known: dict[Scope, _Told], touched: frozenset[Scope], fresh: Mapping[Scope, _Told]) -> dict[Scope, _Told]:
    """*known* with what is *fresh* of the scopes that were *touched*, and without those of which nothing is."""
    for scope in touched - fresh.keys():
        known.pop(scope, None)
    is_in_order = fresh.keys() <= known.keys()
    known.update(fresh)
    return known if is_in_order else dict(sorted(known.items()))


def _cut(statuses: _Statuses, most: int) -> _Cut:
    left, cut, over = most, [], {}
    for status in statuses:
        kept = status.watched[:left]
        if len(kept) == len(status.watched):
            cut.append(status)
        else:
            over[status.key] = len(status.watched) - len(kept)
            cut.append(replace(status, operations=replace(status.operations, value=kept)))
        left -= len(kept)
    return _Cut(statuses, most, tuple(cut), over)
