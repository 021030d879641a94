"""The whole status page as plain words and numbers: a function of the snapshot and the clock."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.polling.snapshot import DeployRequestStatus, Moment, Snapshot
from exporter.web import words
from exporter.web.cards import Card, address, card
from exporter.web.index import Home, index
from exporter.web.rows import Note
from exporter.web.states import Group, Tone

_MOST_IN_CARDS, _MOST_TROUBLES = 60, 20


@dataclass(frozen=True, slots=True)
class Choice:
    """What the reader wants to see; empty means all."""

    organization: str = ""
    database: str = ""
    deploy_request: str = ""

    def matches(self, status: DeployRequestStatus) -> bool:
        """Whether a deploy request is wanted."""
        organization, database, number = status.key
        return (
            self.organization in {"", organization}
            and self.database in {"", database}
            and self.deploy_request in {"", str(number)}
        )

    def address(self, *, refresh: bool) -> str:
        """The page that shows this, as a link from the page itself."""
        return address(self.organization, self.database, self.deploy_request, refresh="" if refresh else "off")


@dataclass(frozen=True, slots=True)
class Section:
    """The cards of one group."""

    group: Group
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class View:
    """All that the page says. What does not fit into cards stands in `index`, by database."""

    title: str
    time: str
    counts: tuple[Note, ...]
    age: str
    troubles: tuple[str, ...]
    more_troubles: int
    empty: str
    choice: Choice
    organizations: tuple[str, ...]
    databases: tuple[str, ...]
    sections: tuple[Section, ...]
    index: tuple[Home, ...]
    tone: Tone


def view(snapshot: Snapshot, now: Moment, choice: Choice, show_ddl: bool) -> View:
    """What the page says of *snapshot* at *now*."""
    wanted = [card(status, now, show_ddl) for status in snapshot.deploy_requests if choice.matches(status)]
    counts = _counts(wanted)
    shown, rest = _in_cards(sorted(wanted, key=lambda one: (_ORDER[one.group], one.urgency)))
    sections = tuple(Section(group, tuple(one for one in shown if one.group is group)) for group in Group)
    troubles = tuple(
        f"{target.text}: {target.error or 'polls fail'}" for target in snapshot.targets if target.up is False
    )
    loud = [note.text for note in counts if note.tone in {Tone.BAD, Tone.RUN}]
    return View(
        title=", ".join(loud) or "nothing runs",
        time=f"{datetime.fromtimestamp(now.unix, UTC):%Y-%m-%d %H:%M:%S} UTC",
        counts=counts,
        age=_age(wanted, now),
        troubles=troubles[:_MOST_TROUBLES],
        more_troubles=max(0, len(troubles) - _MOST_TROUBLES),
        empty="" if wanted else _empty(snapshot, choice),
        choice=choice,
        organizations=_options((one.key.organization for one in snapshot.deploy_requests), choice.organization),
        databases=_options(
            (one.key.database for one in snapshot.deploy_requests if choice.organization in {"", one.key.organization}),
            choice.database,
        ),
        sections=tuple(section for section in sections if section.cards),
        index=index(rest),
        tone=Tone.BAD if troubles or any(one.group is Group.WRONG for one in wanted) else Tone.RUN,
    )


_ORDER = {group: place for place, group in enumerate(Group)}


def _counts(cards: list[Card]) -> tuple[Note, ...]:
    failed = sum(one.failed for one in cards)
    other = sum(one.group is Group.WRONG and not one.failed for one in cards)
    running = sum(one.running and not one.failed for one in cards)
    person = sum(one.group is Group.PERSON for one in cards)
    throttled = sum(one.throttled for one in cards)
    return (
        Note(f"{failed:,} failed", Tone.BAD if failed else Tone.PLAIN),
        *([Note(f"{other:,} {'needs' if other == 1 else 'need'} a look", Tone.BAD)] if other else []),
        Note(f"{running:,} running", Tone.RUN if running else Tone.PLAIN),
        Note(f"{person:,} waiting for a person", Tone.WARN if person else Tone.PLAIN),
        Note(f"{throttled:,} throttled", Tone.WARN if throttled else Tone.PLAIN),
    )


def _age(cards: list[Card], now: Moment) -> str:
    live = [one for one in cards if one.group is not Group.FINISHED] or cards
    answers = [one.answered_at for one in live if one.answered_at is not None]
    return f"oldest data: {words.duration(now.since(min(answers)))}" if answers else "no data yet"


def _in_cards(cards: list[Card]) -> tuple[list[Card], list[Card]]:
    """What is shown as cards, and the rest: all of a small fleet, of a large one what is most wrong."""
    if sum(one.size for one in cards) <= _MOST_IN_CARDS:
        return cards, []
    total = 0
    for place, one in enumerate(cards):
        total += one.size
        if one.group is not Group.WRONG or (place and total > _MOST_IN_CARDS):
            return cards[:place], cards[place:]
    return cards, []


def _empty(snapshot: Snapshot, choice: Choice) -> str:
    if snapshot.deploy_requests and choice != Choice():
        return "No deploy request matches the filter."
    tried = [target for target in snapshot.targets if target.up is not None]
    if tried and all(target.up is False for target in snapshot.targets):
        return f"No target works: {tried[0].error or 'polls fail'}."
    if len(tried) < len(snapshot.targets) or not snapshot.targets:
        return "Nothing to show yet: the first polls are under way."
    return "No deploy request is running."


def _options(names: Iterable[str], chosen: str) -> tuple[str, ...]:
    return tuple(sorted({*names, chosen} - {""}))
