"""The plan of a stream: everything its rows depend on, fixed before the first row is made, under one sha256.

Planning reads Parquet footers only. Files are pinned by name, size and row groups, so a file that changes under a
running stream is an error and not other rows.
"""

import hashlib
import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .duck import VERSION, Evaluator
from .errors import StreamError
from .packing import GROUP_SALT, shuffled
from .scan import Scan, classify
from .tables import DataFile, TableFiles, filesystem
from .tokenizer import LoadedTokenizer

# Raise it when the same plan would give other rows than before.
ALGORITHM = 1
PACKS = ("best-fit",)
FOOTER_THREADS = 8
_FILE = "__codelake_file"


class RowGroup(NamedTuple):
    """One row group: the number of its file in the plan, its number in that file, its rows, its decompressed bytes."""

    file: int
    group: int
    rows: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class PlannedFile:
    """A pinned file: `name` is its path below the folder all files of the table share; the counts are of the file."""

    name: str
    path: str
    bytes: int
    row_groups: int
    partition: Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a stream reads and how it cuts, shuffles and packs it; equal sha256 means equal rows.

    row_groups are in the order of files and of groups within a file, without those that the WHERE rules out.
    window_bytes: decompressed bytes of the columns read that are shuffled together. block_bytes: text that is tokenized
    and packed together.
    """

    scan: Scan
    schema: pa.Schema
    snapshot: int | None
    files: tuple[PlannedFile, ...]
    row_groups: tuple[RowGroup, ...]
    tokenizer_sha256: str
    seq_len: int
    seed: int
    pack: str
    window_bytes: int
    block_bytes: int

    @cached_property
    def sha256(self) -> str:
        """The identity of the plan."""
        return _digest(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Everything that decides the rows, JSON-able; the files stand as one hash of names, sizes and row groups."""
        manifest = [[file.name, file.bytes, file.row_groups] for file in self.files]
        return {
            "algorithm": ALGORITHM,
            "duckdb": VERSION,
            "sql": self.scan.sql,
            "table": self.scan.table,
            "snapshot": self.snapshot,
            "manifest": _digest([manifest, self.row_groups]),
            "tokenizer": self.tokenizer_sha256,
            "seq_len": self.seq_len,
            "seed": self.seed,
            "pack": self.pack,
            "window_bytes": self.window_bytes,
            "block_bytes": self.block_bytes,
        }

    def summary(self) -> dict[str, Any]:
        """`to_dict` with long texts cut to a short hash: small enough for a checkpoint, enough to name a difference."""
        return {key: _short(value) for key, value in self.to_dict().items()}

    def diff(self, other: Mapping[str, Any]) -> list[str]:
        """One line for each field in which another plan's `to_dict` or `summary` differs: `seed: 1 there, 2 here`."""
        lines = []
        for key, value in self.to_dict().items():
            theirs = other.get(key)
            if theirs not in (value, _short(value)):
                lines.append(f"{key}: {theirs} there, {value} here")
        return lines

    def windows(self, epoch: int) -> list[list[RowGroup]]:
        """The row groups of an epoch, shuffled, cut into runs of at most window_bytes (or of one row group)."""
        order = shuffled(np.arange(len(self.row_groups), dtype=np.uint64), GROUP_SALT, self.seed, epoch)
        runs: list[list[RowGroup]] = []
        room = 0
        for index in order.tolist():
            group = self.row_groups[index]
            if not runs or group.bytes > room:
                runs.append([])
                room = self.window_bytes
            runs[-1].append(group)
            room -= group.bytes
        return runs


def make_plan(
    tables: Mapping[str, TableFiles],
    sql: str,
    *,
    tokenizer: LoadedTokenizer,
    seq_len: int,
    seed: int,
    pack: str = "best-fit",
    window_bytes: int = 128 << 20,
    block_bytes: int = 16 << 20,
) -> Plan:
    """Plan the stream of `sql` over one of `tables`: rows of `seq_len` + 1 tokens.

    Reads the footer of every file that the partition does not rule out. Raises StreamError if the query cannot be
    streamed (see `scan.classify`) or selects nothing, a file is gone or changed, or a setting is out of range.
    """
    for name, value in (("seq_len", seq_len), ("window_bytes", window_bytes), ("block_bytes", block_bytes)):
        if value < 1:
            raise StreamError(f"{name}={value}: it must be at least 1")
    if not 0 <= seed < 1 << 64:
        raise StreamError(f"seed={seed}: it must be between 0 and 2**64 - 1")
    if pack not in PACKS:
        raise StreamError(f"pack={pack!r}: known are {', '.join(PACKS)}")
    scan = classify(sql, tables)
    table = tables[scan.table]
    root = _shared_folder([file.path for file in table.files])
    # By name: a catalog may list the same files in another order after a restart.
    chosen = sorted(prune(scan, table), key=lambda file: file.path)
    with ThreadPoolExecutor(FOOTER_THREADS, thread_name_prefix="footer") as pool:
        footers = list(pool.map(partial(_footer, scan, table.schema), chosen))
    files: list[PlannedFile] = []
    row_groups: list[RowGroup] = []
    for file, (count, groups) in zip(chosen, footers, strict=True):
        if groups:
            row_groups += [group._replace(file=len(files)) for group in groups]
            files.append(
                PlannedFile(
                    name=posixpath.relpath(file.path, root),
                    path=file.path,
                    bytes=file.bytes,
                    row_groups=count,
                    partition=file.partition,
                )
            )
    if not row_groups:
        raise StreamError(
            f"{scan.sql} selects nothing: no row group of {table.name} at snapshot {table.snapshot} matches"
        )
    return Plan(
        scan=scan,
        schema=table.schema,
        snapshot=table.snapshot,
        files=tuple(files),
        row_groups=tuple(row_groups),
        tokenizer_sha256=tokenizer.sha256,
        seq_len=seq_len,
        seed=seed,
        pack=pack,
        window_bytes=window_bytes,
        block_bytes=block_bytes,
    )


