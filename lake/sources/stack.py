"""`stack:PATH`: Parquet of The Stack, v1 to v3, as its publishers lay it out; PATH is a file, a folder or a URL of one.

    one row a file        v1 and v1-dedup (with content), v2 (blob_id is the sha1 and content_id the sha1_git of a
                          content that Software Heritage has), v2 with a column `content` added
    one row a repository  v2-train ids (files[] without content), v3-train (files[].content)

Where rows have no content it is read from Software Heritage's store: `?content=PREFIX` (objects.py). What the rows say
of a content is checked or not used: v3 hashes it before it redacts it. What The Stack has of a revision is not all of
it, and without file modes: the directory_id of the rows is not that of what is read here.
"""

import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from ...engine.duck import Workspace
from ...engine.errors import SourceError
from ...sql import load
from . import FILE, Entry, Failure, Files, Lost, Opened, Reader, Request, Visit, origin
from .objects import STORE, Objects, reach
from .when import parse_date

# What is read -> the columns that may hold it: v2, v3, v1 (the cards of bigcode/the-stack-v2, bigcode/the-stack-dedup
# and HuggingFaceCode/stack-v3-train). Those of a file are in files[] where a row is a repository.
_OF_REPOSITORY = {
    "repo": ("repo_name", "repo_path", "max_stars_repo_name"),
    "url": ("repo_url",),
    "revision": ("revision_id", "commit_id", "max_stars_repo_head_hexsha"),
    "snapshot": ("snapshot_id",),
    "branch": ("branch_name", "github_metadata.branch"),
    "visit_date": ("visit_date",),
    "revision_date": ("revision_date",),
    "committer_date": ("committer_date",),
    "declared": ("gha_license_id",),
    "stars": ("star_events_count", "github_metadata.stars", "max_stars_count"),
    "forks": ("fork_events_count", "github_metadata.forks"),
    "fork_of": ("github_metadata.forked_from",),
}
_OF_FILE = {
    "path": ("path", "file_path", "max_stars_repo_path"),
    "sha1": ("blob_id",),
    "sha1_git": ("content_id",),
    "length": ("length_bytes", "size_bytes", "size"),
    "licenses": ("detected_licenses", "max_stars_repo_licenses"),
    "content": ("content",),
}
_DATES = ("visit_date", "revision_date", "committer_date")
_TYPES = {
    "stars": pa.int64(), "forks": pa.int64(), "length": pa.int64(), "licenses": pa.list_(pa.string()),
    "content": pa.large_binary(), **{name: pa.timestamp("us") for name in _DATES},
}  # fmt: skip
_SCHEMA = pa.schema([(name, _TYPES.get(name, pa.string())) for name in (*_OF_REPOSITORY, *_OF_FILE)])
_ROWS_OF_FILES, _ROWS_OF_REPOSITORIES = 1024, 16
# What GitHub says of a licence it could not name.
_NO_LICENSE = ("", "NOASSERTION")


def visits(request: Request) -> Iterator[Visit | Failure]:
    """A visit of each repository. Raises SourceError if there is no Parquet, or none that is The Stack's."""
    request.without_history("a dataset")
    place, _, query = request.rest.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    if not place or given.keys() - {"content"}:
        raise SourceError(f"{request.source}: write stack:PATH, or stack:PATH?content=PREFIX of an object store")
    fs, root = reach(place, request.timeout)
    try:
        found = [root] if fs.isfile(root) else sorted(fs.glob(f"{root}/**/*.parquet"))
    except OSError as error:
        raise SourceError(f"{request.source}: {place} cannot be listed: {error.strerror or error}") from error
    if not found:
        raise SourceError(f"{request.source}: there is no Parquet file at {place}")
    layout = _Layout.of(request.source, fs, found[0])
    parquet = [_Parquet(fs, path, layout, _url(place, root, path)) for path in found]
    objects = Objects(given.get("content", STORE), request.timeout)
    if layout.nested:
        return _by_repository(request, parquet, objects)
    return _by_file(request, parquet, objects)


def _url(place: str, root: str, path: str) -> str:
    """The file's name for another process: with the scheme that `place` has."""
    return path if "://" not in place else place.rstrip("/") + path.removeprefix(root)


def _by_repository(request: Request, files: Iterable["_Parquet"], objects: Objects) -> Iterator[Visit | Failure]:
    """A row is a repository: its files are read as they come."""
    for file in files:
        for group, row, found in file.repositories():
            inline = file.layout.inline
            reader: Reader = Inline(file.url, group, request.timeout) if inline else objects
            for index, item in enumerate(found["files"]):
                item["at"] = (row, index) if inline else item["sha1"]
            yield _visit(request, found, found["files"], reader, file.layout)


