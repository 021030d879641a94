"""How states look: one colour for each meaning, the same on every dashboard."""

from collections.abc import Iterable
from typing import Final

from grafana_foundation_sdk.models import dashboard

from exporter.planetscale.models import DeploymentState, OperationState

# Each holds a contrast of 4.5:1 to the near white that Grafana writes on it; what only informs stays quiet.
RUNS, WAITS, DONE, FAILED, PERSON, UNDONE, UNKNOWN = (
    "#2f5d8a",
    "#5c5f6b",
    "#2e7432",
    "#c4162a",
    "#8a6100",
    "#6b4fa0",
    "#45454f",
)

# What holds an operation up, by the number that `queries.HELD_UP` gives.
HELD_UP: Final = {3: ("table locked", FAILED), 2: ("stalled", "#a84300"), 1: ("throttled", PERSON)}

UNENDED: Final = tuple(state for state in OperationState if state not in {"complete", "cancelled"})
OPEN: Final = tuple(state for state in DeploymentState if not state.is_finished)

OPERATION_COLOURS: Final[dict[str, str]] = {
    OperationState.PENDING: WAITS,
    OperationState.QUEUED: WAITS,
    OperationState.IN_PROGRESS: RUNS,
    OperationState.COMPLETE: DONE,
    OperationState.CANCELLED: UNDONE,
    OperationState.ERROR: FAILED,
    OperationState.UNKNOWN: UNKNOWN,
}
DEPLOYMENT_COLOURS: Final[dict[str, str]] = {
    DeploymentState.PENDING: WAITS,
    DeploymentState.READY: WAITS,
    DeploymentState.NO_CHANGES: DONE,
    DeploymentState.QUEUED: WAITS,
    DeploymentState.SUBMITTING: WAITS,
    DeploymentState.IN_PROGRESS: RUNS,
    DeploymentState.PENDING_CUTOVER: PERSON,
    DeploymentState.IN_PROGRESS_VSCHEMA: RUNS,
    DeploymentState.IN_PROGRESS_CANCEL: UNDONE,
    DeploymentState.IN_PROGRESS_CUTOVER: "#1f6f8b",
    DeploymentState.COMPLETE: DONE,
    DeploymentState.COMPLETE_CANCEL: UNDONE,
    DeploymentState.COMPLETE_ERROR: FAILED,
    DeploymentState.COMPLETE_PENDING_REVERT: "#3f6b2a",
    DeploymentState.IN_PROGRESS_REVERT: UNDONE,
    DeploymentState.IN_PROGRESS_REVERT_VSCHEMA: UNDONE,
    DeploymentState.COMPLETE_REVERT: UNDONE,
    DeploymentState.COMPLETE_REVERT_ERROR: FAILED,
    DeploymentState.CANCELLED: UNDONE,
    DeploymentState.ERROR: FAILED,
    DeploymentState.UNKNOWN: UNKNOWN,
}


def colours(states: type[OperationState] | type[DeploymentState]) -> dict[str, str]:
    """The colour of each of *states*; a state without one raises `KeyError`."""
    known = OPERATION_COLOURS if states is OperationState else DEPLOYMENT_COLOURS
    return {state: known[state] for state in states}


def mapping(texts: Iterable[tuple[str, str, str]]) -> dashboard.ValueMap:
    """A value mapping of (value, text, colour)."""
    results = enumerate(texts)
    return dashboard.ValueMap(
        {
            value: dashboard.ValueMappingResult(text=text, color=colour, index=place)
            for place, (value, text, colour) in results
        }
    )


def by_name(states: type[OperationState] | type[DeploymentState]) -> dashboard.ValueMap:
    """Maps a state's name, as it stands in the label, to its text and colour."""
    return mapping((name, name.replace("_", " "), colour) for name, colour in colours(states).items())


def by_place(states: type[OperationState] | type[DeploymentState]) -> dashboard.ValueMap:
    """Maps a state's place in *states*, as `queries.coded` gives it, to its text and colour."""
    known = colours(states).items()
    return mapping((str(place), name.replace("_", " "), colour) for place, (name, colour) in enumerate(known))
