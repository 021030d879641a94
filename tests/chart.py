"""What tests of the Helm chart share: Helm itself, values to install with, and what a pod is given."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from exporter.credentials import Credentials
from exporter.settings import Settings, load

CHART = Path(__file__).parents[1] / "deploy" / "helm" / "planetscale-exporter"
EXISTING = {
    "initech": {"id": "initech-id", "token": "initech-token"},
    "oauth": {"key": "umbrella-access"},
    "hooks": {"one": "s"},
}
POD_NAME = {"fieldRef": {"fieldPath": "metadata.name"}}

Document = dict[str, Any]

MINIMAL: Document = {
    "image": {"repository": "registry.example.com/planetscale-exporter"},
    "config": {"targets": ["acme"]},
    "credentials": {"default": {"service_token_id": "default-id", "service_token": "default-token"}},
}
FULL: Document = {
    "image": {**MINIMAL["image"], "digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "replicas": 3,
    "config": {
        "targets": ["acme", "initech/crm/42", "umbrella/web-*", "globex", "!acme/legacy-*"],
        "api": {"timeout": "15s", "max_response_bytes": 16777216},
        "poll": {"interval": 45, "stale_after": "1h30m"},
        "web": {"telemetry_path": "/other", "enable_lifecycle": True},
        "metrics": {"ddl": False, "max_operations": 10_000_000},
        "log": {"level": "debug", "format": "json"},
    },
    "credentials": {
        **MINIMAL["credentials"],
        "organizations": {
            "initech": {"existingSecret": {"name": "initech", "service_token_id": "id", "service_token": "token"}},
            "umbrella": {"existingSecret": {"name": "oauth", "access_token": "key"}},
            "globex": {"access_token": "globex-access"},
        },
    },
    "webhook": {"existingSecret": "hooks", "key": "one"},
    "commonLabels": {"example.com/owner": "databases"},
    "serviceMonitor": {
        "enabled": True,
        "namespace": "prometheus",
        "labels": {"release": "prometheus"},
        "annotations": {"example.com/note": "scraped"},
        "interval": "30s",
        "scrapeTimeout": "20s",
        "honorLabels": True,
        "scheme": "https",
        "tlsConfig": {"insecureSkipVerify": True},
        "basicAuth": {"username": {"name": "login", "key": "user"}, "password": {"name": "login", "key": "password"}},
        "relabelings": [{"targetLabel": "cluster", "replacement": "one"}],
        "metricRelabelings": [{"action": "labeldrop", "regex": "operation_id"}],
        "sampleLimit": 2_000_000,
    },
    "prometheusRule": {
        "enabled": True,
        "namespace": "prometheus",
        "labels": {"release": "prometheus"},
        "annotations": {"example.com/note": "evaluated"},
    },
    "dashboards": {"enabled": True, "namespace": "grafana", "annotations": {"grafana_folder": "PlanetScale"}},
    "extraArgs": ["--log.level=info"],
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}],
    "envFrom": [{"configMapRef": {"name": "proxies", "optional": True}}],
    "extraVolumes": [{"name": "authority", "configMap": {"name": "authority"}}],
    "extraVolumeMounts": [{"name": "authority", "mountPath": "/etc/authority"}],
    "initContainers": [{"name": "before", "image": "registry.example.com/before:1"}],
    "sidecars": [{"name": "beside", "image": "registry.example.com/beside:1"}],
    "startupProbe": {"httpGet": {"path": "/-/healthy", "port": "http"}, "failureThreshold": 30},
    "serviceAccount": {"name": "exporter", "annotations": {"example.com/role": "none"}},
    "service": {"labels": {"example.com/scraped": "yes"}, "annotations": {"example.com/note": "headless"}},
    "podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"},
    "networkPolicy": {
        "enabled": True,
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "prometheus"}}}],
        "egress": {"extra": [{"ports": [{"port": 3128, "protocol": "TCP"}]}]},
    },
    "podAnnotations": {"example.com/team": "data"},
    "podLabels": {"example.com/tier": "monitoring"},
    "priorityClassName": "high",
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "affinity": {"nodeAffinity": {}},
    "tolerations": [{"key": "monitoring", "operator": "Exists"}],
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "terminationGracePeriodSeconds": 20,
    "extraManifests": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}},
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: still-more}\n",
    ],
}


@dataclass(frozen=True)
class Helm:
    """One generation of Helm, with a folder for values."""

    program: Path
    folder: Path

    def tried(self, command: str, *words: str | Path, values: object = None) -> subprocess.CompletedProcess[str]:
        """Run one command with *values*, however it ends."""
        file = self.folder / "values.yaml"
        file.write_text(yaml.safe_dump(values or {}))
        given = [self.program, command, *words, *(("--values", file) if values is not None else ())]
        return subprocess.run(given, capture_output=True, text=True, check=False)

    def __call__(self, command: str, *words: str | Path, values: object = None) -> str:
        """Run one command, which must work, and give its output."""
        done = self.tried(command, *words, values=values)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def rendered(self, values: object, *, name: str = "planetscale-exporter", chart: Path = CHART) -> list[Document]:
        """Give the objects that an installation would create."""
        return [each for each in yaml.safe_load_all(self("template", name, chart, values=values)) if each]


def one(kind: str, documents: list[Document]) -> Document:
    """Give the first object of its kind."""
    return next(each for each in documents if each["kind"] == kind)


def pod(documents: list[Document]) -> Document:
    """Give the template of the pods."""
    return dict(one("StatefulSet", documents)["spec"]["template"])


def exporter(documents: list[Document]) -> Document:
    """Give the exporter's container."""
    return next(each for each in pod(documents)["spec"]["containers"] if each["name"] == "exporter")


def alerts(documents: list[Document]) -> list[Document]:
    """Give the alerts of every PrometheusRule."""
    return [
        rule
        for each in documents
        if each["kind"] == "PrometheusRule"
        for group in each["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


def mounted(documents: list[Document], folder: Path) -> Path:
    """Write what the kubelet would mount, with EXISTING as the Secrets that are there, and give the configuration."""
    secrets = {each["metadata"]["name"]: each["stringData"] for each in documents if each["kind"] == "Secret"}
    [volume] = [each for each in pod(documents)["spec"]["volumes"] if each["name"] == "config"]
    for source in volume["projected"]["sources"]:
        if "secret" in source:
            data = {**EXISTING, **secrets}[source["secret"]["name"]]
            files = {item["path"]: data[item["key"]] for item in source["secret"]["items"]}
        else:
            files = one("ConfigMap", documents)["data"]
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
    return folder


def read(documents: list[Document], folder: Path, pod_name: str) -> tuple[Settings, Credentials]:
    """Give settings and credentials as the exporter reads them in the pod of that name, with *folder* mounted."""
    container = exporter(documents)
    [mount] = [each for each in container["volumeMounts"] if each["name"] == "config"]
    environ = {
        each["name"]: pod_name
        if each.get("valueFrom") == POD_NAME
        else each["value"].replace(mount["mountPath"], str(folder))
        for each in container["env"]
    }
    return load([], environ)
