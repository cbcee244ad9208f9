"""Cutting a stream of rows into groups whose bounds depend on the rows alone, not on the batches they came in."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .parquet import ROW_GROUP_BYTES, ROW_GROUP_ROWS

# What a value of fixed width is taken for.
_FIXED_BYTES = 8
Sizes = np.ndarray[tuple[int], np.dtype[np.int64]]


def value_bytes(values: pa.Array) -> Sizes:
    """int64 [rows]: about how many bytes each value takes, text and nested values in full."""
    kind = values.type
    if pa.types.is_struct(kind):
        return sum((value_bytes(field) for field in values.flatten()), np.zeros(len(values), np.int64))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        offsets = values.offsets.to_numpy().astype(np.int64)
        inner = [values.keys, values.items] if pa.types.is_map(kind) else [values.values]
        # The inner values are all those of the buffer: the offsets pick those of this slice.
        ends = np.concatenate(([0], np.cumsum(sum(value_bytes(part) for part in inner))))
        sizes: Sizes = ends[offsets[1:]] - ends[offsets[:-1]]
        return sizes
    if pa.types.is_fixed_size_list(kind):
        sizes = value_bytes(values.flatten())
        whole = pc.is_valid(values).to_numpy(zero_copy_only=False)
        found = np.zeros(len(values), np.int64)
        found[whole] = sizes.reshape(-1, kind.list_size).sum(axis=1)
        return found
    if (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    ):
        return np.asarray(pc.fill_null(pc.binary_length(values), 0).to_numpy(), dtype=np.int64)
    return np.full(len(values), _FIXED_BYTES, np.int64)


def row_bytes(batch: pa.RecordBatch) -> Sizes:
    """int64 [rows]: about how many bytes each row takes in memory."""
    return sum((value_bytes(column) for column in batch.columns), np.zeros(batch.num_rows, np.int64))


def groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows in groups that end with the row that fills 16 MiB, or the 8,192nd.

    Memory is one group and one batch.
    """
    parts: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        ends = np.cumsum(row_bytes(batch))
        start = taken = 0
        while start < batch.num_rows:
            full = int(np.searchsorted(ends, taken + ROW_GROUP_BYTES - size)) + 1
            stop = min(full, start + ROW_GROUP_ROWS - rows, batch.num_rows)
            parts.append(batch.slice(start, stop - start))
            rows += stop - start
            size += int(ends[stop - 1]) - taken
            start, taken = stop, int(ends[stop - 1])
            if rows == ROW_GROUP_ROWS or size >= ROW_GROUP_BYTES:
                yield pa.Table.from_batches(parts)
                parts, rows, size = [], 0, 0
    if parts:
        yield pa.Table.from_batches(parts)
