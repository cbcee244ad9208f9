"""Which files and row groups of a table a scan has to read: what DuckDB will skip, told from footers before it runs.

DuckDB skips a file by the partition values in its path, and a row group by the smallest and largest value and the
number of NULLs that its footer states for a column. A filter decides here what it decides there: a comparison of a
column with a constant, IN, IS NULL, and AND and OR of those; anything else skips nothing.
"""

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .duck import Evaluator, quote_identifier
from .errors import StreamError
from .tables import DataFile, TableFiles, filesystem, hive_keys

_FOOTER_THREADS = 8
_FLIPPED = {
    "COMPARE_EQUAL": "COMPARE_EQUAL",
    "COMPARE_NOTEQUAL": "COMPARE_NOTEQUAL",
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
}

Node = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a scan reads: files, row groups and bytes (compressed, of the columns it needs).

    all_row_groups: those of the files it reads. all_bytes: those of all files of the table.
    """

    files: int
    all_files: int
    row_groups: int
    all_row_groups: int
    bytes: int
    all_bytes: int


def reading(table: TableFiles, filters: Sequence[str], columns: Iterable[str]) -> Reading:
    """What a scan of `table` with these filters (SQL, all of which hold) has to read of `columns`.

    A filter that cannot be understood skips nothing. One footer is read for each file that is left.
    """
    with Evaluator() as evaluator:
        trees = [tree for text in filters if (tree := _parse(text, evaluator)) is not None]
        files = _files(table, filters, evaluator)
        needed = set(columns).union(*(_columns(tree) for tree in trees))
        with ThreadPoolExecutor(_FOOTER_THREADS) as threads:
            footers = list(threads.map(_footer, files))
        groups = [footer.row_group(number) for footer in footers for number in range(footer.num_row_groups)]
        left = _row_groups(groups, trees, table.schema, evaluator)
    return Reading(
        files=len(files),
        all_files=len(table.files),
        row_groups=len(left),
        all_row_groups=len(groups),
        bytes=sum(chunk.total_compressed_size for group in left for chunk in _chunks(group, needed)),
        all_bytes=sum(file.bytes for file in table.files),
    )


def _footer(file: DataFile) -> pq.FileMetaData:
    with filesystem(file.path).open(file.path, "rb") as source:
        return pq.read_metadata(source)


def _parse(text: str, evaluator: Evaluator) -> Node | None:
    # "optional" marks a filter that only skips row groups, and is applied to rows somewhere else.
    parsed = json.loads(evaluator.value("SELECT json_serialize_sql(?::VARCHAR)", f"SELECT {_plain(text)}"))
    if parsed["error"] or len(parsed["statements"]) != 1:
        return None
    node: Node = parsed["statements"][0]["node"]
    return node["select_list"][0] if node["type"] == "SELECT_NODE" and len(node["select_list"]) == 1 else None


def _plain(text: str) -> str:
    return text.removeprefix("optional: ")


def _files(table: TableFiles, filters: Sequence[str], evaluator: Evaluator) -> list[DataFile]:
    keys = hive_keys(table)
    if not keys or not filters:
        return list(table.files)
    values = {key: pa.array([file.partition[key] for file in table.files], pa.string()) for key in keys}
    partitions = pa.table({**values, "_file": range(len(table.files))})
    left = set(range(len(table.files)))
    for text in filters:
        try:
            found = evaluator.arrow(f"SELECT _file FROM partitions WHERE ({_plain(text)})", partitions=partitions)
        except StreamError:
            continue  # it asks for more than the path of a file tells
        left &= set(found.column(0).to_pylist())
    return [table.files[number] for number in sorted(left)]


def _row_groups(
    groups: list[pq.RowGroupMetaData], trees: list[Node], schema: pa.Schema, evaluator: Evaluator
) -> list[pq.RowGroupMetaData]:
    # A footer states the least and the greatest element of lists, which says nothing of the lists.
    flat = {field.name for field in schema if not pa.types.is_nested(field.type)}
    used = sorted(flat & _columns(trees))
    conditions = [condition for tree in trees if (condition := _may(tree, set(used), evaluator)) != "true"]
    if not conditions or not groups:
        return groups
    columns: dict[str, pa.Array] = {"_group": pa.array(range(len(groups)))}
    for name in used:
        stated = [_statistics(group, name) for group in groups]
        kind = schema.field(name).type
        try:
            columns[f"lo:{name}"] = pa.array([low for low, _, _ in stated], kind)
            columns[f"hi:{name}"] = pa.array([high for _, high, _ in stated], kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return groups  # the file holds another type than the table says
        columns[f"nulls:{name}"] = pa.array([nulls for _, _, nulls in stated], pa.int64())
        columns[f"rows:{name}"] = pa.array([group.num_rows for group in groups], pa.int64())
    query = f"SELECT _group FROM footers WHERE {' AND '.join(conditions)}"
    found = evaluator.arrow(query, footers=pa.table(columns))
    return [groups[number] for number in sorted(found.column(0).to_pylist())]


def _chunks(group: pq.RowGroupMetaData, names: set[str]) -> list[pq.ColumnChunkMetaData]:
    chunks = [group.column(number) for number in range(group.num_columns)]
    return [chunk for chunk in chunks if chunk.path_in_schema.split(".")[0] in names]


def _statistics(group: pq.RowGroupMetaData, name: str) -> tuple[Any, Any, int | None]:
    for chunk in _chunks(group, {name}):
        if (stated := chunk.statistics) is not None:
            low, high = (stated.min, stated.max) if stated.has_min_max else (None, None)
            return low, high, stated.null_count if stated.has_null_count else None
    return None, None, None


def _columns(tree: Any) -> set[str]:
    if isinstance(tree, list):
        return set().union(*map(_columns, tree))
    if not isinstance(tree, dict):
        return set()
    own = {tree["column_names"][-1]} if tree.get("class") == "COLUMN_REF" else set()
    return own.union(*map(_columns, tree.values()))


def _may(tree: Node, known: set[str], evaluator: Evaluator) -> str:
    """A SQL condition on footers: a row group that does not meet it has no row that passes the filter."""
    condition = "true"
    match tree["type"]:
        case "CONJUNCTION_AND" | "CONJUNCTION_OR" as kind:
            word = " AND " if kind == "CONJUNCTION_AND" else " OR "
            condition = f"({word.join(_may(child, known, evaluator) for child in tree['children'])})"
        case "COMPARE_BETWEEN":
            lower = _compared("COMPARE_GREATERTHANOREQUALTO", tree["input"], tree["lower"], known, evaluator)
            upper = _compared("COMPARE_LESSTHANOREQUALTO", tree["input"], tree["upper"], known, evaluator)
            condition = f"({lower} AND {upper})"
        case "COMPARE_IN":
            column, *values = tree["children"]
            equals = (_compared("COMPARE_EQUAL", column, value, known, evaluator) for value in values)
            condition = f"({' OR '.join(equals)})"
        case kind if kind in _FLIPPED:
            if tree["left"]["class"] == "COLUMN_REF":
                condition = _compared(kind, tree["left"], tree["right"], known, evaluator)
            else:
                condition = _compared(_FLIPPED[kind], tree["right"], tree["left"], known, evaluator)
        case "OPERATOR_IS_NULL" | "OPERATOR_IS_NOT_NULL" as kind if name := _named(tree["children"][0], known):
            some = "> 0" if kind == "OPERATOR_IS_NULL" else f"< {_part('rows', name)}"
            condition = f"coalesce({_part('nulls', name)} {some}, true)"
        case _ if name := _named(tree, known):
            condition = f"coalesce({_part('hi', name)}::BOOLEAN, true)"
    return condition


def _compared(kind: str, column: Node, value: Node, known: set[str], evaluator: Evaluator) -> str:
    name = _named(column, known)
    if name is None or _columns(value):
        return "true"
    low, high, nulls, rows = (_part(what, name) for what in ("lo", "hi", "nulls", "rows"))
    constant = _text(value, evaluator)
    may = {
        "COMPARE_EQUAL": f"{low} <= {constant} AND {high} >= {constant}",
        "COMPARE_NOTEQUAL": f"{low} <> {constant} OR {high} <> {constant}",
        "COMPARE_GREATERTHAN": f"{high} > {constant}",
        "COMPARE_GREATERTHANOREQUALTO": f"{high} >= {constant}",
        "COMPARE_LESSTHAN": f"{low} < {constant}",
        "COMPARE_LESSTHANOREQUALTO": f"{low} <= {constant}",
    }[kind]
    # A row group of NULLs alone passes no comparison; one whose footer states nothing may pass any.
    return f"(coalesce({nulls} < {rows}, true) AND coalesce({may}, true))"


def _named(node: Node, known: set[str]) -> str | None:
    if node["class"] != "COLUMN_REF":
        return None
    name: str = node["column_names"][-1]
    return name if name in known else None


def _part(what: str, name: str) -> str:
    return quote_identifier(f"{what}:{name}")


def _text(node: Node, evaluator: Evaluator) -> str:
    tree = json.loads(evaluator.value("SELECT json_serialize_sql('SELECT 1')"))
    tree["statements"][0]["node"]["select_list"] = [node]
    text: str = evaluator.value("SELECT json_deserialize_sql(?::JSON)", json.dumps(tree))
    return f"({text.removeprefix('SELECT ')})"
