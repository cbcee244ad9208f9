"""A git repository on this disk, read with git's own commands and nothing of its configuration."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

from ...engine.errors import SourceError
from . import SUBMODULE, Broken, Entry, Lost, Opened
from .when import Point

_TREE = "40000"
_EPOCH = datetime(1970, 1, 1)
# git puts no limit on the depth of a tree; a hostile one could be endless.
_DEEPEST = 4096
_PERSON = re.compile(rb"(.*?) ?(-?\d+) [+-]\d+$", re.DOTALL)
# The repository may belong to somebody else; its configuration must not choose what is run.
# So many requests (42 bytes each) fit into a pipe (64 KiB on Linux).
_REQUESTS = 1024
_SETTINGS = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


def isolated() -> dict[str, str]:
    """An environment for reading: no configuration but ours, no prompt, no locks, nothing fetched behind our back."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        # What a partial clone lacks stays missing: git before 2.44 does not know the first, but allowing no protocol
        # stops it too.
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "LC_ALL": "C",
    }


class Ref(NamedTuple):
    """A branch or tag: its full name, what it points to (commit, tag, tree, blob, alias), and that thing's id."""

    name: str
    kind: str
    target: str


class Commit(NamedTuple):
    """What a commit object says. Names and mails as they stand; dates in UTC, None if they are no dates."""

    revision: str
    tree: str
    parents: tuple[str, ...]
    author: str | None
    author_date: datetime | None
    committer: str | None
    committer_date: datetime | None

    @property
    def date(self) -> datetime:
        """The commit's date, the epoch if it has none that is one."""
        return self.committer_date or self.author_date or _EPOCH


