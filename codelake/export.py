"""Exporting a query as a folder of shards: streamed, the same bytes each time, and resumable at any moment.

A shard is written beside its place and moved there when it is whole; `codelake-export.json` then lists it with its
sha256 and a hash of its rows. Run again, an export asks the same query, passes over the rows of the shards that are
there while comparing their hashes, and goes on. So a resumed export is the one that was begun, or it is refused.
"""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa

from .card import CARD, Facts, card
from .engine import VERSION
from .engine.duck import Relation, friendly
from .engine.errors import LakeError, QueryError, nearest
from .engine.groups import groups
from .engine.progress import Progress
from .engine.sort import by_last_column
from .shards import FORMATS, Format, plain_schema

if TYPE_CHECKING:
    from .api import Lake

STATE = "codelake-export.json"
SHARD_BYTES = 500_000_000
_BATCH_ROWS = 2048
_SORTING = ".sorting-"
# Other versions may order, hash or compress otherwise.
_VERSIONS = ("duckdb", "pyarrow", "zstandard")


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One finished file: its name below the folder, rows, bytes, sha256, and the hash of its rows."""

    name: str
    rows: int
    bytes: int
    sha256: str
    row_hash: str


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A finished export. kept: how many of its shards an earlier call had finished. seconds: of this call."""

    folder: Path
    format: str
    rows: int
    bytes: int
    shards: int
    kept: int
    seconds: float


@dataclass(kw_only=True)
class _State:
    """What stands in STATE: what is exported (asked, and the lake's commit if it was read as it was then), how far."""

    path: Path
    asked: dict[str, Any]
    commit: int | None
    shards: list[Shard] = field(default_factory=list)
    complete: bool = False

    @property
    def rows(self) -> int:
        """Rows in the finished shards."""
        return sum(shard.rows for shard in self.shards)

    def save(self) -> None:
        """Write it down: from now on this is how far the export is."""
        saved = {
            **self.asked,
            "commit": self.commit,
            "complete": self.complete,
            "rows": self.rows,
            "shards": [asdict(shard) for shard in self.shards],
        }
        with _whole(self.path) as sink:
            sink.write(json.dumps(saved, indent=1).encode())


def export(
    lake: "Lake",
    out: str | os.PathLike[str],
    query: str,
    *,
    params: Sequence[object] | None,
    format: str,
    shard_bytes: int,
    overwrite: bool,
    commit: int | None,
    progress: Progress,
) -> Exported:
    """Write the rows of `query` to the folder `out`; see Lake.export.

    lake: at one point in time, which is that of `commit` if it has one.
    """
    started = time.monotonic()
    if format not in FORMATS:
        close = nearest(format, list(FORMATS)) or list(FORMATS)
        raise QueryError(f"{format!r} is no format to export to; there is {', '.join(close)}")
    if "://" in os.fspath(out):
        raise LakeError(f"{out}: an export is written to a local folder; copy it from there")
    folder = Path(out)
    relation, in_order = lake.session().hashed(query, params)
    with _in_words():
        schema = plain_schema(pa.schema(list(relation.limit(0).to_arrow_table().schema)[:-1]))
    FORMATS[format].check(schema)
    asked = {
        "query": query.strip(),
        "params": [str(value) for value in params or ()],
        "format": format,
        "shard_bytes": shard_bytes,
        "snapshots": {name: table.snapshot for name, table in lake.tables().items()},
        "versions": {"codelake": VERSION} | {name: version(name) for name in _VERSIONS},
    }
    try:
        with _locked(folder):
            state = _begin(folder, asked, commit, overwrite=overwrite)
            _clear(folder)
            finished = len(state.shards)
            state.shards = list(takewhile(lambda shard: _intact(folder, shard), state.shards))
            kept = len(state.shards)
            if not state.complete or kept < finished:
                state.complete = False
                with _rows(relation, schema, folder, in_order=in_order) as rows:
                    _write(lake, folder, state, rows, schema, progress)
    except OSError as error:
        raise LakeError(
            f"{error.filename or folder}: {error.strerror or error}; the shards that are finished stay, the same "
            "command goes on from them"
        ) from error
    return Exported(
        folder=folder,
        format=format,
        rows=state.rows,
        bytes=sum(shard.bytes for shard in state.shards),
        shards=len(state.shards),
        kept=kept,
        seconds=time.monotonic() - started,
    )


