"""Where a lake lives and what its tables are: the marker file, the Iceberg catalog, and commits over several tables."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import fsspec
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, TableAlreadyExistsError
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import Transaction
from pyiceberg.table.update import AssertTableUUID
from pyiceberg.transforms import MonthTransform
from pyiceberg.typedef import Record
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from ..engine.errors import LakeError
from ..engine.tables import DataFile, TableFiles, filesystem
from .schemas import NAMESPACE, TABLES, Table

FORMAT_VERSION = 1
MARKER = "codelake.json"
_SQLITE_WAIT_SECONDS = 60


class LakeCatalog(SqlCatalog):
    """pyiceberg's SQL catalog, plus a commit of several tables that happens at once or not at all."""

    def commit_all(self, transactions: Sequence[Transaction]) -> None:
        """Publish every transaction in one SQL transaction.

        Each table's row is swapped only if it still points at the metadata the transaction started from, so one
        conflict undoes all (docs/decisions/0005-one-commit-many-tables.md). Raises CommitFailedException on conflict.
        """
        staged = []
        for transaction in sorted(transactions, key=lambda t: t._table.name()):
            table = transaction._table
            requirements = (*transaction._requirements, AssertTableUUID(uuid=table.metadata.table_uuid))
            after = self._update_and_stage_table(table, table.name(), requirements, transaction._updates)
            self._write_metadata(metadata=after.metadata, io=after.io, metadata_path=after.metadata_location)
            staged.append((table, after.metadata_location))
        with Session(self.engine) as session:
            for table, location in staged:
                namespace, name = table.name()
                swapped = session.execute(
                    update(IcebergTables)
                    .where(
                        IcebergTables.catalog_name == self.name,
                        IcebergTables.table_namespace == namespace,
                        IcebergTables.table_name == name,
                        IcebergTables.metadata_location == table.metadata_location,
                    )
                    .values(metadata_location=location, previous_metadata_location=table.metadata_location)
                )
                if swapped.rowcount != 1:  # type: ignore[attr-defined]
                    session.rollback()
                    raise CommitFailedException(f"{name} was changed by another process")
            session.commit()

    def tables(self) -> dict[str, IcebergTable]:
        """Every table of the lake as it is now."""
        return {name: self.load_table((NAMESPACE, name)) for name in TABLES}

    def locations(self) -> dict[str, str]:
        """Table -> where its current metadata is: changes whenever the table does, and takes one SQL query."""
        with Session(self.engine) as session:
            rows = session.execute(
                select(IcebergTables.table_name, IcebergTables.metadata_location).where(
                    IcebergTables.catalog_name == self.name, IcebergTables.table_namespace == NAMESPACE
                )
            )
            found = {str(name): str(location) for name, location in rows}
            return {name: found[name] for name in TABLES}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a lake is: `location` is an absolute path or a URL, without a trailing slash."""

    location: str
    fs: fsspec.AbstractFileSystem

    @property
    def local(self) -> Path | None:
        """The folder, for a lake on a local disk."""
        return Path(self.location) if "://" not in self.location else None

    def path(self, *parts: str) -> str:
        """A path inside the lake."""
        return "/".join((self.location, *parts))

    def read(self, *parts: str) -> bytes | None:
        """The bytes of a small file of the lake, None if it is not there."""
        try:
            return bytes(self.fs.cat_file(self.path(*parts)))
        except FileNotFoundError:
            return None

    def write(self, data: bytes, *parts: str) -> str:
        """Write a small file of the lake whole: a reader never sees half of it. Returns its path."""
        path = self.path(*parts)
        if self.local is None:
            self.fs.pipe_file(path, data)
            return path
        temporary = f"{path}.{os.getpid()}.tmp"
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with Path(temporary).open("wb") as sink:
            sink.write(data)
            sink.flush()
            os.fsync(sink.fileno())
        Path(temporary).replace(path)
        return path


def place(url: str | os.PathLike[str]) -> Place:
    """The place `url` names: a local path (also file://) or a URL that fsspec reads."""
    text = os.fspath(url)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if "://" not in text:
        text = str(Path(text).expanduser().absolute())
    try:
        return Place(location=text.rstrip("/") or "/", fs=filesystem(text))
    except (ValueError, ImportError) as error:
        raise LakeError(f"{text}: no storage of this kind: {error}") from error


def open_catalog(where: Place, catalog: str | None, *, create: bool) -> LakeCatalog:
    """Open the catalog of the lake at `where`, making the lake first if there is none and `create` is true.

    catalog: SQLAlchemy URL (sqlite:///… or postgresql+psycopg://…); by default SQLite inside a local lake.
    Raises LakeError for a folder with something else in it, a newer format, a lake that was moved, a remote lake
    without a catalog.
    """
    if where.local is None and catalog is None:
        raise LakeError(
            f"{where.location}: a lake in object storage needs a catalog that several machines can reach: "
            "pass catalog='postgresql+psycopg://…' (or 'sqlite:///file.db' for one machine)"
        )
    try:
        _check_marker(where, catalog, create=create)
        uri = catalog or f"sqlite:///{where.path('catalog.db')}?timeout={_SQLITE_WAIT_SECONDS}"
        properties = {"uri": uri, "warehouse": where.location}
        if where.local is None:
            properties["py-io-impl"] = "pyiceberg.io.fsspec.FsspecFileIO"
        opened = _connect(properties)
        _create_tables(opened, where)
    except PermissionError as error:
        raise LakeError(f"{where.location}: {error.strerror or error}") from error
    except SQLAlchemyError as error:
        raise LakeError(f"{where.location}: the catalog cannot be opened: {error}") from error
    except OSError as error:
        raise LakeError(f"{where.location}: cannot open the lake: {error}") from error
    return opened


def _connect(properties: dict[str, str]) -> LakeCatalog:
    try:
        return LakeCatalog("codelake", **properties)
    except OperationalError:
        # Two processes may create the catalog's own SQL tables at the same moment; the second finds them there.
        return LakeCatalog("codelake", **properties)


def _check_marker(where: Place, catalog: str | None, *, create: bool) -> None:
    marker = where.read(MARKER)
    if marker is None:
        if where.fs.exists(where.location) and not where.fs.isdir(where.location):
            raise LakeError(f"{where.location} is a file, not a lake; name a folder")
        if where.fs.exists(where.location) and where.fs.ls(where.location, detail=False):
            raise LakeError(
                f"{where.location} is not a lake: it has no {MARKER}, and other files are in it; name a new folder"
            )
        if not create:
            raise LakeError(
                f"{where.location} is not a lake: nothing is there; `codelake ingest` or codelake.open() makes one"
            )
        text = {
            "format_version": FORMAT_VERSION,
            "location": where.location,
            "catalog": "external" if catalog else "catalog.db",
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        where.write(json.dumps(text, indent=2).encode(), MARKER)
        return
    try:
        found = json.loads(marker)
        version, location = int(found["format_version"]), str(found["location"])
    except (ValueError, KeyError, TypeError) as error:
        raise LakeError(f"{where.path(MARKER)} is damaged ({error}); restore it from a copy of the lake") from error
    if version > FORMAT_VERSION:
        raise LakeError(
            f"{where.location} has lake format {version}; this CodeLake reads up to {FORMAT_VERSION}: "
            "upgrade it with `pip install -U codelake`"
        )
    if location != where.location and not (where.local and Path(location).resolve() == where.local.resolve()):
        raise LakeError(
            f"this lake was made at {location} and is now at {where.location}; Iceberg metadata holds absolute paths: "
            "move it back, or leave a symbolic link at the old place"
        )


def _create_tables(catalog: LakeCatalog, where: Place) -> None:
    try:
        if (NAMESPACE,) not in catalog.list_namespaces():
            catalog.create_namespace(NAMESPACE)
    except NamespaceAlreadyExistsError:
        pass  # another process opened the new lake at the same moment
    there = {name for _, name in catalog.list_tables(NAMESPACE)}
    for table in TABLES.values():
        if table.name in there:
            _add_columns(catalog, table)
            continue
        try:
            catalog.create_table(
                (NAMESPACE, table.name),
                schema=table.schema(),
                location=where.path("tables", table.name),
                partition_spec=table.partition_spec(),
                sort_order=table.sort_order(),
                properties={
                    "comment": table.doc,
                    "write.metadata.metrics.column.content": "none",
                    "write.parquet.compression-codec": "zstd",
                },
            )
        except TableAlreadyExistsError:
            continue


def _add_columns(catalog: LakeCatalog, table: Table) -> None:
    """A lake made before the last columns of `table` came to be gets them; its rows have NULL there."""
    found = catalog.load_table((NAMESPACE, table.name))
    wanted = table.schema()
    missing = [field for field in wanted.fields if field.name not in found.schema().column_names]
    if not missing:
        return
    try:
        with found.update_schema() as update:
            for field in missing:
                update.add_column(field.name, field.field_type, field.doc)
    except CommitFailedException:
        pass  # another process opened the lake at the same moment


def table_files(table: IcebergTable, snapshot: int | None) -> TableFiles:
    """The Parquet files of `table` at `snapshot` (None: a time before its first row).

    Raises LakeError for a table another engine wrote row deletes into, which reading the files alone would undo.
    """
    name = table.name()[-1]
    schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
    if snapshot is None:
        return TableFiles(name=name, snapshot=None, schema=schema, files=())
    files = []
    for task in table.scan(snapshot_id=snapshot).plan_files():
        if task.delete_files:
            raise LakeError(
                f"{name}: {task.file.file_path} has row deletes of another engine; compact the table with it"
            )
        files.append(
            DataFile(
                path=task.file.file_path.removeprefix("file://"),
                rows=task.file.record_count,
                bytes=task.file.file_size_in_bytes,
                partition=_partition_values(table, task.file.partition),
            )
        )
    files.sort(key=lambda file: file.path)
    evolved = len(table.metadata.schemas) > 1
    return TableFiles(name=name, snapshot=snapshot, schema=schema, files=tuple(files), evolved=evolved)


def _partition_values(table: IcebergTable, record: Record) -> dict[str, str | None]:
    """Partition key -> value as it stands in the hive path: `language` -> Python, `visit_month` -> 2026-11."""
    values: dict[str, str | None] = {}
    for index, field in enumerate(table.spec().fields):
        value = record[index]
        if value is not None and isinstance(field.transform, MonthTransform):
            value = f"{1970 + value // 12:04d}-{value % 12 + 1:02d}"
        values[field.name] = value
    return values
