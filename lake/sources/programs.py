"""Version control systems run as programs of their own, and the contents they print, kept in one file for a visit."""

import contextlib
import hashlib
import io
import itertools
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import urlsplit

from ...engine.errors import SourceError
from ..swhid import content_hasher
from . import Entry, Failure, Lost, Opened, Request, Visit, local_path
from .when import Stop

_CHUNK = 1 << 20
# What is kept of what a program says of its troubles.
_SAID_BYTES = 4096
# How often a program that says nothing is looked after.
_LOOK_SECONDS = 0.2

T = TypeVar("T")


class ProgramError(SourceError):
    """A program that ended with an error, in its own words."""


class SilentError(SourceError):
    """A program that said nothing for too long, or that nobody waits for any more."""


def find(source: str, name: str, variable: str, install: str) -> str:
    """The program that the environment variable names, or `name` on PATH or beside the Python that runs us.

    Raises SourceError, for `source`, with how to install it.
    """
    asked = os.environ.get(variable) or name
    found = shutil.which(asked) or shutil.which(asked, path=os.path.dirname(sys.executable))  # noqa: PTH120
    if found is None:
        raise SourceError(f"{source}: there is no program {asked}; {install}, or set {variable} to where it is")
    return found


def at_revision(rest: str) -> tuple[str, str | None]:
    """`PLACE@REV` as (place, revision or None).

    An @ in the host part of a URL, or that begins a name, belongs to the place; so does any in a path that exists.
    """
    parts = urlsplit(rest)
    remote = bool(parts.scheme and parts.netloc)
    head = rest[: rest.index(parts.netloc) + len(parts.netloc)] if remote else ""
    path = rest[len(head) :]
    local = path if remote or parts.scheme != "file" else parts.path
    if not remote and os.path.lexists(local_path(local)):
        return rest, None
    place, at, revision = path.rpartition("@")
    if not at or not place or place.endswith("/"):
        return rest, None
    return head + place, revision or None


def in_turn(
    planned: Sequence[Stop],
    before: T | None,
    visit: Callable[[Stop, T | None], tuple[Visit, T]],
    failure: Callable[[str, str], Failure],
) -> Iterator[Visit | Failure]:
    """The visits of `planned`, each made as a difference from the one before; one that fails is a Failure.

    before: what the first may build on. visit: makes one, and what the next may build on.
    """
    # A visit is held back until the next is made, for only then it is known whether anything follows.
    held: Visit | None = None
    for stop in planned:
        try:
            made, before = visit(stop, before)
        except SourceError as error:
            if held is not None:
                yield held
            held = before = None
            yield failure(f"{stop.point.label or stop.point.revision}: {error}", "corrupt")
            continue
        if held is not None:
            yield replace(held, followed=True)
        held = replace(made, of=len(planned))
    if held is not None:
        yield held


class Output(io.RawIOBase):
    """What a program prints, as a stream; the program and all it started are ended when it is closed.

    Reading raises SilentError if nothing was printed for `timeout` seconds or `cancelled` is set, ProgramError at the
    end if the program failed.
    """

    def __init__(
        self, command: Sequence[str], *, timeout: float, cancelled: threading.Event, env: Mapping[str, str]
    ) -> None:
        super().__init__()
        self.name = os.path.basename(command[0])  # noqa: PTH119 - a name, not a place
        self._timeout = timeout
        self._cancelled = cancelled
        self._said = b""
        # A session of its own, so that what it starts (ssh) can be ended with it.
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd="/",
            start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None and self._process.stderr is not None
        self._out, self._err = self._process.stdout, self._process.stderr
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._out, selectors.EVENT_READ)
        self._selector.register(self._err, selectors.EVENT_READ)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """The next bytes printed; 0 at the end of a program that succeeded."""
        heard = time.monotonic()
        while self._selector.get_map():
            ready = self._selector.select(min(_LOOK_SECONDS, self._timeout))
            if ready:
                heard = time.monotonic()
            elif time.monotonic() - heard > self._timeout:
                raise SilentError(f"{self.name} said nothing for {self._timeout:g} s{self._last_words()}")
            if self._cancelled.is_set():
                raise SilentError(f"{self.name} was stopped: nobody waits for it any more")
            for key, _ in ready:
                if key.fileobj is self._err:
                    said = os.read(self._err.fileno(), _SAID_BYTES)
                    self._said = (self._said + said)[-_SAID_BYTES:]
                    if not said:
                        self._selector.unregister(self._err)
                elif length := os.readv(self._out.fileno(), [buffer]):
                    return length
                else:
                    self._selector.unregister(self._out)
        try:
            status = self._process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            raise SilentError(f"{self.name} did not end for {self._timeout:g} s{self._last_words()}") from None
        if status:
            raise ProgramError(f"{self.name} failed with exit status {status}{self._last_words()}")
        return 0

    def close(self) -> None:
        """End what still runs."""
        if self.closed:
            return
        # The group may outlive its first process; none of it is there any more in the usual case.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._selector.close()
        self._out.close()
        self._err.close()
        super().close()

    def _last_words(self) -> str:
        # Progress lines end in a carriage return; the reason is what comes last.
        lines = [line.strip() for line in self._said.decode("utf-8", "replace").replace("\r", "\n").splitlines()]
        words = " ".join(line for line in lines[-6:] if line)
        return f": {words}" if words else ""