class Repository:
    """A repository on this disk, read only."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def is_one(self) -> bool:
        """Whether there is a repository at the path itself, not above it."""
        done = self._try("rev-parse", "--git-dir", "--show-prefix")
        return done is not None and not b"".join(done.splitlines()[1:2])

    def head(self) -> str | None:
        """Where HEAD points: a full name, or None if it is detached."""
        found = self._try("symbolic-ref", "--quiet", "HEAD")
        return _text(found).strip() if found is not None else None

    def refs(self) -> list[Ref]:
        """Every ref with what it points to, and HEAD, as Software Heritage takes a snapshot of them."""
        listing = self._git("for-each-ref", "--format=%(refname)%00%(objecttype)%00%(objectname)%00%(symref)")
        found = []
        for line in listing.split(b"\n"):
            if line:
                name, kind, target, alias = _text(line).split("\0")
                if not name.startswith("refs/codelake/"):
                    found.append(Ref(name, "alias", alias) if alias else Ref(name, kind, target))
        if (head := self.head()) is not None:
            found.append(Ref("HEAD", "alias", head))
        elif (detached := self.commit_of("HEAD")) is not None:
            found.append(Ref("HEAD", "commit", detached))
        return found

    def commit_of(self, name: str) -> str | None:
        """The commit that a name stands for; None if it stands for none."""
        found = self._try("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
        return _text(found).strip() if found else None

    def line(self, revision: str) -> list[Point]:
        """The commits of the main line up to `revision` (first parents only), oldest first."""
        listing = self._git("log", "--first-parent", "--format=%H %ct", revision)
        points = []
        for line in _text(listing).splitlines():
            identifier, _, seconds = line.partition(" ")
            points.append(Point(identifier, _date(seconds) or _EPOCH))
        return points[::-1]

    def commits(self, revisions: Sequence[str]) -> dict[str, Commit | Lost]:
        """What these commits say, or why they cannot be read."""
        found: dict[str, Commit | Lost] = {}
        with closing(Objects(self.path)) as objects:
            for revision, opened in zip(revisions, objects.get(revisions), strict=True):
                data = opened if isinstance(opened, Lost) else _bytes(opened)
                found[revision] = data if isinstance(data, Lost) else parse_commit(revision, data)
        return found

    def listing(self, tree: str) -> tuple[list[Entry], list[Lost]]:
        """Every file of a tree in git's order, and what cannot be listed."""
        done = self._run("ls-tree", "-r", "-z", "--full-tree", tree)
        if done.returncode == 0:
            rows = (item.partition(b"\t") for item in done.stdout.split(b"\0") if item)
            split = ((path, head.decode("ascii").split(" ")) for head, _, path in rows)
            return _entries((path, mode, identifier) for path, (mode, _, identifier) in split)
        return self._listing_of_a_broken(tree)

    def changes(self, before: str, after: str) -> tuple[list[Entry], list[Lost], list[bytes]] | None:
        """(new and changed files, submodules among them, paths gone or changed) between two revisions.

        None if that cannot be told, because one of them is not here whole.
        """
        done = self._run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", before, after)
        if done.returncode:
            return None
        items = done.stdout.split(b"\0")
        rows, gone = [], []
        for head, path in zip(items[0::2], items[1::2], strict=False):
            _, mode, _, identifier, status = _text(head).split(" ")
            gone.append(path)
            if status != "D":
                rows.append((path, mode, identifier))
        return *_entries(rows), gone

    def _listing_of_a_broken(self, root: str) -> tuple[list[Entry], list[Lost]]:
        """Tree by tree, for a repository in which some are missing or corrupt."""
        rows: list[tuple[bytes, str, str]] = []
        lost: list[Lost] = []
        todo = [(b"", root, 0)]
        with closing(Objects(self.path)) as objects:
            while todo:
                prefix, tree, depth = todo.pop()
                for opened in objects.get([tree]):
                    read = opened if isinstance(opened, Lost) else _bytes(opened)
                if isinstance(read, Lost) or depth > _DEEPEST:
                    why = read if isinstance(read, Lost) else Lost(b"", "too-deep", f"{depth} folders")
                    lost.append(Lost(prefix.rstrip(b"/"), why.reason, f"tree {tree}: {why.message}"))
                    continue
                for mode, name, identifier in _tree(read):
                    if mode == _TREE:
                        todo.append((prefix + name + b"/", identifier, depth + 1))
                    else:
                        rows.append((prefix + name, mode, identifier))
        entries, submodules = _entries(sorted(rows))
        return entries, [*lost, *submodules]

    def _git(self, *arguments: str) -> bytes:
        done = self._run(*arguments)
        if done.returncode:
            raise SourceError(f"{self.path}: git {arguments[0]}: {said(done.stderr)}")
        return done.stdout

    def _try(self, *arguments: str) -> bytes | None:
        done = self._run(*arguments)
        return done.stdout if done.returncode == 0 else None

    def _run(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        command = ["git", *_SETTINGS, "--no-replace-objects", "-C", str(self.path), *arguments]
        return subprocess.run(command, capture_output=True, check=False, env=isolated())


@dataclass(frozen=True)
class Blobs:
    """The reader of blobs by their ids: `Entry.blob_id`."""

    path: Path

    def open(self) -> "Objects":
        """A process of git that hands out objects."""
        return Objects(self.path)


class Objects:
    """`git cat-file --batch`: objects by id, in order, one after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: BinaryIO | None = None
        self._told = 0

    def read(self, entries: Sequence[Entry]) -> Iterator[Opened | Lost]:
        """The contents of entries, by their blob_id."""
        for entry, opened in zip(entries, self.get([str(entry.blob_id) for entry in entries]), strict=True):
            if isinstance(opened, Lost):
                yield Lost(entry.path, opened.reason, opened.message)
            else:
                yield opened

    def get(self, identifiers: Sequence[str]) -> Iterator[Opened | Lost]:
        """Objects of any kind. One that is not there is Lost as missing, one that git refuses to read as corrupt."""
        done = 0
        while done < len(identifiers):
            # So many requests fit into a pipe, so that writing them never waits for the answers to be read.
            part = identifiers[done : done + _REQUESTS]
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("".join(f"{identifier}\n" for identifier in part).encode())
            process.stdin.flush()
            for identifier in part:
                header = process.stdout.readline().split()
                done += 1
                if len(header) == 3:
                    size = int(header[2])
                    stream = _Part(process.stdout, size)
                    yield Opened(stream, size)  # type: ignore[arg-type]
                    if stream.finish():
                        continue
                    self._end()
                    break
                if header[1:] == [b"missing"]:
                    # The same answer for what is not there and for a loose object that cannot be read.
                    why = self._heard()
                    yield Lost(b"", "corrupt" if why else "missing", why or f"{identifier} is not in the repository")
                    continue
                # git ends at an object it cannot read; the others are asked of a new process.
                yield self._refused(identifier)
                break

    def close(self) -> None:
        """End the process."""
        self._end()

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            self._told = 0
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
            self._process = subprocess.Popen(
                ["git", *_SETTINGS, "--no-replace-objects", "-C", str(self.path), "cat-file", "--batch"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                bufsize=1 << 20,
                env=isolated(),
            )
        return self._process

    def _heard(self) -> str:
        """What git wrote to standard error since the last time, "" if nothing."""
        assert self._errors is not None
        end = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(self._told)
        data, self._told = self._errors.read(), end
        return said(data) if data else ""

    def _refused(self, identifier: str) -> Lost:
        assert self._process is not None
        self._process.wait()
        why = self._heard() or "git ended"
        self._end()
        return Lost(b"", "missing" if "promisor" in why or "protocol" in why else "corrupt", f"{identifier}: {why}")

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.close()
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()
        if self._errors is not None:
            self._errors.close()
            self._errors = None


class _Part:
    """The next `size` bytes of a stream; raises Broken if it ends before them."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size
        self._short = False

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        if wanted == 0:
            return b""
        data = self._stream.read(wanted)
        self._left -= len(data)
        if len(data) < wanted:
            self._short = True
            raise Broken("corrupt", "git stopped in the middle of it")
        return data

    def finish(self) -> bool:
        """Skip what was not read, and the newline after it; whether all was there."""
        while self._left and not self._short:
            with suppress(Broken):
                self.read(1 << 20)
        return not self._short and self._stream.read(1) == b"\n"


def parse_commit(revision: str, data: bytes) -> Commit:
    """What a commit object says (git's format; malformed dates and names are kept as far as they go)."""
    headers, _, _ = data.partition(b"\n\n")
    fields: dict[bytes, list[bytes]] = {}
    for line in headers.split(b"\n"):
        name, _, value = line.partition(b" ")
        if name:
            fields.setdefault(name, []).append(value)
    encoding = fields.get(b"encoding", [b"utf-8"])[0].decode("ascii", "replace")
    author, author_date = _person(fields.get(b"author", [b""])[0], encoding)
    committer, committer_date = _person(fields.get(b"committer", [b""])[0], encoding)
    return Commit(
        revision,
        _text(fields.get(b"tree", [b""])[0]),
        tuple(_text(parent) for parent in fields.get(b"parent", [])),
        author,
        author_date,
        committer,
        committer_date,
    )


def _person(value: bytes, encoding: str) -> tuple[str | None, datetime | None]:
    match = _PERSON.match(value)
    name, seconds = (match[1], match[2]) if match else (value, b"")
    try:
        text = name.decode(encoding)
    except (LookupError, UnicodeDecodeError):
        text = _text(name)
    return text or None, _date(seconds.decode("ascii"))


def _date(seconds: str) -> datetime | None:
    """Seconds since the epoch as UTC; None for what is no date of these ten thousand years."""
    try:
        return _EPOCH + timedelta(seconds=int(seconds))
    except (ValueError, OverflowError):
        return None


def _bytes(opened: Opened) -> bytes | Lost:
    try:
        return opened.stream.read(opened.size)
    except Broken as error:
        return Lost(b"", error.reason, str(error))


def _tree(data: bytes) -> Iterator[tuple[str, bytes, str]]:
    """(mode, name, id) of each row of a tree object."""
    at = 0
    while at < len(data):
        space = data.index(b" ", at)
        end = data.index(b"\0", space)
        yield data[at:space].decode("ascii"), data[space + 1 : end], data[end + 1 : end + 21].hex()
        at = end + 21


def _entries(rows: Iterable[tuple[bytes, str, str]]) -> tuple[list[Entry], list[Lost]]:
    """Files, and submodules, which are recorded as what they point to; rows: (path, mode, id)."""
    entries, submodules = [], []
    for path, mode, identifier in rows:
        if mode == SUBMODULE:
            submodules.append(Lost(path, "submodule", identifier))
        else:
            entries.append(Entry(path, mode, None, -1, identifier))
    return entries, submodules


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def said(errors: bytes) -> str:
    """The last lines of what git wrote to standard error, as one line."""
    lines = [line.strip() for line in _text(errors).splitlines() if line.strip()]
    return "; ".join(lines[-3:])[:500] or "git gave no reason"