def _write(
    lake: "Lake", folder: Path, state: _State, batches: Iterable[pa.RecordBatch], schema: pa.Schema, progress: Progress
) -> None:
    """Write the shards that are missing, and what goes with them."""
    kind = FORMATS[state.asked["format"]]
    facts = Facts() if state.asked["format"] == "hf" else None
    rows = _Rows(batches, facts)
    for number, shard in enumerate(state.shards):
        progress(rows.done, None, files=rows.done, note=f"passing over shard {number}")
        if rows.skip(shard.rows) != shard.row_hash:
            raise LakeError(
                f"{folder / shard.name}: the query does not give these rows again: rows that its ORDER BY leaves "
                "equal, a sample, random(), now() or a sum of fractions come out otherwise each time. Order it by a "
                "unique key, and begin again with --overwrite or in a new folder"
            )
    _write_shards(folder, state, kind, schema, rows, progress)
    for number, shard in enumerate(state.shards):
        final = kind.final.format(number, len(state.shards))
        (folder / shard.name).rename(folder / final)
        state.shards[number] = replace(shard, name=final)
    if facts is not None:
        with _whole(folder / CARD) as sink:
            sink.write(card(lake, state.asked, schema, state.shards, facts).encode())
    state.complete = True
    state.save()


def _write_shards(
    folder: Path, state: _State, kind: Format, schema: pa.Schema, rows: "_Rows", progress: Progress
) -> None:
    waiting = groups(rows)
    group = next(waiting, None)
    size = sum(shard.bytes for shard in state.shards)
    # A query without rows gives one shard without rows, so that its columns are known.
    while group is not None or not state.shards:
        name = kind.name.format(len(state.shards))
        row_hash, count, first = hashlib.sha256(), 0, state.rows
        with _whole(folder / name) as sink:
            writer = kind.writer(sink, schema)
            try:
                while group is not None and (count == 0 or sink.tell() < state.asked["shard_bytes"]):
                    row_hash.update(_hash_bytes(group.column(group.num_columns - 1)))
                    writer.write(group.select(range(group.num_columns - 1)), first + count)
                    count += group.num_rows
                    progress(first + count, None, files=first + count, size=size + sink.tell(), note=name)
                    group = next(waiting, None)
                writer.close()
            except BaseException:
                # The file is given up; what its writer still holds has nowhere to go.
                with suppress(Exception):
                    writer.close()
                raise
        path = folder / name
        with path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        shard = Shard(name=name, rows=count, bytes=path.stat().st_size, sha256=digest, row_hash=row_hash.hexdigest())
        size += shard.bytes
        state.shards.append(shard)
        state.save()


