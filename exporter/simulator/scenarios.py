"""The named plots, as long as PlanetScale and Vitess really take; a `pace` shortens them when they are played."""

from dataclasses import replace
from typing import Final

from .plots import DAY, FOREVER, HOUR, MINUTE, Change, Scenario, Step

ADD_COLUMN = Change("orders", "ALTER TABLE `orders` ADD COLUMN `coupon_code` varchar(32) DEFAULT NULL")
ADD_INDEX = Change("order_items", "ALTER TABLE `order_items` ADD INDEX `idx_sku` (`sku`)")
WIDEN_KEY = Change("events", "ALTER TABLE `events` MODIFY COLUMN `id` bigint unsigned NOT NULL AUTO_INCREMENT")
CREATE_TABLE = Change("coupons", "CREATE TABLE `coupons` (`id` bigint NOT NULL PRIMARY KEY)", operation="CREATE")
DROP_USED = Change("carts", "DROP TABLE `carts`", operation="DROP", drops=True, used=True)
UNIQUE_EMAIL = Change("customers", "ALTER TABLE `customers` ADD UNIQUE INDEX `uniq_email` (`email`)")
DROP_FOREIGN_KEY = Change(
    "payments", "ALTER TABLE `payments` DROP FOREIGN KEY `fk_invoice`", foreign_keys=("fk_invoice",)
)
UNEVEN_SHARDS = (("-40", 1.6), ("40-80", 1.25), ("80-c0", 1.0), ("c0-", 2.4))
SHARDED = replace(WIDEN_KEY, keyspace="sharded", shards=UNEVEN_SHARDS)

OPENING = (Step(2 * MINUTE, "pending"), Step(MINUTE, "ready"))
QUEUING = (*OPENING, Step(30, "queued"), Step(15, "submitting"))
DONE = Step(FOREVER, "complete", (100, 100), ("complete",))
REVERT_WINDOW = Step(30 * MINUTE, "complete_pending_revert", (100, 100), ("complete",))
CUTTING_OVER = Step(20, "in_progress_cutover", (100, 100))
COMPLETING = (CUTTING_OVER, REVERT_WINDOW, DONE)
NO_LIFE = "no sign of life from the migration for 3 hours; it was given up"
DUPLICATES = "Duplicate entry 'ada@example.com' for key 'customers.uniq_email'"


def copying(lasts: float, begin: float = 0, end: float = 100) -> Step:
    """A copy that goes from *begin* to *end* percent."""
    return Step(lasts, "in_progress", (begin, end))


LONG_COPY = Scenario((*QUEUING, copying(3 * DAY), *COMPLETING), (WIDEN_KEY,))
GATED = Scenario(
    (*QUEUING, copying(2 * HOUR), Step(26 * HOUR, "pending_cutover", (100, 100)), *COMPLETING),
    (ADD_COLUMN, ADD_INDEX),
    auto_cutover=False,
)
SHARDED_COPY = Scenario(
    (*QUEUING, copying(5 * HOUR), CUTTING_OVER, Step(10, "in_progress_vschema", (100, 100)), REVERT_WINDOW, DONE),
    (SHARDED, replace(SHARDED, table="sessions", ddl="ALTER TABLE `sessions` ADD COLUMN `device` json")),
)

