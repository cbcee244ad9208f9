"""Writing partitioned Parquet: hive-style folders, small row groups, bounded memory.

Row groups hold about 16 MiB of text and at most 8,192 rows, so that scans, shuffles and syntax functions get many units
of work from one file; files stay under 512 MB (measured for the lake: docs/decisions/0001-iceberg.md).
"""

import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from urllib.parse import quote

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROW_GROUP_BYTES = 16 << 20
ROW_GROUP_ROWS = 8192
FILE_BYTES = 512_000_000
# Rows wait in memory until their partition fills a row group; past this the largest waiting partition is written out.
BUFFER_BYTES = 256 << 20
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
WRITERS = 2

PartitionKey = tuple[str | None, ...]


def partition_path(keys: Sequence[str], values: PartitionKey) -> str:
    """`language=C%2B%2B/license_type=permissive`: the hive folder of one partition, percent-encoded."""
    return "/".join(
        f"{key}={HIVE_NULL if value is None else quote(value, safe='')}"
        for key, value in zip(keys, values, strict=True)
    )


def row_group_slices(rows: pa.Table) -> list[tuple[int, int]]:
    """(offset, length) cuts of `rows` into row groups, by bytes of `content` if there is such a column, and by rows."""
    if rows.num_rows == 0:
        return []
    if "content" in rows.column_names:
        lengths = pc.fill_null(pc.binary_length(rows["content"]), 0).to_numpy().astype(np.int64)
    else:
        lengths = np.zeros(rows.num_rows, dtype=np.int64)
    # A group ends where the running total passes a multiple of the limit: one pass, and no group holds more than the
    # limit plus one row.
    bucket = np.cumsum(lengths) // ROW_GROUP_BYTES
    cuts = [0, *(np.flatnonzero(np.diff(bucket)) + 1).tolist(), rows.num_rows]
    return [
        (offset, min(ROW_GROUP_ROWS, end - offset))
        for start, end in pairwise(cuts)
        for offset in range(start, end, ROW_GROUP_ROWS)
    ]


@dataclass
class _Partition:
    folder: str
    waiting: list[pa.Table] = field(default_factory=list)
    waiting_bytes: int = 0
    waiting_rows: int = 0
    path: str | None = None
    sink: object = None
    writer: pq.ParquetWriter | None = None


def _dictionary(column: pa.ChunkedArray) -> tuple[list[str | None], "np.ndarray[tuple[int], np.dtype[np.int64]]"]:
    """The distinct values of a key column as text, months for times, and the index of each row's."""
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    values = encoded.dictionary
    if pa.types.is_timestamp(values.type):
        values = pc.strftime(values, format="%Y-%m")
    indices: np.ndarray[tuple[int], np.dtype[np.int64]] = encoded.indices.to_numpy().astype(np.int64)
    return values.to_pylist(), indices


