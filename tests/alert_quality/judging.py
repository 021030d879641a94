"""What of the alerts was right: each alert against the incidents of the truth, each cause against its messages."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from .deploys import Incident, Span
from .messages import Message
from .rules import Episode

GRACE: Final = 25 * 60.0
"""An alert that starts so long after its cause has ended still belongs to it: polls and windows lag behind."""
Kind = tuple[str, str]
"""An alert's name and severity."""


@dataclass
class Score:
    """What is known of one alert at one severity, over any number of worlds; times in seconds."""

    incidents: int = 0
    missed: list[Incident] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    false: list[Episode] = field(default_factory=list)
    flaps: int = 0
    messages: list[int] = field(default_factory=list)

    @property
    def recall(self) -> float | None:
        """The share of incidents that were told, None without any."""
        return len(self.delays) / self.incidents if self.incidents else None

    def delay(self, share: float) -> float | None:
        """The delay that so large a share of the incidents stays below."""
        return sorted(self.delays)[min(int(share * len(self.delays)), len(self.delays) - 1)] if self.delays else None

    def add(self, other: "Score") -> None:
        """Add another world's."""
        self.incidents += other.incidents
        self.flaps += other.flaps
        for name in ("missed", "delays", "false", "messages"):
            getattr(self, name).extend(getattr(other, name))


def judge(
    incidents: Iterable[Incident], episodes: Iterable[Episode], messages: Iterable[Message], span: Span
) -> dict[Kind, Score]:
    """The scores of one world."""
    scores: dict[Kind, Score] = defaultdict(Score)
    by_kind: dict[Kind, list[Incident]] = defaultdict(list)
    for incident in incidents:
        by_kind[incident.alert, incident.severity].append(incident)
    causes: dict[Episode, str] = {}
    fired: dict[Kind, list[Episode]] = defaultdict(list)
    for episode in sorted(episodes, key=lambda each: each.start):
        fired[_kind(episode)].append(episode)
    for kind in {*by_kind, *fired}:
        causes |= _judge_kind(scores[kind], by_kind[kind], fired[kind], span)
    for kind, counts in _messages(messages, causes).items():
        scores[kind].messages.extend(counts)
    return dict(scores)


def _kind(episode: Episode) -> Kind:
    labels = dict(episode.labels)
    return labels["alertname"], labels.get("severity", "")


def _judge_kind(score: Score, incidents: list[Incident], episodes: list[Episode], span: Span) -> dict[Episode, str]:
    """Fill in one alert's score; returns what each of its episodes that is right was caused by."""
    causes: dict[Episode, str] = {}
    told: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    for episode in episodes:
        right = [each for each in incidents if _explains(each, episode)]
        if not right:
            score.false.append(episode)
            continue
        causes[episode] = right[0].cause
        if (right[0].cause, episode.labels) in told:
            score.flaps += 1
        told.add((right[0].cause, episode.labels))
    for incident in incidents:
        if not incident.required or incident.due > span.end:
            continue
        score.incidents += 1
        firsts = [each.start for each in episodes if _tells(incident, each)]
        if firsts:
            score.delays.append(min(firsts) - incident.due)
        else:
            score.missed.append(incident)
    return causes


def _explains(incident: Incident, episode: Episode) -> bool:
    in_time = incident.start - 60 <= episode.start <= incident.end + GRACE
    return in_time and {*incident.labels} <= {*episode.labels}


def _tells(incident: Incident, episode: Episode) -> bool:
    """Whether an alert fires in time to be of use, whatever made it fire."""
    in_time = episode.start <= incident.end + 60 and episode.end > incident.start
    return in_time and {*incident.labels} <= {*episode.labels}


def _messages(messages: Iterable[Message], causes: dict[Episode, str]) -> dict[Kind, list[int]]:
    """By alert, how many messages each cause made that named it as new."""
    counted: dict[tuple[str, str], int] = defaultdict(int)
    kinds: dict[tuple[str, str], Kind] = {}
    for message in messages:
        for cause in {causes[each] for each in message.new if each in causes}:
            leading = next(each for each in message.new if causes.get(each) == cause)
            key = cause, message.receiver
            counted[key] += 1
            kinds.setdefault(key, _kind(leading))
    found: dict[Kind, list[int]] = defaultdict(list)
    for key, count in counted.items():
        found[kinds[key]].append(count)
    return found


def kinds(scores: Iterable[dict[Kind, Score]]) -> Iterator[tuple[Kind, Score]]:
    """The scores of several worlds added up, by name and from the worst severity on."""
    total: dict[Kind, Score] = defaultdict(Score)
    for each in scores:
        for kind, score in each.items():
            total[kind].add(score)
    order = {"critical": 0, "warning": 1, "info": 2}
    yield from sorted(total.items(), key=lambda item: (item[0][0], order.get(item[0][1], 3)))
