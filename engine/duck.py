"""The one module that imports duckdb: a session over Parquet snapshots, and its errors in words."""

import atexit
import inspect
import json
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import duckdb
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL

from . import errors
from .errors import CodeLakeError, QueryError, StreamError, nearest
from .functions import Function
from .tables import TableFiles, filesystem, hive_keys

T = TypeVar("T")
VERSION: str = duckdb.__version__
Relation = duckdb.DuckDBPyRelation

_SQL_TYPES = {
    pa.large_string(): "VARCHAR",
    pa.string(): "VARCHAR",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.binary(): "BLOB",
    pa.large_binary(): "BLOB",
    pa.timestamp("us"): "TIMESTAMP",
}

_RAISED = re.compile(r"Python exception occurred while executing the UDF: (\w+): (.*)", re.DOTALL)

_PLACE = re.compile(r"\nLINE (\d+): (.*)\n( *\^+)")
_LAST_CALLS_SECONDS = 0.1

# Connections whose functions are to be removed before the interpreter ends: the binding prints a leak report otherwise.
_OPEN: dict[duckdb.DuckDBPyConnection, list["_Called"]] = {}


class _Called:
    """What DuckDB calls for a Function. It lives on, all but empty, when its session was closed.

    DuckDB counts no reference to it, and a reader that is read out after its session was closed still calls it.
    """

    _all: ClassVar[list["_Called"]] = []

    def __init__(self, function: Function) -> None:
        self.name = function.name
        self.call: Callable[..., pa.Array] | None = function.call
        # DuckDB counts the parameters that it sees.
        kind = inspect.Parameter.POSITIONAL_ONLY
        self.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in function.parameters])
        self._all.append(self)

    def __call__(self, *arguments: pa.ChunkedArray) -> pa.Array:
        call = self.call
        if call is None:
            raise QueryError("the lake was closed while this result was still read")
        return call(*arguments)


@atexit.register
def _close_all() -> None:
    if _OPEN:
        while _OPEN:
            _close(next(iter(_OPEN)))
        # DuckDB's threads that wait to call a function get their turn, and end; later they would abort the process.
        time.sleep(_LAST_CALLS_SECONDS)


def _close(connection: duckdb.DuckDBPyConnection) -> None:
    for called in _OPEN.pop(connection, ()):
        connection.remove_function(called.name)
        called.call = None
    connection.close()


def _message(error: duckdb.Error) -> str:
    """What DuckDB says, or what a function of ours said through it."""
    text = str(error).split("\nStack Trace:")[0].strip()
    if (match := _RAISED.search(text)) and issubclass(getattr(errors, match[1], object), CodeLakeError):
        return match[2]
    return text


def _asked(relation: Relation | None) -> Relation:
    if relation is None:
        raise QueryError("there is no statement in this text; a query starts with SELECT, FROM, WITH, DESCRIBE or SHOW")
    return relation


# Operators that give their rows in the order of what they read, which DuckDB keeps (preserve_insertion_order):
# https://duckdb.org/docs/current/sql/dialect/order_preservation. The order of files is that of their paths.
_IN_ORDER = {
    "READ_PARQUET", "PROJECTION", "FILTER", "UNNEST", "LIMIT", "STREAMING_LIMIT", "UNION", "RANGE", "DUMMY_SCAN",
    "COLUMN_DATA_SCAN", "EMPTY_RESULT",
}  # fmt: skip


def quote_identifier(name: str) -> str:
    """`name` as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """`text` as a SQL string literal, for places that take no bound parameter (the body of a view)."""
    return "'" + text.replace("'", "''") + "'"


def sql_type(kind: pa.DataType) -> str:
    """DuckDB's name of an Arrow type that the lake's tables use."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"{sql_type(kind.value_type)}[]"
    return _SQL_TYPES[kind]


def scan_sql(table: TableFiles) -> str:
    """A SELECT that reads `table` from its Parquet files, or no rows with the right columns if it has none.

    Hive partition columns come from the paths, so that a filter on one opens only the files of that partition.
    """
    typed = ", ".join(f"CAST(NULL AS {sql_type(f.type)}) AS {quote_identifier(f.name)}" for f in table.schema)
    nothing = f"SELECT {typed} WHERE false"
    if not table.files:
        return nothing
    # Qualified: DuckDB takes a bare name for the parameter of a macro over the view that is called as a column.
    columns = ", ".join(f"f.{quote_identifier(name)}" for name in table.schema.names)
    paths = ", ".join(quote_literal(file.path) for file in table.files)
    if keys := hive_keys(table):
        hive = (
            ", hive_partitioning = true, hive_types = {" + ", ".join(f"{quote_literal(k)}: VARCHAR" for k in keys) + "}"
        )
    else:
        hive = ", hive_partitioning = false"
    if table.evolved:
        files = f"SELECT * FROM read_parquet([{paths}], union_by_name = true{hive})"
        return f"SELECT {columns} FROM ({nothing} UNION ALL BY NAME {files}) AS f"
    return f"SELECT {columns} FROM read_parquet([{paths}]{hive}) AS f"


