"""The bodies of PlanetScale's answers (its published OpenAPI documents, as of August 2026)."""

import hashlib
from collections import defaultdict
from datetime import UTC, datetime
from functools import lru_cache
from html import escape
from typing import Any, Final

from .timeline import Row, Scene
from .world import Database, DeployRequest

Json = dict[str, Any]
APP: Final = "https://app.planetscale.com"
ERROR_DOCS: Final = "https://planetscale.com/docs/vitess/schema-changes/deploy-requests"
GIBIBYTE: Final = 2**30
SUMMARY_ORDER: Final = ("error", "in_progress", "pending", "queued", "cancelled", "complete")


@lru_cache(maxsize=100_000)
def identifier(*path: str | int) -> str:
    """The twelve characters that PlanetScale would call the thing at *path*: always the same ones."""
    number = int.from_bytes(hashlib.sha256("/".join(map(str, path)).encode()).digest()[:8], "big")
    return "".join("0123456789abcdefghijklmnopqrstuvwxyz"[number // 36**i % 36] for i in range(12))


def stamp(moment: float) -> str:
    """A Unix time as the API writes it: RFC 3339 in UTC, the fraction as short as it can be."""
    text = datetime.fromtimestamp(round(moment, 3), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return text.rstrip("0").rstrip(".") + "Z"


def maybe_stamp(moment: float | None) -> str | None:
    """Likewise, or null for what has not happened."""
    return None if moment is None else stamp(moment)


def database(organization: str, home: Database) -> Json:
    """An entry of the list of databases."""
    url = f"https://api.planetscale.com/v1/organizations/{organization}/databases/{home.name}"
    created = stamp(home.created)
    return {
        "id": identifier(organization, home.name),
        "type": "Database",
        "name": home.name,
        "kind": home.kind,
        "state": "ready",
        "ready": True,
        "url": url,
        "branches_url": f"{url}/branches",
        "html_url": f"{APP}/{organization}/{home.name}",
        "region": _region(),
        "plan": "scaler_pro",
        "default_branch": "main",
        "created_at": created,
        "updated_at": created,
        "schema_last_updated_at": created,
        "issues_count": 0,
        "data_import": None,
        "automatic_migrations": None,
        "migration_table_name": None,
        "migration_framework": None,
        "branches_count": 2,
        "production_branches_count": 1,
        "development_branches_count": 1,
        "open_schema_recommendations_count": 0,
        "default_branch_shard_count": 1,
        "default_branch_read_only_regions_count": 0,
        "default_branch_table_count": 40,
        "foreign_keys_enabled": True,
        "insights_enabled": True,
    } | dict.fromkeys(_UNSET_FLAGS, False)


_UNSET_FLAGS: Final = (
    "multiple_admins_required_for_deletion",
    "at_backup_restore_branches_limit",
    "at_development_branch_usage_limit",
    "sharded",
    "require_approval_for_deploy",
    "deletion_protected",
    "resizing",
    "resize_queued",
    "config_changing",
    "config_change_queued",
    "allow_data_branching",
    "restrict_branch_region",
    "insights_raw_queries",
    "production_branch_web_console",
)


def _region() -> Json:
    return {
        "id": identifier("region"),
        "provider": "AWS",
        "enabled": True,
        "public_ip_addresses": ["192.0.2.1"],
        "display_name": "AWS us-east-1",
        "location": "Ashburn, Virginia",
        "slug": "us-east",
        "current_default": True,
        "mysql_supported": True,
        "postgresql_supported": True,
    }


def deploy_request(organization: str, home: Database, request: DeployRequest) -> Json:
    """A deploy request with its deployment."""
    now, shards = request.scene, _shards(request.scene)
    return {
        "id": identifier(organization, home.name, request.number),
        "type": "DeployRequest",
        "number": request.number,
        "actor": _actor(),
        "closed_by": None if now.closed is None else _actor(),
        "branch": request.cast.branch,
        "branch_id": identifier(organization, home.name, "branch", request.cast.branch),
        "branch_deleted": False,
        "branch_deleted_by": None,
        "branch_deleted_at": None,
        "into_branch": request.cast.into_branch,
        "into_branch_sharded": len(shards) > 1,
        "into_branch_shard_count": len(shards),
        "into_branch_keyspace_count": len(_keyspaces(home, now)),
        "approved": now.scenario.approved,
        "state": "open" if now.closed is None else "closed",
        "deployment_state": now.step.state,
        "deployment": deployment(organization, home, request),
        "num_comments": 0,
        "html_url": f"{APP}/{organization}/{home.name}/deploy-requests/{request.number}",
        "notes": "",
        "html_body": "",
        "created_at": stamp(now.created),
        "updated_at": stamp(now.updated),
        "closed_at": maybe_stamp(now.closed),
        "deployed_at": maybe_stamp(now.deployed),
    }


def deployment(organization: str, home: Database, request: DeployRequest) -> Json:
    """The deployment of a deploy request, operations included."""
    now = request.scene
    locked = next((row.change.table for row in now.rows if row.locked), None)
    lints = not now.rows and bool(now.step.errors)
    return {
        "id": identifier(organization, home.name, request.number, "deployment"),
        "type": "Deployment",
        "state": now.step.state,
        "deploy_request_number": request.number,
        "into_branch": request.cast.into_branch,
        "auto_cutover": now.scenario.auto_cutover,
        "auto_delete_branch": False,
        "created_at": stamp(now.created),
        "updated_at": stamp(now.updated),
        "queued_at": maybe_stamp(now.queued),
        "submitted_at": maybe_stamp(now.submitted),
        "started_at": maybe_stamp(now.started),
        "ready_to_cutover_at": maybe_stamp(now.ready_to_cutover),
        "cutover_at": maybe_stamp(now.cutover),
        "force_cutover_requested_at": maybe_stamp(now.forced),
        "finished_at": maybe_stamp(now.finished),
        "cutover_expiring": now.step.expiring,
        "deployable": not lints and now.step.state != "no_changes",
        "deploy_check_errors": now.step.errors if lints else None,
        "preceding_deployments": [_preceding(organization, home, ahead) for ahead in request.preceding],
        "deploy_operations": operations(organization, home, request),
        "deploy_operation_summaries": _summaries(organization, home, request),
        "lint_errors": [{"lint_error": "NO_UNIQUE_KEY", "error_description": now.step.errors}] if lints else [],
        "sequential_diff_dependencies": [],
        "lookup_vindex_operations": [],
        "throttler_configurations": dict.fromkeys(_keyspaces(home, now), now.scenario.throttle),
        "deployment_revert_request": None,
        "actor": _actor(),
        "cutover_actor": None,
        "cancelled_actor": _actor() if "cancel" in now.step.state else None,
        "schema_last_updated_at": stamp(home.created),
        "table_locked": locked is not None,
        "locked_table_name": locked,
        "instant_ddl": now.scenario.instant,
        "instant_ddl_eligible": now.scenario.instant,
        "strategy": now.scenario.strategy,
        "parallel_lane_blocked": False,
        "queue_paused": bool(now.step.paused),
        "queue_pause_reason": now.step.paused or None,
    }


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


def _summaries(organization: str, home: Database, request: DeployRequest) -> list[Json]:
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


def throttler(organization: str, home: Database, request: DeployRequest) -> Json:
    """How much the copy of each keyspace is held back, in percent."""
    keyspaces = _keyspaces(home, request.scene)
    return {
        "type": "DeployRequestThrottler",
        "keyspaces": keyspaces,
        "configurable": {
            "id": identifier(organization, home.name, request.number),
            "name": f"deploy request {request.number}",
            "created_at": stamp(request.scene.created),
            "updated_at": stamp(request.scene.updated),
            "deleted_at": None,
        },
        "configurations": [
            {"keyspace_name": keyspace, "ratio": request.scene.scenario.throttle} for keyspace in keyspaces
        ],
    }


def storage_check(request: DeployRequest) -> Json:
    """Whether every shard has room for the copy."""
    fits = request.scene.scenario.fits
    used, capacity = (40, 100) if fits else (80, 100)
    shard = {
        "used": used * GIBIBYTE,
        "capacity": capacity * GIBIBYTE,
        "remaining": (capacity - used) * GIBIBYTE,
        "percentage_used": used,
        "storage_needed": 30 * GIBIBYTE,
        "has_enough": fits,
    }
    return {
        "enough_storage": fits,
        "upgradeable": True,
        "storage_bytes_needed": 30 * GIBIBYTE,
        "storage_report": dict.fromkeys(_shards(request.scene), shard),
    }


def _preceding(organization: str, home: Database, ahead: DeployRequest) -> Json:
    return {
        "id": identifier(organization, home.name, ahead.number, "deployment"),
        "type": "Deployment",
        "state": ahead.scene.step.state,
        "deploy_request_number": ahead.number,
        "into_branch": ahead.cast.into_branch,
        "queued_at": maybe_stamp(ahead.scene.queued),
    }


def _row_id(organization: str, home: Database, request: DeployRequest, row: Row) -> str:
    return identifier(organization, home.name, request.number, row.index, row.shard)


def _keyspaces(home: Database, now: Scene) -> list[str]:
    return list(dict.fromkeys(change.keyspace or home.name for change in now.scenario.changes)) or [home.name]


def _shards(now: Scene) -> list[str]:
    return list(dict.fromkeys(name for change in now.scenario.changes for name, _ in change.shards)) or ["-"]


def _known(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def _actor() -> Json:
    return {"id": identifier("ada"), "display_name": "Ada", "avatar_url": f"{APP}/avatars/ada.png"}
