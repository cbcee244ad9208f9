"""The dump format of Subversion, versions 1 to 3 with or without deltas, read into a tree for every revision.

Formats: notes/dump-load-format.txt and notes/svndiff of Subversion. Trees share what they have in common, so a copy of
a folder costs nothing; contents stay in the dump file or go to a spool, so that memory holds names only.
"""

import hashlib
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from ...engine.errors import SourceError
from ..swhid import content_hasher
from .programs import Spool, Text, read_text

_CHUNK = 1 << 20
_LINE_BYTES = 1 << 16
# Names and properties are held in memory.
_PROPERTY_BYTES = 64 << 20
# Subversion's own limits of a window (SVN_DELTA_WINDOW_SIZE in svn_delta.h; three numbers an instruction in svndiff.c).
_WINDOW_BYTES = 102400
_INSTRUCTION_BYTES = 25 * _WINDOW_BYTES


class DumpError(SourceError):
    """A dump that breaks its format. The revisions before are good."""


class OlderError(DumpError):
    """A dump of some revisions only, that copies from an earlier one."""


class DeltaError(Exception):
    """A delta of one content that cannot be applied."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a revision. text: its content, or why it is not to be had."""

    text: Text | str
    executable: bool = False
    special: bool = False


@dataclass(slots=True)
class Folder:
    """A folder of a revision, changed only while that revision is read. externals: its svn:externals."""

    children: "dict[bytes, Folder | File]" = field(default_factory=dict)
    externals: bytes = b""

    def find(self, path: bytes) -> "Folder | File | None":
        """What is there; None if nothing is."""
        found: Folder | File | None = self
        for name in path.split(b"/") if path else ():
            found = found.children.get(name) if isinstance(found, Folder) else None
        return found


@dataclass(frozen=True)
class Revision:
    """One revision: its number, its date in UTC (None if it has none that is one), its author, its whole tree."""

    number: int
    date: datetime | None
    author: str | None
    root: Folder


Properties = dict[bytes, bytes | None]
Headers = dict[bytes, bytes]


@dataclass
class Dump:
    """The revisions of a dump, by number, in order. error: what ended it before its end."""

    revisions: dict[int, Revision] = field(default_factory=dict)
    error: DumpError | None = None

    def at(self, number: int) -> Revision | None:
        """A revision; where the dump leaves it out, the one before it. None before the first."""
        if number in self.revisions:
            return self.revisions[number]
        earlier = [known for known in self.revisions if known < number]
        return self.revisions[earlier[-1]] if earlier else None


