"""What is in a lake, as one HTML page that needs nothing but a browser, and its plots as PNG files."""

import base64
import html
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .engine.errors import LakeError
from .engine.optional import require
from .sql import load

if TYPE_CHECKING:
    from .api import Lake

_TABLES = (
    ("Languages", "reports/languages"),
    ("Licences", "reports/licenses"),
    ("Largest repositories", "reports/repositories"),
    ("Left out, and why", "reports/drops"),
)
_BARS = 12
_ROWS = 25
# Licence classes from green to red through grey: what may be used freely to what may not.
_COLOURS = {
    "permissive": "#2a9d5c",
    "public-domain": "#7fc99b",
    "weak-copyleft": "#e9c46a",
    "copyleft": "#e07a3f",
    "non-commercial": "#c8553d",
    "proprietary": "#8f2d2d",
    "unknown": "#9a9a9a",
    "none": "#d0d0d0",
}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #222 }
h1 { margin-bottom: 0 } .sub { color: #666; margin-top: .2rem } h2 { margin-top: 2.5rem }
table { border-collapse: collapse; font-size: 14px } th, td { padding: .25rem .8rem; text-align: left }
th { border-bottom: 1px solid #999 } tr:nth-child(even) td { background: #f5f5f5 } td.n { text-align: right }
img { max-width: 100% } code { background: #f0f0f0; padding: 0 .3rem }
"""


def write(lake: "Lake", out: Path) -> list[Path]:
    """Write the page to `out` and its two plots beside it as PNG; returns the paths, the page first.

    Raises LakeError if there is nothing to report or no folder to write to.
    """
    if not out.parent.is_dir():
        raise LakeError(f"{out}: there is no folder {out.parent}")
    if lake.sql("SELECT count(*) FROM code").fetchall()[0][0] == 0:
        raise LakeError("nothing to report: `code` has no rows yet; run ingest and curate first")
    plots = {"languages": _languages(lake), "licenses": _licenses(lake)}
    written = []
    for name, image in plots.items():
        path = out.with_name(f"{out.stem}-{name}.png")
        path.write_bytes(image)
        written.append(path)
    out.write_text(_page(lake, plots), encoding="utf-8")
    return [out, *written]


def _languages(lake: "Lake") -> bytes:
    rows = lake.sql(load("reports/languages_by_license")).fetchall()
    totals: dict[str, float] = {}
    for language, _, size in rows:
        totals[language] = totals.get(language, 0.0) + size
    names = sorted(totals, key=lambda n: -totals[n])[:_BARS]
    sizes = {(language, kind): size for language, kind, size in rows}
    figure, axes = _figure(0.42 * len(names) + 1.6)
    left = [0.0] * len(names)
    for kind, colour in _COLOURS.items():
        widths = [sizes.get((name, kind), 0.0) for name in names]
        if any(widths):
            axes.barh(names, widths, left=left, color=colour, label=kind)
            left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("MB of curated code")
    axes.set_title("Languages, by licence class", loc="left")
    axes.legend(frameon=False, loc="lower right")
    return _png(figure)


def _licenses(lake: "Lake") -> bytes:
    rows = lake.sql(load("reports/licenses")).fetchall()[:_BARS]
    names = [f"{license_ or license_type}" for license_type, license_, *_ in rows]
    figure, axes = _figure(0.42 * len(rows) + 1.6)
    positions = range(len(rows))
    axes.barh(positions, [row[4] for row in rows], color=[_COLOURS[row[0]] for row in rows])
    axes.set_yticks(positions, [name if len(name) < 40 else name[:38] + " …" for name in names])
    axes.invert_yaxis()
    axes.set_xlabel("MB of curated code")
    axes.set_title("Licences", loc="left")
    return _png(figure)


def _figure(height: float) -> tuple[Any, Any]:
    require("matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Any) -> bytes:
    sink = io.BytesIO()
    figure.savefig(sink, format="png", dpi=120)
    return sink.getvalue()


def _page(lake: "Lake", plots: dict[str, bytes]) -> str:
    files, size, repositories = lake.sql(
        "SELECT count(*), sum(length_bytes), count(DISTINCT repo_url) FROM code"
    ).fetchall()[0]
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    parts = [
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>CodeLake report</title><style>{_STYLE}</style>",
        f"<h1>What is in {html.escape(Path(lake.place.location).name)}</h1>",
        f"<p class='sub'>{files:,} files, {size / 1e6:,.1f} MB, {repositories:,} repositories; written {when}</p>",
    ]
    for name, image in plots.items():
        data = base64.b64encode(image).decode()
        parts.append(f"<p><img alt='{name}' src='data:image/png;base64,{data}'></p>")
    for title, name in _TABLES:
        relation = lake.sql(load(name))
        rows = relation.fetchall()
        parts.append(f"<h2>{title}</h2>{_table(relation.columns, rows[:_ROWS])}")
        if len(rows) > _ROWS:
            parts.append(f"<p class='sub'>and {len(rows) - _ROWS:,} more rows</p>")
    return "\n".join(parts)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f"<th>{html.escape(c.replace('_', ' '))}</th>" for c in columns)
    body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        return f"<td class='n'>{value:,}</td>"
    return f"<td>{html.escape(str(value)) if value is not None else '–'}</td>"
