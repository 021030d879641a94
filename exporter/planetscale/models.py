"""What PlanetScale's answers look like: frozen records, parsed leniently.

Fields and their meaning come from the published OpenAPI documents; what differs in reality (nulls, missing and extra
fields, states that no document lists) was seen in live captures and is accepted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import field, fields, replace
from enum import StrEnum
from functools import partial
from operator import attrgetter
from typing import Annotated, Any, Final, Self

from pydantic import AliasPath, ConfigDict, Field, PlainValidator, model_validator
from pydantic.dataclasses import dataclass

from exporter.planetscale.fields import (
    ErrorText,
    Flag,
    Identifier,
    Link,
    LongText,
    Names,
    Percentage,
    Seconds,
    Text,
    Timestamp,
)  # fmt: skip
from exporter.planetscale.rows import Rows, changed, distinct, parse_row, parse_rows


class _State(StrEnum):
    """A state; whatever is no member is `unknown`, for new ones can appear."""

    @classmethod
    def _missing_(cls, value: object) -> Self:  # noqa: ARG003 - the signature is enum's
        return cls("unknown")


class OperationState(_State):
    """The states of an operation; what no document lists is `unknown`."""

    PENDING = "pending"
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    ERROR = "error"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        """True when nothing can move any more."""
        return self in {OperationState.COMPLETE, OperationState.CANCELLED, OperationState.ERROR}


class DeploymentState(_State):
    """The API's 20 deployment states; what no document lists is `unknown`."""

    PENDING = "pending"
    READY = "ready"
    NO_CHANGES = "no_changes"
    QUEUED = "queued"
    SUBMITTING = "submitting"
    IN_PROGRESS = "in_progress"
    PENDING_CUTOVER = "pending_cutover"
    IN_PROGRESS_VSCHEMA = "in_progress_vschema"
    IN_PROGRESS_CANCEL = "in_progress_cancel"
    IN_PROGRESS_CUTOVER = "in_progress_cutover"
    COMPLETE = "complete"
    COMPLETE_CANCEL = "complete_cancel"
    COMPLETE_ERROR = "complete_error"
    COMPLETE_PENDING_REVERT = "complete_pending_revert"
    IN_PROGRESS_REVERT = "in_progress_revert"
    IN_PROGRESS_REVERT_VSCHEMA = "in_progress_revert_vschema"
    COMPLETE_REVERT = "complete_revert"
    COMPLETE_REVERT_ERROR = "complete_revert_error"
    CANCELLED = "cancelled"
    ERROR = "error"
    UNKNOWN = "unknown"

    @property
    def is_moving(self) -> bool:
        """True while the deployment can go on by itself or waits in a queue, for a person, or for its revert window."""
        return self in _MOVING

    @property
    def is_finished(self) -> bool:
        """True when it is over for good; failures that wait for a person are not."""
        return self in _FINISHED

    @property
    def is_failed(self) -> bool:
        """True for a failure that blocks the queue until a person acts."""
        return self in {DeploymentState.COMPLETE_ERROR, DeploymentState.COMPLETE_REVERT_ERROR}

    @property
    def is_unqueued(self) -> bool:
        """True for what nobody has asked to deploy yet."""
        return self in {DeploymentState.PENDING, DeploymentState.READY}

    @property
    def is_waiting(self) -> bool:
        """True while it stands in the queue and has not started."""
        return self in {DeploymentState.QUEUED, DeploymentState.SUBMITTING}


_MOVING = frozenset(
    {
        DeploymentState.QUEUED,
        DeploymentState.SUBMITTING,
        DeploymentState.IN_PROGRESS,
        DeploymentState.PENDING_CUTOVER,
        DeploymentState.IN_PROGRESS_VSCHEMA,
        DeploymentState.IN_PROGRESS_CANCEL,
        DeploymentState.IN_PROGRESS_CUTOVER,
        DeploymentState.COMPLETE_PENDING_REVERT,
        DeploymentState.IN_PROGRESS_REVERT,
        DeploymentState.IN_PROGRESS_REVERT_VSCHEMA,
    }
)
_FINISHED = frozenset(
    {
        DeploymentState.NO_CHANGES,
        DeploymentState.COMPLETE,
        DeploymentState.COMPLETE_CANCEL,
        DeploymentState.COMPLETE_REVERT,
        DeploymentState.CANCELLED,
        DeploymentState.ERROR,
    }
)


