"""From sources to the bronze tables: repos, files, blobs, and drops of what could not be kept.

Sources are opened a few at a time in threads; contents are read by workers (workers.py), which write them as Parquet
while reading goes on. A commit holds whole visits: a killed ingest leaves either a visit or nothing of it, and the same
call again goes on from there (journal.py). A visit that builds on an earlier one reads only what changed (seen.py).
"""

import queue
import shutil
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import schema_to_pyarrow

from ..engine.errors import CodeLakeError, LakeError
from ..engine.progress import Progress, silent
from . import journal, linguist
from .blobs import KnownBlobs, without
from .catalog import LakeCatalog, Place, table_files
from .commit import Commit
from .reading import Drop, Result, Task, as_text
from .report import Arrival, Report
from .schemas import NAMESPACE
from .seen import EXPECTED, LastVisit, Seen
from .sources import Entry, Failure, Request, Visit, visits, without_login
from .sources.when import NOW, When
from .swhid import directory_id
from .workers import Pool

# Contents above this are hashed and recorded, not kept: The Stack v2's limit (get_file_contents.py).
MAX_BYTES = 10 << 20
TIMEOUT_SECONDS = 60.0
# A task is this many files or bytes: small enough to spread, large enough that handing it over costs nothing.
_TASK_FILES, _TASK_BYTES = 256, 4 << 20
# A commit is closed at the end of the visit that passes one of these.
_COMMIT_BYTES, _COMMIT_FILES, _COMMIT_SECONDS = 1 << 30, 200_000, 120.0
# So many sources are opened at once, each with so many visits waiting.
_SOURCES_AHEAD, _VISITS_AHEAD = 8, 2
_COUNTS = ("visits", "skipped_visits", "files", "read_files", "bytes", "new_blobs", "new_bytes")


def ingest(
    catalog: LakeCatalog,
    where: Place,
    sources: Sequence[str],
    *,
    listed: Path | None = None,
    when: When = NOW,
    new_only: bool = False,
    max_bytes: int = MAX_BYTES,
    timeout: float = TIMEOUT_SECONDS,
    workers: int | None = None,
    cache: Path,
    progress: Progress = silent,
) -> Report:
    """Read every visit of `sources`, and of those in the file `listed` (one a line, # for comments), into the lake.

    new_only: leave out a visit whose revision is the one last seen at its origin. max_bytes: longer contents are
    recorded with their hashes but not kept. timeout: seconds a remote side may say nothing. workers: processes that
    read, this one among them, one for each core if None. cache: the folder for mirrors of repositories. Every visit
    gives rows in `files`; a content gives one row in `blobs` however often it is seen; what was not kept gives one in
    `drops`. Raises SourceError before anything is read if the scheme or place of one of `sources` is wrong (one in the
    list is a failure in the report), LakeError if the disk is full.
    """
    from_list = read_list(listed) if listed is not None else []
    if not sources and listed is None:
        raise LakeError("ingest: name at least one source, for example a folder or pyenv:")
    if max_bytes < 0:
        raise LakeError(f"ingest: max_bytes is {max_bytes}; it is a number of bytes")
    began = time.monotonic()
    seen = Seen(catalog)
    log = journal.find(where, [list(sources), from_list, repr(when), max_bytes], seen.has)
    stop = threading.Event()
    scratch = Path(tempfile.mkdtemp(prefix="codelake-"))
    run = _Run(catalog, where, seen, log.started, max_bytes, workers, progress)
    try:
        asked = [
            Request(
                source=source, rest="", when=when, started=log.started, last=seen.last, scratch=scratch, cache=cache,
                timeout=timeout, cancelled=stop,
            )
            for source in (*sources, *from_list)
        ]  # fmt: skip
        # Those named by hand are opened first: a wrong one is an error before anything is written.
        opened = [partial(iter, visits(request)) for request in asked[: len(sources)]]
        opened += [partial(visits, request) for request in asked[len(sources) :]]
        run.sources = len(asked)
        with log, closing(_ahead([request.source for request in asked], opened, stop)) as every:
            for message, batch in _batches(every, run, new_only=new_only):
                run.commit(f"ingest {message}", batch)
            if run.failed:
                run.commit("ingest: what failed", iter(()))
    finally:
        run.close()
        shutil.rmtree(scratch, ignore_errors=True)
    return Report(
        title="ingest",
        counts={name: run.counts[name] for name in _COUNTS},
        drops=dict(run.drops),
        failures=tuple(run.failures),
        arrivals=tuple(run.arrivals),
        unexpected=sum(count for reason, count in run.drops.items() if reason not in EXPECTED),
        seconds=time.monotonic() - began,
    )


