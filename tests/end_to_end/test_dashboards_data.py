"""Every query of every dashboard, asked of a real Prometheus that scrapes the real demo as two replicas."""

import json
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from real import page_with

pytestmark = pytest.mark.real

ROOT = Path(__file__).parent.parent.parent
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in (ROOT / "grafana/dashboards").glob("*.json")}
PATIENCE = 300  # seconds until the demo has shown everything: deployments of all kinds must have ended
GRAFANAS = {
    "[$__interval]": "[10m]",
    "$__range:5m": "10m:1s",
    "$__range": "10m",
    "$__rate_interval": "10s",
    "$__interval_ms": "1000",
    "$__interval": "1s",
}
ANY = ("job", "instance", "organization", "database", "deploy_request")
# What is empty as long as all is well, or until something ends well, and says so.
WELL = {
    ("planetscale-history", "One deployed every"),
    ("planetscale-exporter", "Deploy requests that can't be polled"),
    ("planetscale-exporter", "Failed polls by reason"),
    ("planetscale-exporter", "Why polls fail"),
}
WELL_COLUMNS = {("planetscale-exporter", "Targets")}  # the first query has an answer, those about failures none
RULES = ROOT / "deploy/prometheus/rules"

Sample = dict[str, Any]
Ask = Callable[..., list[Sample]]


