"""`svn:PATH`, `svn+https://HOST/PATH`, each with @REV or not, and `svn:FILE.dump` (also .gz): Subversion.

A dump file is read without any program. Of a repository, here or remote, Subversion's own `svn` tells the revisions and
`svnrdump` prints the ones asked for. Where the place has the usual layout, its trunk is visited, and tags and branches
by name; otherwise all of it.
"""

import gzip
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree

from ...engine.errors import SourceError
from ..swhid import content_id, directory_id
from . import EXECUTABLE, FILE, SYMLINK, Entry, Failure, Lost, Request, Visit, local_path, origin
from .programs import Parts, Program, ProgramError, SilentError, Spool, at_revision, find, in_turn, read_text
from .svndump import Dump, File, Folder, OlderError, parse_svn_date, read_dump
from .when import NOW, Point, Stop, stops

_INSTALL = "install Subversion with `apt-get install subversion`"
_DUMP = b"SVN-fs-dump-format-version: "
_GZIP = b"\x1f\x8b"
_LINK = b"link "
# A link's target is a path; more than this is a file that says it is a link.
_LINK_BYTES = 4096 + len(_LINK)
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Place(Point):
    """A folder of a revision: where it is from the root of the repository, and what it is there: trunk, a tag, …"""

    path: str = ""
    branch: str | None = None
    author: str | None = None


@dataclass(frozen=True)
class _Tree:
    """The files of one visit. lost: those not to be had, and externals."""

    revision: str
    entries: dict[bytes, Entry]
    lost: tuple[Lost, ...]

    def files(self) -> dict[bytes, tuple[str, str]]:
        return {path: (entry.mode, str(entry.blob_id)) for path, entry in self.entries.items()}


def visits(request: Request) -> Iterator[Visit | Failure]:
    """The visits of one repository, oldest first. Raises SourceError if it, or Subversion for it, is not there."""
    rest = request.rest
    if rest.startswith("//"):
        rest = f"svn:{rest}"
    elif rest.startswith("ssh://"):
        rest = f"svn+{rest}"
    place, revision = at_revision(rest)
    parts = urlsplit(place)
    if parts.scheme and parts.netloc:
        return _live(request, _programs(request), place.rstrip("/"), revision)
    path = local_path(unquote(parts.path) if parts.scheme == "file" else place).absolute()
    if path.is_file():
        return _dumped(request, path.resolve(), revision)
    if (path / ".svn").is_dir():
        raise SourceError(f"{request.source}: {path} is a working copy; name the URL that `svn info` shows")
    if not any((folder / "format").is_file() for folder in (path, *path.parents)):
        what = "no Subversion repository or dump" if path.exists() else "not there"
        raise SourceError(f"{request.source}: {path} is {what}")
    return _live(request, _programs(request), path.resolve().as_uri(), revision)


def _programs(request: Request) -> tuple[Program, Program]:
    kept = {**os.environ, "LC_ALL": "C", "SVN_SSH": os.environ.get("SVN_SSH", "ssh -oBatchMode=yes")}
    client = find(request.source, "svn", "CODELAKE_SVN", _INSTALL)
    dumper = find(request.source, "svnrdump", "CODELAKE_SVNRDUMP", _INSTALL)
    return Program((client,), kept, request), Program((dumper,), kept, request)


def _dumped(request: Request, path: Path, asked: str | None) -> Iterator[Visit | Failure]:
    """The visits of a dump file."""
    spool = Spool(request.scratch)
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_DUMP))
            stream.seek(0)
            if head.startswith(_GZIP):
                with gzip.open(stream) as unpacked:
                    dump = read_dump(cast(BinaryIO, unpacked), spool)
            else:
                dump = read_dump(stream, spool, path)
    except (OSError, EOFError, zlib.error) as error:
        spool.release()
        yield Failure(request.source, str(error) or "it is cut off", "corrupt")
        return
    if dump.error is not None:
        yield Failure(request.source, str(dump.error), "corrupt")
    name = path.name.removesuffix(".gz").removesuffix(".dump").removesuffix(".svndump") or path.name
    visit = partial(Visit, repo_name=name, repo_url=path.as_uri(), source=request.source, vcs="svn")
    if not any(revision.root.children for revision in dump.revisions.values()):
        spool.release()
        if dump.error is None:
            yield visit(entries=(), visit_date=request.started)
        return
    planned, failures = _planned(request, _Dumped(dump), asked)
    yield from failures
    yield from _visits(request, visit, planned, dump, spool)