SCENARIOS: Final[dict[str, Scenario]] = {
    "pending": Scenario((Step(FOREVER, "pending"),), (ADD_COLUMN,), approved=False),
    "ready": Scenario((Step(2 * MINUTE, "pending"), Step(FOREVER, "ready")), (ADD_COLUMN,)),
    "no_changes": Scenario((Step(MINUTE, "pending"), Step(FOREVER, "no_changes")), ()),
    "queued": Scenario((*OPENING, Step(FOREVER, "queued")), (ADD_INDEX,)),
    "queue_paused": Scenario(
        (*OPENING, Step(FOREVER, "queued", paused="a keyspace of the branch is being resized")), (ADD_INDEX,)
    ),
    "cancelled": Scenario((*OPENING, Step(HOUR, "queued"), Step(FOREVER, "cancelled")), (ADD_COLUMN,)),
    "lint_failed": Scenario(
        (*QUEUING, Step(FOREVER, "error", errors="table `audit` has no unique key that is not null")), (ADD_COLUMN,)
    ),
    "instant": Scenario((*QUEUING, Step(5, "in_progress", (0, 0)), DONE), (ADD_COLUMN,), instant=True),
    "finished": Scenario((DONE,), (ADD_COLUMN, CREATE_TABLE)),
    "cutover": Scenario(
        (*QUEUING, copying(40 * MINUTE), Step(10 * MINUTE, "in_progress_cutover", (100, 100)), REVERT_WINDOW, DONE),
        (ADD_COLUMN, CREATE_TABLE),
    ),
    "long_copy": LONG_COPY,
    "parallel": replace(LONG_COPY, changes=(ADD_INDEX,), strategy="parallel"),
    "older_answers": replace(LONG_COPY, omits=frozenset({"throttled_at", "table_locked", "removed_foreign_key_names"})),
    "early_finish": Scenario((*QUEUING, copying(6 * HOUR, 0, 75), *COMPLETING), (DROP_FOREIGN_KEY,)),
    "long_tail": Scenario((*QUEUING, copying(4 * HOUR, 0, 99), copying(8 * HOUR, 99, 99.9), *COMPLETING), (WIDEN_KEY,)),
    "throttled": Scenario(
        (
            *QUEUING,
            copying(HOUR, 0, 20),
            Step(12 * HOUR, "in_progress", (20, 35), throttled=True),
            copying(4 * HOUR, 35, 100),
            *COMPLETING,
        ),
        (WIDEN_KEY,),
        throttle=85,
    ),
    "stalled": Scenario(
        (
            *QUEUING,
            copying(2 * HOUR, 0, 41),
            Step(3 * HOUR, "in_progress", (41, 41), silent=True),
            Step(FOREVER, "complete_error", (41, 41), ("error",), errors=NO_LIFE),
        ),
        (WIDEN_KEY,),
        fits=False,
    ),
    "failed": Scenario(
        (
            *QUEUING,
            Step(20 * MINUTE, "in_progress", (0, 63), ("in_progress", "queued")),
            Step(FOREVER, "complete_error", (63, 63), ("error", "cancelled"), errors=DUPLICATES),
        ),
        (UNIQUE_EMAIL, ADD_INDEX),
    ),
    "failover": Scenario(
        (
            *QUEUING,
            copying(9 * HOUR, 0, 90),
            Step(9 * MINUTE, "in_progress", (90, 90), silent=True),
            copying(9 * HOUR),
            *COMPLETING,
        ),
        (WIDEN_KEY,),
    ),
    "gated": GATED,
    "cutover_expiring": replace(
        GATED,
        steps=(
            *GATED.steps[:-3],
            Step(2 * HOUR, "pending_cutover", (100, 100), expiring=True),
            Step(MINUTE, "in_progress_cancel", (100, 100)),
            Step(FOREVER, "complete_cancel", (100, 100), ("cancelled",)),
        ),
    ),
    "cutover_blocked": Scenario(
        (
            *QUEUING,
            copying(HOUR),
            Step(HOUR, "in_progress_cutover", (100, 100), locked=True),
            Step(MINUTE, "in_progress_cutover", (100, 100), locked=True, forced=True),
            REVERT_WINDOW,
            DONE,
        ),
        (ADD_COLUMN,),
    ),
    "drop_in_use": Scenario(
        (*QUEUING, Step(3 * HOUR, "in_progress", (0, 100), ("in_progress", "queued")), *COMPLETING),
        (ADD_INDEX, DROP_USED),
    ),
    "sharded": SHARDED_COPY,
    "sharded_in_summaries": replace(SHARDED_COPY, in_operations=False),
    "operations_only": replace(SHARDED_COPY, in_summaries=False),
    "cancelled_copy": Scenario(
        (
            *QUEUING,
            copying(HOUR, 0, 30),
            Step(MINUTE, "in_progress_cancel", (30, 30)),
            Step(FOREVER, "complete_cancel", (30, 30), ("cancelled",)),
        ),
        (ADD_INDEX,),
    ),
    "revert_window": Scenario((*QUEUING, copying(10 * MINUTE), *COMPLETING), (ADD_COLUMN,)),
    "reverted": Scenario(
        (
            *QUEUING,
            copying(10 * MINUTE),
            CUTTING_OVER,
            Step(15 * MINUTE, "complete_pending_revert", (100, 100), ("complete",)),
            Step(2 * MINUTE, "in_progress_revert", (100, 100), ("complete",)),
            Step(30, "in_progress_revert_vschema", (100, 100), ("complete",)),
            Step(FOREVER, "complete_revert", (100, 100), ("complete",)),
        ),
        (ADD_COLUMN,),
    ),
    "revert_failed": Scenario(
        (
            *QUEUING,
            copying(10 * MINUTE),
            CUTTING_OVER,
            Step(15 * MINUTE, "complete_pending_revert", (100, 100), ("complete",)),
            Step(2 * MINUTE, "in_progress_revert", (100, 100), ("complete",)),
            Step(FOREVER, "complete_revert_error", (100, 100), ("complete",)),
        ),
        (DROP_FOREIGN_KEY,),
    ),
}
