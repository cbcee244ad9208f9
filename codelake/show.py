"""Results on a terminal: reports, tables and search hits, or the same as JSON."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .lake.report import Report

if TYPE_CHECKING:
    from .model.retrieve import Hits
    from .report import Answer

console = Console(highlight=False)
# More visits than this are counted, not listed.
_ARRIVALS_SHOWN = 12
_ROWS_SHOWN = 25


def json_line(value: object) -> None:
    """One JSON value on one line of standard output."""
    sys.stdout.write(json.dumps(value, default=plain, ensure_ascii=False) + "\n")


def plain(value: Any) -> Any:
    """What JSON has no word for, as text: times in ISO 8601, bytes as UTF-8 with \\xNN for what is not."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A small table; numbers to the right with thousands separated."""
    drawn = Table(title=title, title_justify="left", title_style="bold", header_style="dim")
    rows = [list(row) for row in rows]
    for number, column in enumerate(columns):
        right = any(isinstance(row[number], int | float) for row in rows)
        drawn.add_column(column, justify="right" if right else "left")
    for row in rows:
        drawn.add_row(*(Text(text(value)) for value in row))
    console.print(drawn)


def text(value: object) -> str:
    """A value as one reads it: thousands separated, numbers as precise as a reader needs, – for none."""
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float | Decimal):
        if -1 < value < 1:
            return f"{value:.3g}"
        whole, _, rest = f"{value:,.2f}".partition(".")
        return f"{whole}.{rest}".rstrip("0").rstrip(".") if rest else whole
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return str(value)


def report(found: Report) -> None:
    """What went in, what came out, what was left out and why, and what failed."""
    rows: list[Sequence[object]] = [(name.replace("_", " "), value) for name, value in found.counts.items()]
    rows += [(f"dropped: {reason}", count) for reason, count in found.drops.items()]
    if found.arrivals:
        shown = found.arrivals[-_ARRIVALS_SHOWN:]
        title = "what was new" + (f", the last {len(shown)} visits" if len(shown) < len(found.arrivals) else "")
        table(
            title,
            ("repository", "visit", "revision", "files", "read", "new", "new bytes"),
            [
                (
                    a.repo_name,
                    a.visit_date.date().isoformat(),
                    (a.revision_id or "–")[:12],
                    a.files,
                    a.read_files,
                    a.new_blobs,
                    a.new_bytes,
                )
                for a in shown
            ],
        )
    table(f"{found.title}, {found.seconds:.1f} s", ("what", "how many"), rows)
    if found.failures:
        table("failed", ("what", "why"), found.failures)


def answer(found: "Answer", *, as_json: bool) -> None:
    """What a report says: its question, a sentence and the first rows."""
    if as_json:
        json_line(found.to_dict())
        return
    console.print(Text(found.report.question, style="dim"))
    if found.rows:
        table(found.report.title, found.columns, found.rows[:_ROWS_SHOWN])
        if len(found.rows) > _ROWS_SHOWN:
            console.print(f"and {len(found.rows) - _ROWS_SHOWN:,} more rows", style="dim")
    console.print(Text(found.sentence, style="bold"), soft_wrap=True)


def hits(found: "Hits") -> None:
    """Search results: where, under which licence, and the lines that match."""
    console.print(f"[bold]{len(found)} hits[/bold] for {found.query!r} in {found.seconds * 1000:.0f} ms")
    for number, hit in enumerate(found, 1):
        head = Text(f"{number:>2}. ", style="dim")
        head.append(f"{hit.repo_name}", style="bold cyan").append(
            f"  {hit.path}:{hit.start_line}-{hit.end_line}", style="bold"
        )
        head.append(f"  {hit.language}, {hit.license or hit.license_type}  {hit.score:.3f}", style="dim")
        console.print(head)
        excerpt = Text(hit.excerpt)
        for start, end in hit.highlights:
            excerpt.stylize("bold yellow", start, end)
        for offset, line in enumerate(excerpt.split("\n", allow_blank=True)):
            console.print(
                Text(f"{hit.excerpt_line + offset:>7} │ ", style="dim").append_text(line),
                no_wrap=True,
                overflow="ellipsis",
            )


def counts(values: Mapping[str, object]) -> str:
    """`a=1 b=2` for one line of text."""
    return " ".join(f"{name}={text(value)}" for name, value in values.items())
