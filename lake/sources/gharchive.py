"""`gharchive:FILE`: issues and pull requests from a GitHub Archive event file or a `gh … --json` export.

Each conversation that StarCoder2's rules keep (conversations.py) becomes one text, `issues/NUMBER.txt` or
`pulls/NUMBER.txt`, of a visit of `REPOSITORY-URL/issues`: another origin than the code, whose visits it leaves alone.
"""

import glob
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ...engine.errors import SourceError
from ..conversations import Rejected, conversations, open_lines
from . import FILE, Entry, Failure, Lost, Request, Visit, local_path, origin


def visits(request: Request) -> Iterator[Visit | Failure]:
    """One visit for each repository with conversations in the file, or in all files a pattern such as `*.gz` names.

    Raises SourceError if there is no such file.
    """
    request.without_history("a file of events")
    if not request.rest:
        raise SourceError(f"{request.source}: name a file, for example gharchive:2024-01-01-15.json.gz")
    pattern = local_path(request.rest)
    paths = [pattern] if pattern.is_file() else [Path(name) for name in sorted(glob.glob(str(pattern)))]  # noqa: PTH207
    if not paths:
        raise SourceError(f"{request.source}: there is no file {pattern}")
    return _visits(request, paths)


def _visits(request: Request, paths: list[Path]) -> Iterator[Visit | Failure]:
    texts: dict[str, dict[bytes, Entry]] = defaultdict(dict)
    lost: dict[str, list[Lost]] = defaultdict(list)
    urls: dict[str, str] = {}
    for path in paths:
        unread: dict[str, list[str]] = defaultdict(list)
        for found in conversations(open_lines(path)):
            if isinstance(found, Rejected):
                if found.repo_name is None:
                    unread[found.reason].append(found.value)
                else:
                    where = str(found.number).encode()
                    lost[found.repo_name].append(Lost(where, found.reason, found.value, found.threshold))
                continue
            folder = "issues" if found.kind == "issue" else "pulls"
            at, data = f"{folder}/{found.number}.txt".encode(), found.text.encode()
            texts[found.repo_name][at] = Entry(at, FILE, data, len(data))
            urls[found.repo_name] = found.repo_url
        for reason, values in unread.items():
            lines = f"{len(values)} of its lines" if len(values) > 1 else "a part of it"
            yield Failure(f"gharchive:{path}", f"{lines} cannot be read: {values[0]}", reason)
    for name in sorted({*texts, *lost}):
        known = origin(urls.get(name, f"https://github.com/{name}"))
        yield Visit(
            repo_name=name,
            repo_url=f"{known.url}/issues",
            host=known.host,
            owner=known.owner,
            source=request.source,
            vcs="forge",
            visit_date=request.started,
            entries=[texts[name][path] for path in sorted(texts[name])],
            lost=lost[name],
            of=len({*texts, *lost}),
        )
