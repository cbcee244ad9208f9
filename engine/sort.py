"""Sorting more rows than fit in memory by a hash, so that a result without an order of its own has one.

DuckDB's own sort keeps the long texts of a result in memory (2.0.0: 480 MB of code do not sort within 1 GB). Here rows
are dealt out to files by the first bits of their hash, and one file after the other is sorted in memory.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa

_BITS = 8
_FILES = 1 << _BITS
# Rows that wait to be dealt out, and the largest file that is sorted at once.
_BUFFER_BYTES = 64 << 20
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


def by_last_column(batches: Iterable[pa.RecordBatch], folder: Path, *, shift: int = 64) -> Iterator[pa.RecordBatch]:
    """The rows in the order of the uint64 in their last column; rows that have the same may come in any order.

    folder: an empty one for the files, as large as the rows compressed by LZ4; they are removed as they are read.
    """
    shift -= _BITS
    for number, (path, size) in enumerate(_deal(batches, folder, shift)):
        if size == 0:
            continue
        with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as reader:
            if shift == 0:
                # All of one hash.
                yield from reader
            elif size > _BUFFER_BYTES:
                deeper = folder / f"{number}-of-{shift}"
                deeper.mkdir()
                yield from by_last_column(reader, deeper, shift=shift)
                deeper.rmdir()
            else:
                rows = reader.read_all()
                yield from rows.take(np.argsort(rows.column(-1).to_numpy(), kind="stable")).to_batches()
        path.unlink()


def _deal(batches: Iterable[pa.RecordBatch], folder: Path, shift: int) -> list[tuple[Path, int]]:
    """Deal the rows out by some bits of their hash: each file, there if it has rows, and their bytes in memory."""
    paths = [folder / f"{number:03d}.arrow" for number in range(_FILES)]
    sizes = [0] * _FILES
    with ExitStack() as stack:
        writers: dict[int, pa.RecordBatchStreamWriter] = {}

        def write(waiting: list[pa.RecordBatch]) -> None:
            rows = pa.Table.from_batches(waiting)
            files = (rows.column(-1).to_numpy() >> np.uint64(shift)) & np.uint64(_FILES - 1)
            rows = rows.take(np.argsort(files, kind="stable"))
            ends = np.cumsum(np.bincount(files.astype(np.int64), minlength=_FILES))
            for number, end in enumerate(ends):
                start = int(ends[number - 1]) if number else 0
                if end == start:
                    continue
                if number not in writers:
                    sink = stack.enter_context(pa.OSFile(str(paths[number]), "wb"))
                    writers[number] = stack.enter_context(pa.ipc.new_stream(sink, rows.schema, options=_OPTIONS))
                part = rows.slice(start, int(end) - start)
                writers[number].write_table(part)
                sizes[number] += part.nbytes

        waiting, size = [], 0
        for batch in batches:
            waiting.append(batch)
            size += batch.nbytes
            if size >= _BUFFER_BYTES:
                write(waiting)
                waiting, size = [], 0
        if waiting:
            write(waiting)
    return list(zip(paths, sizes, strict=True))
