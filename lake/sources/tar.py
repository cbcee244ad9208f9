"""The members of a tar file, and the streams a tar file is compressed into.

Python's tarfile is not used on archives of strangers: in versions we support, a negative size sends it into an endless
loop (CVE-2025-8194) and an extended header of digits takes it quadratic time (CVE-2024-6232); it also takes a damaged
header in the middle for the end. Formats: v7, ustar and pax (POSIX.1-2017, pax, "ustar Interchange Format" and "pax
Extended Header"), GNU (tar.h, "GNU tar archive format" in its manual). The tests hold it against tarfile.
"""

import bz2
import gzip
import lzma
import re
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import zstandard

from .members import DIRECTORY, FILE, HARDLINK, LOST, SYMLINK, Fault, Member

BLOCK = 512
# An extended header holds names and small attributes; PATH_MAX is 4,096 bytes on Linux.
_HEADER_BYTES = 1 << 20
_CHUNK = 256 << 10
# Input handed to zstd at once: its output cannot be bounded, and 4 bytes may stand for 128 KiB (RFC 8878, 3.1.1.2.2).
_ZSTD_CHUNK = 2 << 10
# RFC 8878 recommends 8 MB; `zstd --long` goes to 128 MiB, the most that `zstd -d` takes unasked.
_ZSTD_WINDOW = 128 << 20
_LENGTH = re.compile(rb"([0-9]{1,7}) ")

MAGIC = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "xz": b"\xfd7zXZ\0", "zstd": b"\x28\xb5\x2f\xfd"}


