"""What a query reads: files and row groups skipped, filters pushed into the scans, and DuckDB's plan."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .engine.duck import Session, quote_identifier, sql_type
from .engine.pruning import reading
from .engine.tables import TableFiles
from .functions import functions
from .lake import history
from .sql import load_all

if TYPE_CHECKING:
    from .api import Lake

# These would tell empty tables for what they are, and plan a scan in two.
_DISABLED = "statistics_propagation,empty_result_pullup,late_materialization"
_PLACE = re.compile(r"/tables/([^/]+)/data/")
_AT = " at "


@dataclass(frozen=True, kw_only=True)
class TableScan:
    """One scan: files and row groups it reads of those there are, its filters, and bytes or, once it ran, rows.

    all_row_groups: those of the files it reads; a plan says what it reads at most, for a LIMIT or a join may end it
    early. bytes: of the columns it needs, compressed, and all_bytes of the table's files; None once it ran. rows: that
    came out of the scan, None before it ran.
    """

    table: str
    files: int
    all_files: int
    row_groups: int
    all_row_groups: int
    bytes: int | None
    all_bytes: int
    rows: int | None
    filters: tuple[str, ...]

    def __str__(self) -> str:
        read = f"{self.files:,} of {self.all_files:,} files, {self.row_groups:,} of {self.all_row_groups:,} row groups"
        much = f"{self.rows:,} rows" if self.bytes is None else f"{_size(self.bytes)} of {_size(self.all_bytes)}"
        lines = [f"{self.table}: {read}, {much}", *(f"    {text}" for text in self.filters)]
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The scans of a query and DuckDB's plan as text. bytes_read: by the whole query, None unless it ran."""

    scans: tuple[TableScan, ...]
    bytes_read: int | None
    plan: str

    def __str__(self) -> str:
        scans = [str(scan) for scan in self.scans] or ["no table is read"]
        total = [] if self.bytes_read is None else [f"{_size(self.bytes_read)} read"]
        return "\n".join([*scans, *total, "", self.plan])

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)


def explain(lake: "Lake", text: str, params: Sequence[object] | None, *, analyze: bool) -> Explanation:
    """See `Lake.explain`. Raises QueryError for a query that DuckDB refuses."""
    session = lake.session()
    if not analyze:
        plan = session.sql(f"EXPLAIN {text}", params).fetchall()[0][1]
        return Explanation(scans=tuple(_planned(lake, text, params)), bytes_read=None, plan=plan)
    ran = session.sql(f"EXPLAIN (ANALYZE, FORMAT json) {text}", params).fetchall()[0][1]
    profile = json.loads(ran)
    scans = tuple(_ran(lake.tables(), node) for node in _nodes(profile["operator"], "type", "TABLE_SCAN"))
    plan = session.sql(f"EXPLAIN {text}", params).fetchall()[0][1]
    return Explanation(
        scans=tuple(scan for scan in scans if scan is not None), bytes_read=profile["io"]["total_bytes_read"], plan=plan
    )


def _planned(lake: "Lake", text: str, params: Sequence[object] | None) -> Iterator[TableScan]:
    """The scans that DuckDB plans, told on empty tables: its plan over Parquet does not say which table is which."""
    tables = dict(lake.tables())
    find = history.past(lake.catalog, lake.pins)
    asked: set[tuple[str, str | None]] = set()

    def scan(name: str, when: str | None) -> str:
        asked.add((name, when))
        then = name if when is None else f"{name}{_AT}{when}"
        # The first time round nobody knows which releases the query asks for.
        return f"FROM {quote_identifier(then if then in tables else name)}"

    query = f"EXPLAIN (FORMAT json) {text}"
    with Session() as shadow:
        shadow.register([*functions(scan), *lake.syntax().functions()])
        _empty(shadow, tables)
        shadow.create([*load_all("macros"), *load_all("views")])
        shadow.run(f"SET GLOBAL disabled_optimizers = '{_DISABLED}'")
        plan = shadow.sql(query, params).fetchall()[0][1]
        if then := {f"{name}{_AT}{when}": find(name, when) for name, when in asked if when is not None}:
            tables |= then
            _empty(shadow, then)
            plan = shadow.sql(query, params).fetchall()[0][1]
    for node in _nodes(json.loads(plan), "name", "SEQ_SCAN"):
        told = node["extra_info"]
        name = told["Table"].removeprefix("memory.main.").strip('"')
        filters = _listed(told.get("Filters", []))
        read = reading(tables[name], filters, _listed(told.get("Projections", [])))
        yield TableScan(table=name, filters=tuple(filters), rows=None, **asdict(read))


def _empty(session: Session, tables: Mapping[str, TableFiles]) -> None:
    for name, table in tables.items():
        columns = ", ".join(f"{quote_identifier(field.name)} {sql_type(field.type)}" for field in table.schema)
        session.run(f"CREATE TABLE {quote_identifier(name)} ({columns})")


def _ran(tables: Mapping[str, TableFiles], node: Mapping[str, Any]) -> TableScan | None:
    told = node["extra_info"]
    if not (place := _PLACE.search(told.get("Filename(s)", ""))):
        return None
    table = tables[place[1]]
    all_files = told.get("Scanning Files", "").partition("/")[2]
    filters = [text for key in ("File Filters", "Filters", "Dynamic Filters") for text in _listed(told.get(key, []))]
    return TableScan(
        table=table.name,
        files=int(told["Total Files Read"]),
        all_files=int(all_files or len(table.files)),
        row_groups=node["row_groups_scanned"],
        all_row_groups=node["total_row_groups_to_scan"],
        bytes=None,
        all_bytes=sum(file.bytes for file in table.files),
        rows=node["rows_scanned"],
        filters=tuple(filters),
    )


def _nodes(tree: Any, key: str, value: str) -> Iterator[dict[str, Any]]:
    if isinstance(tree, list):
        for child in tree:
            yield from _nodes(child, key, value)
    elif isinstance(tree, dict):
        if tree.get(key) == value:
            yield tree
        yield from _nodes(tree.get("children", []), key, value)


def _listed(value: str | list[str]) -> list[str]:
    values = [value] if isinstance(value, str) else value
    return [text for text in values if text]


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"
