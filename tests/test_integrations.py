"""What docs/integrations.md shows: the configurations are understood, and the mixin gives what the files say."""

import json
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from real import page_with

pytestmark = pytest.mark.real

ROOT = Path(__file__).parent.parent
RULES = ROOT / "deploy" / "prometheus" / "rules"
PAGE = (ROOT / "docs" / "integrations.md").read_text()

Program = Callable[..., Path]


def shown(name: str) -> Any:
    """Read the YAML that the page shows under that name."""
    [text] = re.findall(rf"```yaml\n# {re.escape(name)}\n(.*?)```", PAGE, re.DOTALL)
    return yaml.safe_load(text)


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(*command: str | Path) -> Iterator[None]:
    """Run a program for as long as the context lasts."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def evaluated(program: Program, expression: str) -> Any:
    """Evaluate Jsonnet with *mixin* bound to the shipped one."""
    snippet = f"local mixin = import '{ROOT}/mixin/mixin.libsonnet'; {expression}"
    done = subprocess.run([program("go-jsonnet"), "-e", snippet], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("field", "file"),
    [("prometheusAlerts", "planetscale-deploys.yml"), ("prometheusRules", "planetscale-deploys-recording.yml")],
)
def test_the_mixin_gives_the_rules(program: Program, field: str, file: str) -> None:
    """Alerts and recording rules of the mixin are those of the files, to the letter."""
    assert evaluated(program, f"mixin.{field}") == yaml.safe_load((RULES / file).read_text())


def test_the_mixin_gives_the_dashboards(program: Program) -> None:
    """Every dashboard is there under its file's name."""
    files = (ROOT / "grafana" / "dashboards").glob("*.json")
    assert evaluated(program, "mixin.grafanaDashboards") == {file.name: json.loads(file.read_text()) for file in files}


def test_the_mixins_links_can_be_changed(program: Program) -> None:
    """Links of every alert lead where the configuration says."""
    urls = "{ _config+:: { grafanaUrl: 'https://g.example.com', runbooksUrl: 'https://r.example.com' } }"
    groups = evaluated(program, f"(mixin + {urls}).prometheusAlerts")["groups"]
    for annotations in (rule["annotations"] for group in groups for rule in group["rules"]):
        assert annotations["dashboard_url"].startswith("https://g.example.com/d/")
        assert annotations["runbook_url"].startswith("https://r.example.com/")


def test_vmalert_understands_the_rules(program: Program) -> None:
    """Expressions and templates of every rule are valid for vmalert as well."""
    command: list[str | Path] = [program("vmalert", newer=True), "-dryRun", f"-rule={RULES}/*.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_collectors_scrapes_are_prometheus_scrapes(program: Program, tmp_path: Path) -> None:
    """What stands inside the OpenTelemetry Collector's receiver is a configuration that Prometheus accepts."""
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(shown("otelcol.yml")["receivers"]["prometheus"]["config"]))
    command: list[str | Path] = [program("promtool"), "check", "config", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(180)
def test_victoriametrics_stores_and_vmalert_records(program: Program, tmp_path: Path) -> None:
    """From the demo through vmagent into VictoriaMetrics, where vmalert's recording rules find their series."""
    exporter, store = free_port(), free_port()
    config = shown("vmagent.yml")
    config["global"]["scrape_interval"] = "1s"
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{exporter}"]
    (tmp_path / "vmagent.yml").write_text(yaml.safe_dump(config))
    url = f"http://127.0.0.1:{store}"
    agent, alert, server = (program(name, newer=True) for name in ("vmagent", "vmalert", "victoria-metrics"))
    demo = ROOT / ".venv" / "bin" / "planetscale-exporter"
    with ExitStack() as stack:
        started = (
            (demo, "demo", f"--web.listen-address=127.0.0.1:{exporter}"),
            (server, f"-storageDataPath={tmp_path / 'data'}", f"-httpListenAddr=127.0.0.1:{store}"),
            (
                agent,
                f"-promscrape.config={tmp_path / 'vmagent.yml'}",
                f"-remoteWrite.url={url}/api/v1/write",
                f"-remoteWrite.tmpDataPath={tmp_path / 'queue'}",
                f"-httpListenAddr=127.0.0.1:{free_port()}",
            ),
            (
                alert,
                f"-rule={RULES}/planetscale-deploys-recording.yml",
                f"-datasource.url={url}",
                f"-remoteWrite.url={url}",
                "-evaluationInterval=1s",
                "-datasource.queryStep=1m",
                f"-httpListenAddr=127.0.0.1:{free_port()}",
            ),
        )
        for command in started:
            stack.enter_context(running(*command))
        recorded = quote("operation:planetscale_deploy_operation_progress:ratio")
        page_with(
            f"{url}/api/v1/query?query=planetscale_deploy_operation_state&latency_offset=1s", '"table"', seconds=80
        )
        page_with(f"{url}/api/v1/query?query={recorded}&latency_offset=1s", '"table"', seconds=80)
