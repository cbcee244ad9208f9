"""`pyenv:[PREFIX]`: the packages installed in a Python environment; `pystdlib:`: the standard library that runs us.

One repository is one distribution: its revision is the version, its declared licence what its metadata says, its files
those of its RECORD. Nothing of the environment is imported or run.
"""

import os
import platform
import stat
import sys
import sysconfig
from collections.abc import Iterator
from email.message import Message
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import cast

from packaging.utils import canonicalize_name

from ...engine.errors import SourceError
from . import EXECUTABLE, FILE, Entry, Failure, Lost, Request, Visit, local_path
from .declared import in_core_metadata
from .folder import listing

# CPython's own licence (LICENSE in its repository) in SPDX's list.
CPYTHON_LICENSE = "Python-2.0"


def visits(request: Request) -> Iterator[Visit | Failure]:
    """One visit for each distribution of the environment asked for (this one if empty), by name.

    request.rest: the environment's folder or its python executable. A distribution whose metadata is broken is a
    Failure. Raises SourceError if no site-packages is found.
    """
    request.without_history("a Python environment")
    prefix, folders = _site_packages(request.rest, request.source)
    found: dict[str, Distribution] = {}
    failures = []
    for distribution in distributions(path=[str(folder) for folder in folders]):
        where = str(getattr(distribution, "_path", "?"))
        try:
            metadata = cast("Message | None", distribution.metadata)
            name, version = (metadata["Name"], metadata["Version"]) if metadata is not None else (None, None)
        except (OSError, ValueError) as error:
            failures.append(Failure(where, f"metadata cannot be read: {error}"))
            continue
        if not name or not version:
            failures.append(Failure(where, "metadata has no Name or no Version"))
        else:
            # The first folder on the path wins, as it does for an import.
            found.setdefault(canonicalize_name(name), distribution)
    return _visits(found, failures, prefix, request)


def _visits(
    found: dict[str, Distribution], failures: list[Failure], prefix: Path, request: Request
) -> Iterator[Visit | Failure]:
    yield from failures
    for name, distribution in sorted(found.items()):
        try:
            files = distribution.files
        except (OSError, ValueError, UnicodeError) as error:
            yield Failure(name, f"its list of files cannot be read: {error}")
            continue
        if files is None:
            yield Failure(name, "it has no RECORD, so its files are unknown")
            continue
        entries, lost = _entries(distribution, [str(file) for file in files], prefix)
        yield Visit(
            repo_name=name,
            repo_url=f"pkg:pypi/{name}",
            source=request.source,
            vcs="package",
            visit_date=request.started,
            host="pypi.org",
            revision_id=distribution.version,
            declared_license=in_core_metadata(cast("Message", distribution.metadata)),
            entries=entries,
            lost=lost,
            of=len(found),
        )


def _site_packages(rest: str, source: str) -> tuple[Path, list[Path]]:
    if not rest:
        paths = sysconfig.get_paths()
        folders = [Path(p).resolve() for p in dict.fromkeys((paths["purelib"], paths["platlib"]))]
        return Path(sys.prefix).resolve(), folders
    prefix = local_path(rest).absolute()
    if prefix.is_file():
        prefix = prefix.parent.parent
    patterns = (
        "lib/python3*/site-packages",
        "lib64/python3*/site-packages",
        "Lib/site-packages",
        "lib/python3/dist-packages",
    )
    found = dict.fromkeys(folder.resolve() for pattern in patterns for folder in sorted(prefix.glob(pattern)))
    if not found:
        raise SourceError(f"{source}: {prefix} is not a Python environment: no {patterns[0]} below it")
    return prefix.resolve(), list(found)


def _entries(distribution: Distribution, names: list[str], prefix: Path) -> tuple[list[Entry], list[Lost]]:
    entries: dict[bytes, Entry] = {}
    lost = []
    site = Path(os.path.normpath(str(distribution.locate_file(""))))
    for name in names:
        # Bytecode is made at installation; it is not what was published.
        if name.endswith(".pyc"):
            continue
        at = Path(os.path.normpath(site / name))
        if at.is_relative_to(site):
            path = os.fsencode(at.relative_to(site).as_posix())
        elif at.is_relative_to(prefix):
            # Scripts and data installed beside site-packages: named as a wheel names them.
            path = os.fsencode(f"{distribution.name}-{distribution.version}.data/{at.relative_to(prefix).as_posix()}")
        else:
            # A RECORD may name any file of the machine; only the environment's own are the package's.
            lost.append(Lost(os.fsencode(name), "outside-environment", f"not below {prefix.name}"))
            continue
        try:
            status = at.lstat()
        except (OSError, ValueError) as error:
            lost.append(Lost(path, "unreadable", getattr(error, "strerror", None) or str(error)))
            continue
        if not stat.S_ISREG(status.st_mode):
            lost.append(Lost(path, "special-file", stat.filemode(status.st_mode)))
            continue
        entries[path] = Entry(path, EXECUTABLE if status.st_mode & stat.S_IXUSR else FILE, at, status.st_size)
    return [entries[path] for path in sorted(entries)], lost


def standard_library(request: Request) -> Iterator[Visit | Failure]:
    """One visit of the standard library of the Python that runs us, without packages installed into it."""
    request.without_history("the standard library")
    if request.rest:
        raise SourceError(
            f"{request.source}: write pystdlib: alone; it reads the library of the Python that runs CodeLake"
        )
    root = Path(sysconfig.get_paths()["stdlib"]).resolve()
    entries, lost = listing(root)

    def ours(path: bytes) -> bool:
        return not path.startswith((b"site-packages/", b"dist-packages/")) and not path.endswith(b".pyc")

    return iter(
        [
            Visit(
                repo_name="cpython",
                repo_url="pkg:generic/cpython",
                source=request.source,
                vcs="package",
                visit_date=request.started,
                host="python.org",
                revision_id=platform.python_version(),
                declared_license=CPYTHON_LICENSE,
                entries=[entry for entry in entries if ours(entry.path)],
                lost=[item for item in lost if ours(item.path)],
            )
        ]
    )