def _live(
    request: Request, programs: tuple[Program, Program], url: str, asked: str | None
) -> Iterator[Visit | Failure]:
    """The visits of a repository, here or remote."""
    client, dumper = programs
    where = origin(url)
    known = request.last(where.url)
    try:
        repository = _Live(client, url)
        visit = partial(
            Visit, repo_name=where.name, repo_url=where.url, host=where.host, owner=where.owner, source=request.source,
            vcs="svn",
        )  # fmt: skip
        if repository.head == 0:
            yield visit(entries=(), visit_date=request.started)
            return
        planned, failures = _planned(request, repository, asked)
        yield from failures
        if not planned:
            return
        numbers = [int(stop.point.revision) for stop in planned]
        before = int(known.revision_id) if known is not None and known.revision_id.isdigit() else None
        lowest = [*([before] if before is not None and before <= numbers[0] else []), min(numbers), 0]
        # One folder for all visits is dumped alone; several share what they have in common.
        folders = {cast(Place, stop.point).path for stop in planned}
        folder = folders.pop() if len(folders) == 1 else repository.base
    except SourceError as error:
        reason = "timeout" if isinstance(error, SilentError) else "unreachable"
        yield Failure(request.source, f"{where.url}: {error}", reason)
        return
    for first in dict.fromkeys(lowest):
        spool = Spool(request.scratch)
        # svnrdump knows no peg revisions: an @ is part of the name.
        arguments = ("-q", "--non-interactive", f"-r{first}:{max(numbers)}", repository.url(folder))
        try:
            with dumper.run("dump", *arguments) as stream:
                dump = read_dump(stream, spool)
        except SourceError as error:
            spool.release()
            # E160005 and E160013: the folder is younger than what the lake has.
            if first < min(numbers) and ("E160005" in str(error) or "E160013" in str(error)):
                continue
            yield Failure(request.source, str(error), "timeout" if isinstance(error, SilentError) else "unreachable")
            return
        # What was copied from before the first revision asked for needs all of them.
        if first == 0 or not isinstance(dump.error, OlderError):
            break
        spool.release()
    if dump.error is not None:
        yield Failure(request.source, str(dump.error), "corrupt")
    yield from _visits(request, visit, planned, dump, spool)


def _planned(request: Request, repository: "_Live | _Dumped", asked: str | None) -> tuple[list[Stop], list[Failure]]:
    """The visits asked for, and what could not be answered."""
    head = repository.named(asked) if asked is not None else repository.present()
    if head is None:
        return [], [Failure(request.source, f"there is no tag, branch or revision {asked}", "absent")]
    if request.when == NOW:
        return [Stop(request.started, head)], []
    planned, problems = stops(
        request.when,
        line=lambda: repository.line(head),
        named=repository.named,
        tags=repository.tags,
        now=request.started,
    )
    return planned, [Failure(request.source, problem, "absent") for problem in problems]


def _visits(
    request: Request, made: "partial[Visit]", planned: Sequence[Stop], dump: Dump, spool: Spool
) -> Iterator[Visit | Failure]:
    """The visits of a dump that was read; the last one lets go of its contents."""
    spool.flush()
    before = _known(request, made.keywords["repo_url"], planned[0], dump) if planned else None
    left = len(planned)

    def visit(stop: Stop, before: _Tree | None) -> tuple[Visit, _Tree]:
        nonlocal left
        left -= 1
        return _visit(made, stop, before, dump, spool.release if not left else None)

    if not planned:
        spool.release()
    yield from in_turn(planned, before, visit, partial(Failure, request.source))


def _visit(
    made: Callable[..., Visit], stop: Stop, before: _Tree | None, dump: Dump, release: Callable[[], None] | None
) -> tuple[Visit, _Tree]:
    place = cast(Place, stop.point)
    tree = _tree(dump, place)
    if tree is None:
        raise SourceError("it is not in the dump")
    base = before if before is not None else _Tree("", {}, ())
    old, new = base.files(), tree.files()
    revision = dump.revisions[int(place.revision)]
    gone = {path for path in old if path not in new} | {item.path for item in (*base.lost, *tree.lost)}
    whole = all(item.reason == "submodule" for item in tree.lost)
    visit = made(
        visit_date=stop.visit_date,
        entries=[tree.entries[path] for path in sorted(new) if old.get(path) != new[path]],
        lost=tree.lost,
        reader=Parts(),
        base=base.revision or None,
        removed=sorted(gone) if base.revision else (),
        branch_name=place.branch,
        revision_id=place.revision,
        directory_id=directory_id((path, *found) for path, found in new.items()) if whole else None,
        revision_date=revision.date,
        author=revision.author,
        committer_date=revision.date,
        parents=[str(revision.number - 1)] if revision.number > 1 else [],
    )
    return replace(visit, release=release) if release is not None else visit, tree


