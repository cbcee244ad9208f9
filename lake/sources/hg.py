"""`hg:PATH`, `hg+https://HOST/PATH`, each with @REV or not: a Mercurial repository now or at points in time.

Mercurial is under the GPL, so it is only ever a process of its own: the program CODELAKE_HG names, or `hg` on PATH. Of
each visit it prints the manifest and the contents that changed; a remote repository is cloned once and then pulled.
"""

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from ...engine.errors import SourceError
from ..swhid import directory_id
from . import EXECUTABLE, FILE, SYMLINK, Entry, Failure, Lost, Origin, Request, Visit, local_path, origin
from .programs import Parts, Program, ProgramError, SilentError, Spool, Text, at_revision, find, in_turn
from .when import NOW, Point, Stop, stops

_INSTALL = "install Mercurial with `pip install mercurial` or `apt-get install mercurial`"
_NULL = "0" * 40
# `hg help manifest`: the type of a file in the manifest.
_MODES = {b"": FILE, b"*": EXECUTABLE, b"@": SYMLINK}
_POINT = "{node}\\0{date|hgdate}\\0"
_REVISION = "{node}\\0{date|hgdate}\\0{author}\\0{branch}\\0{p1.node}\\0{p2.node}\\0"

# path -> (type, id of the file's revision), as the manifest has them.
Manifest = dict[bytes, tuple[bytes, bytes]]


class _Revision(NamedTuple):
    node: str
    date: datetime
    author: str
    branch: str
    parents: list[str]


@dataclass(frozen=True)
class _Seen:
    """A revision whose files are known. ids: path -> (mode, blob_id), less what could not be read."""

    node: str
    manifest: Manifest
    submodules: Sequence[Lost]
    ids: dict[bytes, tuple[str, str]]


def visits(request: Request) -> Iterator[Visit | Failure]:
    """The visits of one repository, oldest first. Raises SourceError if hg or a local repository is not there."""
    place, revision = at_revision(request.rest)
    hg = Program((find(request.source, "hg", "CODELAKE_HG", _INSTALL),), _surroundings(), request)
    parts = urlsplit(place)
    if parts.scheme not in {"", "file"} and parts.netloc:
        return _remote(request, hg, place, revision)
    path = local_path(unquote(parts.path) if parts.scheme == "file" else place).absolute()
    if not path.exists():
        raise SourceError(f"{request.source}: there is no {path}")
    if path.is_dir() and not (path / ".hg").is_dir():
        raise SourceError(f"{request.source}: {path} is no Mercurial repository; name the folder that holds .hg")
    path = path.resolve()
    return _visits(request, replace(hg, command=(*hg.command, "-R", str(path))), origin(path.as_uri()), revision)


