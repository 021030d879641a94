"""Operations as rows of the page: words and numbers, no layout."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.planetscale.models import DeploymentState, Operation, OperationState, Summary
from exporter.polling.snapshot import DeployRequestStatus, Watched
from exporter.web import words
from exporter.web.states import OPERATIONS, READY, Alert, Tone

STALLED_AFTER, STALLED_FOR_LONG = 30 * 60, 2 * 3600
STALLED_AT_ZERO, LONGEST_PACES = 6 * 3600, 12 * 3600
"""As in the alert for stalls: seconds at least, also while nothing tells a pace, and at most."""
THROTTLED_WITHIN = 10 * 60
TAIL = 99.0
_SHORT_DDL, _LONGEST_TEXT = 90, 20_000
_WEB_ADDRESS = re.compile(r"https?://[\w.-]+(:\d+)?([/?#]\S*)?")
_Names = tuple[str, str, str]
_NOT_STARTED = frozenset({OperationState.PENDING, OperationState.QUEUED})


@dataclass(frozen=True, slots=True)
class Note:
    """A remark, as loud as it deserves; beside what is shown, `alert` names whose runbook says what to do about it."""

    text: str
    tone: Tone = Tone.PLAIN
    alert: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Bar:
    """How far something is: `value` is 0 to 100, None where it is not known."""

    label: str
    value: float | None
    tone: Tone
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """An operation, or all the parts of a table's change that shards do."""

    table: str
    name: str
    state: str
    bar: Bar
    eta: str = ""
    notes: tuple[Note, ...] = ()
    ddl: str = ""
    short_ddl: str = ""
    error: str = ""
    error_url: str = ""
    shards: tuple[Bar, ...] = ()
    failed: bool = False
    running: bool = False
    throttled: bool = False

    @property
    def tone(self) -> Tone:
        """The loudest of the state and the notes."""
        return min((self.bar.tone, *(note.tone for note in self.notes)), key=_LOUDNESS.__getitem__)


class _Sight(NamedTuple):
    """When and with what eyes the operations are looked at."""

    now: float
    ready: bool
    show_ddl: bool


def rows(status: DeployRequestStatus, now: float, show_ddl: bool) -> tuple[Row, ...]:
    """The operations of a deploy request, what is wrong first; the shards of a table are one row.

    Without *show_ddl* neither DDL nor error text is in them.
    """
    deployment = status.deployment.value
    sight = _Sight(now, status.state is DeploymentState.PENDING_CUTOVER, show_ddl)
    summaries = [one for one in (deployment.summaries if deployment else ()) if one.is_sharded and one.shards]
    parts: dict[_Names, list[Watched]] = {_names(summary): [] for summary in summaries}
    alone = [watched for watched in status.watched if _names(watched.operation) not in parts]
    for watched in status.watched:
        parts.get(_names(watched.operation), []).append(watched)
    made = [
        *(_row(watched.operation, [watched], sight) for watched in alone),
        *(_row(summary, parts[_names(summary)], sight, tuple(_shards(summary))) for summary in summaries),
    ]
    return tuple(sorted(made, key=lambda row: _LOUDNESS[row.tone]))


_LOUDNESS = {tone: place for place, tone in enumerate(Tone)}


def web_address(text: str) -> str:
    """The address if it is one that a browser may be sent to, else nothing."""
    return text if _WEB_ADDRESS.fullmatch(text) else ""


def _names(operation: Operation) -> _Names:
    return operation.keyspace, operation.table, operation.name


