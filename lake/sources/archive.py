"""`archive:FILE-or-URL`: a tar (plain or in gzip, bzip2, xz or zstd), a crate, a zip, a wheel or a jar; one visit.

The format is told by the content, never by the name. Nothing is extracted: a tar is unpacked once into one file of its
own, into which the entries point; members of a zip are read where they lie. What a hostile archive would do to a disk
is lost by name:

| reason | the member |
|---|---|
| absolute-name, path-traversal | its name begins with / or a drive; has .. |
| invalid-name, name-too-long | its name is empty or has a NUL; is beyond 4,096 bytes |
| link-outside, missing-target | a symbolic link that leads out of the tree; a hard link to nothing that came before |
| special-file, sparse-file | a device or fifo; a file with holes |
| encrypted, unsupported | it needs a password; its compression is not known here |
| duplicate-name | a later member has the same name, and would replace it |
| name-conflict | another member lies below it as if it were a folder |
| corrupt, truncated, bomb | damaged; cut off; beyond the limits below. Without a path: all members after that |

A hard link is a copy of what it links to. The one folder that everything lies in (name-version/) is left out of the
paths, so that the directory's id is git's of the tree it was made of; so are the stores of version control.
"""

import hashlib
import io
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ...engine.errors import SourceError
from . import (
    EXECUTABLE,
    FILE,
    SYMLINK,
    Entry,
    Failure,
    Lost,
    Opened,
    Reader,
    Request,
    Visit,
    fetch,
    local_path,
    origin,
    tar,
    zips,
)
from .folder import VCS_FOLDERS
from .members import DIRECTORY, HARDLINK, LOST, Fault, Member
from .members import FILE as CONTENT

# gzip cannot do better than 1,032:1 and source code packs about 4:1 to 10:1, so past this much content a ratio of
# RATIO is a bomb. Below FREE_BYTES nobody is harmed.
RATIO, FREE_BYTES = 200, 64 << 20
# What may be unpacked of one archive: a larger one fills an ordinary disk.
MOST_BYTES = 32 << 30
# About 500 bytes of memory a member, and the names themselves.
MOST_MEMBERS, MOST_NAME_BYTES = 2_000_000, 256 << 20
# PATH_MAX of Linux: a longer name could not have been a file there.
LONGEST_NAME = 4096
_IN_MEMORY = 1 << 20
_SUFFIX = re.compile(r"\.(tar(\.(gz|bz2|xz|zst|Z))?|tgz|tbz2?|txz|tzst|zip|whl|jar|crate)$", re.IGNORECASE)


def visits(request: Request) -> Iterator[Visit | Failure]:
    """One visit of the archive; its revision is the SHA-256 of the file. Raises SourceError if there is no file.

    What could be read of a damaged archive is the visit, and a row of `drops` without a path says what is wrong; an
    archive of which nothing can be read is a Failure.
    """
    request.without_history("an archive")
    if is_url(request.rest):
        try:
            url = origin(request.rest).url
        except ValueError as error:
            raise SourceError(f"{request.source}: this is no address: {error}") from error
        return _visit(without_secrets(request), lambda: fetch.file(request.rest, request), url)
    path = local(request)
    return _visit(request, lambda: path, path.as_uri())


def is_url(text: str) -> bool:
    """Whether this is the address of something to download."""
    return re.match(r"https?://", text, re.IGNORECASE) is not None


def without_secrets(request: Request) -> Request:
    """The request with an address in its source that shows no password: the source is written into the lake."""
    return replace(request, source=request.source.removesuffix(request.rest) + fetch.shown(request.rest))


def local(request: Request) -> Path:
    """The file that the source names. Raises SourceError if there is none."""
    rest = request.rest
    if rest.startswith("file://"):
        rest = unquote(urlsplit(rest).path)
    path = local_path(rest).absolute()
    try:
        if not path.is_file():
            what = "a folder; name an archive in it" if path.is_dir() else "no file that is there"
            raise SourceError(f"{request.source}: {path} is {what}")
        path.open("rb").close()
    except (OSError, ValueError) as error:
        raise SourceError(f"{request.source}: {path} cannot be read: {error}") from error
    return path.resolve()


