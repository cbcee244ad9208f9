"""The worker process: takes files and a question, gives columns. It imports no pyarrow, to be there quickly.

A message is its length and then marshalled plain values. The columns of an answer are laid out as Arrow's buffers are,
so that the asking process wraps them without copying.
"""

import contextlib
import gc
import marshal
import os
import resource
import signal
import socket
import struct
from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any, TypeAlias

from ..errors import QueryError
from . import match
from .match import KINDS, Kind, Limits

LENGTH = struct.Struct("<Q")
PLACE = struct.Struct("<I")
CODES = {"UINTEGER": "I", "USMALLINT": "H", "BIGINT": "q", "BOOLEAN": "B"}
# An answer this large is sent before the rest of the files are read.
_ANSWER_BYTES = 64 << 20
# At least, for a first query: it loads the grammar.
_CHECK_SECONDS = 4.0

# (which rows are NULL as bytes of 0 and 1, or None; values; offsets of 64 bits where values are UTF-8)
Column: TypeAlias = tuple[bytes | None, bytes, bytes | None]


def send(connection: socket.socket, message: Any) -> None:
    """Send one message."""
    data = marshal.dumps(message)
    connection.sendall(LENGTH.pack(len(data)))
    connection.sendall(data)


def receive(connection: socket.socket) -> Any:
    """The next message. Raises EOFError when the other side has gone."""
    (size,) = LENGTH.unpack(_exactly(connection, LENGTH.size))
    return marshal.loads(_exactly(connection, size))


def _exactly(connection: socket.socket, size: int) -> memoryview:
    data = memoryview(bytearray(size))
    done = 0
    while done < size:
        read = connection.recv_into(data[done:])
        if not read:
            raise EOFError
        done += read
    return data


def column(values: Sequence[Any], kind: str) -> Column:
    """Values of one SQL type, None for NULL, as buffers."""
    nulls = None
    if None in values:
        nulls = bytes(value is None for value in values)
        values = [("" if kind == "VARCHAR" else 0) if value is None else value for value in values]
    if kind != "VARCHAR":
        return nulls, array(CODES[kind], values).tobytes(), None
    text = "".join(values)
    if text.isascii():
        return nulls, text.encode(), array("q", accumulate(map(len, values), initial=0)).tobytes()
    parts = [value.encode("utf-8", "replace") for value in values]
    return nulls, b"".join(parts), array("q", accumulate(map(len, parts), initial=0)).tobytes()


def columns(kind: Kind, values: Sequence[Any]) -> tuple[Column, list[Column]]:
    """The answers for some files: the column itself, or that of lists (values are lengths) and of their fields."""
    if kind.scalar:
        return column(values, kind.scalar), []
    lengths = column([None if rows is None else len(rows) for rows in values], "BIGINT")
    elements = list(chain.from_iterable(rows for rows in values if rows))
    parts: Sequence[Sequence[Any]] = list(zip(*elements, strict=True)) or [()] * len(kind.fields)
    return lengths, [column(part, type_) for part, type_ in zip(parts, kind.fields.values(), strict=True)]


def answers(
    kind: str,
    text: str,
    files: Sequence[tuple[str, bytes | None]],
    limits: Limits,
    at: Callable[[int | None], None] = lambda _: None,
) -> tuple[int, Mapping[str, int], tuple[Column, list[Column]]]:
    """(how many of `files` are answered, what was counted, the columns); a content None gives NULL.

    at: called with each file's place before it is read, and None after the last.
    """
    match.counts.clear()
    ask = match.resolve(KINDS[kind].function)
    values: list[Any] = []
    size = 0
    for place, (language, content) in enumerate(files):
        at(place)
        if content is None:
            values.append(None)
            continue
        if len(content) > limits.max_bytes:
            match.counts["too_large"] += 1
            values.append(None)
            continue
        value = ask(content, language, text, limits)
        values.append(value)
        if isinstance(value, list):
            size += sum(len(part) for row in value for part in row if isinstance(part, str))
            if size > _ANSWER_BYTES:
                break
    at(None)
    return len(values), dict(match.counts), columns(KINDS[kind], values)


def serve(descriptor: int, progress: int) -> None:
    """The life of a worker: answer until the other side goes away. `progress` takes the place of each file begun."""
    # Ctrl-C reaches the whole group; the process that asks decides what happens to the work under way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The matches of a large file are millions of objects, none in a cycle.
    gc.disable()
    connection = socket.socket(fileno=descriptor)
    with contextlib.suppress(EOFError, ConnectionError):
        limits = Limits(*receive(connection))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (limits.worker_bytes, limits.worker_bytes))

        def at(place: int | None, seconds: float = limits.seconds) -> None:
            # Nothing in C can be interrupted; the signal's default action ends the process. Processor time, so that a
            # busy machine does not change answers.
            signal.setitimer(signal.ITIMER_PROF, 0 if place is None else seconds)
            if place is not None:
                os.write(progress, PLACE.pack(place))

        while True:
            what, *arguments = receive(connection)
            answer: object
            if what == "check":
                at(0, max(limits.seconds, _CHECK_SECONDS))
                answer = check(*arguments)
            else:
                at(0)
                kind, text, files = arguments
                answer = answers(kind, text, files, limits, at)
            at(None)
            send(connection, answer)
    # Without the interpreter's long goodbye.
    os._exit(0)


def check(kind: str, language: str, text: str) -> str:
    """Why `text` cannot be asked of files in `language`, empty if it can."""
    try:
        match.resolve(KINDS[kind].check)(language, text)
    except QueryError as error:
        return str(error)
    return ""