class _Rows:
    """The rows of a query, each with its hash in the last column: some are passed over, the rest is iterated."""

    def __init__(self, batches: Iterable[pa.RecordBatch], facts: Facts | None) -> None:
        self._facts = facts
        self._batches = self._read(batches)
        self._rest: pa.RecordBatch | None = None
        self.done = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        if self._rest is not None:
            yield self._rest
        yield from self._batches

    def skip(self, rows: int) -> str:
        """Pass over the next rows (fewer if there are fewer) and return their hash."""
        found = hashlib.sha256()
        while rows > 0:
            batch = self._rest or next(self._batches, None)
            self._rest = None
            if batch is None:
                break
            if batch.num_rows > rows:
                self._rest = batch.slice(rows)
                batch = batch.slice(0, rows)
            found.update(_hash_bytes(batch.column(batch.num_columns - 1)))
            rows -= batch.num_rows
            self.done += batch.num_rows
        return found.hexdigest()

    def _read(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if self._facts is not None:
                self._facts.add(batch)
            yield batch


@contextmanager
def _rows(relation: Relation, schema: pa.Schema, folder: Path, *, in_order: bool) -> Iterator[Iterable[pa.RecordBatch]]:
    """The rows of a query in an order that is the same every time; without one of its own, that of their hashes."""
    hashed = pa.schema([*schema, pa.field("_hash", pa.uint64())])

    def plain(reader: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in reader:
            columns = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in batch.columns]
            yield pa.RecordBatch.from_arrays(columns, schema=hashed)

    with _in_words(), ExitStack() as stack:
        batches = plain(stack.enter_context(relation.to_arrow_reader(_BATCH_ROWS)))
        if not in_order:
            sorting = stack.enter_context(TemporaryDirectory(prefix=_SORTING, dir=folder))
            batches = by_last_column(batches, Path(sorting))
        yield batches


def _hash_bytes(column: pa.Array | pa.ChunkedArray) -> bytes:
    data: bytes = column.to_numpy().astype("<u8").tobytes()
    return data


def _begin(folder: Path, asked: dict[str, Any], commit: int | None, *, overwrite: bool) -> _State:
    """The state to go on from. Raises LakeError for a folder with something else in it."""
    path = folder / STATE
    if not path.exists():
        if others := sorted(item.name for item in folder.iterdir() if not item.name.startswith(".")):
            raise LakeError(f"{folder}: there are other files in it ({', '.join(others[:3])} …); name a new folder")
        state = _State(path=path, asked=asked, commit=commit)
        state.save()
        return state
    try:
        saved = json.loads(path.read_bytes())
        there = {name: saved[name] for name in asked}
        shards = [Shard(**shard) for shard in saved["shards"]]
        before = _State(path=path, asked=there, commit=saved["commit"], shards=shards, complete=saved["complete"])
    except (ValueError, KeyError, TypeError) as error:
        raise LakeError(f"{path} is damaged ({error}); delete the folder, or name a new one") from error
    kind = FORMATS.get(there["format"])
    for number, shard in enumerate(before.shards):
        # A process that ended while it gave the shards their last names left some with them.
        final = folder / kind.final.format(number, len(before.shards)) if kind else folder / shard.name
        if final.exists() and not (folder / shard.name).exists():
            final.rename(folder / shard.name)
    if there == asked and not overwrite:
        return before
    if before.shards and not overwrite:
        raise LakeError(_differences(folder, before, asked))
    for name in (*(shard.name for shard in before.shards), *([CARD] if there["format"] == "hf" else [])):
        (folder / name).unlink(missing_ok=True)
    state = _State(path=path, asked=asked, commit=commit)
    state.save()
    return state


def _differences(folder: Path, before: _State, asked: dict[str, Any]) -> str:
    lines = []
    for name, value in asked.items():
        if before.asked[name] == value:
            continue
        if name == "snapshots":
            past = f"; `--at {before.commit}` reads it as it was" if before.commit is not None else ""
            lines.append(f"the lake is another or has changed since{past}")
        else:
            lines.append(f"{name}: {before.asked[name]} there, {value} now")
    return (
        f"{folder} holds another export:\n  "
        + "\n  ".join(lines)
        + "\nname a new folder, or begin again with --overwrite"
    )


def _clear(folder: Path) -> None:
    """Remove what a process that was killed had begun."""
    for left in folder.glob(f"{_SORTING}*"):
        shutil.rmtree(left)
    for left in folder.rglob(".*.part"):
        left.unlink()


def _intact(folder: Path, shard: Shard) -> bool:
    """Whether a finished shard is still what it was."""
    path = folder / shard.name
    if not path.is_file() or path.stat().st_size != shard.bytes:
        return False
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest() == shard.sha256


@contextmanager
def _in_words() -> Iterator[None]:
    """An error of DuckDB while rows are read becomes one of ours."""
    try:
        yield
    except Exception as error:
        if (message := friendly(error)) is not None:
            raise QueryError(message) from error
        raise


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that is at `path` when it is whole and on the disk, and not before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as sink:
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One export at a time in a folder; the lock goes with the process."""
    if folder.exists() and not folder.is_dir():
        raise LakeError(f"{folder} is a file; an export is written to a folder")
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise LakeError(f"{folder}: another export is writing there; wait for it, or name another folder") from error
    try:
        yield
    finally:
        os.close(descriptor)
