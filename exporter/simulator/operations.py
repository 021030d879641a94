"""The operations of a deploy request as the API lists them: row by row, and summed up by table."""

from collections import defaultdict
from html import escape
from typing import Any, Final

from .scene import Row
from .wording import identifier, maybe_stamp, stamp
from .world import Database, DeployRequest

Json = dict[str, Any]
ERROR_DOCS: Final = "https://planetscale.com/docs/vitess/schema-changes/deploy-requests"
SUMMARY_ORDER: Final = ("error", "in_progress", "pending", "queued", "cancelled", "complete")


def operations(organization: str, home: Database, request: DeployRequest) -> list[Json]:
    """The rows of `deploy_operations`, one for each table and shard; none where only the summaries tell."""
    scenario = request.scene.scenario
    rows = request.scene.rows if scenario.in_operations else ()
    answers = (_operation(organization, home, request, row) for row in rows)
    return [{name: value for name, value in answer.items() if name not in scenario.omits} for answer in answers]


def _operation(organization: str, home: Database, request: DeployRequest, row: Row) -> Json:
    return _described(home, row, request) | {
        "id": _row_id(organization, home, request, row),
        "type": "DeployOperation",
        "state": row.state,
        "eta_seconds": row.eta,
        "progress_percentage": row.progress,
        "deploy_error_docs_url": ERROR_DOCS if row.errors else None,
        "updated_at": stamp(row.updated),
        "throttled_at": maybe_stamp(row.throttled),
        "table_locked": row.locked,
        "deploy_errors": row.errors,
    }


def _described(home: Database, row: Row, request: DeployRequest) -> Json:
    used = request.scene.updated // 60 * 60 if row.change.used else None
    return {
        "keyspace_name": row.change.keyspace or home.name,
        "table_name": row.change.table,
        "operation_name": row.change.operation,
        "ddl_statement": row.change.ddl,
        "syntax_highlighted_ddl": f"<pre>{escape(row.change.ddl)}</pre>",
        "created_at": stamp(row.created),
        "can_drop_data": row.change.drops,
        "table_recently_used": row.change.used,
        "table_recently_used_at": maybe_stamp(used),
        "removed_foreign_key_names": [*row.change.foreign_keys],
    }


def summaries(organization: str, home: Database, request: DeployRequest) -> list[Json]:
    """The rows of `deploy_operation_summaries`, one for each table; none where only the operations tell."""
    tables: dict[int, list[Row]] = defaultdict(list)
    for row in request.scene.rows if request.scene.scenario.in_summaries else ():
        tables[row.index].append(row)
    return [_summary(organization, home, request, rows) for rows in tables.values()]


def _summary(organization: str, home: Database, request: DeployRequest, rows: list[Row]) -> Json:
    """One table's operations in one; here what is not known is 0 or -1, because the document allows no null."""
    sharded = len(rows) > 1
    state = min((row.state for row in rows), key=SUMMARY_ORDER.index)
    return _described(home, rows[0], request) | {
        "id": identifier(_row_id(organization, home, request, rows[0]), "summary"),
        "type": "DeployOperationSummary",
        "state": "pending" if state == "queued" else state,
        "deploy_errors": next((row.errors for row in rows if row.errors), ""),
        "eta_seconds": max(_known(row.eta, -1) for row in rows),
        "progress_percentage": sum(_known(row.progress, 0) for row in rows) // len(rows),
        "throttled_at": maybe_stamp(rows[0].throttled),
        "sharded": sharded,
        "shard_count": len(rows),
        "shard_names": [row.shard for row in rows],
        "operations": [
            {
                "id": _row_id(organization, home, request, row),
                "type": "ShardDeployOperation",
                "shard": row.shard,
                "state": row.state,
                "progress_percentage": _known(row.progress, 0),
                "eta_seconds": _known(row.eta, -1),
            }
            for row in rows
        ],
    }


def _row_id(organization: str, home: Database, request: DeployRequest, row: Row) -> str:
    return identifier(organization, home.name, request.number, row.index, row.shard)


def _known(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value
