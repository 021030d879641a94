"""What installations change about the chart: where it is a part of another, alerts, names, certificates, networks."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from chart import CHART, FULL, MINIMAL, Document, Helm, alerts, exporter, one, pod

RULES = {**MINIMAL, "prometheusRule": {"enabled": True}}
STALLED = "PlanetScaleDeployOperationStalled"

Program = Callable[..., Path]


@pytest.fixture(params=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest, program: Program, tmp_path: Path) -> Helm:
    """Give one generation of Helm after the other."""
    return Helm(program(request.param), tmp_path)


def umbrella(folder: Path, **dependency: str) -> Path:
    """Write a chart that depends on this one."""
    chart = folder / "umbrella"
    shutil.copytree(CHART, chart / "charts" / "planetscale-exporter")
    (chart / "templates").mkdir()
    name = {"name": "planetscale-exporter", "version": "0.1.0", **dependency}
    about = {"apiVersion": "v2", "name": "umbrella", "version": "1.0.0", "dependencies": [name]}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about))
    return chart


def tuned(tuning: Document) -> Document:
    """Give values with tuned alerts."""
    return {**RULES, "prometheusRule": {"enabled": True, **tuning}}


@pytest.mark.real
@pytest.mark.parametrize("enabled", [True, False])
def test_another_chart_switches_it_on_and_off(helm: Helm, tmp_path: Path, enabled: bool) -> None:
    """A condition among its values, and values for all charts, are no mistakes in a dependency."""
    chart = umbrella(tmp_path, condition="planetscale-exporter.enabled")
    values = {"planetscale-exporter": {**MINIMAL, "enabled": enabled}, "global": {"domain": "example.com"}}
    helm("lint", "--strict", chart, values=values)
    assert [each["kind"] for each in helm.rendered(values, chart=chart)].count("StatefulSet") == int(enabled)


@pytest.mark.real
def test_a_dependency_that_is_off_asks_for_nothing(helm: Helm, tmp_path: Path) -> None:
    """An umbrella that leaves it off needs none of the values that it cannot do without."""
    chart = umbrella(tmp_path, condition="planetscale-exporter.enabled")
    assert helm.rendered({"planetscale-exporter": {"enabled": False}}, chart=chart) == []


@pytest.mark.real
def test_two_of_it_under_other_names(helm: Helm, tmp_path: Path) -> None:
    """An alias in another chart is part of every name."""
    chart = umbrella(tmp_path, alias="second")
    assert (
        one("StatefulSet", helm.rendered({"second": MINIMAL}, name="r", chart=chart))["metadata"]["name"] == "r-second"
    )


@pytest.mark.real
@pytest.mark.parametrize("part", ["prometheusRule", "dashboards"])
def test_a_chart_without_its_files_fails(helm: Helm, tmp_path: Path, part: str) -> None:
    """A chart whose rules or dashboards got lost says so, instead of installing none."""
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart, ignore=shutil.ignore_patterns("files"))
    shutil.copytree(CHART / "files", chart / "files", ignore=shutil.ignore_patterns("*.yml", "*.json"))
    done = helm.tried("template", "x", chart, values={**MINIMAL, part: {"enabled": True}})
    assert done.returncode != 0
    assert "the chart came without these files" in done.stderr


def test_the_chart_has_no_links() -> None:
    """Every file is one, for some archives leave links out."""
    assert [path for path in CHART.rglob("*") if path.is_symlink()] == []


def test_the_copies_are_up_to_date() -> None:
    """Rules, dashboards and README are what `make chart` writes."""
    command = [sys.executable, str(CHART.parents[2] / "tools" / "build_chart.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize(("path", "code", "told"), [("/", 0, ""), ("/no-such-file", 1, "404")])
def test_the_test_of_an_installation_can_fail(tmp_path: Path, path: str, code: int, told: str) -> None:
    """What `helm test` runs ends well where each address answers 200, and else names the one that does not."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}{path}"
    script = (CHART / "files" / "test.py").read_text()
    done = subprocess.run([sys.executable, "-c", script, "0", url], capture_output=True, text=True, check=False)
    server.shutdown()
    server.server_close()
    assert (done.returncode, done.stderr, done.stdout) == (code, "", f"{url}: {told}\n" if told else "")


@pytest.mark.real
def test_an_alert_is_switched_off(helm: Helm) -> None:
    """The named alert is gone, and no other."""
    before = [each["alert"] for each in alerts(helm.rendered(RULES))]
    after = [each["alert"] for each in alerts(helm.rendered(tuned({"alerts": {STALLED: {"enabled": False}}})))]
    assert STALLED in before
    assert after == [name for name in before if name != STALLED]


