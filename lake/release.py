"""Releases: one tag on every table at once, and a manifest with the checksum of every file."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Transaction
from pyiceberg.table.refs import SnapshotRefType
from sqlalchemy.exc import OperationalError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from ..engine import VERSION
from ..engine.errors import LakeError
from ..engine.progress import Progress, silent
from .catalog import LakeCatalog, Place, table_files
from .history import releases as tags
from .history import version_key

# https://semver.org, without build metadata, which carries no order
_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z][0-9A-Za-z.-]*)?")
_CHUNK = 8 << 20


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release: version, when (UTC, ISO 8601), notes, table -> rows, and the path of its manifest."""

    version: str
    created: str
    notes: str
    rows: dict[str, int]
    manifest: str


def release(
    catalog: LakeCatalog, where: Place, version: str, *, notes: str = "", progress: Progress = silent
) -> Release:
    """Tag the current snapshot of every table as `version` and write `releases/<version>.json`.

    Raises LakeError if the version is not semantic, is taken, or there is nothing to release.
    """
    if not _SEMVER.fullmatch(version):
        raise LakeError(f"{version!r} is not a version; write MAJOR.MINOR.PATCH, for example 1.0.0 or 1.1.0-rc.1")
    tables = catalog.tables()
    if version in tags(tables):
        raise LakeError(f"release {version} is there already; releases: {', '.join(tags(tables))}")
    snapshots = {name: table.metadata.current_snapshot_id for name, table in tables.items()}
    if snapshots["code"] is None:
        raise LakeError("nothing to release: `code` has no rows yet; run ingest and curate first")
    manifest = _manifest(catalog, where, version, notes, snapshots, progress)
    # The manifest first: a kill between the two leaves a file that the next try overwrites, never a tag without one.
    path = where.write(json.dumps(manifest, indent=1).encode(), "releases", f"{version}.json")
    _tag(catalog, version, snapshots)
    return _release(manifest, path)


def releases(catalog: LakeCatalog, where: Place) -> list[Release]:
    """All releases, oldest version first. Raises LakeError if a manifest is missing or damaged."""
    found = []
    for version in sorted(tags(catalog.tables()), key=version_key):
        text = where.read("releases", f"{version}.json")
        if text is None:
            raise LakeError(
                f"the manifest of release {version} is missing: {where.path('releases', version + '.json')}"
            )
        try:
            found.append(_release(json.loads(text), where.path("releases", f"{version}.json")))
        except (ValueError, KeyError) as error:
            raise LakeError(f"the manifest of release {version} is damaged: {error}") from error
    return found


def _release(manifest: dict[str, object], path: str) -> Release:
    tables: dict[str, dict[str, int]] = manifest["tables"]  # type: ignore[assignment]
    return Release(
        version=str(manifest["version"]),
        created=str(manifest["created"]),
        notes=str(manifest["notes"]),
        rows={name: table["rows"] for name, table in tables.items()},
        manifest=path,
    )


def _manifest(
    catalog: LakeCatalog, where: Place, version: str, notes: str, snapshots: dict[str, int | None], progress: Progress
) -> dict[str, object]:
    tables = {name: table_files(table, snapshots[name]) for name, table in catalog.tables().items()}
    total = sum(file.bytes for table in tables.values() for file in table.files)
    done = 0
    described: dict[str, object] = {}
    for name, table in tables.items():
        rows = []
        for file in table.files:
            hasher = hashlib.sha256()
            with where.fs.open(file.path, "rb") as source:
                while chunk := source.read(_CHUNK):
                    hasher.update(chunk)
            done += file.bytes
            progress(done, total, size=done, note=name)
            rows.append(
                {
                    "path": file.path.removeprefix(where.location + "/"),
                    "bytes": file.bytes,
                    "rows": file.rows,
                    "sha256": hasher.hexdigest(),
                }
            )
        described[name] = {"snapshot_id": table.snapshot, "rows": sum(f.rows for f in table.files), "files": rows}
    return {
        "format_version": 1,
        "version": version,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "notes": notes,
        "codelake": VERSION,
        "tables": described,
    }


def _tag(catalog: LakeCatalog, version: str, snapshots: dict[str, int | None]) -> None:
    def attempt() -> None:
        transactions = []
        for name, table in catalog.tables().items():
            if (snapshot := snapshots[name]) is not None:
                transaction = Transaction(table)
                updates, requirements = transaction._set_ref_snapshot(
                    snapshot_id=snapshot, ref_name=version, type=SnapshotRefType.TAG
                )
                transactions.append(transaction._stage(updates, requirements))
        catalog.commit_all(transactions)

    retrying = Retrying(
        retry=retry_if_exception_type((CommitFailedException, OperationalError)),
        stop=stop_after_attempt(20),
        wait=wait_random_exponential(multiplier=0.05, max=2.0),
        reraise=True,
    )
    try:
        retrying(attempt)
    except (CommitFailedException, OperationalError) as error:
        raise LakeError(
            f"release {version}: other writers won every try, or made it first; look and run it again"
        ) from error
