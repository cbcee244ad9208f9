"""What the lake holds of an origin: its visits, and the files of one of them, so that a new visit costs what is new."""

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyiceberg.expressions import And, BooleanExpression, EqualTo, Reference
from pyiceberg.io.pyarrow import schema_to_pyarrow

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
        drops = self._rows("drops", repo_url, date)
        drops = drops.filter(pc.equal(drops["stage"], "ingest"))
        return LastVisit(repo_url, revision, date, self._rows("files", repo_url, date), drops)

    def _rows(self, name: str, repo_url: str, date: datetime) -> pa.Table:
        table = self._catalog.load_table((NAMESPACE, name))
        schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
        chosen = And(_equal("repo_url", repo_url), _equal("visit_date", date.isoformat()))
        paths = [task.file.file_path.removeprefix("file://") for task in table.scan(row_filter=chosen).plan_files()]
        if not paths:
            return schema.empty_table()
        kept = (ds.field("repo_url") == repo_url) & (ds.field("visit_date") == pa.scalar(date, pa.timestamp("us")))
        fs = filesystem(paths[0])
        return ds.dataset(sorted(paths), schema=schema, format="parquet", filesystem=fs).to_table(filter=kept)


def _equal(column: str, value: str) -> BooleanExpression:
    return EqualTo(Reference(column), value)  # type: ignore[call-arg, arg-type]