def prune(scan: Scan, table: TableFiles) -> list[DataFile]:
    """The files of `table` whose partition does not rule them out, by the conjuncts on partition columns alone."""
    files = table.files
    arrays = {}
    for field in table.schema:
        if files and all(field.name in file.partition for file in files):
            values = pa.array([file.partition[field.name] for file in files], pa.string())
            try:
                arrays[field.name] = values.cast(field.type)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                continue  # the text of a transform (a month, a bucket) is no value of the column
    sql = scan.filter_sql(arrays.keys(), _FILE)
    if sql is None:
        return list(files)
    rows = pa.table({**arrays, _FILE: pa.array(range(len(files)), pa.int64())})
    with Evaluator() as evaluator:
        kept = evaluator.arrow(sql, **{scan.table: rows}).column(0).to_pylist()
    return [files[index] for index in kept]


@contextmanager
def open_parquet(path: str, *, size: int, row_groups: int | None = None) -> Iterator[pq.ParquetFile]:
    """Open a pinned file, and name it in whatever goes wrong while it is open.

    Raises StreamError if it is gone, cannot be read, or has another size in bytes or another number of row groups than
    was pinned.
    """
    fs = filesystem(path)
    try:
        found = fs.size(path)
        if found != size:
            raise StreamError(f"{path} has {found} bytes, {size} were recorded: it changed after it was written")
        with ExitStack() as stack:
            # pyarrow reads local files without the GIL; other places go through fsspec.
            source = stack.enter_context(fs.open(path, "rb")) if "://" in path else path
            file = stack.enter_context(pq.ParquetFile(source))
            if row_groups is not None and file.num_row_groups != row_groups:
                raise StreamError(
                    f"{path} has {file.num_row_groups} row groups, the stream was planned with {row_groups}: "
                    "it changed after that"
                )
            yield file
    except FileNotFoundError as error:
        raise StreamError(f"{path} is gone: the snapshot it belongs to was expired or the lake was moved") from error
    except (OSError, pa.ArrowException) as error:
        raise StreamError(f"{path} cannot be read: {error}") from error


def read_row_group(plan: Plan, group: RowGroup) -> pa.Table:
    """The columns that the query reads, in the types of the table; a column the file lacks comes from its partition."""
    file = plan.files[group.file]
    with open_parquet(file.path, size=file.bytes, row_groups=file.row_groups) as parquet:
        present = [name for name in plan.scan.columns if name in parquet.schema_arrow.names]
        rows = parquet.read_row_group(group.group, columns=present)
        rows.validate(full=True)  # text that is not UTF-8 is found here, where the file is known
        columns = {}
        for name in plan.scan.columns:
            kind = plan.schema.field(name).type
            constant = pa.scalar(file.partition.get(name), pa.string())
            columns[name] = (rows[name] if name in present else pa.repeat(constant, group.rows)).cast(kind)
    return pa.table(columns)


def _footer(scan: Scan, schema: pa.Schema, file: DataFile) -> tuple[int, list[RowGroup]]:
    """How many row groups a file has, and those that the statistics do not rule out."""
    with open_parquet(file.path, size=file.bytes) as parquet:
        metadata = parquet.metadata
    groups = []
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        columns = [group.column(i) for i in range(group.num_columns)]
        needed = [c for c in columns if c.path_in_schema.split(".")[0] in scan.columns]
        if group.num_rows and not _excluded(scan, {c.path_in_schema: c for c in needed}):
            size = sum(column.total_uncompressed_size for column in needed)
            groups.append(RowGroup(file=-1, group=index, rows=group.num_rows, bytes=size))
    return metadata.num_row_groups, groups


def _excluded(scan: Scan, columns: Mapping[str, Any]) -> bool:
    """Whether the minimum and maximum of a column rule out every value the query asks of it."""
    for name, values in scan.equalities:
        statistics = columns[name].statistics if name in columns else None
        if statistics is None or not statistics.has_min_max:
            continue
        low, high = statistics.min, statistics.max
        if isinstance(low, str) and isinstance(high, str) and all(v < low or v > high for v in values):
            return True
    return False


def _shared_folder(paths: Sequence[str]) -> str:
    return posixpath.commonpath([posixpath.dirname(path) for path in paths]) if paths else ""


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > 24:
        return "#" + hashlib.sha256(value.encode()).hexdigest()[:12]
    return value