# Unknown fields come and are ignored; missing ones are not known. Slots: there can be fifty thousand. Built when
# imported, not at the first answer: threads that build them at once can read a summary as a mere operation.
_LENIENT: Final = ConfigDict(extra="ignore", hide_input_in_errors=True)


def _operation_state(value: Any) -> OperationState:
    return OperationState(value)


def _deployment_state(value: Any) -> DeploymentState | None:
    return None if value is None else DeploymentState(value)


@dataclass(frozen=True, slots=True, config=_LENIENT)
class _Work:
    """What an operation, a summary and a shard's row share."""

    id: Identifier = None
    state: Annotated[OperationState, PlainValidator(_operation_state)] = OperationState.UNKNOWN
    progress: Percentage = Field(default=None, validation_alias="progress_percentage")
    eta: Seconds = Field(default=None, validation_alias="eta_seconds")


@dataclass(frozen=True, slots=True, config=_LENIENT)
class Operation(_Work):
    """One change of one table, as list_deploy_operations documents it.

    `errors` is empty where the API says there are none, None where it gives something that is no text.
    """

    keyspace: Text = Field(default="", validation_alias="keyspace_name")
    table: Text = Field(default="", validation_alias="table_name")
    name: Text = Field(default="", validation_alias="operation_name")
    created_at: Timestamp = None
    updated_at: Timestamp = None
    throttled_at: Timestamp = None
    can_drop_data: Flag = None
    table_locked: Flag = None
    table_recently_used: Flag = None
    table_recently_used_at: Timestamp = None
    removed_foreign_keys: Names = Field(default=None, validation_alias="removed_foreign_key_names")
    ddl: LongText = Field(default="", validation_alias="ddl_statement")
    errors: ErrorText = Field(default="", validation_alias="deploy_errors")
    error_docs_url: Link = Field(default="", validation_alias="deploy_error_docs_url")

    @property
    def failed(self) -> bool | None:
        """True with error text or in state `error`; None when what stands for the text is none."""
        if self.state is OperationState.ERROR:
            return True
        return None if self.errors is None else bool(self.errors)


_NOTHING: Final = Operation()


@dataclass(frozen=True, slots=True, config=_LENIENT)
class ShardWork(_Work):
    """The part of an operation that one shard does: a row of a summary's `operations`."""

    shard: Text = ""


@dataclass(frozen=True, slots=True, config=_LENIENT)
class Summary(Operation):
    """What a deployment does to one table on all its shards: a row of `deploy_operation_summaries`."""

    sharded: Flag = None
    shards: Annotated[
        Rows[ShardWork], PlainValidator(partial(parse_rows, model=ShardWork, identity=attrgetter("id")))
    ] = Field(default=Rows(), validation_alias="operations")

    @property
    def is_sharded(self) -> bool:
        """Whether its rows are shards' parts: as the API says, else by whether a row names its shard."""
        return self.sharded if self.sharded is not None else any(work.shard for work in self.shards)

    def operations(self) -> Iterator[Operation]:
        """The summary as operations: one for each shard's row, or the summary itself where it has none.

        The error text belongs to the shards that failed, and to all of them where none says that it did.
        """
        table = changed(_NOTHING, **{each.name: getattr(self, each.name) for each in fields(Operation)})
        works: Iterable[_Work] = (self,) if self.shards.is_empty else self.shards
        failed = {work.id for work in works if work.state is OperationState.ERROR}
        for work in works:
            errors = self.errors if not failed or work.id in failed else ""
            yield changed(table, id=work.id, state=work.state, progress=work.progress, eta=work.eta, errors=errors)


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


