"""The bodies of PlanetScale's answers (its published OpenAPI documents, as of August 2026)."""

from typing import Any, Final

from .operations import operations, summaries
from .scene import Scene
from .wording import identifier, maybe_stamp, stamp
from .world import Database, DeployRequest

Json = dict[str, Any]
APP: Final = "https://app.planetscale.com"
GIBIBYTE: Final = 2**30


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
        "deploy_operation_summaries": summaries(organization, home, request),
        "lint_errors": [{"lint_error": "NO_UNIQUE_KEY", "error_description": now.step.errors}] if lints else [],
        "sequential_diff_dependencies": [],
        "lookup_vindex_operations": [],
        "throttler_configurations": dict.fromkeys(_keyspaces(home, now), now.scenario.throttle),
        "deployment_revert_request": _revert(organization, home, request),
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


def _revert(organization: str, home: Database, request: DeployRequest) -> Json | None:
    """The request to revert that PlanetScale makes ready when a deployment is complete."""
    if (until := request.scene.revertable_until) is None:
        return None
    return {
        "id": identifier(organization, home.name, request.number, "revert"),
        "type": "DeploymentRevert",
        "actor": _actor(),
        "cancelled_at": None,
        "finished_at": None,
        "waiting_period_end_at": stamp(until),
        "deploy_revert_operations": [],
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


def storage_check(home: Database, request: DeployRequest) -> Json:
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
        "storage_report": dict.fromkeys(_keyspaces(home, request.scene), dict.fromkeys(_shards(request.scene), shard)),
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


def _keyspaces(home: Database, now: Scene) -> list[str]:
    return list(dict.fromkeys(change.keyspace or home.name for change in now.scenario.changes)) or [home.name]


def _shards(now: Scene) -> list[str]:
    return list(dict.fromkeys(name for change in now.scenario.changes for name, _ in change.shards)) or ["-"]


def _actor() -> Json:
    return {"id": identifier("ada"), "display_name": "Ada", "avatar_url": f"{APP}/avatars/ada.png"}
