"""The databases that are watched."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.planetscale.models import Database, DeploymentState
from exporter.polling.plan import Plan
from exporter.polling.snapshot import Moment, Part

_MYSQL: Final = "mysql"


@dataclass(slots=True)
class WatchedDatabase:
    """A watched database; `named` ones are targets themselves and stay, found ones go when they are gone.

    `moves` says whether anything in its queue does, `past_found` whether what finished before the start was looked for.
    `open_requests` counts what its list of open deploy requests held, by the deployment's state.
    """

    named: bool
    moves: bool = True
    past_found: bool = False
    gone_since: Moment | None = None
    open_requests: Part[Mapping[DeploymentState, int]] = field(default_factory=Part)

    def gone(self, now: Moment) -> None:
        """PlanetScale knows it no more; the first time counts."""
        self.gone_since = now if self.gone_since is None else self.gone_since


def has_deploy_requests(row: Database) -> bool:
    """Whether a database is of the kind that can have any; Postgres ones have none."""
    return row.kind in {_MYSQL, ""}


def is_watched(plan: Plan, organization: str, row: Database) -> bool:
    """Whether a database of a listing is one to watch."""
    name = row.name or ""
    # A name of dots would change the path that is asked; every other character is escaped there.
    return name not in {"", ".", ".."} and has_deploy_requests(row) and plan.watches(organization, name)
