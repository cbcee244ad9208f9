"""From what was seen to what is kept: the `code` table, and a reason in `drops` for every file that is not in it."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from ..engine.duck import Session
from ..engine.errors import LakeError
from ..engine.progress import Progress, silent
from ..engine.tables import TableFiles
from ..sql import load
from . import encodings, spdx
from .catalog import LakeCatalog, Place, table_files
from .commit import Commit
from .report import Report
from .schemas import NAMESPACE

VERSION = "3"
_INPUTS = ("repos", "files", "blobs")
_STATEMENTS = ("curate/occurrences", "curate/wanted", "curate/same", "curate/code", "curate/drops")
# Each curation adds files to the partitions it changes. More than so many small ones are written as one.
_SMALL_BYTES, _MOST_SMALL = 2 << 20, 8
_BATCH_ROWS = 1024


def curate(
    catalog: LakeCatalog, where: Place, *, memory_limit: str | None = None, progress: Progress = silent
) -> Report:
    """Bring `code` and `drops` up to what `repos`, `files` and `blobs` hold now.

    Nothing is done when neither these tables nor the rules have changed since the last time. Else only the files of
    `code` are written anew that hold a row which changed or went; the others stay, and every release that has them
    shares them. Both tables change in one commit, so a reader sees the old pair or the new one.

    Raises LakeError if another process curates meanwhile.
    """
    started = time.monotonic()
    tables = {name: catalog.load_table((NAMESPACE, name)) for name in (*_INPUTS, "code", "drops")}
    snapshots = {name: table.metadata.current_snapshot_id for name, table in tables.items()}
    inputs = _fingerprint([snapshots[name] for name in _INPUTS])
    with Session(memory_limit=memory_limit) as session:
        before = {name: table_files(tables[name], snapshots[name]) for name in tables}
        session.define(before.values())
        current = tables["code"].current_snapshot()
        done = current is not None and current.summary is not None and current.summary.get("codelake.inputs") == inputs
        if not done:
            _apply(catalog, where, session, before, inputs, progress)
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


def _apply(
    catalog: LakeCatalog,
    where: Place,
    session: Session,
    before: Mapping[str, TableFiles],
    inputs: str,
    progress: Progress,
) -> None:
    """Change the rows of `code` and `drops` that are not as they should be, and the files that hold them."""
    session.store("declared", _declared(session))
    session.store(
        "license_types",
        pa.table({"license_type": list(spdx.LICENSE_TYPES), "rank": list(range(len(spdx.LICENSE_TYPES)))}),
    )
    for name in ("occurrences", "wanted", "same"):
        session.run(load(f"curate/{name}"))
    snapshot = catalog.load_table((NAMESPACE, "code")).current_snapshot()
    if snapshot and snapshot.summary and snapshot.summary.get("codelake.contents") != VERSION:
        # Other rules made the contents.
        session.run("DELETE FROM same")
    touched = _touched(session, before["code"])
    anew = tuple(file for file in before["code"].files if file.path in touched)
    session.define([replace(before["code"], name="kept", files=anew)])
    with Commit(catalog, where, "curate") as commit:
        commit.only_writer("code", before["code"].snapshot)
        _write_code(session, commit, progress)
        judged = [file.path for file in before["drops"].files if file.partition.get("stage") != "ingest"]
        with session.sql(load("curate/drops")).to_arrow_reader(1 << 16) as reader:
            for batch in reader:
                commit.append("drops", pa.Table.from_batches([batch]))
        commit.remove_files("code", touched)
        commit.remove_files("drops", judged)
        commit.note("code", inputs=inputs, contents=VERSION)


def _touched(session: Session, code: TableFiles) -> set[str]:
    """The files of `code` to write anew: a row in them changed or went, or their partition has many small ones."""
    if not code.files:
        return set()
    found = session.sql(load("curate/touched"), [[file.path for file in code.files]]).fetchall()
    touched = {path for (path,) in found}
    small: dict[tuple[str | None, ...], list[str]] = {}
    for file in code.files:
        if file.bytes < _SMALL_BYTES:
            small.setdefault(tuple(file.partition.values()), []).append(file.path)
    touched.update(path for paths in small.values() if len(paths) > _MOST_SMALL for path in paths)
    return touched


def _write_code(session: Session, commit: Commit, progress: Progress) -> None:
    total = session.sql(
        "SELECT (SELECT count(*) FROM wanted ANTI JOIN same USING (blob_id)) + "
        "(SELECT count(*) FROM kept SEMI JOIN same USING (blob_id))"
    ).fetchall()[0][0]
    done = size = 0
    with session.sql(load("curate/code")).to_arrow_reader(_BATCH_ROWS) as reader:
        for batch in reader:
            commit.append("code", _decoded(pa.Table.from_batches([batch])))
            done += batch.num_rows
            size += batch.nbytes
            progress(done, total, files=done, size=size, note="code")


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
