"""The measurement of the alerts: what it makes of copies, rules, routes and alerts."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alert_quality.copies import Copy, EtaKind, Hold, Interruption, work_out
from alert_quality.deploys import Incident, Span
from alert_quality.judging import judge
from alert_quality.messages import Alertmanager
from alert_quality.prometheus import Answer
from alert_quality.remote_write import write_request
from alert_quality.rules import Alert, Episode, episodes

SHIPPED = Path(__file__).parent.parent / "deploy/alertmanager/alertmanager.yml"
FAILED = "PlanetScaleDeployOperationErrored"


def fired(text: str, *, waits: float = 0, keeps: float = 0) -> list[tuple[float, float]]:
    """When an alert fires whose expression has an answer where there is an `x`, a character a minute."""
    answer = Answer((("table", "orders"),), {60.0 * at: 1.0 for at, mark in enumerate(text) if mark == "x"})
    times = [60.0 * at for at in range(len(text))]
    return [(each.start, each.end) for each in episodes(Alert("A", "", waits, keeps), [answer], times)]


def test_an_alert_fires_once_its_answer_has_lasted() -> None:
    """`for` counts from the first answer, and one that is missing sets it back."""
    assert fired("xx.xxx....", waits=120) == [(300, 360)]
    assert fired("xx.xx.", waits=120) == []


def test_an_alert_goes_on_for_a_while() -> None:
    """`keep_firing_for` counts from the first answer that is missing; one that comes in time goes on as the same."""
    assert fired("x..x.......", keeps=180) == [(0, 420)]
    assert fired("x....x.....", keeps=180) == [(0, 240), (300, 540)]


def episode(name: str, severity: str, start: float, end: float, **labels: str) -> Episode:
    """An alert that fires."""
    return Episode(tuple(sorted({"alertname": name, "severity": severity, **labels}.items())), start, end)


def test_one_cause_is_one_message() -> None:
    """Alerts of a group that come within its wait are told together; what is muted is not told."""
    labels = {"organization": "acme", "database": "shop", "deploy_request": "7"}
    both = [
        episode("PlanetScaleDeployCutoverDelayed", "warning", 0, 4000, **labels),
        episode("PlanetScaleDeployCutoverDelayed", "critical", 0, 4000, **labels),
    ]
    messages = Alertmanager.read(SHIPPED).messages(both)
    assert [[dict(each.labels)["severity"] for each in message.new] for message in messages] == [["critical"]]


def test_what_was_muted_meanwhile_is_no_news() -> None:
    """An alert that ends and comes again while it is muted is told once; one that was seen to end is told anew."""
    labels = {"organization": "acme", "database": "shop", "deploy_request": "7"}
    stale = episode("PlanetScaleExporterPollStale", "critical", 4000, 6000, **labels)

    def told(*times: tuple[float, float]) -> int:
        name = "PlanetScaleDeployCutoverExpiring"
        alerts = [episode(name, "critical", start, end, **labels) for start, end in times]
        messages = Alertmanager.read(SHIPPED).messages([*alerts, stale])
        return sum(each in message.new for message in messages for each in alerts)

    assert told((0, 9000)) == 1
    assert told((0, 5000), (5500, 9000)) == 1
    assert told((0, 2000), (3000, 9000)) == 2


def test_what_is_right_and_what_is_false() -> None:
    """An alert within its incident is right, its return a flap, one elsewhere false; the delay counts from the due."""
    incident = Incident(FAILED, "critical", 0, 100, 5000, "it", (("database", "shop"),))
    times = ((160, "shop"), (900, "shop"), (200, "till"))
    alerts = [episode(FAILED, "critical", start, start + 50, database=name) for start, name in times]
    score = judge([incident], alerts, [], Span(0, 9000))[FAILED, "critical"]
    assert (score.incidents, score.delays, score.flaps, len(score.false)) == (1, [60], 1, 1)


def test_a_copy_does_all_its_work() -> None:
    """A copy takes its time and what holds it up; a failover makes it begin anew."""

    def copy(*held: Interruption) -> Copy:
        return work_out(random.Random(1), 0, 1000, held, skew=1, eta=EtaKind.WHOLE)  # noqa: S311 - no secret

    assert copy().since(99) < copy().since(100) == pytest.approx(1000)
    plain, stalled = copy(), copy(Interruption(Hold.STALL, 400, 700))
    thrown = copy(Interruption(Hold.FAILOVER, 400, 700))
    assert plain.finish == pytest.approx(1000)
    assert stalled.work(400) == stalled.work(699) == pytest.approx(plain.work(400))
    assert (stalled.finish > 1100, thrown.work(401), thrown.finish > 1500) == (True, 0, True)
    assert [plain.seen(at).progress for at in (0, plain.finish)] == [0, 100]


def test_a_request_is_protobuf_in_snappy() -> None:
    """The bytes of one series with one sample, as protobuf's and Snappy's documents have them."""
    body = write_request([((("a", "b"),), [(1, 1.0)])])
    series = b"\x0a\x06\x0a\x01a\x12\x01b" + b"\x12\x0b\x09" + b"\x00" * 6 + b"\xf0\x3f" + b"\x10\x01"
    request = b"\x0a" + bytes([len(series)]) + series
    assert body == bytes([len(request)]) + b"\xf4" + bytes([len(request) - 1, 0]) + request


@pytest.mark.slow
@pytest.mark.real
def test_a_small_fleet_is_told_what_it_should_be(program: Callable[..., Path]) -> None:
    """`make alert-quality`, in short: nothing critical is false or missed, and naive rules are far worse."""
    command = (sys.executable, "-m", "alert_quality", "--seeds", "3", "--days", "0.25", "--jobs", "1")
    path = f"{program('prometheus').parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in done.stdout.splitlines()]
    alerts = {(row[0], row[1]): row for row in rows if len(row) > 6 and row[1] in {"critical", "warning", "info", "-"}}
    assert {float(row[6]) for (_, severity), row in alerts.items() if severity == "critical"} == {0.0}
    assert {tuple(row[1:]) for row in rows if row[0].startswith("three restarts")} == {("1", "1", "1")}
    told = [row for row in alerts.values() if row[2] != "0" and row[1] == "critical"]
    assert told
    assert {row[3] for row in told} == {"1.00"}
    naive, shipped = alerts["`changes(progress[30m]) == 0`", "-"], alerts["shipped", "warning"]
    assert float(naive[6]) > 10 * float(shipped[6]) + 100
