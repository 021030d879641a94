"""The table of families against the contract, and what each family makes of an answer."""

import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from snapshots import POLLED_AT, known, snapshot, status

from exporter.metrics import families
from exporter.metrics.exposition import Exposition
from exporter.planetscale.models import DeploymentState
from exporter.polling.snapshot import DeployRequestStatus, Key, Moment, Part, Snapshot, TargetStatus

KEY = Key("acme", "shop", 41)
PAYLOADS = Path(__file__).parent / "payloads"

REQUEST = ("organization", "database", "deploy_request")
OPERATION = (*REQUEST, "keyspace", "table", "operation", "operation_id")
EXPECTED = {
    "planetscale_deploy_operation_state": ("gauge", (*OPERATION, "state")),
    "planetscale_deploy_operation_progress_percentage": ("gauge", OPERATION),
    "planetscale_deploy_operation_eta_seconds": ("gauge", OPERATION),
    "planetscale_deploy_operation_created_timestamp_seconds": ("gauge", OPERATION),
    "planetscale_deploy_operation_updated_timestamp_seconds": ("gauge", OPERATION),
    "planetscale_deploy_operation_throttled_timestamp_seconds": ("gauge", OPERATION),
    "planetscale_deploy_operation_last_advance_timestamp_seconds": ("gauge", OPERATION),
    "planetscale_deploy_operation_can_drop_data": ("gauge", OPERATION),
    "planetscale_deploy_operation_table_locked": ("gauge", OPERATION),
    "planetscale_deploy_operation_table_recently_used": ("gauge", OPERATION),
    "planetscale_deploy_operation_table_recently_used_timestamp_seconds": ("gauge", OPERATION),
    "planetscale_deploy_operation_removed_foreign_keys": ("gauge", OPERATION),
    "planetscale_deploy_operation_failed": ("gauge", OPERATION),
    "planetscale_deploy_operation_info": (
        "gauge",
        (*OPERATION, "ddl_statement", "deploy_errors", "deploy_error_docs_url"),
    ),
    "planetscale_deploy_operation_shard_state": ("gauge", (*OPERATION, "shard", "state")),
    "planetscale_deploy_operation_shard_progress_percentage": ("gauge", (*OPERATION, "shard")),
    "planetscale_deploy_operation_shard_eta_seconds": ("gauge", (*OPERATION, "shard")),
    "planetscale_deploy_request_up": ("gauge", REQUEST),
    "planetscale_deploy_request_last_success_timestamp_seconds": ("gauge", REQUEST),
    "planetscale_deploy_request_deployment_state": ("gauge", (*REQUEST, "state")),
    "planetscale_deploy_request_info": ("gauge", (*REQUEST, "branch", "into_branch", "html_url", "strategy")),
    "planetscale_deploy_request_created_timestamp_seconds": ("gauge", REQUEST),
    "planetscale_deploy_request_queued_timestamp_seconds": ("gauge", REQUEST),
    "planetscale_deploy_request_started_timestamp_seconds": ("gauge", REQUEST),
    "planetscale_deploy_request_finished_timestamp_seconds": ("gauge", REQUEST),
    "planetscale_deploy_request_ready_to_cutover_timestamp_seconds": ("gauge", REQUEST),
    "planetscale_deploy_request_auto_cutover": ("gauge", REQUEST),
    "planetscale_deploy_request_cutover_expiring": ("gauge", REQUEST),
    "planetscale_deploy_request_queue_paused": ("gauge", REQUEST),
    "planetscale_deploy_request_table_locked": ("gauge", REQUEST),
    "planetscale_deploy_request_approved": ("gauge", REQUEST),
    "planetscale_deploy_request_instant_ddl": ("gauge", REQUEST),
    "planetscale_deploy_request_queue_position": ("gauge", REQUEST),
    "planetscale_deploy_request_throttle_ratio": ("gauge", (*REQUEST, "keyspace")),
    "planetscale_deploy_request_revert_window_end_timestamp_seconds": ("gauge", REQUEST),
    "planetscale_database_up": ("gauge", REQUEST[:2]),
    "planetscale_database_open_deploy_requests": ("gauge", (*REQUEST[:2], "deployment_state")),
    "planetscale_deploy_requests_finished_total": ("counter", (*REQUEST[:2], "result")),
    "planetscale_deploy_request_run_seconds": ("histogram", REQUEST[:2]),
    "planetscale_deploy_request_wait_seconds": ("histogram", REQUEST[:2]),
    "planetscale_exporter_target_up": ("gauge", ("target",)),
    "planetscale_exporter_deploy_requests": ("gauge", ()),
    "planetscale_exporter_operations": ("gauge", ()),
    "planetscale_exporter_build_info": ("gauge", ("version", "revision", "python_version")),
    "planetscale_exporter_api_requests_total": ("counter", ("endpoint", "code")),
    "planetscale_exporter_api_request_duration_seconds": ("histogram", ("endpoint",)),
    "planetscale_exporter_api_budget_requests_per_minute": ("gauge", ()),
    "planetscale_exporter_api_budget_wait_seconds_total": ("counter", ()),
    "planetscale_exporter_poll_failures_total": ("counter", ("reason",)),
    "planetscale_exporter_operations_skipped_total": ("counter", ("reason",)),
    "planetscale_exporter_poll_delay_seconds": ("histogram", ()),
    "planetscale_exporter_webhooks_total": ("counter", ("event", "result")),
    "planetscale_exporter_config_last_reload_successful": ("gauge", ()),
    "planetscale_exporter_config_last_reload_success_timestamp_seconds": ("gauge", ()),
    "planetscale_exporter_shard_index": ("gauge", ()),
    "planetscale_exporter_shard_count": ("gauge", ()),
}

