"""From sources to the bronze tables: repos, files, blobs, and drops of what could not be kept.

Files are read and hashed by a few threads, handed on in their order, and written as Parquet while reading goes on. A
commit holds whole visits: a killed ingest leaves either a visit or nothing of it, and the next run goes on from there.
"""

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq

from ..engine.errors import LakeError
from ..engine.progress import Progress, silent
from . import linguist
from .blobs import KnownBlobs, describe, is_binary, read_content, without
from .catalog import LakeCatalog, Place, table_files
from .commit import Commit
from .report import Report
from .schemas import NAMESPACE
from .sources import SYMLINK, Entry, Failure, Visit, visits
from .swhid import directory_id

# Contents above this are hashed and recorded, not kept: The Stack v2's limit (get_file_contents.py).
MAX_BYTES = 10 << 20
# A task is this many files or bytes: small enough to spread, large enough that handing it over costs nothing.
_TASK_FILES, _TASK_BYTES = 64, 4 << 20
# More readers than this fight over the interpreter lock: 2 read 2,300 files/s on 2 cores, 4 read 1,650 (bench/LOG.md).
_READERS = 2
_FLUSH_ROWS, _FLUSH_BYTES = 4096, 32 << 20
# A commit is closed at the end of the visit that passes one of these.
_COMMIT_BYTES, _COMMIT_FILES, _COMMIT_SECONDS = 1 << 30, 200_000, 120.0


@dataclass(slots=True)
class _Seen:
    """One entry after reading: its occurrence row, its blob row if the lake did not have it, or why it was lost."""

    entry: Entry
    size: int = 0
    occurrence: dict[str, object] | None = None
    blob: dict[str, object] | None = None
    drop: tuple[str, str | None, str | None] | None = None


@dataclass
class _Rows:
    """Rows waiting to be handed to a commit, by table."""

    tables: dict[str, list[dict[str, object]]] = field(default_factory=lambda: {"files": [], "blobs": [], "drops": []})
    size: int = 0

    def full(self) -> bool:
        return self.size > _FLUSH_BYTES or len(self.tables["files"]) > _FLUSH_ROWS

    def flush(self, commit: Commit) -> None:
        for name, rows in self.tables.items():
            if rows:
                commit.append(name, _arrow(rows, commit.schema(name)))
                rows.clear()
        self.size = 0


def ingest(
    catalog: LakeCatalog,
    where: Place,
    sources: Sequence[str],
    *,
    new_only: bool = False,
    max_bytes: int = MAX_BYTES,
    progress: Progress = silent,
) -> Report:
    """Read every visit of `sources` into the lake.

    new_only: leave out a visit whose revision is the one last seen at its origin. max_bytes: longer contents are
    recorded with their hashes but not kept. Every visit gives rows in `files`; a content gives one row in `blobs`
    however often it is seen; what was not kept gives one in `drops`. Raises SourceError before anything is read if a
    source's scheme or place is wrong, LakeError if the disk is full.
    """
    if not sources:
        raise LakeError("ingest: name at least one source, for example a folder or pyenv:")
    if max_bytes < 0:
        raise LakeError(f"ingest: max_bytes is {max_bytes}; it is a number of bytes")
    started = time.monotonic()
    every = chain.from_iterable([visits(source) for source in sources])
    run = _Run(catalog, where, max_bytes, progress)
    last = _last_revisions(catalog) if new_only else {}
    with ThreadPoolExecutor(_READERS, thread_name_prefix="ingest") as readers:
        for message, batch in _batches(every, run, last):
            run.commit(f"ingest {message}", batch, readers)
    return Report(
        title="ingest",
        counts={name: run.counts[name] for name in _COUNTS},
        drops=dict(run.drops),
        failures=tuple(run.failures),
        seconds=time.monotonic() - started,
    )


_COUNTS = ("visits", "skipped_visits", "files", "bytes", "new_blobs", "new_bytes")


def _batches(
    every: Iterator[Visit | Failure], run: "_Run", last: dict[str, str | None]
) -> Iterator[tuple[str, Iterator[Visit]]]:
    """Cut the visits into commits; each batch must be consumed before the next is asked for."""

    def next_visit() -> Visit | None:
        for item in every:
            if isinstance(item, Failure):
                run.failures.append((item.name, item.message))
            elif item.revision_id is not None and last.get(item.repo_url) == item.revision_id:
                run.counts["skipped_visits"] += 1
            else:
                return item
        return None

    def batch(first: Visit) -> Iterator[Visit]:
        size, files, began = 0, 0, time.monotonic()
        visit: Visit | None = first
        while visit is not None:
            yield visit
            size += sum(entry.size for entry in visit.entries)
            files += len(visit.entries)
            if size > _COMMIT_BYTES or files > _COMMIT_FILES or time.monotonic() - began > _COMMIT_SECONDS:
                return
            visit = next_visit()

    while (visit := next_visit()) is not None:
        yield visit.source, batch(visit)


