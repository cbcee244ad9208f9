"""What the lake holds of an origin: its visits, and the files of one of them, so that a new visit costs what is new."""

import threading
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyiceberg.conversions import from_bytes
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table
from pyiceberg.types import TimestampType

from ..engine.tables import filesystem
from .catalog import LakeCatalog, table_files
from .schemas import NAMESPACE

# What ingest leaves out of a visit for good reason: the next visit would find the same. Anything else is tried again.
EXPECTED = frozenset(
    (
        "binary", "too-large", "special-file", "submodule", "lfs-pointer", "outside-environment", "not-a-notebook",
        # Rules of conversations.py.
        "bot", "short", "one-user", "too-long", "short-title", "title-word", "short-description", "description-word",
        "no-human-comment", "not-approved",
    )
)  # fmt: skip

# More than the sources that are at work ahead of the one being read.
_CACHED_VISITS = 16
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class LastVisit:
    """A visit that a next one may build on. files, drops: its rows."""

    repo_url: str
    revision_id: str
    visit_date: datetime
    files: pa.Table = field(repr=False)
    drops: pa.Table = field(repr=False)

    def tree(self) -> dict[bytes, tuple[str, str]] | None:
        """path -> (mode, blob_id) of its files; None where a path is not UTF-8, so that its bytes are not known."""
        rows = self.files.filter(pc.is_null(self.files["derived_from"]))
        paths = rows["path"].to_pylist()
        if any("\\x" in path for path in paths):
            return None
        pairs = zip(rows["mode"].to_pylist(), rows["blob_id"].to_pylist(), strict=True)
        return dict(zip((path.encode() for path in paths), pairs, strict=True))

    def dropped(self) -> list[bytes]:
        """The paths of what was dropped, kept in `files` or not."""
        return [path.encode() for path in self.drops["path"].to_pylist() if path is not None]


class Seen:
    """The visits in the lake, by origin. Sources ask from threads of their own."""

    def __init__(self, catalog: LakeCatalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._visits: dict[str, dict[datetime, str | None]] = defaultdict(dict)
        self._files: dict[str, tuple[pa.Schema, list[_DatedFile]]] = {}
        self._cached: OrderedDict[tuple[str, datetime], LastVisit] = OrderedDict()
        self._made: dict[str, dict[datetime, str | None]] = defaultdict(dict)
        table = catalog.load_table((NAMESPACE, "repos"))
        for file in table_files(table, table.metadata.current_snapshot_id).files:
            with filesystem(file.path).open(file.path, "rb") as source:
                rows = pq.ParquetFile(source).read(columns=["repo_url", "visit_date", "revision_id"])
            for url, date, revision in zip(*(column.to_pylist() for column in rows.columns), strict=True):
                self._visits[url][date] = revision

    def has(self, date: datetime) -> bool:
        """Whether any origin was visited on `date`."""
        return any(date in dates for dates in self._visits.values())

    def revision(self, repo_url: str) -> str | None:
        """The revision of the latest visit of an origin."""
        dates = self._all(repo_url)
        return dates[max(dates)] if dates else None

    def date(self, repo_url: str, date: datetime, revision: str | None) -> datetime | None:
        """The date for a visit: `date`, or the next microsecond no other visit has; None if the lake has this visit."""
        dates = self._all(repo_url)
        while date in dates:
            if dates[date] == revision:
                return None
            date += timedelta(microseconds=1)
        return date

    def add(self, repo_url: str, date: datetime, revision: str | None) -> None:
        """A visit that is being made."""
        self._made[repo_url][date] = revision

    def _all(self, repo_url: str) -> dict[datetime, str | None]:
        return self._visits.get(repo_url, {}) | self._made.get(repo_url, {})

    def last(self, repo_url: str) -> LastVisit | None:
        """The latest visit of an origin in the lake; None if there is none, or it lost what may be found next time."""
        with self._lock:
            dates = self._visits.get(repo_url)
            if not dates:
                return None
            date = max(dates)
            revision = dates[date]
            found = self._visit(repo_url, date, revision) if revision is not None else None
            return found if found is not None and set(found.drops["reason"].to_pylist()) <= EXPECTED else None

    def at(self, repo_url: str, revision: str) -> LastVisit | None:
        """The latest visit of an origin at `revision`, whatever it lost."""
        with self._lock:
            dates = [date for date, found in self._visits.get(repo_url, {}).items() if found == revision]
            return self._visit(repo_url, max(dates), revision) if dates else None

    def _visit(self, repo_url: str, date: datetime, revision: str) -> LastVisit:
        """A visit's rows, which a source asks for and soon after it whoever builds on them."""
        found = self._cached.pop((repo_url, date), None)
        if found is None:
            drops = self._rows("drops", repo_url, date)
            drops = drops.filter(pc.equal(drops["stage"], "ingest"))
            found = LastVisit(repo_url, revision, date, self._rows("files", repo_url, date), drops)
        self._cached[repo_url, date] = found
        if len(self._cached) > _CACHED_VISITS:
            self._cached.popitem(last=False)
        return found

    def failures(self, date: datetime) -> set[tuple[str, str]]:
        """(source, message) of what failed in the run begun on `date`, as far as it came."""
        rows = self._rows("drops", None, date)
        return set(zip(rows["repo_name"].to_pylist(), rows["value"].to_pylist(), strict=True))

    def _rows(self, name: str, repo_url: str | None, date: datetime) -> pa.Table:
        if name not in self._files:
            self._files[name] = _dated_files(self._catalog.load_table((NAMESPACE, name)))
        schema, files = self._files[name]
        paths = [file.path for file in files if file.first <= date <= file.last]
        if not paths:
            return schema.empty_table()
        url = ds.field("repo_url")
        kept = url.is_null() if repo_url is None else url == repo_url
        kept &= ds.field("visit_date") == pa.scalar(date, pa.timestamp("us"))
        fs = filesystem(paths[0])
        return ds.dataset(paths, schema=schema, format="parquet", filesystem=fs).to_table(filter=kept)


class _DatedFile(NamedTuple):
    path: str
    first: datetime
    last: datetime


def _dated_files(table: Table) -> tuple[pa.Schema, list[_DatedFile]]:
    """The files of a table with the first and last visit in each, as Iceberg's statistics have them."""
    field = table.schema().find_field("visit_date")

    def bound(bounds: dict[int, bytes] | None, default: datetime) -> datetime:
        value = (bounds or {}).get(field.field_id)
        if value is None:
            return default
        return _EPOCH + timedelta(microseconds=int(from_bytes(TimestampType(), value)))

    files = [
        _DatedFile(
            task.file.file_path.removeprefix("file://"),
            bound(task.file.lower_bounds, datetime.min),
            bound(task.file.upper_bounds, datetime.max),
        )
        for task in table.scan().plan_files()
    ]
    return schema_to_pyarrow(table.schema(), include_field_ids=False), sorted(files)
