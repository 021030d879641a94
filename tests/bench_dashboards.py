"""What a load of each dashboard costs a real Prometheus that holds six hours of 10,000 operations.

The history is written as OpenMetrics and imported by promtool, the recording rules are run over it, and every query of
a board is sent as Grafana sends it. Samples are those that Prometheus itself counts (`stats=all`).
"""

import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.request import urlopen

from exporter.metrics.exposition import Exposition
from exporter.metrics.families import FINISHED_RESULTS
from exporter.metrics.own import OwnSeries, live_registry
from exporter.polling.snapshot import Snapshot

ROOT: Final = Path(__file__).parent.parent
RULES: Final = ROOT / "deploy/prometheus/rules/planetscale-deploys-recording.yml"
SPAN: Final = 6 * 3600  # seconds
EVERY: Final = 1800  # seconds between samples: with a look-back as long, a query reads as many as if there were more
BLOCK: Final = 7200  # seconds that a block of Prometheus holds
STEP: Final = 60  # seconds, the finest of the boards' graphs
BOUNDS: Final = (
    *(f"{60.0 * minutes}" for minutes in (1, 5, 15, 30, 60, 120, 240, 480, 1440, 2880, 5760, 10080)),
    "+Inf",
)
TROUBLE: Final = 300  # alerts that fire
ONE: Final = {"organization": "acme", "database": "database-1", "deploy_request": "1"}


class Cost(NamedTuple):
    """What one load of a board costs; the seconds are Prometheus' processor time."""

    board: str
    queries: int
    failed: int
    samples: int
    size: int
    seconds: float


def costs(of: Snapshot, folder: Path = ROOT / "grafana/dashboards") -> Iterator[Cost]:
    """Yield the cost of each board in *folder* over a history of *of*; nothing where Prometheus is not installed."""
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        return
    with ExitStack() as running:
        data = Path(running.enter_context(tempfile.TemporaryDirectory()))
        now = int(time.time())
        ask = _prometheus(data, of, now, running)
        for path in sorted(folder.glob("*.json")):
            yield _load(path, ask, now)


