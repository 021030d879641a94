"""The Helm chart, with both generations of Helm: what it renders is valid, confined, and what the exporter reads."""

import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from chart import CHART, FULL, MINIMAL, Helm, alerts, exporter, mounted, one, pod, read

from exporter.settings import Settings
from exporter.settings.tree import Files

ROOT = Path(__file__).parents[1]
RULES = ROOT / "deploy" / "prometheus" / "rules"
DASHBOARDS = ROOT / "grafana" / "dashboards"

Program = Callable[..., Path]


@pytest.fixture(params=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest, program: Program, tmp_path: Path) -> Helm:
    """Give one generation of Helm after the other."""
    return Helm(program(request.param), tmp_path)


@pytest.mark.real
@pytest.mark.parametrize("values", [None, MINIMAL, FULL], ids=["defaults", "minimal", "full"])
def test_lint_finds_nothing(helm: Helm, values: object) -> None:
    """Lint in its strict mode accepts the chart as it is and with everything set."""
    helm("lint", "--strict", CHART, values=values)


@pytest.mark.real
@pytest.mark.parametrize("version", ["1.25", "1.37"])
def test_kubernetes_accepts_every_object(helm: Helm, program: Program, version: str) -> None:
    """Every field of every object is one that old and new Kubernetes know."""
    file = helm.folder / "objects.yaml"
    for values in (MINIMAL, FULL):
        file.write_text(helm("template", "planetscale-exporter", CHART, values=values))
        command: list[str | Path] = [
            program("kubernetes-validate"),
            "--strict",
            "--quiet",
            "--kubernetes-version",
            version,
            file,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.real
def test_prometheus_operator_accepts_its_objects(helm: Helm, program: Program) -> None:
    """ServiceMonitor and PrometheusRule are what the definitions of Prometheus Operator allow."""
    file = helm.folder / "objects.yaml"
    file.write_text(helm("template", "planetscale-exporter", CHART, values=FULL))
    done = subprocess.run([program("crd-check"), file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.real
def test_a_package_holds_the_rules_and_the_dashboards(helm: Helm) -> None:
    """A packaged chart, away from the repository, brings the rules and the dashboards as they stand there."""
    helm("package", CHART, "--destination", helm.folder)
    [package] = helm.folder.glob("*.tgz")
    documents = helm.rendered(FULL, chart=package)
    rules = [each["spec"] for each in documents if each["kind"] == "PrometheusRule"]
    boards = {
        name: text
        for each in documents
        if "grafana_dashboard" in each["metadata"].get("labels", {})
        for name, text in each["data"].items()
    }
    assert rules == [yaml.safe_load(path.read_text()) for path in sorted(RULES.glob("*.yml"))]
    assert boards == {path.name: path.read_text() for path in DASHBOARDS.glob("*.json")}


@pytest.mark.real
def test_links_of_alerts_lead_where_the_values_say(helm: Helm) -> None:
    """Every alert links to the Grafana and the runbooks of the installation."""
    urls = {"grafanaUrl": "https://grafana.example.com", "runbooksUrl": "https://wiki.example.com/runbooks"}
    documents = helm.rendered({**MINIMAL, "prometheusRule": {"enabled": True, **urls}})
    assert alerts(documents)
    for alert in alerts(documents):
        assert alert["annotations"]["dashboard_url"].startswith("https://grafana.example.com/d/")
        assert alert["annotations"]["runbook_url"].startswith(f"https://wiki.example.com/runbooks/{alert['alert']}")


@pytest.mark.real
def test_the_exporter_reads_what_is_mounted(helm: Helm, tmp_path: Path) -> None:
    """Configuration and credentials of a rendered pod load, and say what the values said."""
    documents = helm.rendered(FULL)
    settings, credentials = read(documents, mounted(documents, tmp_path / "mount"), "planetscale-exporter-2")
    assert [target.text for target in settings.targets] == FULL["config"]["targets"]
    assert (settings.shard.index, settings.shard.count, settings.api.requests_per_minute) == (2, 3, 100)
    assert (settings.api.timeout, settings.api.max_response_bytes) == (15, 16777216)
    assert (settings.poll.interval, settings.poll.stale_after) == (45, 5400)
    assert (settings.web.telemetry_path, settings.web.enable_lifecycle) == ("/other", True)
    assert (settings.metrics.ddl, settings.metrics.max_operations) == (False, 10_000_000)
    assert settings.web.webhook_secrets_file == str(tmp_path / "mount" / "webhook" / "secrets")
    assert (settings.log.level, settings.log.format) == ("debug", "json")
    assert {name: credentials.authorization(name) for name in settings.organizations} == {
        "acme": "default-id:default-token",
        "initech": "initech-id:initech-token",
        "umbrella": "Bearer umbrella-access",
        "globex": "Bearer globex-access",
    }


@pytest.mark.real
def test_values_left_alone_are_the_exporters_defaults(helm: Helm, tmp_path: Path) -> None:
    """A minimal installation is one replica with every setting at its default."""
    documents = helm.rendered(MINIMAL)
    settings, _ = read(documents, mounted(documents, tmp_path / "mount"), "planetscale-exporter-0")
    paths = settings.api.model_dump(include=set(Files.model_fields))
    assert settings == Settings(targets=("acme",), api=paths)
    assert {each["kind"] for each in documents} == {
        "ConfigMap",
        "Pod",
        "Secret",
        "Service",
        "ServiceAccount",
        "StatefulSet",
    }


@pytest.mark.real
@pytest.mark.parametrize(("replicas", "share"), [(1, 300), (4, 75), (7, 42)])
def test_replicas_share_the_budget(helm: Helm, tmp_path: Path, replicas: int, share: int) -> None:
    """All replicas together take no more requests a minute than the values say, and each knows how many there are."""
    documents = helm.rendered({**MINIMAL, "replicas": replicas})
    folder = mounted(documents, tmp_path / "mount")
    each = [read(documents, folder, f"planetscale-exporter-{number}")[0] for number in range(replicas)]
    assert one("StatefulSet", documents)["spec"]["replicas"] == replicas
    assert [settings.shard.index for settings in each] == [*range(replicas)]
    assert {settings.shard.count for settings in each} == {replicas}
    assert {settings.api.requests_per_minute for settings in each} == {share}


@pytest.mark.real
def test_only_a_changed_configuration_restarts(helm: Helm) -> None:
    """A new setting makes new pods; a rotated token does not, since the exporter reads it by itself."""
    before = pod(helm.rendered(MINIMAL))
    rotated = {"default": {"service_token_id": "default-id", "service_token": "new"}}
    assert pod(helm.rendered({**MINIMAL, "credentials": rotated})) == before
    assert pod(helm.rendered({**MINIMAL, "config": {"targets": ["acme/shop"]}})) != before


@pytest.mark.real
def test_pods_meet_the_restricted_standard(helm: Helm) -> None:
    """Pods run without root, capabilities, a writable root, a way to gain rights, or a token for Kubernetes."""
    spec = pod(helm.rendered(FULL))["spec"]
    container = exporter(helm.rendered(FULL))
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert spec["automountServiceAccountToken"] is False
    assert container["livenessProbe"]["httpGet"]["path"] == "/-/healthy"
    assert container["readinessProbe"]["httpGet"]["path"] == "/-/ready"
    assert container["image"] == f"registry.example.com/planetscale-exporter@sha256:{'0' * 64}"


@pytest.mark.real
def test_the_service_monitor_finds_the_pods(helm: Helm) -> None:
    """ServiceMonitor selects the Service, which selects the pods, and scrapes where the exporter listens."""
    documents = helm.rendered(FULL)
    service, monitor = one("Service", documents), one("ServiceMonitor", documents)["spec"]
    container = exporter(documents)
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= pod(documents)["metadata"]["labels"].items()
    assert service["metadata"]["name"] == one("StatefulSet", documents)["spec"]["serviceName"]
    [endpoint], [port] = monitor["endpoints"], service["spec"]["ports"]
    assert (endpoint["port"], port["targetPort"]) == (port["name"], container["ports"][0]["name"])
    assert container["ports"][0]["containerPort"] == Settings().web.listen_address.port
    assert endpoint["path"] == FULL["config"]["web"]["telemetry_path"]


@pytest.mark.real
def test_a_long_name_leaves_room_for_kubernetes(helm: Helm) -> None:
    """A StatefulSet's name with the hash that Kubernetes adds fits into a label."""
    documents = helm.rendered(MINIMAL, name="a" * 53)
    assert len(one("StatefulSet", documents)["metadata"]["name"]) <= 63 - len("-0123456789")


def test_the_chart_has_the_version_of_the_exporter() -> None:
    """An installation without a tag takes the image of the version that the chart belongs to."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