def _surroundings() -> dict[str, str]:
    """The environment for repositories nobody vouches for: neither the user's nor the repository's settings are read
    (they name programs to run: hooks, extensions, aliases)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HG")}
    return kept | {
        "HGRCPATH": "", "HGRCSKIPREPO": "1", "HGPLAIN": "1", "HGPLAINEXCEPT": "progress", "HGENCODING": "UTF-8",
        "HGENCODINGMODE": "replace",
    }  # fmt: skip


def _remote(request: Request, hg: Program, url: str, revision: str | None) -> Iterator[Visit | Failure]:
    where = origin(url)
    mirror = request.cache / "hg" / hashlib.sha256(url.encode()).hexdigest()
    try:
        _mirror(hg, url, mirror)
    except SourceError as error:
        yield Failure(
            request.source, f"{where.url}: {error}", "timeout" if isinstance(error, SilentError) else "unreachable"
        )
        return
    yield from _visits(request, replace(hg, command=(*hg.command, "-R", str(mirror))), where, revision)


def _mirror(hg: Program, url: str, mirror: Path) -> None:
    """Clone or pull. A clone that is cut off leaves nothing; after a pull that was, the mirror is recovered."""
    # A bar of progress that goes on is what tells a slow server from a silent one.
    talk = (
        "-y",
        "--config",
        "progress.assume-tty=1",
        "--config",
        "progress.delay=0",
        "--config",
        "ui.ssh=ssh -oBatchMode=yes",
    )
    if mirror.exists():
        pull = ("-R", str(mirror), *talk, "pull", "--", url)
        try:
            hg.text(*pull)
        except ProgramError:
            if not (mirror / ".hg" / "store" / "journal").exists():
                raise
            hg.text("-R", str(mirror), "recover")
            hg.text(*pull)
        return
    mirror.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=mirror.parent, prefix="clone-"))
    try:
        hg.text(*talk, "clone", "--noupdate", "--pull", "--", url, str(unfinished / "clone"))
        # Another process may have been faster; its clone is as good.
        if not mirror.exists():
            (unfinished / "clone").rename(mirror)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _visits(request: Request, hg: Program, where: Origin, asked: str | None) -> Iterator[Visit | Failure]:
    failure = partial(Failure, request.source)
    visit = partial(
        Visit, repo_name=where.name, repo_url=where.url, host=where.host, owner=where.owner, source=request.source,
        vcs="hg",
    )  # fmt: skip
    try:
        head = _head(hg, asked)
        if head is None:
            if asked is None:
                # A repository without a revision is there all the same.
                yield visit(entries=(), visit_date=request.started)
            else:
                yield failure(f"there is no tag, branch or revision {asked}", "absent")
            return
        if request.when == NOW:
            planned, problems = [Stop(request.started, head)], list[str]()
        else:
            planned, problems = stops(
                request.when,
                line=lambda: _line(hg, head),
                named=partial(_named, hg),
                tags=lambda: _tags(hg),
                now=request.started,
            )
    except SourceError as error:
        yield failure(str(error), "corrupt")
        return
    yield from (failure(problem, "absent") for problem in problems)
    before = _known(request, hg, where.url) if planned else None
    yield from in_turn(planned, before, partial(_visit, request, hg, visit), failure)


def _visit(
    request: Request, hg: Program, made: Callable[..., Visit], stop: Stop, before: _Seen | None
) -> tuple[Visit, _Seen]:
    """The visit of one revision, as a difference from the one before if there is one."""
    revision = _revision(hg, stop.point.revision)
    manifest = _manifest(hg, revision.node)
    base = before if before is not None else _Seen("", {}, (), {})
    changed = sorted(path for path, found in manifest.items() if base.manifest.get(path) != found)
    spool = Spool(request.scratch)
    try:
        texts, lost = _contents(hg, revision.node, changed, spool, whole=not base.manifest)
        submodules = _submodules(hg, revision.node, manifest)
    except BaseException:
        spool.release()
        raise
    entries = [
        Entry(path, _MODES[manifest[path][0]], text, text.size, text.blob_id)
        for path, text in sorted(texts.items())
    ]  # fmt: skip
    gone = [path for path in base.manifest if path not in manifest]
    # What is lost again is told again: its row of the visit before goes with its path.
    gone += [item.path for item in (*base.submodules, *lost)]
    ids = {path: found for path, found in base.ids.items() if path in manifest and path not in changed}
    ids |= {entry.path: (entry.mode, str(entry.blob_id)) for entry in entries}
    visit = made(
        visit_date=stop.visit_date,
        entries=entries,
        lost=(*lost, *submodules),
        reader=Parts(),
        release=spool.release,
        base=base.node or None,
        removed=sorted(gone) if base.node else (),
        branch_name=revision.branch,
        revision_id=revision.node,
        directory_id=_directory(ids) if len(ids) == len(manifest) else None,
        revision_date=revision.date,
        author=revision.author,
        committer_date=revision.date,
        parents=revision.parents,
    )
    return visit, _Seen(revision.node, manifest, submodules, ids)


def _directory(ids: dict[bytes, tuple[str, str]]) -> str:
    return directory_id((path, mode, blob_id) for path, (mode, blob_id) in ids.items())


def _known(request: Request, hg: Program, url: str) -> _Seen | None:
    """What the lake has of this repository, if the repository still has that revision and its paths are exact."""
    known = request.last(url)
    ids = known.tree() if known is not None else None
    if known is None or ids is None:
        return None
    try:
        manifest = _manifest(hg, known.revision_id)
        # The lake may hold the same revision id of another kind of source; only the same tree can be built on.
        modes = {path: _MODES[kind] for path, (kind, _) in manifest.items()}
        if modes != {path: mode for path, (mode, _) in ids.items()}:
            return None
        return _Seen(known.revision_id, manifest, _submodules(hg, known.revision_id, manifest), ids)
    except ProgramError:
        # The revision is gone: stripped, or never there.
        return None


def _quoted(name: str) -> str:
    """A name as a revset: never an expression."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _fields(hg: Program, revset: str, template: str) -> list[str]:
    return hg.text("log", "-r", revset, "-T", template).decode("utf-8", "replace").split("\0")[:-1]


def _points(fields: Sequence[str]) -> list[Point]:
    return [Point(node, _date(date)) for node, date in zip(fields[::2], fields[1::2], strict=True)]


def _date(text: str) -> datetime:
    """`seconds offset` as UTC without a zone; a moment no calendar has is the nearest one."""
    try:
        return datetime(1970, 1, 1) + timedelta(seconds=int(text.split(maxsplit=1)[0]))
    except OverflowError:
        return datetime.max if not text.startswith("-") else datetime.min


def _head(hg: Program, asked: str | None) -> Point | None:
    """The revision asked for, or the tip of the default branch (of any, if there is no such branch)."""
    if asked is not None:
        return _named(hg, asked)
    [head] = _points(_fields(hg, 'first(present("default") + tip)', _POINT))
    return None if head.revision == _NULL else head


