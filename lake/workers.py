"""Workers side by side: a few files are read here, many by this process and others."""

import contextlib
import gc
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from importlib.abc import MetaPathFinder
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from ..engine.errors import LakeError
from ..engine.process import spawn
from .reading import Result, Task, Worker

# What is read here in the time that a process takes to start: about half a second on the machine of bench/LOG.md.
_ALONE_FILES, _ALONE_BYTES = 1500, 24 << 20
_MOST_WORKERS = 16
# So many tasks each other process has, one of them waiting; so many may be done before the oldest one is.
_TASKS_EACH, _TASKS_AHEAD = 2, 64

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


class _WithoutPandas(MetaPathFinder):
    """pandas as if it were not installed.

    Arrow imports it to ask of every list whether it is a Series, which takes as long as all other imports together.
    """

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        """Found nowhere else either."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not used here", name=name)


class _There:
    """A worker in a process of its own. Raises LakeError if that process ends unasked."""

    def __init__(self, *arguments: object) -> None:
        ours, theirs = socket.socketpair()
        self.process = spawn(f"{__name__}:serve", theirs.fileno())
        theirs.close()
        self.connection = Connection(ours.detach())
        self._send(arguments)

    def ready(self) -> None:
        """Wait until it has started."""
        self._receive()

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
        return self._receive()

    def _receive(self) -> Any:
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
    sys.meta_path.insert(0, _WithoutPandas())
    connection = Connection(descriptor)
    worker = Worker(*connection.recv())
    gc.freeze()
    gc.enable()
    with contextlib.closing(worker), contextlib.suppress(EOFError, ConnectionError):
        connection.send((True, None))
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
        self._broken: BaseException | None = None

    @contextlib.contextmanager
    def turn(self, number: int) -> Iterator[None]:
        """Wait for `number`'s turn. Raises what made another caller give up, as the turn may never come then."""
        with self._condition:
            self._condition.wait_for(lambda: self._broken is not None or self._next == number)
            if self._broken is not None:
                raise self._broken
            yield
            self._next = number + 1
            self._condition.notify_all()

    def give_up(self, error: BaseException) -> None:
        """Nobody's turn comes any more."""
        with self._condition:
            self._broken = self._broken or error
            self._condition.notify_all()


class Pool:
    """Runs tasks and hands on their results in order; starts processes when there is enough to read.

    processes: how many read side by side, this one among them, at most; by default one for each core it may use.
    """

    def __init__(
        self, root: str, blobs: pa.Schema, files: pa.Schema, max_bytes: int, processes: int | None = None
    ) -> None:
        self._arguments = (root, blobs, files, max_bytes)
        processes = min(_MOST_WORKERS, len(os.sched_getaffinity(0))) if processes is None else processes
        self._others = max(processes - 1, 0)
        self._here = _Here(Worker(*self._arguments))
        self._there: list[_There] = []
        self._started: list[Future[None]] = []
        self._idle: queue.SimpleQueue[_There] = queue.SimpleQueue()
        self._room = threading.Semaphore(0)
        self._threads: ThreadPoolExecutor | None = None

    def expect(self, files: int, size: int) -> None:
        """Start the processes if this is worth it: so many files of so many bytes are about to be read."""
        if self._threads is None and self._others and (files > _ALONE_FILES or size > _ALONE_BYTES):
            self._there = [_There(*self._arguments) for _ in range(self._others)]
            self._threads = ThreadPoolExecutor(self._others, thread_name_prefix="ingest")
            self._started = [self._threads.submit(self._start, worker) for worker in self._there]

    def _start(self, worker: _There) -> None:
        worker.ready()
        self._idle.put(worker)
        self._room.release(_TASKS_EACH)

    def run(self, items: Iterable[tuple[T, Task | None]], decide: Decide) -> Iterator[tuple[T, Result | None]]:
        """(item, result of its task) in order of `items`; None for an item without a task.

        decide: which of these ids are first seen, asked in order of the tasks.
        """
        turns = _Turns()
        waiting: deque[tuple[T, Future[Result] | None]] = deque()
        number = 0

        def in_turn(task: Task) -> Decide:
            def asked(ids: Sequence[str | None]) -> list[bool]:
                with turns.turn(task.number):
                    return decide(ids)

            return asked

        def there(task: Task) -> Result:
            try:
                return self._run_there(task, in_turn(task))
            except BaseException as error:
                # Those whose turn is later, the thread that submits among them, would wait for it.
                turns.give_up(error)
                raise

        try:
            for item, task in items:
                if task is None:
                    waiting.append((item, None))
                else:
                    assert task.number == number
                    number += 1
                    waiting.append((item, self._submit(task, there, in_turn(task))))
                while waiting:
                    future = waiting[0][1]
                    if future is not None and not future.done() and len(waiting) <= _TASKS_AHEAD:
                        break
                    yield waiting.popleft()[0], None if future is None else future.result()
            for item, future in waiting:
                yield item, None if future is None else future.result()
        except BaseException as error:
            turns.give_up(error)
            raise
        finally:
            for _, future in waiting:
                if future is not None:
                    future.exception()

    def _submit(self, task: Task, there: Callable[[Task], Result], decide: Decide) -> Future[Result]:
        """Hand a task to another process, or run it here if all have enough to do."""
        if self._threads is not None and self._room.acquire(blocking=False):
            return self._threads.submit(there, task)
        done: Future[Result] = Future()
        done.set_result(self._here.run(task, decide))
        return done

    def _run_there(self, task: Task, decide: Decide) -> Result:
        worker = self._idle.get()
        try:
            return worker.run(task, decide)
        finally:
            self._idle.put(worker)
            self._room.release()

    def written(self) -> list[str]:
        """The files of `blobs` written since the last call."""
        for started in self._started:
            started.result()
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
        wait(self._started)
        return [self._here, *self._there]
