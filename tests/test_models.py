"""What PlanetScale's answers look like: known ones are read whole, odd ones lose what is odd and nothing else."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from exporter.planetscale.bodies import decode, parse_object
from exporter.planetscale.models import (
    Database,
    Deployment,
    DeploymentState,
    DeployRequest,
    Operation,
    OperationState,
    Summary,
    Throttler,
)
from exporter.planetscale.rows import Rows, parse_record, parse_row

NAN, INF = float("nan"), float("inf")

# A capture of a copy of 106 GB, names aside.
CAPTURED: dict[str, Any] = {
    "id": "op1",
    "type": "DeployOperation",
    "state": "in_progress",
    "keyspace_name": "main",
    "table_name": "orders",
    "operation_name": "ALTER",
    "eta_seconds": 4299,
    "progress_percentage": 67,
    "created_at": "2026-07-30T00:22:01.738Z",
    "updated_at": "2026-07-30T02:47:30.76Z",
    "throttled_at": "2026-07-30T00:21:59Z",
    "can_drop_data": True,
    "table_locked": False,
    "table_recently_used": True,
    "table_recently_used_at": "2026-07-30T00:21:59Z",
    "removed_foreign_key_names": ["fk_1", "fk_2"],
    "ddl_statement": "ALTER TABLE `orders` ADD COLUMN `note` text",
    "deploy_errors": "",
    "deploy_error_docs_url": None,
}
READ: dict[str, Any] = {
    "id": "op1",
    "state": OperationState.IN_PROGRESS,
    "keyspace": "main",
    "table": "orders",
    "name": "ALTER",
    "eta": 4299.0,
    "progress": 67.0,
    "created_at": 1785370921.738,
    "updated_at": 1785379650.76,
    "throttled_at": 1785370919.0,
    "can_drop_data": True,
    "table_locked": False,
    "table_recently_used": True,
    "table_recently_used_at": 1785370919.0,
    "removed_foreign_keys": ("fk_1", "fk_2"),
    "ddl": "ALTER TABLE `orders` ADD COLUMN `note` text",
    "errors": "",
    "error_docs_url": "",
}


def fields_of(model: type[Any]) -> Iterable[tuple[str, FieldInfo]]:
    """Tell what a record is read from."""
    fields: dict[str, FieldInfo] = model.__pydantic_fields__
    return fields.items()


ALIASES = {field.validation_alias or name: name for name, field in fields_of(Operation)}
ODD: dict[str, tuple[Any, ...]] = {
    "eta_seconds": ("4299", True, -1, NAN, INF, [], {}, {"seconds": 1}),
    "progress_percentage": ("67", "67%", False, 101, -1, NAN, -INF, [67], {}),
    "created_at": (1785370921, "2026-W31-4", "2026-07-30T00:22:01", "99999-07-30T00:22:01Z", [], {}),
    "updated_at": ("", "yesterday", True),
    "throttled_at": ("2026-07-30", {}),
    "can_drop_data": ("true", 1, 0, [], {}),
    "table_locked": ("false", 0, {}),
    "table_recently_used": (1.0, "yes"),
    "table_recently_used_at": (0, "0000-00-00T00:00:00Z"),
    "removed_foreign_key_names": ("fk_1", [1], [None], {}, 2),
    "deploy_errors": (5, True, [], {"message": "no"}),
}
EMPTY = {"keyspace_name", "table_name", "operation_name", "ddl_statement", "deploy_error_docs_url"}


def operation(**fields: Any) -> Operation:
    """The captured operation with other fields, parsed."""
    return parse_record(CAPTURED | fields, Operation)


def test_records_are_built_before_any_thread_reads_one() -> None:
    """Threads that build them at once, at the first answers, can read a summary as a mere operation."""
    code = (
        "from exporter.planetscale import models as m; models = m.Operation, m.ShardWork, m.Summary, m.Deployment;"
        "print(all(model.__pydantic_complete__ for model in (*models, m.DeployRequest)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_a_captured_operation_is_read_whole() -> None:
    """Every field of a real answer arrives under its name, and what is unknown is ignored."""
    assert asdict(operation()) == READ


@pytest.mark.parametrize("field", [name for name in CAPTURED if name != "type"])
def test_a_missing_field_costs_no_other(field: str) -> None:
    """Older answers lack fields: what is missing is not known, all others stay."""
    read = parse_record({name: value for name, value in CAPTURED.items() if name != field}, Operation)
    missing: Any = OperationState.UNKNOWN if field == "state" else "" if field in EMPTY | {"deploy_errors"} else None
    assert asdict(read) == READ | {ALIASES[field]: missing}


@pytest.mark.parametrize("field", [name for name in CAPTURED if name != "type"])
def test_a_null_field_is_a_missing_one(field: str) -> None:
    """Null says the same as nothing."""
    missing = parse_record({name: value for name, value in CAPTURED.items() if name != field}, Operation)
    assert operation(**{field: None}) == missing


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in ODD.items() for value in values])
def test_an_odd_value_costs_no_other(field: str, value: Any) -> None:
    """A value that can't be meant is not known, all others stay."""
    assert asdict(operation(**{field: value})) == READ | {ALIASES[field]: None}


