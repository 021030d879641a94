"""PromQL made from the exporter's table of families: a name, label or state that is not in it raises `KeyError`.

Every query passes the dashboard's variables on, and `max by (identity)` drops job, instance and pod: any number of
replicas draws one row.
"""

from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from exporter.metrics.families import FAMILIES, OPERATION_LABELS, REQUEST_LABELS, SHARD_LABELS, Family
from exporter.planetscale.models import DeploymentState, OperationState

STALLED_AFTER: Final = 30 * 60  # seconds, as in the alert rules
THROTTLED_WITHIN: Final = 10 * 60  # likewise
TAIL: Final = 99  # per cent; from there on a copy may stand still: row counts are estimates
# Percentages are whole numbers, so a window counts only with three steps in it; the shortest that sees enough wins.
WINDOWS: Final = ("30m", "6h", "1d")
_SUFFIXES: Final = {"histogram": ("_bucket", "_sum", "_count")}
_FAMILY: Final = {family.name + suffix: family for family in FAMILIES for suffix in _SUFFIXES.get(family.type, ("",))}


def _of_the_client_library() -> frozenset[str]:
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return frozenset(sample.name for metric in registry.collect() for sample in metric.samples)


CLIENT_LIBRARY: Final = _of_the_client_library()


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


def operation(name: str, *more: str, **matchers: str) -> str:
    """`planetscale_deploy_operation_<name>`, one sample an operation (and a value of the labels in *more*)."""
    return _one_each(f"planetscale_deploy_operation_{name}", (*OPERATION_LABELS, *more), matchers)


def shard(name: str, *more: str, **matchers: str) -> str:
    """`planetscale_deploy_operation_shard_<name>`, one sample a shard's part of an operation."""
    return _one_each(f"planetscale_deploy_operation_shard_{name}", (*SHARD_LABELS, *more), matchers)


def request(name: str, *more: str, **matchers: str) -> str:
    """`planetscale_deploy_request_<name>`, one sample a deploy request."""
    return _one_each(f"planetscale_deploy_request_{name}", (*REQUEST_LABELS, *more), matchers)


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
    return f"{operation('state', state='|'.join(states))} == 1"


def deployment_in(*states: DeploymentState) -> str:
    """1 for each deploy request whose deployment is in one of *states*."""
    return f"{request('deployment_state', state='|'.join(states))} == 1"


def observed_rate() -> str:
    """Per cent a second at which each running operation really advances; none after a fall back, or without steps."""
    progress = series("planetscale_deploy_operation_progress_percentage")
    windows = "\n  or ".join(
        f"deriv({progress}[{window}])\n    and changes({progress}[{window}]) >= 3\n"
        f"    unless resets({progress}[{window}]) > 0"
        for window in WINDOWS
    )
    return f"max by ({', '.join(OPERATION_LABELS)}) (\n  {windows}\n) > 0"


def observed_eta() -> str:
    """Seconds left of each running operation by its observed rate; none at 100 %, which tells nothing."""
    left = f"(100 - {operation('progress_percentage')} > 0)"
    return f"{left}\n/ (\n{observed_rate()}\n)\nand {RUNNING}"


def coded(states: type[OperationState] | type[DeploymentState]) -> str:
    """The current state as its place in *states*, for panels that draw numbers only."""
    one = operation if states is OperationState else request
    name = "state" if states is OperationState else "deployment_state"
    return "\nor ".join(f"{place} * ({one(name, state=state)} == 1)" for place, state in enumerate(states))


def newly(condition: str) -> str:
    """Where *condition*, which is 1 or 0, has just become 1; a restart of the exporter is no change."""
    return f"{condition} == 1\nunless max_over_time(({condition})[10m:1m] offset $__interval) == 1"


def counted(condition: str) -> str:
    """How many samples *condition* gives: 0 only where an exporter answers, so that silence never looks like health."""
    return f"count(\n{condition}\n) or 0 * count({own('build_info')})"


def _one_each(name: str, by: tuple[str, ...], matchers: dict[str, str]) -> str:
    for label in by:
        if label not in _FAMILY[name].labels:
            raise KeyError(f"{name} has no label {label}")
    return f"max by ({', '.join(by)}) ({series(name, **matchers)})"


def _check_states(family: Family, value: str) -> None:
    known = DeploymentState if family.name.endswith("deployment_state") else OperationState
    for state in value.split("|"):
        if state not in set(known):
            raise KeyError(f"{family.name} has no state {state}")


RUNNING: Final = in_state(OperationState.IN_PROGRESS)
LIVE: Final = in_state(*(state for state in OperationState if not state.is_final))
THROTTLED: Final = f"(time() - {operation('throttled_timestamp_seconds')} < {THROTTLED_WITHIN}) and {RUNNING}"
IDLE: Final = f"time() - {operation('last_advance_timestamp_seconds')}"
# Since the last good poll; what stands still is polled seldom, and what is over not at all.
AGE: Final = (
    f"time() - {request('last_success_timestamp_seconds')}\n"
    f"unless {deployment_in(*(state for state in DeploymentState if not state.is_moving))}"
)
STALLED: Final = (
    f"({IDLE} > {STALLED_AFTER}) and {RUNNING}\n"
    f"  unless {operation('progress_percentage')} >= {TAIL}\n"
    f"  unless time() - {operation('throttled_timestamp_seconds')} < {THROTTLED_WITHIN}"
)
