"""A run of ingest that was cut off is found again: the same sources asked for again go on with it."""

import hashlib
import json
import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType

from .catalog import Place

_FOLDER = "ingests"
# The runs of this process.
_under_way: set[str] = set()


@dataclass(frozen=True)
class Journal:
    """The run under way for one set of sources and settings. started: the date its visits of the present have.

    What was done is known from the lake itself (a visit is there or not); this only keeps the date of the run, by which
    its visits are told from those of an earlier run.
    """

    where: Place
    name: str
    started: datetime

    def __enter__(self) -> None:
        """From now on the run can be found again."""
        _under_way.add(self.name)
        run = {"started": self.started.isoformat(), "host": socket.gethostname(), "process": os.getpid()}
        self.where.write(json.dumps(run).encode(), _FOLDER, self.name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """If the run came to its end, the same sources asked for again are visited anew."""
        _under_way.discard(self.name)
        if kind is None:
            self.where.fs.rm_file(self.where.path(_FOLDER, self.name))


def find(where: Place, asked: object, visited: Callable[[datetime], bool]) -> Journal:
    """The run of what is `asked` (any JSON value): one that was cut off after its first visit, or a new one.

    visited: whether the lake has visits of a run begun on that date. A run of the same that is still going on is left
    alone, this is another; one of another machine may be going on.
    """
    key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    new = f"{key}-{uuid.uuid4().hex}.json"
    folder = where.path(_FOLDER)
    found = where.fs.ls(folder, detail=False) if where.fs.exists(folder) else []
    started = None
    for name in sorted(path.rsplit("/", 1)[-1] for path in found):
        if not name.startswith(key) or name in _under_way or (before := _cut_off(where, name)) is None:
            continue
        try:
            # Taken by renaming it: of two that find it one has it.
            where.fs.mv(where.path(_FOLDER, name), where.path(_FOLDER, new))
        except FileNotFoundError:
            continue
        if visited(before):
            started = before
            break
    return Journal(where, new, started or datetime.now(UTC).replace(tzinfo=None))


def _cut_off(where: Place, name: str) -> datetime | None:
    """When a run began that is over without having come to its end; None if it may still be going on."""
    try:
        run = json.loads(where.read(_FOLDER, name) or b"")
        started = datetime.fromisoformat(run["started"])
    except (ValueError, KeyError, TypeError):
        return None
    process = run.get("process")
    alive = run.get("host") != socket.gethostname() or (process != os.getpid() and _alive(process))
    return None if alive else started


def _alive(process: object) -> bool:
    try:
        os.kill(int(str(process)), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
