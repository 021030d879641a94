"""PromQL made from the exporter's table of families: a name, label or state that is not in it raises `KeyError`.

Every query passes the dashboard's variables on, and `max by (identity)` drops job, instance and pod: any number of
replicas draws one row.
"""

from pathlib import Path
from typing import Final

import yaml
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from exporter.metrics.families import FAMILIES, OPERATION_LABELS, REQUEST_LABELS, SHARD_LABELS, Family
from exporter.planetscale.models import DeploymentState, OperationState

RULES: Final = Path(__file__).parent.parent / "deploy/prometheus/rules"
THROTTLED_WITHIN: Final = 10 * 60  # seconds, as in the alert rules
PER_OPERATION: Final = ", ".join(OPERATION_LABELS)
PER_REQUEST: Final = ", ".join(REQUEST_LABELS)
_SUFFIXES: Final = {"histogram": ("_bucket", "_sum", "_count")}
_FAMILY: Final = {family.name + suffix: family for family in FAMILIES for suffix in _SUFFIXES.get(family.type, ("",))}


def _of_the_client_library() -> frozenset[str]:
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return frozenset(sample.name for metric in registry.collect() for sample in metric.samples)


CLIENT_LIBRARY: Final = _of_the_client_library()
_RECORDED: Final = {
    rule["record"]
    for group in yaml.safe_load((RULES / "planetscale-deploys-recording.yml").read_text())["groups"]
    for rule in group["rules"]
}
_LEVELS: Final = dict.fromkeys(("operation", "deploy_request"), REQUEST_LABELS) | dict.fromkeys(
    ("database", "database_state", "database_result", "database_le"), REQUEST_LABELS[:2]
)


def series(name: str, **matchers: str) -> str:
    """The selector of a family's series, or of `_bucket` and the like of a histogram; `a|b` matches either."""
    family = _FAMILY[name]
    for label, value in matchers.items():
        if label not in {*family.labels, "le"}:
            raise KeyError(f"{name} has no label {label}")
        if label == "state":
            _check_states(family, value)
    variables = ("job", "instance", *(label for label in REQUEST_LABELS if label in family.labels))
    chosen = {label: f'=~"${label}"' for label in variables}
    chosen |= {label: f'{"=~" if "|" in value else "="}"{value}"' for label, value in matchers.items()}
    return f"{name}{{{', '.join(label + match for label, match in chosen.items())}}}"


def operation(name: str, *more: str, only: str = "", **matchers: str) -> str:
    """`planetscale_deploy_operation_<name>`, one sample an operation (and a value of the labels in *more*).

    *only* is a comparison such as `== 1` that filters before anything is aggregated, which is cheap.
    """
    return _one_each(f"planetscale_deploy_operation_{name}", (*OPERATION_LABELS, *more), matchers, only)


def picked(name: str, of: str) -> str:
    """As `operation`, of those few in *of* only: picked before they are aggregated, which is cheap."""
    found = f"{series(f'planetscale_deploy_operation_{name}')} and on ({PER_OPERATION}) {of}"
    return f"max by ({PER_OPERATION}) ({found})"


def shard(name: str, *more: str, only: str = "", **matchers: str) -> str:
    """`planetscale_deploy_operation_shard_<name>`, one sample a shard's part of an operation."""
    return _one_each(f"planetscale_deploy_operation_shard_{name}", (*SHARD_LABELS, *more), matchers, only)


def request(name: str, *more: str, only: str = "", **matchers: str) -> str:
    """`planetscale_deploy_request_<name>`, one sample a deploy request."""
    return _one_each(f"planetscale_deploy_request_{name}", (*REQUEST_LABELS, *more), matchers, only)


def own(name: str, **matchers: str) -> str:
    """The selector of `planetscale_exporter_<name>`."""
    return series(f"planetscale_exporter_{name}", **matchers)


def process(name: str, window: str = "") -> str:
    """A metric of the client library's own, of those processes that are exporters; its rate over *window*, if any."""
    if name not in CLIENT_LIBRARY:
        raise KeyError(f"the client library has no {name}")
    selector = f'{name}{{job=~"$job", instance=~"$instance"}}'
    value = f"rate({selector}[{window}])" if window else selector
    return f"{value} and on (job, instance) {own('build_info')}"


def in_state(*states: OperationState) -> str:
    """1 for each operation in one of *states*."""
    return operation("state", state="|".join(states), only="== 1")


def deployment_in(*states: DeploymentState) -> str:
    """1 for each deploy request whose deployment is in one of *states*."""
    return request("deployment_state", state="|".join(states), only="== 1")


def recorded(name: str, **matchers: str) -> str:
    """The selector of a series that a recording rule writes; its level tells which variables it knows."""
    if name not in _RECORDED:
        raise KeyError(f"no recording rule writes {name}")
    level = name.partition(":")[0]
    chosen = {label: f'=~"${label}"' for label in _LEVELS[level]}
    chosen |= {label: f'{"=~" if "|" in value else "="}"{value}"' for label, value in matchers.items()}
    return f"{name}{{{', '.join(label + match for label, match in chosen.items())}}}"


