"""Software Heritage identifiers: the hashes git gives to contents and directories (https://www.swhid.org, v1.2)."""

import hashlib
from collections.abc import Iterable

TREE_MODE = "40000"


def content_id(data: bytes) -> str:
    """`swh:1:cnt:` of `data` without its prefix: git's sha1 of the blob, 40 hex digits."""
    hasher = content_hasher(len(data))
    hasher.update(data)
    return hasher.hexdigest()


def content_hasher(length: int) -> "hashlib._Hash":
    """A sha1 that has taken the header of a content of `length` bytes and waits for the content."""
    return hashlib.sha1(b"blob %d\0" % length, usedforsecurity=False)


def directory_id(entries: Iterable[tuple[bytes, str, str]]) -> str:
    """`swh:1:dir:` of a tree without its prefix: git's sha1 of the root tree, 40 hex digits.

    entries: (path with / between names, git mode, 40 hex digits of the content). Directories with nothing in them do
    not count, as in git. Raises ValueError if a path is both a file and a directory.
    """
    root: dict[bytes, object] = {}
    for path, mode, identifier in entries:
        *folders, name = path.split(b"/")
        node = root
        for folder in folders:
            child = node.setdefault(folder, {})
            if not isinstance(child, dict):
                raise ValueError(f"{path!r} lies below a file")  # noqa: TRY004
            node = child
        if name in node:
            raise ValueError(f"{path!r} is there twice")
        node[name] = (mode, identifier)
    return _tree(root).hex()


def _tree(root: dict[bytes, object]) -> bytes:
    # Not by recursion: a path may have more parts than Python has frames.
    digests: dict[int, bytes] = {}
    todo = [(root, False)]
    while todo:
        node, below_done = todo.pop()
        folders = [child for child in node.values() if isinstance(child, dict)]
        if below_done or not folders:
            digests[id(node)] = _node(node, digests)
        else:
            todo.append((node, True))
            todo += [(folder, False) for folder in folders]
    return digests[id(root)]


def _node(node: dict[bytes, object], digests: dict[int, bytes]) -> bytes:
    rows = []
    for name, child in node.items():
        if isinstance(child, dict):
            # git sorts a directory as if its name ended in a slash
            rows.append((name + b"/", TREE_MODE.encode(), name, digests.pop(id(child))))
        else:
            assert isinstance(child, tuple)
            mode, identifier = child
            rows.append((name, mode.encode(), name, bytes.fromhex(identifier)))
    body = b"".join(mode + b" " + name + b"\0" + digest for _, mode, name, digest in sorted(rows))
    return hashlib.sha1(b"tree %d\0" % len(body) + body, usedforsecurity=False).digest()
