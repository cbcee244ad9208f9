"""One content as the lake keeps it: its hashes, whether it is text, and its measures; and the set of those known."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from ..engine.tables import DataFile, filesystem
from . import encodings
from .swhid import content_hasher

# git's rule for binary content: a NUL among the first bytes (buffer_is_binary in xdiff-interface.c).
BINARY_PROBE = 8000
_CHUNK = 1 << 20
# What str.splitlines divides at besides \n.
_SEPARATORS = tuple("\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
_ID_DIGITS = 40
_UNMEASURED = (None,) * 5
# Characters beyond the first plane are too rare for a table of them all.
_TABLE_CODES = 0x10000

_Codes = np.ndarray[tuple[int], np.dtype[np.uint8 | np.uint16 | np.uint32]]


@dataclass(slots=True)
class Content:
    """What was read of one file. data is the whole content, or its first 1 MiB if it is larger than the limit."""

    blob_id: str
    length: int
    data: bytes
    whole: bool
    sha1: str | None = None
    sha256: str | None = None


def read_content(stream: BinaryIO, size: int, limit: int, blob_id: str | None = None) -> Content:
    """Read and hash a content of about `size` bytes, holding at most `limit` bytes of it in memory.

    blob_id: its id, if whoever has the content vouches for it (git does). Raises OSError if it cannot be read, and if a
    content larger than `limit` changes its length while it is read.
    """
    data = stream.read(limit + 1) if size <= limit else b""
    while data and len(data) != size and len(data) <= limit and (more := stream.read(limit + 1 - len(data))):
        data += more
    if size <= limit and len(data) <= limit:
        if blob_id is not None:
            return Content(blob_id, len(data), data, whole=True)
        hasher = content_hasher(len(data))
        hasher.update(data)
        return Content(hasher.hexdigest(), len(data), data, whole=True)
    if data:
        raise OSError("it grew while it was read")
    hashers = (content_hasher(size), hashlib.sha1(usedforsecurity=False), hashlib.sha256())
    head, length = b"", 0
    while chunk := stream.read(_CHUNK):
        head = head or chunk
        length += len(chunk)
        for hasher in hashers:
            hasher.update(chunk)
    if length != size:
        raise OSError(f"its length changed from {size} to {length} while it was read")
    identifiers = [hasher.hexdigest() for hasher in hashers]
    if blob_id is not None and identifiers[0] != blob_id:
        raise OSError(f"its content has the id {identifiers[0]}, not {blob_id}")
    return Content(identifiers[0], length, head, whole=False, sha1=identifiers[1], sha256=identifiers[2])


def is_binary(data: bytes) -> bool:
    """git's rule, a NUL byte in the first 8,000 bytes, except for UTF-16 and UTF-32 with a byte order mark.

    git calls those binary too; here they are text if they decode.
    """
    return data.find(b"\0", 0, BINARY_PROBE) >= 0 and not encodings.marked_encoding(data)


class Described(NamedTuple):
    """The `blobs` columns that follow from the bytes alone."""

    blob_id: str
    sha1: str
    sha256: str
    length_bytes: int
    src_encoding: str | None
    is_binary: bool
    content: bytes | None
    num_lines: int | None
    avg_line_length: float | None
    max_line_length: int | None
    alphanum_fraction: float | None
    alpha_fraction: float | None


def describe(content: Content) -> Described:
    """What the bytes of a content say."""
    data = content.data
    binary = is_binary(data)
    encoding = encodings.detect(data) if content.whole and not binary else None
    return Described(
        content.blob_id,
        content.sha1 or hashlib.sha1(data, usedforsecurity=False).hexdigest(),
        content.sha256 or hashlib.sha256(data).hexdigest(),
        content.length,
        encoding,
        binary,
        data if content.whole and not binary else None,
        *(text_metrics(encodings.decode(data, encoding)) if encoding else _UNMEASURED),
    )


def text_metrics(text: str) -> tuple[int, float, int, float, float]:
    """Line and character measures as The Stack v2 defines them, as the last columns of Described; 0 for empty text."""
    if not text:
        return 0, 0.0, 0, 0.0, 0.0
    codes = _codes(text)
    # Unsigned numbers wrap around, so that one comparison takes a whole range.
    alpha = int(np.count_nonzero(((codes | 32) - 97) < 26))
    alphanum = alpha + int(np.count_nonzero((codes - 48) < 10))
    if codes.itemsize > 1:
        others = codes[codes >= 0x80]
        kinds = _kinds()[others[others < _TABLE_CODES] if codes.itemsize > 2 else others]
        alpha += int(np.count_nonzero(kinds == 2))
        alphanum += int(np.count_nonzero(kinds))
        if codes.itemsize > 2:
            for character in map(chr, others[others >= _TABLE_CODES].tolist()):
                alpha += character.isalpha()
                alphanum += character.isalnum()
    lines, characters, longest = _line_lengths(text, codes)
    return lines, characters / lines, longest, alphanum / len(text), alpha / len(text)


def _codes(text: str) -> _Codes:
    """The characters of a text as an array of numbers, which are counted some ten times faster than characters.

    Of one byte if all are ASCII, of two if they are of the first plane, else of four.
    """
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    codes = np.frombuffer(text.encode("utf-16-le"), np.uint16)
    return codes if len(codes) == len(text) else np.frombuffer(text.encode("utf-32-le"), np.uint32)


@cache
def _kinds() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """By code: 2 for letters, 1 for other characters that are alphanumeric."""
    characters = map(chr, range(_TABLE_CODES))
    return np.fromiter((2 * c.isalpha() or c.isalnum() for c in characters), np.uint8, _TABLE_CODES)


def _line_lengths(text: str, codes: _Codes) -> tuple[int, int, int]:
    """Number of lines, their characters together, and those of the longest, as `str.splitlines` divides them.

    text: not empty. codes: its characters.
    """
    if any(separator in text for separator in _SEPARATORS):
        lengths = list(map(len, text.splitlines()))
        return len(lengths), sum(lengths), max(lengths)
    # Newlines only, as in most files: where they stand tells all without making the lines.
    (ends,) = (codes == ord("\n")).nonzero()
    if not len(ends):
        return 1, len(text), len(text)
    rest = len(text) - 1 - int(ends[-1])
    longest = max(int(ends[0]), int((ends[1:] - ends[:-1]).max(initial=1)) - 1, rest)
    return len(ends) + (rest > 0), len(text) - len(ends), longest


class KnownBlobs:
    """The blob ids a lake holds: 28 bytes each for those on disk, plus a set of those of the open commit."""

    def __init__(self) -> None:
        self._ids = np.empty(0, dtype="V20")
        self._prefixes = np.empty(0, dtype=np.uint64)
        self._files: set[str] = set()
        self.fresh: set[str] = set()

    def __contains__(self, blob_id: str) -> bool:
        return blob_id in self.fresh or self.stored(blob_id)

    def stored(self, blob_id: str) -> bool:
        """Whether the lake's files hold `blob_id`."""
        if not len(self._prefixes):
            return False
        prefix = np.uint64(int(blob_id[:16], 16))
        index = int(self._prefixes.searchsorted(prefix))
        key = bytes.fromhex(blob_id)
        while index < len(self._prefixes) and self._prefixes[index] == prefix:
            if self._ids[index].tobytes() == key:
                return True
            index += 1
        return False

    def load(self, files: Iterable[DataFile]) -> None:
        """Learn the ids in those of `files` that were not read before."""
        paths = [file.path for file in files if file.path not in self._files]
        if not paths:
            return
        # Imports pandas; the processes that read contents do without both.
        import pyarrow.dataset as ds

        schema = pa.schema([("blob_id", pa.large_string())])
        found = ds.dataset(paths, schema=schema, format="parquet", filesystem=filesystem(paths[0]))
        column = found.to_table()["blob_id"]
        parts = [self._ids]
        for chunk in column.chunks:
            # Arrow keeps texts one after the other; those of one length can be read as one.
            start, end = chunk.offset, chunk.offset + len(chunk)
            digits = chunk.buffers()[-1].to_pybytes()[_ID_DIGITS * start : _ID_DIGITS * end] if len(chunk) else b""
            parts.append(np.frombuffer(bytes.fromhex(digits.decode("ascii")), dtype="V20"))
        self._files.update(paths)
        ids = np.concatenate(parts)
        prefixes = ids.view(np.uint8).reshape(-1, 20)[:, :8].copy().view(">u8").ravel().astype(np.uint64)
        order = np.argsort(prefixes)
        self._ids, self._prefixes = ids[order], prefixes[order]

    def settle(self) -> None:
        """Forget the open commit's ids once its files have been loaded."""
        self.fresh.clear()


def without(rows: pa.Table, blob_ids: set[str]) -> pa.Table:
    """`rows` of the blobs table without those in `blob_ids`."""
    return rows.filter(pa.array([b not in blob_ids for b in rows["blob_id"].to_pylist()], type=pa.bool_()))