def _by_file(request: Request, files: Sequence["_Parquet"], objects: Objects) -> Iterator[Visit | Failure]:
    """A row is a file, and those of a repository may be anywhere: they are put together on disk, contents and all."""
    layout = files[0].layout
    folder = Path(tempfile.mkdtemp(prefix="stack-", dir=request.scratch))
    with Workspace(folder / "files.db") as work:
        rows = (batch for file in files for batch in file.rows())
        stream = pa.RecordBatchReader.from_batches(_SCHEMA, rows)
        work.run("CREATE TABLE stack_files AS FROM incoming", incoming=stream)
        ordered = (row for b in work.batches(load("stack/grouped"), rows=_ROWS_OF_FILES) for row in b.to_pylist())
        for _, group in groupby(ordered, lambda row: (row["repo"], row["revision"])):
            found = list(group)
            for item in found:
                item["at"] = item.pop("content") if layout.inline else item["sha1"]
            yield _visit(request, found[0], found, Files() if layout.inline else objects, layout)


def _visit(
    request: Request, head: dict[str, Any], files: list[dict[str, Any]], reader: Reader, layout: "_Layout"
) -> Visit | Failure:
    name = head["repo"]
    if not name:
        return Failure(request.source, f"{request.source}: {len(files)} files have no repository", "unnamed")
    known = origin(head["url"] or f"https://github.com/{name}")
    entries, lost = _entries(files, layout)
    return Visit(
        repo_name=name,
        repo_url=known.url,
        host=known.host,
        owner=known.owner,
        source=request.source,
        vcs="git",
        entries=entries,
        lost=lost,
        reader=reader,
        visit_date=_date(head["visit_date"]) or request.started,
        fork_of=head["fork_of"] or None,
        stars=head["stars"],
        forks=head["forks"],
        branch_name=head["branch"].removeprefix("refs/heads/") if head["branch"] else None,
        snapshot_id=head["snapshot"],
        revision_id=head["revision"],
        revision_date=_date(head["revision_date"]),
        committer_date=_date(head["committer_date"]),
        declared_license=_license(head["declared"], [item["licenses"] for item in files]),
    )


def _entries(files: Iterable[dict[str, Any]], layout: "_Layout") -> tuple[list[Entry], list[Lost]]:
    """The files by path; lost are those without content, and those whose path another file has, or lies below."""
    entries: list[Entry] = []
    lost: list[Lost] = []
    taken: set[bytes] = set()
    for item in sorted(files, key=lambda item: item["path"] or ""):
        path = (item["path"] or "").encode()
        parts = path.split(b"/")
        if not path:
            lost.append(Lost(path, "unnamed", "the row has no path"))
        elif any(b"/".join(parts[:n]) in taken for n in range(1, len(parts) + 1)):
            # stack-v3-train has the same file of a repository more than once (its discussion 12).
            lost.append(Lost(path, "duplicate-path", "an earlier row has this path, or a part of it, as a file"))
        elif item["at"] is None or (not layout.inline and (item["sha1_git"] is None or item["length"] is None)):
            lost.append(Lost(path, "absent", "the row has no content and does not say which it is"))
        else:
            taken.add(path)
            blob = None if layout.inline else item["sha1_git"]
            size = len(item["at"]) if isinstance(item["at"], bytes) else item["length"]
            entries.append(Entry(path, FILE, item["at"], -1 if size is None else size, blob))
    return entries, lost


def _license(declared: str | None, detected: Sequence[Sequence[str] | None]) -> str | None:
    """GitHub's licence of the repository; else those found in its files, all of which apply, if no file is without."""
    if declared and declared not in _NO_LICENSE:
        return declared
    if not detected or not all(detected):
        return None
    return " AND ".join(sorted({name for names in detected for name in names or ()}))


def _date(value: datetime | str | None) -> datetime | None:
    found = parse_date(value) if isinstance(value, str) else value
    return found.astimezone(UTC).replace(tzinfo=None) if found is not None and found.tzinfo else found


@dataclass(frozen=True)
class _Layout:
    """How rows are to be read. nested: a row is a repository. inline: contents are in the rows."""

    nested: bool
    inline: bool

    @classmethod
    def of(cls, source: str, fs: fsspec.AbstractFileSystem, path: str) -> "_Layout":
        """The layout of a file. Raises SourceError with the columns needed and found if it is none of ours."""
        try:
            with fs.open(path, "rb") as stream:
                schema = pq.read_schema(stream)
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{source}: {path} is no Parquet file: {error}") from error
        nested = "files" in schema.names and pa.types.is_list(schema.field("files").type)
        inner = {f.name for f in schema.field("files").type.value_type} if nested else set(schema.names)
        inline = "content" in inner
        named = _first(set(schema.names), _OF_REPOSITORY["repo"]) and _first(inner, _OF_FILE["path"])
        if not named or not (inline or {"blob_id", "content_id", "length_bytes"} <= inner):
            raise SourceError(
                f"{source}: {path} is not The Stack's: a row needs repo_name, repo_path or max_stars_repo_name; a file "
                "path, file_path or max_stars_repo_path; and content, or blob_id, content_id and length_bytes. "
                f"Found: {', '.join(sorted(set(schema.names) | {f'files[].{name}' for name in inner if nested}))}"
            )
        return cls(nested, inline)


