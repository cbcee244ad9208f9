"""SQL of people nobody vouches for: each query in a process of its own, which can read the data files and nothing else.

Four walls, each of which would do alone for most of what can be tried:

1. The statement: one SELECT, or EXPLAIN of one, told by DuckDB's own parser; table functions only from a list.
2. DuckDB: no file but the data files, no extension, no setting, no Python variable.
3. The kernel (`confine.py`): no other file, no writing but of temporary files, no program, no network, no signal.
4. The parent: kills the process when time is up, and takes no more bytes from it than agreed; it never unpickles them.

What a query can see of the machine is neutral: the process has an environment and a folder of its own, in which the
data files are links named after their tables and partitions.
"""

import contextlib
import gc
import importlib
import json
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow as pa

from .confine import confine, end_with_parent, limit, limit_memory
from .duck import Session, friendly, scan_sql
from .errors import CodeLakeError, QueryError
from .parquet import partition_path
from .process import spawn
from .tables import TableFiles

_START_SECONDS = 60.0
_END_SECONDS = 5.0
_BATCH_ROWS = 512
# What a frame may be larger than the rows in it: schema, alignment, messages.
_FRAME_OVERHEAD = 16 << 20
# Python, DuckDB and Arrow beside DuckDB's own buffers, and values under construction.
_MEMORY_OVERHEAD = 512 << 20
_ERROR_LENGTH = 8000
_NESTING = 20_000
# Where DuckDB looks how many processors and how much memory there are (it ends the process if it may not), and we too.
_MACHINE = ("/proc/self/cgroup", "/proc/self/status", "/proc/stat", "/sys/fs/cgroup", "/sys/devices/system/cpu/online")

_GAP = r"(?:\s+|--[^\n]*\n|/\*.*?\*/)"
_EXPLAIN = re.compile(rf"{_GAP}*EXPLAIN\b(?:{_GAP}+(ANALYZE)\b)?", re.IGNORECASE | re.DOTALL)
# Table functions that touch no file and change nothing.
_TABLE_FUNCTIONS = frozenset(
    {
        *("unnest", "range", "generate_series", "repeat", "repeat_row", "json_each", "json_tree", "histogram"),
        *("histogram_values", "summary", "duckdb_columns", "duckdb_constraints", "duckdb_databases"),
        *("duckdb_functions", "duckdb_keywords", "duckdb_schemas", "duckdb_tables", "duckdb_types"),
        *("duckdb_views", "pragma_table_info", "pragma_version"),
    }
)
# Scalar functions that change something, wait, or tell a setting: one of them is where the data files really are.
_CLOSED = frozenset({"write_log", "nextval", "currval", "setseed", "sleep_ms", "current_setting"})
_CLOSED_TABLES = frozenset({"duckdb_settings", "pg_settings"})


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one query may take: seconds on the clock, DuckDB's memory, its threads, and bytes of temporary files.

    rows and bytes (of Arrow) are those of the result; what is more is left out, and the answer says so. sql_bytes: the
    length of the query.
    """

    seconds: float = 10.0
    memory_bytes: int = 1 << 30
    threads: int = 2
    spill_bytes: int = 1 << 30
    rows: int = 10_000
    bytes: int = 64 << 20
    sql_bytes: int = 100_000


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The result of one query. truncated: why it is not the whole result, None if it is. seconds it took."""

    table: pa.Table
    truncated: str | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Setup:
    """What a process is told before the query: paths are relative to its folder but for `readable`."""

    folder: str
    spill: str
    readable: tuple[str, ...]
    paths: tuple[str, ...]
    tables: tuple[TableFiles, ...]
    past: Mapping[tuple[str, str], str]
    functions: str
    statements: tuple[str, ...]
    limits: Limits


