"""What the board of what was asks: sums of what the recording rules write where a deployment ended."""

from typing import Final

from queries import WATCHED, recorded

ENDED: Final = "complete|failed|reverted|cancelled"
DEPLOYED: Final = "complete|reverted"
UNDONE: Final = "failed|reverted"
TRIED: Final = "complete|failed|reverted"
RAN, WAITED = "planetscale_deploy_request_run_seconds", "planetscale_deploy_request_wait_seconds"
BLOCKED: Final = "complete_error|complete_revert_error"
WATCH_STEP: Final = 300  # seconds; what is watched is looked at every five minutes
PER_DATABASE: Final = "by (organization, database) "


def watched() -> str:
    """1 or 0 for each database that an exporter has seen: whether it could be polled."""
    return recorded("database:planetscale_database_up:max")


def ended(results: str, window: str) -> str:
    """How many deployments of each database ended so."""
    return _over(recorded("database_result:planetscale_deploy_requests_finished:increase", result=results), window)


def within(name: str, bound: str, window: str) -> str:
    """Of how many deployments of each database *name* (RAN or WAITED) was at most *bound*, a bucket's `le`."""
    return _over(recorded(f"database_le:{name}_bucket:increase", le=bound), window)


def count(results: str) -> str:
    """How many ended so; 0 only where something that matches is watched, and recorded."""
    return f"sum({ended(results, '$__range')})\nor 0 * ({WATCHED} and on () count({watched()}))"


def mean(name: str, window: str, by: str = "") -> str:
    """The mean of *name* (RAN or WAITED), in seconds; of each database with PER_DATABASE."""
    seconds = _over(recorded(f"database:{name}_sum:increase"), window)
    number = f"sum {by}({within(name, '+Inf', window)})"
    return f"(sum {by}({seconds}) or 0 * {number}) / {number}"


def share(some: str, of: str, window: str, by: str = "") -> str:
    """The share of results that *some* are among *of*; none where nothing ended."""
    number = f"sum {by}({ended(of, window)})"
    return f"(sum {by}({ended(some, window)}) or 0 * {number}) / {number}"


def _over(selector: str, window: str) -> str:
    return f"sum_over_time({selector}[{window}])"
