"""SQL that can be streamed: one SELECT over one table, told apart by DuckDB's own parser, run one row group at a time.

DuckDB keeps the order of rows for FROM one table, WHERE and SELECT, and does not for joins, groups and unions. With
deterministic scalar functions only, the texts of a row group depend on that row group alone.
"""

import copy
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import pyarrow as pa

from .duck import Evaluator
from .errors import StreamError, nearest
from .tables import TableFiles

TEXT_NAMES = ("content", "text")
KEY_COLUMN = "blob_id"
_KEY = "__codelake_key"
_ONLY = "only a scan of one table (columns, scalar functions, WHERE) can be streamed yet"

_CLASSES = frozenset(
    {
        *("COLUMN_REF", "CONSTANT", "COMPARISON", "CONJUNCTION", "OPERATOR", "FUNCTION", "CAST", "CASE", "BETWEEN"),
        *("STAR", "LAMBDA", "TYPE", "COLLATE"),
    }
)
# How DuckDB's syntax tree calls what cannot be streamed, and how SQL does.
_WORDS = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window function",
    "PARAMETER": "a parameter",
    "POSITIONAL_REFERENCE": "a reference by position (#1)",
    "GROUPING_FUNCTION": "GROUPING",
    "DISTINCT_MODIFIER": "DISTINCT",
    "ORDER_MODIFIER": "ORDER BY",
    "LIMIT_MODIFIER": "LIMIT",
    "LIMIT_PERCENT_MODIFIER": "LIMIT",
    "SET_OPERATION_NODE": "a set operation (UNION, EXCEPT or INTERSECT)",
    "RECURSIVE_CTE_NODE": "a recursive CTE",
    "CTE_NODE": "a CTE (WITH)",
    "JOIN": "a join",
    "EXPRESSION_LIST": "VALUES",
    "EMPTY": "no table",
    "SHOW_REF": "DESCRIBE or SHOW",
}

