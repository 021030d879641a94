"""The Compose file brought up for real, all but Grafana."""

import json
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real import page_with, unavailable

pytestmark = pytest.mark.real

FILE = Path(__file__).parent.parent / "deploy/compose.yaml"
SERVICES = ("exporter", "prometheus", "alertmanager")  # with ports of their own
NO_CREDENTIALS = dict.fromkeys(("SERVICE_TOKEN_ID", "SERVICE_TOKEN", "ACCESS_TOKEN"), "")


def commands(program: Callable[..., Path]) -> tuple[list[str], list[str]]:
    """Give the commands that bring the services up and take them away.

    COMPOSE_UP and COMPOSE_DOWN name programs that stand in for Docker's own, called with the file and the services.
    """
    if "COMPOSE_UP" in os.environ:
        return [os.environ["COMPOSE_UP"], str(FILE), *SERVICES, "pager"], [os.environ["COMPOSE_DOWN"], str(FILE)]
    compose = [str(program("docker")), "compose", "--file", str(FILE)]
    if subprocess.run([*compose[:1], "info"], capture_output=True, check=False).returncode:
        unavailable("docker's daemon does not answer: start it")
    return [*compose, "up", "--detach", "--wait", *SERVICES, "pager"], [*compose, "down", "--volumes"]


@pytest.fixture(scope="module")
def addresses(program: Callable[..., Path]) -> Iterator[dict[str, str]]:
    """Bring the demo up under a project of its own, on free ports, and give the address of each service."""
    up, down = commands(program)
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        ports = {}
        for service, free in zip(SERVICES, (one, two, three), strict=True):
            free.bind(("127.0.0.1", 0))
            ports[service] = free.getsockname()[1]
    environment = {
        **os.environ,
        **{f"PLANETSCALE_{name}": value for name, value in NO_CREDENTIALS.items()},
        **{f"{service.upper()}_PORT": str(port) for service, port in ports.items()},
        "COMPOSE_PROJECT_NAME": "planetscale-exporter-test",
    }
    try:
        started = subprocess.run(up, env=environment, check=False, capture_output=True, text=True)
        assert started.returncode == 0, started.stderr
        yield {service: f"http://127.0.0.1:{port}" for service, port in ports.items()}
    finally:
        subprocess.run(down, env=environment, check=True, capture_output=True)


def test_prometheus_scrapes_the_demo(addresses: dict[str, str]) -> None:
    """The exporter in its container is a target that is up, and its operations arrive."""
    page_with(f"{addresses['exporter']}/metrics", "planetscale_deploy_operation_state{")
    query = f"{addresses['prometheus']}/api/v1/query?query=planetscale_deploy_operation_state"
    answer = json.loads(page_with(query, "deploy_request", seconds=90))
    assert {series["metric"]["job"] for series in answer["data"]["result"]} == {"planetscale-exporter"}


def test_prometheus_evaluates_the_shipped_rules(addresses: dict[str, str]) -> None:
    """Every alert of the rule files is loaded and healthy."""
    shipped = {
        name
        for file in (FILE.parent / "prometheus/rules").glob("*.yml")
        for name in re.findall(r"^\s*-?\s*alert: (\w+)", file.read_text(), re.MULTILINE)
    }
    answer = json.loads(page_with(f"{addresses['prometheus']}/api/v1/rules?type=alert", '"health":"ok"', seconds=90))
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == shipped != set()
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}


def test_prometheus_knows_its_alertmanager(addresses: dict[str, str]) -> None:
    """Alerts have somewhere to go: Prometheus found the Alertmanager, and that is ready."""
    page_with(f"{addresses['prometheus']}/api/v1/alertmanagers", "http://alertmanager:9093")
    page_with(f"{addresses['alertmanager']}/-/ready", "OK")


def test_a_page_arrives(addresses: dict[str, str]) -> None:
    """The demo's failing operation is told to the receiver of pages, as a webhook and as a chat message."""
    for integration in ("webhook", "slack"):
        delivered = re.compile(rf'alertmanager_notifications_total{{integration="{integration}"[^}}]*}} [1-9]')
        page = page_with(f"{addresses['alertmanager']}/metrics", delivered, seconds=150)
        failed = re.findall(rf'alertmanager_notifications_failed_total{{integration="{integration}".*}} (.*)', page)
        assert {float(count) for count in failed} == {0}