@pytest.mark.real
def test_an_alert_is_tuned_and_its_text_stays(helm: Helm) -> None:
    """Severity, times, expression, labels and annotations are replaced; templates of the others pass through."""
    given = {
        "severity": "page",
        "for": "7m",
        "keepFiringFor": "9m",
        "expr": "vector(1)",
        "labels": {"team": "data"},
        "annotations": {"summary": "Look at {{ $labels.database }}."},
    }
    name = "PlanetScaleDeployOperationErrored"
    documents = helm.rendered(tuned({"additionalRuleLabels": {"cluster": "one"}, "alerts": {name: given}}))
    [plain] = [each for each in alerts(helm.rendered(RULES)) if each["alert"] == name]
    [rule] = [each for each in alerts(documents) if each["alert"] == name]
    assert rule["labels"] == {"severity": "page", "team": "data", "cluster": "one"}
    assert (rule["for"], rule["keep_firing_for"], rule["expr"]) == ("7m", "9m", "vector(1)")
    assert rule["annotations"] == {**plain["annotations"], "summary": "Look at {{ $labels.database }}."}
    assert "{{ $labels.database }}" in plain["annotations"]["description"]
    assert all(each["labels"]["cluster"] == "one" for each in alerts(documents))


@pytest.mark.real
def test_one_severity_of_an_alert_is_switched_off(helm: Helm) -> None:
    """A name with its severity means that one alone, and comes before what the name alone says."""
    tuning = {STALLED: {"enabled": False}, f"{STALLED}/critical": {"enabled": True}}
    left = [each for each in alerts(helm.rendered(tuned({"alerts": tuning}))) if each["alert"] == STALLED]
    assert [each["labels"]["severity"] for each in left] == ["critical"]


@pytest.mark.real
@pytest.mark.parametrize("name", ["PlanetScaleDeployOperationStaled", f"{STALLED}/info"])
def test_an_alert_that_does_not_exist_is_refused(helm: Helm, name: str) -> None:
    """A misspelt alert would stay on without a word."""
    done = helm.tried("template", "x", CHART, values=tuned({"alerts": {name: {"enabled": False}}}))
    assert done.returncode != 0
    assert f"there is no alert {name}" in done.stderr


@pytest.mark.real
def test_recording_rules_can_be_left_out(helm: Helm) -> None:
    """Without them no empty object and no empty group is left."""
    documents = helm.rendered(tuned({"recording": False}))
    groups = [group for each in documents if each["kind"] == "PrometheusRule" for group in each["spec"]["groups"]]
    assert all("alert" in rule for group in groups for rule in group["rules"])
    assert groups
    assert all(group["rules"] for group in groups)


@pytest.mark.real
@pytest.mark.parametrize(("replicas", "budget"), [(4, 3), (15, 14), (301, 300)])
def test_a_budget_of_zero_for_a_replica_is_refused(helm: Helm, replicas: int, budget: int) -> None:
    """Each replica needs a request a minute at least, and one less is refused while just enough is not."""
    values = {**MINIMAL, "replicas": replicas, "config": {"targets": ["acme"], "api": {"requests_per_minute": budget}}}
    done = helm.tried("template", "x", CHART, values=values)
    assert done.returncode != 0
    assert "requests_per_minute" in done.stderr
    values["replicas"] = budget
    helm.rendered(values)


@pytest.mark.real
def test_names_and_namespaces_are_overridden(helm: Helm) -> None:
    """Name, labels and namespace of every object follow the values."""
    names = {"nameOverride": "watcher", "fullnameOverride": "the-watcher", "namespaceOverride": "elsewhere"}
    documents = helm.rendered({**MINIMAL, **names, "commonLabels": {"team": "data"}})
    assert {each["metadata"]["namespace"] for each in documents} == {"elsewhere"}
    assert all(each["metadata"]["name"].startswith("the-watcher") for each in documents)
    assert all(each["metadata"]["labels"]["team"] == "data" for each in documents)
    assert pod(documents)["metadata"]["labels"]["app.kubernetes.io/name"] == "watcher"


@pytest.mark.real
def test_the_registry_of_all_charts_comes_first(helm: Helm) -> None:
    """Global values choose registry and pull secrets for the whole umbrella."""
    values = {**MINIMAL, "global": {"imageRegistry": "mirror.example.com", "imagePullSecrets": [{"name": "all"}]}}
    values |= {"image": {"registry": "ghcr.io", "repository": "a/b", "tag": "1"}, "imagePullSecrets": [{"name": "own"}]}
    documents = helm.rendered(values)
    assert exporter(documents)["image"] == "mirror.example.com/a/b:1"
    assert pod(documents)["spec"]["imagePullSecrets"] == [{"name": "all"}, {"name": "own"}]


