"""A world from a seed: databases with deploys in every lane, an exporter that is restarted, an API that fails."""

import random
from collections.abc import Iterator
from typing import Final

from virtual import EPOCH

from .copies import DAY, HOUR
from .deploys import Deploy, Fault, Life, Span, World
from .lives import MINUTE, Seat, deploy

SHAPES: Final = ("single", "replicas", "shards")
LASTS: Final = {
    "outage": (2, 45),
    "timeouts": (2, 30),
    "refused": (25, 60),
    "blip": (0.5, 3),
    "429": (0.5, 4),
    "down": (2, 40),
    "starved": (60, 120),
    "misconfigured": (8, 60),
    "paused": (9, 120),
}
"""What befalls a fleet, and for how many minutes: `starved` has no budget, `down` no exporter."""
STATUSES: Final = {
    "outage": (500, 502, 503),
    "timeouts": (0,),
    "refused": (401, 403),
    "blip": (403, 500),
    "429": (429,),
}


def world(seed: int, days: float, databases: int = 2, lanes: int = 12) -> World:
    """The fleet of a seed over so many days."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    span = Span(EPOCH, EPOCH + days * DAY)
    names = [f"shop{number}" for number in range(databases)]
    deploys = tuple(each for name in names for each in _deploys(rng, name, lanes, span))
    happened = _Troubles(rng, span, names)
    return World(
        seed,
        span,
        deploys,
        tuple(_lives(rng, span, SHAPES[seed % len(SHAPES)], happened.down)),
        tuple(happened.faults),
        tuple(happened.paused),
        tuple(happened.starved),
        tuple(happened.misconfigured),
    )


def _deploys(rng: random.Random, database: str, lanes: int, span: Span) -> Iterator[Deploy]:
    number = 0
    for _ in range(lanes):
        at = span.start - rng.uniform(0, 2) * DAY
        while at < span.end:
            number += 1
            made, _ = deploy(rng, Seat(database, number, at))
            at = made.finished + rng.expovariate(1 / (40 * MINUTE)) + MINUTE
            if made.finished > span.start - HOUR:
                yield made


class _Troubles:
    """What happens to the whole: one thing after the other, hours apart."""

    def __init__(self, rng: random.Random, span: Span, databases: list[str]) -> None:
        self.faults: list[Fault] = []
        self.paused: list[tuple[str, Span]] = []
        self.starved: list[Span] = []
        self.misconfigured: list[Span] = []
        self.down: list[Span] = []
        at = span.start + rng.uniform(3, 5) * HOUR
        while at < span.end - 4 * HOUR:
            trouble = rng.choice([*LASTS, "outage"])
            self._add(trouble, at, rng, databases)
            at += rng.uniform(4, 9) * HOUR

    def _add(self, trouble: str, at: float, rng: random.Random, databases: list[str]) -> None:
        least, most = LASTS[trouble]
        span = Span(at, at + rng.uniform(least, most) * MINUTE)
        statuses = STATUSES.get(trouble)
        if statuses:
            self.faults.append(Fault(span, rng.choice(statuses)))
        elif trouble == "paused":
            self.paused.append((rng.choice(databases), span))
        else:
            {"down": self.down, "starved": self.starved, "misconfigured": self.misconfigured}[trouble].append(span)


def _lives(rng: random.Random, span: Span, shape: str, down: list[Span]) -> Iterator[Life]:
    """The exporter's instances: restarted now and then; with replicas they are down one at a time, shards likewise."""
    count = {"single": 1, "replicas": 2, "shards": 3}[shape]
    victims = [rng.randrange(count) for _ in down]
    for index in range(count):
        gaps = [each for each, victim in zip(down, victims, strict=True) if victim == index]
        at = span.start + rng.uniform(1, 12) * HOUR
        while at < span.end:
            gap = Span(at, at + rng.uniform(15, 100))
            if not any(each.start - HOUR < at < each.end + HOUR for each in down):
                gaps.append(gap)
            at += rng.uniform(6, 18) * HOUR
        yield Life(f"exporter-{index}", tuple(_runs(span, gaps)), (index, count) if shape == "shards" else (0, 1))


def _runs(span: Span, gaps: list[Span]) -> Iterator[Span]:
    start = span.start
    for gap in sorted(gaps):
        yield Span(start, gap.start)
        start = gap.end
    yield Span(start, span.end)