def free_port() -> int:
    """Find a port on which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def filled(expr: str) -> str:
    """Put in what Grafana puts in: its intervals, and All for every variable."""
    for name, value in GRAFANAS.items():
        expr = expr.replace(name, value)
    for name in ANY:
        expr = expr.replace(f"${name}", ".+")
    return expr


@pytest.fixture(scope="module", params=[False, True], ids=["older", "newer"])
def ask(
    request: pytest.FixtureRequest, program: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ask]:
    """Give `ask(expr, at)`: the samples of an instant query. Two scrape targets are one demo under two addresses."""
    folder = tmp_path_factory.mktemp("prometheus")
    demo, prometheus = free_port(), free_port()
    replicas = [f"127.0.0.1:{demo}", f"localhost:{demo}"]
    scrape = {"job_name": "planetscale-exporter", "static_configs": [{"targets": replicas}]}
    config = folder / "prometheus.yml"
    (folder / "rules").mkdir()
    for rules in RULES.iterdir():
        quick = rules.read_text().replace("interval: 1m", "interval: 5s").replace("offset 1m", "offset 5s")
        (folder / "rules" / rules.name).write_text(quick)
    intervals = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config.write_text(
        json.dumps({"global": intervals, "rule_files": [f"{folder}/rules/*.yml"], "scrape_configs": [scrape]})
    )
    commands = [
        [sys.executable, "-m", "exporter", "demo", "--web.listen-address", f":{demo}"],
        [
            str(program("prometheus", newer=request.param)),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{prometheus}",
        ],
    ]
    api = f"http://127.0.0.1:{prometheus}/api/v1/query"

    def ask(expr: str, at: float) -> list[Sample]:
        body = urllib.parse.urlencode({"query": filled(expr), "time": at}).encode()
        with urllib.request.urlopen(api, body, timeout=30) as answer:
            samples: list[Sample] = json.load(answer)["data"]["result"]
        return samples

    with ExitStack() as running:
        log = running.enter_context((folder / "log").open("wb+"))
        for command in commands:
            process = running.enter_context(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))
            running.callback(process.terminate)
        page_with(f"{api}?query=count(up%3D%3D1)", f'"{len(replicas)}"', tell=(folder / "log").read_text)
        yield ask


def asked(uid: str) -> Iterator[tuple[str, str, str]]:
    """Yield the panel, the letter and the expression of each query of a dashboard."""
    for each in DASHBOARDS[uid]["panels"]:
        for panel in (each, *each.get("panels", [])):
            for target in panel.get("targets", []):
                yield panel["title"], target["refId"], target["expr"]


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_every_query_has_an_answer(ask: Ask, uid: str) -> None:
    """Against the demo no query of any panel stays empty, but for what is empty when all is well."""
    missing = {
        (panel, letter): expr
        for panel, letter, expr in asked(uid)
        if (uid, panel) not in WELL and ((uid, panel) not in WELL_COLUMNS or letter == "A")
    }
    deadline = time.monotonic() + PATIENCE
    while missing and time.monotonic() < deadline:
        missing = {key: expr for key, expr in missing.items() if not ask(expr, time.time())}
        time.sleep(1)
    assert set(missing) == set()


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_annotations_can_be_asked_for(ask: Ask, uid: str) -> None:
    """Prometheus understands each; whether there is one depends on the moment."""
    for annotation in DASHBOARDS[uid]["annotations"]["list"]:
        ask(annotation["expr"], time.time())


@pytest.mark.parametrize("uid", ["planetscale-deploys", "planetscale-deploy-request"])
def test_replicas_draw_one_row(ask: Ask, uid: str) -> None:
    """Nothing on the dashboards of deploys tells two exporters of the same deploy requests apart."""
    for panel, letter, expr in asked(uid):
        for sample in ask(expr, time.time()):
            assert not {"job", "instance"} & set(sample["metric"]), (panel, letter)


def test_replicas_do_not_double_counts(ask: Ask) -> None:
    """A deploy request that two exporters report runs once."""
    now = time.time()
    tile = next(expr for panel, _, expr in asked("planetscale-deploys") if panel == "Running")
    running = 'planetscale_deploy_request_deployment_state{state=~"submitting|in_progress.*"} == 1'
    once, twice = f"count(count by (database, deploy_request) ({running}))", f"count({running})"
    assert ask(tile, now)[0]["value"][1] == ask(once, now)[0]["value"][1] != ask(twice, now)[0]["value"][1]


def wrong(ask: Ask, job: str = ".+") -> set[tuple[str, str]]:
    """Give what stands in the table of what is wrong: severities with their rank, and names of alerts."""
    table = next(expr for panel, _, expr in asked("planetscale-deploys") if panel == "What is wrong")
    rows = [row["metric"] for row in ask(table.replace("$job", job), time.time())]
    return {(row["severity"], row["alertname"]) for row in rows}


def test_what_is_wrong_are_the_alerts_that_fire(ask: Ask) -> None:
    """What the demo has in trouble soon after its start stands in the table, with the severity of its alert.

    A stall is none of it: the rules call it one only after half an hour that Prometheus has itself seen.
    """
    expected = {
        ("1 critical", "PlanetScaleDeployOperationErrored"),
        ("3 info", "PlanetScaleDeployRevertWindowOpen"),
    }
    deadline, seen = time.monotonic() + PATIENCE, wrong(ask)
    while not expected <= seen and time.monotonic() < deadline:
        time.sleep(1)
        seen |= wrong(ask)  # what is in trouble may be mended before the next one is
    assert expected - seen == set()
    assert not {alert for severity, alert in wrong(ask) if severity.startswith("0")}


def test_a_cause_has_one_row(ask: Ask) -> None:
    """No alert stands twice in the table for the same thing, whatever its severities."""
    table = next(expr for panel, _, expr in asked("planetscale-deploys") if panel == "What is wrong")
    about = ("alertname", "organization", "database", "deploy_request", "operation_id", "target")
    rows = [tuple(row["metric"].get(label) for label in about) for row in ask(table, time.time())]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("uid", ["planetscale-deploys", "planetscale-history"])
def test_silence_never_looks_like_health(ask: Ask, uid: str) -> None:
    """Where no exporter answers no tile that counts shows a zero."""
    for panel in DASHBOARDS[uid]["panels"]:
        if panel["type"] == "stat" and panel["fieldConfig"]["defaults"]["unit"] == "none":
            answer = ask(panel["targets"][0]["expr"].replace("$job", "nobody"), time.time())
            assert not [sample for sample in answer if sample["value"][1] == "0"], panel["title"]


def test_that_nothing_is_polled_is_the_first_row(ask: Ask) -> None:
    """Where no exporter answers, what is wrong says so."""
    assert ("0 critical", "NothingPolled") in wrong(ask, "nobody")