class Session:
    """A DuckDB instance whose views are tables at a snapshot.

    memory_limit: for example "2GB", DuckDB's default (80 % of memory) when None. Each query runs on a cursor of its
    own, so an open result never blocks the next query. Close it, or use it as a context manager.
    """

    def __init__(self, *, memory_limit: str | None = None, threads: int | None = None) -> None:
        # A name that is no table is a mistake, not a variable of this module.
        config: dict[str, Any] = {"python_enable_replacements": False}
        if memory_limit is not None:
            config["memory_limit"] = memory_limit
        if threads is not None:
            config["threads"] = threads
        try:
            self._connection = duckdb.connect(config=config)
        except duckdb.Error as error:
            raise QueryError(f"DuckDB refuses the settings {config}: {error}") from error
        # A data file never changes, so its footer is read once, for every cursor.
        self._connection.execute("SET GLOBAL parquet_metadata_cache = true")
        self._columns: dict[str, tuple[str, ...]] = {}
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self._protocols: set[str] = set()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the instance; its relations are dead after this."""
        _close(self._connection)

    def lock(self, *, paths: Sequence[str], temporary: str | None, temporary_bytes: int, seconds: float) -> None:
        """From now on read no file but `paths`, load no extension, change no setting, and stop a query after `seconds`.

        temporary: the folder for what does not fit in memory, None to let such a query fail.
        """
        settings = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "allow_persistent_secrets": "false",
            "home_directory": "'.'",
            "secret_directory": "'secrets'",
            "extension_directory": "'extensions'",
            "temp_directory": quote_literal(temporary or ""),
            "max_temp_directory_size": f"'{temporary_bytes if temporary else 0}B'",
            "max_execution_time": str(int(seconds * 1000)),
            "allowed_paths": f"[{', '.join(map(quote_literal, paths))}]",
            "enable_external_access": "false",
            "lock_configuration": "true",
        }
        for name, value in settings.items():
            self.run(f"SET GLOBAL {name} = {value}")

    def macros(self) -> frozenset[str]:
        """The names of the macros that were created."""
        query = "SELECT function_name FROM duckdb_functions() WHERE function_type LIKE '%macro' AND NOT internal"
        return frozenset(str(name).casefold() for name in self.arrow(query).column(0).to_pylist())

    def views(self) -> frozenset[str]:
        """The names of the views that were created, those of tables among them."""
        query = "SELECT view_name FROM duckdb_views() WHERE NOT internal"
        return frozenset(str(name).casefold() for name in self.arrow(query).column(0).to_pylist())

    def register(self, functions: Iterable[Function]) -> None:
        """Make Python functions known to SQL under their names. Raises QueryError for a name that is taken."""
        known = _OPEN.setdefault(self._connection, [])
        for function in functions:
            called = _Called(function)
            try:
                self._connection.create_function(
                    function.name,
                    called,
                    [duckdb.sqltype(kind) for kind in function.parameters.values()],
                    duckdb.sqltype(function.returns),
                    type=ARROW,
                    null_handling=SPECIAL,
                    side_effects=function.volatile,
                )
            except duckdb.Error as error:
                raise QueryError(f"function {function.name}: {error}") from error
            known.append(called)

    def create(self, statements: Iterable[str]) -> None:
        """Run CREATE OR REPLACE statements of macros and views, each after those it needs, in whatever order they come.

        Raises QueryError for one that cannot be made from what is there.
        """
        # DuckDB binds a macro when it is made, so one that uses another has to wait for it.
        waiting = list(statements)
        while waiting:
            later: list[str] = []
            for text in waiting:
                try:
                    self._connection.execute(text)
                except duckdb.Error as error:
                    if not isinstance(error, duckdb.CatalogException) or len(later) + 1 == len(waiting):
                        raise QueryError(f"{error}\nin {text}") from error
                    later.append(text)
            waiting = later

    def define(self, tables: Iterable[TableFiles]) -> None:
        """Make each table a view of its name, replacing what had that name."""
        for table in tables:
            self._mount(table)
            self._connection.execute(f"CREATE OR REPLACE VIEW {quote_identifier(table.name)} AS {scan_sql(table)}")
            self._columns[table.name] = tuple(table.schema.names)

    def store(self, name: str, data: pa.Table) -> None:
        """Keep a copy of an Arrow table under `name`, replacing what had that name."""
        # What is registered is seen by one cursor only; a table is seen by all.
        self._connection.register("_incoming", data)
        self._connection.execute(f"CREATE OR REPLACE TABLE {quote_identifier(name)} AS FROM _incoming")
        self._connection.unregister("_incoming")

    def sql(self, text: str, params: Sequence[object] | None = None) -> Relation:
        """The relation of one query; `?` in it takes its value from `params`.

        Raises QueryError, with the nearest name for a table or column that is not there.
        """
        try:
            cursor = self._connection.cursor()
            self._cursors.add(cursor)
            relation = cursor.sql(text, params=list(params) if params is not None else None)
        except duckdb.Error as error:
            raise self._explain(error, self._place(error, text, params)) from error
        return _asked(relation)

    def within(self, selection: str, name: str, text: str) -> Relation:
        """The relation of `text`, in which `name` is what the query `selection` gives. Raises QueryError."""
        try:
            relation = self.sql(selection).query(name, text)
        except duckdb.Error as error:
            raise self._explain(error) from error
        return _asked(relation)

    def hashed(self, text: str, params: Sequence[object] | None = None) -> tuple[Relation, bool]:
        """The relation of one SELECT with a hash of each row (UBIGINT) last, and whether its order is always the same.

        It is for what only reads and filters (the order of the files), and for a query that ends in ORDER BY as far as
        that goes; it is not for joins and groups. Raises QueryError, also for anything but one SELECT.
        """
        try:
            statements = self._connection.extract_statements(text)
        except duckdb.Error as error:
            raise self._explain(error) from error
        if [s.type for s in statements] != [duckdb.StatementType.SELECT]:
            raise QueryError("one SELECT is needed here (or FROM, WITH, VALUES), and nothing else")
        query = _without_end(text)
        plan = self.sql(f"EXPLAIN (FORMAT json) {query}", params).fetchall()[0][1]
        return self.sql(f"SELECT *, hash(_row) AS _hash FROM (\n{query}\n) AS _row", params), _in_order(
            json.loads(plan)
        )

    def attended(self, work: Callable[[], T]) -> T:
        """What `work`, which asks this session, returns; Ctrl-C ends its queries. Raises KeyboardInterrupt then."""
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            except BaseException as error:
                done.set_exception(error)

        # A signal is only heard between two instructions of the main thread, and DuckDB may compute for long.
        thread = threading.Thread(target=run, name="query", daemon=True)
        thread.start()
        try:
            return done.result()
        except KeyboardInterrupt:
            while thread.is_alive():
                for cursor in list(self._cursors):
                    cursor.interrupt()
                thread.join(0.1)
            raise

    def arrow(self, text: str, params: Sequence[object] | None = None) -> pa.Table:
        """The whole result of one query as an Arrow table."""
        try:
            return self.sql(text, params).to_arrow_table()
        except duckdb.Error as error:
            raise self._explain(error) from error

    def run(self, text: str, params: Sequence[object] | None = None) -> None:
        """Run one statement for its effect."""
        try:
            self._connection.cursor().execute(text, list(params or ()))
        except duckdb.Error as error:
            raise self._explain(error) from error

    def _mount(self, table: TableFiles) -> None:
        for file in table.files[:1]:
            protocol = file.path.split("://")[0] if "://" in file.path else ""
            if protocol and protocol not in self._protocols:
                # httpfs is a download for DuckDB 2.0; fsspec reads the same URLs with what is installed.
                self._connection.register_filesystem(filesystem(file.path))
                self._protocols.add(protocol)

    def _place(self, error: duckdb.Error, text: str, params: Sequence[object] | None) -> str:
        """The lines that point at the mistake, where DuckDB leaves them out: it does when it binds a relation."""
        left_out = isinstance(error, duckdb.BinderException | duckdb.CatalogException) and "\nLINE " not in str(error)
        if not left_out or len(self._connection.extract_statements(text)) != 1:
            return ""
        try:
            # Nothing runs: what cannot be bound cannot be explained either.
            self._connection.cursor().execute(f"EXPLAIN\n{text}", list(params or ()))
        except duckdb.Error as again:
            if place := _PLACE.search(str(again)):
                number, line, pointer = place.groups()
                label = f"LINE {int(number) - 1}: "
                return f"\n\n{label}{line}\n{pointer[len(f'LINE {number}: ') - len(label) :]}"
        return ""

    def _explain(self, error: duckdb.Error, place: str = "") -> QueryError:
        text = _message(error) + place
        known: Sequence[str] = ()
        what = ""
        if match := re.search(r"Table with name (\S+) does not exist", text):
            what, known = "table", sorted(self._columns)
        elif match := re.search(r'column(?: named)? "([^"]+)"', text):
            what, known = "column", sorted({c for columns in self._columns.values() for c in columns})
        if match and (close := nearest(match[1].split(".")[-1], list(known))):
            owners = [
                f"{name} (in {', '.join(t for t, c in self._columns.items() if name in c)})"
                if what == "column"
                else name
                for name in close
            ]
            text += f"\nNearest {what}: {', '.join(owners)}"
        elif what == "table" and match:
            text += f"\nTables: {', '.join(known)}"
        return QueryError(text)


def _without_end(text: str) -> str:
    """A statement without the semicolons and comments after it."""
    data = text.encode()
    for offset, kind in reversed(duckdb.tokenize(text)):
        if kind != duckdb.token_type.comment and data[offset : offset + 1] != b";":
            break
        data = data[:offset]
    return data.decode()


def _in_order(plan: list[dict[str, Any]]) -> bool:
    """Whether a plan gives its rows in an order that does not depend on chance."""

    def names(node: dict[str, Any]) -> set[str]:
        return {node["name"].strip()}.union(*map(names, node.get("children", [])))

    root = plan[0]
    while root["name"].strip() == "PROJECTION" and root.get("children"):
        root = root["children"][0]
    return root["name"].strip() in {"ORDER_BY", "TOP_N"} or names(plan[0]) <= _IN_ORDER


def _noting(stream: pa.RecordBatchReader | pa.Table, problems: list[CodeLakeError]) -> pa.RecordBatchReader | pa.Table:
    """The stream, which adds to `problems` what it raises: DuckDB makes a text of it, traceback and all."""
    if isinstance(stream, pa.Table):
        return stream

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from stream
        except CodeLakeError as error:
            problems.append(error)
            raise

    return pa.RecordBatchReader.from_batches(stream.schema, batches())


class Workspace:
    """A DuckDB database in a file of its own: tables larger than memory, filled from Arrow streams. Use it in `with`.

    memory_limit: what does not fit goes to files beside `path`.
    """

    def __init__(self, path: Path, *, memory_limit: str = "4GB") -> None:
        config: dict[str, Any] = {
            "memory_limit": memory_limit,
            "temp_directory": f"{path}.tmp",
            "preserve_insertion_order": False,
        }
        self._connection = duckdb.connect(str(path), config=config)

    def __enter__(self) -> "Workspace":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def run(self, sql: str, params: Sequence[object] = (), **streams: pa.RecordBatchReader | pa.Table) -> None:
        """Run one statement, in which each of `streams` can be read once by its name.

        Raises QueryError, and an error of ours that a stream raised as it is.
        """
        problems: list[CodeLakeError] = []
        try:
            for name, stream in streams.items():
                self._connection.register(name, _noting(stream, problems))
            self._connection.execute(sql, list(params))
        except duckdb.Error as error:
            raise problems[0] if problems else QueryError(str(error).strip()) from error
        finally:
            for name in streams:
                self._connection.unregister(name)

    def batches(self, sql: str, params: Sequence[object] = (), *, rows: int = 1 << 16) -> Iterator[pa.RecordBatch]:
        """The result of one query, `rows` at a time. Raises QueryError."""
        try:
            # A cursor of its own: several results may be open at once.
            with self._connection.cursor() as cursor:
                reader: pa.RecordBatchReader = cursor.sql(sql, params=list(params) or None).to_arrow_reader(rows)
                yield from reader
        except duckdb.Error as error:
            raise QueryError(str(error).strip()) from error


class Evaluator:
    """A private DuckDB connection: one thread, no files, no network, settings locked. Close it, or use it in `with`.

    Unlike a Session it sees nothing but the Arrow tables it is given.
    """

    def __init__(self) -> None:
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "threads": 1,
                "enable_external_access": False,
                "python_enable_replacements": False,
                # 64-bit offsets: the texts of one row group may be more than 2 GiB.
                "arrow_large_buffer_size": True,
                "lock_configuration": True,
            },
        )

    def __enter__(self) -> "Evaluator":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def arrow(self, sql: str, params: Sequence[object] = (), **tables: pa.Table) -> pa.Table:
        """The whole result of `sql`, in which each of `tables` can be read by its name.

        Raises StreamError if DuckDB refuses the query, or an expression fails on a value.
        """
        try:
            for name, rows in tables.items():
                self._connection.register(name, rows)
            return self._connection.sql(sql, params=list(params) or None).to_arrow_table()
        except duckdb.Error as error:
            raise StreamError(str(error).strip()) from error
        finally:
            for name in tables:
                self._connection.unregister(name)

    def value(self, sql: str, *params: object) -> Any:
        """The one value that `sql` selects."""
        return self.arrow(sql, params).column(0)[0].as_py()


def relation_of(table: pa.Table) -> Relation:
    """An Arrow table as a relation, to be shown or written like any other result."""
    return duckdb.connect().from_arrow(table)


def friendly(error: Exception) -> str | None:
    """The message of an error DuckDB raised while a relation was read, None for any other error."""
    return _message(error) if isinstance(error, duckdb.Error) else None
