"""Deployments that came to their end while this process ran, each counted once."""

from collections.abc import Collection
from typing import Final, Protocol

from exporter.planetscale.models import Deployment, DeploymentState
from exporter.polling.snapshot import Key, Scope

RESULTS: Final = {
    DeploymentState.COMPLETE: "complete",
    DeploymentState.COMPLETE_ERROR: "failed",
    DeploymentState.COMPLETE_REVERT_ERROR: "failed",
    DeploymentState.ERROR: "failed",
    DeploymentState.COMPLETE_CANCEL: "cancelled",
    DeploymentState.CANCELLED: "cancelled",
    DeploymentState.COMPLETE_REVERT: "reverted",
}
"""What each last state means; what may still be reverted has none yet, and `no_changes` deploys nothing."""


class EndingObserver(Protocol):
    """Who wants to know how deployments end."""

    def database_seen(self, organization: str, database: str) -> None:
        """A database is watched, or a deploy request in it polled, for the first time."""

    def deployment_awaited(self, organization: str, database: str) -> None:
        """A deployment in the database waits or runs, the first one that was seen there."""

    def database_gone(self, organization: str, database: str) -> None:
        """A database is not watched any more, nor any deploy request in it polled."""

    def deployment_ended(
        self, organization: str, database: str, result: str, *, run: float | None, wait: float | None
    ) -> None:
        """A deployment ended; it ran and it waited in the queue for so many seconds, None where that is not known."""


class Endings:
    """Tells an observer of each end once, whichever answers say it and however often.

    Ends before the Unix time *since* are another process's. What was told is remembered until the process ends: a
    deployment can be seen again after any reload.
    """

    def __init__(self, observer: EndingObserver, since: float) -> None:
        self._observer = observer
        self._since = since
        self._seen: set[Scope] = set()
        self._awaited: set[Scope] = set()
        self._told: dict[Key, set[str | None]] = {}

    def sight(self, scopes: Collection[Scope]) -> None:
        """These databases are asked about from now on."""
        for scope in scopes:
            if scope not in self._seen:
                self._seen.add(scope)
                self._observer.database_seen(*scope)

    def lose(self, scope: Scope) -> None:
        """This database is not asked about any more."""
        if scope in self._seen:
            self._seen.remove(scope)
            self._awaited.discard(scope)
            self._observer.database_gone(*scope)

    def note(self, key: Key, deployment: Deployment) -> None:
        """An answer says this of a deployment."""
        if deployment.state is not None and deployment.state.is_moving and key.scope not in self._awaited:
            self._awaited.add(key.scope)
            self._observer.deployment_awaited(*key.scope)
        result = None if deployment.state is None else RESULTS.get(deployment.state)
        finished = deployment.finished_at
        if result is None or finished is None or finished < self._since or self._was_told(key, deployment.identity):
            return
        self._observer.deployment_ended(
            *key.scope,
            result,
            run=_seconds(deployment.started_at, finished),
            wait=_seconds(deployment.queued_at, deployment.started_at),
        )

    def _was_told(self, key: Key, identity: str | None) -> bool:
        """Whether the end of this deployment was told, which from now on it is.

        One without an id is taken for the one that is known.
        """
        told = self._told.setdefault(key, set())
        was_told = identity in told or (bool(told) and None in {*told, identity})
        if identity is not None or not told:
            told.discard(None)
            told.add(identity)
        return was_told


def _seconds(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None or end < start else end - start
