"""Tables: what is known of each subject, a row for each, a column for each query or label."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Final

from grafana_foundation_sdk.builders import common as commons
from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import prometheus as queries
from panels import NEUTRAL, PLAIN, Look, framed, instant, look, steps
from states import HELD_UP, RUNS, mapping

PROGRESS: Final[Look] = {
    "unit": "percent",
    "min": 0,
    "max": 100,
    "decimals": 0,
    "color": {"mode": "fixed", "fixedColor": RUNS},
    "custom.cellOptions": common.TableBarGaugeCellOptions(
        common.BarGaugeDisplayMode.BASIC, common.BarGaugeValueMode.TEXT
    ),
    "custom.minWidth": 110,
}
COLOURED: Final = common.TableColoredBackgroundCellOptions(common.TableCellBackgroundDisplayMode.BASIC)
DURATION: Final[Look] = {"unit": "s", "decimals": 1, "custom.align": "right", "custom.width": 90}
CLOCK: Final[Look] = {"unit": "dateTimeAsIsoNoDateIfToday", "custom.align": "right", "custom.width": 155}
NOTHING: Final = "-"  # in a cell; the panel's own text is for tables without rows
LONG: Final[Look] = {"custom.minWidth": 320, "custom.inspect": True}  # a text that may not fit
TO_REQUEST: Final = (
    "/d/planetscale-deploy-request?var-organization=${__data.fields.Organization}"
    "&var-database=${__data.fields.Database}&var-deploy_request=${__data.fields.Request}"
    "&${datasource:queryparam}&${__url_time_range}"
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, the label or else the query it shows, and how."""

    heading: str
    label: str = ""
    expr: str = ""
    look: Mapping[str, object] = field(default_factory=dict)


def link(title: str, url: str, *, away: bool = False) -> Look:
    """The look of a cell that leads to *url*, in a tab of its own where *away*."""
    return {"links": [{"title": title, "url": url, "targetBlank": away}]}


ORGANIZATION: Final = Column("Organization", "organization", look={"custom.width": 98})
DATABASE: Final = Column("Database", "database", look={"custom.minWidth": 90})
REQUEST: Final = Column(
    "Request",
    "deploy_request",
    look={**link("Look at this deploy request", TO_REQUEST), "custom.width": 66, "custom.align": "right"},
)


def address_look(title: str, text: str, width: int) -> Look:
    """The look of a cell that holds an address: *text* that leads there."""
    shown = dashboard.RegexMap(
        dashboard.DashboardRegexMapOptions(".+", dashboard.ValueMappingResult(text=text, index=0))
    )
    return {**link(title, "${__value.raw}", away=True), "mappings": [shown], "custom.width": width}


PLANETSCALE: Final = address_look("Open at PlanetScale", "open ↗", 62)


def coloured(colour: str, *above: tuple[float, str]) -> Look:
    """The look of a number whose background tells how bad it is."""
    return {"thresholds": steps(colour, *above).build(), "custom.cellOptions": COLOURED}


WRAPPED: Final[Look] = {
    "custom.minWidth": 320,
    "custom.cellOptions": common.TableAutoCellOptions(wrap_text=True),
    "custom.wrapText": True,  # where newer versions of Grafana look for it
    "custom.inspect": True,
}


# Coloured by its text only: nothing in it is no reason for a colour.
QUIET: Final[Look] = coloured(NEUTRAL)


def state_look(texts: dashboard.ValueMap, width: int) -> Look:
    """The look of a cell with a state in it."""
    return {**QUIET, "mappings": [texts], "custom.width": width}


HELD_UP_LOOK: Final = state_look(mapping((str(value), *look) for value, look in HELD_UP.items()), 105)


def flag_look(text: str, colour: str, width: int, *, no: str = "-") -> Look:
    """The look of a cell that holds 1 or 0: a word on its colour, or a dash."""
    texts = mapping([("1", text, NEUTRAL if colour == PLAIN else colour), ("0", no, NEUTRAL)])
    return {**QUIET, "mappings": [texts], "custom.width": width, "custom.align": "center"}


def table_of(  # noqa: PLR0913 - each is seen on the table
    heading: tuple[str, str],
    columns: Sequence[Column],
    *,
    empty: str,
    size: tuple[int, int],
    tall: bool = False,
    hidden: Iterable[str] = (),
    sort: Iterable[tuple[str, bool]] = (),
) -> table.Panel:
    """A row for each subject that any of the queries gives.

    All queries give the same labels of identity; those that are no columns must be named in *hidden*. *sort* lists
    headings, each with whether to put the highest first. *tall* rows hold two lines of text.
    """
    asked = [column for column in columns if column.expr]
    values = {
        column.heading: f"Value #{letter}" if len(asked) > 1 else "Value"
        for column, letter in zip(asked, ascii_uppercase, strict=False)
    }
    names = {column.label or values[column.heading]: column.heading for column in columns}
    unseen = ("Time", *hidden, *(values[column.heading] for column in asked if column.label))
    panel = framed(table.Panel(), heading, "none", empty, size)
    panel = panel.cell_height(common.TableCellHeight.LG if tall else common.TableCellHeight.SM)
    for column, letter in zip(asked, ascii_uppercase, strict=False):
        panel = panel.with_target(instant(column.expr).format(queries.PromQueryFormat.TABLE).ref_id(letter))
    order = {
        "excludeByName": dict.fromkeys(unseen, True),
        "indexByName": {name: place for place, name in enumerate(names)},
        "renameByName": names,
    }
    panel = panel.with_transformation(dashboard.DataTransformerConfig("merge", options={}))
    panel = panel.with_transformation(dashboard.DataTransformerConfig("organize", options=order))
    for column in columns:
        panel = panel.override_by_name(column.heading, look({"noValue": NOTHING} | dict(column.look)))
    return panel.sort_by([commons.TableSortByFieldState().display_name(name).desc(high) for name, high in sort])
