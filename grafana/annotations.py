"""Marks on the graphs: where a state changed, and where something failed."""

from collections.abc import Iterable

from grafana_foundation_sdk.models import dashboard
from panels import DATASOURCE
from queries import newly, operation, recorded, request

from exporter.planetscale.models import DeploymentState


class Annotation(dashboard.AnnotationQuery):
    """A mark on every graph wherever *expr* has a value; the SDK's model lacks Prometheus' own fields."""

    def __init__(self, name: str, expr: str, *, text: str, colour: str, tags: Iterable[str] = ()) -> None:
        super().__init__(name=name, datasource=DATASOURCE, expr=expr, icon_color=colour)
        self._more = {"titleFormat": name, "textFormat": text, "tagKeys": ",".join(tags), "step": "60s"}

    def to_json(self) -> dict[str, object]:
        """The fields as Grafana's Prometheus data source reads them."""
        return super().to_json() | self._more


def marks(*states: DeploymentState) -> list[Annotation]:
    """Marks where a deployment comes into one of *states*, and where an operation fails."""
    state = "|".join(states)
    return [
        Annotation(
            "Deployment state",
            newly(request("deployment_state", "state", state=state)),
            text="{{organization}}/{{database}} #{{deploy_request}} is {{state}}",
            colour="blue",
            tags=("state",),
        ),
        Annotation(
            "Operation failed",
            newly(operation("failed")),
            text="{{organization}}/{{database}} #{{deploy_request}}: {{operation}} of {{keyspace}}.{{table}} failed",
            colour="red",
            tags=("table",),
        ),
    ]


def database_marks() -> list[Annotation]:
    """Marks where more of a database's deploy requests than before have failed, wait for a person or are done.

    From what the recording rules count, so that no series of a state is read.
    """
    name = "database_state:planetscale_deploy_request_deployment_state:sum"
    counted = recorded(
        name, state="complete|complete_error|complete_revert|complete_revert_error|error|pending_cutover"
    )
    now, before = (f"max by (organization, database, state) ({counted}{offset})" for offset in ("", " offset 1m"))
    return [
        Annotation(
            "Deployment state",
            f"{now} > {before}\nor {now}\n  unless {before}\n"
            f"  and on (organization, database) count by (organization, database) ({recorded(name)} offset 1m)",
            text="{{organization}}/{{database}}: one more deploy request is {{state}}",
            colour="blue",
            tags=("state",),
        )
    ]