def decoded(path: Path) -> Iterator[bytes]:
    """The content of a compressed file in pieces, by its magic number; of any other file itself. Raises Fault."""
    with path.open("rb") as raw:
        head = raw.read(8)
        raw.seek(0)
        name = next((name for name, magic in MAGIC.items() if head.startswith(magic)), "")
        try:
            if name == "zstd":
                yield from _zstd(raw)
            elif name == "gzip":
                # One piece at a time, so that what came before a fault is had.
                yield from iter(partial(gzip.GzipFile(fileobj=raw).read1, _CHUNK), b"")
            elif name == "bzip2":
                yield from iter(partial(bz2.BZ2File(raw).read1, _CHUNK), b"")
            elif name == "xz":
                yield from iter(partial(lzma.LZMAFile(raw).read1, _CHUNK), b"")  # noqa: SIM115 - `raw` is closed
            else:
                yield from iter(partial(raw.read, _CHUNK), b"")
        except EOFError:
            raise Fault("truncated", f"the {name} stream is cut off") from None
        except (gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
            raise Fault("corrupt", f"the {name} stream is damaged: {error}") from error
        except OSError as error:
            # bz2 has no error of its own; those of the disk have a number.
            if error.errno is not None or name != "bzip2":
                raise
            raise Fault("corrupt", f"the {name} stream is damaged: {error}") from error


def _zstd(raw: BinaryIO) -> Iterator[bytes]:
    """Frames one after another. Raises EOFError if the last is cut off."""
    factory = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    decoder = factory.decompressobj()
    begun = False
    while data := raw.read(_ZSTD_CHUNK):
        while data:
            begun = True
            piece = decoder.decompress(data)
            data = decoder.unused_data if decoder.eof else b""
            if decoder.eof:
                decoder, begun = factory.decompressobj(), False
            if piece:
                yield piece
    if begun:
        raise EOFError


def is_tar(head: bytes) -> bool:
    """Whether the first 512 bytes of a file are a header of tar, or its end."""
    return len(head) == BLOCK and (not any(head) or _checked(head))


def members(tar: BinaryIO, *, ends: bool) -> Iterator[Member]:
    """The members of a tar file in order; Member.at is the offset of the content.

    ends: whether the file is known to be complete, so that a missing end mark means nothing. Raises Fault where it
    cannot be read on.
    """
    length = tar.seek(0, 2)
    offset = 0
    shared: dict[bytes, bytes] = {}
    extended: dict[bytes, bytes] = {}
    while (header := _header(tar, offset, ends=ends and not extended)) is not None:
        kind, size = header[156:157], _number(header[124:136], offset)
        offset += BLOCK
        if kind in b"xgXLK":
            if size > _HEADER_BYTES:
                raise Fault("corrupt", f"the extended header at byte {offset} has {size} bytes")
            data = tar.read(size)
            if len(data) < size:
                raise Fault("truncated", f"the archive is cut off at byte {length}, in an extended header")
            if kind in b"LK":
                extended[b"path" if kind == b"L" else b"linkpath"] = data.rstrip(b"\0")
            else:
                (shared if kind == b"g" else extended).update(_records(data, offset))
            offset += _padded(size)
            continue
        fields, extended = shared | extended, {}
        if kind == b"S":
            offset = _after_map(tar, header, offset)
        if fields.get(b"size"):
            size = _decimal(fields[b"size"], offset)
        # Links, devices and directories have no content, whatever size they state; unknown kinds do (POSIX).
        stored = 0 if kind in b"123456VN" else size
        member = _member(kind, header, fields, offset, size)
        if offset + stored > length:
            shown = member.name[-200:].decode("utf-8", "backslashreplace")
            raise Fault("truncated", f"the archive is cut off at byte {length}, in {shown}")
        if kind not in b"VN":
            yield member
        offset += _padded(stored)


def _header(tar: BinaryIO, offset: int, *, ends: bool) -> bytes | None:
    """The header at `offset`; None at the end of the archive. Raises Fault."""
    tar.seek(offset)
    header = tar.read(BLOCK)
    if not header and ends:
        return None
    if len(header) < BLOCK:
        raise Fault("truncated", f"the archive is cut off at byte {offset + len(header)}, where a header should be")
    if not any(header):
        return None
    if not _checked(header):
        raise Fault("corrupt", f"the header at byte {offset} has a wrong checksum")
    return header


def _after_map(tar: BinaryIO, header: bytes, offset: int) -> int:
    """Where the content of an old sparse file of GNU begins: blocks of its map follow while each announces another."""
    more = header[482]
    while more:
        block = tar.read(BLOCK)
        if len(block) < BLOCK:
            raise Fault("truncated", f"the archive is cut off at byte {offset + len(block)}, in the map of a file")
        more, offset = block[504], offset + BLOCK
    return offset


def _member(kind: bytes, header: bytes, fields: dict[bytes, bytes], offset: int, size: int) -> Member:
    name = fields.get(b"path") or _name(header)
    executable = bool(_number(header[100:108], offset) & 0o100)
    target = fields.get(b"linkpath") or _text(header[157:257])
    if kind == b"S" or any(key.startswith(b"GNU.sparse.") for key in fields):
        name = fields.get(b"GNU.sparse.name", name)
        return Member(name, LOST, executable, ("sparse-file", "a file with holes"), size)
    if kind in {b"5", b"D"} or (kind in {b"0", b"\0"} and name.endswith(b"/")):
        return Member(name, DIRECTORY, executable, None, 0)
    if kind == b"1":
        return Member(name, HARDLINK, executable, None, 0, target)
    if kind == b"2":
        return Member(name, SYMLINK, executable, None, len(target), target)
    if kind in {b"3", b"4", b"6", b"M"}:
        what = {b"3": "character device", b"4": "block device", b"6": "fifo", b"M": "part of a multi-volume file"}
        return Member(name, LOST, executable, ("special-file", what[kind]), 0)
    return Member(name, FILE, executable, offset, size)


def _checked(header: bytes) -> bool:
    """Whether the checksum holds, counted in unsigned bytes or, as some old writers did, in signed ones."""
    try:
        stated = _number(header[148:156], 0)
    except Fault:
        return False
    total = sum(header) - sum(header[148:156]) + 8 * 32
    if stated == total:
        return True
    return stated == total - 256 * sum(byte > 127 for byte in header[:148] + header[156:])


def _number(field: bytes, offset: int) -> int:
    """A number of a header: octal digits, or GNU's base 256 for larger ones."""
    if field[0] & 0x80:
        if field[0] & 0x40:
            raise Fault("corrupt", f"the header before byte {offset} has a negative number")
        return int.from_bytes(bytes([field[0] & 0x3F]) + field[1:], "big")
    digits = field.split(b"\0", 1)[0].strip()
    if not re.fullmatch(rb"[0-7]*", digits):
        raise Fault("corrupt", f"the header before byte {offset} has {digits!r} where a number should be")
    return int(digits or b"0", 8)


def _decimal(value: bytes, offset: int) -> int:
    if not re.fullmatch(rb"[0-9]{1,19}", value):
        raise Fault("corrupt", f"the extended header before byte {offset} has {value[:20]!r} where a number should be")
    return int(value)


def _records(data: bytes, offset: int) -> dict[bytes, bytes]:
    """The records of a pax header, each `LENGTH KEY=VALUE` and a line end."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(data) and data[at] != 0:
        match = _LENGTH.match(data, at)
        end = at + int(match[1]) if match else 0
        if match is None or end > len(data) or end <= match.end() or data[end - 1 : end] != b"\n":
            raise Fault("corrupt", f"the extended header at byte {offset} is damaged")
        key, _, value = data[match.end() : end - 1].partition(b"=")
        found[key] = value
        at = end
    return found


def _name(header: bytes) -> bytes:
    name, prefix = _text(header[:100]), _text(header[345:500])
    # GNU's own magic is "ustar  ": it keeps times where POSIX keeps the prefix.
    return prefix + b"/" + name if prefix and header[257:263] == b"ustar\0" else name


def _text(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