class _Run:
    """One call of ingest: what the lake knows, and what was counted."""

    def __init__(self, catalog: LakeCatalog, where: Place, max_bytes: int, progress: Progress) -> None:
        self.catalog = catalog
        self.where = where
        self.max_bytes = max_bytes
        self.progress = progress
        self.counts: Counter[str] = Counter()
        self.drops: Counter[str] = Counter()
        self.failures: list[tuple[str, str]] = []
        self.known = KnownBlobs()

    def commit(self, message: str, batch: Iterator[Visit], readers: ThreadPoolExecutor) -> None:
        """Read the visits of one batch and publish them together."""
        self._learn()
        before = Counter(self.counts), Counter(self.drops)
        try:
            with Commit(self.catalog, self.where, message) as commit:
                commit.on_conflict = lambda: self._yield_to_others(commit)
                for visit in batch:
                    self._visit(visit, commit, readers)
        except BaseException:
            self.counts, self.drops = before
            raise
        finally:
            self.known.settle()

    def _learn(self) -> None:
        table = self.catalog.load_table((NAMESPACE, "blobs"))
        self.known.load(table_files(table, table.metadata.current_snapshot_id).files)

    def _yield_to_others(self, commit: Commit) -> None:
        """Another writer's commit came first: leave out the blobs it brought, so that each is still stored once."""
        self._learn()
        twice = {blob_id for blob_id in self.known.fresh if self.known.stored(blob_id)}
        if not twice:
            return
        self.known.fresh -= twice
        before, kept = list(commit.written("blobs")), []
        for path in before:
            with self.where.fs.open(path, "rb") as source:
                rows = pq.ParquetFile(source).read()
            left = without(rows, twice)
            if left.num_rows == rows.num_rows:
                kept.append(path)
            elif left.num_rows:
                commit.append("blobs", left)
        rewritten = [path for path in commit.written("blobs") if path not in before]
        commit.replace_written("blobs", kept + rewritten)
        self.counts["new_blobs"] -= len(twice)

    def _visit(self, visit: Visit, commit: Commit, readers: ThreadPoolExecutor) -> None:
        rows, tree, size, number = _Rows(), [], 0, 0
        before = self.counts["read_files"]
        for lost in visit.lost:
            self._drop(rows, visit, _text(lost.path), None, lost.reason, lost.message, None)
        for seen in self._read(visit.entries, readers):
            path = _text(seen.entry.path)
            self.counts["read_files"] += 1
            self.counts["read_bytes"] += seen.size
            if seen.occurrence is not None:
                blob_id = str(seen.occurrence["blob_id"])
                tree.append((seen.entry.path, seen.entry.mode, blob_id))
                rows.tables["files"].append(_occurrence(visit, path) | seen.occurrence)
                number += 1
                size += seen.size
                if seen.blob is not None and blob_id not in self.known:
                    self.known.fresh.add(blob_id)
                    rows.tables["blobs"].append(seen.blob | _first_sight(visit, path, seen.occurrence["language"]))
                    rows.size += len(seen.blob["content"] or b"")  # type: ignore[arg-type]
                    self.counts["new_blobs"] += 1
                    self.counts["new_bytes"] += seen.size
            if seen.drop is not None:
                blob = str(seen.occurrence["blob_id"]) if seen.occurrence else None
                self._drop(rows, visit, path, blob, *seen.drop)
            if rows.full():
                rows.flush(commit)
            if self.counts["read_files"] % 64 == 0:
                self._report(visit, self.counts["read_files"] - before)
        rows.flush(commit)
        whole = number == len(visit.entries) and not visit.lost
        commit.append("repos", _arrow([_repo(visit, tree if whole else None, number, size)], commit.schema("repos")))
        self.counts["visits"] += 1
        self.counts["files"] += number
        self.counts["bytes"] += size
        self._report(visit, len(visit.entries))

    def _report(self, visit: Visit, files: int) -> None:
        done, total = (self.counts["visits"], visit.of) if visit.of > 1 else (files, len(visit.entries))
        self.progress(
            done, total, files=self.counts["read_files"], size=self.counts["read_bytes"], note=visit.repo_name
        )

    def _drop(
        self, rows: _Rows, visit: Visit, path: str, blob: str | None, reason: str, value: str | None, limit: str | None
    ) -> None:
        self.drops[reason] += 1
        rows.tables["drops"].append(
            {
                "blob_id": blob,
                "path": path,
                "repo_name": visit.repo_name,
                "stage": "ingest",
                "reason": reason,
                "value": value,
                "threshold": limit,
                "repo_url": visit.repo_url,
                "visit_date": visit.visit_date,
            }
        )

    def _read(self, entries: Sequence[Entry], readers: ThreadPoolExecutor) -> Iterator[_Seen]:
        """Every entry read, in order; a bounded number of tasks is under way."""
        waiting: deque[Future[list[_Seen]]] = deque()
        for task in _tasks(entries):
            waiting.append(readers.submit(lambda part: [self._read_one(entry) for entry in part], task))
            if len(waiting) > 2 * _READERS:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()

    def _read_one(self, entry: Entry) -> _Seen:
        try:
            with entry.open() as stream:
                content = read_content(stream, entry.size, self.max_bytes)
        except OSError as error:
            return _Seen(entry, drop=("unreadable", error.strerror or str(error), None))
        seen = _Seen(entry, content.length)
        path = _text(entry.path)
        binary = is_binary(content.data)
        link = entry.mode == SYMLINK
        language = None if link or binary else linguist.detect(path, content.data)
        seen.occurrence = {
            "blob_id": content.blob_id,
            "mode": entry.mode,
            "length_bytes": content.length,
            "language": language,
            "language_type": linguist.language_type(language) if language else None,
            "language_group": linguist.language_group(language) if language else None,
            "extension": linguist.extension(path),
            "is_vendor": linguist.is_vendor(path),
            # Only paths are looked at: a name that says nothing is no proof of a hand that wrote it.
            "is_generated": linguist.is_generated_path(path) or None,
            "is_documentation": linguist.is_documentation(path),
            "detector": f"linguist {linguist.VERSION}",
        }
        if content.blob_id not in self.known:
            seen.blob = describe(content)
        if not content.whole:
            seen.drop = ("too-large", str(content.length), str(self.max_bytes))
        elif binary:
            seen.drop = ("binary", None, None)
        return seen