class Sandbox:
    """Answers untrusted SQL over tables as they were when it was made. Close it, or use it in `with`.

    past: (table, release) -> its files then, for macros that look back. functions: "module:name" of a function that
    takes a function (table, release) -> SELECT and returns the Functions of the session. statements: macros and views.
    Raises QueryError for tables in object storage.

        with Sandbox(tables) as sandbox:
            sandbox.sql("SELECT language, count(*) FROM code GROUP BY ALL").table
    """

    def __init__(
        self,
        tables: Mapping[str, TableFiles],
        *,
        past: Mapping[tuple[str, str], TableFiles] | None = None,
        functions: str | None = None,
        statements: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._folder = Path(tempfile.mkdtemp(prefix="codelake-"))
        try:
            farm = _Farm(self._folder)
            here = tuple(farm.table(table) for table in tables.values())
            then = {key: scan_sql(farm.table(table)) for key, table in (past or {}).items()}
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        self._setup = _Setup(
            folder=str(self._folder),
            spill="",
            readable=(*_packages(), *farm.links),
            paths=tuple(farm.links.values()),
            tables=here,
            past=then,
            functions=functions or "",
            statements=tuple(statements),
            limits=self.limits,
        )

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove its folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def sql(self, text: str) -> Answer:
        """Run one SELECT or EXPLAIN in a process of its own, which is gone when this returns; from any thread.

        Raises QueryError for what DuckDB refuses, what is not allowed, and what would take more than the limits.
        """
        if (size := len(text.encode("utf-8", "surrogatepass"))) > self.limits.sql_bytes:
            raise QueryError(f"this query is {size:,} bytes long; at most {self.limits.sql_bytes:,} are taken")
        spill = tempfile.mkdtemp(dir=self._folder, prefix="spill-")
        try:
            with _Process(replace(self._setup, spill=spill)) as process:
                return process.ask(text)
        finally:
            shutil.rmtree(spill, ignore_errors=True)


def _packages() -> list[str]:
    """The folders of this package: where it is installed for editing they are not on the path."""
    root = __name__.partition(".")[0]
    mine = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == root]
    return sorted({str(path) for module in mine for path in getattr(module, "__path__", ())})


