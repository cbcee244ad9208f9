"""The members of a zip file (also wheels and jars), and their contents, read where they lie.

PKWARE's APPNOTE.TXT 6.3.10. The standard library lists the central directory; contents are read here, by offset, so
that a worker needs no directory and a file whose directory was cut off still gives what its local headers name.
"""

import bz2
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from . import Entry, Lost, Opened
from .members import DIRECTORY, FILE, LOST, SYMLINK, Fault, Member

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_LOCAL = struct.Struct("<4s5H3L2H")
_CHUNK = 256 << 10
# Contents above this are unpacked to a file before they are handed out: their checksum comes last.
_IN_MEMORY = 16 << 20
# The longest target of a link that Linux takes (PATH_MAX).
_TARGET_BYTES = 4096
_ENCRYPTED, _SIZES_FOLLOW, _UTF8 = 0x1, 0x8, 0x800
# create_system of APPNOTE 4.4.2: names of this one have backslashes; that one keeps Unix modes.
_DOS, _UNIX = 0, 3


class Place(NamedTuple):
    """Where a member lies: offset of its local header, method, bytes there and unpacked, and checksum."""

    offset: int
    method: int
    packed: int
    size: int
    crc: int


@dataclass(frozen=True)
class Zip:
    """The reader of a zip file: `Entry.at` is a Place, or bytes. scratch: for contents too large for memory."""

    path: Path
    scratch: Path

    def open(self) -> "_Open":
        """Open the file. Raises OSError."""
        return _Open(self.path.open("rb"), self.scratch)


class _Open:
    def __init__(self, stream: BinaryIO, scratch: Path) -> None:
        self.stream, self.scratch = stream, scratch

    def read(self, entries: Sequence[Entry]) -> Iterator[Opened | Lost]:
        """Each content once it was unpacked and its checksum holds."""
        for entry in entries:
            if isinstance(entry.at, bytes):
                yield Opened(BytesIO(entry.at), len(entry.at))
                continue
            assert isinstance(entry.at, Place)
            with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(self.scratch)) as spool:
                try:
                    for piece in unpacked(self.stream, entry.at):
                        spool.write(piece)
                except Fault as fault:
                    yield Lost(entry.path, fault.reason, fault.message)
                    continue
                spool.seek(0)
                yield Opened(cast("BinaryIO", spool), entry.at.size)

    def close(self) -> None:
        """Close the file."""
        self.stream.close()


def unpacked(stream: BinaryIO, place: Place) -> Iterator[bytes]:
    """The content of a member in pieces. Raises Fault if it is not of the stated length or checksum."""
    header = _local(stream, place.offset)
    stream.seek(place.offset + _LOCAL.size + header[9] + header[10])
    left, size, crc = place.packed, 0, 0
    for piece in _inflated(stream, place.method, left):
        size += len(piece)
        if size > place.size:
            raise Fault("corrupt", f"it has more than the {place.size} bytes that the archive states")
        crc = zlib.crc32(piece, crc)
        yield piece
    if size != place.size:
        raise Fault("corrupt", f"it has {size} bytes; the archive states {place.size}")
    if crc != place.crc:
        raise Fault("corrupt", f"its CRC-32 is {crc:08x}; the archive states {place.crc:08x}")


def _local(stream: BinaryIO, offset: int) -> tuple[int, ...]:
    # A damaged directory may name a place before the file, or one that is no number of a file's offset.
    inside = 0 <= offset < stream.seek(0, 2)
    stream.seek(offset if inside else 0)
    data = stream.read(_LOCAL.size) if inside else b""
    if len(data) < _LOCAL.size or not data.startswith(MAGIC[0]):
        raise Fault("corrupt", f"no member begins at byte {offset}")
    return (0, *_LOCAL.unpack(data)[1:])


