"""Deploy requests as cards of the page: words and numbers, no layout."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from exporter.planetscale.models import Deployment, DeploymentState
from exporter.polling.snapshot import DeployRequestStatus, Key, Moment, Part
from exporter.web import words
from exporter.web.rows import Note, Row, rows, web_address
from exporter.web.states import GROUP_TONES, Alert, Group, Meaning, Tone, meaning

_MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class Card:
    """A deploy request. `age` says how old what is shown is; `left_out` how many operations are not shown.

    `urgency` is its place among what is wrong, the smallest first.
    """

    key: Key
    url: str
    branch: str
    into_branch: str
    group: Group
    state: str
    state_tone: Tone
    notes: tuple[Note, ...]
    age: str
    rows: tuple[Row, ...]
    left_out: int
    failed: bool
    running: bool
    throttled: bool
    answered_at: Moment | None
    alerts: tuple[Alert, ...]
    urgency: int

    @property
    def home(self) -> str:
        """Where it is."""
        return f"{self.key.organization}/{self.key.database}"

    @property
    def address(self) -> str:
        """The page that shows it alone, as a link from the page itself."""
        return address(*self.key)

    @property
    def dashboard(self) -> str:
        """The path and query of its dashboard in Grafana."""
        organization, database, number = self.key
        names = {"var-organization": organization, "var-database": database, "var-deploy_request": number}
        return f"d/planetscale-deploy-request?{urlencode(names)}"

    @property
    def size(self) -> int:
        """How much of a page it takes, in lines."""
        return 1 + len(self.rows) + sum(len(row.shards) for row in self.rows)

    @property
    def tone(self) -> Tone:
        """How loud the card is."""
        return GROUP_TONES[self.group]


def card(status: DeployRequestStatus, now: Moment, show_ddl: bool) -> Card:
    """What a person is told of *status* at *now*; without *show_ddl* neither DDL nor error text."""
    request, deployment = status.request.value, status.deployment.value
    means, made = _meaning(status), rows(status, now.unix, show_ddl)
    finished = means.group is Group.FINISHED
    failed = not finished and (means.group is Group.WRONG or any(row.failed for row in made))
    notes = () if finished else tuple(_notes(status, now))
    wrong = failed or any(note.tone is Tone.BAD for note in notes)
    wrong = wrong or (not finished and any(row.tone is Tone.BAD for row in made))
    alerts = () if finished else _alerts(failed, notes, made)
    return Card(
        key=status.key,
        url=web_address(request.html_url) if request else "",
        branch=request.branch if request else "",
        into_branch=(request.into_branch if request else "") or (deployment.into_branch if deployment else ""),
        group=Group.WRONG if wrong else means.group,
        state=means.words,
        state_tone=GROUP_TONES[means.group],
        notes=(*notes, *(_when(deployment, now.unix) if deployment else ())),
        age=_age(status.operations, now),
        rows=made[:_MOST_ROWS],
        left_out=max(0, len(made) - _MOST_ROWS),
        failed=failed,
        running=means.group is Group.RUNNING,
        throttled=any(row.throttled for row in made),
        answered_at=status.operations.answered_at,
        alerts=alerts,
        urgency=_URGENCY[alerts[0]] if alerts else len(_URGENCY),
    )


_URGENCY = {alert: place for place, alert in enumerate(Alert)}


def address(organization: str, database: str, number: int | str = "", **more: str) -> str:
    """The page that shows only these, as a link from the page itself; what is empty is left out."""
    asked = {"organization": organization, "database": database, "deploy_request": str(number)} | more
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"./?{query}" if query else "./"


def _alerts(failed: bool, notes: Iterable[Note], made: Iterable[Row]) -> tuple[Alert, ...]:
    """The alerts that are about this, the most urgent first."""
    named = {note.alert for note in (*notes, *(note for row in made for note in row.notes))}
    return tuple(alert for alert in Alert if alert in named or (failed and alert is Alert.ERRORED))


def _meaning(status: DeployRequestStatus) -> Meaning:
    request, deployment = status.request.value, status.deployment.value
    state = status.state or (request.deployment_state if request else None)
    if state is not None:
        return meaning(state, deployment.auto_cutover if deployment else None)
    if not status.watched:
        return Meaning(Group.WAITING, "nothing known yet" if status.operations.ok is None else "state not known")
    if any(not watched.operation.state.is_final for watched in status.watched):
        return Meaning(Group.RUNNING, "running")
    return Meaning(Group.FINISHED, "all operations have ended")


def _age(part: Part[object], now: Moment) -> str:
    return "no data yet" if part.answered_at is None else f"data {words.duration(now.since(part.answered_at))} old"


def _notes(status: DeployRequestStatus, now: Moment) -> Iterator[Note]:
    yield from _failing(status, now)
    deployment = status.deployment.value
    if deployment is not None:
        yield from _troubles(deployment)
        yield from _queue(deployment)
    for ratio in status.throttle.value or ():
        if ratio.percentage:
            where = f" in {ratio.keyspace}" if ratio.keyspace else ""
            yield Note(f"throttler holds back {words.percent(ratio.percentage)}{where}", Tone.WARN)


def _failing(status: DeployRequestStatus, now: Moment) -> Iterator[Note]:
    own = status.operations
    if own.failed_since is not None:
        text = f"stale for {words.duration(now.since(own.failed_since))}: {own.error or 'polls fail'}"
        yield Note(text, Tone.BAD, Alert.STALE)
    others = (("deployment", status.deployment), ("deploy request", status.request), ("throttler", status.throttle))
    for name, part in others:
        if part.failed_since is not None and part.error != own.error:
            since = words.duration(now.since(part.failed_since))
            yield Note(f"{name} not known for {since}: {part.error or 'polls fail'}", Tone.WARN)


def _troubles(deployment: Deployment) -> Iterator[Note]:
    if deployment.queue_paused:
        yield Note("the queue is paused", Tone.BAD, Alert.BLOCKED)
    if deployment.cutover_expiring:
        yield Note("the time to cut over is running out: the copy will be thrown away", Tone.BAD, Alert.EXPIRING)
    if deployment.table_locked:
        yield Note("a table is locked", Tone.WARN, Alert.LOCKED)


def _queue(deployment: Deployment) -> Iterator[Note]:
    if deployment.state is not None and deployment.state.is_waiting and deployment.preceding is not None:
        before = deployment.preceding
        yield Note(f"{words.count(before, 'deployment')} before it in the queue" if before else "next in the queue")
    if deployment.strategy == "parallel":
        yield Note("in the parallel lane")
    if deployment.instant_ddl:
        yield Note("instant DDL")


def _when(deployment: Deployment, now: float) -> Iterator[Note]:
    """The latest of the moments that a person counts from."""
    moments = [
        ("finished", deployment.finished_at),
        ("ready to cut over", _only_pending(deployment)),
        ("started", deployment.started_at),
        ("queued", deployment.queued_at),
    ]
    for event, moment in moments:
        if moment is not None:
            yield Note(f"{event} {words.ago(moment, now)}")
            return


def _only_pending(deployment: Deployment) -> float | None:
    return deployment.ready_to_cutover_at if deployment.state is DeploymentState.PENDING_CUTOVER else None