Samples = dict[tuple[tuple[str, str], ...], float]


def page(of: Snapshot, *, ddl: bool = True) -> dict[str, Samples]:
    """Scrape a snapshot; give each family's samples, those without labels beyond the deploy request's under ()."""
    body = Exposition(CollectorRegistry(), ddl=ddl).render(of, "", "", ()).body.decode()
    identity = {"organization", "database", "deploy_request", "keyspace", "table", "operation", "operation_id"}
    return {
        family.name: {
            tuple(sorted((name, value) for name, value in sample.labels.items() if name not in identity)): sample.value
            for sample in family.samples
        }
        for family in text_string_to_metric_families(body)
    }


def operation(**fields: Any) -> dict[str, Samples]:
    """Scrape one operation with these fields."""
    return page(snapshot(status(KEY, {"operations": {"data": [{"id": "a", "state": "queued", **fields}]}})))


def deployment(**fields: Any) -> dict[str, Samples]:
    """Scrape one deploy request whose deployment has these fields."""
    return page(snapshot(status(KEY, {"request": {"number": 41, "deployment": fields}})))


def test_every_family_of_the_contract_is_there() -> None:
    """The table has the contract's names, types and labels, each once, and no others."""
    assert len(families.FAMILIES) == len(EXPECTED)
    assert {family.name: (family.type, family.labels) for family in families.FAMILIES} == EXPECTED


@pytest.mark.parametrize("family", families.FAMILIES, ids=lambda family: family.name)
def test_help_says_the_unit_and_the_poll(family: families.Family) -> None:
    """The help of a time or duration says seconds, that of deploys says that values come from a background poll."""
    if family.name.removesuffix("_total").endswith("seconds"):
        assert "second" in family.help
    if family.name.startswith("planetscale_deploy_"):
        assert "background poll" in family.help
    assert family.help.endswith(".")


def test_label_values_of_the_contract() -> None:
    """Reasons and endpoints are those of the contract."""
    assert " ".join(families.FAILURE_REASONS) == (
        "unauthorized forbidden not_found rate_limited server_error timeout network invalid too_large redirect late bug"
    )
    assert families.SKIP_REASONS == ("no_id", "duplicate", "cap")
    assert " ".join(families.ENDPOINTS) == "databases deploy_queue deploy_requests deploy_request operations throttler"


@pytest.mark.parametrize("given", ["pending", "queued", "in_progress", "complete", "cancelled", "error", "new_one"])
def test_one_operation_state_is_current(given: str) -> None:
    """The current state is 1 and every other 0; what the contract does not know is `unknown`."""
    states = operation(state=given)["planetscale_deploy_operation_state"]
    current = "unknown" if given == "new_one" else given
    assert states == {
        (("state", each),): float(each == current)
        for each in ("pending", "queued", "in_progress", "complete", "cancelled", "error", "unknown")
    }


@pytest.mark.parametrize("given", [*DeploymentState, "new_one"])
def test_one_deployment_state_is_current(given: str) -> None:
    """The API's 20 deployment states and `unknown` are all there, the current one is 1."""
    states = deployment(state=given)["planetscale_deploy_request_deployment_state"]
    assert len(states) == 21
    assert [dict(labels)["state"] for labels, value in states.items() if value] == [
        "unknown" if given == "new_one" else given
    ]


