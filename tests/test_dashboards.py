"""The dashboards as they are committed: what Grafana's dashboard linter asks, and what it does not know."""

import importlib
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.models import units
from prometheus_client import REGISTRY

from exporter.metrics.families import FAMILIES
from exporter.planetscale.models import DeploymentState, OperationState

ROOT = Path(__file__).parent.parent
UIDS = ("planetscale-deploys", "planetscale-deploy-request", "planetscale-history", "planetscale-exporter")
DASHBOARDS = {uid: json.loads((ROOT / f"grafana/dashboards/{uid}.json").read_text()) for uid in UIDS}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
SUBJECTS = ("organization", "database", "deploy_request")
VALID_UNITS = {unit for name, unit in vars(units).items() if isinstance(unit, str) and not name.startswith("_")}
PROMETHEUS_OWN = {"ALERTS", "ALERTS_FOR_STATE"}
SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}")

Json = dict[str, Any]


def everything(uid: str) -> list[Json]:
    """Give all panels, those within collapsed rows behind their row."""
    return [panel for each in DASHBOARDS[uid]["panels"] for panel in (each, *each.get("panels", []))]


def panels(uid: str) -> list[Json]:
    """Give all panels but rows."""
    return [panel for panel in everything(uid) if panel["type"] != "row"]


def variables(uid: str) -> dict[str, Json]:
    """Give the template variables by name."""
    return {variable["name"]: variable for variable in DASHBOARDS[uid]["templating"]["list"]}


def every_panel() -> list[Any]:
    """Give a test parameter for each panel of each dashboard."""
    return [pytest.param(panel, id=f"{uid}: {panel['title']}") for uid in UIDS for panel in panels(uid)]


def exposed() -> set[str]:
    """Name all series that an exporter exposes, its client library's own included."""
    suffixes = {"histogram": ("_bucket", "_sum", "_count")}
    ours = {family.name + suffix for family in FAMILIES for suffix in suffixes.get(family.type, ("",))}
    return ours | {sample.name for metric in REGISTRY.collect() for sample in metric.samples}


@cache
def recorded() -> set[str]:
    """Name all series that the shipped recording rules write."""
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules/planetscale-deploys-recording.yml").read_text())
    return {rule["record"] for group in rules["groups"] for rule in group["rules"]}


