"""One world from its seed to its scores: recorded once and kept, given to Prometheus, evaluated and judged."""

import hashlib
import logging
import math
import pickle
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from .deploys import World
from .etas import EtaErrors, eta_errors
from .incidents import incidents
from .judging import Kind, Score, judge
from .messages import Alertmanager
from .prometheus import Answer, Prometheus, samples_of, serving
from .recording import Recorded, record
from .remote_write import Labels, Samples
from .restarts import CASES, STALLED, Told, told
from .restarts import world as restarted
from .rules import Alert, Episode, Recording, episodes, read
from .worlds import world

ROOT: Final = Path(__file__).resolve().parents[2]
ALERTS: Final = ROOT / "deploy/prometheus/rules/planetscale-deploys.yml"
RECORDINGS: Final = ROOT / "deploy/prometheus/rules/planetscale-deploys-recording.yml"
ALERTMANAGER: Final = ROOT / "deploy/alertmanager/alertmanager.yml"
CACHE: Final = ROOT / "build/alert-quality"
STEP: Final = 60.0
"""Seconds between two scrapes and two evaluations."""
_OPERATION: Final = "organization, database, deploy_request, keyspace, table, operation, operation_id"
_RUNS: Final = f'max by ({_OPERATION}) (planetscale_deploy_operation_state{{state="in_progress"}}) == 1'
_PROGRESS: Final = "planetscale_deploy_operation_progress_percentage[30m]"
NAIVE: Final = {
    name: f"max by ({_OPERATION}) ({name.replace('progress[30m]', _PROGRESS, 1)}) and {_RUNS}"
    for name in ("changes(progress[30m]) == 0", "deriv(progress[30m]) <= 0")
}
"""What people write first, with `for: 5m`, beside the shipped rule for stalls."""


@dataclass(frozen=True)
class Case:
    """A world to judge rules on."""

    seed: int
    days: float
    program: Path
    rules: Path = ALERTS
    recordings: Path = RECORDINGS
    alertmanager: Path = ALERTMANAGER


@dataclass
class Outcome:
    """What came of it."""

    deploy_days: float
    scores: dict[Kind, Score]
    naive: dict[str, Score]
    etas: EtaErrors
    restarts: dict[str, Told]


def evaluate(case: Case) -> Outcome:
    """Judge a case's rules on its world, and on a stall through restarts."""
    made = world(case.seed, case.days)
    with _given(case, recorded_once(made, case)) as server:
        times = _times(made)
        answers = _recordings(server, read(case.recordings), made)
        fired = _alerts(server, _rules(case), made, times)
        messages = Alertmanager.read(case.alertmanager).messages(fired)
        return Outcome(
            made.deploy_days(),
            judge(incidents(made), fired, messages, made.span),
            {name: _naive(server, expr, made, times) for name, expr in NAIVE.items()},
            eta_errors(made, answers),
            {name: through_restarts(case, outage=outage) for name, outage in CASES.items()},
        )


def through_restarts(case: Case, *, outage: bool) -> Told:
    """How often one stall is told while the exporter is restarted."""
    made = restarted(case.seed, outage=outage)
    with _given(case, _recorded(made)) as server:
        fired = _alerts(server, _rules(case), made, _times(made))
    return told(Alertmanager.read(case.alertmanager).messages(fired))


@contextmanager
def _given(case: Case, recorded: dict[str, Recorded]) -> Iterator[Prometheus]:
    """A Prometheus with these samples."""
    with tempfile.TemporaryDirectory() as folder, serving(case.program, Path(folder)) as server:
        server.write(samples_of(recorded))
        yield server


def _rules(case: Case) -> list[Alert]:
    return [rule for rule in read(case.rules) if isinstance(rule, Alert)]


def _times(made: World) -> list[float]:
    """When rules are evaluated."""
    start = (made.span.start // STEP + 1) * STEP
    return [start + STEP * number for number in range(int((made.span.end - start) // STEP) + 1)]


def recorded_once(made: World, case: Case) -> dict[str, Recorded]:
    """What the exporter exposes in a world: from the cache, while neither of them has changed."""
    path = CACHE / _fingerprint() / f"{case.seed}-{case.days:g}.pickle"
    if path.exists():
        kept: dict[str, Recorded] = pickle.loads(path.read_bytes())  # noqa: S301 - our own file
        return kept
    recorded = _recorded(made)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(pickle.dumps(recorded))
    partial.replace(path)
    return recorded


def _recorded(made: World) -> dict[str, Recorded]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    return record(made, STEP, _is_wanted)


def _fingerprint() -> str:
    """Of all that a recording depends on: the exporter, and how worlds are made up and recorded."""
    here = Path(__file__).parent
    made_up = [here / f"{name}.py" for name in ("copies", "deploys", "lives", "recording", "server", "worlds")]
    digest = hashlib.sha256()
    for path in [*sorted((ROOT / "exporter").glob("**/*.py")), *made_up]:
        if path.parent.name not in {"simulator", "web", "settings"}:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _is_wanted(series: str) -> bool:
    """What rules may name; texts and the durations of requests are left out for their size."""
    name = series.partition("{")[0]
    texts = name.startswith("planetscale_deploy_") and name.endswith("_info")
    return name.startswith("planetscale_") and not texts and "api_request_duration" not in name


def _recordings(server: Prometheus, rules: Iterable[Alert | Recording], made: World) -> dict[str, list[Answer]]:
    """Evaluate recording rules in their order, each written back for those after it."""
    answers = {}
    for rule in rules:
        if isinstance(rule, Recording):
            answers[rule.name] = server.query(rule.expr, made.span, STEP)
            server.write(_written(rule.name, each) for each in answers[rule.name])
    return answers


def _alerts(server: Prometheus, alerts: Sequence[Alert], made: World, times: Sequence[float]) -> list[Episode]:
    """Evaluate alerting rules in their order; `ALERTS` is written back where a rule looks at it."""
    fired: list[Episode] = []
    looked_at = any("ALERTS" in alert.expr for alert in alerts)
    for alert in alerts:
        own = episodes(alert, server.query(alert.expr, made.span, STEP), times)
        fired.extend(own)
        if looked_at:
            server.write(_alert_series(each, times) for each in own)
    return fired


def _alert_series(episode: Episode, times: Sequence[float]) -> tuple[Labels, Samples]:
    labels = (*episode.labels, ("__name__", "ALERTS"), ("alertstate", "firing"))
    firing = [(round(at * 1000), 1.0) for at in times if episode.start <= at < episode.end]
    return labels, [*firing, (round(episode.end * 1000), math.nan)]


def _written(name: str, answer: Answer) -> tuple[Labels, Samples]:
    """A recorded series, with the marker that Prometheus writes where an evaluation brings it no more."""
    samples: Samples = []
    for at, value in answer.samples.items():
        if samples and round(at * 1000) - samples[-1][0] > STEP * 1000:
            samples.append((samples[-1][0] + round(STEP * 1000), math.nan))
        samples.append((round(at * 1000), value))
    samples.append((samples[-1][0] + round(STEP * 1000), math.nan))
    return (("__name__", name), *(pair for pair in answer.labels if pair[0] != "__name__")), samples


def _naive(server: Prometheus, expr: str, made: World, times: Sequence[float]) -> Score:
    alert = Alert(STALLED, expr, waits=300, labels=(("severity", "warning"),))
    fired = episodes(alert, server.query(expr, made.span, STEP), times)
    mine = [each for each in incidents(made) if (each.alert, each.severity) == (STALLED, "warning")]
    return judge(mine, fired, (), made.span).get((STALLED, "warning"), Score())