def _named(hg: Program, name: str) -> Point | None:
    """The revision a tag, bookmark, branch, hash or number stands for."""
    if name.strip("0") == "" or name == "null":
        return None
    try:
        found = _points(_fields(hg, _quoted(name), _POINT))
    except ProgramError as error:
        # Two revisions begin with it, or none does: only the words tell that from a repository that is broken.
        if "unknown revision" in str(error) or "ambiguous identifier" in str(error):
            return None
        raise
    return found[0] if found else None


def _line(hg: Program, head: Point) -> list[Point]:
    """The first parents of a revision, oldest first, itself included."""
    return _points(_fields(hg, f"sort(_firstancestors({head.revision}))", _POINT))


def _tags(hg: Program) -> Iterable[Point]:
    fields = _fields(hg, "tag()", "{node}\\0{date|hgdate}\\0{join(tags, '\\1')}\\0")
    for node, date, names in zip(fields[::3], fields[1::3], fields[2::3], strict=True):
        for name in names.split("\1"):
            if name != "tip":
                yield Point(node, _date(date), name)


def _revision(hg: Program, node: str) -> _Revision:
    node, date, author, branch, *parents = _fields(hg, node, _REVISION)
    return _Revision(node, _date(date), author, branch, [parent for parent in parents if parent != _NULL])


def _manifest(hg: Program, node: str) -> Manifest:
    fields = hg.text("manifest", "-r", node, "-T", "{path}\\0{type}\\0{hash}\\0").split(b"\0")
    return {path: (kind, file) for path, kind, file in zip(fields[:-1:3], fields[1::3], fields[2::3], strict=True)}


def _contents(
    hg: Program, node: str, paths: Sequence[bytes], spool: Spool, *, whole: bool
) -> tuple[dict[bytes, Text], list[Lost]]:
    """The contents of `paths` of a revision, put into the spool. whole: they are all of its files.

    hg stops at a file it cannot read, and the one before it is not printed either: after that files are asked for one
    by one until the one at fault is found; it is lost, and those that follow are asked for together again.
    """
    texts: dict[bytes, Text] = {}
    lost: list[Lost] = []
    names = Path(f"{spool.path}.names")
    left = list(paths)
    alone = False
    while left:
        pattern = "path:."
        if not whole or lost or alone:
            names.write_bytes(b"".join(b"path:" + path + b"\0" for path in (left[:1] if alone else left)))
            pattern = f"listfile0:{names}"
        fault = "hg did not print it"
        try:
            with hg.run("cat", "-r", node, "-T", "{path}\\0{count(data)}\\0{data}", pattern) as stream:
                for path, size in _headers(stream):
                    texts[path] = spool.add(stream, size)
        except ProgramError as error:
            fault = str(error)
        except (EOFError, ValueError) as error:
            raise SourceError(f"what hg printed ends too early: {error}") from None
        finally:
            names.unlink(missing_ok=True)
        first, left = left[0], [path for path in left if path not in texts]
        if alone and left and left[0] == first:
            lost.append(Lost(left.pop(0), "unreadable", fault))
            alone = False
        else:
            alone = True
    spool.flush()
    return texts, lost


def _headers(stream: io.BufferedReader) -> Iterator[tuple[bytes, int]]:
    """The path and size of each content; the content itself is to be taken from the stream before the next."""
    while path := _until_nul(stream):
        yield path, int(_until_nul(stream))


def _until_nul(stream: io.BufferedReader) -> bytes:
    """What comes before the next NUL; nothing at the end. Raises EOFError if the end comes first."""
    found = b""
    while ahead := stream.peek():
        end = ahead.find(b"\0")
        found += stream.read(len(ahead) if end < 0 else end + 1)
        if end >= 0:
            return found[:-1]
    if found:
        raise EOFError(f"after {found[:40]!r}")
    return b""


def _submodules(hg: Program, node: str, manifest: Manifest) -> list[Lost]:
    """The subrepositories of a revision: their URL and revision, none of their files (`hg help subrepos`)."""
    if b".hgsubstate" not in manifest:
        return []
    urls: dict[bytes, bytes] = {}
    if b".hgsub" in manifest:
        for line in hg.text("cat", "-r", node, "path:.hgsub").splitlines():
            path, equals, url = line.partition(b"=")
            if equals and not line.startswith((b"#", b";")):
                urls[path.strip()] = url.strip()
    found = []
    for line in hg.text("cat", "-r", node, "path:.hgsubstate").splitlines():
        revision, space, path = line.strip().partition(b" ")
        if space:
            value = b" ".join((urls.get(path, b"?"), revision)).decode("utf-8", "backslashreplace")
            found.append(Lost(path, "submodule", value))
    return found