def expressions(uid: str) -> Iterator[str]:
    """Yield every query: the panels', the annotations' and the variables'."""
    dashboard = DASHBOARDS[uid]
    yield from (target["expr"] for panel in panels(uid) for target in panel["targets"])
    yield from (annotation["expr"] for annotation in dashboard["annotations"]["list"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Give the import of a module of the generator."""
    monkeypatch.syspath_prepend(ROOT / "grafana")
    return importlib.import_module


def test_committed_dashboards_are_what_the_generator_makes(
    generator: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody has edited a dashboard by hand, or forgotten to write it anew."""
    assert generator("build").main(["--check"]) == 0
    assert capsys.readouterr().out == ""
    assert {path.stem for path in (ROOT / "grafana/dashboards").iterdir()} == set(UIDS)


def test_check_names_what_differs_and_writes_nothing(
    generator: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An edited, a missing and a left-over file each fail the check by name; writing mends all three."""
    build = generator("build")
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    assert build.main([]) == 0
    (tmp_path / "planetscale-deploys.json").write_text("{}")
    (tmp_path / "planetscale-exporter.json").unlink()
    (tmp_path / "left-over.json").write_text("{}")
    capsys.readouterr()
    assert build.main(["--check"]) == 1
    differing = re.findall(r"^([\w-]+)\.json: differs", capsys.readouterr().out, re.MULTILINE)
    assert differing == ["left-over", "planetscale-deploys", "planetscale-exporter"]
    assert build.main([]) == 0
    assert build.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("function", "arguments", "matchers"),
    [
        ("operation", ["progres_percentage"], {}),
        ("operation", ["progress_percentage", "shard"], {}),
        ("operation", ["state"], {"state": "in_progres"}),
        ("request", ["deployment_state"], {"state": "ready|reddy"}),
        ("request", ["up"], {"endpoint": "operations"}),
        ("shard", ["created_timestamp_seconds"], {}),
        ("own", ["poll_delay_seconds"], {}),
        ("process", ["process_resident_memory"], {}),
    ],
)
def test_a_name_that_is_not_exported_fails_the_build(
    generator: Callable[[str], ModuleType], function: str, arguments: list[str], matchers: dict[str, str]
) -> None:
    """A misspelt metric, label or state can't get into a dashboard."""
    with pytest.raises(KeyError):
        getattr(generator("queries"), function)(*arguments, **matchers)


def test_every_state_has_a_colour_of_its_own_meaning(generator: Callable[[str], ModuleType]) -> None:
    """Each state that the exporter knows is drawn, and failures are red."""
    colours = generator("states").colours
    assert set(colours(OperationState)) == set(OperationState)
    assert set(colours(DeploymentState)) == set(DeploymentState)
    red = {state for state, colour in colours(DeploymentState).items() if colour == generator("panels").BAD}
    assert red == {"complete_error", "complete_revert_error", "error"}


@pytest.mark.parametrize("uid", UIDS)
def test_a_dashboard_has_its_name_and_cannot_be_edited(uid: str) -> None:
    """The identity that links rely on, a question it answers, and no way to change what a file would undo."""
    dashboard = DASHBOARDS[uid]
    assert dashboard["uid"] == uid
    assert dashboard["editable"] is False
    assert dashboard["description"]
    assert dashboard["time"]["to"] == "now"
    assert dashboard["refresh"]


@pytest.mark.parametrize("uid", UIDS)
def test_the_data_source_is_a_variable(uid: str) -> None:
    """One variable chooses the Prometheus that everything asks."""
    sources = [variable for variable in variables(uid).values() if variable["type"] == "datasource"]
    assert [(source["name"], source["label"], source["query"]) for source in sources] == [
        ("datasource", "Data source", "prometheus")
    ]


@pytest.mark.parametrize("uid", UIDS)
@pytest.mark.parametrize("name", ["job", "instance", *SUBJECTS])
def test_variables_choose_any_number_and_reload_with_the_time_range(uid: str, name: str) -> None:
    """Each can be one, several or all, and knows what came or went since the page was opened."""
    variable = variables(uid)[name]
    assert variable["datasource"] == SOURCE
    assert variable["label"] == name.replace("_", " ").capitalize()
    one = uid == "planetscale-deploy-request" and name in SUBJECTS
    assert (variable["multi"], variable["includeAll"], variable.get("allValue")) == (
        (True, False, None) if one else (True, True, ".+")
    )
    assert variable["refresh"] == 2
    assert variable["query"]["query"].endswith(f", {name})")


@pytest.mark.parametrize("uid", UIDS)
def test_each_variable_offers_only_what_goes_with_the_ones_before(uid: str) -> None:
    """Databases are those of the chosen organizations, deploy requests those of the chosen databases."""
    query = variables(uid)["deploy_request"]["query"]["query"]
    assert 'organization=~"$organization"' in query
    assert 'database=~"$database"' in query


@pytest.mark.parametrize("panel", every_panel())
def test_a_panel_says_what_it_shows(panel: Json) -> None:
    """Title, description, a unit that Grafana knows, and words for when there is nothing to show."""
    defaults = panel["fieldConfig"]["defaults"]
    overrides = [
        setting["value"]
        for override in panel["fieldConfig"]["overrides"]
        for setting in override["properties"]
        if setting["id"] == "unit"
    ]
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert {defaults["unit"], *overrides} <= VALID_UNITS
    assert defaults["noValue"].strip()


@pytest.mark.parametrize("panel", every_panel())
def test_a_panel_asks_the_chosen_data_source(panel: Json) -> None:
    """It has queries, each by a letter of its own, and all go to the data source that the variable names."""
    targets = panel["targets"]
    assert panel["datasource"] == SOURCE
    assert targets
    assert [target["datasource"] for target in targets] == [SOURCE] * len(targets)
    assert len({target["refId"] for target in targets}) == len(targets)


@pytest.mark.parametrize("panel", every_panel())
def test_queries_honour_the_variables(panel: Json) -> None:
    """Every selector passes on which exporters and, where it has the label, which deploy requests are chosen."""
    labels = {family.name: family.labels for family in FAMILIES}
    for target in panel["targets"]:
        found = SELECTOR.findall(target["expr"])
        assert found
        for metric, matchers in found:
            if metric in PROMETHEUS_OWN:
                assert all(f'{label}=~"|${label}"' in matchers for label in SUBJECTS)
            elif metric in recorded():
                assert 'organization=~"$organization", database=~"$database"' in matchers
            else:
                for label in ("job", "instance", *(set(SUBJECTS) & set(labels.get(metric, ())))):
                    assert f'{label}=~"${label}"' in matchers


@pytest.mark.parametrize("panel", every_panel())
def test_rates_suit_the_resolution_and_counters_are_only_read_as_rates(panel: Json) -> None:
    """A rate's window is $__rate_interval; a counter or a bucket stands in a rate and nowhere else."""
    for target in panel["targets"]:
        expr = target["expr"]
        assert set(re.findall(r"\b(?:rate|irate|increase)\([^[]*\[([^]]*)\]", expr)) <= {"$__rate_interval"}
        counters = re.findall(r"(\w*\(?)\b\w+(?:_total|_bucket|_count|_sum)\{", expr)
        assert set(counters) <= {"rate("}


@pytest.mark.parametrize("uid", UIDS)
def test_panels_lie_side_by_side(uid: str) -> None:
    """No two panels share an identity or a place, and none sticks out of the grid."""
    assert len({panel["id"] for panel in everything(uid)}) == len(everything(uid))
    for together in (DASHBOARDS[uid]["panels"], *(row.get("panels", []) for row in DASHBOARDS[uid]["panels"])):
        apart([panel["gridPos"] for panel in together])


def apart(places: list[Json]) -> None:
    """Fail where two places overlap, or one sticks out."""
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


@pytest.mark.parametrize("uid", UIDS)
def test_only_what_is_exported_is_asked_for(uid: str) -> None:
    """Every name is of the exporter's table, of its client library, of a recording rule, or of Prometheus' alerts."""
    for expr in expressions(uid):
        named = {metric for metric, _ in SELECTOR.findall(expr)} | set(re.findall(r"[\w:]*planetscale_\w[\w:]*", expr))
        assert named <= exposed() | recorded() | PROMETHEUS_OWN, expr


@pytest.mark.parametrize("uid", UIDS)
def test_changes_of_state_are_marked_on_the_graphs(uid: str) -> None:
    """Annotations are on from the start, say what happened, and ask the chosen data source."""
    annotations = DASHBOARDS[uid]["annotations"]["list"]
    assert annotations
    for annotation in annotations:
        assert annotation["enable"] is True
        assert annotation["datasource"] == SOURCE
        assert annotation["titleFormat"]
        assert "{{" in annotation["textFormat"]


@pytest.mark.parametrize("uid", UIDS)
def test_a_dashboard_leads_to_the_others(uid: str) -> None:
    """The chosen time and variables go along."""
    links = DASHBOARDS[uid]["links"]
    assert {link["url"] for link in links} == {f"/d/{other}" for other in UIDS if other != uid}
    assert all(link["includeVars"] and link["keepTime"] for link in links)


def cells() -> Iterator[Any]:
    """Yield each table with links in its cells: the names of its columns, and the links."""
    for uid in UIDS:
        for panel in panels(uid):
            overrides = panel["fieldConfig"]["overrides"]
            names = {override["matcher"]["options"] for override in overrides}
            settings = [setting for override in overrides for setting in override["properties"]]
            links = [link for setting in settings if setting["id"] == "links" for link in setting["value"]]
            if links:
                yield pytest.param(names, links, id=f"{uid}: {panel['title']}")


@pytest.mark.parametrize(("columns", "links"), list(cells()))
def test_links_in_tables_lead_somewhere(columns: set[str], links: list[Json]) -> None:
    """A link goes to an address that is the cell's text, or to a dashboard with values of columns that are there."""
    for link in links:
        if not link["url"].startswith("/d/"):
            assert link["url"].count("${__value.raw}") == 1
            assert link["targetBlank"] is True
            continue
        assert re.match(r"/d/([\w-]+)\?", link["url"])[1] in UIDS  # type: ignore[index]
        used = re.findall(r"var-(\w+)=\$\{__data\.fields\.(\w+)\}", link["url"])
        assert {variable for variable, _ in used} == set(SUBJECTS)
        assert {column for _, column in used} <= columns
        assert link["url"].endswith("&${datasource:queryparam}&${__url_time_range}")


def luminance(colour: str) -> float:
    """Give the relative luminance of `#rrggbb`, as WCAG defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_what_is_written_on_a_colour_can_be_read(generator: Callable[[str], ModuleType]) -> None:
    """Grafana's near white holds a contrast of 4.5 to 1 to every state, and to every degree of trouble."""
    states, panel = generator("states"), generator("panels")
    used = {*states.OPERATION_COLOURS.values(), *states.DEPLOYMENT_COLOURS.values()}
    for colour in used | {panel.BAD, panel.WARNING, panel.NOTICE}:
        assert (luminance("#f7f8fa") + 0.05) / (luminance(colour) + 0.05) >= 4.5, colour


def alert_rules() -> list[Json]:
    """Give the shipped alert rules."""
    groups = yaml.safe_load((ROOT / "deploy/prometheus/rules/planetscale-deploys.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("uid", ["planetscale-deploys", "planetscale-deploy-request"])
def test_what_is_wrong_are_the_alerts_themselves(uid: str) -> None:
    """Every alert is shown with its rule's own words and a next step, and its runbook is one click away."""
    (table,) = [panel for panel in panels(uid) if panel["title"] == "What is wrong"]
    looks = {
        override["matcher"]["options"]: {setting["id"]: setting["value"] for setting in override["properties"]}
        for override in table["fieldConfig"]["overrides"]
    }
    words, steps = (looks[column]["mappings"][0]["options"] for column in ("What is wrong", "Next"))
    base = looks["Runbook"]["links"][0]["url"]
    for alert in {rule["alert"] for rule in alert_rules()}:
        rules = [rule for rule in alert_rules() if rule["alert"] == alert]
        assert words[alert]["text"] in {rule["annotations"]["summary"] for rule in rules}
        assert steps[alert]["text"]
        assert base.replace("${__value.raw}", alert) == rules[0]["annotations"]["runbook_url"]


@pytest.mark.parametrize("uid", UIDS)
def test_only_the_alert_rules_tell_a_stall(uid: str) -> None:
    """No board has a limit of its own on how long something may stand still."""
    for panel in panels(uid):
        for target in panel["targets"]:
            assert not re.search(r"last_advance_timestamp_seconds[^\n]*?[<>]=? *\d", target["expr"]), panel["title"]
        looks = {
            override["matcher"]["options"]: override["properties"] for override in panel["fieldConfig"]["overrides"]
        }
        assert "thresholds" not in {setting["id"] for setting in looks.get("Idle for", [])}


def test_nothing_reads_the_states_of_all_operations_over_time() -> None:
    """What every load of a board of many asks over time is counted by the exporter or recorded beforehand."""
    for uid in ("planetscale-deploys", "planetscale-history", "planetscale-exporter"):
        ranged = [target["expr"] for panel in panels(uid) for target in panel["targets"] if target.get("range")]
        for expr in (*ranged, *(mark["expr"] for mark in DASHBOARDS[uid]["annotations"]["list"])):
            assert not re.search(r"(?<![:\w])planetscale_deploy_(operation|request)_\w+\{", expr), expr
