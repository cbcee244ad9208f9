"""Software Heritage identifiers (https://www.swhid.org, v1.2): those of git's objects, and of snapshots.

git has no snapshots; theirs is worked out in the same manner. Identifiers are 40 hex digits without a prefix; `Swhid`
reads and writes the whole `swh:1:cnt:…`.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from urllib.parse import quote, unquote

TREE_MODE = "40000"
# Object type in a SWHID -> that of git's objects ("snapshot" is Software Heritage's own).
TYPES = {"cnt": "blob", "dir": "tree", "rev": "commit", "rel": "tag", "snp": "snapshot"}
# What a branch of a snapshot may point to, in the words of the specification.
TARGETS = frozenset({"content", "directory", "revision", "release", "snapshot", "alias", "dangling"})
# Qualifiers of the specification, in the order it asks for.
_QUALIFIERS = ("origin", "visit", "anchor", "path", "lines", "bytes")


def content_id(data: bytes) -> str:
    """`swh:1:cnt:` of `data` without its prefix: git's sha1 of the blob, 40 hex digits."""
    hasher = content_hasher(len(data))
    hasher.update(data)
    return hasher.hexdigest()


def content_hasher(length: int) -> "hashlib._Hash":
    """A sha1 that has taken the header of a content of `length` bytes and waits for the content."""
    return hashlib.sha1(b"blob %d\0" % length, usedforsecurity=False)


def directory_id(entries: Iterable[tuple[bytes, str, str]]) -> str:
    """`swh:1:dir:` of a tree without its prefix: git's sha1 of the root tree, 40 hex digits.

    entries: (path with / between names, git mode, 40 hex digits of the content). Directories with nothing in them do
    not count, as in git. Raises ValueError if a path is both a file and a directory.
    """
    root: dict[bytes, object] = {}
    for path, mode, identifier in entries:
        *folders, name = path.split(b"/")
        node = root
        for folder in folders:
            child = node.setdefault(folder, {})
            if not isinstance(child, dict):
                raise ValueError(f"{path!r} lies below a file")  # noqa: TRY004
            node = child
        if name in node:
            raise ValueError(f"{path!r} is there twice")
        node[name] = (mode, identifier)
    return _tree(root).hex()


def _tree(root: dict[bytes, object]) -> bytes:
    # Not by recursion: a path may have more parts than Python has frames.
    digests: dict[int, bytes] = {}
    todo = [(root, False)]
    while todo:
        node, below_done = todo.pop()
        folders = [child for child in node.values() if isinstance(child, dict)]
        if below_done or not folders:
            digests[id(node)] = _node(node, digests)
        else:
            todo.append((node, True))
            todo += [(folder, False) for folder in folders]
    return digests[id(root)]


def _node(node: dict[bytes, object], digests: dict[int, bytes]) -> bytes:
    rows = []
    for name, child in node.items():
        if isinstance(child, dict):
            # git sorts a directory as if its name ended in a slash
            rows.append((name + b"/", TREE_MODE.encode(), name, digests.pop(id(child))))
        else:
            assert isinstance(child, tuple)
            mode, identifier = child
            rows.append((name, mode.encode(), name, bytes.fromhex(identifier)))
    body = b"".join(mode + b" " + name + b"\0" + digest for _, mode, name, digest in sorted(rows))
    return hashlib.sha1(b"tree %d\0" % len(body) + body, usedforsecurity=False).digest()


def object_id(kind: str, body: bytes) -> str:
    """The id of an object of git's `kind` (blob, tree, commit, tag) or a snapshot, from its body without header."""
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(body)) + body, usedforsecurity=False).hexdigest()


def revision_id(revision: "Revision | bytes") -> str:
    """`swh:1:rev:` of a revision, or of the body of git's commit object, without its prefix."""
    return object_id("commit", revision if isinstance(revision, bytes) else revision.manifest())


def release_id(release: "Release | bytes") -> str:
    """`swh:1:rel:` of a release, or of the body of git's tag object, without its prefix."""
    return object_id("tag", release if isinstance(release, bytes) else release.manifest())


def snapshot_id(branches: Iterable[tuple[bytes, str, bytes | str]]) -> str:
    """`swh:1:snp:` of all branches, without its prefix.

    branches: (name, one of TARGETS, 40 hex digits of the target; the name of a branch for an alias; nothing for a
    dangling one). Raises ValueError for another type of target or a name that is there twice.
    """
    rows = []
    for name, kind, target in branches:
        if kind not in TARGETS:
            raise ValueError(f"a branch points to one of {', '.join(sorted(TARGETS))}, not {kind}")
        if kind == "dangling":
            digest = b""
        elif kind == "alias":
            digest = target if isinstance(target, bytes) else target.encode()
        else:
            digest = bytes.fromhex(target if isinstance(target, str) else target.decode("ascii"))
        rows.append((name, kind.encode(), digest))
    rows.sort()
    if any(one[0] == two[0] for one, two in pairwise(rows)):
        raise ValueError("a snapshot has each branch once")
    return object_id("snapshot", b"".join(b"%s %s\0%d:%s" % (k, n, len(d), d) for n, k, d in rows))


