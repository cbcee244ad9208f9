"""One commit over several tables: workers write Parquet, one committer registers it, a conflict is tried again."""

import uuid
from collections.abc import Callable, Iterable
from types import TracebackType

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_file_to_data_file,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import Table, Transaction
from sqlalchemy.exc import OperationalError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from ..engine import VERSION
from ..engine.errors import LakeError
from ..engine.parquet import PartitionedWriter
from .catalog import LakeCatalog, Place
from .schemas import TABLES

# 20 tries with random waits up to 2 s each: four writers in a tight loop needed at most 7 (tests/lake/test_commit.py).
_ATTEMPTS = 20
_WAIT_SECONDS = 2.0


class Commit:
    """What one commit adds to and takes from the lake's tables.

        with lake.commit("nightly crawl") as commit:
            commit.append("files", rows)

    Nothing is visible before the block ends without an exception; then all tables change together. A process killed
    inside the block leaves files that no table knows (`codelake doctor` removes them), never half a commit.
    `on_conflict`, if set, runs before each further try, after another writer won.
    """

    def __init__(self, catalog: LakeCatalog, where: Place, message: str) -> None:
        if not message.strip():
            raise LakeError("a commit needs a message that says what it is")
        self.catalog = catalog
        self.where = where
        self.message = message
        self.id = uuid.uuid4().hex
        self.on_conflict: Callable[[], None] | None = None
        self.properties: dict[str, dict[str, str]] = {}
        self.sequence: int | None = None
        self._base = catalog.tables()
        self._writers: dict[str, PartitionedWriter] = {}
        self._added: dict[str, list[str]] = {}
        self._removed: dict[str, list[str]] = {}

    def __enter__(self) -> "Commit":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
            if isinstance(error, OSError):
                raise self._no_space(error) from error
            return
        self.publish()

    def append(self, table: str, rows: pa.Table) -> None:
        """Write rows of `table`; columns in any order, absent nullable ones are NULL."""
        schema = self.schema(table)
        if unknown := set(rows.column_names) - set(schema.names):
            raise LakeError(f"{table} has no column {', '.join(sorted(unknown))}")
        columns = [
            rows[field.name] if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
            for field in schema
        ]
        self._writer(table).write(pa.table(columns, names=schema.names))

    def add_files(self, table: str, paths: Iterable[str]) -> None:
        """Register Parquet files that a worker wrote below `folder(table)` with `schema(table)`."""
        self._added.setdefault(table, []).extend(paths)

    def remove_files(self, table: str, paths: Iterable[str]) -> None:
        """Leave these files of `table` out of it from now on; earlier snapshots keep them."""
        self._removed.setdefault(table, []).extend(paths)

    def note(self, table: str, **properties: str) -> None:
        """Keep `codelake.<name>` = value in the summary of the snapshot this commit makes of `table`."""
        self.properties.setdefault(table, {}).update(
            {f"codelake.{k.replace('_', '-')}": v for k, v in properties.items()}
        )

    def only_writer(self, table: str, snapshot: int | None) -> None:
        """Refuse to publish if `table` is no longer at `snapshot`, which the work of this commit is based on.

        Raises LakeError: now if it is so already, from `publish` if another writer is faster.
        """

        def check() -> None:
            if self.base_snapshot(table) != snapshot:
                raise LakeError(f"{table}: another process changes this table; let it end, then run this again")

        self.on_conflict = check
        check()

    def schema(self, table: str) -> pa.Schema:
        """The Arrow schema of a table's files, with Iceberg's field ids."""
        if table not in self._base:
            raise LakeError(f"there is no table {table}; tables: {', '.join(TABLES)}")
        return schema_to_pyarrow(self._base[table].schema())

    def folder(self, table: str) -> str:
        """The folder a table's data files are written below."""
        return self.where.path("tables", table, "data")

    def base_snapshot(self, table: str) -> int | None:
        """The snapshot of `table` this commit builds on."""
        return self._base[table].metadata.current_snapshot_id

    def written(self, table: str) -> list[str]:
        """The files this commit adds to `table`; finishes them first."""
        if writer := self._writers.pop(table, None):
            self.add_files(table, writer.close())
        return self._added.get(table, [])

    def replace_written(self, table: str, paths: list[str]) -> None:
        """Exchange the files this commit adds to `table`, and delete those no longer among them."""
        for path in set(self._added.get(table, [])) - set(paths):
            self.where.fs.rm_file(path)
        self._added[table] = list(paths)

    def abort(self) -> None:
        """Remove what was written; the lake is as before."""
        for writer in self._writers.values():
            writer.abort()
        self._writers.clear()
        for paths in self._added.values():
            _remove(self.where.fs, paths)
        self._added.clear()

    def publish(self) -> None:
        """Finish the files and make the commit visible, trying again while other writers win."""
        try:
            for name in list(self._writers):
                self.written(name)
            retrying = Retrying(
                retry=retry_if_exception_type((CommitFailedException, OperationalError)),
                stop=stop_after_attempt(_ATTEMPTS),
                wait=wait_random_exponential(multiplier=0.05, max=_WAIT_SECONDS),
                before_sleep=self._refresh,
                reraise=True,
            )
            retrying(self._try)
        except CommitFailedException as error:
            self.abort()
            raise LakeError(f"commit {self.message!r}: other writers won {_ATTEMPTS} times; run it again") from error
        except OperationalError as error:
            self.abort()
            raise LakeError(f"commit {self.message!r}: the catalog refused it: {error.orig}") from error
        except OSError as error:
            self.abort()
            raise self._no_space(error) from error
        except BaseException:
            self.abort()
            raise

    def _try(self) -> None:
        names = sorted(
            {n for n, paths in (*self._added.items(), *self._removed.items()) if paths} | set(self.properties)
        )
        self.sequence = 1 + max(sequence(table) for table in self._base.values())
        transactions = [self._stage(self._base[name]) for name in names]
        if transactions:
            self.catalog.commit_all(transactions)

    def _stage(self, table: Table) -> Transaction:
        name = table.name()[-1]
        transaction = Transaction(table)
        summary = {
            "codelake.message": self.message,
            "codelake.commit": self.id,
            "codelake.sequence": str(self.sequence),
            "codelake.version": VERSION,
            **self.properties.get(name, {}),
        }
        removed = set(self._removed.get(name, []))
        described = _describer(table, self.schema(name))
        update = transaction.update_snapshot(snapshot_properties=summary)
        with update.overwrite() if removed else update.fast_append() as change:
            for data_file in self._data_files(table, removed):
                change.delete_data_file(data_file)
            for path in self._added.get(name, []):
                change.append_data_file(described(path))
        return transaction

    def _data_files(self, table: Table, paths: set[str]) -> list[DataFile]:
        if not paths:
            return []
        found = [t.file for t in table.scan().plan_files() if t.file.file_path.removeprefix("file://") in paths]
        if len(found) != len(paths):
            raise LakeError(f"{table.name()[-1]}: another writer replaced files this commit replaces; run it again")
        return found

    def _refresh(self, _: RetryCallState) -> None:
        self._base = self.catalog.tables()
        if self.on_conflict is not None:
            self.on_conflict()

    def _writer(self, table: str) -> PartitionedWriter:
        if table not in self._writers:
            # As the table has it: a lake may have been made when the table was divided otherwise.
            base = self._base[table]
            keys = [(f.name, base.schema().find_column_name(f.source_id) or f.name) for f in base.spec().fields]
            schema, folder, size = self.schema(table), self.folder(table), TABLES[table].file_bytes
            self._writers[table] = PartitionedWriter(schema, folder, keys, self.where.fs, size)
        return self._writers[table]

    def _no_space(self, error: OSError) -> LakeError:
        return LakeError(
            f"{self.where.location}: cannot write: {error.strerror or error}. "
            "Nothing of this commit was kept and the lake is as before; make room, then run it again"
        )


