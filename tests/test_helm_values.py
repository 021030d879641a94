"""The values of the Helm chart: typos are refused, and what is missing is asked for."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from chart import CHART, FULL, MINIMAL, Document, Helm

from exporter.settings.table import SETTINGS

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
# the chart sets these itself, or leaves them to what stands before the exporter
NOT_IN_VALUES = {"web.listen_address", "web.config_file", "web.webhook_secrets_file", "shard.count", "shard.index"}

Program = Callable[..., Path]


@pytest.fixture(params=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest, program: Program, tmp_path: Path) -> Helm:
    """Give one generation of Helm after the other."""
    return Helm(program(request.param), tmp_path)


def changed(path: str, value: object) -> Document:
    """Give the full values with one of them changed or added."""
    values: Document = json.loads(json.dumps(FULL))
    *way, last = path.split(".")
    place = values
    for name in way:
        place = place.setdefault(name, {})
    place[last] = value
    return values


@pytest.mark.real
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("replica", 2),
        ("replicas", 0),
        ("replicas", "two"),
        ("config.target", ["acme"]),
        ("config.targets", "acme"),
        ("config.poll.intervall", "30s"),
        ("config.poll.interval", "30 seconds"),
        ("config.api.service_token", "secret"),
        ("config.api.requests_per_minute", 0),
        ("config.metrics.ddl", "yes"),
        ("config.log.level", "loud"),
        ("config.web.listen_address", ":1"),
        ("config.shard", {"count": 2}),
        ("credentials.default.service_token_id", None),
        ("credentials.default.access_token", "both"),
        ("credentials.organisations", {}),
        ("credentials.organizations.initech.existingSecret.service_token", None),
        ("credentials.organizations.initech.existingSecret.access_token", "both"),
        ("credentials.organizations.initech.service_token", "both"),
        ("credentials.organizations.a/b", {"access_token": "token"}),
        ("image.digest", "sha256:0"),
        ("serviceMonitor.enable", True),
        ("serviceMonitor.interval", "often"),
        ("prometheusRule.grafanaUrl", "grafana.example.com"),
        ("dashboards.labels.grafana_dashboard", 1),
        ("podLabels.answer", 42),
        ("config.api.requests_per_minute", 2),
        ("webConfig.secret", "web"),
        ("serviceAccount.create", "yes"),
        ("networkPolicy.egress.rules", []),
        ("podDisruptionBudget.maxUnavailable", "half"),
        ("prometheusRule.alerts", {"PlanetScaleDeployOperationStalled": {"fro": "1h"}}),
        ("prometheusRule.alerts", {"PlanetScaleDeployOperationStalled": {"for": "an hour"}}),
        ("extraArgs", [1]),
    ],
)
def test_typos_and_wrong_values_are_refused(helm: Helm, path: str, value: object) -> None:
    """What the schema does not know stops the installation, with the place named."""
    done = helm.tried("template", "planetscale-exporter", CHART, values=changed(path, value))
    assert done.returncode != 0
    _, refused, wrong = done.stderr.partition("values don't meet the specifications of the schema")
    assert refused
    assert any(name in wrong for name in path.split("."))


@pytest.mark.real
@pytest.mark.parametrize(
    ("path", "value", "hint"),
    [
        ("image.repository", "", "image.repository: where"),
        ("config.targets", [], "config.targets: name at least one"),
        ("credentials", {}, "credentials: give"),
    ],
)
def test_what_must_be_given_is_asked_for(helm: Helm, path: str, value: object, hint: str) -> None:
    """An installation without image, targets or credentials fails and says what is missing."""
    values = json.loads(json.dumps(MINIMAL))
    section, _, name = path.partition(".")
    values[section] = {**values[section], name: value} if name else value
    done = helm.tried("template", "planetscale-exporter", CHART, values=values)
    assert done.returncode != 0
    assert hint in done.stderr


def test_the_schema_knows_exactly_the_settings() -> None:
    """Every setting of the exporter can be given in the values, but for those that are the chart's own."""
    config = SCHEMA["properties"]["config"]["properties"]
    given = {f"{section}.{name}" for section, of in config.items() for name in of.get("properties", ())} | {"targets"}
    assert given == SETTINGS.keys() - NOT_IN_VALUES