@dataclass(frozen=True)
class Moment:
    """A date as git writes it: seconds since 1970, microseconds (of other systems), and the offset from UTC.

    offset: the bytes of the zone, for example b"+0200"; b"-0000" is another date than b"+0000", and odd ones
    (b"+051800") are kept.
    """

    seconds: int
    offset: bytes = b"+0000"
    microseconds: int = 0

    def manifest(self) -> bytes:
        """The date as it stands in a commit."""
        fraction = b".%06d" % self.microseconds if self.microseconds else b""
        return b"%d%s %s" % (self.seconds, fraction.rstrip(b"0"), self.offset)


@dataclass(frozen=True, kw_only=True)
class Revision:
    """The fields of a revision that make its id. Persons are `name <mail>` in bytes; None if there is no such line.

    headers: further lines in order (encoding, mergetag, gpgsig, …), values without the indent of their later lines.
    message: None if the object ends with its headers, b"" if an empty line follows them. raw_manifest: the body as it
    was found, where these fields do not give it (Software Heritage keeps it for malformed objects).
    """

    directory: str
    parents: Sequence[str] = ()
    author: bytes | None = None
    date: Moment | None = None
    committer: bytes | None = None
    committer_date: Moment | None = None
    headers: Sequence[tuple[bytes, bytes]] = ()
    message: bytes | None = None
    raw_manifest: bytes | None = None

    def manifest(self) -> bytes:
        """The body of git's commit object."""
        if self.raw_manifest is not None:
            return self.raw_manifest
        lines = [(b"tree", self.directory.encode()), *((b"parent", parent.encode()) for parent in self.parents)]
        if self.author is not None:
            lines.append((b"author", _signed(self.author, self.date)))
        if self.committer is not None:
            lines.append((b"committer", _signed(self.committer, self.committer_date)))
        return _manifest([*lines, *self.headers], self.message)


@dataclass(frozen=True, kw_only=True)
class Release:
    """The fields of a release that make its id; target_type is one of TYPES' keys. See Revision for the others."""

    name: bytes
    target: str
    target_type: str = "rev"
    author: bytes | None = None
    date: Moment | None = None
    message: bytes | None = None
    raw_manifest: bytes | None = None

    def manifest(self) -> bytes:
        """The body of git's tag object."""
        if self.raw_manifest is not None:
            return self.raw_manifest
        # git has no snapshots; Software Heritage writes "refs" for one.
        kind = "refs" if self.target_type == "snp" else TYPES[self.target_type]
        lines = [(b"object", self.target.encode()), (b"type", kind.encode()), (b"tag", self.name)]
        if self.author is not None:
            lines.append((b"tagger", _signed(self.author, self.date)))
        return _manifest(lines, self.message)


def _signed(person: bytes, date: Moment | None) -> bytes:
    return person if date is None else person + b" " + date.manifest()


def _manifest(lines: Iterable[tuple[bytes, bytes]], message: bytes | None) -> bytes:
    # A line that goes on is indented by a space, in names too.
    body = b"".join(b"%s %s\n" % (key, value.replace(b"\n", b"\n ")) for key, value in lines)
    return body if message is None else body + b"\n" + message


@dataclass(frozen=True)
class Swhid:
    """One identifier, `swh:1:TYPE:HEX` with qualifiers. kind: a key of TYPES. qualifiers: values as they are meant."""

    kind: str
    hex: str
    qualifiers: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.kind not in TYPES:
            raise ValueError(f"swh:1:{self.kind}: there is no such type; the types are {', '.join(TYPES)}")
        if not re.fullmatch(r"[0-9a-f]{40}", self.hex):
            raise ValueError(f"swh:1:{self.kind}:{self.hex}: the hash must be 40 hex digits in lower case")
        for name in self.qualifiers:
            if name not in _QUALIFIERS:
                raise ValueError(f"{name}: no qualifier of a SWHID; they are {', '.join(_QUALIFIERS)}")

    def __str__(self) -> str:
        """As it is written, qualifiers in the order of the specification."""
        named = [name for name in _QUALIFIERS if name in self.qualifiers]
        # What may stand in a URL stays readable; ; and % would be read as something else.
        values = (f";{name}={quote(self.qualifiers[name], safe=_IN_VALUES)}" for name in named)
        return f"swh:1:{self.kind}:{self.hex}{''.join(values)}"

    @property
    def core(self) -> "Swhid":
        """The identifier alone."""
        return Swhid(self.kind, self.hex)

    @classmethod
    def parse(cls, text: str) -> "Swhid":
        """Read `swh:1:TYPE:HEX;name=value…`. Raises ValueError in words."""
        core, *more = text.split(";")
        parts = core.split(":")
        if len(parts) != 4 or parts[0] != "swh":
            raise ValueError(f"{text}: not a SWHID; one looks like swh:1:cnt: and 40 hex digits")
        if parts[1] != "1":
            raise ValueError(f"{text}: version {parts[1]} of SWHIDs is not known, only 1")
        qualifiers: dict[str, str] = {}
        for item in more:
            name, equals, value = item.partition("=")
            if not equals or name in qualifiers:
                raise ValueError(f"{text}: {item!r} is no qualifier, or is there twice; one looks like path=/src")
            qualifiers[name] = unquote(value)
        return cls(parts[2], parts[3], qualifiers)


_IN_VALUES = "/:?#[]@!$&'()*+,="
