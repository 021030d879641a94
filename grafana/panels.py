"""Panels: what all of them have, and one function for each kind that is used."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import common as commons
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.models import common, dashboard

DATASOURCE: Final = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
# As backgrounds: near white on them holds a contrast of 4.5:1.
BAD, WARNING, NOTICE, PLAIN = "#c4162a", "#a84300", "#8a6100", "text"
NEUTRAL: Final = "transparent"  # a tile that stands for nothing to worry about
COUNTS: Final = frozenset({"none", "cpm"})
SOFT_TOP: Final = 5  # so that the axis of a graph that counts to one has no fractions
NO_EXPORTER: Final = "no exporter"
NOT_KNOWN: Final = "not known"
BARS: Final = 30
STEP: Final = "1m"  # the finest of a graph: more points than that are not seen

Threshold = tuple[float, str]
Look = Mapping[str, object]
Query = tuple[str, str]  # an expression, and the name of its series


class Panel(Protocol):
    """What the SDK's panel builders have in common."""

    def build(self) -> dashboard.Panel: ...  # noqa: D102 - the SDK's
    def title(self, title: str) -> Self: ...  # noqa: D102
    def description(self, description: str) -> Self: ...  # noqa: D102
    def datasource(self, datasource: dashboard.DataSourceRef) -> Self: ...  # noqa: D102
    def span(self, w: int) -> Self: ...  # noqa: D102
    def height(self, h: int) -> Self: ...  # noqa: D102
    def unit(self, unit: str) -> Self: ...  # noqa: D102
    def no_value(self, no_value: str) -> Self: ...  # noqa: D102


AnyPanel = TypeVar("AnyPanel", bound=Panel)


def framed(panel: AnyPanel, heading: tuple[str, str], unit: str, empty: str, size: tuple[int, int]) -> AnyPanel:
    """The panel with its title and description, unit, text for when there is nothing to show, width and height."""
    width, height = size
    panel = panel.title(heading[0]).description(heading[1]).datasource(DATASOURCE)
    return panel.unit(unit).no_value(empty).span(width).height(height)


def instant(expr: str) -> prometheus.Dataquery:
    """A query for the newest values."""
    return prometheus.Dataquery().expr(expr).instant().legend_format("__auto")


def ranged(expr: str, legend: str) -> prometheus.Dataquery:
    """A query for values over time."""
    return prometheus.Dataquery().expr(expr).range().legend_format(legend)


def steps(base: str, *above: Threshold) -> dashboards.ThresholdsConfig:
    """Colours by value: *base*, and from each value on another."""
    found = [dashboard.Threshold(None, base), *(dashboard.Threshold(value, colour) for value, colour in above)]
    return dashboards.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(found)


def look(settings: Look) -> list[dashboard.DynamicConfigValue]:
    """The settings of an override."""
    return [dashboard.DynamicConfigValue(name, value) for name, value in settings.items()]


def tile(  # noqa: PLR0913 - each is a word on the tile
    heading: tuple[str, str],
    expr: str,
    *,
    empty: str,
    unit: str = "none",
    colours: tuple[str, *tuple[Threshold, ...]] = (PLAIN,),
    texts: dashboard.ValueMap | None = None,
    size: tuple[int, int] = (6, 3),
    filled: bool = True,
    decimals: int | None = None,
) -> stat.Panel:
    """One number or word, on its colour where *filled*."""
    mode = common.BigValueColorMode.BACKGROUND_SOLID if filled else common.BigValueColorMode.VALUE
    panel = framed(stat.Panel(), heading, unit, empty, size).thresholds(steps(*colours)).with_target(instant(expr))
    panel = panel.reduce_options(commons.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False))
    panel = panel.color_mode(mode).graph_mode(common.BigValueGraphMode.NONE).mappings([texts] if texts else [])
    if decimals is not None:
        panel = panel.decimals(decimals)
    return panel.justify_mode(common.BigValueJustifyMode.CENTER).text_mode(common.BigValueTextMode.VALUE)


def lines(  # noqa: PLR0913 - each is seen on the graph
    heading: tuple[str, str],
    queries: Sequence[Query],
    *,
    empty: str,
    unit: str,
    size: tuple[int, int] = (12, 8),
    stacked: bool = False,
    top: float | None = None,
    colours: Mapping[str, str] | None = None,
    dashed: str = "",
    bad: str = "",
) -> timeseries.Panel:
    """Values over time from zero, areas on each other where *stacked*.

    *colours* are those of names; names that match *dashed* are drawn so, those that match *bad* in shades of red.
    """
    legend = commons.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST).show_legend(show_legend=True)
    legend = legend.placement(common.LegendPlacement.BOTTOM)
    tooltip = commons.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    panel = (
        framed(timeseries.Panel(), heading, unit, empty, size).min(0).line_width(2).fill_opacity(60 if stacked else 0)
    )
    panel = panel.interval(STEP)
    panel = panel.legend(legend).tooltip(tooltip).show_points(common.VisibilityMode.NEVER)
    if stacked:
        panel = panel.stacking(commons.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
        panel = panel.line_interpolation(common.LineInterpolation.STEP_AFTER).line_width(0)
    if top is not None:
        panel = panel.max(top)
    elif unit in COUNTS:
        panel = panel.axis_soft_max(SOFT_TOP)
    for expr, name in queries:
        panel = panel.with_target(ranged(expr, name))
    if dashed:
        dash = {"custom.lineStyle": common.LineStyle(fill="dash", dash=[8, 8])}
        panel = panel.override_by_regexp(dashed, look(dash))
    if bad:
        panel = panel.override_by_regexp(bad, look({"color": {"mode": "shades", "fixedColor": BAD}}))
    for name, colour in (colours or {}).items():
        panel = panel.override_by_name(name, look({"color": {"mode": "fixed", "fixedColor": colour}}))
    return panel


def bars(panel: timeseries.Panel) -> timeseries.Panel:
    """The graph as what fell into each of some thirty parts of the time shown; its queries ask per $__interval."""
    return panel.max_data_points(BARS).draw_style(common.GraphDrawStyle.BARS).fill_opacity(80).line_width(1)


def timeline(
    heading: tuple[str, str], query: Query, texts: dashboard.ValueMap, *, empty: str, size: tuple[int, int] = (24, 7)
) -> statetimeline.Panel:
    """One lane a series, its states as *texts* say."""
    panel = framed(statetimeline.Panel(), heading, "none", empty, size).with_target(ranged(*query)).mappings([texts])
    panel = panel.interval(STEP)
    panel = panel.color_scheme(dashboards.FieldColor().mode(dashboard.FieldColorModeId.FIXED).fixed_color(PLAIN))
    panel = (
        panel.legend(commons.VizLegendOptions().show_legend(show_legend=False))
        .row_height(0.8)
        .fill_opacity(80)
        .per_page(20)
    )
    return panel.merge_values(merge_values=True).show_value(common.VisibilityMode.AUTO).line_width(0)
