"""`swh:GRAPH?origin=URL`: repositories of Software Heritage, from an export of its graph and its store of contents.

GRAPH is the folder of an export, on disk or in a bucket (s3://softwareheritage/graph/2021-03-23-popular-3k-python),
with the tables as `orc/TABLE/*.orc` or `parquet/TABLE/*.parquet`. Parameters:

    origin=URL      a repository; with % for any text, many (https://github.com/psf/%25: a % before two hex digits is
                    written %25); @FILE for those listed in a file, one a line. May be given several times; all if not.
    visit=DATE      the latest full visit not after DATE, instead of the last one; or use --at and --every
    content=PREFIX  where contents are (objects.py), s3://softwareheritage/content if not given

The way is that of The Stack v2: latest full visit, main branch, its revision, every file below its directory. Each
table is read once or twice from end to end, as an export has no order; what is kept waits in a database on disk.
"""

import posixpath
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import orc

from ...engine.duck import Workspace
from ...engine.errors import SourceError
from ...engine.optional import require
from ...sql import load
from . import EXECUTABLE, FILE, SYMLINK, Entry, Failure, Known, Lost, Request, Visit, local_path, origin
from .objects import STORE, Objects, reach
from .when import NOW, Point, When, parse_date, stops

# As published for v3: "1,000,000 files a repository" (v2: rows of a walk).
MOST_ROWS = 1_000_000
# The Stack v2 went down 64 folders; the deepest path Linux allows (PATH_MAX 4096) has 2048.
DEEPEST = 2048
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_EPOCH = datetime(1970, 1, 1)
# Moments that `datetime` has, in microseconds since 1970.
_FIRST, _LAST = ((d - _EPOCH) // timedelta(microseconds=1) for d in (datetime.min, datetime.max))
_BATCH = 1 << 16
_DATE = "date"

# The columns read here, with their types in an export (swh/export/relational.py of swh.export 1.12.0).
TABLES: dict[str, dict[str, str]] = {
    "origin_visit": {"origin": "string", "visit": "bigint", "type": "string"},
    "origin_visit_status": {
        "origin": "string",
        "visit": "bigint",
        "date": _DATE,
        "status": "string",
        "snapshot": "string",
        "type": "string",
    },
    "snapshot_branch": {"snapshot_id": "string", "name": "binary", "target": "string", "target_type": "string"},
    "release": {"id": "string", "target": "string", "target_type": "string"},
    "revision": {
        "id": "string",
        "author": "binary",
        "date": _DATE,
        "committer": "binary",
        "committer_date": _DATE,
        "directory": "string",
    },
    "revision_history": {"id": "string", "parent_id": "string", "parent_rank": "int"},
    "directory_entry": {
        "directory_id": "string",
        "name": "binary",
        "type": "string",
        "target": "string",
        "perms": "int",
    },
    "content": {"sha1": "string", "sha1_git": "string", "length": "bigint", "status": "string"},
    "skipped_content": {"sha1_git": "string", "reason": "string"},
}
# A small export may lack these; without the others nothing can be read.
_OPTIONAL = frozenset({"origin_visit", "release", "skipped_content"})
_ARROW = {"string": pa.string(), "bigint": pa.int64(), "int": pa.int32(), "binary": pa.binary(), _DATE: pa.int64()}
# Type of a visit (the loader's name) -> version-control system; anything else is a package.
_VCS = {
    "git": "git", "git-checkout": "git", "hg": "hg", "hg-checkout": "hg", "svn": "svn", "svn-export": "svn",
    "bzr": "bzr", "cvs": "cvs", "tar": "archive", "tarball-directory": "archive", "content": "archive",
}  # fmt: skip


class Asked(NamedTuple):
    """What the URL says. wanted: origins; patterns: of SQL's LIKE, with \\ before what stands for itself."""

    graph: str
    wanted: list[str]
    patterns: list[str]
    content: str
    when: When


def visits(request: Request) -> Iterator[Visit | Failure]:
    """A visit of each origin for each date asked for. Raises SourceError for a wrong URL or one that is no export."""
    asked = parse(request)
    graph = Graph.find(request, asked.graph)
    fs, folder = reach(asked.content, request.timeout)
    if not folder or ("://" not in asked.content and not fs.isdir(folder)):
        raise SourceError(f"{request.source}: content={asked.content} is no folder of contents")
    return _visits(request, asked, graph)


def parse(request: Request) -> Asked:
    """Read the URL's parameters. Raises SourceError, in words."""
    source = request.source
    place, _, query = request.rest.partition("?")
    if not place:
        raise SourceError(f"{source}: name the folder of a graph export, as in swh:graph/2021-03-23?origin=https://…")
    given: dict[str, list[str]] = {"origin": [], "visit": [], "content": []}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in given or not value:
            raise SourceError(f"{source}: {name}={value}: the parameters are origin=, visit= and content=")
        given[name].append(value)
    if len(given["visit"]) > 1 or len(given["content"]) > 1:
        raise SourceError(f"{source}: visit= and content= may be given once")
    when = request.when
    if when.all_tags:
        raise SourceError(f"{source}: visits are chosen by date; leave out --all-tags")
    if given["visit"] and given["visit"] != ["latest"]:
        if when != NOW:
            raise SourceError(f"{source}: name dates in the URL or by --at and --every, not both")
        when = When(at=(given["visit"][0],))
    for name in when.at:
        if parse_date(name) is None:
            raise SourceError(f"{source}: {name} is no date; visits are chosen by date, as in 2023-09-06")
    wanted: list[str] = []
    for item in given["origin"]:
        wanted += _listed(source, item[1:]) if item.startswith("@") else [item]
    patterns = [re.sub(r"([\\_])", r"\\\1", item) for item in wanted if "%" in item]
    if not given["origin"]:
        patterns = ["%"]
    exact = list(dict.fromkeys(item for item in wanted if "%" not in item))
    return Asked(place.rstrip("/"), exact, patterns, (given["content"] or [STORE])[0], when)


def _listed(source: str, name: str) -> list[str]:
    try:
        lines = local_path(name).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{source}: origin=@{name}: the list cannot be read: {error}") from None
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _visits(request: Request, asked: Asked, graph: "Graph") -> Iterator[Visit | Failure]:
    folder = Path(tempfile.mkdtemp(prefix="swh-", dir=request.scratch))
    with Workspace(folder / "graph.db") as work:
        yield from _choose(request, asked, graph, work)
        _walk(graph, work)
        yield from _read(request, asked, work)


def _choose(request: Request, asked: Asked, graph: "Graph", work: Workspace) -> Iterator[Failure]:
    """Make the table `chosen` (number, origin, date, snapshot, type): the visits that are asked for, in order."""
    work.run(
        load("swh/visits"),
        origin_visit_status=graph.stream("origin_visit_status"),
        origin_visit=graph.stream("origin_visit"),
        wanted=pa.table({"origin": pa.array(asked.wanted, pa.string())}),
        patterns=pa.table({"pattern": pa.array(asked.patterns, pa.string())}),
    )
    found = work.batches("SELECT origin, date, snapshot, type FROM visits ORDER BY ALL")
    work.run("CREATE TABLE chosen (number BIGINT, origin VARCHAR, date BIGINT, snapshot VARCHAR, type VARCHAR)")
    missing = dict.fromkeys(asked.wanted)
    any_visit = False
    rows: list[dict[str, object]] = []
    number = 0
    for url, group in groupby(_rows(found), lambda row: str(row["origin"])):
        missing.pop(url, None)
        any_visit = True
        kept, problems = _stops(url, asked.when, list(group), request.started)
        for problem in problems:
            yield Failure(url, f"{url}: {problem}", "absent")
        for row in kept:
            rows.append({"number": number, **row})
            number += 1
        if len(rows) >= _BATCH:
            work.run("INSERT INTO chosen FROM rows", rows=pa.Table.from_pylist(rows, _CHOSEN))
            rows = []
    if rows:
        work.run("INSERT INTO chosen FROM rows", rows=pa.Table.from_pylist(rows, _CHOSEN))
    for url in missing:
        yield Failure(url, f"{request.source}: the graph has no full visit of {url}", "absent")
    if not any_visit and not missing:
        yield Failure(request.source, f"{request.source}: the graph has no full visit of any such origin", "absent")


_CHOSEN = pa.schema(
    {"number": pa.int64(), "origin": pa.string(), "date": pa.int64(), "snapshot": pa.string(), "type": pa.string()}
)


def _stops(
    url: str, when: When, found: list[dict[str, Any]], started: datetime
) -> tuple[list[dict[str, Any]], list[str]]:
    """The visits of one origin (in order of date) that `when` means, each once."""
    if when == NOW:
        return found[-1:], []
    points = [Point(str(number), _moment(row["date"]) or _EPOCH) for number, row in enumerate(found)]
    chosen, problems = stops(when, line=lambda: points, named=lambda _: None, tags=lambda: (), now=started)
    return [found[number] for number in sorted({int(stop.point.revision) for stop in chosen})], problems


def _walk(graph: "Graph", work: Workspace) -> None:
    """From `chosen` to the tables that files.sql and visited.sql read."""
    work.run(load("swh/branches"), snapshot_branch=graph.stream("snapshot_branch"))
    work.run(load("swh/heads"))
    work.run(load("swh/releases"), release=graph.stream("release"))
    work.run(load("swh/revisions"), revision=graph.stream("revision"))
    work.run(load("swh/parents"), revision_history=graph.stream("revision_history"))
    work.run(load("swh/roots"))
    work.run(load("swh/edges"), directory_entry=graph.stream("directory_entry"))
    work.run(load("swh/reached"))
    work.run("DROP TABLE edges")
    work.run(load("swh/entries"), directory_entry=graph.stream("directory_entry"))
    work.run(load("swh/breadth"))
    work.run(load("swh/walk"), [MOST_ROWS, DEEPEST])
    work.run(load("swh/contents"), content=graph.stream("content"))
    work.run(load("swh/skipped"), skipped_content=graph.stream("skipped_content"))


def _read(request: Request, asked: Asked, work: Workspace) -> Iterator[Visit | Failure]:
    """The visits in order, each with its files; both come from disk, some at a time."""
    reader = Objects(asked.content, request.timeout)
    [total] = [row["n"] for row in _rows(work.batches("SELECT count(*) AS n FROM roots"))]
    files = groupby(_rows(work.batches(load("swh/files"), [MOST_ROWS, DEEPEST])), lambda row: row["number"])
    number, group = next(files, (None, iter(())))
    # A visit is held back until it is known whether the next one of its origin builds on it.
    held: Visit | None = None
    last: Known | None = None
    for row in _rows(work.batches(load("swh/visited"), rows=1024)):
        found = [_item(item) for item in group] if number == row["number"] else []
        if number == row["number"]:
            number, group = next(files, (None, iter(())))
        problem = _problem(row)
        if problem is not None:
            yield Failure(str(row["origin"]), f"{request.source}: {row['origin']}: {problem}", "absent")
            continue
        entries = [item for item in found if isinstance(item, Entry)]
        lost = [item for item in found if isinstance(item, Lost)]
        if (row["rows"] or 0) > MOST_ROWS:
            lost.append(Lost(b"", "too-many-files", f"more than {MOST_ROWS} entries", str(MOST_ROWS)))
        visit = replace(_visit(request, row, entries, lost, reader), of=total)
        if held is not None:
            chained = visit.repo_url == held.repo_url and isinstance(last, _Before)
            yield replace(held, followed=chained)
        if held is None or visit.repo_url != held.repo_url:
            last = request.last(visit.repo_url)
        held = visit if last is None else _since(last, visit)
        if visit.revision_id is not None and all(item.reason == "submodule" for item in lost):
            last = _Before(visit.revision_id, visit.visit_date, entries, lost)
        elif isinstance(last, _Before):
            last = request.last(visit.repo_url)
    if held is not None:
        yield held


def _problem(row: dict[str, Any]) -> str | None:
    """Why a visit has no tree."""
    if row["branch"] is None:
        return f"snapshot {row['snapshot']} has no branch HEAD, master or main that leads to a revision"
    if row["directory_id"] is None:
        what = f"revision {row['revision_id']}" if row["revision_id"] else f"release {row['release_id']}"
        return f"the graph does not have {what} or its directory"
    if row["rows"] is None and row["directory_id"] != EMPTY_TREE:
        return f"the graph does not have directory {row['directory_id']}"
    return None


def _visit(request: Request, row: dict[str, Any], entries: list[Entry], lost: list[Lost], reader: Objects) -> Visit:
    known = origin(row["origin"])
    return Visit(
        repo_name=known.name,
        repo_url=known.url,
        source=request.source,
        vcs=_VCS.get(row["type"] or "git", "package"),
        entries=entries,
        lost=lost,
        reader=reader,
        visit_date=_moment(row["date"]) or _EPOCH,
        host=known.host,
        owner=known.owner,
        branch_name=_text(row["branch"]).removeprefix("refs/heads/"),
        snapshot_id=row["snapshot"],
        revision_id=row["revision_id"],
        release_id=row["release_id"],
        directory_id=row["directory_id"],
        revision_date=_moment(row["revision_date"]),
        author=_person(row["author"]),
        committer=_person(row["committer"]),
        committer_date=_moment(row["committer_date"]),
        parents=row["parents"] or ([] if row["revision_id"] else None),
    )


@dataclass(frozen=True)
class _Before:
    """The visit before, in the same run, as what the next one builds on."""

    revision_id: str
    visit_date: datetime
    entries: Sequence[Entry]
    lost: Sequence[Lost]

    def tree(self) -> dict[bytes, tuple[str, str]]:
        """As Known has it."""
        return {entry.path: (entry.mode, str(entry.blob_id)) for entry in self.entries}

    def dropped(self) -> list[bytes]:
        """As Known has it."""
        return [item.path for item in self.lost]


def _since(last: Known, visit: Visit) -> Visit:
    """The visit as a difference from the last one in the lake: only what is new is fetched."""
    tree = last.tree()
    if tree is None:
        return visit
    entries = [entry for entry in visit.entries if tree.get(entry.path) != (entry.mode, entry.blob_id)]
    present = {entry.path for entry in visit.entries}
    gone = [path for path in {*tree, *last.dropped()} if path not in present]
    # What is lost now takes the place of what was lost then.
    removed = sorted({*gone, *(item.path for item in visit.lost)})
    return replace(visit, base=last.revision_id, entries=entries, removed=removed)


def _item(row: dict[str, Any]) -> Entry | Lost:
    """One row of files.sql."""
    path, target = row["path"], row["target"]
    if row["type"] == "rev":
        return Lost(path, "submodule", target)
    if row["type"] == "dir":
        if path.count(b"/") >= DEEPEST:
            return Lost(path, "too-deep", f"directory {target}", str(DEEPEST))
        return Lost(path, "absent", f"the graph does not have directory {target}")
    if row["sha1"] is None:
        reason = row["reason"]
        return Lost(path, "absent", reason if reason is not None else f"the graph does not have content {target}")
    if row["status"] not in (None, "visible"):
        return Lost(path, str(row["status"]), f"content {target} is not public")
    return Entry(path, mode(row["perms"]), row["sha1"], row["length"], target)


def mode(perms: int | None) -> str:
    """git's mode of a file from the permissions in the graph, as git itself reads old and odd ones (canon_mode)."""
    if perms is None:
        return FILE
    if perms >> 12 == int(SYMLINK, 8) >> 12:
        return SYMLINK
    return EXECUTABLE if perms & 0o100 else FILE


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _person(name: bytes | None) -> str | None:
    """`name <mail>`, or in a public export the hex digits of the hash that stands for it."""
    if name is None:
        return None
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.hex()


def _rows(batches: Iterator[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    for batch in batches:
        yield from batch.to_pylist()


@dataclass(frozen=True)
class Graph:
    """The files of an export. kind: orc or parquet. files: of each table in TABLES; none for an optional one."""

    fs: fsspec.AbstractFileSystem
    kind: str
    files: dict[str, list[str]]
    cancelled: threading.Event

    @classmethod
    def find(cls, request: Request, place: str) -> "Graph":
        """The export in a folder. Raises SourceError if there is none, or a table of it is missing."""
        source = request.source
        fs, root = reach(place, request.timeout)
        seen: dict[str, dict[str, list[str]]] = {}
        try:
            for kind in ("parquet", "orc"):
                folders = {table: posixpath.join(root, kind, table) for table in TABLES}
                seen[kind] = {table: sorted(fs.glob(f"{folder}/*.{kind}")) for table, folder in folders.items()}
        except OSError as error:
            raise SourceError(f"{source}: {place} cannot be listed: {error.strerror or error}") from error
        if not any(files for tables in seen.values() for files in tables.values()):
            raise SourceError(
                f"{source}: {place} is no graph export: it has no orc/TABLE/*.orc or parquet/TABLE/*.parquet"
            )
        kind = max(seen, key=lambda kind: sum(map(bool, seen[kind].values())))
        missing = [table for table, files in seen[kind].items() if not files and table not in _OPTIONAL]
        if missing:
            raise SourceError(
                f"{source}: {place} is not a whole graph export: there is no "
                f"{', '.join(f'{kind}/{table}/*.{kind}' for table in missing)}"
            )
        return cls(fs, kind, seen[kind], request.cancelled)

    def stream(self, table: str) -> pa.RecordBatchReader:
        """The columns of TABLES of a table, in batches; dates in microseconds since 1970, NULL beyond year 9999."""
        schema = pa.schema([(name, _ARROW[kind]) for name, kind in TABLES[table].items()])
        read = self._orc if self.kind == "orc" else self._parquet
        return pa.RecordBatchReader.from_batches(schema, self._batches(table, schema, read))

    def _batches(
        self, table: str, schema: pa.Schema, read: "Callable[[Any, list[str]], Iterator[pa.RecordBatch]]"
    ) -> Iterator[pa.RecordBatch]:
        for path in self.files[table]:
            try:
                with self.fs.open(path, "rb") as stream:
                    for batch in read(stream, schema.names):
                        if self.cancelled.is_set():
                            raise SourceError(f"{path}: nobody waits for it any more")
                        yield _plain(batch, schema)
            except KeyError as error:
                raise SourceError(
                    f"{path}: there is no column {error.args[0]}; {table} needs {', '.join(schema.names)}"
                ) from None
            except (OSError, pa.ArrowException) as error:
                raise SourceError(f"{path} cannot be read: {error}") from error

    @staticmethod
    def _parquet(stream: Any, columns: list[str]) -> Iterator[pa.RecordBatch]:
        file = pq.ParquetFile(stream)
        yield from file.iter_batches(_BATCH, columns=[name for name in columns if name in file.schema_arrow.names])

    @staticmethod
    def _orc(stream: Any, columns: list[str]) -> Iterator[pa.RecordBatch]:
        file = orc.ORCFile(stream)
        present = [name for name in columns if name in file.schema.names]
        dates = [name for name in present if pa.types.is_timestamp(file.schema.field(name).type)]
        for stripe in range(file.nstripes):
            try:
                yield file.read_stripe(stripe, columns=present)
            except pa.ArrowInvalid:
                if not dates:
                    raise
                # Commits are dated thousands of years away, and pyarrow refuses a stripe with a single one of them.
                batch = file.read_stripe(stripe, columns=[name for name in present if name not in dates])
                for name, values in _wild_dates(stream, stripe, dates).items():
                    batch = batch.append_column(name, values)
                yield batch


def _wild_dates(stream: Any, stripe: int, columns: list[str]) -> dict[str, pa.Array]:
    """The timestamps of a stripe in microseconds, NULL for those that `datetime` does not have."""
    pyorc = require("pyorc")
    reader = pyorc.Reader(stream, column_names=columns, converters={pyorc.TypeKind.TIMESTAMP: _Microseconds})
    rows = list(reader.read_stripe(stripe))
    names = [name for name in reader.schema.fields if name in columns]
    return {name: pa.array([row[n] for row in rows], pa.int64()) for n, name in enumerate(names)}


class _Microseconds:
    """A converter of pyorc: timestamps as microseconds since 1970."""

    @staticmethod
    def from_orc(seconds: int, nanoseconds: int, _timezone: object) -> int | None:
        found = seconds * 1_000_000 + nanoseconds // 1000
        return found if _FIRST <= found <= _LAST else None

    @staticmethod
    def to_orc(_value: object, _timezone: object) -> None:
        raise NotImplementedError


def _plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The columns of `schema`, in its types. Raises KeyError for one that is not there (`type` came later)."""
    columns = []
    for field in schema:
        if field.name not in batch.schema.names:
            if field.name != "type":
                raise KeyError(field.name)
            columns.append(pa.nulls(batch.num_rows, field.type))
            continue
        column = batch.column(field.name)
        if pa.types.is_struct(column.type):
            # swh.export's Parquet keeps dates as (seconds, microseconds), which may be any.
            seconds, more = pc.struct_field(column, "seconds"), pc.struct_field(column, "microseconds")
            inside = pc.and_(pc.greater(seconds, _FIRST // 1_000_000), pc.less(seconds, _LAST // 1_000_000))
            seconds = pc.if_else(inside, seconds, pa.scalar(None, pa.int64()))
            column = pc.add(pc.multiply(seconds, 1_000_000), more.cast(pa.int64()))
        elif pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        columns.append(column.cast(field.type))
    return pa.record_batch(columns, schema=schema)
