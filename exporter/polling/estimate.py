"""How many requests a minute a configuration needs, and how old values get when there are fewer: pure arithmetic."""

import math
from dataclasses import dataclass
from typing import Final

from exporter.polling.jobs import requests_for
from exporter.polling.pace import Timing

_URGENT_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Workload:
    """What there is to poll: counts."""

    listed_databases: tuple[int, ...] = ()
    """For every organisation that is listed, how many databases it has (other shares' and other kinds' included)."""
    databases: int = 0
    moving_databases: int = 0
    numbered: int = 0
    moving_numbered: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """Requests a minute, how old in seconds values of what moves get, and how many times rarer all else is polled.

    The last is 1 where the budget is enough.
    """

    needed: int
    oldest: float
    rarer: float


def estimate(load: Workload, timing: Timing, limit: int) -> Estimate:
    """What a workload needs, and how fresh its values are with *limit* requests a minute.

    What is asked only with the budget that is left needs none.
    """
    idle_databases = load.databases - load.moving_databases
    idle_numbered = load.numbered - load.moving_numbered
    # What moves: queues of databases, operations and deploy requests of numbered targets.
    urgent = 60 / timing.interval * (load.moving_databases + 2 * load.moving_numbered)
    others = (
        60 / timing.discovery_interval * sum(map(requests_for, load.listed_databases))
        + 60 / timing.discovery_interval * load.databases
        + 60 / timing.idle_queue_interval * idle_databases
        + 60 / timing.idle_interval * 2 * idle_numbered
        + 60 / timing.interval * load.moving_numbered
    )
    available = max(limit - others, limit * _URGENT_SHARE)
    left = max(limit - urgent, limit * (1 - _URGENT_SHARE))
    return Estimate(math.ceil(urgent + others), timing.interval * max(1.0, urgent / available), max(1.0, others / left))
