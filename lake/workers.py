"""Workers side by side: the first files are read here, many files by processes of their own."""

import contextlib
import os
import queue
import signal
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from ..engine.errors import LakeError
from ..engine.process import spawn
from .reading import Result, Task, Worker

# What is read here in the time that processes take to start: about half a second on the machine of bench/LOG.md.
_ALONE_FILES, _ALONE_BYTES = 1500, 24 << 20
_MOST_WORKERS = 16

T = TypeVar("T")
Decide = Callable[[Sequence[str | None]], list[bool]]


class _Reads(Protocol):
    def run(self, task: Task, decide: Decide) -> Result: ...
    def written(self) -> list[str]: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...


class _Here:
    """A worker in this process."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.written, self.abort, self.close = worker.written, worker.abort, worker.close

    def run(self, task: Task, decide: Decide) -> Result:
        return self.worker.finish(decide(self.worker.read(task)))


class _There:
    """A worker in a process of its own. Raises LakeError if that process ends unasked."""

    def __init__(self, *arguments: object) -> None:
        ours, theirs = socket.socketpair()
        self.process = spawn(f"{__name__}:serve", theirs.fileno())
        theirs.close()
        self.connection = Connection(ours.detach())
        self._send(arguments)

    def run(self, task: Task, decide: Decide) -> Result:
        ids: list[str | None] = self._ask("read", task)
        result: Result = self._ask("finish", decide(ids))
        return result

    def written(self) -> list[str]:
        paths: list[str] = self._ask("written")
        return paths

    def abort(self) -> None:
        self._ask("abort")

    def close(self) -> None:
        self.connection.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _ask(self, name: str, *arguments: object) -> Any:
        self._send((name, *arguments))
        try:
            good, answer = self.connection.recv()
        except (EOFError, ConnectionError):
            raise self._ended() from None
        if not good:
            raise answer
        return answer

    def _send(self, message: object) -> None:
        try:
            self.connection.send(message)
        except (BrokenPipeError, ConnectionError):
            raise self._ended() from None

    def _ended(self) -> LakeError:
        status = self.process.wait()
        why = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"
        return LakeError(f"ingest: a reading process was ended {why}; nothing of this commit was kept, run it again")


def serve(descriptor: int) -> None:
    """The life of a worker process: answer until the other side goes away."""
    # Ctrl-C reaches the whole group; the process that asks decides what happens to the work under way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(descriptor)
    worker = Worker(*connection.recv())
    with contextlib.closing(worker), contextlib.suppress(EOFError, ConnectionError):
        while True:
            name, *arguments = connection.recv()
            try:
                answer = (True, getattr(worker, name)(*arguments))
            except Exception as error:
                answer = (False, error)
            connection.send(answer)


class _Turns:
    """Lets numbered callers in one at a time, in order of their numbers."""

    def __init__(self) -> None:
        self._next = 0
        self._condition = threading.Condition()
        self._broken = False

    @contextlib.contextmanager
    def turn(self, number: int) -> Iterator[None]:
        """Wait for `number`'s turn. Raises LakeError if a caller before it gave up."""
        with self._condition:
            self._condition.wait_for(lambda: self._broken or self._next == number)
            if self._broken:
                raise LakeError("ingest: another part of this commit failed")
            yield
            self._next = number + 1
            self._condition.notify_all()

    def give_up(self) -> None:
        """Nobody's turn comes any more."""
        with self._condition:
            self._broken = True
            self._condition.notify_all()


class Pool:
    """Runs tasks and hands on their results in order; starts processes when there is enough to read.

    processes: how many, at most; 0 to read everything here. By default one for each core this process may use.
    """

    def __init__(
        self, root: str, blobs: pa.Schema, files: pa.Schema, max_bytes: int, processes: int | None = None
    ) -> None:
        self._arguments = (root, blobs, files, max_bytes)
        self._processes = min(_MOST_WORKERS, len(os.sched_getaffinity(0))) if processes is None else processes
        self._here = _Here(Worker(*self._arguments))
        self._there: list[_There] = []
        self._idle: queue.SimpleQueue[_There] = queue.SimpleQueue()
        self._threads: ThreadPoolExecutor | None = None
        self._files = self._bytes = 0

    def run(self, items: Iterable[tuple[T, Task | None]], decide: Decide) -> Iterator[tuple[T, Result | None]]:
        """(item, result of its task) in order of `items`; None for an item without a task.

        decide: which of these ids are first seen, asked in order of the tasks.
        """
        turns = _Turns()
        waiting: deque[tuple[T, Future[Result] | None]] = deque()
        number = under_way = 0

        def in_turn(task: Task) -> Decide:
            def asked(ids: Sequence[str | None]) -> list[bool]:
                with turns.turn(task.number):
                    return decide(ids)

            return asked

        try:
            for item, task in items:
                if task is None:
                    waiting.append((item, None))
                else:
                    assert task.number == number
                    number += 1
                    under_way += 1
                    waiting.append((item, self._submit(task, in_turn(task))))
                while waiting:
                    future = waiting[0][1]
                    if future is not None and not future.done() and under_way <= 2 * len(self._there):
                        break
                    under_way -= future is not None
                    yield waiting.popleft()[0], None if future is None else future.result()
            for item, future in waiting:
                yield item, None if future is None else future.result()
        except BaseException:
            turns.give_up()
            raise
        finally:
            for _, future in waiting:
                if future is not None:
                    future.exception()

    def _submit(self, task: Task, decide: Decide) -> Future[Result]:
        self._files += len(task.entries)
        self._bytes += sum(max(entry.size, 0) for entry in task.entries)
        if not self._there and self._processes and (self._files > _ALONE_FILES or self._bytes > _ALONE_BYTES):
            self._there = [_There(*self._arguments) for _ in range(self._processes)]
            for worker in self._there:
                self._idle.put(worker)
            self._threads = ThreadPoolExecutor(len(self._there), thread_name_prefix="ingest")
        if self._threads is None:
            done: Future[Result] = Future()
            done.set_result(self._here.run(task, decide))
            return done
        return self._threads.submit(self._run_there, task, decide)

    def _run_there(self, task: Task, decide: Decide) -> Result:
        worker = self._idle.get()
        try:
            return worker.run(task, decide)
        finally:
            self._idle.put(worker)

    def written(self) -> list[str]:
        """The files of `blobs` written since the last call."""
        return [path for worker in self._workers() for path in worker.written()]

    def abort(self) -> None:
        """Remove the files of `blobs` written since the last call of `written`."""
        for worker in self._workers():
            # A process that died left files that no table knows; there is nobody to ask for their names.
            with contextlib.suppress(LakeError):
                worker.abort()

    def close(self) -> None:
        """End the processes."""
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in self._workers():
            worker.close()

    def _workers(self) -> list[_Reads]:
        return [self._here, *self._there]
