"""What the deployment states mean to the plot of a deploy request and to those behind it in the queue."""

from typing import Final

IN_QUEUE: Final = frozenset(
    {
        "queued",
        "submitting",
        "in_progress",
        "pending_cutover",
        "in_progress_vschema",
        "in_progress_cancel",
        "in_progress_cutover",
        "complete_pending_revert",
        "in_progress_revert",
        "in_progress_revert_vschema",
    }
)
BLOCKING: Final = IN_QUEUE | {"complete_error", "complete_revert_error"}
REVERT_WINDOW: Final = 30 * 60.0
CUTOVER: Final = frozenset({"in_progress_cutover"})
DEPLOYED: Final = frozenset({"complete", "complete_pending_revert"})
SETTLED: Final = DEPLOYED | {
    "no_changes",
    "complete_cancel",
    "complete_error",
    "complete_revert",
    "complete_revert_error",
    "cancelled",
    "error",
}
# What a deployment becomes, and its operations, when its deploy request is closed; all others stay as they are.
CLOSED_AS: Final = {
    "queued": ("cancelled", "cancelled"),
    "submitting": ("complete_cancel", "cancelled"),
    "in_progress": ("complete_cancel", "cancelled"),
    "pending_cutover": ("complete_cancel", "cancelled"),
    "in_progress_cancel": ("complete_cancel", "cancelled"),
    "in_progress_cutover": ("complete_cancel", "cancelled"),
    "in_progress_vschema": ("complete", "complete"),
    "complete_pending_revert": ("complete", "complete"),
    "in_progress_revert": ("complete_revert", "complete"),
    "in_progress_revert_vschema": ("complete_revert", "complete"),
}
CLOSING: Final = frozenset({"complete", "complete_cancel", "complete_revert"})