class _InPlace:
    """Takes the contents of a dump file as parts of that file."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def add(self, stream: BinaryIO, size: int, *others: "hashlib._Hash") -> Text:
        hasher = content_hasher(size)
        offset, left = stream.tell(), size
        while left:
            chunk = stream.read(min(left, _CHUNK))
            if not chunk:
                raise EOFError
            for each in (hasher, *others):
                each.update(chunk)
            left -= len(chunk)
        return Text(self._path, offset, size, hasher.hexdigest())


def read_dump(stream: BinaryIO, spool: Spool, path: Path | None = None) -> Dump:
    """Read a dump. path: the file that `stream` is, where full texts may stay; without it they go to `spool`.

    A dump that is cut off or breaks its format gives the revisions before, and the error: OlderError if it copies from
    a revision before its first. Raises what reading `stream` raises.
    """
    return _Reader(stream, spool, path).read()


class _Reader:
    def __init__(self, stream: BinaryIO, spool: Spool, path: Path | None) -> None:
        self._stream = stream
        self._spool = spool
        self._texts: Spool | _InPlace = spool if path is None else _InPlace(path)
        self._dump = Dump()
        self._revision: Revision | None = None
        self._last: Revision | None = None
        # The folders made for the revision being read; any other belongs to an earlier one as well.
        self._own: dict[int, Folder] = {}

    def read(self) -> Dump:
        try:
            self._read()
        except EOFError:
            self._dump.error = DumpError(f"it is cut off{self._where()}")
        except DumpError as error:
            self._dump.error = type(error)(f"{error}{self._where()}")
        return self._dump

    def _read(self) -> None:
        headers = self._headers()
        version = headers.get(b"SVN-fs-dump-format-version") if headers else None
        if version not in {b"1", b"2", b"3"}:
            raise DumpError("it is no Subversion dump of version 1, 2 or 3")
        while (headers := self._headers()) is not None:
            if b"Revision-number" in headers:
                self._finish()
                self._begin(headers)
            elif b"Node-path" in headers:
                self._node(headers)
            else:
                self._skip(_number(headers, b"Content-length"))
        self._finish()

    def _where(self) -> str:
        return f" in revision {self._revision.number}" if self._revision is not None else ""

    def _headers(self) -> Headers | None:
        """The next block of headers; None at the end."""
        found: Headers = {}
        while True:
            line = self._stream.readline(_LINE_BYTES)
            if not line:
                if found:
                    raise EOFError
                return None
            if line == b"\n":
                if found:
                    return found
                continue
            name, colon, value = line.partition(b": ")
            if not line.endswith(b"\n"):
                raise DumpError("a header is too long") if len(line) == _LINE_BYTES else EOFError
            if not colon:
                raise DumpError(f"{line[:40]!r} is no header")
            found[name] = value[:-1]

    def _take(self, size: int) -> bytes:
        if size > _PROPERTY_BYTES:
            raise DumpError(f"properties of {size} bytes")
        data = self._stream.read(size)
        if len(data) != size:
            raise EOFError
        return data

    def _skip(self, size: int) -> None:
        while size:
            chunk = self._stream.read(min(size, _CHUNK))
            if not chunk:
                raise EOFError
            size -= len(chunk)

    def _begin(self, headers: Headers) -> None:
        number = _number(headers, b"Revision-number")
        before = self._last
        if before is not None and number <= before.number:
            raise DumpError(f"revision {number} comes after {before.number}")
        size = _number(headers, b"Prop-content-length")
        properties = _properties(self._take(size)) if size else {}
        self._skip(_number(headers, b"Content-length", size) - size)
        root = before.root if before is not None else Folder()
        author = properties.get(b"svn:author")
        self._own = {}
        self._revision = Revision(
            number,
            parse_svn_date((properties.get(b"svn:date") or b"").decode("ascii", "replace")),
            author.decode("utf-8", "backslashreplace") if author is not None else None,
            root,
        )

    def _finish(self) -> None:
        if self._revision is not None:
            self._dump.revisions[self._revision.number] = self._last = self._revision
        self._revision, self._own = None, {}

    def _node(self, headers: Headers) -> None:
        if self._revision is None:
            raise DumpError("a node comes before the first revision")
        path, action = headers[b"Node-path"].strip(b"/"), headers.get(b"Node-action")
        properties, size = self._body(headers)
        if not path:
            # The root itself can only change its properties.
            self._mark(self._root(), properties, headers)
            self._skip(size)
            return
        if any(name in {b"", b".", b".."} for name in path.split(b"/")):
            raise DumpError(f"{path!r} is no path")
        parent, name = self._parent(path)
        if action in {b"delete", b"replace"} and parent.children.pop(name, None) is None:
            raise DumpError(f"{path!r} is deleted, and is not there")
        if action == b"delete":
            self._skip(size)
            return
        there = parent.children.get(name)
        if action in {b"add", b"replace"}:
            if there is not None:
                raise DumpError(f"{path!r} is added, and is there already")
            there = self._added(headers)
        elif action != b"change":
            raise DumpError(f"{path!r}: unknown action {action!r}")
        elif there is None:
            raise DumpError(f"{path!r} is changed, and is not there")
        parent.children[name] = self._with(there, properties, headers, size)

    def _with(self, there: Folder | File, properties: Properties | None, headers: Headers, size: int) -> Folder | File:
        """A node with the properties and the text of `size` bytes that a record brings."""
        if isinstance(there, Folder):
            folder = self._mine(there)
            self._mark(folder, properties, headers)
            self._skip(size)
            return folder
        if properties is not None:
            before = {b"svn:executable": there.executable, b"svn:special": there.special}
            if headers.get(b"Prop-delta") != b"true":
                before = {}
            marks = before | {name: value is not None for name, value in properties.items()}
            executable, special = (marks.get(name, False) for name in (b"svn:executable", b"svn:special"))
            there = replace(there, executable=executable, special=special)
        if b"Text-content-length" in headers:
            return replace(there, text=self._text(headers, size, there.text))
        self._skip(size)
        return there

    def _mark(self, folder: Folder, properties: Properties | None, headers: Headers) -> None:
        """Take over the properties of a folder, told whole or (Prop-delta) as a difference from what it has."""
        if properties is not None and (b"svn:externals" in properties or headers.get(b"Prop-delta") != b"true"):
            folder.externals = properties.get(b"svn:externals") or b""

    def _body(self, headers: Headers) -> "tuple[Properties | None, int]":
        """The properties of a node, None if it says nothing of them, and how many bytes follow."""
        whole = _number(headers, b"Content-length")
        size = _number(headers, b"Prop-content-length")
        text = _number(headers, b"Text-content-length")
        if b"Content-length" in headers and whole != size + text:
            raise DumpError(f"{headers[b'Node-path']!r}: {size} and {text} bytes are not {whole}")
        properties = _properties(self._take(size)) if b"Prop-content-length" in headers else None
        return properties, text

    def _root(self) -> Folder:
        assert self._revision is not None
        root = self._mine(self._revision.root)
        self._revision = replace(self._revision, root=root)
        return root

    def _mine(self, folder: Folder) -> Folder:
        """A folder that may be changed: itself, or a copy of one that belongs to an earlier revision."""
        if id(folder) in self._own:
            return folder
        copy = Folder(dict(folder.children), folder.externals)
        self._own[id(copy)] = copy
        return copy

    def _parent(self, path: bytes) -> tuple[Folder, bytes]:
        *folders, name = path.split(b"/")
        node = self._root()
        for part in folders:
            child = node.children.get(part)
            if not isinstance(child, Folder):
                raise DumpError(f"{path!r} has no folder to be in")
            node.children[part] = node = self._mine(child)
        return node, name

    def _added(self, headers: Headers) -> Folder | File:
        kind = headers.get(b"Node-kind")
        if b"Node-copyfrom-path" in headers:
            number = _number(headers, b"Node-copyfrom-rev")
            source = headers[b"Node-copyfrom-path"].strip(b"/")
            revision = self._dump.at(number)
            if revision is None:
                raise OlderError(f"{source!r} is copied from revision {number}, which is older than the dump")
            found = revision.root.find(source)
            if found is None:
                raise DumpError(f"{source!r} is copied from revision {number}, and is not there")
            return found
        if kind == b"dir":
            return Folder()
        if kind != b"file":
            raise DumpError(f"{headers[b'Node-path']!r}: unknown kind {kind!r}")
        return File(Text(self._spool.path, 0, 0, content_hasher(0).hexdigest()))

    def _text(self, headers: Headers, size: int, base: Text | str) -> Text | str:
        """The content of a node; why it is not to be had, if it is not what its checksums say."""
        md5 = hashlib.md5(usedforsecurity=False)
        sha1 = hashlib.sha1(usedforsecurity=False)
        found: Text | str
        if headers.get(b"Text-delta") == b"true":
            section = _Section(self._stream, size)
            if isinstance(base, Text) and base.size:
                self._spool.flush()
            try:
                found = self._spool.add_chunks(_target(section, base), md5, sha1)
            except DeltaError as error:
                found = str(error)
            self._skip(section.left)
        else:
            found = self._texts.add(self._stream, size, md5, sha1)
        for name, hasher in ((b"Text-content-md5", md5), (b"Text-content-sha1", sha1)):
            asked = headers.get(name, b"").decode("ascii", "replace")
            if isinstance(found, Text) and asked and asked != hasher.hexdigest():
                found = f"{name.decode().rpartition('-')[2]} is {hasher.hexdigest()}, not {asked}"
        return found


def _number(headers: Headers, name: bytes, default: int = 0) -> int:
    value = headers.get(name)
    if value is None:
        return default
    if not (value.isdigit() and len(value) < 19):
        raise DumpError(f"{name.decode('ascii', 'replace')}: {value[:40]!r} is no number")
    return int(value)


def _properties(data: bytes) -> Properties:
    """`K 3 / key / V 5 / value` …, and `D 3 / key` for one that is taken away (None)."""
    found: Properties = {}
    stream = io.BytesIO(data)

    def counted(letter: bytes) -> bytes:
        kind, _, count = line.partition(b" ")
        if kind != letter or not count.strip().isdigit() or len(count) > 18:
            raise DumpError(f"properties: {line[:40]!r} is not {letter.decode()} and a number")
        value = stream.read(int(count))
        if len(value) != int(count) or stream.read(1) != b"\n":
            raise DumpError("properties: a length is wrong")
        return value

    while (line := stream.readline()) != b"PROPS-END\n":
        if line.startswith(b"D "):
            found[counted(b"D")] = None
            continue
        key = counted(b"K")
        line = stream.readline()
        found[key] = counted(b"V")
    return found


def parse_svn_date(text: str) -> datetime | None:
    """`2024-05-01T12:00:00.000000Z` in UTC without a zone; None if it is none."""
    try:
        return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=None)
    except ValueError:
        return None


class _Section:
    """The next `left` bytes of a stream. Raises EOFError if the stream ends before, DeltaError if they do not do."""

    def __init__(self, stream: BinaryIO, left: int) -> None:
        self._stream = stream
        self.left = left

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise DeltaError("the delta ends too early")
        data = self._stream.read(size)
        self.left -= len(data)
        if len(data) != size:
            raise EOFError
        return data

    def number(self) -> int:
        return _varint(lambda: self.take(1)[0])


def _varint(next_byte: Callable[[], int]) -> int:
    """Seven bits a byte, the highest first; the eighth says that more follow."""
    value = 0
    for _ in range(9):
        byte = next_byte()
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value
    raise DeltaError("a number is too long")


def _target(section: _Section, base: Text | str) -> Iterator[bytes]:
    """The windows of a content, made by a delta (svndiff 0 or 1) from `base`."""
    if isinstance(base, str):
        raise DeltaError(f"its base is not to be had: {base}")
    head = section.take(4)
    if head not in {b"SVN\0", b"SVN\1"}:
        raise DeltaError(f"{head!r} begins no delta of version 0 or 1")
    while section.left:
        offset, source_size, target_size, code_size, new_size = (section.number() for _ in range(5))
        if max(source_size, target_size) > _WINDOW_BYTES or max(code_size, new_size) > _INSTRUCTION_BYTES:
            raise DeltaError("a window is too large")
        code, new = section.take(code_size), section.take(new_size)
        if head == b"SVN\1":
            code, new = _inflated(code), _inflated(new)
        if offset + source_size > base.size:
            raise DeltaError("it copies from beyond its base")
        source = read_text(replace(base, offset=base.offset + offset, size=source_size)) if source_size else b""
        yield apply_window(source, code, new, target_size)


def _inflated(data: bytes) -> bytes:
    """A section of svndiff 1: its length, then itself, deflated if that made it shorter."""
    stream = io.BytesIO(data)

    def next_byte() -> int:
        byte = stream.read(1)
        if not byte:
            raise DeltaError("a section ends too early")
        return byte[0]

    size = _varint(next_byte)
    rest = stream.read()
    if size == len(rest):
        return rest
    if size > _INSTRUCTION_BYTES:
        raise DeltaError("a section is too large")
    try:
        found = zlib.decompressobj().decompress(rest, size + 1)
    except zlib.error as error:
        raise DeltaError(f"a section cannot be inflated: {error}") from None
    if len(found) != size:
        raise DeltaError("a section has another length than it says")
    return found


def apply_window(source: bytes, code: bytes, new: bytes, size: int) -> bytes:
    """The target of one window. Raises DeltaError if the instructions do not make `size` bytes of what there is."""
    target = bytearray()
    at = taken = 0

    def next_byte() -> int:
        nonlocal at
        if at >= len(code):
            raise DeltaError("the instructions end too early")
        at += 1
        return code[at - 1]

    while at < len(code):
        first = next_byte()
        action, length = first >> 6, first & 0x3F or _varint(next_byte)
        if len(target) + length > size:
            raise DeltaError("a window is longer than it says")
        if action == 0:
            offset = _varint(next_byte)
            if offset + length > len(source):
                raise DeltaError("it copies from beyond its source")
            target += source[offset : offset + length]
        elif action == 1:
            offset = _varint(next_byte)
            if offset >= len(target):
                raise DeltaError("it copies from beyond its target")
            # What is copied may be what the copy makes: a pattern repeated.
            pattern = bytes(target[offset : offset + length])
            target += (pattern * (length // len(pattern) + 1))[:length]
        elif action == 2:
            if taken + length > len(new):
                raise DeltaError("the new data ends too early")
            target += new[taken : taken + length]
            taken += length
        else:
            raise DeltaError("an unknown instruction")
    if len(target) != size:
        raise DeltaError("a window is shorter than it says")
    return bytes(target)