@pytest.mark.parametrize(
    ("field", "given", "family", "expected"),
    [
        ("progress_percentage", 67, "progress_percentage", 67.0),
        ("progress_percentage", 0, "progress_percentage", 0.0),
        ("eta_seconds", 4299, "eta_seconds", 4299.0),
        ("created_at", "2026-07-30T00:22:01.738Z", "created_timestamp_seconds", 1785370921.738),
        ("updated_at", "2026-07-30T02:47:30.76Z", "updated_timestamp_seconds", 1785379650.76),
        ("throttled_at", "2026-07-30T00:21:59Z", "throttled_timestamp_seconds", 1785370919.0),
        ("can_drop_data", True, "can_drop_data", 1.0),
        ("table_locked", False, "table_locked", 0.0),
        ("table_recently_used", True, "table_recently_used", 1.0),
        ("table_recently_used_at", "2026-07-30T00:21:59Z", "table_recently_used_timestamp_seconds", 1785370919.0),
        ("removed_foreign_key_names", ["a", "b"], "removed_foreign_keys", 2.0),
        ("removed_foreign_key_names", [], "removed_foreign_keys", 0.0),
        ("deploy_errors", "lost", "failed", 1.0),
        ("deploy_errors", "", "failed", 0.0),
        ("state", "error", "failed", 1.0),
    ],
)
def test_a_field_of_an_operation_is_its_sample(field: str, given: object, family: str, expected: float) -> None:
    """What the API gives is exported as it is."""
    assert operation(**{field: given})[f"planetscale_deploy_operation_{family}"] == {(): expected}


@pytest.mark.parametrize(
    ("field", "given", "family"),
    [
        ("progress_percentage", None, "progress_percentage"),
        ("progress_percentage", 101, "progress_percentage"),
        ("eta_seconds", -1, "eta_seconds"),
        ("throttled_at", None, "throttled_timestamp_seconds"),
        ("created_at", "yesterday", "created_timestamp_seconds"),
        ("can_drop_data", "no", "can_drop_data"),
        ("table_locked", None, "table_locked"),
        ("removed_foreign_key_names", None, "removed_foreign_keys"),
        ("deploy_errors", 7, "failed"),
    ],
)
def test_what_an_operation_does_not_say_is_no_sample(field: str, given: object, family: str) -> None:
    """A null, missing or odd value costs its own sample, never another one, and is never 0."""
    found = operation(**{field: given})
    assert found[f"planetscale_deploy_operation_{family}"] == {}
    assert found["planetscale_deploy_operation_state"]


def test_long_texts_are_cut() -> None:
    """DDL and error text stand in `info` up to 256 characters each."""
    texts = {"ddl_statement": "ä" * 300, "deploy_errors": "b" * 300, "deploy_error_docs_url": "https://docs"}
    assert operation(**texts)["planetscale_deploy_operation_info"] == {
        (
            ("ddl_statement", "ä" * 256),
            ("deploy_error_docs_url", "https://docs"),
            ("deploy_errors", "b" * 256),
        ): 1.0
    }


def test_every_label_is_cut() -> None:
    """No label is longer than 256 characters, whatever PlanetScale sends, and no two samples become the same."""
    long = "x" * 300
    names = {f"{name}_name": long for name in ("keyspace", "table", "operation")}
    rows = [{"id": long + end, "deploy_error_docs_url": f"https://{long}", **names} for end in "ab"]
    parts = [{"id": end + long, "shard": long, "state": "queued"} for end in "ab"]
    payload = {
        "operations": {"data": rows},
        "throttler": {"configurations": [{"keyspace_name": long + end, "ratio": 5} for end in "ab"]},
        "request": {
            "branch": long,
            "into_branch": long,
            "html_url": f"https://{long}",
            "deployment": {"strategy": long, "deploy_operation_summaries": [{"id": 1, **names, "operations": parts}]},
        },
    }
    of = snapshot(status(KEY, payload), targets=[TargetStatus(long, up=True)])
    body = Exposition(CollectorRegistry(), ddl=True).render(of, "", "", ()).body.decode()
    samples = [sample for family in text_string_to_metric_families(body) for sample in family.samples]
    assert {len(value) for sample in samples for value in sample.labels.values() if len(value) > 99} == {256}
    assert len({(sample.name, *sorted(sample.labels.items())) for sample in samples}) == len(samples)


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "data:text/html,x", "//elsewhere", "https:", " https://a", "http:/a"]
)
def test_what_is_no_link_is_no_label(text: str) -> None:
    """Only addresses on the web stand in labels that people follow."""
    info = operation(deploy_error_docs_url=text)["planetscale_deploy_operation_info"]
    assert [dict(labels)["deploy_error_docs_url"] for labels in info] == [""]
    info = page(snapshot(status(KEY, {"request": {"html_url": text, "deployment": {}}})))[
        "planetscale_deploy_request_info"
    ]
    assert [dict(labels)["html_url"] for labels in info] == [""]


def test_without_ddl_both_texts_are_empty() -> None:
    """`metrics.ddl=false` leaves both labels empty, the link stays, and `failed` still tells."""
    row = {"id": "a", "ddl_statement": "DROP", "deploy_errors": "lost", "deploy_error_docs_url": "https://docs"}
    found = page(snapshot(status(KEY, {"operations": {"data": [row]}})), ddl=False)
    assert found["planetscale_deploy_operation_info"] == {
        (("ddl_statement", ""), ("deploy_error_docs_url", "https://docs"), ("deploy_errors", "")): 1.0
    }
    assert found["planetscale_deploy_operation_failed"] == {(): 1.0}