def _inflated(stream: BinaryIO, method: int, left: int) -> Iterator[bytes]:
    """`left` bytes of `stream` unpacked, in pieces of bounded size."""
    if method not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2}:
        raise Fault("unsupported", f"compression method {method}")
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    bunzip = bz2.BZ2Decompressor()
    while left > 0:
        data = stream.read(min(left, _CHUNK))
        if not data:
            raise Fault("truncated", "the archive ends within it")
        left -= len(data)
        try:
            if method == zipfile.ZIP_STORED:
                yield data
            elif method == zipfile.ZIP_DEFLATED:
                while data and not inflate.eof:
                    yield inflate.decompress(data, _CHUNK)
                    data = inflate.unconsumed_tail
            elif not bunzip.eof:
                yield bunzip.decompress(data, _CHUNK)
                while not bunzip.needs_input and not bunzip.eof:
                    yield bunzip.decompress(b"", _CHUNK)
        except (zlib.error, OSError) as error:
            raise Fault("corrupt", f"its compressed data is damaged: {error}") from error
    if method == zipfile.ZIP_DEFLATED:
        # A match may be longer than the room that was left for the last piece.
        while not inflate.eof and (piece := inflate.decompress(b"", _CHUNK)):
            yield piece


def members(path: Path) -> tuple[list[Member], Fault | None]:
    """The members in the order of the archive, and what is wrong with the archive as a whole."""
    with path.open("rb") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                return [_member(stream, info) for info in archive.infolist()], None
        except (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError, EOFError, OverflowError) as error:
            found = list(_salvaged(stream))
            return found, Fault("truncated", f"its directory cannot be read ({error}); some members may be missing")
        except OSError as error:
            if error.errno is not None and error.strerror and not isinstance(error, zipfile.BadZipFile):
                raise
            return list(_salvaged(stream)), Fault("corrupt", f"its directory cannot be read ({error})")


def _member(stream: BinaryIO, info: zipfile.ZipInfo) -> Member:
    name = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")
    if info.create_system == _DOS:
        name = name.replace(b"\\", b"/")
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    place = Place(info.header_offset, info.compress_type, info.compress_size, info.file_size, info.CRC)
    return _sorted_out(stream, name, mode, info.flag_bits, place)


def _sorted_out(stream: BinaryIO, name: bytes, mode: int, flags: int, place: Place) -> Member:
    executable, kind = bool(mode & stat.S_IXUSR), stat.S_IFMT(mode)
    if name.endswith(b"/") or kind == stat.S_IFDIR:
        return Member(name, DIRECTORY, executable, None, 0)
    try:
        if flags & _ENCRYPTED:
            raise Fault("encrypted", "it needs a password")  # noqa: TRY301
        if kind == stat.S_IFLNK:
            target = _target(stream, place)
            return Member(name, SYMLINK, executable, None, len(target), target)
    except Fault as fault:
        return Member(name, LOST, executable, (fault.reason, fault.message), place.size)
    if kind not in {0, stat.S_IFREG}:
        return Member(name, LOST, executable, ("special-file", stat.filemode(mode)), 0)
    return Member(name, FILE, executable, place, place.size)


def _target(stream: BinaryIO, place: Place) -> bytes:
    if place.size > _TARGET_BYTES:
        raise Fault("corrupt", f"a link to a name of {place.size} bytes")
    return b"".join(unpacked(stream, place))


def _salvaged(stream: BinaryIO) -> Iterator[Member]:
    """The whole members that local headers name, up to the first whose sizes only follow it. They have no modes."""
    length = stream.seek(0, 2)
    offset = 0
    while True:
        try:
            _, _, flags, method, _, _, crc, packed, size, name_bytes, extra_bytes = _local(stream, offset)
        except Fault:
            return
        name = stream.read(name_bytes)
        end = offset + _LOCAL.size + name_bytes + extra_bytes + packed
        if flags & _SIZES_FOLLOW or end > length:
            return
        yield _sorted_out(stream, name, 0, flags, Place(offset, method, packed, size, crc))
        offset = end
