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
    "planetscale-history": "PlanetScale / History",
    "planetscale-exporter": "PlanetScale / Exporter",
}
TAG: Final = "planetscale"
ALL: Final = dashboard.VariableOption(text="All", value="$__all", selected=True)
WIDTH: Final = 24


class Made(Builder[Model], Generic[Model]):
    """Gives a finished model to the SDK, which takes builders only."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def build(self) -> Model:
        """The model itself."""
        return self._model


def variables(*, shown: bool, one: bool) -> list[Builder[dashboard.VariableModel]]:
    """The variables of every dashboard; which exporter is asked (job, instance) is *shown* only where it matters.

    *one* opens on the newest deploy request of one database, and offers no All. Elsewhere a database can be chosen
    that has no deploy request.
    """
    hide = dashboard.VariableHide.DONT_HIDE if shown else dashboard.VariableHide.HIDE_VARIABLE
    exporters = _chain(("job", "instance"), "planetscale_exporter_build_info", every=True)
    databases = "planetscale_deploy_request_up" if one else "planetscale_deploy_requests_finished_total"
    subjects = _chain(REQUEST_LABELS, databases, last="planetscale_deploy_request_up", every=not one)
    return [
        dashboards.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        *(variable.hide(hide) for variable in exporters),
        *subjects,
    ]


def _chain(labels: Sequence[str], metric: str, *, last: str = "", every: bool) -> Iterator[dashboards.QueryVariable]:
    """A variable a label of *metric*, or of *last*, each offering only what goes with the ones before it."""
    for place, label in enumerate(labels):
        asked = last if last and label == labels[-1] else metric
        series(asked)  # fails where no family has that name
        matchers = ", ".join(f'{before}=~"${before}"' for before in labels[:place])
        query = f"label_values({asked}{{{matchers}}}, {label})"
        number = label == "deploy_request"
        variable = (
            dashboards.QueryVariable(label)
            .label(label.replace("_", " ").capitalize())
            .datasource(DATASOURCE)
            .query({"query": query, "refId": "StandardVariableQuery"})
            .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(dashboard.VariableSort.NUMERICAL_DESC if number else dashboard.VariableSort.ALPHABETICAL_ASC)
            .multi(multi=True)
            .include_all(include_all=every)
        )
        yield variable.all_value(".+").current(ALL) if every else variable


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


def framed_dashboard(  # noqa: PLR0913 - each is seen on the dashboard
    uid: str,
    question: str,
    sections: Sequence[Section],
    annotations: Sequence[Annotation],
    *,
    exporters: bool = False,
    one: bool = False,
    since: str = "now-6h",
) -> dashboard.Dashboard:
    """The dashboard that answers *question*, from *since* on.

    *exporters* shows the variables that choose among them; *one* is about one deploy request. Sections whose title
    begins with `+` are collapsed.
    """
    made = dashboards.Dashboard(TITLES[uid]).uid(uid).description(question).tags([TAG]).readonly()
    made = made.time(since, "now").refresh("1m").timezone("browser").tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    made = made.variables(variables(shown=exporters, one=one)).links(links(uid))
    model = made.annotations([Made(mark) for mark in annotations]).build()
    model.panels = _placed(sections)
    for number, placed in enumerate(_flat(model.panels), 1):
        placed.id_val = number
        if isinstance(placed, dashboard.Panel):
            _name_queries(placed.targets or [])
    return model


def _placed(sections: Sequence[Section]) -> list[dashboard.Panel | dashboard.RowPanel]:
    """All panels on the grid, from left to right and from top to bottom; those of collapsed rows within their row."""
    everything: list[dashboard.Panel | dashboard.RowPanel] = []
    top = 0
    for title, panels in sections:
        made, bottom = _row_of([panel.build() for panel in panels], top + bool(title))
        if title:
            row = dashboards.Row(title.removeprefix("+")).collapsed(title.startswith("+")).build()
            row.grid_pos = dashboard.GridPos(h=1, w=WIDTH, x=0, y=top)
            everything.append(row)
            if row.collapsed:
                row.panels, made, bottom = made, [], top + 1
        everything += made
        top = bottom
    return everything


def _row_of(panels: list[dashboard.Panel], top: int) -> tuple[list[dashboard.Panel], int]:
    """The panels with their places from *top* on, and where the next may begin."""
    left = highest = 0
    for panel in panels:
        size = panel.grid_pos or dashboard.GridPos(w=WIDTH)
        width, height = size.w, size.h
        if left + width > WIDTH:
            top, left, highest = top + highest, 0, 0
        panel.grid_pos = dashboard.GridPos(h=height, w=width, x=left, y=top)
        left, highest = left + width, max(highest, height)
    return panels, top + highest


def _flat(panels: Iterable[dashboard.Panel | dashboard.RowPanel]) -> Iterator[dashboard.Panel | dashboard.RowPanel]:
    for panel in panels:
        yield panel
        if isinstance(panel, dashboard.RowPanel):
            yield from panel.panels


def _name_queries(targets: Iterable[object]) -> None:
    for letter, target in zip(ascii_uppercase, targets, strict=False):
        if isinstance(target, prometheus.Dataquery):
            target.ref_id, target.datasource = letter, DATASOURCE