Node = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A query over one table that can be run on any part of the table's rows.

    sql: the canonical text. columns: those of the table that it reads, in the table's order. text: the index of the
    text in its result. keyed: whether the last column of the result is the blob_id. equalities: (column, values) of
    conjuncts `column = 'x'` or `column IN ('x', 'y')` on text columns.
    """

    sql: str
    table: str
    columns: tuple[str, ...]
    text: int
    keyed: bool
    equalities: tuple[tuple[str, frozenset[str]], ...]
    run_sql: str
    tree: Node
    conjuncts: tuple[tuple[Node, frozenset[str | None]], ...]

    def texts(self, rows: pa.Table, evaluator: Evaluator) -> tuple[pa.ChunkedArray, pa.ChunkedArray | None]:
        """The texts that the query selects from `rows`, as large_string, and their blob_ids if it has them."""
        result = evaluator.arrow(self.run_sql, **{self.table: rows})
        blob_ids = result.column(result.num_columns - 1) if self.keyed else None
        return result.column(self.text).cast(pa.large_string()), blob_ids

    def filter_sql(self, columns: Set[str], select: str) -> str | None:
        """`SELECT select` with those conjuncts of the WHERE that touch nothing but `columns`; None without any."""
        usable = [node for node, touched in self.conjuncts if touched and touched <= columns]
        if not usable:
            return None
        tree = copy.deepcopy(self.tree)
        node = tree["statements"][0]["node"]
        node["select_list"] = [_column(select)]
        node["where_clause"] = {"class": "CONJUNCTION", "type": "CONJUNCTION_AND", "alias": "", "children": usable}
        with Evaluator() as evaluator:
            return _text(tree, evaluator)


def classify(sql: str, tables: Mapping[str, TableFiles]) -> Scan:
    """Parse `sql` and check that it can be streamed.

    The text is the column `content` or `text` of the result, else its only VARCHAR column. Raises StreamError naming
    what stands in the way: another kind of statement, an unknown table or column, a function that is not scalar or not
    deterministic, no single text column.
    """
    with Evaluator() as evaluator:
        tree = json.loads(evaluator.value("SELECT json_serialize_sql(?::VARCHAR)", sql))
        if tree["error"]:
            wrong = (
                "the statement is not a SELECT" if tree["error_type"] == "not implemented" else tree["error_message"]
            )
            raise StreamError(f"{wrong}; {_ONLY}")
        if len(tree["statements"]) != 1:
            raise StreamError(f"{len(tree['statements'])} statements; {_ONLY}")
        node = tree["statements"][0]["node"]
        _check_shape(node)
        table, names = _table(node["from_table"], tables)
        scope = _Scope(
            tables=names,
            columns={name.casefold(): name for name in table.schema.names},
            aliases=frozenset(item["alias"].casefold() for item in node["select_list"] if item["alias"]),
            functions=_functions(),
        )
        used = set().union(*(_walk(item, scope) for item in node["select_list"]))
        conjuncts = tuple((part, frozenset(_walk(part, scope))) for part in _conjuncts(node["where_clause"]))
        used.update(*(columns for _, columns in conjuncts))
        canonical = _text(tree, evaluator)

        keyed = KEY_COLUMN in table.schema.names
        run_tree = copy.deepcopy(tree)
        if keyed:
            used.add(KEY_COLUMN)
            qualifier = node["from_table"]["alias"] or table.name
            run_tree["statements"][0]["node"]["select_list"].append(_column(qualifier, KEY_COLUMN, alias=_KEY))
        run_sql = _text(run_tree, evaluator)
        # A query that reads no column still selects one row for each row of the table.
        columns = tuple(name for name in table.schema.names if name in used) or (table.schema.names[0],)
        empty = pa.schema([table.schema.field(name) for name in columns]).empty_table()
        result = evaluator.arrow(run_sql, **{table.name: empty}).schema
    return Scan(
        sql=canonical,
        table=table.name,
        columns=columns,
        text=_text_column(list(result)[:-1] if keyed else list(result)),
        keyed=keyed,
        equalities=tuple(e for part, _ in conjuncts if (e := _equality(part, scope, table.schema)) is not None),
        run_sql=run_sql,
        tree=tree,
        conjuncts=conjuncts,
    )


@dataclass(frozen=True, kw_only=True)
class _Functions:
    kinds: Mapping[str, frozenset[str]]
    unstable: frozenset[str]
    macros: Mapping[str, tuple[frozenset[str], Node | None]]


@dataclass(frozen=True, kw_only=True)
class _Scope:
    tables: frozenset[str]
    columns: Mapping[str, str]
    aliases: frozenset[str]
    functions: _Functions
    parameters: frozenset[str] = frozenset()


@lru_cache(maxsize=1)
def _functions() -> _Functions:
    """Every function DuckDB has: its kinds, whether it always gives the same answer, and the bodies of macros."""
    with Evaluator() as evaluator:
        rows = evaluator.arrow(
            "SELECT function_name AS name, list(DISTINCT function_type) AS kinds, "
            "bool_or(coalesce(stability, 'CONSISTENT') <> 'CONSISTENT') AS unstable, "
            "any_value(parameters) FILTER (macro_definition IS NOT NULL) AS parameters, "
            "any_value(json_serialize_sql('SELECT ' || macro_definition)) FILTER (function_type = 'macro') AS body "
            "FROM duckdb_functions() GROUP BY ALL"
        ).to_pylist()
    macros = {}
    for row in rows:
        if row["body"] is not None:
            tree = json.loads(row["body"])
            body = None if tree["error"] else tree["statements"][0]["node"]
            macros[row["name"]] = (frozenset(name.casefold() for name in row["parameters"]), body)
    return _Functions(
        kinds={row["name"]: frozenset(row["kinds"]) for row in rows},
        unstable=frozenset(row["name"] for row in rows if row["unstable"]),
        macros=macros,
    )


def _refuse(what: str) -> StreamError:
    return StreamError(f"the query has {what}; {_ONLY}")


def _check_shape(node: Node) -> None:
    if node["type"] != "SELECT_NODE":
        raise _refuse(_word(node["type"]))
    if node["cte_map"]["map"]:
        raise _refuse("a CTE (WITH)")
    for modifier in node["modifiers"]:
        raise _refuse(_word(modifier["type"]))
    if node["group_expressions"] or node["group_sets"] or node["aggregate_handling"] != "STANDARD_HANDLING":
        raise _refuse("GROUP BY")
    for part in ("having", "qualify", "sample"):
        if node[part]:
            raise _refuse(part.upper())


def _word(kind: str) -> str:
    return _WORDS.get(kind, kind)


def _table(source: Node, tables: Mapping[str, TableFiles]) -> tuple[TableFiles, frozenset[str]]:
    if source["type"] == "TABLE_FUNCTION":
        raise _refuse(f"the table function {source['function']['function_name']}")
    if source["type"] != "BASE_TABLE":
        raise _refuse(_word(source["type"]))
    for part, word in (("sample", "SAMPLE"), ("at_clause", "AT"), ("column_name_alias", "column aliases after FROM")):
        if source[part]:
            raise _refuse(word)
    name = ".".join(source["qualified_name"]["path"])
    known = {key.casefold(): table for key, table in tables.items()}
    if name.casefold() not in known:
        close = nearest(name, list(tables)) or sorted(tables)
        raise StreamError(f"unknown table {name}; nearest: {', '.join(close) or 'none, there are no tables'}")
    table = known[name.casefold()]
    return table, frozenset({source["alias"].casefold() or table.name.casefold()})


def _walk(tree: Any, scope: _Scope) -> set[str | None]:
    """The columns an expression touches (None: an alias of the select list); refuses what cannot be streamed."""
    if isinstance(tree, list):
        return set().union(*(_walk(child, scope) for child in tree))
    if not isinstance(tree, dict):
        return set()
    kind = tree.get("class")
    if kind is not None and (kind not in _CLASSES or tree["type"] in _WORDS):
        raise _refuse(_word(kind if kind not in _CLASSES else tree["type"]))
    if kind == "COLUMN_REF":
        return _resolve(tree["column_names"], scope)
    if kind == "LAMBDA":
        names = frozenset(name.casefold() for name in _names(tree["lhs"]))
        return _walk(tree["expr"], replace(scope, parameters=scope.parameters | names))
    used: set[str | None] = set()
    if kind == "FUNCTION":
        _check_function(tree["function_name"], scope)
    if kind == "STAR":
        used |= set(scope.columns.values())  # the ones in EXCLUDE too: DuckDB wants them to be there
    return used.union(*(_walk(child, scope) for child in tree.values()))


def _names(tree: Any) -> list[str]:
    if isinstance(tree, list):
        return [name for child in tree for name in _names(child)]
    if isinstance(tree, dict):
        own = tree["column_names"] if tree.get("class") == "COLUMN_REF" else []
        return [*own, *(name for child in tree.values() if isinstance(child, list | dict) for name in _names(child))]
    return []


def _resolve(names: list[str], scope: _Scope) -> set[str | None]:
    first = names[0].casefold()
    if first in scope.parameters:
        return set()
    if len(names) > 1 and first in scope.tables and (second := names[1].casefold()) in scope.columns:
        return {scope.columns[second]}
    if first in scope.columns:
        return {scope.columns[first]}
    if first in scope.aliases:
        return {None}
    if {first, f"get_{first}"} & scope.functions.unstable:
        raise _refuse(f"{names[0]}, which depends on when the query runs")
    name = names[1] if len(names) > 1 and first in scope.tables else names[0]
    close = nearest(name, list(scope.columns.values())) or sorted(scope.columns.values())
    raise StreamError(f"unknown column {'.'.join(names)}; nearest: {', '.join(close)}")


def _check_function(name: str, scope: _Scope) -> None:
    name = name.casefold()
    known = scope.functions
    kinds = known.kinds.get(name, frozenset())
    if not kinds:
        close = nearest(name, [n for n, k in known.kinds.items() if k & {"scalar", "macro"}])
        raise StreamError(f"unknown function {name}; nearest: {', '.join(close) or 'none'}")
    if name in known.unstable:
        raise _refuse(f"{name}(), whose answer is not the same every time")
    if "scalar" in kinds:
        return
    if name not in known.macros:
        raise _refuse(f"the {'/'.join(sorted(kinds))} function {name}()")
    parameters, body = known.macros[name]
    if body is None:
        raise _refuse(f"the macro {name}()")
    _check_shape(body)
    inner = replace(scope, tables=frozenset(), columns={}, aliases=frozenset(), parameters=parameters)
    _walk(body["select_list"], inner)


def _conjuncts(where: Node | None) -> list[Node]:
    if where is None:
        return []
    if where["type"] == "CONJUNCTION_AND":
        return [part for child in where["children"] for part in _conjuncts(child)]
    return [where]


def _equality(node: Node, scope: _Scope, schema: pa.Schema) -> tuple[str, frozenset[str]] | None:
    if node["type"] == "COMPARE_EQUAL":
        column, constants = node["left"], [node["right"]]
    elif node["type"] == "COMPARE_IN":
        column, *constants = node["children"]
    else:
        return None
    if column["class"] != "COLUMN_REF" or not all(
        value["class"] == "CONSTANT" and value.get("literal", {}).get("kind") == "STRING" for value in constants
    ):
        return None
    names = [name for name in _resolve(column["column_names"], scope) if name is not None]
    if len(names) != 1 or not _is_text(schema.field(names[0]).type):
        return None
    return names[0], frozenset(value["literal"]["text"] for value in constants)


def _text_column(fields: Sequence[pa.Field]) -> int:
    names = [field.name.casefold() for field in fields]
    for name in TEXT_NAMES:
        if name in names:
            index = names.index(name)
            if not _is_text(fields[index].type):
                raise StreamError(f"column {fields[index].name} is {fields[index].type}, not VARCHAR: cast it to text")
            return index
    texts = [index for index, field in enumerate(fields) if _is_text(field.type)]
    if len(texts) != 1:
        found = ", ".join(fields[index].name for index in texts) or "none"
        raise StreamError(
            f"the text to stream must be a column named {' or '.join(TEXT_NAMES)}, or the only VARCHAR column of the "
            f"result; VARCHAR columns here: {found}"
        )
    return texts[0]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _column(*names: str, alias: str = "") -> Node:
    return {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": alias, "column_names": list(names)}


def _text(tree: Node, evaluator: Evaluator) -> str:
    return str(evaluator.value("SELECT json_deserialize_sql(?::JSON)", json.dumps(tree)))