class PartitionedWriter:
    """Writes Arrow tables of one schema below `root`, one open file a partition.

    partitions: (key in the path, source column); a source column of a timestamp type stands for its month. Call
    `write` any number of times, then `close`, which returns the paths written; `abort` removes them instead. Rows keep
    their order within a partition. Raises whatever the filesystem raises (OSError when it is full) from either call.
    """

    def __init__(
        self, schema: pa.Schema, root: str, partitions: Sequence[tuple[str, str]], filesystem: fsspec.AbstractFileSystem
    ) -> None:
        self.schema = schema
        self.root = root.rstrip("/")
        self.partitions = tuple(partitions)
        self.fs = filesystem
        self.paths: list[str] = []
        self._open: dict[PartitionKey, _Partition] = {}
        self._buffered = 0
        # One thread a lane and a partition always on the same lane: files are written side by side, rows stay in order.
        self._lanes = [ThreadPoolExecutor(1, thread_name_prefix="parquet") for _ in range(WRITERS)]
        self._pending: list[Future[None]] = []

    def write(self, rows: pa.Table) -> None:
        """Add rows; they reach the disk when their partition holds a row group's worth."""
        if not rows.schema.equals(self.schema):
            rows = rows.select(self.schema.names).cast(self.schema)
        for key, part in self._split(rows):
            partition = self._open.setdefault(key, _Partition(self._folder(key)))
            partition.waiting.append(part)
            partition.waiting_bytes += part.nbytes
            partition.waiting_rows += part.num_rows
            self._buffered += part.nbytes
            if partition.waiting_bytes >= ROW_GROUP_BYTES or partition.waiting_rows >= ROW_GROUP_ROWS:
                self._submit(partition)
        while self._buffered > BUFFER_BYTES:
            self._submit(max(self._open.values(), key=lambda p: p.waiting_bytes))

    def close(self) -> list[str]:
        """Write what waits, finish every file and return their paths."""
        try:
            for partition in self._open.values():
                self._submit(partition)
            self._settle(0)
            for partition in self._open.values():
                self._finish(partition)
        except BaseException:
            self.abort()
            raise
        self._stop()
        return list(self.paths)

    def abort(self) -> None:
        """Stop, and remove every file written so far."""
        self._stop()
        for partition in self._open.values():
            try:
                self._finish(partition)
            except (OSError, pa.ArrowException):
                # The footer cannot be written on a full disk; the file is removed below all the same.
                continue
        for path in self.paths:
            if self.fs.exists(path):
                self.fs.rm_file(path)
        self.paths.clear()

    def _split(self, rows: pa.Table) -> list[tuple[PartitionKey, pa.Table]]:
        if rows.num_rows == 0:
            return []
        if not self.partitions:
            return [((), rows)]
        ranks, keys = np.zeros(rows.num_rows, dtype=np.int64), list[PartitionKey]([()])
        for _, column in self.partitions:
            values, indices = _dictionary(rows[column])
            ranks = ranks * len(values) + indices
            keys = [(*key, value) for key in keys for value in values]
        counts = np.bincount(ranks, minlength=len(keys))
        present = np.flatnonzero(counts)
        if len(present) == 1:
            return [(keys[present[0]], rows)]
        rows = rows.take(pa.array(np.argsort(ranks, kind="stable")))
        starts = np.cumsum(counts) - counts
        return [(keys[rank], rows.slice(starts[rank], counts[rank])) for rank in present]

    def _folder(self, key: PartitionKey) -> str:
        return f"{self.root}/{partition_path([k for k, _ in self.partitions], key)}" if self.partitions else self.root

    def _submit(self, partition: _Partition) -> None:
        if not partition.waiting:
            return
        rows = pa.concat_tables(partition.waiting)
        self._buffered -= partition.waiting_bytes
        partition.waiting, partition.waiting_bytes, partition.waiting_rows = [], 0, 0
        lane = self._lanes[hash(partition.folder) % len(self._lanes)]
        self._pending.append(lane.submit(self._write_rows, partition, rows))
        self._settle(2 * len(self._lanes))

    def _settle(self, keep: int) -> None:
        while len(self._pending) > keep:
            self._pending.pop(0).result()

    def _write_rows(self, partition: _Partition, rows: pa.Table) -> None:
        for offset, length in row_group_slices(rows):
            if partition.writer is None:
                self._start(partition)
            assert partition.writer is not None
            partition.writer.write_table(rows.slice(offset, length), row_group_size=length)
            if partition.sink.tell() >= FILE_BYTES:  # type: ignore[attr-defined]
                self._finish(partition)

    def _start(self, partition: _Partition) -> None:
        self.fs.makedirs(partition.folder, exist_ok=True)
        partition.path = f"{partition.folder}/{uuid.uuid4().hex}.parquet"
        self.paths.append(partition.path)
        partition.sink = self.fs.open(partition.path, "wb")
        names = [
            f"{f.name}.list.element" if pa.types.is_list(f.type) or pa.types.is_large_list(f.type) else f.name
            for f in self.schema
            if f.name != "content"
        ]
        distinct = {"blob_id", "sha1", "sha256", "path"}
        partition.writer = pq.ParquetWriter(
            partition.sink,
            self.schema,
            compression="zstd",
            use_dictionary=[name for name in names if name not in distinct],
            write_statistics=names,
        )

    @staticmethod
    def _finish(partition: _Partition) -> None:
        writer, sink = partition.writer, partition.sink
        partition.writer = partition.sink = None
        try:
            if writer is not None:
                writer.close()
        finally:
            if sink is not None:
                sink.close()  # type: ignore[attr-defined]

    def _stop(self) -> None:
        for lane in self._lanes:
            lane.shutdown(wait=True, cancel_futures=True)