def _known(request: Request, url: str, stop: Stop, dump: Dump) -> _Tree | None:
    """What the lake has of this repository, if the dump has the very same files at that revision."""
    known = request.last(url)
    if known is None or not known.revision_id.isdigit() or int(known.revision_id) not in dump.revisions:
        return None
    tree = _tree(dump, replace(cast(Place, stop.point), revision=known.revision_id))
    return tree if tree is not None and tree.files() == known.tree() else None


def _tree(dump: Dump, place: Place) -> _Tree | None:
    """The files below a folder of a revision; None if it is not there."""
    revision = dump.revisions.get(int(place.revision))
    top = revision.root.find(place.path.encode()) if revision is not None else None
    if not isinstance(top, Folder):
        return None
    entries: dict[bytes, Entry] = {}
    lost: list[Lost] = []
    todo = [(b"", top)]
    while todo:
        prefix, folder = todo.pop()
        lost += _externals(prefix, folder.externals)
        for name, child in folder.children.items():
            path = prefix + name
            if isinstance(child, Folder):
                todo.append((path + b"/", child))
            elif isinstance(child.text, str):
                lost.append(Lost(path, "wrong-checksum", child.text))
            else:
                entries[path] = _entry(path, child)
    return _Tree(place.revision, entries, tuple(sorted(lost, key=lambda item: item.path)))


def _entry(path: bytes, file: File) -> Entry:
    text = file.text
    assert not isinstance(text, str)
    if file.special and text.size <= _LINK_BYTES and (data := read_text(text)).startswith(_LINK):
        target = data[len(_LINK) :]
        return Entry(path, SYMLINK, target, len(target), content_id(target))
    return Entry(path, EXECUTABLE if file.executable else FILE, text, text.size, text.blob_id)


def _externals(prefix: bytes, value: bytes) -> Iterator[Lost]:
    """What svn:externals of a folder names: `URL NAME` with -rN, or as before Subversion 1.5 `NAME URL`."""
    for line in value.splitlines():
        words = line.split()
        if len(words) < 2 or words[0].startswith(b"#"):
            continue
        name = words[0] if b"://" in words[-1] and b"://" not in words[0] else words[-1]
        words.remove(name)
        said = b" ".join(words).decode("utf-8", "backslashreplace")
        yield Lost(prefix + name.strip(b'"/'), "submodule", said)


class _Dumped:
    """The points of a dump's history. A revision counts for a folder if it changed something in it."""

    def __init__(self, dump: Dump) -> None:
        self._dump = dump
        self._head = list(dump.revisions.values())[-1]

    def present(self) -> Place | None:
        """The trunk, or all."""
        trunk = isinstance(self._head.root.find(b"trunk"), Folder)
        return self._place("trunk" if trunk else "", "trunk" if trunk else None)

    def named(self, name: str) -> Place | None:
        """A revision by number, a tag, a branch or the trunk."""
        if name.isdigit():
            there = self.present()
            return self._place(there.path, there.branch, int(name)) if there is not None else None
        if name == "trunk":
            return self._place("trunk", "trunk")
        return self._place(f"tags/{name}", f"tags/{name}", label=name) or self._place(
            f"branches/{name}", f"branches/{name}", label=name
        )

    def tags(self) -> Iterator[Place]:
        """Every folder in tags/."""
        tags = self._head.root.find(b"tags")
        for name, child in tags.children.items() if isinstance(tags, Folder) else ():
            text = name.decode("utf-8", "surrogateescape")
            if isinstance(child, Folder) and (place := self.named(text)) is not None:
                yield place

    def line(self, head: Place) -> list[Place]:
        """The revisions that changed the folder, oldest first."""
        found: list[Place] = []
        before: object = None
        for revision in self._dump.revisions.values():
            there = revision.root.find(head.path.encode())
            if revision.number > int(head.revision):
                break
            if there is not before and there is not None and (head.path or revision.root.children):
                date = revision.date or (found[-1].date if found else _EPOCH)
                found.append(replace(head, revision=str(revision.number), date=date))
            before = there
        return found

    def _place(
        self, path: str, branch: str | None, number: int | None = None, label: str | None = None
    ) -> Place | None:
        if number is not None and number > self._head.number:
            return None
        last = Place(str(self._head.number if number is None else number), _EPOCH, label, path, branch)
        line = self.line(last)
        revision = self._dump.at(int(last.revision))
        there = revision.root.find(path.encode()) if revision is not None else None
        return line[-1] if line and isinstance(there, Folder) else None


