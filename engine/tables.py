"""What the engine knows of a table: a name, columns, and the Parquet files of one snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem


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
