"""What the API's states mean to a person: words, and where on the page they belong."""

from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from exporter.planetscale.models import DeploymentState, OperationState


class Tone(StrEnum):
    """How loud something is shown; the values are the page's CSS classes."""

    BAD = "bad"
    WARN = "warn"
    RUN = "run"
    WAIT = "wait"
    DONE = "done"
    PLAIN = "plain"


class Alert(StrEnum):
    """The alerts whose runbooks help with what the page shows, the most urgent first."""

    ERRORED = "PlanetScaleDeployOperationErrored"
    BLOCKED = "PlanetScaleDeployQueueBlocked"
    EXPIRING = "PlanetScaleDeployCutoverExpiring"
    LOCKED = "PlanetScaleDeployTableLocked"
    STALLED = "PlanetScaleDeployOperationStalled"
    STALE = "PlanetScaleExporterPollStale"
    TAIL = "PlanetScaleDeployOperationTailTooLong"
    DROPS = "PlanetScaleDeployDropsRecentlyUsedTable"
    THROTTLED = "PlanetScaleDeployOperationThrottled"


class Group(Enum):
    """The sections of the page, in their order; the values are their titles."""

    WRONG = "What is wrong"
    RUNNING = "Running"
    PERSON = "Waiting for a person"
    WAITING = "Waiting"
    FINISHED = "Finished"


class Meaning(NamedTuple):
    """A state in words, and the section it belongs to while nothing else is wrong."""

    group: Group
    words: str


DEPLOYMENTS: Final = MappingProxyType(
    {
        DeploymentState.PENDING: Meaning(Group.WAITING, "not ready to deploy yet"),
        DeploymentState.READY: Meaning(Group.PERSON, "ready, waiting for someone to deploy it"),
        DeploymentState.NO_CHANGES: Meaning(Group.FINISHED, "nothing to change"),
        DeploymentState.QUEUED: Meaning(Group.WAITING, "in the queue"),
        DeploymentState.SUBMITTING: Meaning(Group.WAITING, "about to start"),
        DeploymentState.IN_PROGRESS: Meaning(Group.RUNNING, "running"),
        DeploymentState.PENDING_CUTOVER: Meaning(Group.RUNNING, "ready to cut over"),
        DeploymentState.IN_PROGRESS_VSCHEMA: Meaning(Group.RUNNING, "updating the VSchema"),
        DeploymentState.IN_PROGRESS_CANCEL: Meaning(Group.RUNNING, "being cancelled"),
        DeploymentState.IN_PROGRESS_CUTOVER: Meaning(Group.RUNNING, "cutting over"),
        DeploymentState.COMPLETE: Meaning(Group.FINISHED, "complete"),
        DeploymentState.COMPLETE_CANCEL: Meaning(Group.FINISHED, "cancelled"),
        DeploymentState.COMPLETE_ERROR: Meaning(Group.WRONG, "failed, blocks the queue until someone acts"),
        DeploymentState.COMPLETE_PENDING_REVERT: Meaning(Group.WAITING, "complete, can still be reverted"),
        DeploymentState.IN_PROGRESS_REVERT: Meaning(Group.RUNNING, "being reverted"),
        DeploymentState.IN_PROGRESS_REVERT_VSCHEMA: Meaning(Group.RUNNING, "reverting the VSchema"),
        DeploymentState.COMPLETE_REVERT: Meaning(Group.FINISHED, "reverted"),
        DeploymentState.COMPLETE_REVERT_ERROR: Meaning(
            Group.WRONG, "revert failed, blocks the queue until someone acts"
        ),
        DeploymentState.CANCELLED: Meaning(Group.FINISHED, "cancelled before it ran"),
        DeploymentState.ERROR: Meaning(Group.WRONG, "failed"),
        DeploymentState.UNKNOWN: Meaning(Group.RUNNING, "in a state that this exporter does not know"),
    }
)
READY = (Tone.WARN, "ready to cut over")
"""An operation that still runs while its deployment waits for the cutover: percentage and ETA then tell nothing."""

_GATED = Meaning(Group.PERSON, "waiting for someone to cut over")
_AUTOMATIC = Meaning(Group.RUNNING, "about to cut over by itself")

OPERATIONS: Final = MappingProxyType(
    {
        OperationState.PENDING: (Tone.WAIT, "not started"),
        OperationState.QUEUED: (Tone.WAIT, "in the queue"),
        OperationState.IN_PROGRESS: (Tone.RUN, "running"),
        OperationState.COMPLETE: (Tone.DONE, "complete"),
        OperationState.CANCELLED: (Tone.PLAIN, "cancelled"),
        OperationState.ERROR: (Tone.BAD, "failed"),
        OperationState.UNKNOWN: (Tone.PLAIN, "in a state that this exporter does not know"),
    }
)
GROUP_TONES: Final = MappingProxyType(
    {
        Group.WRONG: Tone.BAD,
        Group.RUNNING: Tone.RUN,
        Group.PERSON: Tone.WARN,
        Group.WAITING: Tone.WAIT,
        Group.FINISHED: Tone.DONE,
    }
)


def meaning(state: DeploymentState, auto_cutover: bool | None) -> Meaning:
    """What *state* means; whether a cutover waits for a person is told by *auto_cutover*."""
    if state is DeploymentState.PENDING_CUTOVER and auto_cutover is not None:
        return _AUTOMATIC if auto_cutover else _GATED
    return DEPLOYMENTS[state]