def coded(states: type[OperationState] | type[DeploymentState]) -> str:
    """The current state as its place in *states*, for panels that draw numbers only."""
    one = operation if states is OperationState else request
    name = "state" if states is OperationState else "deployment_state"
    return "\nor ".join(f"{place} * {one(name, state=state, only='== 1')}" for place, state in enumerate(states))


def newly(condition: str) -> str:
    """Where *condition*, which is 1 or 0, has just become 1; a restart of the exporter is no change."""
    return f"{condition} == 1\nunless max_over_time(({condition})[10m:1m] offset $__interval) == 1"


def alerts(matchers: str) -> str:
    """Alerts that are active, about what is chosen or, as those about the exporter are, about none of it."""
    chosen = ", ".join(f'{label}=~"|${label}"' for label in REQUEST_LABELS)
    return f"ALERTS{{{matchers}, {chosen}}}"


def firing(*names: str) -> str:
    """A sample for each alert of these *names* that fires for what is chosen."""
    return alerts(f'alertname=~"{"|".join(names)}", alertstate="firing"')


def counted(condition: str, unless: str = "") -> str:
    """How many deploy requests *condition* holds for, or for some operation of.

    0 only where something that matches is polled, and where *unless* has a value if it is given: silence never looks
    like health.
    """
    known = f"{WATCHED} and on () {unless}" if unless else WATCHED
    return f"count(count by ({PER_REQUEST}) (\n{condition}\n))\nor 0 * {known}"


def _one_each(name: str, by: tuple[str, ...], matchers: dict[str, str], only: str) -> str:
    for label in by:
        if label not in _FAMILY[name].labels:
            raise KeyError(f"{name} has no label {label}")
    return f"max by ({', '.join(by)}) ({f'{series(name, **matchers)} {only}'.rstrip()})"


def _check_states(family: Family, value: str) -> None:
    known = DeploymentState if family.name.endswith("deployment_state") else OperationState
    for state in value.split("|"):
        if state not in set(known):
            raise KeyError(f"{family.name} has no state {state}")


# Of a database of which only numbered deploy requests are polled, these tell.
DATABASE_UP: Final = (
    f"(max by (organization, database) ({series('planetscale_database_up')})"
    f" or max by (organization, database) ({series('planetscale_deploy_request_up')}))"
)
# In how many of the chosen databases some poll works, if any; what is over is polled no more, and proves nothing.
_OPEN: Final = deployment_in(*(state for state in DeploymentState if not state.is_finished))
WATCHED: Final = (
    f"count(max by (organization, database) ({series('planetscale_database_up')} == 1)\n"
    f"  or max by (organization, database) ({request('up', only='== 1')} and {_OPEN}))"
)
# Configured targets of the chosen organizations: a target is text, and begins with one.
TARGET_UP: Final = (
    'planetscale_exporter_target_up{job=~"$job", instance=~"$instance", target=~"(?:$organization)(?:/.*)?"}'
)
# What waits for its cutover is copied: it does not run, whatever state its operations have.
GATED: Final = deployment_in(DeploymentState.PENDING_CUTOVER)
RUNNING: Final = f"({in_state(OperationState.IN_PROGRESS)} unless on ({PER_REQUEST}) ({GATED}))"
# Deploy requests that PlanetScale works on.
MOVING: Final = deployment_in(
    *(state for state in DeploymentState if state == "submitting" or state.startswith("in_progress"))
)
WAITS_FOR_A_PERSON: Final = f"({GATED} unless {request('auto_cutover', only='== 1')})"
THROTTLED: Final = operation("throttled_timestamp_seconds", only=f"> time() - {THROTTLED_WITHIN}")
# Since the last good poll; what stands still is polled seldom, and what is over not at all.
AGE: Final = (
    f"time() - {request('last_success_timestamp_seconds')}\n"
    f"unless {deployment_in(*(state for state in DeploymentState if not state.is_moving))}"
)
IDLE: Final = f"time() - {operation('last_advance_timestamp_seconds')}"
# Only the alert rules tell a stall: they know each copy's own pace.
STALLED: Final = firing("PlanetScaleDeployOperationStalled", "PlanetScaleDeployOperationTailTooLong")
# What holds an operation up that runs, as numbers that `states.HELD_UP` names.
_LOCKED: Final = operation("table_locked", only="== 1")
HELD_UP: Final = f"(3 * {_LOCKED}\nor 2 * max by ({PER_OPERATION}) ({STALLED})\nor 0 * {THROTTLED} + 1)"
# A time left is worth nothing for what stands still, or can't be polled.
TIMED: Final = f"\n  unless on ({PER_OPERATION}) {STALLED}\n  unless on ({PER_REQUEST}) {request('up')} == 0"
ETA: Final = f"({operation('eta_seconds')} and {RUNNING}{TIMED})"
# The same by the rate at which the percentage really rose, from the recording rules.
OBSERVED: Final = (
    f"max by ({PER_OPERATION}) ({recorded('operation:planetscale_deploy_operation_eta_seconds:observed')})"
)
OBSERVED_ETA: Final = f"({OBSERVED} and {RUNNING}{TIMED})"


def ends(left: str) -> str:
    """The time that *left* seconds from now is, in the milliseconds that Grafana's units take."""
    return f"1000 * (time() + {left})"
