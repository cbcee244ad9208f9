"""Where code comes from: each source is one function that yields visits.

A source is named `scheme:rest`; a plain path means `folder:`. Adding a source is one module with a function
`visits(rest, source) -> Iterator[Visit]` and a line in SCHEMES.
"""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from ...engine.errors import SourceError, nearest

FILE, EXECUTABLE, SYMLINK = "100644", "100755", "120000"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a visit. path: bytes as the source has them, / between names. mode: git's. at: a file to read, or
    the bytes themselves (the target of a symbolic link). size: bytes, as far as the source knows."""

    path: bytes
    mode: str
    at: Path | bytes
    size: int

    def open(self) -> BinaryIO:
        """The content, as a stream of bytes."""
        return io.BytesIO(self.at) if isinstance(self.at, bytes) else self.at.open("rb", buffering=0)


@dataclass(frozen=True, slots=True)
class Lost:
    """A file that could not even be listed: its path, why in one word, and the system's message."""

    path: bytes
    reason: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One visit of one repository, as its source saw it. Fields are those of the `repos` table.

    of: how many visits the source will yield, this one included among them.
    """

    repo_name: str
    repo_url: str
    source: str
    vcs: str
    entries: Sequence[Entry]
    lost: Sequence[Lost] = ()
    of: int = 1
    visit_date: datetime = field(default_factory=lambda: datetime.now(UTC).replace(tzinfo=None))
    host: str | None = None
    owner: str | None = None
    branch_name: str | None = None
    revision_id: str | None = None
    declared_license: str | None = None


@dataclass(frozen=True)
class Failure:
    """A visit that could not be made, and why; the rest of the source goes on."""

    name: str
    message: str


def visits(source: str) -> Iterator[Visit | Failure]:
    """The visits of `source`, in a stable order. Raises SourceError for an unknown scheme or an absent source."""
    from . import folder, pyenv

    schemes: dict[str, Callable[[str, str], Iterator[Visit | Failure]]] = {
        "folder": folder.visits,
        "pyenv": pyenv.visits,
        "pystdlib": pyenv.standard_library,
    }
    # One letter before the colon is a drive, not a scheme.
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", source)
    if match is None:
        return folder.visits(source, source)
    scheme = match[1].lower()
    if scheme not in schemes:
        close = nearest(scheme, list(schemes)) or list(schemes)
        raise SourceError(
            f"{source}: there is no source {scheme}:; nearest: {', '.join(f'{s}:' for s in close)} "
            "(a folder whose name holds a colon is written folder:NAME)"
        )
    return schemes[scheme](source[match.end() :], source)
