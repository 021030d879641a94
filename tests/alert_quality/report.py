"""Scores as tables."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from .etas import POINTS, SOURCES, EtaErrors, quality
from .evaluating import Outcome
from .judging import Score, kinds
from .restarts import CASES, STALLED

NONE = "-"
_COLUMNS = (
    "alert",
    "severity",
    "incidents",
    "recall",
    "median delay",
    "p95 delay",
    "false / 1,000 days",
    "flaps / 1,000 days",
    "messages per cause (worst)",
)
_HEAD = (
    f"| {' | '.join(_COLUMNS)} |",
    "|---|---|--:|--:|--:|--:|--:|--:|--:|",
)


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """A line for each alert at each severity."""
    days = sum(outcome.deploy_days for outcome in outcomes)
    lines = [
        _line(name.removeprefix("PlanetScale"), severity, score, days)
        for (name, severity), score in kinds(outcome.scores for outcome in outcomes)
    ]
    return [*_HEAD, *lines]


def naive_table(outcomes: Sequence[Outcome]) -> list[str]:
    """What people write first, against the incidents of the shipped warning."""
    days, lines = sum(outcome.deploy_days for outcome in outcomes), []
    for name in outcomes[0].naive:
        total = Score()
        for outcome in outcomes:
            total.add(outcome.naive[name])
        lines.append(_line(f"`{name}`", NONE, total, days))
    shipped = [score for kind, score in kinds(each.scores for each in outcomes) if kind == (STALLED, "warning")]
    lines += [_line("shipped", "warning", score, days) for score in shipped]
    return [*_HEAD, *lines]


def eta_table(outcomes: Iterable[Outcome]) -> list[str]:
    """The median error of the time left, and for how many copies there was one."""
    errors: EtaErrors = defaultdict(list)
    for outcome in outcomes:
        for key, values in outcome.etas.items():
            errors[key].extend(values)
    lines = ["| time left | at 10 % of the run | at 50 % | at 90 % |", "|---|--:|--:|--:|"]
    for source in SOURCES:
        found = [quality(errors[source, point]) for point in POINTS]
        cells = [f"{_percent(each.error)} ({_percent(each.told)} told)" for each in found]
        lines.append(f"| {source} | {' | '.join(cells)} |")
    return lines


def restarts_table(outcomes: Sequence[Outcome]) -> list[str]:
    """In how many worlds one stall was one warning and one page."""
    lines = ["| a stall of 8 hours, and | worlds | just one warning | just one page |", "|---|--:|--:|--:|"]
    for name in CASES:
        found = [outcome.restarts[name] for outcome in outcomes]
        ones = [sum(count == 1 for count in counts) for counts in zip(*found, strict=True)]
        lines.append(f"| {name} | {len(found)} | {' | '.join(map(str, ones))} |")
    return lines


def _line(name: str, severity: str, score: Score, days: float) -> str:
    recall = NONE if score.recall is None else f"{score.recall:.2f}"
    worst = f"{sum(score.messages) / len(score.messages):.2f} ({max(score.messages)})" if score.messages else NONE
    rates = [f"{1000 * count / days:.1f}" for count in (len(score.false), score.flaps)]
    cells = [name, severity, str(score.incidents), recall, _minutes(score.delay(0.5)), _minutes(score.delay(0.95))]
    return f"| {' | '.join([*cells, *rates, worst])} |"


def _minutes(seconds: float | None) -> str:
    return NONE if seconds is None else f"{seconds / 60:.1f} min"


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:.0f} %"