@pytest.mark.parametrize(
    ("field", "given", "family", "expected"),
    [
        ("queued_at", "2026-07-30T00:21:59Z", "queued_timestamp_seconds", 1785370919.0),
        ("started_at", "2026-07-30T00:21:59Z", "started_timestamp_seconds", 1785370919.0),
        ("finished_at", "2026-07-30T00:21:59Z", "finished_timestamp_seconds", 1785370919.0),
        ("ready_to_cutover_at", "2026-07-30T00:21:59Z", "ready_to_cutover_timestamp_seconds", 1785370919.0),
        ("auto_cutover", True, "auto_cutover", 1.0),
        ("cutover_expiring", False, "cutover_expiring", 0.0),
        ("queue_paused", True, "queue_paused", 1.0),
        ("table_locked", True, "table_locked", 1.0),
        ("instant_ddl", False, "instant_ddl", 0.0),
    ],
)
def test_a_field_of_a_deployment_is_its_sample(field: str, given: object, family: str, expected: float) -> None:
    """What the API gives is exported as it is; null is no sample."""
    assert deployment(**{field: given})[f"planetscale_deploy_request_{family}"] == {(): expected}
    assert deployment(**{field: None})[f"planetscale_deploy_request_{family}"] == {}


@pytest.mark.parametrize(("state", "expected"), [("queued", {(): 2.0}), ("in_progress", {(): 2.0}), ("complete", {})])
def test_the_queue_position_goes_with_the_queue(state: str, expected: Samples) -> None:
    """The number of preceding deployments is exported while the deployment is in the queue."""
    found = deployment(state=state, preceding_deployments=[{}, {}])
    assert found["planetscale_deploy_request_queue_position"] == expected


def test_the_deploy_request_itself() -> None:
    """Approval and creation are the deploy request's own, and `info` names branches, page and strategy."""
    found = page(snapshot(status(KEY, json.loads((PAYLOADS / "mid_copy.json").read_text()))))
    assert found["planetscale_deploy_request_approved"] == {(): 0.0}
    assert found["planetscale_deploy_request_created_timestamp_seconds"] == {(): 1785370212.5}
    assert found["planetscale_deploy_request_info"] == {
        (
            ("branch", "add-order-note"),
            ("html_url", "https://app.planetscale.com/acme/shop/deploy-requests/41"),
            ("into_branch", "main"),
            ("strategy", "serial"),
        ): 1.0
    }


def test_info_waits_until_all_its_labels_are_known() -> None:
    """Without the deployment the strategy is not known, so there is no `info` yet."""
    assert page(snapshot(status(KEY, {"request": {"branch": "x"}})))["planetscale_deploy_request_info"] == {}


def test_throttle_ratios_are_divided_by_100() -> None:
    """Each keyspace has its ratio; one that is not known has no sample."""
    found = page(snapshot(status(KEY, json.loads((PAYLOADS / "sharded.json").read_text()))))
    assert found["planetscale_deploy_request_throttle_ratio"] == {(): 0.35}


@pytest.mark.parametrize(
    ("part", "up", "last_success"),
    [
        (Part(), {}, {}),
        (known(()), {(): 1.0}, {(): POLLED_AT}),
        (known((), failed=True), {(): 0.0}, {(): POLLED_AT}),
        (Part(failed_since=Moment(1.0, 1.0)), {(): 0.0}, {}),
    ],
)
def test_up_follows_the_polls_of_the_operations(part: Part[tuple[()]], up: Samples, last_success: Samples) -> None:
    """`up` is absent until the first poll has ended, and the last success until there was one."""
    found = page(snapshot(DeployRequestStatus(KEY, configured=True, operations=part)))
    assert found["planetscale_deploy_request_up"] == up
    assert found["planetscale_deploy_request_last_success_timestamp_seconds"] == last_success


def test_targets_and_totals() -> None:
    """A target that was tried is 1 or 0, one that was not is absent; totals are there from the start."""
    empty = page(Snapshot())
    assert empty["planetscale_exporter_deploy_requests"] == empty["planetscale_exporter_operations"] == {(): 0.0}
    assert empty["planetscale_exporter_target_up"] == {}
    targets = [TargetStatus("acme"), TargetStatus("acme/shop", up=True), TargetStatus("acme/shop/41", up=False)]
    assert page(snapshot(targets=targets))["planetscale_exporter_target_up"] == {
        (("target", "acme/shop"),): 1.0,
        (("target", "acme/shop/41"),): 0.0,
    }
