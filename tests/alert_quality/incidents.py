"""What an operator should have been told of a world: from its truth alone, by the thresholds that are documented."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from .copies import HOUR, Hold, Interruption
from .deploys import Deploy, Incident, Row, Span, World

MINUTE: Final = 60.0
SLACK: Final = 4 * MINUTE
"""What ends so shortly after its threshold need not be told."""
FULL: Final = 99
"""At so many percent a copy is in its tail."""
COUNTED: Final = frozenset(
    f"PlanetScaleDeploy{name}"
    for name in ("CutoverDelayed", "OperationStalled", "OperationTailTooLong", "OperationThrottled", "TableLocked")
)
"""Alerts about what PlanetScale gives no stamp of: it lasts since somebody saw it."""
PACES: Final = 3
"""A stall counts from so many times what a percent takes."""

Labels = tuple[tuple[str, str], ...]


def incidents(world: World) -> tuple[Incident, ...]:
    """All incidents of a world, those that nobody could see marked as not required."""
    blind = [*_blind(world)]
    found = [incident for deploy in world.deploys for incident in _of_deploy(deploy)]
    found += [*_paused(world), *_of_exporter(world)]
    return tuple(_seen(each, blind, world.span) for each in found if each.end > world.span.start)


class _Subject(NamedTuple):
    """What incidents are about: a name for their cause, and the labels that alerts about it have."""

    name: str
    labels: Labels = ()

    def told(self, alert: str, severity: str, span: Span, after: float = 0, *, cause: str = "") -> Incident:
        """An incident whose threshold is reached *after* so many seconds; it must be told if it lasts a bit longer."""
        due = span.start + after
        named = f"{self.name} {cause}".strip()
        required = due + SLACK < span.end
        return Incident(f"PlanetScale{alert}", severity, span.start, due, span.end, named, self.labels, required)

    def untold(self, alert: str, severity: str, span: Span) -> Incident:
        """One that an alert may name and need not."""
        return replace(self.told(alert, severity, span), due=math.inf, required=False)


def _of_deploy(deploy: Deploy) -> Iterator[Incident]:
    subject = _subject(deploy)
    yield from _states(deploy, subject)
    yield from _cutover(deploy, subject)
    for row in deploy.rows:
        yield from _row(deploy, row)


def _subject(deploy: Deploy) -> _Subject:
    labels = (("database", deploy.database), ("deploy_request", str(deploy.number)))
    return _Subject(f"{deploy.database}#{deploy.number}", labels)


# -- copies


def _row(deploy: Deploy, row: Row) -> Iterator[Incident]:
    whole = _subject(deploy)
    subject = _Subject(f"{whole.name} {row.id}", (*whole.labels, ("operation_id", row.id)))
    left = deploy.left("in_progress") or math.inf
    end, full = min(row.copy.finish, left), row.copy.since(FULL)
    if row.locked:
        locked = Span(row.locked.start, min(row.locked.end, left))
        yield subject.told("DeployTableLocked", "critical", locked, 5 * MINUTE, cause="locked")
    if row.drops_used:
        before = Span(deploy.queued, row.copy.start)
        yield subject.told("DeployDropsRecentlyUsedTable", "warning", before, cause="drops")
    if full < end:
        # The last percent, which an estimate that is too low reaches long before the copy ends; 100 is an advance, too.
        last = row.copy.since(100)
        alone = max(_alone(deploy, row, Span(full, end)), last if last < end else full)
        due = alone - full + max(2 * HOUR, PACES * row.copy.pace(full))
        yield subject.told("DeployOperationTailTooLong", "warning", Span(full, end), due, cause="tail")
    for span in _waits(deploy, row, Span(full, left)):
        yield subject.untold("DeployOperationTailTooLong", "warning", span)
    for each in row.copy.interruptions:
        span = Span(each.start, min(each.end, full, end))
        if span.start < span.end:
            yield from _held(deploy, row, each, span, subject._replace(name=f"{subject.name} {each.start:.0f}"))


def _held(deploy: Deploy, row: Row, held: Interruption, span: Span, subject: _Subject) -> Iterator[Incident]:
    """A stall, or throttling; below 99 %."""
    stalled, throttled = "DeployOperationStalled", held.hold is Hold.THROTTLE
    pace, alone = PACES * row.copy.pace(span.start), _alone(deploy, row, span) - span.start
    if throttled:
        yield subject.told("DeployOperationThrottled", "warning", span, HOUR)
    if held.hold is Hold.STALL or (throttled and not held.speed):
        # What a failover threw back has a pace that nothing tells.
        clear = not any(each.hold is Hold.FAILOVER and each.start < span.start for each in row.copy.interruptions)
        for severity, least in (("warning", HOUR / 2), ("critical", 2 * HOUR)):
            told = subject.told(stalled, severity, span, alone + max(least, pace))
            unclear = throttled and severity == "warning"
            yield replace(told, required=told.required and clear and not unclear)
    elif throttled:
        # A copy that crawls is no stall, but nobody can tell the two apart before its next percent.
        yield subject.untold(stalled, "critical", Span(span.start, span.end + pace))


def _waits(deploy: Deploy, row: Row, full: Span) -> Iterator[Span]:
    """When it is done, as far as anybody can see, and waits for a sibling that stands still: no sibling advances."""
    for sibling in deploy.rows:
        if sibling is not row:
            held = [Span(each.start, each.end) for each in sibling.copy.interruptions if not each.speed]
            for span in (*held, Span(sibling.copy.since(FULL), sibling.copy.finish)):
                both = Span(max(span.start, full.start), min(span.end, full.end))
                if both.start < both.end:
                    yield both


def _alone(deploy: Deploy, row: Row, span: Span) -> float:
    """From when on no sibling advances: one that does is a reason to wait."""
    since = span.start
    for sibling in deploy.rows:
        moves = Span(sibling.copy.start, min(sibling.copy.finish, sibling.copy.since(FULL)))
        if sibling is not row and moves.start < span.end and moves.end > since:
            since = moves.end
    return since


# -- states


def _states(deploy: Deploy, subject: _Subject) -> Iterator[Incident]:
    failed, rejected = deploy.entered("complete_error"), deploy.entered("error")
    if failed is not None:
        span = Span(failed, deploy.closed)
        yield subject.told("DeployOperationErrored", "critical", span, cause="failed")
        yield subject.told("DeployQueueBlocked", "critical", span, 5 * MINUTE, cause="failed")
    if rejected is not None:
        yield subject.told("DeployRejected", "warning", Span(rejected, deploy.closed), cause="rejected")
    waiting = Span(deploy.queued, deploy.left("queued") or deploy.finished)
    yield subject.told("DeployQueueWaiting", "info", waiting, 6 * HOUR, cause="waits")


def _cutover(deploy: Deploy, subject: _Subject) -> Iterator[Incident]:
    if pending := deploy.during("pending_cutover"):
        yield subject.told("DeployPendingCutover", "info", pending, 4 * HOUR, cause="pending")
        yield subject.told("DeployPendingCutover", "warning", pending, 24 * HOUR, cause="pending")
    if deploy.expiring:
        yield subject.told("DeployCutoverExpiring", "critical", deploy.expiring, cause="expires")
    if cutover := deploy.during("in_progress_cutover"):
        yield subject.told("DeployCutoverDelayed", "warning", cutover, 15 * MINUTE, cause="cutover")
        yield subject.told("DeployCutoverDelayed", "critical", cutover, 45 * MINUTE, cause="cutover")
    if window := deploy.during("complete_pending_revert"):
        yield subject.told("DeployRevertWindowOpen", "info", window, cause="revert")


def _paused(world: World) -> Iterator[Incident]:
    """A paused queue, as seen at every deploy request that stands in it."""
    for database, span in world.paused:
        for deploy in (each for each in world.deploys if each.database == database):
            within = Span(max(span.start, deploy.queued), min(span.end, deploy.finished))
            if within.start < within.end:
                cause = _Subject(f"{database} paused {span.start:.0f}", _subject(deploy).labels)
                yield cause.told("DeployQueueBlocked", "critical", within, 5 * MINUTE)


# -- the exporter


def _of_exporter(world: World) -> Iterator[Incident]:
    for fault in world.faults:
        yield from _fault(world, fault.span, fault.status)
    for span in world.misconfigured:
        subject = _Subject(f"configuration {span.start:.0f}")
        yield subject.told("ExporterConfigReloadFailed", "warning", span, 5 * MINUTE)
    for span in world.starved:
        subject, longer = _Subject(f"starved {span.start:.0f}"), Span(span.start, span.end + 15 * MINUTE)
        behind = subject.told("ExporterBehind", "warning", longer, 30 * MINUTE)
        # What is left of the budget is enough for a shard, which has one database.
        yield replace(behind, required=behind.required and world.lives[0].shard[1] == 1)
        for alert, severity in (("PollStale", "warning"), ("PollStale", "critical"), ("TargetDown", "warning")):
            yield subject.untold(f"Exporter{alert}", severity, longer)
    yield from _down(world)


def _fault(world: World, span: Span, status: int) -> Iterator[Incident]:
    subject, lasts = _Subject(f"fault {span.start:.0f}"), span.end - span.start
    if status in {401, 403}:
        told = subject.told("ExporterAuthFailed", "critical", span, 5 * MINUTE)
        yield from [told] if told.required else []  # refused for a moment is no matter of credentials
    if status == 429:
        yield subject.told("ExporterRateLimited", "warning", Span(span.start, span.end + 15 * MINUTE))
    # Back-off ends up to five minutes after the fault, and what is idle is asked every five minutes only.
    down = subject.told("ExporterTargetDown", "warning", span, 15 * MINUTE)
    yield replace(down, required=lasts > 25 * MINUTE)
    if lasts > 5 * MINUTE:
        for severity in ("warning", "critical"):
            yield subject.untold("ExporterPollStale", severity, span)
    for deploy in world.deploys:
        if deploy.state(span.start) == deploy.state(span.end) == "in_progress":
            each = subject._replace(labels=_subject(deploy).labels)
            yield each.told("ExporterPollStale", "critical", span, 10 * MINUTE)


def _down(world: World) -> Iterator[Incident]:
    """Shards that are missing, or the only exporter."""
    if len(world.lives) == 1 or world.lives[0].shard[1] > 1:
        alert = "ExporterDown" if len(world.lives) == 1 else "ExporterShardMissing"
        for life in world.lives:
            for gap in life.gaps():
                yield _Subject(f"{life.name} down {gap.start:.0f}").told(alert, "critical", gap, 10 * MINUTE)


def _blind(world: World) -> Iterator[Span]:
    """When nobody could see deploy requests: the API fails, or an exporter that has them is away."""
    yield from (fault.span for fault in world.faults)
    yield from world.starved
    if len(world.lives) == 1 or world.lives[0].shard[1] > 1:
        for life in world.lives:
            yield from life.gaps()


def _seen(incident: Incident, blind: Iterable[Span], world: Span) -> Incident:
    """With the time from which on it could be told; one that nobody could see for long enough is not required."""
    if incident.alert.startswith("PlanetScaleExporter"):
        required = incident.required and incident.due + SLACK < world.end
        return replace(incident, required=required and incident.start > world.start)
    due = max(incident.due, world.start + 3 * MINUTE)
    if incident.alert in COUNTED:
        # What began while nobody could look counts from when somebody could again.
        due += max((span.end - incident.start for span in blind if span.holds(incident.start)), default=0)
    for span in sorted(blind):
        # Polls come back some minutes after what kept them away.
        if span.start - SLACK <= due < span.end + 6 * MINUTE:
            due = span.end + 6 * MINUTE
    started_before = incident.start < world.start and incident.due > incident.start
    required = incident.required and due + SLACK < min(incident.end, world.end) and not started_before
    return replace(incident, due=due, required=required)