def _visit(request: Request, get: Callable[[], Path], url: str) -> Iterator[Visit | Failure]:
    try:
        path = get()
        tree = opened(path, request.scratch)
    except fetch.Unusable as error:
        yield Failure(request.source, str(error), error.reason)
        return
    except Fault as fault:
        yield Failure(request.source, f"{request.source}: {fault}", fault.reason)
        return
    where = origin(url)
    name = where.name.rsplit("/", 1)[-1]
    yield Visit(
        repo_name=_SUFFIX.sub("", name) or name,
        repo_url=where.url,
        source=request.source,
        vcs="archive",
        visit_date=request.started,
        host=where.host,
        revision_id=sha256(path),
        entries=tree.entries,
        lost=tree.lost,
        reader=tree.reader,
        release=tree.release,
    )


def sha256(path: Path) -> str:
    """The SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Spans:
    """The reader of parts of files: `Entry.at` is (which file, offset, size), or bytes."""

    paths: tuple[Path, ...]

    def open(self) -> "_Spans":
        """Open the files. Raises OSError."""
        return _Spans([path.open("rb") for path in self.paths])


class _Spans:
    def __init__(self, files: Sequence[io.BufferedReader]) -> None:
        self.files = files

    def read(self, entries: Sequence[Entry]) -> Iterator[Opened | Lost]:
        """Each part in turn."""
        for entry in entries:
            if isinstance(entry.at, bytes):
                yield Opened(io.BytesIO(entry.at), len(entry.at))
                continue
            assert isinstance(entry.at, tuple)
            number, offset, size = entry.at
            file = self.files[number].fileno()
            if size <= _IN_MEMORY:
                yield Opened(io.BytesIO(os.pread(file, size, offset)), size)
            else:
                yield Opened(io.BufferedReader(_Part(file, offset, size)), size)

    def close(self) -> None:
        """Close the files."""
        for file in self.files:
            file.close()


class _Part(io.RawIOBase):
    """`size` bytes of an open file from `offset`, as a file."""

    def __init__(self, file: int, offset: int, size: int) -> None:
        self.file, self.offset, self.left = file, offset, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        data = os.pread(self.file, min(len(buffer), self.left), self.offset)
        buffer[: len(data)] = data
        self.offset += len(data)
        self.left -= len(data)
        return len(data)


@dataclass(frozen=True)
class Tree:
    """What an archive holds. temporary: files that are no longer needed when it has been read."""

    entries: Sequence[Entry]
    lost: Sequence[Lost]
    reader: Reader
    temporary: tuple[Path, ...] = ()

    def release(self) -> None:
        """Remove the temporary files."""
        for path in self.temporary:
            path.unlink(missing_ok=True)

    def content(self, path: bytes, most: int = 1 << 20) -> bytes | None:
        """The first `most` bytes of one file of it; None if it has no such file or it cannot be read."""
        found = [entry for entry in self.entries if entry.path == path and entry.mode != SYMLINK]
        if not found:
            return None
        contents = self.reader.open()
        try:
            for item in contents.read(found):
                return None if isinstance(item, Lost) else item.stream.read(min(most, item.size))
        finally:
            contents.close()
        return None


def opened(path: Path, scratch: Path, *, strip: bool = True) -> Tree:
    """What the archive at `path` holds; one in `scratch` is removed when it is no longer needed.

    strip: leave the one folder that everything lies in out of the paths. Raises Fault if nothing of it can be read,
    OSError if the disk fails.
    """
    with path.open("rb") as stream:
        head = stream.read(tar.BLOCK)
    if not head:
        raise Fault("empty", f"{path.name} is empty")
    own = (path,) if path.parent == scratch else ()
    if head.startswith(zips.MAGIC):
        found, fault = zips.members(path)
        found, fault = _bounded(found, path.stat().st_size, fault)
        return _checked(path.name, found, fault, zips.Zip(path, scratch), own, strip=strip)
    if tar.is_tar(head):
        found, fault = _tar_members(path, None)
        return _checked(path.name, found, fault, Spans((path,)), own, strip=strip)
    if not head.startswith(tuple(tar.MAGIC.values())):
        raise Fault("unknown-format", f"{path.name} is no tar, gzip, bzip2, xz, zstd or zip file")
    spool, fault = unpack(path, scratch)
    try:
        return _opened_tar(path.name, spool, fault, (spool, *own), strip=strip)
    except BaseException:
        spool.unlink()
        raise


def _opened_tar(name: str, spool: Path, fault: Fault | None, temporary: tuple[Path, ...], *, strip: bool) -> Tree:
    """What the unpacked file holds, if it is a tar. fault: what ended the unpacking early."""
    with spool.open("rb") as stream:
        head = stream.read(tar.BLOCK)
    if tar.is_tar(head):
        found, fault = _tar_members(spool, fault, ends=True)
        return _checked(name, found, fault, Spans((spool,)), temporary, strip=strip)
    if fault is not None and len(head) < tar.BLOCK:
        raise Fault(fault.reason, f"{name}: {fault.message}")
    raise Fault("unknown-format", f"{name} is compressed, but what it holds is no tar file")


def unpack(path: Path, scratch: Path) -> tuple[Path, Fault | None]:
    """A new file in `scratch` with what a compressed file holds, and why not all of it.

    Raises OSError if it cannot be written, and leaves no file behind.
    """
    most = min(MOST_BYTES, max(FREE_BYTES, RATIO * path.stat().st_size))
    handle, name = tempfile.mkstemp(prefix="unpacked-", dir=scratch)
    try:
        with open(handle, "wb") as spool:  # noqa: PTH123 - it is a descriptor
            try:
                for piece in tar.decoded(path):
                    if spool.tell() + len(piece) > most:
                        spool.write(piece[: most - spool.tell()])
                        return Path(name), _bomb(f"{path.stat().st_size} bytes unpack to more than {most}")
                    spool.write(piece)
            except Fault as fault:
                return Path(name), fault
        return Path(name), None
    except BaseException:
        Path(name).unlink()
        raise


def _bomb(what: str) -> Fault:
    return Fault("bomb", f"{what}; the rest was not read")


def _tar_members(path: Path, fault: Fault | None, *, ends: bool = False) -> tuple[list[Member], Fault | None]:
    """The members, and what is wrong: what ended the unpacking says more than what it led to."""
    found: list[Member] = []
    names = 0
    try:
        with path.open("rb") as stream:
            for member in tar.members(stream, ends=ends and fault is None):
                names += len(member.name) + len(member.target)
                if len(found) == MOST_MEMBERS or names > MOST_NAME_BYTES:
                    raise _bomb(f"more than {MOST_MEMBERS} members or {MOST_NAME_BYTES} bytes of names")
                if member.kind == CONTENT:
                    member = replace(member, at=(0, member.at, member.size))
                found.append(member)
    except Fault as ended:
        return found, fault or ended
    return found, fault


def _bounded(found: list[Member], length: int, fault: Fault | None) -> tuple[list[Member], Fault | None]:
    """The members of a zip up to the limits; its directory states their sizes, which reading holds them to."""
    most = min(MOST_BYTES, max(FREE_BYTES, RATIO * length))
    total = names = 0
    for number, member in enumerate(found):
        total += member.size
        names += len(member.name)
        if total > most:
            return found[:number], _bomb(f"{length} bytes unpack to more than {most}")
        if number == MOST_MEMBERS or names > MOST_NAME_BYTES:
            return found[:number], _bomb(f"more than {MOST_MEMBERS} members or {MOST_NAME_BYTES} bytes of names")
    return found, fault


def _checked(
    name: str, found: Sequence[Member], fault: Fault | None, reader: Reader, temporary: tuple[Path, ...], *, strip: bool
) -> Tree:
    """The members that are files of a tree. Raises `fault` if there are none."""
    entries, lost = tree(found, strip=strip)
    if fault is not None:
        if not entries:
            raise Fault(fault.reason, f"{name}: {fault.message}")
        lost.append(Lost(b"", fault.reason, f"{name}: {fault.message}"))
    return Tree(entries, lost, reader, temporary)


def tree(found: Iterable[Member], *, strip: bool) -> tuple[list[Entry], list[Lost]]:
    """The files that extracting `found` in order would leave, in order of path; and those left out, with the reason.

    strip: leave the one folder that everything lies in out of the paths.
    """
    lost: list[Lost] = []
    kept: dict[bytes, Member] = {}
    for member in found:
        try:
            path = _path(member.name)
            if path is None or (member.kind == DIRECTORY):
                continue
            member = _content(member, kept)
        except Fault as fault:
            lost.append(Lost(member.name[:LONGEST_NAME], fault.reason, fault.message))
            continue
        if path in kept:
            lost.append(Lost(path, "duplicate-name", "a later member of the archive has the same name"))
            del kept[path]
        kept[path] = member
    top = _top(kept) if strip else b""
    entries = []
    # A slash at the end puts a file right before what lies below it.
    paths = sorted(kept, key=lambda path: path + b"/")
    for path, following in pairwise([*paths, b""]):
        member, below = kept[path], path[len(top) :]
        if following.startswith(path + b"/"):
            lost.append(Lost(below, "name-conflict", "another member lies below it as if it were a folder"))
        elif member.kind == CONTENT:
            entries.append(Entry(below, EXECUTABLE if member.executable else FILE, member.at, member.size))
        elif _leads_out(below, member.target):
            lost.append(Lost(below, "link-outside", f"it points to {member.target[:200].decode('utf-8', 'replace')}"))
        else:
            entries.append(Entry(below, SYMLINK, member.target, len(member.target)))
    entries.sort(key=lambda entry: entry.path)
    lost.sort(key=lambda item: item.path)
    return entries, lost


def _path(name: bytes) -> bytes | None:
    """The name with / between its parts; None for the root and what lies in a version-control store. Raises Fault."""
    if len(name) > LONGEST_NAME:
        raise Fault("name-too-long", f"a name of {len(name)} bytes; the limit is {LONGEST_NAME}")
    if name.startswith(b"/") or re.match(rb"[A-Za-z]:/", name):
        raise Fault("absolute-name", "the name begins at the root of a disk")
    parts = [part for part in name.split(b"/") if part not in {b"", b"."}]
    if b".." in parts:
        raise Fault("path-traversal", "the name leads out of a folder")
    if not name or b"\0" in name:
        raise Fault("invalid-name", "the name is empty or has a NUL")
    folders = parts if name.endswith(b"/") else parts[:-1]
    if not parts or not VCS_FOLDERS.isdisjoint(folders):
        return None
    return b"/".join(parts)


def _content(member: Member, kept: dict[bytes, Member]) -> Member:
    """The member, a hard link as a copy of what it links to. Raises Fault for a lost one."""
    if member.kind == LOST:
        assert isinstance(member.at, tuple)
        raise Fault(*member.at)
    if member.kind != HARDLINK:
        return member
    path = _path(member.target)
    if path is None or path not in kept:
        target = member.target[:200].decode("utf-8", "replace")
        raise Fault("missing-target", f"it is a hard link to {target}, which is not in the archive before it")
    return replace(kept[path], name=member.name)


def _top(kept: Iterable[bytes]) -> bytes:
    """The one folder all paths lie in, with its slash; nothing if there is none."""
    tops = {path.split(b"/", 1)[0] if b"/" in path else b"" for path in kept}
    top = tops.pop() if len(tops) == 1 else b""
    return top + b"/" if top else b""


def _leads_out(path: bytes, target: bytes) -> bool:
    """Whether a symbolic link at `path` points out of the tree."""
    if target.startswith(b"/") or not target or b"\0" in target:
        return True
    depth = path.count(b"/")
    for part in target.split(b"/"):
        depth += -1 if part == b".." else part not in {b"", b"."}
        if depth < 0:
            return True
    return False
