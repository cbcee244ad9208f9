"""Syntax questions to many files at once: small batches are answered here, larger ones by processes."""

import contextlib
import os
import select
import signal
import socket
import threading
import weakref
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

import pyarrow as pa

from ..errors import QueryError
from ..process import spawn
from . import match, worker
from .grammars import grammar
from .match import KINDS, Kind, Limits

# Contents up to this many bytes in one call are parsed here: sooner done than sent to a process that must start first.
HERE_BYTES = 64 << 10
_MOST_WORKERS = 16
# How long a thread waits before it looks whether it should go on.
_GLANCE_SECONDS = 0.1
_MOST_FILES = 4096
_PIECE_BYTES = (128 << 10, 2 << 20)
_ARROW = {
    "UINTEGER": pa.uint32(),
    "USMALLINT": pa.uint16(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "VARCHAR": pa.large_string(),
}

COUNTS = (
    *("rows", "without_literals", "calls", "files", "duplicates", "parsed_files", "parsed_bytes", "parse_microseconds"),
    *("too_large", "timeouts", "crashes", "given_up", "restarts", "match_limit", "cut"),
)

File: TypeAlias = tuple[str, bytes | None]


@dataclass(frozen=True)
class Job:
    """One question. kind: a key of `match.KINDS`. text: the query or pattern.

    strict: whether a language without a grammar, or whose grammar lacks what the query names, is an error; else NULL.
    """

    kind: str
    text: str = ""
    strict: bool = True


@cache
def arrow_type(kind: str) -> pa.DataType:
    """The type of an answer of `kind`."""
    of = KINDS[kind]
    if of.scalar:
        return _ARROW[of.scalar]
    return pa.list_(pa.struct([pa.field(name, _ARROW[type_]) for name, type_ in of.fields.items()]))


def sql_type(kind: str) -> str:
    """The same for SQL."""
    of = KINDS[kind]
    fields = ", ".join(f'"{name}" {type_}' for name, type_ in of.fields.items())
    return of.scalar or f"STRUCT({fields})[]"


def _array(column: worker.Column, type_: str) -> pa.Array:
    nulls, values, offsets = column
    missing = None if nulls is None else pa.py_buffer(_bits(nulls, invert=True))
    if offsets is not None:
        buffers = [missing, pa.py_buffer(offsets), pa.py_buffer(values)]
        return pa.Array.from_buffers(pa.large_string(), len(offsets) // 8 - 1, buffers)
    if type_ == "BOOLEAN":
        return pa.Array.from_buffers(pa.bool_(), len(values), [missing, pa.py_buffer(_bits(values))])
    kind = _ARROW[type_]
    return pa.Array.from_buffers(kind, len(values) * 8 // kind.bit_width, [missing, pa.py_buffer(values)])


def _bits(flags: bytes, *, invert: bool = False) -> bytes:
    import numpy as np

    bits = np.frombuffer(flags, np.uint8).astype(bool)
    return np.packbits(~bits if invert else bits, bitorder="little").tobytes()


def _assembled(kind: Kind, type_: pa.DataType, columns: tuple[worker.Column, list[worker.Column]]) -> pa.Array:
    if kind.scalar:
        return _array(columns[0], kind.scalar)
    lengths = _array(columns[0], "BIGINT")
    fields = [_array(part, of) for part, of in zip(columns[1], kind.fields.values(), strict=True)]
    elements = pa.StructArray.from_arrays(fields, fields=list(type_.value_type))
    ends = pa.compute.cumulative_sum(pa.compute.fill_null(lengths, 0))
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends]).cast(pa.int32())
    return pa.ListArray.from_arrays(offsets, elements, type=type_, mask=lengths.is_null())


class _Ended(Exception):
    """The process is gone. place: the file it was at, None if it had begun none. why: the counter of such ends."""

    def __init__(self, place: int | None, why: str) -> None:
        super().__init__(why)
        self.place, self.why = place, why


class _Worker:
    """A process, and the line to it."""

    def __init__(self, limits: Limits) -> None:
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        self.progress = os.fdopen(read, "rb", buffering=0)
        with theirs:
            try:
                self.process = spawn(f"{worker.__name__}:serve", theirs.fileno(), write, quiet=True)
            finally:
                os.close(write)
        self.connection = ours
        self.answered = False
        self.ask(*astuple(limits))

    def ask(self, *message: object) -> None:
        """Send a message. Nothing is said here if the process has gone; `answer` says it."""
        with contextlib.suppress(OSError):
            worker.send(self.connection, message)

    def answer(self) -> Any:
        """What it answers to the last message. Raises _Ended."""
        try:
            answer = worker.receive(self.connection)
        except (EOFError, OSError):
            status = self.process.wait()
            begun = b"" if self.progress.closed else self.progress.read(1 << 16)
            self.close()
            place = worker.PLACE.unpack(begun[-worker.PLACE.size :])[0] if begun else None
            raise _Ended(place, "timeouts" if status == -signal.SIGPROF else "crashes") from None
        self.progress.read(1 << 16)
        self.answered = True
        return answer

    def close(self) -> None:
        """End the process; it has nothing to save. A thread that waits for its answer gets _Ended."""
        self.process.kill()
        self.process.wait()
        self.connection.close()
        self.progress.close()


def _end(workers: set[_Worker], closed: threading.Event) -> None:
    closed.set()
    for one in list(workers):
        one.close()


class Pool:
    """Answers jobs over batches of files; any thread may ask. Close it, or use it in `with`.

    processes: how many at most, by default one a core this process may use; 0 to answer everything here, in a process
    that somebody else will end should a query not come to its end. They start when a batch is more than
    `here_bytes`, and end when the pool is closed or its process is gone. counts: what was done since the pool was
    made; `stats` gives them.
    """

    def __init__(
        self, processes: int | None = None, limits: Limits | None = None, *, here_bytes: int = HERE_BYTES
    ) -> None:
        self.limits = limits or Limits()
        self._most = min(_MOST_WORKERS, len(os.sched_getaffinity(0))) if processes is None else processes
        self._here_bytes = here_bytes
        # A parser, and the counts of `match`, are used by one thread at a time.
        self._here = threading.Lock()
        self._lock = threading.Lock()
        self._workers: set[_Worker] = set()
        self._idle: SimpleQueue[_Worker | None] = SimpleQueue()
        for _ in range(self._most):
            self._idle.put(None)
        self._refusals: dict[tuple[str, str, str], str] = {}
        self._ends: Counter[tuple[Job, str]] = Counter()
        self.counts = Counter(dict.fromkeys(COUNTS, 0))
        # How often somebody pressed Ctrl-C while a call was under way.
        self._interrupts = 0
        self._closed = threading.Event()
        # Before DuckDB's threads, which may be asking, are waited for at the end of this process.
        self._finalizer = weakref.finalize(self, _end, self._workers, self._closed)

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes. What is under way in other threads ends with QueryError."""
        self._finalizer()

    def stats(self) -> dict[str, int]:
        """The counts, by name."""
        with self._lock:
            return dict(self.counts)

    def count(self, **added: int) -> None:
        """Add to the counts."""
        with self._lock:
            self.counts.update(added)

    def check(self, job: Job, language: str) -> bool:
        """Whether `job` can be asked of files in `language`.

        Raises QueryError that says why not; a job that is not strict gives False where it is the language's fault.
        """
        said = self.refusal(job, language)
        if said and job.strict:
            raise QueryError(said)
        return not said

    def refusal(self, job: Job, language: str) -> str:
        """Why `job` cannot be asked of files in `language`, empty if it can."""
        kind = KINDS[job.kind]
        try:
            name = "" if kind.any_language else grammar(language).name
        except QueryError as error:
            return str(error)
        key = (job.kind, name, job.text)
        if kind.check and key not in self._refusals:
            if not self._most or match.tame(job.kind, job.text, [] if kind.any_language else [name]):
                with self._here:
                    said = worker.check(*key)
            else:
                try:
                    said = self._checked(*key)
                except _Ended as ended:
                    self._go_on(self._interrupts)
                    said = f"the query takes too long to compile for {name}, or crashes tree-sitter ({ended.why})"
            self._refusals[key] = said
        return self._refusals.get(key, "")

    def run(self, job: Job, contents: pa.Array, languages: pa.Array) -> pa.Array:
        """One answer for each row of `contents` (text or binary); NULL in either gives NULL.

        Raises QueryError for a language without a grammar, and a query that does not compile for one of the languages
        (with strict), and for a query that ended too many processes.
        """
        asked = languages.filter(contents.is_valid()).unique().to_pylist()
        able = {one: self.check(job, one) and not self._gave_up(job, one) for one in asked if one is not None}
        files: list[File] = []
        places: dict[File, int] = {}
        rows: list[int | None] = []
        size = 0
        binary = contents.cast(pa.large_binary())
        for content, language in zip(binary.to_pylist(), languages.to_pylist(), strict=True):
            if content is None or language is None or not able[language]:
                rows.append(None)
                continue
            file = (language, content)
            place = places.setdefault(file, len(files))
            if place == len(files):
                files.append(file)
                size += len(content)
            rows.append(place)
        self.count(calls=1, files=len(files), duplicates=len(rows) - rows.count(None) - len(files))
        type_ = arrow_type(job.kind)
        if not files:
            return pa.nulls(len(rows), type_)
        tongues = [one for one, good in able.items() if good]
        if not self._most or (size <= self._here_bytes and match.tame(job.kind, job.text, tongues)):
            answered = self._answered_here(job, files)
        else:
            answered = self._answered_there(job, files, size)
        chunks = pa.chunked_array(answered, type_)
        if len(rows) == len(files) and None not in rows:
            return chunks.combine_chunks()
        return chunks.take(pa.array(rows, pa.int64())).combine_chunks()

    def _answered_here(self, job: Job, files: Sequence[File]) -> list[pa.Array]:
        answered = []
        while files:
            with self._here:
                done, counted, columns = worker.answers(job.kind, job.text, files, self.limits)
            self.count(**counted)
            answered.append(_assembled(KINDS[job.kind], arrow_type(job.kind), columns))
            files = files[done:]
        return answered

    def _answered_there(self, job: Job, files: Sequence[File], size: int) -> list[pa.Array]:
        kind, type_ = KINDS[job.kind], arrow_type(job.kind)
        pieces = list(self._pieces(files, size))
        answered: list[list[pa.Array]] = [[] for _ in pieces]
        waiting = deque(range(len(pieces)))
        busy: dict[_Worker, int] = {}
        interrupts = self._interrupts
        try:
            while waiting or busy:
                # Whoever has no worker waits for one; whoever has takes more only if nobody else needs them.
                while waiting and (one := self._free(interrupts, wait=not busy)):
                    busy[one] = waiting.popleft()
                    one.ask("answers", job.kind, job.text, pieces[busy[one]])
                for one in self._ready(busy, interrupts):
                    place = busy.pop(one)
                    try:
                        done, counted, columns = one.answer()
                    except _Ended as ended:
                        self._replace(one)
                        self._without(job, pieces[place], ended, one)
                        done = 0
                    else:
                        self._idle.put(one)
                        self.count(**counted)
                        answered[place].append(_assembled(kind, type_, columns))
                    pieces[place] = pieces[place][done:]
                    if pieces[place]:
                        waiting.appendleft(place)
        except KeyboardInterrupt:
            self._interrupts += 1
            raise
        finally:
            # After an error nobody waits for what is under way.
            for one in busy:
                one.close()
                self._replace(one)
        return [part for parts in answered for part in parts]

    def _free(self, interrupts: int, *, wait: bool) -> _Worker | None:
        """A worker that nobody uses, None if there is none and it should not wait for one."""
        while True:
            self._go_on(interrupts)
            try:
                one = self._idle.get(wait, _GLANCE_SECONDS)
            except Empty:
                if wait:
                    continue
                return None
            if one is None:
                try:
                    one = _Worker(self.limits)
                except BaseException:
                    self._idle.put(None)
                    raise
                with self._lock:
                    self._workers.add(one)
                if self._closed.is_set():
                    one.close()
            return one

    def _ready(self, busy: Iterable[_Worker], interrupts: int) -> list[_Worker]:
        """Those of the busy workers that have an answer, or are gone; at least one."""
        waiting = select.poll()
        places = {one.connection.fileno(): one for one in busy}
        for place in places:
            # The line of one that was closed meanwhile has no place.
            if place >= 0:
                waiting.register(place, select.POLLIN)
        while not (found := waiting.poll(1000 * _GLANCE_SECONDS)):
            self._go_on(interrupts)
        return [places[place] for place, _ in found]

    def _go_on(self, interrupts: int) -> None:
        if self._closed.is_set():
            raise QueryError("the lake was closed while its files were parsed")
        if self._interrupts > interrupts:
            raise QueryError("interrupted")

    def _replace(self, one: _Worker) -> None:
        with self._lock:
            self._workers.discard(one)
        self._idle.put(None)

    def _without(self, job: Job, files: list[File], ended: _Ended, one: _Worker) -> None:
        """Take from `files` what ended a process. Raises QueryError if it is no file that did."""
        if ended.place is None:
            if not one.answered:
                raise QueryError("a process for parsing could not be started") from None
            return
        language = files[ended.place][0]
        files[ended.place] = (language, None)
        self.count(**{ended.why: 1}, restarts=1)
        if self._gave_up(job, language, ended=1):
            lost = [place for place, file in enumerate(files) if file[0] == language and file[1] is not None]
            self.count(given_up=len(lost))
            for place in lost:
                files[place] = (language, None)

    def _pieces(self, files: Sequence[File], size: int) -> Iterator[list[File]]:
        least, most = _PIECE_BYTES
        target = min(max(size // (4 * self._most), least), most)
        piece: list[File] = []
        held = 0
        for file in files:
            piece.append(file)
            held += len(file[1] or b"")
            if held >= target or len(piece) == _MOST_FILES:
                yield piece
                piece, held = [], 0
        if piece:
            yield piece

    def _gave_up(self, job: Job, language: str, *, ended: int = 0) -> bool:
        """Whether files in `language` ended too many processes for `job`. Raises QueryError if that is strict."""
        key = (job, language)
        with self._lock:
            self._ends[key] += ended
            over = self._ends[key] >= self.limits.max_ended
            if over and job.strict:
                # Asked again, perhaps of other files, it gets another chance.
                del self._ends[key]
        if over and job.strict:
            raise QueryError(
                f"{self.limits.max_ended} files in {language} took more than {self.limits.seconds:g} s each, or "
                f"crashed. Is there an expression in {job.text!r} that takes so long? With strict := false such files "
                "give NULL"
            )
        return over

    def _checked(self, kind: str, language: str, text: str) -> str:
        """Why `text` cannot be asked, by a process. Raises _Ended."""
        one = self._free(self._interrupts, wait=True)
        assert one is not None
        try:
            one.ask("check", kind, language, text)
            [one] = self._ready([one], self._interrupts)
            said: str = one.answer()
        except BaseException:
            one.close()
            self._replace(one)
            raise
        self._idle.put(one)
        return said