def _describer(table: Table, expected: pa.Schema) -> Callable[[str], DataFile]:
    """A function from the path of a Parquet file to Iceberg's description of it, with column statistics.

    pyiceberg's own works out for every file what follows from the table alone, and compares schemas by printing them:
    10 ms a file, where a visit may have one for each language (bench/LOG.md). It is asked only about files whose schema
    is not the one expected, to say what is wrong with it.
    """
    plan = compute_statistics_plan(table.schema(), table.metadata.properties)
    columns = parquet_path_to_id_mapping(table.schema())

    def describe(path: str) -> DataFile:
        source = table.io.new_input(path)
        with source.open() as stream:
            metadata = pq.read_metadata(stream)
        if not metadata.schema.to_arrow_schema().equals(expected, check_metadata=True):
            return parquet_file_to_data_file(table.io, table.metadata, path)
        statistics = data_file_statistics_from_parquet_metadata(metadata, plan, columns)
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=path,
            file_format=FileFormat.PARQUET,
            partition=statistics.partition(table.spec(), table.schema()),
            file_size_in_bytes=len(source),
            sort_order_id=None,
            spec_id=table.metadata.default_spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )

    return describe


def sequence(table: Table) -> int:
    """The number of the lake's commit that made the table's current snapshot; 0 if it has none."""
    snapshot = table.current_snapshot()
    return int(snapshot.summary.get("codelake.sequence", "0") or 0) if snapshot and snapshot.summary else 0


def _remove(fs: fsspec.AbstractFileSystem, paths: Iterable[str]) -> None:
    for path in paths:
        if fs.exists(path):
            fs.rm_file(path)