@dataclass(frozen=True, slots=True, config=_LENIENT)
class Deployment:
    """The carrying out of a deploy request, as get_deploy_queue and get_deployment document it."""

    identity: Identifier = Field(default=None, validation_alias="id")
    number: Annotated[int | None, PlainValidator(_positive)] = Field(
        default=None, validation_alias="deploy_request_number"
    )
    state: Annotated[DeploymentState | None, PlainValidator(_deployment_state)] = None
    into_branch: Text = ""
    strategy: Text = ""
    queued_at: Timestamp = None
    started_at: Timestamp = None
    finished_at: Timestamp = None
    ready_to_cutover_at: Timestamp = None
    revert_window_end: Timestamp = Field(
        default=None, validation_alias=AliasPath("deployment_revert_request", "waiting_period_end_at")
    )
    auto_cutover: Flag = None
    cutover_expiring: Flag = None
    queue_paused: Flag = None
    table_locked: Flag = None
    instant_ddl: Flag = None
    preceding: Annotated[int | None, PlainValidator(lambda value: len(value) if isinstance(value, list) else None)] = (
        Field(default=None, validation_alias="preceding_deployments")
    )
    own_operations: Annotated[
        Rows[Operation], PlainValidator(partial(parse_rows, model=Operation, identity=attrgetter("id")))
    ] = Field(default=Rows(), validation_alias="deploy_operations")
    summaries: Annotated[Rows[Summary], PlainValidator(partial(parse_rows, model=Summary, identity=id))] = Field(
        default=Rows(), validation_alias="deploy_operation_summaries"
    )

    summarised: Rows[Operation] = field(init=False, default_factory=Rows)
    """What the summaries say was to be done, where it has no operations of its own."""

    def __post_init__(self) -> None:
        if self.own_operations.is_empty:
            object.__setattr__(self, "summarised", self._summarised())

    def _summarised(self) -> Rows[Operation]:
        rows = distinct((row for summary in self.summaries for row in summary.operations()), attrgetter("id"))
        parts = [self.summaries, *(summary.shards for summary in self.summaries)]
        return replace(
            rows,
            without_id=rows.without_id + sum(part.without_id for part in parts),
            duplicates=rows.duplicates + sum(part.duplicates for part in parts),
        )

    @property
    def operations(self) -> Rows[Operation]:
        """`deploy_operations`, or what the summaries say where that is empty."""
        return self.summarised if self.own_operations.is_empty else self.own_operations

    @property
    def bare(self) -> "Deployment":
        """What is left once its operations were taken: of its rows only those of shards, and `summarised`."""
        sharded = replace(self.summaries, items=tuple(one for one in self.summaries if one.is_sharded))
        return changed(self, own_operations=Rows(), summaries=sharded)


_BESIDE: Final = ("auto_cutover", "strategy", "queue_paused")


@dataclass(frozen=True, slots=True, config=_LENIENT)
class DeployRequest:
    """A deploy request with its deployment, as list_deploy_requests and get_deploy_request document it."""

    number: Annotated[int | None, PlainValidator(_positive)] = None
    state: Text = ""
    branch: Text = ""
    into_branch: Text = ""
    html_url: Link = ""
    approved: Flag = None
    created_at: Timestamp = None
    deployment_state: Annotated[DeploymentState | None, PlainValidator(_deployment_state)] = None
    deployment: Annotated[Deployment | None, PlainValidator(partial(parse_row, model=Deployment))] = None

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, answer: Any) -> Any:
        """Some answers carry fields of the deployment beside it (seen in a live capture)."""
        deployment = answer.get("deployment")
        beside = {name: answer[name] for name in _BESIDE if name in answer}
        if not beside or not (deployment is None or isinstance(deployment, dict)):
            return answer
        return {**answer, "deployment": {**beside, **(deployment or {})}}


@dataclass(frozen=True, slots=True, config=_LENIENT)
class Database:
    """A database of an organisation; only those of kind `mysql` have deploy requests."""

    name: Identifier = None
    kind: Text = ""


@dataclass(frozen=True, slots=True, config=_LENIENT)
class ThrottleRatio:
    """How much of a keyspace's copying is held back, 0 to 95 per cent."""

    keyspace: Text = Field(default="", validation_alias="keyspace_name")
    percentage: Percentage = Field(default=None, validation_alias="ratio")


@dataclass(frozen=True, slots=True, config=_LENIENT)
class Throttler:
    """The throttler of a deploy request, per keyspace."""

    ratios: Annotated[
        Rows[ThrottleRatio], PlainValidator(partial(parse_rows, model=ThrottleRatio, identity=attrgetter("keyspace")))
    ] = Field(default=Rows(), validation_alias="configurations")
