"""The alert and recording rules: loadable, tested one by one, and made of series that the exporter has."""

import os
import re
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.metrics.families import FAMILIES, OPERATION_LABELS, REQUEST_LABELS

ROOT = Path(__file__).parents[1]
PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTS = PROMETHEUS / "rules" / "planetscale-deploys.yml"
RECORDING = PROMETHEUS / "rules" / "planetscale-deploys-recording.yml"
CASES = sorted((ROOT / "tests" / "rules").glob("*.test.yaml"))
GENERATIONS = pytest.mark.parametrize("newer", [False, True], ids=["2.42", "3.x"])

Program = Callable[..., Path]


@cache
def rules(path: Path) -> list[dict[str, Any]]:
    """Every rule of a file, in order."""
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


@cache
def alert_checks() -> list[tuple[str, dict[str, Any]]]:
    """Every check of an alert, with the name of its case."""
    cases = [case for path in CASES for case in yaml.safe_load(path.read_text())["tests"]]
    return [(case["name"], check) for case in cases for check in case.get("alert_rule_test", ())]


def run(tool: Path, *arguments: str | Path) -> None:
    """Run promtool, and show all it says if it finds something."""
    seldom = {**os.environ, "GOGC": "400"}  # looking for garbage takes a fifth of its time
    done = subprocess.run([tool, *arguments], cwd=ROOT, env=seldom, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.real
@GENERATIONS
def test_rules_load(program: Program, newer: bool) -> None:
    """Both generations of Prometheus load the rules, and lint finds nothing."""
    run(program("promtool", newer=newer), "check", "rules", "--lint-fatal", ALERTS, RECORDING)


@pytest.mark.real
@GENERATIONS
def test_the_shipped_configuration_loads(program: Program, newer: bool) -> None:
    """Both generations of Prometheus load the shipped configuration with its rules."""
    run(program("promtool", newer=newer), "check", "config", PROMETHEUS / "prometheus.yml")


@pytest.mark.real
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name.split(".")[0])
@GENERATIONS
def test_rules_fire_when_they_must(program: Program, newer: bool, case: Path) -> None:
    """Alerts fire at the minute and with the words they must, and stay silent otherwise."""
    run(program("promtool", newer=newer), "test", "rules", case)


@pytest.mark.parametrize("rule", rules(ALERTS), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_every_alert_has_both_kinds_of_case(rule: dict[str, Any]) -> None:
    """Each alert and severity has a case in which it fires and one that is named for its silence."""
    name, severity = rule["alert"], rule["labels"]["severity"]
    of_it = [(case, check) for case, check in alert_checks() if check["alertname"] == name]
    fires = [
        alert
        for _, check in of_it
        for alert in check["exp_alerts"]
        if alert["exp_labels"]["severity"] == severity and alert["exp_annotations"].keys() == rule["annotations"].keys()
    ]
    silent = [
        case
        for case, check in of_it
        if "silent" in case
        and severity in case.split(":")[0]
        and all(alert["exp_labels"]["severity"] != severity for alert in check["exp_alerts"])
    ]
    assert fires, "no case fires"
    assert silent, "no case is named silent"


def test_cases_name_what_they_test() -> None:
    """A case that has alerts begins with the name of a rule and its severities."""
    known = {rule["alert"] for rule in rules(ALERTS)}
    for head in {name.split(":")[0] for name, _ in alert_checks()}:
        name, *severities = head.replace(" and ", " ").split()
        assert name in known, head
        assert severities, head
        assert set(severities) <= {"critical", "warning", "info"}, head


def families_named(text: str) -> set[str]:
    """The exporter's families in an expression or a page, without a histogram's endings."""
    names = re.findall(r"(?<![:\w])planetscale_(?:deploy|exporter)_\w+", text)
    return {re.sub(r"_bucket$|(?<=_seconds)_(?:sum|count)$", "", name) for name in names}


@pytest.mark.parametrize("path", [ALERTS, RECORDING], ids=lambda path: path.stem)
def test_rules_name_only_what_is_exported(path: Path) -> None:
    """Every series in an expression or an annotation is one of the exporter's."""
    exported = {family.name for family in FAMILIES}
    for rule in rules(path):
        text = "\n".join([rule["expr"], *rule.get("annotations", {}).values()])
        assert families_named(text) <= exported, rule.get("alert", rule.get("record"))
        assert families_named(rule["expr"]) or "record" in rule, "a rule about nothing"


@pytest.mark.parametrize("rule", rules(ALERTS), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_alerts_keep_only_identity(rule: dict[str, Any]) -> None:
    """What an expression aggregates by are identity labels, so that replicas never alert twice."""
    about_a_job = rule["alert"] == "PlanetScaleExporterShardMissing"
    allowed = {"job"} if about_a_job else {*OPERATION_LABELS, *REQUEST_LABELS, "target"}
    grouped = re.findall(r"\bby \(([^)]*)\)", rule["expr"])
    assert {label.strip() for labels in grouped for label in labels.split(",")} <= allowed
    assert about_a_job or not re.search(r"\b(job|instance|pod)\b", rule["expr"])


def test_windows_are_shorter_than_the_wait() -> None:
    """No sample that was seen once is carried on for as long as the rule waits: that would fire on it alone."""
    minutes = {"m": 1, "h": 60, "d": 1440}
    for rule in rules(ALERTS):
        if "for" in rule:
            wait = int(rule["for"][:-1]) * minutes[rule["for"][-1]]
            windows = re.findall(r"last_over_time\([^\[]+\[(\d+)m\]\)", rule["expr"])
            assert all(int(window) < wait for window in windows), rule["alert"]


def test_recording_rules_are_named_by_convention() -> None:
    """Recorded series are called level:metric:operation."""
    for rule in rules(RECORDING):
        assert re.fullmatch(r"[a-z_]+:planetscale_\w+:[a-z_]+", rule["record"])