@pytest.mark.parametrize("field", sorted(EMPTY))
@pytest.mark.parametrize("value", [5, True, [], {"name": "x"}])
def test_an_odd_text_costs_no_other(field: str, value: Any) -> None:
    """A text that is none is empty, all others stay."""
    assert asdict(operation(**{field: value})) == READ | {ALIASES[field]: ""}


# -- states


@pytest.mark.parametrize("state", ["pending", "queued", "in_progress", "complete", "cancelled", "error"])
def test_documented_operation_states_are_known(state: str) -> None:
    """The states of the document keep their names."""
    assert operation(state=state).state == state


@pytest.mark.parametrize(
    "state", ["paused", "", "IN_PROGRESS", " queued", "unknown", None, 5, True, NAN, [], ["queued"], {}]
)
def test_other_states_are_unknown(state: Any) -> None:
    """A state that no document lists is unknown, for operations and deployments alike."""
    assert operation(state=state).state is OperationState.UNKNOWN
    if state is not None:
        assert parse_record({"state": state}, Deployment).state is DeploymentState.UNKNOWN


def test_a_missing_deployment_state_is_none() -> None:
    """A deployment without state has none: another answer may know it."""
    assert parse_record({}, Deployment).state is None
    assert parse_record({"state": None}, Deployment).state is None
    assert parse_record({"deployment_state": None}, DeployRequest).deployment_state is None


# The contract's words on each of the API's states: M moves, F finished, X failed, U not queued yet, W waits.
STATES = {
    "pending": "U",
    "ready": "U",
    "no_changes": "F",
    "queued": "MW",
    "submitting": "MW",
    "in_progress": "M",
    "pending_cutover": "M",
    "in_progress_vschema": "M",
    "in_progress_cancel": "M",
    "in_progress_cutover": "M",
    "complete": "F",
    "complete_cancel": "F",
    "complete_error": "X",
    "complete_pending_revert": "M",
    "in_progress_revert": "M",
    "in_progress_revert_vschema": "M",
    "complete_revert": "F",
    "complete_revert_error": "X",
    "cancelled": "F",
    "error": "F",
    "unknown": "",
}


@pytest.mark.parametrize("state", DeploymentState)
def test_every_deployment_state_means_what_the_contract_says(state: DeploymentState) -> None:
    """Which states move, are finished, failed, not queued yet, or wait."""
    assert (
        "".join(
            letter
            for letter, holds in [
                ("M", state.is_moving),
                ("F", state.is_finished),
                ("X", state.is_failed),
                ("U", state.is_unqueued),
                ("W", state.is_waiting),
            ]
            if holds
        )
        == STATES[state]
    )


def test_there_are_twenty_deployment_states_and_unknown() -> None:
    """The list of states is the API's."""
    assert list(STATES) == [state.value for state in DeploymentState]
    assert len(DeploymentState) == 21


@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ({}, False),
        ({"deploy_errors": None}, False),
        ({"deploy_errors": " \n"}, False),
        ({"deploy_errors": "duplicate key"}, True),
        ({"state": "error"}, True),
        ({"state": "error", "deploy_errors": 5}, True),
        ({"deploy_errors": 5}, None),
        ({"deploy_errors": ["duplicate key"]}, None),
    ],
)
def test_an_operation_failed_with_error_text_or_state(fields: dict[str, Any], failed: bool | None) -> None:
    """Error text or the state `error` is a failure; where the text is none, nobody knows."""
    assert operation(**fields).failed is failed


@pytest.mark.parametrize("state", OperationState)
def test_only_three_operation_states_are_final(state: OperationState) -> None:
    """Complete, cancelled and error are the end; an unknown state may go on."""
    assert state.is_final is (state in {"complete", "cancelled", "error"})


