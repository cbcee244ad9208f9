"""Where code comes from: each source is one function that yields visits.

A source is named `scheme:rest`; a plain path means `folder:`. Adding a source is one module with a function
`visits(request) -> Iterator[Visit | Failure]` and a line in SCHEMES.
"""

import importlib
import io
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from ...engine.errors import SourceError, nearest
from .when import NOW, When

FILE, EXECUTABLE, SYMLINK, SUBMODULE = "100644", "100755", "120000", "160000"

# scheme -> module of this folder and its function.
SCHEMES = {
    "folder": ("folder", "visits"),
    "git": ("git", "visits"),
    "hg": ("hg", "visits"),
    "svn": ("svn", "visits"),
    "archive": ("archive", "visits"),
    "pypi": ("packages", "pypi"),
    "npm": ("packages", "npm"),
    "deb-src": ("packages", "debian"),
    "pyenv": ("pyenv", "visits"),
    "pystdlib": ("pyenv", "standard_library"),
    "swh": ("swh", "visits"),
    "stack": ("stack", "visits"),
    "gharchive": ("gharchive", "visits"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a visit.

    path: bytes as the source has them, / between names. mode: git's. at: where the visit's reader finds the content;
    bytes are the content itself (the target of a symbolic link). size: bytes, as far as the source knows, -1 if it does
    not. blob_id: git's sha1 of the content, where the source knows it and vouches for it.
    """

    path: bytes
    mode: str
    at: object
    size: int
    blob_id: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """A file that is not kept: its path, why in one word, and what was found (a row of `drops`)."""

    path: bytes
    reason: str
    message: str
    threshold: str | None = None


class Broken(OSError):
    """A content that turns out bad while it is read: why in one word, and what was found."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Opened(NamedTuple):
    """One content ready to be read: its bytes, to be read before the next is asked for, and how many they are."""

    stream: BinaryIO
    size: int


class Contents(Protocol):
    """An open reader: hands out contents in the order asked for."""

    def read(self, entries: Sequence[Entry]) -> Iterator[Opened | Lost]:
        """One item an entry, in order. A content that cannot be had is Lost, and the next goes on."""

    def close(self) -> None:
        """Let go of processes, connections and files."""


class Reader(Protocol):
    """How the contents of a visit are reached: a frozen dataclass of names, pickled and opened in another process."""

    def open(self) -> Contents:
        """Start reading; may be slow, may raise OSError."""


@dataclass(frozen=True)
class Files:
    """The reader of files on disk: `Entry.at` is a path (or bytes)."""

    def open(self) -> "Files":
        """Itself: nothing is held."""
        return self

    def read(self, entries: Sequence[Entry]) -> Iterator[Opened | Lost]:
        """Each file opened in turn."""
        for entry in entries:
            if isinstance(entry.at, bytes):
                yield Opened(io.BytesIO(entry.at), len(entry.at))
                continue
            assert isinstance(entry.at, Path)
            try:
                with entry.at.open("rb", buffering=0) as stream:
                    yield Opened(stream, entry.size)
            except OSError as error:
                yield Lost(entry.path, "unreadable", error.strerror or str(error))

    def close(self) -> None:
        """Nothing is held."""


def nothing() -> None:
    """What a visit without temporary files releases."""


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One visit of one repository, as its source saw it. Most fields are those of the `repos` table.

    entries: every file of the visit; or, if `base` is the revision of an earlier visit of the same origin, those that
    are new or changed since, and `removed` the paths that are gone. directory_id: None to have it worked out from
    the entries (only possible without a base). of: how many visits the source will yield, this one included.
    followed: the next visit has this one as its base. release: called when the visit has been read, or never will be.
    """

    repo_name: str
    repo_url: str
    source: str
    vcs: str
    entries: Sequence[Entry]
    lost: Sequence[Lost] = ()
    reader: Reader = field(default_factory=Files)
    base: str | None = None
    removed: Sequence[bytes] = ()
    of: int = 1
    followed: bool = False
    release: Callable[[], None] = nothing
    visit_date: datetime = field(default_factory=lambda: datetime.now(UTC).replace(tzinfo=None))
    host: str | None = None
    owner: str | None = None
    fork_of: str | None = None
    stars: int | None = None
    forks: int | None = None
    branch_name: str | None = None
    snapshot_id: str | None = None
    revision_id: str | None = None
    release_id: str | None = None
    directory_id: str | None = None
    revision_date: datetime | None = None
    author: str | None = None
    committer: str | None = None
    committer_date: datetime | None = None
    parents: Sequence[str] | None = None
    declared_license: str | None = None


@dataclass(frozen=True)
class Failure:
    """A visit that could not be made, and why, in a sentence and in one word; the rest of the source goes on."""

    name: str
    message: str
    reason: str = "failed"


class Known(Protocol):
    """The last whole visit of an origin in the lake."""

    @property
    def revision_id(self) -> str:
        """Its revision: what `Visit.base` may name."""

    @property
    def visit_date(self) -> datetime:
        """Its date."""

    def tree(self) -> dict[bytes, tuple[str, str]] | None:
        """path -> (mode, blob_id) of its files; None where paths cannot be told exactly."""

    def dropped(self) -> list[bytes]:
        """The paths of what was dropped, kept in `files` or not."""


def never(repo_url: str) -> Known | None:
    """An origin the lake has not seen."""
    return None


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a source is asked: `source` as the user wrote it, `rest` of it after the scheme, and the points in time.

    started: the date of visits of the present. last: what the lake holds of an origin, by repo_url. scratch: a folder
    for temporary files, removed after the run. cache: a folder for what is worth keeping between runs. timeout:
    seconds a remote side may say nothing. cancelled: set when nobody waits for the visits any more.
    """

    source: str
    rest: str
    when: When = NOW
    started: datetime = field(default_factory=lambda: datetime.now(UTC).replace(tzinfo=None))
    last: Callable[[str], Known | None] = never
    scratch: Path = Path("/nonexistent")
    cache: Path = Path("/nonexistent")
    timeout: float = 60.0
    cancelled: threading.Event = field(default_factory=threading.Event)

    def without_history(self, what: str) -> None:
        """Raises SourceError if points in time were asked of `what`, which has none."""
        if self.when != NOW:
            raise SourceError(f"{self.source}: {what} has no history; leave out --at, --every and --all-tags")


def visits(request: Request) -> Iterator[Visit | Failure]:
    """The visits of a source, in a stable order. Raises SourceError for an unknown scheme or an absent source."""
    scheme, rest = split(request.source)
    module, function = SCHEMES[scheme]
    found = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    asked = {f: getattr(request, f) for f in request.__dataclass_fields__} | {"rest": rest}
    result: Iterator[Visit | Failure] = found(Request(**asked))
    return result


def split(source: str) -> tuple[str, str]:
    """(scheme, rest) of a source; a path alone is a folder.

    `git+https://…` has scheme git and keeps `https://…`. Raises SourceError for an unknown scheme.
    """
    # One letter before the colon is a drive, not a scheme; a plus belongs to one only before another (git+https:).
    match = re.match(r"([A-Za-z][A-Za-z0-9-]+)(?:\+(?=[A-Za-z][A-Za-z0-9+.-]*:)|:)", source)
    if match is None:
        return "folder", source
    scheme = match[1].lower()
    if scheme not in SCHEMES:
        close = nearest(scheme, list(SCHEMES)) or list(SCHEMES)
        raise SourceError(
            f"{source}: there is no source {scheme}:; nearest: {', '.join(f'{s}:' for s in close)} "
            "(a folder whose name holds a colon is written folder:NAME)"
        )
    return scheme, source[match.end() :]


def without_login(text: str, source: str = "") -> str:
    """A text with `user:password@` taken out of the URLs in it, and that of `source` wherever it is."""
    for login in re.findall(r"://([^/@\s]+@)", source):
        text = text.replace(login, "")
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)


def local_path(text: str) -> Path:
    """The path a user wrote, with `~` and `~name` for the homes that there are."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


class Origin(NamedTuple):
    """What a repository's URL says of it."""

    url: str
    host: str | None
    owner: str | None
    name: str


def origin(url: str) -> Origin:
    """The origin a URL names: without user, password, query, fragment, trailing slash and `.git`.

    repo_name is owner/name where the path has several parts, and the last part otherwise.
    """
    parts = urlsplit(url)
    # The store inside a worktree (/.git) is the repository around it.
    place = parts.path.rstrip("/").removesuffix("/.git")
    path = unquote(place)
    names = [part for part in path.split("/") if part]
    last = names[-1].removesuffix(".git") if names else (parts.hostname or "root")
    host = parts.hostname
    if parts.scheme == "file" or not host:
        return Origin(f"file://{place}", None, None, last or "root")
    port = f":{parts.port}" if parts.port else ""
    owner = "/".join(names[:-1]) or None
    return Origin(
        f"{parts.scheme}://{host}{port}{place.removesuffix('.git')}",
        host,
        owner,
        f"{owner}/{last}" if owner else last,
    )
