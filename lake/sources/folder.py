"""`folder:PATH` or just PATH: a folder as it lies there, one repository, one visit."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ...engine.errors import SourceError
from . import EXECUTABLE, FILE, SYMLINK, Entry, Failure, Lost, Request, Visit, local_path

# The version-control system's own store is not content of the folder.
VCS_FOLDERS = frozenset({b".git", b".hg", b".svn", b".bzr", b"CVS"})


def visits(request: Request) -> Iterator[Visit | Failure]:
    """One visit of the folder. Raises SourceError if it is not a folder that can be listed."""
    request.without_history("a folder")
    source, root = request.source, local_path(request.rest).absolute()
    try:
        os.scandir(root).close()
    except FileNotFoundError:
        raise SourceError(f"{source}: there is no folder {root}") from None
    except NotADirectoryError:
        raise SourceError(
            f"{source}: {root} is a file; name the folder it is in, or write archive:{root} for an archive, "
            f"git:{root} for a bundle, svn:{root} for a dump"
        ) from None
    except OSError as error:
        raise SourceError(f"{source}: {root} cannot be listed: {error.strerror}") from error
    return _visit(root.resolve(), request)


def _visit(root: Path, request: Request) -> Iterator[Visit | Failure]:
    entries, lost = listing(root)
    yield Visit(
        repo_name=root.name or "root",
        repo_url=root.as_uri(),
        source=request.source,
        vcs="folder",
        visit_date=request.started,
        entries=entries,
        lost=lost,
    )


def listing(root: Path) -> tuple[list[Entry], list[Lost]]:
    """Every file below `root` in order of path, and what could not be listed.

    Symbolic links are entries whose content is their target, never followed, so a loop of links is just two entries.
    Sockets, pipes and devices are lost with reason `special-file`.
    """
    entries: list[Entry] = []
    lost: list[Lost] = []
    todo = [(os.fsencode(root), b"")]
    while todo:
        folder, prefix = todo.pop()
        try:
            with os.scandir(folder) as found:
                children = list(found)
        except OSError as error:
            lost.append(Lost(prefix.rstrip(b"/"), "unreadable", error.strerror or str(error)))
            continue
        for child in children:
            path = prefix + child.name
            try:
                status = child.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    if child.name not in VCS_FOLDERS:
                        todo.append((child.path, path + b"/"))
                elif stat.S_ISLNK(status.st_mode):
                    target = os.readlink(child.path)  # noqa: PTH115 - names are bytes here
                    entries.append(Entry(path, SYMLINK, target, len(target)))
                elif stat.S_ISREG(status.st_mode):
                    mode = EXECUTABLE if status.st_mode & stat.S_IXUSR else FILE
                    entries.append(Entry(path, mode, Path(os.fsdecode(child.path)), status.st_size))
                else:
                    lost.append(Lost(path, "special-file", stat.filemode(status.st_mode)))
            except OSError as error:
                lost.append(Lost(path, "unreadable", error.strerror or str(error)))
    entries.sort(key=lambda entry: entry.path)
    lost.sort(key=lambda item: item.path)
    return entries, lost
