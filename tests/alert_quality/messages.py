"""How many messages the shipped Alertmanager configuration makes of alerts: routes, inhibition, groups and their waits.

A model of Alertmanager's dispatcher, inhibitor and notification log, event by event; silences, mute times, repetitions
and what is told of resolved alerts are left out. Facts: the configuration's documentation (route, inhibit_rule), and
`MuteStage` and `DedupStage` in notify/notify.go.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from .rules import Episode, Labels, seconds

_MATCHER: Final = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"?(.*?)"?\s*$')


class Message(NamedTuple):
    """Something new that a receiver was told, and all alerts that it named."""

    at: float
    receiver: str
    new: tuple[Episode, ...]


class Matcher(NamedTuple):
    """A condition on a label; one that is missing is empty."""

    label: str
    operator: str
    value: str

    def fits(self, labels: dict[str, str]) -> bool:
        """Whether labels meet it."""
        found = labels.get(self.label, "")
        if self.operator.endswith("~"):
            return bool(re.fullmatch(self.value, found)) == (self.operator == "=~")
        return (found == self.value) == (self.operator == "=")


@dataclass(frozen=True)
class Route:
    """A node of the routing tree, what it inherits filled in."""

    receiver: str
    group_by: tuple[str, ...]
    group_wait: float
    group_interval: float
    matchers: tuple[Matcher, ...] = ()
    routes: tuple["Route", ...] = ()
    goes_on: bool = False

    def find(self, labels: dict[str, str]) -> Iterator["Route"]:
        """Where alerts with these labels go: the deepest that fit, the first one unless it says `continue`."""
        if not all(matcher.fits(labels) for matcher in self.matchers):
            return
        found = False
        for route in self.routes:
            inner = [*route.find(labels)]
            yield from inner
            found = found or bool(inner)
            if inner and not route.goes_on:
                break
        if not found:
            yield self


class Inhibition(NamedTuple):
    """What mutes what, where some labels are the same."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]

    def mutes(self, source: dict[str, str], target: dict[str, str]) -> bool:
        """Whether an alert mutes another; one that is source and target at once is not muted by its like."""
        fits = all(each.fits(source) for each in self.source) and all(each.fits(target) for each in self.target)
        if not fits or any(source.get(name, "") != target.get(name, "") for name in self.equal):
            return False
        both = all(each.fits(target) for each in self.source) and all(each.fits(source) for each in self.target)
        return not both


@dataclass(frozen=True)
class Alertmanager:
    """A configuration."""

    route: Route
    inhibitions: tuple[Inhibition, ...]

    @classmethod
    def read(cls, path: Path) -> "Alertmanager":
        """The configuration in a file."""
        config = yaml.safe_load(path.read_text())
        inhibitions = tuple(
            Inhibition(
                _matchers(each.get("source_matchers", ())),
                _matchers(each.get("target_matchers", ())),
                tuple(each.get("equal", ())),
            )
            for each in config.get("inhibit_rules", ())
        )
        return cls(_route(config["route"], Route("", (), 30, 300)), inhibitions)

    def messages(self, episodes: Iterable[Episode]) -> list[Message]:
        """What is sent while these alerts fire."""
        alerts = [_Alert(each, dict(each.labels)) for each in episodes]
        for alert in alerts:
            alert.muted = [
                (other.episode.start, other.episode.end)
                for other in alerts
                if other.overlaps(alert) and any(each.mutes(other.labels, alert.labels) for each in self.inhibitions)
            ]
        groups: dict[tuple[Any, ...], list[_Alert]] = defaultdict(list)
        routes: dict[tuple[Any, ...], Route] = {}
        for alert in alerts:
            for route in self.route.find(alert.labels):
                by = sorted(alert.labels) if "..." in route.group_by else route.group_by
                key = (id(route), *((name, alert.labels.get(name, "")) for name in by))
                groups[key].append(alert)
                routes[key] = route
        return sorted(message for key, members in groups.items() for message in _notified(routes[key], members))


@dataclass
class _Alert:
    episode: Episode
    labels: dict[str, str]
    muted: list[tuple[float, float]] = field(default_factory=list)

    def overlaps(self, other: "_Alert") -> bool:
        return self.episode.start < other.episode.end and other.episode.start < self.episode.end

    def speaks(self, at: float) -> bool:
        """Whether it fires and is not muted."""
        return self.episode.start <= at < self.episode.end and not self.mute(at)

    def ended(self, before: float, at: float) -> bool:
        """Whether it has ended between two times and that is told."""
        return before < self.episode.end <= at and not self.mute(at)

    def mute(self, at: float) -> bool:
        """Whether something mutes it."""
        return any(start <= at < end for start, end in self.muted)


def _notified(route: Route, members: list[_Alert]) -> Iterator[Message]:
    """The flushes of one group that tell something new: first after `group_wait`, then every `group_interval`."""
    told: set[Labels] = set()
    members = sorted(members, key=lambda each: each.episode.start)
    at, last = members[0].episode.start + route.group_wait, max(each.episode.end for each in members)
    before = at
    while at < last + route.group_interval:
        firing = {each.episode.labels: each.episode for each in members if each.speaks(at)}
        if new := firing.keys() - told:
            yield Message(at, route.receiver, tuple(firing[labels] for labels in sorted(new)))
        # What was told last is remembered until something else is: what was muted meanwhile is no news.
        if new or any(each.ended(before, at) for each in members):
            told = {*firing}
        before = at
        if not any(each.episode.start <= at < each.episode.end for each in members):
            # The group is gone; the next alert makes it anew.
            following = [each.episode.start for each in members if each.episode.start > at]
            if not following:
                return
            at = following[0] + route.group_wait
        else:
            at += route.group_interval


def _route(config: dict[str, Any], parent: Route) -> Route:
    own = Route(
        config.get("receiver", parent.receiver),
        tuple(config.get("group_by", parent.group_by)),
        seconds(config["group_wait"]) if "group_wait" in config else parent.group_wait,
        seconds(config["group_interval"]) if "group_interval" in config else parent.group_interval,
        _matchers(config.get("matchers", ())),
        goes_on=config.get("continue", False),
    )
    children = tuple(_route(each, own) for each in config.get("routes", ()))
    return Route(own.receiver, own.group_by, own.group_wait, own.group_interval, own.matchers, children, own.goes_on)


def _matchers(texts: Iterable[str]) -> tuple[Matcher, ...]:
    found = [_MATCHER.match(text) for text in texts]
    return tuple(Matcher(each[1], each[2], each[3]) for each in found if each)
