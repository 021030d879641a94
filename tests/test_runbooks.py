"""Runbooks, alerts and dashboards hold together: pages, links, queries and commands."""

import re
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.metrics.families import FAMILIES

ROOT = Path(__file__).parents[1]
RUNBOOKS = ROOT / "docs" / "runbooks"
TABLE = ROOT / "docs" / "alerts.md"
BASE = "https://github.com/planetscale-exporter/planetscale-exporter/blob/main/docs/runbooks"
GRAFANA = "http://localhost:3000"
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Remedy", "When to ignore"]
DASHBOARDS = {"planetscale-deploys", "planetscale-deploy-request", "planetscale-exporter"}
DEPLOY_REQUEST = {
    *("apply", "cancel", "close", "create", "deploy", "diff", "edit", "force-cutover", "list", "operations", "queue"),
    *("retry", "revert", "review", "show", "skip-revert", "storage-check", "throttler", "unblock"),
}


@cache
def alerting() -> list[dict[str, Any]]:
    """Every alerting rule."""
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules/planetscale-deploys.yml").read_text())
    return [rule for group in rules["groups"] for rule in group["rules"]]


@cache
def recorded() -> set[str]:
    """The names of the recorded series."""
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules/planetscale-deploys-recording.yml").read_text())
    return {rule["record"] for group in rules["groups"] for rule in group["rules"]}


def queries(page: str) -> list[str]:
    """The PromQL of a page: one query a line, indented lines belonging to the one before."""
    blocks = re.findall(r"```promql\n(.*?)```", page, re.DOTALL)
    return [query for block in blocks for query in re.split(r"\n(?! )", block.strip())]


NAMES = sorted({rule["alert"] for rule in alerting()})


def test_every_alert_has_its_page() -> None:
    """There is a page for each alert, none beside, and the index lists them all."""
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md") if path.name != "README.md") == NAMES
    assert sorted(re.findall(r"^- \[(\w+)\]\(\1\.md\): ", (RUNBOOKS / "README.md").read_text(), re.MULTILINE)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_pages_are_built_alike(name: str) -> None:
    """A page has the sections a tired person looks for, in order, with queries and commands to copy."""
    page = (RUNBOOKS / f"{name}.md").read_text()
    assert page.startswith(f"# {name}\n\n## Meaning\n")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == SECTIONS
    assert queries(page), "no query"
    assert "```sh\n" in page, "no command"


@pytest.mark.parametrize("name", NAMES)
def test_pages_name_only_what_exists(name: str) -> None:
    """Queries name exported or recorded series, and commands the sub-commands that pscale has."""
    page = (RUNBOOKS / f"{name}.md").read_text()
    series = set(re.findall(r"[a-z_:]*planetscale_[a-z_:]+", "\n".join(queries(page))))
    exported = {family.name for family in FAMILIES}
    assert {re.sub(r"_bucket$", "", each) for each in series} <= exported | recorded()
    for command in re.findall(r"pscale deploy-request ([a-z-]+)[^\n`]*", page):
        assert command in DEPLOY_REQUEST
    for line in re.findall(r"(pscale [^\n`]+)", page):
        assert line.endswith("--org ORG"), line


def test_links_between_pages_work() -> None:
    """Every relative link in the runbooks and the table of alerts leads to a file."""
    for page in (TABLE, *RUNBOOKS.glob("*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.real
def test_queries_parse(program: Callable[..., Path], tmp_path: Path) -> None:
    """Every query of a runbook is valid PromQL."""
    rules = [
        {"record": f"runbook:{name}:{index}", "expr": query}
        for name in NAMES
        for index, query in enumerate(queries((RUNBOOKS / f"{name}.md").read_text()))
    ]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))
    done = subprocess.run([program("promtool"), "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", alerting(), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_annotations_lead_on(rule: dict[str, Any]) -> None:
    """An alert has a fixed summary, its own runbook, and a dashboard that is shipped."""
    notes = rule["annotations"]
    assert notes.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
    assert notes["summary"].endswith(".")
    assert "{{" not in notes["summary"]
    assert notes["runbook_url"] == f"{BASE}/{rule['alert']}.md"
    found = re.match(re.escape(GRAFANA) + r"/d/([a-z-]+)(?:\?|$)", notes["dashboard_url"])
    assert found
    assert found[1] in DASHBOARDS


def test_dashboards_exist() -> None:
    """The dashboards that alerts lead to are files of that name and uid, with the variables that links fill."""
    for uid in {re.sub(r".*/d/([a-z-]+).*", r"\1", rule["annotations"]["dashboard_url"]) for rule in alerting()}:
        dashboard = yaml.safe_load((ROOT / "grafana" / "dashboards" / f"{uid}.json").read_text())
        variables = {each["name"] for each in dashboard["templating"]["list"]}
        links = "\n".join(rule["annotations"]["dashboard_url"] for rule in alerting() if f"/d/{uid}" in str(rule))
        assert dashboard["uid"] == uid
        assert set(re.findall(r"var-(\w+)=", links)) <= variables


def test_the_table_of_alerts_is_complete() -> None:
    """docs/alerts.md has one row for each alert, with each of its severities."""
    table = TABLE.read_text()
    for rule in alerting():
        (row,) = [line for line in table.splitlines() if line.startswith(f"| [{rule['alert']}](")]
        assert rule["labels"]["severity"] in row