def _row(operation: Operation, parts: list[Watched], sight: _Sight, shards: tuple[Bar, ...] = ()) -> Row:
    failed = bool(operation.failed) or any(part.operation.failed for part in parts)
    running = operation.state is OperationState.IN_PROGRESS
    ready = running and sight.ready
    tone, state = READY if ready and not failed else OPERATIONS[OperationState.ERROR if failed else operation.state]
    table = ".".join(filter(None, (operation.keyspace, operation.table))) or "table not known"
    text = "not known" if operation.progress is None else words.percent(operation.progress)
    source = next((part.operation for part in parts if part.operation.errors), operation)
    stamp = _throttled_at(operation, parts)
    throttled = running and stamp is not None and sight.now - stamp <= THROTTLED_WITHIN
    return Row(
        table=table,
        name=operation.name,
        state=state,
        bar=Bar(f"{table} {operation.name}".strip(), operation.progress, tone, text),
        eta="" if ready or operation.state.is_final else _eta(operation),
        notes=(
            *(_advance(operation, parts, sight.now, throttled) if running and not ready else ()),
            *_notes(operation, stamp, sight.now),
        ),
        ddl=operation.ddl[:_LONGEST_TEXT] if sight.show_ddl else "",
        short_ddl=words.shortened(operation.ddl, _SHORT_DDL) if sight.show_ddl else "",
        error=(source.errors or "")[:_LONGEST_TEXT] if sight.show_ddl else "",
        error_url=web_address(source.error_docs_url) if failed else "",
        shards=shards,
        failed=failed,
        running=running,
        throttled=throttled,
    )


def _eta(operation: Operation) -> str:
    if operation.eta is not None:
        return words.duration(operation.eta)
    return "" if operation.state in _NOT_STARTED else "not known"


def _throttled_at(operation: Operation, parts: list[Watched]) -> float | None:
    stamps = (operation.throttled_at, *(part.operation.throttled_at for part in parts))
    return max((stamp for stamp in stamps if stamp is not None), default=None)


def _advance(operation: Operation, parts: list[Watched], now: float, throttled: bool) -> Iterator[Note]:
    """How long nothing has moved; a stall is what the alerts call one."""
    running = [part for part in parts if part.operation.state is OperationState.IN_PROGRESS]
    advances = [(part.last_advance, part.operation) for part in running if part.last_advance is not None]
    if not advances:
        return
    last, slowest = min(advances, key=lambda advance: advance[0])
    quiet = now - last
    if quiet < _patience(slowest, last):
        yield Note(f"last progress {words.ago(last, now)}")
        return
    excused = throttled or (operation.progress or 0.0) >= TAIL
    tone = Tone.WARN if excused and quiet < STALLED_FOR_LONG else Tone.BAD
    tail = (operation.progress or 0.0) >= TAIL
    yield Note(f"no progress for {words.duration(quiet)}", tone, Alert.TAIL if tail else Alert.STALLED)


def _patience(operation: Operation, last_advance: float) -> float:
    """Seconds without an advance that are no stall yet: three times what a percent of this copy has taken so far."""
    if operation.created_at is None or operation.progress is None:
        return STALLED_AFTER
    if operation.progress <= 0:
        return STALLED_AT_ZERO
    paces = 3 * (last_advance - operation.created_at) / operation.progress
    return min(max(paces, STALLED_AFTER), LONGEST_PACES)


def _notes(operation: Operation, throttled_at: float | None, now: float) -> Iterator[Note]:
    if operation.state.is_final:
        return
    if throttled_at is not None:
        recent = now - throttled_at <= THROTTLED_WITHIN
        text = f"throttled {words.ago(throttled_at, now)}"
        yield Note(text, Tone.WARN, Alert.THROTTLED) if recent else Note(text)
    if operation.table_locked:
        yield Note("table locked", Tone.WARN, Alert.LOCKED)
    if operation.can_drop_data:
        yield _drop(operation, now)
    if operation.removed_foreign_keys:
        yield Note(f"removes {words.count(len(operation.removed_foreign_keys), 'foreign key')}")


def _drop(operation: Operation, now: float) -> Note:
    if not operation.table_recently_used:
        return Note("can drop data")
    used = operation.table_recently_used_at
    when = "recently" if used is None else words.ago(used, now)
    tone = Tone.BAD if operation.state in _NOT_STARTED else Tone.WARN
    return Note(f"can drop data of a table that was used {when}", tone, Alert.DROPS)


def _shards(summary: Summary) -> Iterator[Bar]:
    for work in summary.shards:
        tone, state = OPERATIONS[work.state]
        far = "" if work.progress is None else f"{words.percent(work.progress)}, "
        left = "" if work.eta is None or work.state.is_final else f", {words.duration(work.eta)} left"
        yield Bar(work.shard or "shard not named", work.progress, tone, f"{far}{state}{left}")