# -- deployments


def test_a_deployment_is_read_whole() -> None:
    """Every field of a deployment arrives under its name."""
    deployment = parse_record(
        {
            "deploy_request_number": 7,
            "state": "in_progress",
            "into_branch": "main",
            "strategy": "serial",
            "queued_at": "2026-07-30T00:21:59Z",
            "started_at": "2026-07-30T00:22:00Z",
            "finished_at": None,
            "ready_to_cutover_at": "2026-07-30T00:22:01Z",
            "auto_cutover": True,
            "cutover_expiring": False,
            "queue_paused": False,
            "table_locked": True,
            "instant_ddl": False,
            "preceding_deployments": [{}, {}],
            "deploy_operations": [CAPTURED],
            "id": "uvkd7injje2f",
            "deployment_revert_request": {"waiting_period_end_at": "2026-07-30T00:52:01Z"},
        },
        Deployment,
    )
    read = asdict(deployment)
    assert {name: read[name] for name in read.keys() - {"own_operations", "summaries", "summarised"}} == {
        "identity": "uvkd7injje2f",
        "revert_window_end": 1785372721.0,
        "number": 7,
        "state": DeploymentState.IN_PROGRESS,
        "into_branch": "main",
        "strategy": "serial",
        "queued_at": 1785370919.0,
        "started_at": 1785370920.0,
        "finished_at": None,
        "ready_to_cutover_at": 1785370921.0,
        "auto_cutover": True,
        "cutover_expiring": False,
        "queue_paused": False,
        "table_locked": True,
        "instant_ddl": False,
        "preceding": 2,
    }
    assert deployment.operations.items == (operation(),)


@pytest.mark.parametrize("number", [None, "7", True, 0, -7, 7.0, NAN, [7], {}])
def test_a_number_that_is_none_is_not_known(number: Any) -> None:
    """A deploy request's number is a whole one above zero."""
    assert parse_record({"deploy_request_number": number}, Deployment).number is None
    assert parse_record({"number": number}, DeployRequest).number is None


@pytest.mark.parametrize("preceding", [None, 2, "2", True, {}, {"0": {}}])
def test_a_queue_that_is_no_list_has_no_length(preceding: Any) -> None:
    """The queue's position is a list's length, or not known; an empty list is position 0."""
    assert parse_record({"preceding_deployments": preceding}, Deployment).preceding is None
    assert parse_record({"preceding_deployments": []}, Deployment).preceding == 0


def summary(**fields: Any) -> dict[str, Any]:
    """A summary of the captured operation's table, as JSON."""
    return CAPTURED | {"id": "s1"} | fields


def shard(name: str, **fields: Any) -> dict[str, Any]:
    """A shard's row, as JSON."""
    return {"id": name, "shard": name, "state": "queued", "progress_percentage": 5, "eta_seconds": 9} | fields


def test_summaries_with_shards_are_an_operation_for_each() -> None:
    """A shard's row has its own id, state, progress and ETA; all else is the summary's."""
    deployment = parse_record(
        {"deploy_operation_summaries": [summary(operations=[shard("-80"), shard("80-")])]}, Deployment
    )
    assert [asdict(row) for row in deployment.operations] == [
        READ | {"id": name, "state": OperationState.QUEUED, "progress": 5.0, "eta": 9.0} for name in ("-80", "80-")
    ]
    assert [type(row) for row in deployment.operations] == [Operation, Operation]


@pytest.mark.parametrize(("states", "told"), [(["error", "complete"], ["E", ""]), (["queued", "queued"], ["E", "E"])])
def test_the_error_of_a_summary_belongs_to_the_shards_that_failed(states: list[str], told: list[str]) -> None:
    """A shard that is well is not said to have failed; where no shard says that it did, none is left out."""
    rows = [shard(str(position), state=state) for position, state in enumerate(states)]
    deployment = parse_record({"deploy_operation_summaries": [summary(operations=rows, deploy_errors="E")]}, Deployment)
    assert [row.errors for row in deployment.operations] == told


def test_fields_of_the_deployment_may_stand_beside_it() -> None:
    """What an answer gives beside the deployment is the deployment's, unless that says otherwise."""
    beside = {"auto_cutover": True, "strategy": "serial", "queue_paused": False}
    alone = parse_record(beside, DeployRequest).deployment
    assert alone is not None
    assert {name: getattr(alone, name) for name in beside} == beside
    both = parse_record({**beside, "deployment": {"auto_cutover": False}}, DeployRequest).deployment
    assert both is not None
    assert (both.auto_cutover, both.strategy) == (False, "serial")


