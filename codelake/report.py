"""What is in a lake: named queries, each a file of sql/reports with its question and its plot, and the page of all.

A report is one SQL file. Its first comment says what it is; the words in the first column are read here:

    -- Title
    -- The question it answers.
    --
    -- Section Languages
    -- Reads   code
    -- Columns language   what it holds, units and all
    --         megabytes  MB of original content
    -- Plot    bar x=megabytes y=language top=20
    -- Says    {rows} languages; {language} comes first with {megabytes} MB.
    -- Empty   why there may be no rows, and how to fill them.

In `Says`, {column} is the value of the first row, {last[column]} of the last, {top[column]} of the row with the largest
number in the plot, {rows} how many rows there are. `Plot` is declared as engine/plot.py says; it may be left out.
"""

import html
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import sql
from .engine import VERSION, plot
from .engine.errors import LakeError, QueryError, nearest
from .show import text

if TYPE_CHECKING:
    import altair

    from .api import Lake

# Their order on the page; a section that is not named here comes after them.
SECTIONS = ("Languages", "Licences", "Repositories", "Files and copies", "Left out and found", "Models")
_KEYS = ("Section", "Reads", "Columns", "Plot", "Says", "Empty")
ROWS_SHOWN = 25
# The page may run what stands in it and load nothing: the browser sees to it.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 58rem; padding: 0 1rem; color: #222 }
h2 { margin: 3rem 0 0; border-bottom: 2px solid #33658a } h3 { margin: 2.2rem 0 0 }
nav { background: #f5f6f8; padding: .6rem 1rem; margin-top: 1.2rem } a { color: #26547c }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem } .tiles div { background: #eef3f7; padding: .5rem .9rem }
.tiles b { font-size: 1.25rem } .question { color: #666; margin: 0 } .answer { font-weight: 600; margin: .2rem 0 .6rem }
.empty { background: #fdf6e3; padding: .4rem .8rem } .note, footer, dl { color: #666; font-size: 13px }
footer { margin-top: 4rem; border-top: 1px solid #ccc; padding-top: .5rem } .plot { width: 100%; overflow-x: auto }
table { border-collapse: collapse; font-size: 13.5px; display: block; overflow-x: auto }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; max-width: 24rem }
td { overflow-wrap: anywhere } th { white-space: nowrap }
td.n { text-align: right; white-space: nowrap } th { border-bottom: 1px solid #999 }
tr:nth-child(even) td { background: #f7f7f7 } summary { cursor: pointer; color: #26547c }
dl { display: grid; grid-template-columns: max-content auto; gap: .1rem 1rem } dd { margin: 0 }
code { background: #f0f0f0; padding: 0 .3rem }
pre { background: #f5f6f8; padding: .7rem; overflow-x: auto; font-size: 13px }
"""


@dataclass(frozen=True, kw_only=True)
class Report:
    """One question to the lake. columns: name -> what it holds."""

    name: str
    title: str
    question: str
    section: str
    reads: str
    columns: dict[str, str]
    plot: plot.Plot | None
    says: str
    empty: str
    sql: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A report's result, with a sentence of what it says."""

    report: Report
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    sentence: str

    def chart(self, *, titled: bool = False) -> "altair.Chart | None":
        """The plot of it; None if the report declares none, or there is nothing to draw."""
        if self.report.plot is None or not self.rows:
            return None
        words = {"title": self.report.title, "subtitle": self.sentence} if titled else {}
        return plot.chart(self.report.plot, self.columns, self.rows, labels=self.report.columns, **words)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON takes it."""
        found = self.report
        return {
            "report": found.name,
            "title": found.title,
            "question": found.question,
            "answer": self.sentence,
            "columns": found.columns,
            "rows": [dict(zip(self.columns, row, strict=True)) for row in self.rows],
        }


def folder() -> Path:
    """Where the files of CodeLake's own reports are."""
    return Path(next(iter(sql.__path__))) / "reports"


def reports() -> list[Report]:
    """Every report that CodeLake brings, in the order of the page."""
    found = [find(name) for name in sql.names("reports")]
    order = {section: number for number, section in enumerate(SECTIONS)}
    return sorted(found, key=lambda r: (order.get(r.section, len(order)), r.section, r.title))


def find(name: str) -> Report:
    """The report of that name, or of a file of your own that ends in .sql.

    Raises QueryError, with the nearest name, if there is none, or if its comment cannot be understood.
    """
    if name.endswith(".sql"):
        try:
            return read(Path(name).stem, Path(name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise QueryError(f"{name}: the report cannot be read: {error}") from error
    known = sql.names("reports")
    if name not in known:
        close = nearest(name, known)
        raise QueryError(
            f"no report {name!r}; " + (f"nearest: {', '.join(close)}" if close else f"there are {', '.join(known)}")
        )
    return read(name, sql.load(f"reports/{name}"))


def read(name: str, text: str) -> Report:
    """The report that a SQL file with such a comment is. Raises QueryError for a plot it does not understand."""
    lines = text.splitlines()
    head = []
    for line in lines:
        if not line.startswith("--"):
            break
        head.append(line.removeprefix("--").removeprefix(" "))
    said: dict[str, list[str]] = {"": []}
    current = ""
    for line in head:
        key, _, rest = line.partition(" ")
        if key in _KEYS:
            current, line = key, rest
        said.setdefault(current, []).append(line.strip())
    words = {key: " ".join(part for part in parts if part) for key, parts in said.items()}
    title, *question = [line for line in said[""] if line] or [name]
    columns = [re.split(r"\s+", line, maxsplit=1) for line in said.get("Columns", []) if line]
    try:
        drawn = plot.parse(words["Plot"]) if words.get("Plot") else None
    except QueryError as error:
        raise QueryError(f"report {name}: {error}") from error
    return Report(
        name=name,
        title=title,
        question=" ".join(question),
        section=words.get("Section", "Others"),
        reads=words.get("Reads", ""),
        columns={column: rest[0] if rest else "" for column, *rest in columns},
        plot=drawn,
        says=words.get("Says", "{rows} rows."),
        empty=words.get("Empty", "The query gives no rows."),
        sql="\n".join(lines[len(head) :]).strip(),
    )


def answer(lake: "Lake", report: Report) -> Answer:
    """Ask the lake. Raises QueryError for SQL that DuckDB refuses or a sentence that names a column there is not."""
    try:
        relation = lake.sql(report.sql)
        if report.plot is not None:
            report.plot.check(relation.columns)
        rows = tuple(relation.fetchall())
    except QueryError as error:
        raise QueryError(f"report {report.name}: {error}") from error
    columns = tuple(relation.columns)
    return Answer(report=report, columns=columns, rows=rows, sentence=_sentence(report, columns, rows))


def write_page(lake: "Lake", out: Path, asked: Sequence[Report]) -> Path:
    """Write the reports as one page that needs nothing but a browser; returns its path.

    Raises LakeError if there is no folder to write to.
    """
    if not out.parent.is_dir():
        raise LakeError(f"{out}: there is no folder {out.parent}")
    out.write_text(page(lake, [answer(lake, report) for report in asked]), encoding="utf-8")
    return out


def write_plots(lake: "Lake", folder: Path, asked: Sequence[Report], kind: str) -> list[Path]:
    """Write the plot of each report as <name>.png or .svg; returns the paths. Reports without rows have none."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for report in asked:
        drawn = answer(lake, report).chart(titled=True)
        if drawn is not None:
            path = folder / f"{report.name}.{kind}"
            path.write_bytes(plot.picture(drawn, kind))
            written.append(path)
    return written


def page(lake: "Lake", answers: Sequence[Answer]) -> str:
    """The HTML page of some answers: contents, and each with its sentence, plot, rows, columns and query."""
    charts = {f"plot-{a.report.name}": drawn for a in answers if (drawn := a.chart()) is not None}
    name = html.escape(Path(lake.place.location).name)
    sections = list(dict.fromkeys(a.report.section for a in answers))
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f"<meta http-equiv='Content-Security-Policy' content=\"{_POLICY}\">",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>{name}: what is in the lake</title><style>{_STYLE}</style></head><body>",
        f"<h1>What is in {name}</h1>",
        _summary(lake),
    ]
    if len(answers) > 1:
        links = [(s, [a.report for a in answers if a.report.section == s]) for s in sections]
        parts += ["<nav>", *(f"<div><b>{html.escape(s)}</b> {_links(found)}</div>" for s, found in links), "</nav>"]
    for section in sections:
        parts.append(f"<h2>{html.escape(section)}</h2>")
        parts += [_section(a, drawn=f"plot-{a.report.name}" in charts) for a in answers if a.report.section == section]
    parts.append(
        f"<footer>Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by CodeLake {VERSION} "
        "(<code>codelake report</code>). 1 MB is 1,000,000 bytes; – stands for no value. "
        "Nothing on this page is loaded from anywhere else.</footer>"
    )
    if charts:
        parts.append(plot.embedded(charts))
    return "\n".join([*parts, "</body></html>\n"])


class _Words(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        return format(value, format_spec) if format_spec else text(value)


def _sentence(report: Report, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    if not rows:
        return report.empty
    first, last = (dict(zip(columns, row, strict=True)) for row in (rows[0], rows[-1]))
    values = {**first, "last": last, "top": _top(report, columns, rows), "rows": len(rows)}
    try:
        return _Words().vformat(report.says, (), values)
    except (KeyError, IndexError, ValueError) as error:
        raise QueryError(
            f"report {report.name}: its sentence {report.says!r} asks for {error}; the query gives {', '.join(columns)}"
        ) from error


def _top(report: Report, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """The row with the largest number in the plot."""
    for column in (report.plot.x, report.plot.y) if report.plot else ():
        number = columns.index(column) if column in columns else None
        if number is not None and isinstance(rows[0][number], int | float | Decimal):
            best = max(rows, key=lambda row: (row[number] is not None, row[number] or 0))
            return dict(zip(columns, best, strict=True))
    return {}


def _summary(lake: "Lake") -> str:
    files, size, repositories, languages = lake.sql(
        "SELECT count(*), coalesce(sum(length_bytes), 0), count(DISTINCT repo_url), count(DISTINCT language) FROM code"
    ).fetchall()[0]
    visits, first, last = lake.sql("SELECT count(*), min(visit_date), max(visit_date) FROM repos").fetchall()[0]
    tiles = [
        (text(files), "files of code, one of each content"),
        (f"{text(size / 1e6)} MB", "in them"),
        (text(repositories), "repositories and packages"),
        (text(languages), "languages"),
        (text(visits), f"visits, {first:%Y-%m-%d} to {last:%Y-%m-%d}" if visits else "visits"),
    ]
    cells = "".join(f"<div><b>{value}</b><br>{what}</div>" for value, what in tiles)
    past = " as it was at a point of its past" if lake.pins else ""
    return (
        f"<p>This lake holds source code{past}. Each part below answers one question: a sentence, a plot, and under "
        f"“rows and query” the numbers with the SQL that gives them.</p><div class='tiles'>{cells}</div>"
    )


def _links(found: Sequence[Report]) -> str:
    return ", ".join(f"<a href='#{html.escape(r.name)}'>{html.escape(r.title)}</a>" for r in found)


def _section(found: Answer, *, drawn: bool) -> str:
    report = found.report
    parts = [
        f"<section id='{html.escape(report.name)}'><h3>{html.escape(report.title)}</h3>",
        f"<p class='question'>{_prose(report.question)}</p>",
        f"<p class='{'answer' if found.rows else 'empty'}'>{_prose(found.sentence)}</p>",
    ]
    if drawn and report.plot is not None:
        parts.append(
            f"<div class='plot' id='plot-{html.escape(report.name)}' role='img' "
            f"aria-label='{html.escape(found.sentence)}'></div>"
        )
        named = report.plot.y if report.plot.mark == "bar" else None
        names_ = {row[found.columns.index(named)] for row in found.rows} if named else set()
        if report.plot.top is not None and len(names_) > report.plot.top:
            parts.append(f"<p class='note'>The first {report.plot.top} of {len(names_):,} are drawn.</p>")
    if found.rows:
        shown = found.rows[:ROWS_SHOWN]
        rest = (
            f"<p class='note'>and {len(found.rows) - len(shown):,} more rows</p>"
            if len(found.rows) > len(shown)
            else ""
        )
        parts.append(
            f"<details{'' if drawn else ' open'}><summary>rows and query</summary>"
            f"{_table(found.columns, shown)}{rest}{_about(found)}</details>"
        )
    return "\n".join([*parts, "</section>"])


def _about(found: Answer) -> str:
    """What the columns hold, where they come from, and the query."""
    report = found.report
    meanings = "".join(f"<dt>{html.escape(c)}</dt><dd>{html.escape(m)}</dd>" for c, m in report.columns.items() if m)
    source = f"<p class='note'>From the table {_prose(f'`{report.reads}`')}.</p>" if report.reads else ""
    return f"<dl>{meanings}</dl>{source}<pre>{html.escape(report.sql)}</pre>"


def _prose(words: str) -> str:
    """Text with what stands between backquotes as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(words))


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f"<th>{html.escape(c.replace('_', ' '))}</th>" for c in columns)
    body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: object) -> str:
    kind = " class='n'" if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else ""
    return f"<td{kind}>{html.escape(text(value))}</td>"
