"""One stall of many hours through three restarts of the exporter and an outage of the API: how often it is told."""

import random
from collections.abc import Iterable
from typing import Final, NamedTuple

from virtual import EPOCH

from .copies import HOUR, EtaKind, Hold, Interruption, work_out
from .deploys import Deploy, Fault, Life, Row, Span, World
from .messages import Message

CASES: Final = {"three restarts": False, "three restarts and an outage of 25 to 45 min": True}
"""What happens during the stall, and whether the API fails for longer than `poll.stale_after`."""
STALLED: Final = "PlanetScaleDeployOperationStalled"
_MINUTE: Final = 60.0


class Told(NamedTuple):
    """How many messages named the stall as new."""

    warnings: int
    pages: int


def world(seed: int, *, outage: bool) -> World:
    """A copy of a day that stands still for 8 hours, seen by one exporter or by two."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    span = Span(EPOCH, EPOCH + 10 * HOUR)
    stall = span.start + 2 * HOUR
    held = (Interruption(Hold.STALL, stall, float("inf")),)
    kind = [*EtaKind][seed % len(EtaKind)]
    copy = work_out(rng, span.start + HOUR / 2, rng.uniform(10, 30) * HOUR, held, skew=1, eta=kind)
    steps = ((copy.start - 60, "queued"), (copy.start, "in_progress"))
    restarts = [stall + hours * HOUR for hours in (rng.uniform(0.1, 0.9), rng.uniform(1, 3), rng.uniform(6, 7.5))]
    gaps = [Span(at, at + rng.uniform(15, 100)) for at in restarts]
    fails = stall + rng.uniform(3.5, 5) * HOUR
    faults = (Fault(Span(fails, fails + rng.uniform(25, 45) * _MINUTE), 503),) if outage else ()
    lives = [Life("exporter-0", _runs(span, gaps))]
    if seed % 2:
        lives.append(Life("exporter-1", _runs(span, [Span(each.start + 300, each.end + 300) for each in gaps])))
    deploy = Deploy("shop0", 1, steps, (Row("shop0-1-0", "orders_0", copy),))
    return World(seed, span, (deploy,), tuple(lives), faults)


def told(messages: Iterable[Message]) -> Told:
    """What was told of the stall."""
    named = [{labels["severity"] for labels in _stalls(message)} for message in messages]
    return Told(sum("warning" in each for each in named), sum("critical" in each for each in named))


def _stalls(message: Message) -> list[dict[str, str]]:
    alerts = (dict(each.labels) for each in message.new)
    return [labels for labels in alerts if labels["alertname"] == STALLED]


def _runs(span: Span, gaps: Iterable[Span]) -> tuple[Span, ...]:
    starts, ends = zip(*gaps, strict=True)
    return tuple(Span(*each) for each in zip((span.start, *ends), (*starts, span.end), strict=True))