@pytest.mark.parametrize("operations", [None, [], {}, "x"])
def test_a_summary_without_rows_is_the_operation(operations: Any) -> None:
    """Where a summary lists no operations, it is one itself."""
    deployment = parse_record({"deploy_operation_summaries": [summary(operations=operations)]}, Deployment)
    assert [asdict(row) for row in deployment.operations] == [READ | {"id": "s1"}]


@pytest.mark.parametrize("own", [[CAPTURED], [CAPTURED | {"id": None}], [None]])
def test_summaries_stand_back_where_there_are_operations(own: list[Any]) -> None:
    """The same work never counts twice, even where the operations themselves can't be told apart."""
    deployment = parse_record({"deploy_operations": own, "deploy_operation_summaries": [summary()]}, Deployment)
    assert "s1" not in {row.id for row in deployment.operations}
    assert len(deployment.operations) + deployment.operations.without_id == 1


def test_a_bare_deployment_keeps_what_is_told_nowhere_else() -> None:
    """Operations are another part of what is known; shards' work and what summaries said alone are kept."""
    shared = summary(operations=[shard("-80")]) | {"sharded": True}
    with_both = parse_record(
        {"id": "d", "deploy_operations": [CAPTURED], "deploy_operation_summaries": [shared, summary()]}, Deployment
    ).bare
    assert (with_both.identity, len(with_both.operations), len(with_both.summarised)) == ("d", 0, 0)
    assert [len(one.shards) for one in with_both.summaries] == [1]
    with_one = parse_record({"deploy_operation_summaries": [summary()]}, Deployment).bare
    assert ([row.id for row in with_one.summarised], len(with_one.summaries)) == (["s1"], 0)


def test_what_is_left_out_of_summaries_is_counted() -> None:
    """Rows without id and duplicates are counted, in summaries and below; a summary needs no id where its rows have."""
    first = summary(operations=[shard("-80"), shard("-80"), shard("80-", id=None), None])
    second = summary(id=None, operations=[shard("-80"), shard("c")])
    third = summary(id="", operations=[])
    fourth = summary(id="s4", operations=[{}])
    deployment = parse_record({"deploy_operation_summaries": [first, second, third, fourth, 5]}, Deployment)
    assert [row.id for row in deployment.operations] == ["-80", "c"]
    assert (deployment.operations.without_id, deployment.operations.duplicates) == (5, 2)


@pytest.mark.parametrize(
    ("fields", "sharded"),
    [
        ({"sharded": True}, True),
        ({"sharded": False, "operations": [shard("-80")]}, False),
        ({"operations": [shard("-80")]}, True),
        ({"operations": [shard("a", shard="")]}, False),
        ({"sharded": "yes", "operations": [shard("-80")]}, True),
        ({}, False),
    ],
)
def test_whether_a_summary_is_sharded(fields: dict[str, Any], sharded: bool) -> None:
    """The API says so, or else a row that names its shard."""
    assert parse_record(summary(**fields), Summary).is_sharded is sharded


def test_a_deploy_request_is_read_whole() -> None:
    """Every field of a deploy request arrives under its name, its deployment included."""
    request = parse_record(
        {
            "number": 7,
            "state": "open",
            "branch": "add-note",
            "into_branch": "main",
            "html_url": "https://app.planetscale.com/acme/shop/deploy-requests/7",
            "approved": False,
            "created_at": "2026-07-30T00:21:59Z",
            "deployment_state": "in_progress",
            "deployment": {"deploy_request_number": 7, "state": "queued"},
        },
        DeployRequest,
    )
    read = asdict(request)
    del read["deployment"]
    assert read == {
        "number": 7,
        "state": "open",
        "branch": "add-note",
        "into_branch": "main",
        "html_url": "https://app.planetscale.com/acme/shop/deploy-requests/7",
        "approved": False,
        "created_at": 1785370919.0,
        "deployment_state": DeploymentState.IN_PROGRESS,
    }
    assert request.deployment == parse_record({"deploy_request_number": 7, "state": "queued"}, Deployment)


