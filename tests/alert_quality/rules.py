"""Rule files, and what Prometheus makes of an alert's expression: `for` and `keep_firing_for`, by label set."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from .prometheus import Answer

Labels = tuple[tuple[str, str], ...]
_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_DURATION: Final = re.compile(r"(\d+)(ms|[smhdwy])")


@dataclass(frozen=True)
class Alert:
    """An alerting rule; durations in seconds."""

    name: str
    expr: str
    waits: float = 0
    keeps: float = 0
    labels: Labels = ()

    @property
    def severity(self) -> str:
        """Its severity."""
        return dict(self.labels).get("severity", "")


class Recording(NamedTuple):
    """A recording rule."""

    name: str
    expr: str


class Episode(NamedTuple):
    """A time in which an alert fired; `end` is when it was resolved, or the last time looked at."""

    labels: Labels
    start: float
    end: float


def read(path: Path) -> list[Alert | Recording]:
    """The rules of a file in the order of their evaluation."""
    groups = yaml.safe_load(path.read_text())["groups"]
    return [_rule(rule) for group in groups for rule in group["rules"]]


def _rule(rule: dict[str, Any]) -> Alert | Recording:
    if "record" in rule:
        return Recording(rule["record"], rule["expr"])
    return Alert(
        rule["alert"],
        rule["expr"],
        seconds(rule.get("for", "0s")),
        seconds(rule.get("keep_firing_for", "0s")),
        tuple(sorted(rule.get("labels", {}).items())),
    )


def seconds(text: str) -> float:
    """A duration as Prometheus writes it, `1h30m`, in seconds."""
    return sum(int(number) * _UNITS[unit] for number, unit in _DURATION.findall(str(text)))


def episodes(alert: Alert, answers: Iterable[Answer], times: Sequence[float]) -> list[Episode]:
    """When the alert fires, evaluated at *times*."""
    return [episode for answer in answers for episode in _of_one(alert, answer, times)]


def _of_one(alert: Alert, answer: Answer, times: Sequence[float]) -> Iterator[Episode]:
    """As Prometheus' `AlertingRule.Eval` does it (rules/alerting.go).

    Pending from the first evaluation with an answer, firing once that is `for` ago; without an answer, pending is
    forgotten, and firing lasts for `keep_firing_for` from the first evaluation that had none.
    """
    own = {name: text for name, text in answer.labels if name != "__name__"}
    labels = tuple(sorted((own | dict(alert.labels) | {"alertname": alert.name}).items()))
    active: float | None = None
    fired: float | None = None
    kept: float | None = None
    for at in times:
        if at in answer.samples:
            active, kept = at if active is None else active, None
            if fired is None and at - active >= alert.waits:
                fired = at
        elif fired is not None:
            kept = at if kept is None else kept
            if at - kept >= alert.keeps:
                yield Episode(labels, fired, at)
                active = fired = kept = None
        else:
            active = None
    if fired is not None:
        yield Episode(labels, fired, times[-1])
