"""How wrong the time left is, as the API tells it and by the observed rate, at three points of a copy's run."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final, NamedTuple

from .copies import HOUR
from .deploys import World
from .prometheus import Answer

POINTS: Final = (0.1, 0.5, 0.9)
SOURCES: Final = {
    "API": "operation:planetscale_deploy_operation_eta_seconds:max",
    "observed": "operation:planetscale_deploy_operation_eta_seconds:observed",
}
EtaErrors = dict[tuple[str, float], list[float | None]]
"""By source and point: the errors as a share of the time that was really left; None where there was no value."""


class Quality(NamedTuple):
    """How good a source is at a point: the median error, and the share of copies for which it said something."""

    error: float | None
    told: float


def eta_errors(world: World, answers: Mapping[str, Sequence[Answer]]) -> EtaErrors:
    """The errors for all copies of an hour or more that came to their end."""
    errors: EtaErrors = defaultdict(list)
    told = {
        source: {dict(each.labels)["operation_id"]: each.samples for each in answers.get(name, ())}
        for source, name in SOURCES.items()
    }
    for deploy in world.deploys:
        ended = deploy.left("in_progress") or deploy.finished
        for row in deploy.rows:
            lasts = row.copy.finish - row.copy.start
            if not HOUR < lasts < float("inf") or row.copy.finish > ended:
                continue
            for point in POINTS:
                at = row.copy.start + point * lasts
                if world.span.start + HOUR < at < world.span.end:
                    left = row.copy.finish - at
                    for source, samples in told.items():
                        value = samples.get(row.id, {}).get(at // 60 * 60)
                        errors[source, point].append(None if value is None else abs(value - left) / left)
    return dict(errors)


def quality(errors: Sequence[float | None]) -> Quality:
    """The errors of many copies in two numbers."""
    known = [each for each in errors if each is not None]
    return Quality(median(known) if known else None, len(known) / len(errors) if errors else 0.0)