@pytest.mark.parametrize(
    ("deployment", "strategy", "auto_cutover"),
    [({}, "serial", True), (None, "serial", True), ({"strategy": "parallel"}, "parallel", True)],
)
def test_what_stands_beside_the_deployment_belongs_to_it(
    deployment: dict[str, Any] | None, strategy: str, auto_cutover: bool
) -> None:
    """Fields of the deployment that come beside it are its own, where it does not say otherwise."""
    beside = {"strategy": "serial", "auto_cutover": True, "queue_paused": False}
    read = parse_record({"number": 7, "deployment": deployment} | beside, DeployRequest).deployment
    assert read is not None
    assert (read.strategy, read.auto_cutover, read.queue_paused) == (strategy, auto_cutover, False)


@pytest.mark.parametrize("deployment", [None, [], "x", 5, True])
def test_a_deployment_that_is_none_costs_no_deploy_request(deployment: Any) -> None:
    """A deploy request stays without a deployment."""
    request = parse_record({"number": 7, "deployment": deployment}, DeployRequest)
    assert (request.number, request.deployment) == (7, None)


def test_a_throttler_has_a_ratio_for_each_keyspace() -> None:
    """Ratios come per keyspace; an odd one is not known, the first of two stays."""
    rows = [
        {"keyspace_name": "a", "ratio": 0},
        {"keyspace_name": "b", "ratio": 95},
        {"keyspace_name": "c", "ratio": "95"},
        {"keyspace_name": "a", "ratio": 5},
    ]
    ratios = parse_record({"configurations": rows}, Throttler).ratios
    assert [(ratio.keyspace, ratio.percentage) for ratio in ratios] == [("a", 0), ("b", 95), ("c", None)]


def test_a_database_has_a_name_and_a_kind() -> None:
    """A database without a name can't be asked for; without a kind it may be one of ours."""
    assert asdict(parse_record({"name": "shop", "kind": "mysql"}, Database)) == {"name": "shop", "kind": "mysql"}
    assert asdict(parse_record({"name": "", "kind": None}, Database)) == {"name": None, "kind": ""}


# -- laws

NAMES = sorted(
    {
        str(field.validation_alias or name)
        for model in (Summary, Deployment, DeployRequest, Throttler, Database)
        for name, field in fields_of(model)
    }
    | {"shard", "keyspace_name", "ratio"}
)
TIMES = st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 105)
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.sampled_from([*DeploymentState, "open", "mysql", "67", "9" * 5000])
    | TIMES
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=8),
    max_leaves=25,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=12)
MODELS = (Operation, Summary, Deployment, DeployRequest, Throttler, Database)


def within(value: Any) -> Iterator[Any]:
    """All scalars in a value, and the lengths of lists."""
    if isinstance(value, dict):
        yield from (found for each in value.values() for found in within(each))
    elif isinstance(value, list):
        yield len(value)
        yield from (found for each in value for found in within(each))
    else:
        yield value


def numbers(model: Any) -> Iterator[float]:
    """All numbers in a model and the rows below it."""
    for field in fields(model):
        value = getattr(model, field.name)
        if isinstance(value, Rows):
            yield from (found for row in value for found in numbers(row))
        elif is_dataclass(value):
            yield from numbers(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield value


@pytest.mark.parametrize("model", MODELS)
@given(value=OBJECTS)
def test_no_object_is_too_odd_and_no_number_is_invented(model: type[object], value: dict[str, Any]) -> None:
    """Whatever an object holds, it can be read, and each number in it was in the answer."""
    answer = parse_object(json.dumps(value))
    read = parse_row(answer, model)
    assert read is not None
    given_scalars = list(within(answer))
    known = {each for each in given_scalars if isinstance(each, int | float) and not isinstance(each, bool)}
    known |= {moment for each in given_scalars if isinstance(each, str) for moment in _seconds(each)}
    assert not set(numbers(read)) - known
    if isinstance(read, Deployment):
        assert all(row.id for row in read.operations)
        assert len({row.id for row in read.operations}) == len(read.operations)
    if isinstance(read, Operation):
        assert [state for state in OperationState if read.state is state] == [read.state]


def _seconds(text: str) -> Iterator[float]:
    with suppress(ValueError, OverflowError):
        yield datetime.fromisoformat(text).timestamp()


@given(body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()) | st.text().map(str.encode))
def test_every_body_is_an_object_or_refused(body: bytes) -> None:
    """Whatever bytes come, they are a JSON object or a ValueError, and never another exception."""
    with suppress(ValueError):
        assert isinstance(parse_object(decode(body)), dict)