def _tasks(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    task: list[Entry] = []
    size = 0
    for entry in entries:
        task.append(entry)
        size += entry.size
        if len(task) >= _TASK_FILES or size >= _TASK_BYTES:
            yield task
            task, size = [], 0
    if task:
        yield task


def _text(path: bytes) -> str:
    """A path as text: UTF-8 where it is that, `\\xNN` for other bytes."""
    return path.decode("utf-8", "backslashreplace")


def _occurrence(visit: Visit, path: str) -> dict[str, object]:
    return {
        "repo_name": visit.repo_name,
        "repo_url": visit.repo_url,
        "visit_date": visit.visit_date,
        "revision_id": visit.revision_id,
        "path": path,
    }


def _first_sight(visit: Visit, path: str, language: object) -> dict[str, object]:
    return {"language": language, "repo_name": visit.repo_name, "path": path, "first_seen": visit.visit_date}


def _repo(visit: Visit, tree: list[tuple[bytes, str, str]] | None, number: int, size: int) -> dict[str, object]:
    directory = directory_id(tree) if tree is not None else None
    return {
        "repo_name": visit.repo_name,
        "repo_url": visit.repo_url,
        "source": visit.source,
        "host": visit.host,
        "owner": visit.owner,
        "vcs": visit.vcs,
        "branch_name": visit.branch_name,
        "visit_date": visit.visit_date,
        "revision_id": visit.revision_id,
        "directory_id": directory,
        "declared_license": visit.declared_license,
        "num_files": number,
        "length_bytes": size,
    }


def _arrow(rows: list[dict[str, object]], schema: pa.Schema) -> pa.Table:
    present = [f for f in schema if f.name in rows[0]]
    return pa.table({f.name: pa.array([row[f.name] for row in rows], type=f.type) for f in present})


def _last_revisions(catalog: LakeCatalog) -> dict[str, str | None]:
    """Origin URL -> revision of its latest visit."""
    table = catalog.load_table((NAMESPACE, "repos"))
    latest: dict[str, tuple[datetime, str | None]] = {}
    for file in table_files(table, table.metadata.current_snapshot_id).files:
        with table.io.new_input(file.path).open() as source:
            rows = pq.ParquetFile(source).read(columns=["repo_url", "visit_date", "revision_id"]).to_pylist()
        for row in rows:
            if row["repo_url"] not in latest or row["visit_date"] > latest[row["repo_url"]][0]:
                latest[row["repo_url"]] = (row["visit_date"], row["revision_id"])
    return {url: revision for url, (_, revision) in latest.items()}
