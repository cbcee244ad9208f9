"""From what was seen to what is kept: the `code` table, and a reason in `drops` for every file that is not in it."""

import hashlib
import json
import time
from collections.abc import Sequence

import pyarrow as pa

from ..engine.duck import Session
from ..engine.errors import LakeError
from ..engine.progress import Progress, silent
from ..sql import load
from . import encodings, spdx
from .catalog import LakeCatalog, Place, table_files
from .commit import Commit
from .report import Report
from .schemas import NAMESPACE

VERSION = "2"
_INPUTS = ("repos", "files", "blobs")
_STATEMENTS = ("curate/occurrences", "curate/code", "curate/drops")
_BATCH_ROWS = 1024


def curate(
    catalog: LakeCatalog, where: Place, *, memory_limit: str | None = None, progress: Progress = silent
) -> Report:
    """Bring `code` and `drops` up to what `repos`, `files` and `blobs` hold now.

    Nothing is done when neither these tables nor the rules have changed since the last time. Both tables change in one
    commit, so a reader sees the old pair or the new one.
    """
    started = time.monotonic()
    tables = {name: catalog.load_table((NAMESPACE, name)) for name in (*_INPUTS, "code", "drops")}
    snapshots = {name: table.metadata.current_snapshot_id for name, table in tables.items()}
    inputs = _fingerprint([snapshots[name] for name in _INPUTS])
    with Session(memory_limit=memory_limit) as session:
        session.define(table_files(tables[name], snapshots[name]) for name in tables)
        current = tables["code"].current_snapshot()
        done = current is not None and current.summary is not None and current.summary.get("codelake.inputs") == inputs
        if not done:
            _rebuild(catalog, where, session, inputs, progress)
            tables = {name: catalog.load_table((NAMESPACE, name)) for name in ("code", "drops")}
            session.define(table_files(table, table.metadata.current_snapshot_id) for table in tables.values())
        kept, repositories, size = session.sql(
            "SELECT count(*), count(DISTINCT repo_url), coalesce(sum(length_bytes), 0) FROM code"
        ).fetchall()[0]
        drops = dict(session.sql("SELECT reason, count(*) FROM drops GROUP BY reason ORDER BY 2 DESC, 1").fetchall())
    return Report(
        title="curate",
        counts={"kept_files": kept, "kept_repositories": repositories, "kept_bytes": int(size), "unchanged": int(done)},
        drops=drops,
        seconds=time.monotonic() - started,
    )


def _fingerprint(snapshots: Sequence[int | None]) -> str:
    rules = [load(name) for name in _STATEMENTS]
    text = json.dumps([VERSION, spdx.VERSION, list(snapshots), rules])
    return hashlib.sha256(text.encode()).hexdigest()


def _rebuild(catalog: LakeCatalog, where: Place, session: Session, inputs: str, progress: Progress) -> None:
    session.store("declared", _declared(session))
    session.store(
        "license_types",
        pa.table({"license_type": list(spdx.LICENSE_TYPES), "rank": list(range(len(spdx.LICENSE_TYPES)))}),
    )
    session.run(load("curate/occurrences"))
    total = session.sql("SELECT count(*) FROM occurrences WHERE reason IS NULL").fetchall()[0][0]
    with Commit(catalog, where, "curate") as commit:
        done = size = 0
        with session.sql(load("curate/code")).to_arrow_reader(_BATCH_ROWS) as reader:
            for batch in reader:
                commit.append("code", _decoded(pa.Table.from_batches([batch])))
                done += batch.num_rows
                size += batch.nbytes
                progress(done, total, files=done, size=size, note="code")
        with session.sql(load("curate/drops")).to_arrow_reader(1 << 16) as reader:
            for batch in reader:
                commit.append("drops", pa.Table.from_batches([batch]))
        for name in ("code", "drops"):
            table = catalog.load_table((NAMESPACE, name))
            old = table_files(table, table.metadata.current_snapshot_id).files
            commit.remove_files(name, [f.path for f in old if f.partition.get("stage") != "ingest"])
        commit.note("code", inputs=inputs)


def _decoded(rows: pa.Table) -> pa.Table:
    """`rows` with the text of each `encoded` content in `content`, and without `encoded`."""
    encoded, rows = rows["encoded"], rows.drop_columns("encoded")
    if encoded.null_count == len(encoded):
        return rows
    texts = rows["content"].to_pylist()
    for index, data in enumerate(encoded.to_pylist()):
        if data is not None:
            encoding = rows["src_encoding"][index].as_py()
            try:
                texts[index] = encodings.decode(data, encoding)
            except (LookupError, UnicodeDecodeError) as error:
                blob_id, path = rows["blob_id"][index].as_py(), rows["path"][index].as_py()
                raise LakeError(
                    f"curate: content {blob_id} ({path}) is said to be {encoding} and is not: {error}; "
                    "set src_encoding of this row of blobs to NULL to leave it out"
                ) from error
    return rows.set_column(rows.column_names.index("content"), "content", pa.array(texts, rows["content"].type))


def _declared(session: Session) -> pa.Table:
    """Each distinct declared licence with its SPDX expression and type."""
    found = session.arrow("SELECT DISTINCT declared_license FROM repos WHERE declared_license IS NOT NULL ORDER BY 1")
    texts = found["declared_license"].to_pylist()
    expressions = [spdx.normalize(text) for text in texts]
    return pa.table(
        {
            "declared_license": pa.array(texts, pa.string()),
            "spdx": pa.array(expressions, pa.string()),
            "license_type": pa.array([spdx.license_type(e, declared=True) for e in expressions], pa.string()),
        }
    )
