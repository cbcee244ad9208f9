"""What is worked out of some files of one visit where they are read: their rows of `files` and `blobs`.

Reading goes in two steps, so that several processes store each content once: `read` tells which contents there are,
the caller answers which of them are first seen here, `finish` makes their rows and writes those of `blobs`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import pyarrow as pa

from ..engine.parquet import PartitionedWriter
from ..engine.tables import filesystem
from . import linguist
from .blobs import Content, Described, describe, is_binary, read_content
from .notebooks import NotebookError, documents
from .sources import FILE, SYMLINK, Broken, Contents, Entry, Lost, Opened, Reader
from .swhid import content_id

# Linguist's name, which the structured text of a notebook keeps.
NOTEBOOK = "Jupyter Notebook"
# The first line of a Git LFS pointer and the most bytes of one (git-lfs docs/spec.md).
_LFS, _LFS_BYTES = b"version https://git-lfs.github.com/spec/v1\n", 1024

OCCURRENCE_COLUMNS = (
    "path", "blob_id", "mode", "length_bytes", "language", "language_type", "language_group", "extension", "is_vendor",
    "is_generated", "is_documentation", "is_test", "detector", "derived_from",
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """Some files of one visit, read by one worker. number: tasks are numbered in order from 0."""

    number: int
    reader: Reader
    entries: Sequence[Entry]
    repo_name: str
    visit_date: datetime


@dataclass(frozen=True)
class Drop:
    """One row of `drops`, without what it shares with its visit."""

    path: str
    blob_id: str | None
    reason: str
    value: str | None = None
    threshold: str | None = None


@dataclass(frozen=True)
class Result:
    """What a task gave. rows: OCCURRENCE_COLUMNS. ids: of each entry, None for a lost one."""

    rows: pa.Table
    ids: list[str | None]
    drops: list[Drop]
    size: int
    new_blobs: int
    new_bytes: int


@dataclass(frozen=True, slots=True)
class _Item:
    """One file that was read, or a text made from one: then with the blob_id of that, and its language."""

    entry: Entry
    content: Content | Lost
    derived_from: str | None = None
    language: str | None = None


class Worker:
    """Reads tasks one at a time and writes the contents that are new as Parquet below `root`."""

    def __init__(self, root: str, blobs: pa.Schema, files: pa.Schema, max_bytes: int) -> None:
        self.root = root
        self.blobs = blobs
        self.files = pa.schema([files.field(name) for name in OCCURRENCE_COLUMNS])
        self.max_bytes = max_bytes
        self._writer: PartitionedWriter | None = None
        self._reader: tuple[Reader, Contents] | None = None
        self._task: Task | None = None
        self._read: list[_Item] = []

    def read(self, task: Task) -> list[str | None]:
        """Read the contents of a task; the ids of them and of texts made from them, None for what could not be read."""
        self._task, self._read = task, []
        try:
            contents = self._contents(task.reader)
        except OSError as error:
            message = error.strerror or str(error)
            self._read = [_Item(entry, Lost(entry.path, "unreadable", message)) for entry in task.entries]
            return [None] * len(task.entries)
        for entry, found in zip(task.entries, contents.read(task.entries), strict=True):
            content = found if isinstance(found, Lost) else self._content(entry, found)
            self._read.append(_Item(entry, content))
            if entry.path.endswith(b".ipynb") and isinstance(content, Content) and content.whole:
                self._read += _notebook(entry, content)
        return [None if isinstance(item.content, Lost) else item.content.blob_id for item in self._read]

    def finish(self, first: Sequence[bool]) -> Result:
        """The rows of the task that was read. first: which contents have no row in `blobs` yet."""
        task = self._task
        assert task is not None
        rows: list[tuple[object, ...]] = []
        drops: list[Drop] = []
        blobs: dict[str | None, list[tuple[Described, str]]] = defaultdict(list)
        ids: list[str | None] = []
        size = new_bytes = 0
        for item, new in zip(self._read, first, strict=True):
            path, content = as_text(item.entry.path), item.content
            if isinstance(content, Lost):
                blob_id = item.derived_from
                drops.append(Drop(path, blob_id, content.reason, content.message, content.threshold))
                if blob_id is None:
                    ids.append(None)
                continue
            if item.derived_from is None:
                ids.append(content.blob_id)
                size += content.length
                language, drop = self._judge(item.entry, path, content)
                if drop is not None:
                    drops.append(drop)
            else:
                language = item.language
            rows.append(_occurrence(item.entry.mode, path, content, language, item.derived_from))
            if new:
                new_bytes += content.length
                blobs[language].append((describe(content), path))
        for language, described in blobs.items():
            self._write(task, language, described)
        self._task, self._read = None, []
        table = _table(dict(zip(OCCURRENCE_COLUMNS, zip(*rows, strict=True), strict=True)) if rows else {}, self.files)
        return Result(table, ids, drops, size, sum(map(len, blobs.values())), new_bytes)

    def _write(self, task: Task, language: str | None, blobs: list[tuple[Described, str]]) -> None:
        """Write rows of one language: of one partition, so that they need not be sorted out again."""
        if self._writer is None:
            self._writer = PartitionedWriter(self.blobs, self.root, [("language", "language")], filesystem(self.root))
        described, paths = zip(*blobs, strict=True)
        columns: dict[str, Sequence[object]] = {
            **dict(zip(Described._fields, zip(*described, strict=True), strict=True)),
            "language": [language] * len(blobs),
            "repo_name": [task.repo_name] * len(blobs),
            "path": paths,
            "first_seen": [task.visit_date] * len(blobs),
        }
        self._writer.write(_table(columns, self.blobs))

    def written(self) -> list[str]:
        """Finish the files of `blobs` written since the last call, and name them."""
        writer, self._writer = self._writer, None
        return writer.close() if writer is not None else []

    def abort(self) -> None:
        """Remove the files of `blobs` written since the last call of `written`."""
        self._task, self._read = None, []
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.abort()

    def close(self) -> None:
        """Let go of the reader."""
        if self._reader is not None:
            self._reader[1].close()
            self._reader = None

    def _contents(self, reader: Reader) -> Contents:
        """The reader, opened; the one of the task before if it is the same."""
        if self._reader is None or self._reader[0] != reader:
            self.close()
            self._reader = (reader, reader.open())
        return self._reader[1]

    def _content(self, entry: Entry, opened: Opened) -> Content | Lost:
        try:
            return read_content(opened.stream, opened.size, self.max_bytes, entry.blob_id)
        except Broken as error:
            return Lost(entry.path, error.reason, str(error))
        except OSError as error:
            return Lost(entry.path, "unreadable", error.strerror or str(error))

    def _judge(self, entry: Entry, path: str, content: Content) -> tuple[str | None, Drop | None]:
        """The language, None for what is no text of its own, and why the content is not kept, if so."""
        binary = is_binary(content.data)
        if not content.whole:
            limit = str(self.max_bytes)
            language = None if binary else linguist.detect(path, content.data)
            return language, Drop(path, content.blob_id, "too-large", str(content.length), limit)
        if entry.mode == SYMLINK:
            return None, None
        if binary:
            return None, Drop(path, content.blob_id, "binary")
        if content.length < _LFS_BYTES and content.data.startswith(_LFS):
            return None, Drop(path, content.blob_id, "lfs-pointer", _lfs_object(content.data))
        return linguist.detect(path, content.data), None


def _notebook(entry: Entry, content: Content) -> list[_Item]:
    """The two texts of a notebook, below its path: its code as a script, and text and code without outputs."""
    try:
        made = documents(content.data)
    except NotebookError as error:
        return [_Item(entry, Lost(entry.path, "not-a-notebook", str(error)), content.blob_id)]
    texts = ((f"script{made.extension}", made.script, made.language), ("structured.txt", made.structured, NOTEBOOK))
    items = []
    for name, text, language in texts:
        data = text.encode()
        derived = Entry(entry.path + b"/" + name.encode(), FILE, data, len(data))
        items.append(_Item(derived, Content(content_id(data), len(data), data, whole=True), content.blob_id, language))
    return items


def _occurrence(
    mode: str, path: str, content: Content, language: str | None, derived_from: str | None
) -> tuple[object, ...]:
    extension, is_vendor, is_documentation, is_test = _of_path(path)
    return (
        path,
        content.blob_id,
        mode,
        content.length,
        language,
        linguist.language_type(language) if language else None,
        linguist.language_group(language) if language else None,
        extension,
        is_vendor,
        linguist.is_generated(path, content.data),
        is_documentation,
        is_test,
        linguist.detector(),
        derived_from,
    )


def _table(columns: Mapping[str, Sequence[object]], schema: pa.Schema) -> pa.Table:
    return pa.table([pa.array(columns.get(f.name, ()), type=f.type) for f in schema], schema=schema)


@lru_cache(maxsize=1 << 16)
def _of_path(path: str) -> tuple[str, bool, bool, bool]:
    """What follows from a path alone; the visits of a history have most paths in common."""
    return linguist.extension(path), linguist.is_vendor(path), linguist.is_documentation(path), linguist.is_test(path)


def _lfs_object(data: bytes) -> str:
    """`sha256:… SIZE` of what a pointer points to, as far as it says."""
    fields = dict(line.split(b" ", 1) for line in data.splitlines() if b" " in line)
    return b" ".join((fields.get(b"oid", b"?"), fields.get(b"size", b"?"))).decode("utf-8", "backslashreplace")


def as_text(path: bytes) -> str:
    """A path as text: UTF-8 where it is that, `\\xNN` for other bytes."""
    return path.decode("utf-8", "backslashreplace")