@dataclass(frozen=True)
class Program:
    """A way to run one program: its first arguments, its environment, and the request it serves."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    request: Request

    @contextlib.contextmanager
    def run(self, *arguments: str) -> Iterator[io.BufferedReader]:
        """What it prints, as a buffered stream. Raises SilentError and ProgramError as Output does."""
        command = [*self.command, *arguments]
        patience, cancelled = self.request.timeout, self.request.cancelled
        with Output(command, timeout=patience, cancelled=cancelled, env=self.env) as raw:
            yield io.BufferedReader(raw, _CHUNK)

    def text(self, *arguments: str) -> bytes:
        """All it prints."""
        with self.run(*arguments) as stream:
            return stream.read()


@dataclass(frozen=True, slots=True)
class Text:
    """A content that is part of a file: where it begins, its length, and its git id."""

    path: str
    offset: int
    size: int
    blob_id: str


class Spool:
    """A file below `folder` that contents are added to one after the other."""

    def __init__(self, folder: Path) -> None:
        descriptor, self.path = tempfile.mkstemp(dir=folder, prefix="contents-")
        self._file = os.fdopen(descriptor, "wb")
        self._end = 0

    def add(self, stream: BinaryIO, size: int, *others: "hashlib._Hash") -> Text:
        """The next `size` bytes of `stream`, which `others` see as well. Raises EOFError if there are fewer."""
        hasher = content_hasher(size)
        left = size
        while left:
            chunk = stream.read(min(left, _CHUNK))
            if not chunk:
                self._file.seek(self._end)
                self._file.truncate()
                raise EOFError(f"{left} of {size} bytes are missing")
            for each in (hasher, *others):
                each.update(chunk)
            self._file.write(chunk)
            left -= len(chunk)
        offset, self._end = self._end, self._end + size
        return Text(self.path, offset, size, hasher.hexdigest())

    def add_chunks(self, chunks: Iterator[bytes], *others: "hashlib._Hash") -> Text:
        """A content whose length is not known before: most fit into memory, the others are read again for their id."""
        head = bytearray()
        for chunk in chunks:
            head += chunk
            if len(head) > _CHUNK:
                return self._add_long(itertools.chain((head,), chunks), others)
        return self.add(io.BytesIO(head), len(head), *others)

    def _add_long(self, chunks: Iterable[bytes | bytearray], others: "Sequence[hashlib._Hash]") -> Text:
        size = 0
        try:
            for chunk in chunks:
                for each in others:
                    each.update(chunk)
                self._file.write(chunk)
                size += len(chunk)
        except BaseException:
            self._file.seek(self._end)
            self._file.truncate()
            raise
        hasher = content_hasher(size)
        text = Text(self.path, self._end, size, "")
        self._end += size
        self.flush()
        with Path(self.path).open("rb") as stream:
            stream.seek(text.offset)
            while chunk := stream.read(_CHUNK):
                hasher.update(chunk)
        return replace(text, blob_id=hasher.hexdigest())

    def flush(self) -> None:
        """Let readers see what was added."""
        self._file.flush()

    def release(self) -> None:
        """Remove the file."""
        self._file.close()
        Path(self.path).unlink(missing_ok=True)


def read_text(text: Text, size: int = -1) -> bytes:
    """A content, or its first `size` bytes. Spools it is in must be flushed."""
    with Path(text.path).open("rb") as stream:
        stream.seek(text.offset)
        return stream.read(text.size if size < 0 else min(size, text.size))


class _Part(io.RawIOBase):
    """`size` bytes of an open file from `offset` on."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        super().__init__()
        self._descriptor, self._offset, self._left = descriptor, offset, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        view = memoryview(buffer)[: self._left]
        if not len(view):
            return 0
        length = os.preadv(self._descriptor, [view], self._offset)
        self._offset += length
        self._left -= length
        return length


@dataclass(frozen=True)
class Parts:
    """The reader of contents that are parts of files: `Entry.at` is a Text, or the bytes themselves."""

    def open(self) -> "OpenParts":
        """Nothing is opened before it is asked for."""
        return OpenParts()


class OpenParts:
    """Holds the file last read from open."""

    def __init__(self) -> None:
        self._path = ""
        self._file: BinaryIO | None = None

    def read(self, entries: Sequence[Entry]) -> Iterator[Opened | Lost]:
        """Each part in turn."""
        for entry in entries:
            if isinstance(entry.at, bytes):
                yield Opened(io.BytesIO(entry.at), len(entry.at))
                continue
            assert isinstance(entry.at, Text)
            try:
                stream = self._at(entry.at)
            except OSError as error:
                yield Lost(entry.path, "unreadable", error.strerror or str(error))
                continue
            yield Opened(stream, entry.at.size)

    def _at(self, text: Text) -> BinaryIO:
        if self._file is None or self._path != text.path:
            self.close()
            self._file, self._path = Path(text.path).open("rb", buffering=0), text.path  # noqa: SIM115
        return io.BufferedReader(_Part(self._file.fileno(), text.offset, text.size))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
