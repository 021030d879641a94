"""The `check` command: asks once for everything that would be polled, and says what it takes to keep asking.

Discovery without the loop: a function of client and plan, and the estimate of the budget.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from exporter.app import connect, plan_of
from exporter.credentials import Credentials
from exporter.planetscale.budget import RequestBudget
from exporter.planetscale.client import PlanetScale
from exporter.planetscale.errors import PlanetScaleError
from exporter.planetscale.http import open_session
from exporter.planetscale.models import Database, Deployment
from exporter.planetscale.rows import Rows
from exporter.planetscale.slots import Slots
from exporter.polling.databases import has_deploy_requests, is_watched
from exporter.polling.estimate import Estimate, Workload, estimate
from exporter.polling.jobs import requests_for
from exporter.polling.pace import Timing
from exporter.polling.plan import Plan
from exporter.polling.snapshot import Key, Scope
from exporter.settings import Settings
from exporter.targets import Target

_AT_ONCE: Final = 10

T = TypeVar("T")


class _Unobserved:
    """Nobody counts what `check` asks."""

    def request_ended(self, endpoint: str, code: str, seconds: float) -> None:
        """Nothing."""


@dataclass(slots=True)
class Findings:
    """What was found, and what was refused, by what it is about.

    Of organisations, the databases that they list; of databases, their queue; of deploy requests, whether they move.
    """

    listed: dict[str, Rows[Database]] = field(default_factory=dict)
    queues: dict[Scope, Rows[Deployment]] = field(default_factory=dict)
    numbered: dict[Key, bool] = field(default_factory=dict)
    databases_not_asked: int = 0
    numbers_not_asked: int = 0
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to poll."""
        return not (self.queues or self.numbered or self.databases_not_asked or self.numbers_not_asked)

    def workload(self) -> Workload:
        """Counts; what was not asked is taken to be like what was."""
        databases = len(self.queues) + self.databases_not_asked
        numbered = len(self.numbered) + self.numbers_not_asked
        moving = sum(any(map(_moves, queue)) for queue in self.queues.values())
        return Workload(
            listed_databases=tuple(map(len, self.listed.values())),
            databases=databases,
            moving_databases=_scaled(moving, len(self.queues), databases),
            numbered=numbered,
            moving_numbered=_scaled(sum(self.numbered.values()), len(self.numbered), numbered),
        )


async def check(settings: Settings, credentials: Credentials) -> int:
    """Ask PlanetScale, print what would be polled; 0 when all is well, 1 when it refuses or the budget is too small."""
    plan = plan_of(settings)
    limit = settings.api.requests_per_minute
    async with open_session() as session:
        client = connect(settings, credentials, session, Slots(RequestBudget(limit)), _Unobserved())
        findings = await find(client, plan, most_requests=limit)
    poll = settings.poll
    timing = Timing(poll.interval, poll.idle_interval, poll.discovery_interval)
    result = estimate(findings.workload(), timing, limit)
    for line in report(findings, plan, result, limit):
        sys.stdout.write(f"{line}\n")
    return int(bool(findings.errors) or result.needed > limit)


async def find(client: PlanetScale, plan: Plan, *, most_requests: int) -> Findings:
    """Ask for everything the plan names, with about *most_requests* requests at most."""
    findings = Findings()
    databases = dict.fromkeys(plan.databases)

    async def list_databases(organization: str) -> None:
        rows = await client.databases(organization)
        findings.listed[organization] = rows
        databases.update(dict.fromkeys(_watched(plan, organization, rows)))

    async def ask_queue(name: Scope) -> None:
        findings.queues[name] = await client.deploy_queue(*name)

    async def ask_operations(key: Key) -> None:
        rows = await client.operations(*key)
        findings.numbered[key] = not rows or any(not row.state.is_final for row in rows)

    await _each(plan.organizations, list_databases, findings, str)
    left = max(1, most_requests - sum(requests_for(len(rows)) for rows in findings.listed.values()))
    keys, names = sorted(plan.numbered), sorted(databases)
    findings.numbers_not_asked = len(keys[left:])
    await _each(keys[:left], ask_operations, findings, str)
    left = max(1, left - len(keys))
    findings.databases_not_asked = len(names[left:])
    await _each(names[:left], ask_queue, findings, "/".join)
    return findings


def report(findings: Findings, plan: Plan, result: Estimate, limit: int) -> Iterable[str]:
    """What `check` prints, line by line: what is well first, what is wrong last."""
    for organization, rows in findings.listed.items():
        yield f"{organization}: {_count(len(rows), 'database')}"
        others = sorted(row.name or "" for row in rows if not has_deploy_requests(row))
        if others:
            yield f"{organization}: {', '.join(others)} not polled: only MySQL databases have deploy requests"
    for name, queue in sorted(findings.queues.items()):
        yield f"{'/'.join(name)}: {_count(len(queue), 'deploy request')} in the queue"
    for key, moves in sorted(findings.numbered.items()):
        yield f"{key}: {'moves' if moves else 'nothing moves'}"
    for left_out, noun in ((findings.databases_not_asked, "database"), (findings.numbers_not_asked, "deploy request")):
        if left_out:
            yield f"{_count(left_out, noun)} more to poll, not asked now: that would take over a minute"
    yield from _budget(result, limit, is_whole=not findings.errors, is_empty=findings.is_empty)
    for target in plan.wanted:
        found = findings.listed.get(target.organization)
        if target.is_glob and found is not None and not any(_is_of(target, row) for row in found):
            yield f"{target.text}: no database has such a name now: nothing is polled for this target"
    for error in sorted(set(findings.errors.values())):
        yield f"{', '.join(sorted(name for name, told in findings.errors.items() if told == error))}: {error}"


def _budget(result: Estimate, limit: int, *, is_whole: bool, is_empty: bool) -> Iterable[str]:
    """What the budget has to be; what was refused may need more of it."""
    needed = f"request budget: about {result.needed} a minute needed"
    if result.needed > limit:
        yield f"{needed}, {limit} allowed: too small: raise api.requests_per_minute or the intervals"
        yield (
            f"what moves comes first: its values get at most about {result.oldest:.0f}s old; all else is polled"
            f" {result.rarer:.1f} times as rarely as configured"
        )
        return
    if not is_whole:
        yield f"{needed} for what answered, {limit} allowed: not known for what was refused"
        return
    if is_empty:
        yield f"{needed} to look for databases, {limit} allowed: there is nothing to poll now"
        return
    yield f"{needed}, {limit} allowed: enough"
    yield f"values of what moves get at most about {result.oldest:.0f}s old"


async def _each(
    subjects: Iterable[T],
    ask: Callable[[T], Awaitable[None]],
    findings: Findings,
    name: Callable[[T], str],
) -> None:
    """Ask about all subjects, some at once; a refusal is noted and stops none of the others."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(subject: T) -> None:
        async with turn:
            try:
                await ask(subject)
            except PlanetScaleError as error:
                findings.errors[name(subject)] = str(error)

    await asyncio.gather(*map(one, subjects))


def _watched(plan: Plan, organization: str, rows: Iterable[Database]) -> Iterable[Scope]:
    return ((organization, row.name) for row in rows if row.name and is_watched(plan, organization, row))


def _is_of(target: Target, row: Database) -> bool:
    return has_deploy_requests(row) and target.matches(target.organization, row.name or "")


def _moves(row: Deployment) -> bool:
    return (row.state is not None and row.state.is_moving) or any(not each.state.is_final for each in row.operations)


def _scaled(part: int, asked: int, whole: int) -> int:
    return round(part * whole / asked) if asked else 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