def _prometheus(data: Path, of: Snapshot, now: int, running: ExitStack) -> Callable[[str, dict[str, Any]], bytes]:
    """Start one over the history until *now*; returns how to ask it."""
    history = data / "history.txt"
    with history.open("w") as file:
        file.writelines(_history(of, range(now - SPAN, now + 1, EVERY)))
    blocks = data / "blocks"
    _run("promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(history), str(blocks))
    history.unlink()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    config = data / "prometheus.yml"
    config.write_text("{}")
    base = f"http://127.0.0.1:{port}"
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={blocks}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", f"--query.lookback-delta={EVERY + STEP}s"]
    command += ["--storage.tsdb.retention.time=30d", "--log.level=error"]

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        for _ in range(300):
            try:
                urlopen(f"{base}/-/ready", timeout=5).close()  # noqa: S310 - of this machine
            except OSError:
                time.sleep(0.2)
            else:
                break
        return process

    process = start()
    # From the beginning of a block: promtool gives up where a first part of one is shorter than the interval.
    times = [f"--start={(now - SPAN) // BLOCK * BLOCK}", f"--end={now}", f"--eval-interval={EVERY}s"]
    _run(
        "promtool", "tsdb", "create-blocks-from", "rules", *times, f"--url={base}", f"--output-dir={blocks}", str(RULES)
    )
    process.terminate()
    process.wait()
    process = start()
    running.callback(process.wait)
    running.callback(process.terminate)

    def ask(path: str, values: dict[str, Any]) -> bytes:
        if not path:
            with urlopen(f"{base}/metrics", timeout=60) as page:  # noqa: S310 - likewise
                metrics: bytes = page.read()
            return metrics
        body = urllib.parse.urlencode(values | {"stats": "all", "timeout": "30s"}).encode()
        with urlopen(f"{base}/api/v1/{path}", body, timeout=60) as answer:  # noqa: S310 - likewise
            found: bytes = answer.read()
        return found

    return ask


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _history(of: Snapshot, times: range) -> Iterator[str]:
    """The page of *of* at each of *times*, a series at a time as promtool wants it, and alerts that fire."""
    own = OwnSeries(version="0", revision="0")
    page = Exposition(live_registry(float), own, ddl=True).render(of, "", "", ()).body.decode()
    where = 'job="planetscale-exporter",instance="localhost:10048"'
    for line in page.splitlines():
        if line.startswith("#"):
            continue
        name, value = line.rsplit(" ", 1)
        named = f"{name[:-1]},{where}}}" if name.endswith("}") else f"{name}{{{where}}}"
        yield from (f"{named} {value} {at}\n" for at in times)
    for number in range(1, TROUBLE + 1):
        labels = (
            f'alertname="PlanetScaleDeployOperationStalled",severity="warning",organization="acme",'
            f'database="database-{number % 40}",deploy_request="{number}",keyspace="commerce",'
            f'table="table_{number}_0",operation="ALTER",operation_id="{number * 7919:012x}"'
        )
        yield from (f'ALERTS{{alertstate="firing",{labels}}} 1 {at}\n' for at in times)
        yield from (f"ALERTS_FOR_STATE{{{labels}}} {times.start} {at}\n" for at in times)
    yield from _ends(of, times)
    yield "# EOF\n"


def _ends(of: Snapshot, times: range) -> Iterator[str]:
    """What the recording rules write where deployments end, of every database at each of *times*."""
    per_database = {
        "database_result:planetscale_deploy_requests_finished:increase": ("result", FINISHED_RESULTS),
        "database_le:planetscale_deploy_request_run_seconds_bucket:increase": ("le", BOUNDS),
        "database_le:planetscale_deploy_request_wait_seconds_bucket:increase": ("le", BOUNDS),
        "database:planetscale_deploy_request_run_seconds_sum:increase": ("", ("",)),
        "database:planetscale_deploy_request_wait_seconds_sum:increase": ("", ("",)),
    }
    for name, (label, values) in per_database.items():
        for organization, database in of.by_database:
            for value in values:
                labels = f'organization="{organization}",database="{database}"' + (f',{label}="{value}"' * bool(label))
                yield from (f"{name}{{{labels}}} 1 {at}\n" for at in times)


def _load(path: Path, ask: Callable[[str, dict[str, Any]], bytes], now: int) -> Cost:
    """Send every query of a board: of all that there is, but of one deploy request where the board is about one."""
    board = json.loads(path.read_text())
    chosen = ONE if path.stem == "planetscale-deploy-request" else {}
    window = {"start": now - SPAN, "end": now, "step": STEP}
    samples = size = failed = queries = 0
    before = _spent(ask)
    for expr, ranged in _queries(board):
        queries += 1
        values: dict[str, Any] = {"query": _filled(expr, chosen)} | (window if ranged else {"time": now})
        try:
            answer = ask("query_range" if ranged else "query", values)
        except OSError:
            failed += 1
        else:
            size += len(answer)
            found = re.search(rb'"totalQueryableSamples":(\d+)', answer)
            samples += int(found[1]) if found else 0
    return Cost(path.stem, queries, failed, samples, size, _spent(ask) - before)


def _spent(ask: Callable[[str, dict[str, Any]], bytes]) -> float:
    """The seconds of processor time that Prometheus has used so far."""
    found = re.search(rb"^process_cpu_seconds_total (\S+)", ask("", {}), re.MULTILINE)
    return float(found[1]) if found else 0.0


def _queries(board: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Each expression and whether it is asked over time; those of collapsed rows come only when they are opened."""
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"], bool(target.get("range"))
    for mark in board["annotations"]["list"]:
        yield mark["expr"], True


def _filled(expr: str, chosen: dict[str, str]) -> str:
    """Put in what Grafana puts in."""
    for name, value in {
        "$__rate_interval": "4m",
        "$__range": "6h",
        "$__interval_ms": "60000",
        "$__interval": "1m",
    }.items():
        expr = expr.replace(name, value)
    for name in ("job", "instance", "organization", "database", "deploy_request"):
        expr = re.sub(rf"\${name}\b", chosen.get(name, ".+"), expr)
    return expr
