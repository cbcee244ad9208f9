"""The lake's past: its commits over all tables, and the snapshots that a release, a time or a number stands for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from pyiceberg.table import Table
from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.snapshots import Snapshot

from ..engine.errors import LakeError, nearest
from ..engine.tables import TableFiles
from .catalog import LakeCatalog, table_files

Pins = dict[str, int | None]
# (table, release) -> that table then. The release is what `lake.at` takes, as text; None for the lake's present.
Past = Callable[[str, str | None], TableFiles]


@dataclass(frozen=True, kw_only=True)
class LakeCommit:
    """One commit of the lake: its number, time (UTC), message, and table -> rows added and removed."""

    sequence: int
    committed_at: datetime
    message: str
    added: dict[str, int]
    removed: dict[str, int]


def log(catalog: LakeCatalog) -> list[LakeCommit]:
    """Every commit of the lake, newest first."""
    commits: dict[str, LakeCommit] = {}
    for name, table in catalog.tables().items():
        for snapshot in table.metadata.snapshots:
            summary = _summary(snapshot)
            key = summary.get("codelake.commit", f"{name}/{snapshot.snapshot_id}")
            commit = commits.setdefault(
                key,
                LakeCommit(
                    sequence=_sequence(snapshot),
                    committed_at=_time(snapshot),
                    message=summary.get("codelake.message", "written by another engine"),
                    added={},
                    removed={},
                ),
            )
            commit.added[name] = int(summary.get("added-records", 0))
            commit.removed[name] = int(summary.get("deleted-records", 0))
    return sorted(commits.values(), key=lambda c: (c.sequence, c.committed_at), reverse=True)


def resolve(catalog: LakeCatalog, when: str | int | datetime) -> Pins:
    """The snapshot of each table at `when`, None for a table that had no rows yet.

    when: a release ("1.0.0"), a time (datetime, or "2026-11-23" / "2026-11-23T12:00", UTC), the number of a commit, or
    the id of an Iceberg snapshot of any table. Raises LakeError, with the nearest release, for anything else.
    """
    tables = catalog.tables()
    if isinstance(when, str):
        text = when
        if any(text in table.metadata.refs for table in tables.values()):
            return {name: _tagged(table, text) for name, table in tables.items()}
        if text.isdigit():
            when = int(text)
        else:
            try:
                when = datetime.fromisoformat(text)
            except ValueError:
                known = releases(tables)
                close = nearest(text, known) or known[-3:]
                raise LakeError(
                    f"{text}: no release and no time; "
                    + (f"nearest: {', '.join(close)}" if close else "this lake has no release yet")
                ) from None
    if isinstance(when, datetime):
        moment = when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when
        return {name: _latest(table, lambda s: _time(s) <= moment) for name, table in tables.items()}
    number = when
    for table in tables.values():
        if snapshot := table.metadata.snapshot_by_id(number):
            number = _sequence(snapshot)
            break
    last = max((_sequence(s) for t in tables.values() for s in t.metadata.snapshots), default=0)
    if not 1 <= number <= last:
        raise LakeError(f"{when}: no snapshot of this lake; its commits are 1 to {last} (`codelake log`)")
    return {name: _latest(table, lambda s: _sequence(s) <= number) for name, table in tables.items()}


def past(catalog: LakeCatalog, pins: Pins | None) -> Past:
    """Finds a table at a point of the lake's past. pins: the snapshots that are its present, None for the last ones."""

    # DuckDB asks several times while it binds one query. Where the metadata is tells whether anything changed.
    @lru_cache(maxsize=64)
    def found(name: str, when: str | None, _location: str) -> TableFiles:
        table = catalog.load_table(("code", name))
        if when is not None:
            snapshot = resolve(catalog, when)[name]
        else:
            snapshot = table.metadata.current_snapshot_id if pins is None else pins[name]
        return table_files(table, snapshot)

    return lambda name, when: found(name, when, catalog.locations()[name])


def releases(tables: dict[str, Table]) -> list[str]:
    """Names of all releases, in the order of their versions."""
    tags = {
        name
        for table in tables.values()
        for name, ref in table.metadata.refs.items()
        if ref.snapshot_ref_type == SnapshotRefType.TAG
    }
    return sorted(tags, key=version_key)


def version_key(version: str) -> tuple[tuple[int, ...], bool, str]:
    """Sorts semantic versions; a pre-release comes before its release."""
    numbers, _, rest = version.partition("-")
    return tuple(int(n) for n in numbers.split(".") if n.isdigit()), not rest, rest


def _tagged(table: Table, tag: str) -> int | None:
    ref = table.metadata.refs.get(tag)
    return ref.snapshot_id if ref is not None else None


def _latest(table: Table, holds: Callable[[Snapshot], bool]) -> int | None:
    found = [s for s in table.metadata.snapshots if holds(s)]
    return max(found, key=lambda s: s.sequence_number or 0).snapshot_id if found else None


def _summary(snapshot: Snapshot) -> dict[str, str]:
    return dict(snapshot.summary.additional_properties) if snapshot.summary else {}


def _sequence(snapshot: Snapshot) -> int:
    return int(_summary(snapshot).get("codelake.sequence", "0"))


def _time(snapshot: Snapshot) -> datetime:
    return datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC).replace(tzinfo=None)
