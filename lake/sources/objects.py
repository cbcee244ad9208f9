"""Software Heritage's object store: one gzip object a content at `PREFIX/<sha1>`, in a folder or in a bucket.

It is read by several sources, in the workers. Every content is checked against both hashes it goes by, so that one that
is missing, damaged or not what it says is a loss with its reason and never a wrong file.
"""

import errno
import hashlib
import os
import sys
import tempfile
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, cast

import fsspec
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from ...engine.optional import require
from ..swhid import content_hasher
from . import Entry, Lost, Opened

# The store that Software Heritage keeps on S3, read without an account (docs.softwareheritage.org, "graph dataset").
STORE = "s3://softwareheritage/content"
# An object takes one request, of a few tens of milliseconds whatever its size: many at once, within bounds.
_AT_ONCE, _BYTES_AT_ONCE = 32, 64 << 20
# A transfer that breaks is taken up at the last multiple of this.
_PART = 8 << 20
# Contents above this wait on disk.
_IN_MEMORY = 4 << 20
_TRIES = 6


def reach(place: str, timeout: float, tries: int = _TRIES) -> tuple[fsspec.AbstractFileSystem, str]:
    """The filesystem of `place` (a path or a URL) and the path in it.

    s3:// is read without an account unless AWS_ACCESS_KEY_ID or AWS_PROFILE is set, or fsspec is configured otherwise
    (FSSPEC_S3_ANON); AWS_ENDPOINT_URL is another server. timeout: seconds an S3 server may say nothing. tries: how
    often one request to it is made.
    """
    if place.split("://", maxsplit=1)[0] not in ("s3", "s3a"):
        fs, path = fsspec.core.url_to_fs(place)
        return fs, str(path).rstrip("/")
    s3fs = require("s3fs")
    settings: dict[str, Any] = {
        "anon": not {"AWS_ACCESS_KEY_ID", "AWS_PROFILE"} & set(os.environ),
        "config_kwargs": {
            "connect_timeout": timeout,
            "read_timeout": timeout,
            "retries": {"total_max_attempts": tries, "mode": "standard"},
        },
        **fsspec.config.conf.get("s3", {}),
    }
    fs = s3fs.S3FileSystem(**settings, skip_instance_cache=True)
    # Of a transfer that breaks after its answer began.
    fs.retries = tries
    return fs, str(fs._strip_protocol(place)).rstrip("/")


def _errors() -> tuple[type[Exception], ...]:
    """What a transfer may fail with: those of the S3 client are no OSErrors."""
    found: list[type[Exception]] = [OSError]
    for module, name in (("aiohttp", "ClientError"), ("botocore.exceptions", "BotoCoreError")):
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return tuple(found)


def _may_pass(error: BaseException) -> bool:
    """Whether asking again may help."""
    final = isinstance(error, FileNotFoundError | PermissionError) or getattr(error, "errno", None) == errno.EINVAL
    return isinstance(error, _errors()) and not final


class _Unusable(Exception):
    """A content that cannot be had: why in one word, and what was found."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Objects:
    """The reader: `Entry.at` is the sha1 of a content, `Entry.size` its length, `Entry.blob_id` its sha1_git."""

    prefix: str
    timeout: float

    def open(self) -> "Store":
        """Connect."""
        # What is tried again, and how often, is said in one place: below.
        return Store(*reach(self.prefix, self.timeout, tries=1))


class Store:
    """An object store being read, several objects at once."""

    def __init__(self, fs: fsspec.AbstractFileSystem, folder: str) -> None:
        self._fs = fs
        self._folder = folder
        self._again = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(_TRIES),
            wait=wait_random_exponential(multiplier=0.2, max=10),
            reraise=True,
        )
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="objects")

    def read(self, entries: Sequence[Entry]) -> Iterator[Opened | Lost]:
        """The contents in order, fetched ahead."""
        waiting: deque[tuple[int, Future[Opened | Lost]]] = deque()
        size = 0
        try:
            for entry in entries:
                while waiting and (len(waiting) >= _AT_ONCE or size + entry.size > _BYTES_AT_ONCE):
                    freed, future = waiting.popleft()
                    yield from self._take(future)
                    size -= freed
                waiting.append((entry.size, self._threads.submit(self._fetch, entry)))
                size += entry.size
            while waiting:
                yield from self._take(waiting.popleft()[1])
        finally:
            for _, future in waiting:
                future.cancel()

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    @staticmethod
    def _take(future: "Future[Opened | Lost]") -> Iterator[Opened | Lost]:
        found = future.result()
        yield found
        if isinstance(found, Opened):
            found.stream.close()

    def _fetch(self, entry: Entry) -> Opened | Lost:
        """One content, whole and checked, or why not."""
        content: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by who reads it
        try:
            self._unpack(entry, f"{self._folder}/{entry.at}", content)
        except _Unusable as error:
            content.close()
            return Lost(entry.path, error.reason, str(error))
        content.seek(0)
        return Opened(cast(BinaryIO, content), entry.size)

    def _unpack(self, entry: Entry, path: str, content: IO[bytes]) -> None:
        hashers = hashlib.sha1(usedforsecurity=False), content_hasher(entry.size)
        unzip = zlib.decompressobj(wbits=31)
        length = position = 0
        while not unzip.eof:
            packed = self._part(path, position)
            position += _PART
            ends = len(packed) < _PART
            while packed and not unzip.eof:
                try:
                    # One byte more than there should be is enough to know: what follows may be endless.
                    data = unzip.decompress(packed, min(entry.size - length + 1, _PART))
                except zlib.error as error:
                    raise _Unusable("corrupt", f"{path} is not whole gzip: {error}") from error
                packed = unzip.unconsumed_tail
                length += len(data)
                if length > entry.size:
                    raise _Unusable("wrong-checksum", f"{path} holds more than {entry.size} bytes")
                for hasher in hashers:
                    hasher.update(data)
                content.write(data)
            if ends and not unzip.eof:
                raise _Unusable("truncated", f"{path} ends within its gzip stream")
        found = [hasher.hexdigest() for hasher in hashers]
        if found != [entry.at, entry.blob_id]:
            raise _Unusable("wrong-checksum", f"{path} has the sha1 {found[0]} and the sha1_git {found[1]}")

    def _part(self, path: str, position: int) -> bytes:
        """Up to _PART bytes of an object, none beyond its end."""
        try:
            part: bytes = self._again.copy()(self._fs.cat_file, path, start=position, end=position + _PART)
        except FileNotFoundError:
            raise _Unusable("missing", f"there is no {path}") from None
        except _errors() as error:
            # S3 refuses a range that begins at the end (416 Range Not Satisfiable).
            if getattr(error, "errno", None) == errno.EINVAL:
                return b""
            raise _Unusable("unreadable", f"{path}: {getattr(error, 'strerror', None) or error}") from error
        return part