class _Live:
    """The points of a repository's history, as `svn` tells them. Raises ProgramError if it cannot be reached."""

    def __init__(self, client: Program, url: str) -> None:
        self._client = client
        entry = self._info(f"{url}@HEAD")
        self._root = _said(entry, "repository/root")
        self.head = int(entry.get("revision", "0"))
        self.base = unquote(_said(entry, "relative-url").removeprefix("^").strip("/"))
        self._trunk = self.head > 0 and self._at("trunk", "trunk") is not None

    def url(self, path: str) -> str:
        """Where a folder of the repository is."""
        return f"{self._root}/{quote(path, safe='/')}".rstrip("/")

    def present(self) -> Place | None:
        """The trunk, or all."""
        return self._at("trunk", "trunk") if self._trunk else self._at("", None)

    def named(self, name: str) -> Place | None:
        """A revision by number, a tag, a branch or the trunk."""
        if name.isdigit():
            return self._at("trunk", "trunk", name) if self._trunk else self._at("", None, name)
        if name == "trunk":
            return self._at("trunk", "trunk")
        return self._at(f"tags/{name}", f"tags/{name}", label=name) or self._at(
            f"branches/{name}", f"branches/{name}", label=name
        )

    def tags(self) -> Iterator[Place]:
        """Every folder in tags/."""
        if self._at("tags", None) is None:
            return
        listing = self._xml("list", f"{self.url(self._below('tags'))}@{self.head}")
        for entry in listing.iter("entry"):
            if entry.get("kind") == "dir":
                name = _said(entry, "name")
                yield _place(entry, self._below(f"tags/{name}"), f"tags/{name}", name)

    def line(self, head: Place) -> list[Place]:
        """The revisions that changed the folder since it is where it is, oldest first."""
        address = f"{self.url(head.path)}@{head.revision}"
        log = self._xml("log", "-q", "--stop-on-copy", f"-r1:{head.revision}", address)
        found: list[Place] = []
        for entry in log.iter("logentry"):
            date = parse_svn_date(_said(entry, "date")) or (found[-1].date if found else _EPOCH)
            found.append(replace(head, revision=entry.get("revision", ""), date=date))
        return found

    def _below(self, path: str) -> str:
        return f"{self.base}/{path}".strip("/")

    def _at(self, path: str, branch: str | None, number: str | None = None, label: str | None = None) -> Place | None:
        whole = self._below(path)
        try:
            entry = self._info(f"{self.url(whole)}@{self.head if number is None else number}")
        except ProgramError as error:
            # E170000 and E160013: no such path, E160006: no such revision (svn_error_codes.h).
            if any(code in str(error) for code in ("W170000", "E160013", "E160006", "W160006", "E200009")):
                return None
            raise
        return _place(entry, whole, branch, label) if entry.get("kind") == "dir" else None

    def _info(self, address: str) -> ElementTree.Element:
        entry = self._xml("info", address).find("entry")
        if entry is None:
            raise ProgramError(f"svn says nothing of {address}")
        return entry

    def _xml(self, *arguments: str) -> ElementTree.Element:
        try:
            return ElementTree.fromstring(self._client.text(arguments[0], "--xml", "--non-interactive", *arguments[1:]))
        except ElementTree.ParseError as error:
            raise ProgramError(f"what svn said of {arguments[-1]} is no XML: {error}") from None


def _said(entry: ElementTree.Element, path: str) -> str:
    return entry.findtext(path) or ""


def _place(entry: ElementTree.Element, path: str, branch: str | None, label: str | None) -> Place:
    commit = entry.find("commit")
    revision = commit.get("revision", "0") if commit is not None else "0"
    return Place(revision, parse_svn_date(_said(entry, "commit/date")) or _EPOCH, label, path, branch)
