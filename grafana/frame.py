"""What surrounds the panels: variables, links, annotations, and their places on the grid."""

from collections.abc import Iterable, Iterator, Sequence
from string import ascii_uppercase
from typing import Final, Generic, TypeVar

from annotations import Annotation
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard, prometheus
from panels import DATASOURCE, Panel
from queries import series

from exporter.metrics.families import REQUEST_LABELS

Model = TypeVar("Model")
Section = tuple[str, Sequence[Panel]]  # a row's title, none for panels above all rows, and its panels

TITLES: Final = {
    "planetscale-deploys": "PlanetScale / Deploys",
    "planetscale-deploy-request": "PlanetScale / Deploy request",
    "planetscale-exporter": "PlanetScale / Exporter",
}
TAG: Final = "planetscale"


class Made(Builder[Model], Generic[Model]):
    """Gives a finished model to the SDK, which takes builders only."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def build(self) -> Model:
        """The model itself."""
        return self._model


def variables(*, shown: bool) -> list[Builder[dashboard.VariableModel]]:
    """The variables of every dashboard; which exporter is asked (job, instance) is *shown* only where it matters."""
    hide = dashboard.VariableHide.DONT_HIDE if shown else dashboard.VariableHide.HIDE_VARIABLE
    exporters = _chain("planetscale_exporter_build_info", ("job", "instance"))
    subjects = _chain("planetscale_deploy_request_up", REQUEST_LABELS)
    return [
        dashboards.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        *(variable.hide(hide) for variable in exporters),
        *subjects,
    ]


def _chain(metric: str, labels: Sequence[str]) -> Iterator[dashboards.QueryVariable]:
    """A variable a label, each offering only what goes with the ones before it."""
    series(metric)  # fails where no family has that name
    for place, label in enumerate(labels):
        matchers = ", ".join(f'{before}=~"${before}"' for before in labels[:place])
        query = f"label_values({metric}{{{matchers}}}, {label})"
        every = dashboard.VariableOption(text="All", value="$__all", selected=True)
        number = label == "deploy_request"
        yield (
            dashboards.QueryVariable(label)
            .label(label.replace("_", " ").capitalize())
            .datasource(DATASOURCE)
            .query({"query": query, "refId": "StandardVariableQuery"})
            .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(dashboard.VariableSort.NUMERICAL_DESC if number else dashboard.VariableSort.ALPHABETICAL_ASC)
            .multi(multi=True)
            .include_all(include_all=True)
            .all_value(".+")
            .current(every)
        )


def links(uid: str) -> list[Builder[dashboard.DashboardLink]]:
    """The way to the other dashboards, with the time and the chosen variables."""
    return [
        dashboards.DashboardLink(title)
        .type(dashboard.DashboardLinkType.LINK)
        .url(f"/d/{other}")
        .tooltip(f"Go to {title}")
        .icon("dashboard")
        .tags([])
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
        for other, title in TITLES.items()
        if other != uid
    ]


def framed_dashboard(
    uid: str, question: str, sections: Sequence[Section], annotations: Sequence[Annotation], *, exporters: bool = False
) -> dashboard.Dashboard:
    """The dashboard that answers *question*; *exporters* shows the variables that choose among them."""
    made = dashboards.Dashboard(TITLES[uid]).uid(uid).description(question).tags([TAG]).readonly()
    made = made.time("now-6h", "now").refresh("1m").timezone("browser").tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    made = (
        made.variables(variables(shown=exporters)).links(links(uid)).annotations([Made(mark) for mark in annotations])
    )
    for title, panels in sections:
        if title:
            made = made.with_row(dashboards.Row(title))
        for panel in panels:
            made = made.with_panel(Made(panel.build()))
    model = made.build()
    for number, placed in enumerate(model.panels or [], 1):
        placed.id_val = number
        if isinstance(placed, dashboard.Panel):
            _name_queries(placed.targets or [])
    return model


def _name_queries(targets: Iterable[object]) -> None:
    for letter, target in zip(ascii_uppercase, targets, strict=False):
        if isinstance(target, prometheus.Dataquery):
            target.ref_id, target.datasource = letter, DATASOURCE
