"""The one module that draws: charts by Altair, as PNG, as SVG, and as specifications for a page that loads nothing.

A chart is declared in a few words, `bar x=megabytes y=language color=license_type top=20`, so that a query and its plot
fit in one SQL file. What kind of axis a column needs follows from its values: numbers, dates, or names in the order of
the rows.
"""

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .errors import QueryError, nearest
from .optional import require

if TYPE_CHECKING:
    import altair

MARKS = ("bar", "line")
_WIDTH = 620
_HEIGHT = 280
_STEP = 21
_WIDEST_BAR = 70
_LETTER = 8  # pixels, a little more than it takes
_SUBTITLE = 110  # characters a line
_FORMATS = {"quantitative": ",~f", "temporal": "%Y-%m-%d"}
_POINTS = 60  # values of a line that each have their point
_PNG_SCALE = 2.0
_DRAW = """
for (const [id, chart] of Object.entries(JSON.parse(document.getElementById('charts').textContent)))
  vegaEmbed(document.getElementById(id), chart, {mode: 'vega-lite', renderer: 'svg', ast: true,
    actions: {export: true, source: false, compiled: false, editor: false}});
"""
# Licence classes from green to red through grey: what may be used freely to what may not.
_LICENSES = {
    "permissive": "#2a9d5c",
    "public-domain": "#7fc99b",
    "weak-copyleft": "#e9c46a",
    "copyleft": "#e07a3f",
    "non-commercial": "#c8553d",
    "proprietary": "#8f2d2d",
    "unknown": "#9a9a9a",
    "none": "#d0d0d0",
}
# Tableau's ten: https://www.tableau.com/blog/colors-upgrade-tableau-10-56782
_PALETTE = (
    "#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#edc948", "#b07aa1", "#ff9da7", "#9c755f", "#bab0ac",
)  # fmt: skip
_CONFIG = {
    "font": "DejaVu Sans, Liberation Sans, Arial, sans-serif",
    "padding": 12,
    "view": {"stroke": None},
    "axis": {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal", "labelLimit": 230, "domain": False,
             "gridColor": "#e6e6e6", "tickColor": "#e6e6e6"},
    "legend": {"labelFontSize": 11, "labelLimit": 230, "symbolLimit": 0},
    "title": {"anchor": "start", "fontSize": 15, "subtitleFontSize": 11.5, "subtitleColor": "#555", "offset": 12},
    "bar": {"color": "#33658a"},
    "line": {"color": "#33658a"},
    "point": {"color": "#33658a", "filled": True},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Plot:
    """What to draw of a result: a mark, and the columns on its axes.

    color: a column with a colour for each value; bars of one name are stacked. top: how many names are drawn, the first
    of the rows. symlog: the numbers' axis is logarithmic (and linear near 0).
    """

    mark: str
    x: str
    y: str
    color: str | None = None
    top: int | None = None
    symlog: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it draws."""
        return (self.x, self.y, *([self.color] if self.color else []))

    def check(self, columns: Sequence[str]) -> None:
        """Raises QueryError if one of them is not among the `columns` of a result."""
        for column in self.columns:
            if column not in columns:
                raise QueryError(f"there is no column {column} to plot; the result has {', '.join(columns)}")


def parse(text: str) -> Plot:
    """The plot that `bar x=COLUMN y=COLUMN [color=COLUMN] [top=N] [scale=symlog]` declares.

    Raises QueryError that names the word it does not know.
    """
    mark, *words = text.split()
    if mark not in MARKS:
        raise QueryError(f"plot {text!r}: {mark!r} is no kind of plot; there are {', '.join(MARKS)}")
    known = ("x", "y", "color", "top", "scale")
    given = dict(word.partition("=")[::2] for word in words)
    for name, value in given.items():
        if name not in known or not value:
            close = nearest(name, known)
            raise QueryError(f"plot {text!r}: {name!r} is none of {', '.join(f'{n}=' for n in close or known)}")
    if "x" not in given or "y" not in given:
        raise QueryError(f"plot {text!r}: name both axes, x=COLUMN y=COLUMN")
    if given.get("scale", "symlog") != "symlog" or not given.get("top", "1").isdigit():
        raise QueryError(f"plot {text!r}: top is a number, and the only scale to ask for is symlog")
    return Plot(
        mark=mark,
        x=given["x"],
        y=given["y"],
        color=given.get("color"),
        top=int(given["top"]) if "top" in given else None,
        symlog="scale" in given,
    )


def chart(
    plot: Plot,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    labels: Mapping[str, str] | None = None,
    title: str = "",
    subtitle: str = "",
) -> "altair.Chart":
    """The chart of a result's rows. labels: column -> what its axis is called, units and all.

    Raises QueryError if the result has no such column, MissingDependencyError without the extra `plot`.
    """
    require("altair")
    require("vl_convert")
    import altair as alt

    plot.check(columns)
    # Vega reads dots and brackets in a name as a path into the value: its fields are numbered instead.
    fields = {column: f"c{number}" for number, column in enumerate(columns)}
    kinds = {column: _kind([row[number] for row in rows]) for number, column in enumerate(columns)}
    values = [
        {fields[column]: _plain(value, kinds[column]) for column, value in zip(columns, row, strict=True)}
        for row in rows
    ]
    if plot.top is not None and (named := next((c for c in (plot.y, plot.x) if kinds[c] == "nominal"), None)):
        shown = set(_names(values, fields[named])[: plot.top])
        values = [value for value in values if value[fields[named]] in shown]
    called = {column: column.replace("_", " ") for column in columns} | dict(labels or {})

    def axis(column: str, make: Any) -> Any:
        field, kind, head = fields[column], kinds[column], called[column]
        if kind == "nominal":
            names = _names(values, field)
            # Names side by side are turned where they would run into each other.
            turned = column == plot.x and sum(map(len, names)) * _LETTER > _WIDTH
            look = alt.Axis(labelAngle=-40 if turned else 0, grid=False)
            return make(field, type=kind, sort=names, title=head if column == plot.x else None, axis=look)
        if kind == "temporal":
            bins = {"timeUnit": "yearmonth"} if plot.mark == "bar" else {}
            return make(field, type=kind, title=head, axis=alt.Axis(format="%b %Y", grid=False), **bins)
        if not plot.symlog:
            look = alt.Axis(format=",~f", tickCount=6)
            return make(field, type=kind, title=head, scale=alt.Scale(zero=plot.mark == "bar"), axis=look)
        largest = max((value[field] or 0 for value in values), default=1)
        steps = [0, *(10**power for power in range(len(str(int(largest)))))]
        look = alt.Axis(format=",~f", values=steps)
        return make(field, type=kind, title=f"{head} (logarithmic)", scale=alt.Scale(type="symlog"), axis=look)

    encoding: dict[str, Any] = {"x": axis(plot.x, alt.X), "y": axis(plot.y, alt.Y)}
    if plot.color:
        field, colours = fields[plot.color], _colours(_names(values, fields[plot.color]))
        legend = None if plot.color in (plot.x, plot.y) or len(colours) < 2 else alt.Legend(orient="top", columns=5)
        scale = alt.Scale(domain=list(colours), range=list(colours.values()))
        encoding["color"] = alt.Color(field, type="nominal", title=None, scale=scale, legend=legend)
        if plot.mark == "bar":
            ranks = {name: rank for rank, name in enumerate(colours)}
            values = [value | {"rank": ranks[value[field]]} for value in values]
            encoding["order"] = alt.Order("rank", type="quantitative")
    encoding["tooltip"] = [
        alt.Tooltip(fields[c], type=kinds[c], title=c.replace("_", " "), format=_FORMATS.get(kinds[c], alt.Undefined))
        for c in columns
    ]
    base = alt.Chart(alt.InlineData(values=values))
    drawn = base.mark_line(point=len(values) <= _POINTS) if plot.mark == "line" else base.mark_bar()
    size: dict[str, Any] = {"width": _WIDTH, "height": alt.Step(_STEP) if kinds[plot.y] == "nominal" else _HEIGHT}
    if kinds[plot.x] == "nominal":
        size["width"] = alt.Step(min(_WIDEST_BAR, _WIDTH / max(1, len(_names(values, fields[plot.x])))))
    head = {"title": alt.Title(title, subtitle=textwrap.wrap(subtitle, _SUBTITLE))} if title else {}
    whole: alt.Chart = drawn.encode(**encoding).properties(**size, **head).configure(**_CONFIG)
    return whole


def picture(drawn: "altair.Chart", kind: str) -> bytes:
    """The chart as the bytes of a `png` or `svg` file."""
    import vl_convert

    specification = drawn.to_dict()
    if kind == "svg":
        return str(vl_convert.vegalite_to_svg(specification, vl_version=_version())).encode()
    return bytes(vl_convert.vegalite_to_png(specification, vl_version=_version(), scale=_PNG_SCALE))


def embedded(charts: Mapping[str, "altair.Chart"]) -> str:
    """HTML that draws each chart in the element of that id: all specifications, and Vega once, from nowhere else.

    The values are text of other people: nothing in them can end the script, and Vega's expressions are interpreted,
    never compiled, so that a page may forbid `eval`.
    """
    import vl_convert

    specifications = json.dumps({name: drawn.to_dict() for name, drawn in charts.items()}, allow_nan=False)
    bundle = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=_version())).replace(
        "</script", "<\\/script"
    )
    return (
        f"<script>{bundle}</script>\n"
        f"<script type='application/json' id='charts'>{specifications.replace('<', chr(92) + 'u003c')}</script>\n"
        f"<script>{_DRAW}</script>"
    )


def _version() -> str:
    import altair

    return ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def _kind(values: Sequence[object]) -> Any:
    """How Vega is to take a column: `quantitative`, `temporal` or `nominal`."""
    first = next((value for value in values if value is not None), None)
    if isinstance(first, int | float | Decimal) and not isinstance(first, bool):
        return "quantitative"
    return "temporal" if isinstance(first, date) else "nominal"


def _plain(value: object, kind: str) -> Any:
    """A value as JSON has it; a gap for a number that is none."""
    if kind == "nominal":
        return "–" if value is None else str(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat()
    if isinstance(value, date):
        # A date alone is taken for UTC and shown as the day before west of Greenwich; with a time it is local.
        return f"{value.isoformat()}T00:00:00"
    if isinstance(value, int | float | Decimal):
        return value if isinstance(value, int) else float(value) if math.isfinite(value) else None
    return None


def _names(values: Sequence[Mapping[str, Any]], field: str) -> list[str]:
    """The distinct values of a field in the order of the rows."""
    return list(dict.fromkeys(value[field] for value in values))


def _colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name; classes of licences have theirs, in their order."""
    if all(name in _LICENSES for name in names):
        return {name: colour for name, colour in _LICENSES.items() if name in names}
    return {name: _PALETTE[number % len(_PALETTE)] for number, name in enumerate(names)}