@pytest.mark.real
def test_certificates_turn_probes_and_scrapes_to_https(helm: Helm) -> None:
    """A web configuration from a Secret is mounted whole and named in the settings; who asks speaks TLS."""
    values = {**MINIMAL, "webConfig": {"existingSecret": "web"}, "serviceMonitor": {"enabled": True}}
    documents = helm.rendered(values)
    container = exporter(documents)
    [volume] = [each for each in pod(documents)["spec"]["volumes"] if each["name"] == "web"]
    [mount] = [each for each in container["volumeMounts"] if each["name"] == "web"]
    config = yaml.safe_load(one("ConfigMap", documents)["data"]["config.yml"])
    assert volume["secret"] == {"secretName": "web"}
    assert config["web"]["config_file"] == f"{mount['mountPath']}/web-config.yml"
    assert {container[probe]["httpGet"]["scheme"] for probe in ("livenessProbe", "readinessProbe")} == {"HTTPS"}
    assert one("ServiceMonitor", documents)["spec"]["endpoints"][0]["scheme"] == "https"
    assert one("Pod", documents)["spec"]["containers"][0]["args"][2].startswith("https://")


@pytest.mark.real
def test_passwords_alone_leave_it_at_http(helm: Helm) -> None:
    """A web configuration without certificates changes no scheme."""
    documents = helm.rendered({**MINIMAL, "webConfig": {"existingSecret": "web", "tls": False}})
    assert "scheme" not in exporter(documents)["livenessProbe"]["httpGet"]


@pytest.mark.real
def test_probes_are_changed_and_removed(helm: Helm) -> None:
    """Values merge into a probe, and null removes it."""
    documents = helm.rendered({**MINIMAL, "livenessProbe": {"periodSeconds": 3}, "readinessProbe": None})
    container = exporter(documents)
    assert container["livenessProbe"]["periodSeconds"] == 3
    assert container["livenessProbe"]["httpGet"]["path"] == "/-/healthy"
    assert "readinessProbe" not in container


@pytest.mark.real
def test_what_is_added_is_there(helm: Helm) -> None:
    """Arguments, variables, containers, constraints, policies and whole objects of the values reach the objects."""
    documents = helm.rendered(FULL)
    spec, container = pod(documents)["spec"], exporter(documents)
    [spread] = spec["topologySpreadConstraints"]
    assert container["args"] == FULL["extraArgs"]
    assert container["envFrom"] == FULL["envFrom"]
    assert [each["name"] for each in spec["initContainers"]] == ["before"]
    assert [each["name"] for each in spec["containers"]] == ["exporter", "beside"]
    assert spread["labelSelector"]["matchLabels"].items() <= pod(documents)["metadata"]["labels"].items()
    assert one("PodDisruptionBudget", documents)["spec"]["maxUnavailable"] == "50%"
    assert {"planetscale-exporter-more", "still-more"} <= {each["metadata"]["name"] for each in documents}
    assert (spec["serviceAccountName"], one("ServiceAccount", documents)["metadata"]["name"]) == ("exporter",) * 2


@pytest.mark.real
def test_the_network_policy_lets_in_scrapes_and_tests(helm: Helm) -> None:
    """Given peers and the chart's own test reach the port; DNS, HTTPS and given rules leave."""
    documents = helm.rendered(FULL)
    policy = one("NetworkPolicy", documents)["spec"]
    [ingress] = policy["ingress"]
    assert policy["podSelector"]["matchLabels"].items() <= pod(documents)["metadata"]["labels"].items()
    assert ingress["from"][0] == FULL["networkPolicy"]["from"][0]
    test = ingress["from"][1]["podSelector"]["matchLabels"]
    assert test.items() <= one("Pod", documents)["metadata"]["labels"].items()
    assert [port["port"] for rule in policy["egress"] for port in rule["ports"]] == [53, 53, 443, 3128]


@pytest.mark.real
def test_an_existing_service_account_is_used(helm: Helm) -> None:
    """With creation off, nothing is made and the named one runs the pods."""
    documents = helm.rendered({**MINIMAL, "serviceAccount": {"create": False, "name": "there"}})
    assert pod(documents)["spec"]["serviceAccountName"] == "there"
    assert "ServiceAccount" not in {each["kind"] for each in documents}
