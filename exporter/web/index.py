"""A large fleet by database, a line an operation: what the page shows of it beside the cards."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from exporter.web.cards import Card, address
from exporter.web.rows import Note
from exporter.web.states import GROUP_TONES, Group

_MOST_LINES = 2000
_COUNTED = {
    Group.WRONG: "wrong",
    Group.RUNNING: "running",
    Group.PERSON: "waiting for a person",
    Group.WAITING: "waiting",
    Group.FINISHED: "finished",
}


@dataclass(frozen=True, slots=True)
class Home:
    """A database: how many deploy requests are how. `cards` is None where the page would get too long."""

    name: str
    address: str
    counts: tuple[Note, ...]
    cards: tuple[Card, ...] | None


def index(cards: Iterable[Card]) -> tuple[Home, ...]:
    """The databases, those with the most urgent first, each with its deploy requests."""
    ordered = sorted(cards, key=lambda one: (one.home, _PLACES[one.group], one.urgency, one.key.number))
    homes = [_home(name, tuple(of_one)) for name, of_one in groupby(ordered, key=lambda one: one.home)]
    return tuple(_short(sorted(homes, key=_loudness)))


_PLACES = {group: place for place, group in enumerate(Group)}


def _home(name: str, cards: tuple[Card, ...]) -> Home:
    organization, _, database = name.partition("/")
    counts = ((group, sum(one.group is group for one in cards)) for group in Group)
    notes = tuple(Note(f"{number:,} {_COUNTED[group]}", GROUP_TONES[group]) for group, number in counts if number)
    return Home(name, address(organization, database), notes, cards)


def _loudness(home: Home) -> tuple[int, str]:
    return min(_PLACES[one.group] for one in home.cards or ()), home.name


def _short(homes: Iterable[Home]) -> Iterator[Home]:
    """The deploy requests of as many databases as a browser bears; of the others only how many there are."""
    total = 0
    for home in homes:
        total += sum(one.size for one in home.cards or ())
        yield home if total <= _MOST_LINES else replace(home, cards=None)