def read_list(path: Path) -> list[str]:
    """The sources in a list file: one a line, blank lines and those that begin with # left out, in order, each once."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise LakeError(f"{path}: the list of sources cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise LakeError(f"{path}: the list of sources is not UTF-8: {error}") from error
    kept = (line.strip() for line in lines)
    return list(dict.fromkeys(line for line in kept if line and not line.startswith("#")))


def _ahead(
    names: Sequence[str], openers: Sequence[Callable[[], Iterator[Visit | Failure]]], stop: threading.Event
) -> Generator[Visit | Failure]:
    """What the sources yield, source by source in order; a few sources are at work ahead of the one being read.

    A source that fails is a Failure. In the end `stop` is set and visits nobody took are released.
    """
    queues: list[queue.Queue[Visit | Failure | BaseException | None]] = [
        queue.Queue(_VISITS_AHEAD) for _ in range(min(_SOURCES_AHEAD, len(openers)))
    ]

    def put(number: int, item: Visit | Failure | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                queues[number % len(queues)].put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def run(number: int) -> None:
        try:
            for item in openers[number]():
                if not put(number, item):
                    if isinstance(item, Visit):
                        item.release()
                    return
        except (CodeLakeError, OSError) as error:
            put(number, Failure(names[number], str(error)))
        except BaseException as error:
            put(number, error)
        put(number, None)

    threads = ThreadPoolExecutor(len(queues) or 1, thread_name_prefix="source")
    try:
        under_way = deque(threads.submit(run, number) for number in range(len(queues)))
        for number in range(len(openers)):
            while (item := queues[number % len(queues)].get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
            under_way.popleft().result()
            if number + len(queues) < len(openers):
                under_way.append(threads.submit(run, number + len(queues)))
    finally:
        stop.set()
        threads.shutdown(wait=True, cancel_futures=True)
        for waiting in queues:
            while not waiting.empty():
                item = waiting.get()
                if isinstance(item, Visit):
                    item.release()


def _batches(every: Iterator[Visit | Failure], run: "_Run", *, new_only: bool) -> Iterator[tuple[str, Iterator[Visit]]]:
    """Cut the visits into commits; each batch must be consumed before the next is asked for."""

    def next_visit() -> Visit | None:
        for item in every:
            if isinstance(item, Failure):
                run.fail(item)
                continue
            date = run.seen.date(item.repo_url, item.visit_date, item.revision_id)
            same = new_only and item.revision_id is not None and run.seen.revision(item.repo_url) == item.revision_id
            if date is not None and not same:
                run.seen.add(item.repo_url, date, item.revision_id)
                return replace(item, visit_date=date, source=without_login(item.source))
            run.counts["skipped_visits"] += 1
            item.release()
        return None

    def batch(first: Visit) -> Iterator[Visit]:
        size, files, began = 0, 0, time.monotonic()
        visit: Visit | None = first
        while visit is not None:
            yield visit
            size += sum(max(entry.size, 0) for entry in visit.entries)
            files += len(visit.entries)
            if size > _COMMIT_BYTES or files > _COMMIT_FILES or time.monotonic() - began > _COMMIT_SECONDS:
                return
            visit = next_visit()

    while (visit := next_visit()) is not None:
        yield visit.source, batch(visit)


@dataclass
class _Open:
    """A visit while its tasks are read. tables: its rows of `files` so far, kept if the next visit builds on it."""

    visit: Visit
    number: int = 0
    read: int = 0
    size: int = 0
    new_blobs: int = 0
    new_bytes: int = 0
    ids: list[str | None] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    tables: list[pa.Table] = field(default_factory=list)


class _Run:
    """One call of ingest: what the lake knows, and what was counted."""

    def __init__(
        self,
        catalog: LakeCatalog,
        where: Place,
        seen: Seen,
        started: datetime,
        max_bytes: int,
        workers: int | None,
        progress: Progress,
    ) -> None:
        self.catalog = catalog
        self.where = where
        self.seen = seen
        self.started = started
        self.recorded = seen.failures(started) if seen.has(started) else set()
        self.progress = progress
        self.sources = 1
        self.counts: Counter[str] = Counter()
        self.drops: Counter[str] = Counter()
        self.failures: list[tuple[str, str]] = []
        self.failed: list[Failure] = []
        self.arrivals: list[Arrival] = []
        self.known = KnownBlobs()
        self.learned: str | None = None
        self.last: LastVisit | None = None
        self.schemas = {
            name: schema_to_pyarrow(catalog.load_table((NAMESPACE, name)).schema()) for name in ("blobs", "files")
        }
        root = where.path("tables", "blobs", "data")
        self.pool = Pool(root, self.schemas["blobs"], self.schemas["files"], max_bytes, workers)
        # What the lake has, and the rules of languages, are read while the sources look for what there is.
        self.beside = ThreadPoolExecutor(2, thread_name_prefix="beside")
        self.learning = self.beside.submit(self._learn)
        self.beside.submit(linguist.languages)

    def close(self) -> None:
        """End the threads and processes."""
        self.beside.shutdown()
        self.pool.close()

    def fail(self, failure: Failure) -> None:
        """Remember a visit that could not be made; it has its row in `drops` with the next commit."""
        name, message = without_login(failure.name), without_login(failure.message, failure.name)
        failure = replace(failure, name=name, message=message)
        self.failures.append((failure.name, failure.message))
        if (failure.name, failure.message) not in self.recorded:
            self.recorded.add((failure.name, failure.message))
            self.failed.append(failure)

    def commit(self, message: str, batch: Iterator[Visit]) -> None:
        """Read the visits of one batch and publish them together."""
        self.learning.result()
        self._learn()
        before = Counter(self.counts), Counter(self.drops), len(self.arrivals)
        try:
            with Commit(self.catalog, self.where, message) as commit:
                commit.on_conflict = lambda: self._yield_to_others(commit)
                try:
                    self._read(batch, commit)
                    commit.add_files("blobs", self.pool.written())
                except BaseException:
                    self.pool.abort()
                    raise
                failed, self.failed = self.failed, []
                _append(commit, "drops", [_failure_row(failure, self.started) for failure in failed])
        except BaseException:
            self.counts, self.drops = before[:2]
            del self.arrivals[before[2] :]
            raise
        finally:
            self.known.settle()

    def _learn(self) -> None:
        table = self.catalog.load_table((NAMESPACE, "blobs"))
        if table.metadata_location != self.learned:
            self.known.load(table_files(table, table.metadata.current_snapshot_id).files)
            self.learned = table.metadata_location

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

    def _read(self, batch: Iterator[Visit], commit: Commit) -> None:
        """Read the visits, several tasks at a time, and append their rows in order."""
        for (open_visit, entries), result in self.pool.run(self._tasks(batch), self._first_seen):
            if result is not None:
                self._take(open_visit, entries, result, commit)
            else:
                self._close(open_visit, commit)
                open_visit.visit.release()

    def _tasks(self, batch: Iterator[Visit]) -> Iterator[tuple[tuple[_Open, Sequence[Entry]], Task | None]]:
        """The tasks of every visit, each visit followed by an item without one."""
        number = files = size = 0
        for visit in batch:
            files += len(visit.entries)
            size += sum(max(entry.size, 0) for entry in visit.entries)
            self.pool.expect(files, size)
            opened = _Open(visit)
            for entries in _parts(visit.entries):
                yield (opened, entries), Task(number, visit.reader, entries, visit.repo_name, visit.visit_date)
                number += 1
            yield (opened, ()), None

    def _first_seen(self, ids: Sequence[str | None]) -> list[bool]:
        """Which of these contents neither the lake nor this commit has."""
        first = []
        for blob_id in ids:
            new = blob_id is not None and blob_id not in self.known
            if new:
                self.known.fresh.add(str(blob_id))
            first.append(new)
        return first

    def _take(self, opened: _Open, entries: Sequence[Entry], result: Result, commit: Commit) -> None:
        """The result of one task."""
        rows = self._complete(result.rows, opened.visit)
        commit.append("files", rows)
        if opened.visit.followed:
            opened.tables.append(rows)
        opened.ids += result.ids
        opened.drops += result.drops
        opened.number += result.rows.num_rows
        opened.read += len(entries)
        opened.size += result.size
        opened.new_blobs += result.new_blobs
        opened.new_bytes += result.new_bytes
        self.counts["read_files"] += len(entries)
        self.counts["read_bytes"] += result.size
        self._report(opened.visit, opened.read)

    def _complete(self, rows: pa.Table, visit: Visit) -> pa.Table:
        """Rows of `files` with the columns that all rows of a visit share."""
        schema = self.schemas["files"]
        shared = {
            "repo_name": visit.repo_name,
            "repo_url": visit.repo_url,
            "visit_date": visit.visit_date,
            "revision_id": visit.revision_id,
        }
        columns = [
            pa.repeat(pa.scalar(shared[f.name], f.type), rows.num_rows) if f.name in shared else rows[f.name]
            for f in schema
        ]
        return pa.table(columns, schema=schema)

    def _close(self, opened: _Open, commit: Commit) -> None:
        """Every task of a visit was read: carry over what did not change, and write its rows of `drops` and `repos`."""
        visit = opened.visit
        opened.drops += [
            Drop(as_text(item.path), None, item.reason, item.message, item.threshold) for item in visit.lost
        ]
        drops = _table([_drop_row(visit, drop) for drop in opened.drops], commit.schema("drops"))
        if visit.base is not None:
            before = self._base(visit)
            paths = (*visit.removed, *(entry.path for entry in visit.entries))
            changed = pa.array([as_text(path) for path in paths], pa.large_string())
            carried = self._complete(_unchanged(before.files, changed), visit)
            commit.append("files", carried)
            opened.tables.append(carried)
            opened.number += carried.num_rows
            opened.size += pc.sum(carried["length_bytes"]).as_py() or 0
            kept = _unchanged(before.drops, changed)
            dates = pa.repeat(pa.scalar(visit.visit_date, pa.timestamp("us")), kept.num_rows)
            kept = kept.set_column(kept.column_names.index("visit_date"), "visit_date", dates)
            drops = pa.concat_tables([drops, kept.select(drops.column_names).cast(drops.schema)])
        if drops.num_rows:
            commit.append("drops", drops)
        self.drops.update(drops["reason"].to_pylist())
        self.last = None
        if visit.followed and visit.revision_id is not None:
            files = pa.concat_tables(opened.tables) if opened.tables else self.schemas["files"].empty_table()
            self.last = LastVisit(visit.repo_url, visit.revision_id, visit.visit_date, files, drops)
        directory = visit.directory_id
        if directory is None and visit.base is None and not visit.lost and None not in opened.ids:
            entries = zip(visit.entries, opened.ids, strict=True)
            directory = directory_id((entry.path, entry.mode, str(blob_id)) for entry, blob_id in entries)
        _append(commit, "repos", [_repo_row(visit, directory, opened.number, opened.size)])
        self.counts.update(
            visits=1, files=opened.number, bytes=opened.size, new_blobs=opened.new_blobs, new_bytes=opened.new_bytes
        )
        self.arrivals.append(
            Arrival(
                visit.repo_name, visit.visit_date, visit.revision_id, opened.number, opened.read, opened.new_blobs,
                opened.new_bytes,
            )
        )  # fmt: skip
        self._report(visit, opened.read)

    def _base(self, visit: Visit) -> LastVisit:
        """The visit that `visit` is a difference from: the one just read, or one in the lake."""
        if self.last is not None and (self.last.repo_url, self.last.revision_id) == (visit.repo_url, visit.base):
            return self.last
        before = self.seen.at(visit.repo_url, str(visit.base))
        if before is None:
            raise LakeError(f"{visit.source}: {visit.repo_name} builds on {visit.base}, which the lake does not have")
        return before

    def _report(self, visit: Visit, files: int) -> None:
        many = max(visit.of, self.sources)
        done, total = (self.counts["visits"], many) if many > 1 else (files, len(visit.entries))
        self.progress(
            done, total, files=self.counts["read_files"], size=self.counts["read_bytes"], note=visit.repo_name
        )


def _parts(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    part: list[Entry] = []
    size = 0
    for entry in entries:
        part.append(entry)
        size += max(entry.size, 0)
        if len(part) >= _TASK_FILES or size >= _TASK_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _unchanged(rows: pa.Table, changed: pa.Array) -> pa.Table:
    """The rows of an earlier visit whose path is not among `changed`; a derived text goes with its notebook."""
    paths = rows["path"]
    if "derived_from" in rows.column_names:
        paths, derived = paths.combine_chunks(), pc.is_valid(rows["derived_from"]).combine_chunks()
        below = pc.replace_substring_regex(paths.filter(derived), pattern="/[^/]*$", replacement="")
        paths = pc.replace_with_mask(paths, derived, below)
    return rows.filter(pc.invert(pc.is_in(paths, value_set=changed)))


def _drop_row(visit: Visit, drop: Drop) -> dict[str, object]:
    return {
        "blob_id": drop.blob_id,
        "path": drop.path,
        "repo_name": visit.repo_name,
        "stage": "ingest",
        "reason": drop.reason,
        "value": drop.value,
        "threshold": drop.threshold,
        "repo_url": visit.repo_url,
        "visit_date": visit.visit_date,
    }


def _failure_row(failure: Failure, started: datetime) -> dict[str, object]:
    return {
        "repo_name": failure.name,
        "stage": "ingest",
        "reason": failure.reason,
        "value": failure.message,
        "visit_date": started,
    }


def _repo_row(visit: Visit, directory: str | None, number: int, size: int) -> dict[str, object]:
    return {
        "repo_name": visit.repo_name,
        "repo_url": visit.repo_url,
        "source": visit.source,
        "host": visit.host,
        "owner": visit.owner,
        "vcs": visit.vcs,
        "fork_of": visit.fork_of,
        "stars": visit.stars,
        "forks": visit.forks,
        "branch_name": visit.branch_name,
        "visit_date": visit.visit_date,
        "snapshot_id": visit.snapshot_id,
        "revision_id": visit.revision_id,
        "release_id": visit.release_id,
        "directory_id": directory,
        "revision_date": visit.revision_date,
        "author": visit.author,
        "committer": visit.committer,
        "committer_date": visit.committer_date,
        "parents": list(visit.parents) if visit.parents is not None else None,
        "declared_license": visit.declared_license,
        "num_files": number,
        "length_bytes": size,
    }


def _append(commit: Commit, table: str, rows: list[dict[str, object]]) -> None:
    if rows:
        commit.append(table, _table(rows, commit.schema(table)))


def _table(rows: list[dict[str, object]], schema: pa.Schema) -> pa.Table:
    """Rows of equal keys as Arrow; columns of `schema` they do not have are left out."""
    fields = [f for f in schema if not rows or f.name in rows[0]]
    return pa.table([pa.array([row[f.name] for row in rows], type=f.type) for f in fields], schema=pa.schema(fields))