class _Farm:
    """Links to data files under neutral names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # data file -> its link, relative to the folder
        self.links: dict[str, str] = {}

    def table(self, table: TableFiles) -> TableFiles:
        """The same table, read through links."""
        files = []
        for file in table.files:
            if "://" in file.path:
                raise QueryError(f"{table.name}: untrusted SQL reads files on a local disk; {file.path} is not on one")
            link = self.links.get(file.path)
            if link is None:
                hive = partition_path(list(file.partition), tuple(file.partition.values()))
                link = "/".join(part for part in (table.name, hive, f"{len(self.links)}.parquet") if part)
                self.links[file.path] = link
                (self.folder / link).parent.mkdir(parents=True, exist_ok=True)
                try:
                    (self.folder / link).hardlink_to(file.path)
                except OSError:  # another disk, or somebody else's file
                    (self.folder / link).symlink_to(file.path)
            files.append(replace(file, path=link))
        return replace(table, files=tuple(files))


class _Process:
    """One process and the socket to it; killed at the latest when it is left."""

    def __init__(self, setup: _Setup) -> None:
        self.limits = setup.limits
        ours, theirs = socket.socketpair()
        self._connection = Connection(ours.detach())
        environment = {"LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        if library_path := os.environ.get("LD_LIBRARY_PATH"):
            environment["LD_LIBRARY_PATH"] = library_path
        self._said = Path(setup.spill, "said")
        with self._said.open("wb") as said:
            self._process = spawn(
                f"{__name__}:serve",
                theirs.fileno(),
                cwd=setup.folder,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        theirs.close()
        self._late = False
        self._setup = setup

    def __enter__(self) -> "_Process":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def ask(self, text: str) -> Answer:
        """The answer to one query."""
        with self._deadline(_START_SECONDS):
            self._connection.send_bytes(pickle.dumps(self._setup))
            self._hear("it did not start")
        started = time.monotonic()
        tables: list[pa.Table] = []
        size = 0
        # A little longer than DuckDB gives itself, so that its own message comes first.
        with self._deadline(self.limits.seconds + 1):
            self._connection.send_bytes(text.encode("utf-8", "surrogatepass"))
            while (frame := self._hear(None))[:1] == b"D":
                size += len(frame)
                if size > self.limits.bytes + _FRAME_OVERHEAD:
                    raise QueryError("the result is larger than was agreed; the query was ended")
                tables.append(_table(frame[1:]))
            end = _message(frame)
        if not tables:
            raise QueryError("the process ended without an answer")
        return Answer(
            table=pa.concat_tables(tables), truncated=end.get("truncated"), seconds=time.monotonic() - started
        )

    @contextlib.contextmanager
    def _deadline(self, seconds: float) -> Iterator[None]:
        def late() -> None:
            self._late = True
            self._process.kill()

        timer = threading.Timer(seconds, late)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _hear(self, ended: str | None) -> bytes:
        try:
            frame = self._connection.recv_bytes(self.limits.bytes + _FRAME_OVERHEAD)
        except (EOFError, OSError):
            raise QueryError(self._why(ended)) from None
        if frame[:1] == b"E":
            raise QueryError(str(_message(frame).get("error", "no reason given")))
        return frame

    def _why(self, ended: str | None) -> str:
        try:
            status = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return "the process sent more than was agreed; the query was ended"
        if self._late:
            return f"the query took longer than {self.limits.seconds:g} s and was ended" if ended is None else ended
        name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        if ended is not None:
            last = self._said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return f"the process for untrusted SQL did not start ({name}){': ' + last[-1] if last else ''}"
        if name in {"SIGXCPU", "SIGKILL"}:
            return f"the query took more than its share of processor time or memory and was ended ({name})"
        return (
            f"the query ended its process ({name}): it needed more than {self.limits.memory_bytes / 1e6:,.0f} MB of "
            "memory, or is nested deeper than DuckDB can bear"
        )


def _table(frame: bytes) -> pa.Table:
    try:
        with pa.ipc.open_stream(pa.py_buffer(frame)) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise QueryError("the process sent what is no Arrow data; the query was ended") from error
    return table


def _message(frame: bytes) -> dict[str, Any]:
    try:
        found = json.loads(frame[1:])
    except ValueError as error:
        raise QueryError("the process sent what is no message; the query was ended") from error
    return found if isinstance(found, dict) else {}


# In the process


def serve(descriptor: int) -> None:
    """The life of a process: hold itself back, answer one query, end."""
    end_with_parent()
    connection = Connection(descriptor)
    setup: _Setup = pickle.loads(connection.recv_bytes())
    try:
        session = _confined(setup)
        connection.send_bytes(b"R")
        text = connection.recv_bytes().decode("utf-8", "surrogatepass")
        truncated = _answer(session, text, setup, connection)
        connection.send_bytes(b"T" + json.dumps({"truncated": truncated}).encode())
    except Exception as error:
        message = _said(error, setup.limits)
        connection.send_bytes(b"E" + json.dumps({"error": message[:_ERROR_LENGTH]}).encode())
    # The interpreter's own end would take time and tell of leaks.
    os._exit(0)


def _confined(setup: _Setup) -> Session:
    limits = setup.limits
    sys.setrecursionlimit(_NESTING)
    make = _load(setup.functions) if setup.functions else None
    limit(seconds=int(limits.seconds * limits.threads) + 30, file_bytes=limits.spill_bytes)
    libraries = [*sys.path, sys.prefix, sys.base_prefix, "/lib", "/lib64", "/usr/lib"]
    spills = confine([*libraries, *_MACHINE, *setup.readable], setup.spill)
    gc.enable()
    session = Session(memory_limit=f"{limits.memory_bytes}B", threads=limits.threads)
    if make is not None:
        session.register(make(lambda name, when: _scan(setup, name, when)))
    session.define(setup.tables)
    session.create(setup.statements)
    session.lock(
        paths=setup.paths,
        temporary=setup.spill if spills else None,
        temporary_bytes=limits.spill_bytes,
        seconds=limits.seconds,
    )
    limit_memory(limits.memory_bytes + _MEMORY_OVERHEAD)
    return session


def _load(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found


def _scan(setup: _Setup, name: str, when: str | None) -> str:
    if when is None:
        return scan_sql(next(table for table in setup.tables if table.name == name))
    if (name, when) not in setup.past:
        known = sorted({release for _, release in setup.past})
        raise QueryError(f"{when}: untrusted SQL can look back to releases only: {', '.join(known) or 'there is none'}")
    return setup.past[name, when]


def _answer(session: Session, text: str, setup: _Setup, connection: Connection) -> str | None:
    """Send the result, a frame for each batch, and return why it is not whole."""
    limits = setup.limits
    rows, size = limits.rows, limits.bytes
    with session.sql(permitted(session, text)).to_arrow_reader(_BATCH_ROWS) as reader:
        _send(connection, pa.Table.from_batches([], reader.schema))
        for batch in reader:
            kept = batch.slice(0, rows)
            if kept.nbytes > size:
                kept = _fitting(kept, size)
            if kept.num_rows:
                _send(connection, pa.Table.from_batches([kept]))
            rows -= kept.num_rows
            size -= kept.nbytes
            if kept.num_rows < batch.num_rows:
                reached = f"{limits.bytes / 1e6:,.1f} MB" if rows else f"{limits.rows:,} rows"
                return f"only the first {limits.rows - rows:,} rows: the limit is {reached}"
    return None


def _fitting(batch: pa.RecordBatch, size: int) -> pa.RecordBatch:
    low, high = 0, batch.num_rows
    while low < high:
        middle = (low + high + 1) // 2
        if batch.slice(0, middle).nbytes <= size:
            low = middle
        else:
            high = middle - 1
    return batch.slice(0, low)


def _send(connection: Connection, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    sink.write(b"D")
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    connection.send_bytes(sink.getvalue())


def _said(error: Exception, limits: Limits) -> str:
    text = friendly(error) or str(error)
    if isinstance(error, MemoryError | pa.ArrowMemoryError) or text.startswith("Out of Memory"):
        return f"the query needs more than {limits.memory_bytes / 1e6:,.0f} MB of memory"
    if isinstance(error, RecursionError):
        return "the query is nested too deeply"
    if text.startswith("INTERRUPT") or "max_execution_time" in text:
        return f"the query took longer than {limits.seconds:g} s and was ended"
    if isinstance(error, CodeLakeError) or friendly(error) is not None:
        return text
    return f"{type(error).__name__}: {text}"


def permitted(session: Session, text: str) -> str:
    """The statement to run for `text`. Raises QueryError unless it is one SELECT, or EXPLAIN of one, without effects.

    session: one with the macros that may be called.
    """
    prefix = ""
    if (explain := _EXPLAIN.match(text)) is not None:
        # What follows is looked at by itself, so this cannot be the way in for another statement.
        prefix, text = f"EXPLAIN{' ANALYZE' if explain[1] else ''} ", text[explain.end() :]
    tree = json.loads(session.arrow("SELECT json_serialize_sql(?::VARCHAR)", [text]).column(0)[0].as_py())
    if tree["error"]:
        if tree["error_type"] == "not implemented":
            raise QueryError("untrusted SQL is one SELECT (FROM, WITH, VALUES, DESCRIBE, SUMMARIZE) or EXPLAIN of one")
        session.sql(text)  # DuckDB's own message points at the place
        raise QueryError(str(tree["error_message"]))
    if len(tree["statements"]) != 1:
        raise QueryError(f"there are {len(tree['statements'])} statements; untrusted SQL is one")
    _check(tree, _TABLE_FUNCTIONS | session.macros(), session.views())
    return prefix + text


def _check(tree: Any, table_functions: frozenset[str], views: frozenset[str]) -> None:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        if not isinstance(node, dict):
            continue
        waiting += node.values()
        if node.get("type") == "TABLE_FUNCTION":
            name = str(node["function"].get("function_name", "")).casefold()
            if name not in table_functions or name.startswith("_"):
                raise QueryError(f"{name}(): untrusted SQL may read from {', '.join(sorted(table_functions))}")
            waiting += node["function"]["arguments"]
        elif node.get("type") in {"BASE_TABLE", "SHOW_REF"}:
            name = str(node.get("table_name", "")).casefold()
            # SHOW of what is no table shows a setting.
            if name in _CLOSED_TABLES or (node.get("show_type") == "SHOW" and name not in views):
                raise QueryError(f"{name}: untrusted SQL may not read it")
        elif node.get("class") == "FUNCTION":
            name = str(node.get("function_name", "")).casefold()
            if name in _CLOSED or (name.startswith("_") and name not in table_functions):
                raise QueryError(f"{name}(): untrusted SQL may not call it")
