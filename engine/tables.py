"""What the engine knows of a table: a name, columns, and the Parquet files of one snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from .parquet import partition_path

if TYPE_CHECKING:
    import polars
    from pyarrow.dataset import Dataset


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """One Parquet file of a snapshot.

    path: absolute path or URL. partition: column (or hive key) -> value as text, None for NULL, in the order of the
    hive path. rows and bytes are those of the whole file.
    """

    path: str
    rows: int
    bytes: int
    partition: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TableFiles:
    """One table at one snapshot: enough to query it with any Parquet reader.

    snapshot is None for a table that never had a row. schema holds the columns in order (Arrow types). evolved: some
    files may lack columns that came later.
    """

    name: str
    snapshot: int | None
    schema: pa.Schema
    files: tuple[DataFile, ...]
    evolved: bool = False


def partition_values(table: TableFiles, column: str) -> list[str] | None:
    """What `column` holds in any row, told from the partitions alone; None if they do not tell."""
    if not all(column in file.partition for file in table.files):
        return None
    return sorted({value for file in table.files if (value := file.partition[column]) is not None})


def filesystem(path: str) -> fsspec.AbstractFileSystem:
    """The fsspec filesystem that reads `path` (a local path or a URL such as s3://bucket/key)."""
    if "://" not in path:
        return LocalFileSystem()
    return fsspec.core.url_to_fs(path)[0]


def hive_keys(table: TableFiles) -> list[str]:
    """The keys of the hive path of every file; none where another engine laid out some of the files differently.

    The columns are in the files too: without keys only the skipping of files is lost.
    """
    keys = list(table.files[0].partition) if table.files else []
    if all(f"/{partition_path(keys, tuple(f.partition.values()))}/" in f.path for f in table.files):
        return keys
    return []


def lazy_frame(table: TableFiles) -> "polars.LazyFrame":
    """The table as a Polars LazyFrame, which skips the files of other partitions."""
    import polars

    empty = polars.DataFrame(table.schema.empty_table())
    if not table.files:
        return empty.lazy()
    keys = hive_keys(table)
    frame = polars.scan_parquet(
        [file.path for file in table.files],
        schema=empty.schema,
        hive_partitioning=bool(keys),
        hive_schema=dict.fromkeys(keys, polars.String),
        missing_columns="insert" if table.evolved else "raise",
    )
    return frame.select(table.schema.names)


def arrow_dataset(table: TableFiles) -> "Dataset":
    """The table as a pyarrow Dataset, which skips the files of other partitions."""
    from pyarrow import dataset, fs

    if not table.files:
        return dataset.dataset(table.schema.empty_table())
    first = table.files[0].path
    source = filesystem(first)
    reader = fs.LocalFileSystem() if "://" not in first else fs.PyFileSystem(fs.FSSpecHandler(source))
    parquet = dataset.ParquetFileFormat()
    fragments = []
    for file in table.files:
        holds = dataset.scalar(True)
        for key, value in file.partition.items():
            # A key such as visit_month is no column.
            if key in table.schema.names:
                column = dataset.field(key)
                holds &= column.is_null() if value is None else column == value
        fragments.append(parquet.make_fragment(source._strip_protocol(file.path), reader, partition_expression=holds))
    return dataset.FileSystemDataset(fragments, table.schema, parquet, reader)