@contextmanager
def _open(fs: fsspec.AbstractFileSystem, path: str) -> Iterator[pq.ParquetFile]:
    """An open Parquet file. Raises SourceError that names it."""
    try:
        with fs.open(path, "rb") as stream:
            yield _buffered(stream)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error


def _buffered(stream: Any) -> pq.ParquetFile:
    # Without these a column chunk is read as a whole, contents of a gigabyte among them.
    return pq.ParquetFile(stream, buffer_size=1 << 20, pre_buffer=False)


def _first(present: set[str], names: Iterable[str]) -> str | None:
    return next((name for name in names if name in present), None)


@dataclass(frozen=True)
class _Parquet:
    """One file of the dataset. url: its name in other processes."""

    fs: fsspec.AbstractFileSystem
    path: str
    layout: _Layout
    url: str

    def rows(self) -> Iterator[pa.RecordBatch]:
        """The rows of a layout with a row a file, in the columns of _SCHEMA."""
        with _open(self.fs, self.path) as file:
            present = set(file.schema_arrow.names)
            chosen = {target: _first(present, names) for target, names in (_OF_REPOSITORY | _OF_FILE).items()}
            wanted = [name for name in chosen.values() if name is not None]
            for batch in file.iter_batches(_ROWS_OF_FILES, columns=wanted):
                columns = []
                for field in _SCHEMA:
                    name = chosen[field.name]
                    columns.append(
                        batch.column(name).cast(field.type) if name else pa.nulls(batch.num_rows, field.type)
                    )
                yield pa.record_batch(columns, schema=_SCHEMA)

    def repositories(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """(row group, row in it, what it says) of a layout with a row a repository; contents are not read."""
        with _open(self.fs, self.path) as file:
            leaves = [file.schema.column(number).path for number in range(len(file.schema))]
            wanted = [leaf for leaf in leaves if not (leaf.startswith("files.") and leaf.endswith(".content"))]
            for group in range(file.num_row_groups):
                row = 0
                for batch in file.iter_batches(_ROWS_OF_REPOSITORIES, row_groups=[group], columns=wanted):
                    for item in batch.to_pylist():
                        yield group, row, _flat(item)
                        row += 1


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a repository in the names of _OF_REPOSITORY, with `files` in those of _OF_FILE."""

    def pick(source: dict[str, Any], names: Iterable[str]) -> Any:
        return next((source[name] for name in names if source.get(name) is not None), None)

    more = {f"github_metadata.{name}": value for name, value in (row.get("github_metadata") or {}).items()}
    found = {target: pick(row | more, names) for target, names in _OF_REPOSITORY.items()}
    found["files"] = [
        {target: pick(file, names) for target, names in _OF_FILE.items()} for file in row["files"] or () if file
    ]
    return found


@dataclass(frozen=True)
class Inline:
    """The reader of contents in `files[].content` of a row group: `Entry.at` is (row in it, index in files)."""

    url: str
    group: int
    timeout: float

    def open(self) -> "Column":
        """Open the file."""
        fs, path = reach(self.url, self.timeout)
        return Column(fs.open(path, "rb"), self.group)


class Column:
    """The contents of a row group, read forward some rows at a time."""

    def __init__(self, stream: Any, group: int) -> None:
        self._stream = stream
        try:
            self._file = _buffered(stream)
        except pa.ArrowException as error:
            stream.close()
            raise OSError(str(error)) from error
        leaves = [self._file.schema.column(number).path for number in range(len(self._file.schema))]
        self._leaf = next(leaf for leaf in leaves if leaf.startswith("files.") and leaf.endswith(".content"))
        self._group = group
        self._restart()

    def _restart(self) -> None:
        self._batches = self._file.iter_batches(_ROWS_OF_REPOSITORIES, row_groups=[self._group], columns=[self._leaf])
        self._first = 0
        self._rows = pa.array([], pa.list_(pa.null()))

    def read(self, entries: Sequence[Entry]) -> Iterator[Opened | Lost]:
        """The contents in order."""
        for entry in entries:
            assert isinstance(entry.at, tuple)
            row, index = entry.at
            try:
                content = self._contents(row)[index].as_buffer()
            except (OSError, pa.ArrowException) as error:
                yield Lost(entry.path, "unreadable", str(error))
                continue
            if content is None:
                yield Lost(entry.path, "absent", "the row has no content")
            else:
                yield Opened(io.BytesIO(content), content.size)

    def _contents(self, row: int) -> pa.Array:
        if row < self._first:
            self._restart()
        while row >= self._first + len(self._rows):
            self._first += len(self._rows)
            self._rows = next(self._batches).column(0)
        return self._rows[row - self._first].values.field("content")

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
