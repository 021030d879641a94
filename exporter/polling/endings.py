"""Deployments that came to their end while this process ran, each counted once."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from exporter.planetscale.models import Deployment, DeploymentState
from exporter.polling.snapshot import Durations, Ended, Key, Scope

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


class Endings:
    """Counts each end once, whichever answers say it and however often, by database.

    Ends before the Unix time *since* are another process's. What was counted is remembered until the process ends: a
    deployment can be seen again after any reload.
    """

    def __init__(self, since: float) -> None:
        self._since = since
        self._ended: dict[Scope, Ended] = {}
        self._all: tuple[Ended, ...] | None = ()
        self._counted: dict[Key, set[str | None]] = {}

    @property
    def all(self) -> tuple[Ended, ...]:
        """Of each database that is asked about, by name; the same object as long as it is the same."""
        if self._all is None:
            self._all = tuple(self._ended[scope] for scope in sorted(self._ended))
        return self._all

    def sight(self, scopes: Iterable[Scope]) -> None:
        """These databases are asked about from now on: their counters start at 0."""
        for scope in scopes:
            if scope not in self._ended:
                self._put(scope, Ended(*scope))

    def lose(self, scope: Scope) -> None:
        """This database is not asked about any more: what was counted in it goes."""
        self._ended.pop(scope, None)
        self._all = None

    def note(self, key: Key, deployment: Deployment) -> None:
        """An answer says this of a deployment in a database that is asked about."""
        if (known := self._ended.get(key.scope)) is None:
            return
        if known.run is None and deployment.state is not None and deployment.state.is_moving:
            known = replace(known, run=Durations(), wait=Durations())
            self._put(key.scope, known)
        result = None if deployment.state is None else RESULTS.get(deployment.state)
        finished = deployment.finished_at
        if result is None or finished is None or finished < self._since or self._was_counted(key, deployment.identity):
            return
        self._put(
            key.scope,
            replace(
                known,
                results={**known.results, result: known.results.get(result, 0) + 1},
                run=_with(known.run, deployment.started_at, finished),
                wait=_with(known.wait, deployment.queued_at, deployment.started_at),
            ),
        )

    def _put(self, scope: Scope, ended: Ended) -> None:
        self._ended[scope] = ended
        self._all = None

    def _was_counted(self, key: Key, identity: str | None) -> bool:
        """Whether the end of this deployment was counted, which from now on it is.

        One without an id is taken for the one that is known.
        """
        counted = self._counted.setdefault(key, set())
        was_counted = identity in counted or (bool(counted) and None in {*counted, identity})
        if identity is not None or not counted:
            counted.discard(None)
            counted.add(identity)
        return was_counted


def _with(known: Durations | None, start: float | None, end: float | None) -> Durations | None:
    """What is known and the time between the two, where both are given and make sense."""
    return known if start is None or end is None or end < start else (known or Durations()).and_one(end - start)
