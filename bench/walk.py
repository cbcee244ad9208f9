"""Walking directories of Software Heritage's graph: `python -m bench.walk [--json] [--runs N] [--entries N]`.

Work: `directory_entry` made of the real folders of the Python environment that runs this, each package a repository,
each with a second revision in which one file is another, until there are so many entries in all trees together; beside
them twice as many rows of directories that no revision asked for reaches. Ours is what `swh:` runs (sql/swh). The peer
is The Stack v2's way (the-stack-v2, 1_directory_traversal/find_file_paths.py) in DuckDB: the rows that are directories
are joined with directory_entry again, level by level, until none is left. Both give every (root, path, content).
"""

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

import pyarrow as pa

from codelake.engine.duck import Workspace
from codelake.lake.sources.swh import DEEPEST, MOST_ROWS
from codelake.lake.swhid import TREE_MODE, content_id, object_id
from codelake.sql import load

from . import Figure, alternate, show

START = """CREATE TABLE walk_0 AS SELECT DISTINCT r.directory_id AS root, e.name AS path, e.type, e.target
FROM roots r JOIN directory_entry e ON e.directory_id = r.directory_id WHERE e.type <> 'rev'"""
STEP = """CREATE TABLE walk_{next} AS SELECT w.root, w.path || '/'::BLOB || e.name AS path, e.type, e.target
FROM walk_{now} w JOIN directory_entry e ON e.directory_id = w.target WHERE w.type = 'dir' AND e.type <> 'rev'"""


class Tree:
    """Directories as rows of directory_entry, each directory once."""

    def __init__(self) -> None:
        self.rows: dict[str, list[tuple[str, bytes, str, str, int]]] = {}

    def add(self, node: dict[bytes, object]) -> str:
        """The id of a directory given as name -> id of a file or another such dictionary."""
        rows = []
        for name, child in node.items():
            if isinstance(child, dict):
                rows.append((name + b"/", name, "dir", self.add(child), int(TREE_MODE, 8)))
            else:
                rows.append((name, name, "file", str(child), 0o100644))
        rows.sort()
        body = b"".join(b"%o %s\0%s" % (perms, name, bytes.fromhex(target)) for _, name, _, target, perms in rows)
        identifier = object_id("tree", body)
        self.rows[identifier] = [(identifier, *row[1:]) for row in rows]
        return identifier


def packages() -> dict[str, dict[bytes, object]]:
    """The folders of the environment: package -> its tree, contents told by their paths and sizes."""
    root = Path(pa.__file__).parents[1]
    found: dict[str, dict[bytes, object]] = defaultdict(dict)
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file() or "__pycache__" in path.parts:
            continue
        *folders, name = path.relative_to(root).parts
        if not folders:
            continue
        node = found[folders[0]]
        for folder in folders[1:]:
            child = node.setdefault(folder.encode(), {})
            assert isinstance(child, dict)
            node = child
        node[name.encode()] = content_id(f"{path.relative_to(root)} {path.stat().st_size}".encode())
    return dict(found)


def graph(entries: int) -> tuple[pa.Table, list[str]]:
    """directory_entry, and the roots of the revisions asked for: so many that their trees have `entries` entries."""
    tree, other = Tree(), Tree()
    roots: list[str] = []
    folders = packages()
    size = revision = 0
    while size < entries:
        for package in folders.values():
            # A changed file changes every directory above it, and nothing else.
            for version in range(2):
                changed = package | {b"CHANGED": content_id(b"%d %d" % (revision, version))}
                roots.append(tree.add(changed))
                size += _size(changed)
            if size >= entries:
                break
        revision += 1
    while sum(map(len, other.rows.values())) < 2 * size:
        for number, package in enumerate(folders.values()):
            renamed = {b"%d-%d-%d" % (len(other.rows), number, revision): _renamed(package, len(other.rows))}
            other.add(renamed)
    rows = [row for directory in (*tree.rows.values(), *other.rows.values()) for row in directory]
    names = ("directory_id", "name", "type", "target", "perms")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    return pa.table(columns), list(dict.fromkeys(roots))


def _size(node: dict[bytes, object]) -> int:
    return sum(1 + (_size(child) if isinstance(child, dict) else 0) for child in node.values())


def _renamed(node: dict[bytes, object], number: int) -> dict[bytes, object]:
    """The same shape with other contents, so that no directory is one of another copy."""
    return {
        name: _renamed(child, number) if isinstance(child, dict) else content_id(f"{number} {child}".encode())
        for name, child in node.items()
    }


def ours(work: Workspace) -> None:
    """The steps of `swh:` from directory_entry to paths."""
    for name in ("edges", "reached", "entries", "breadth", "folders", "ours"):
        work.run(f"DROP TABLE IF EXISTS {name}")
    for name in ("edges", "reached", "entries", "breadth"):
        work.run(load(f"swh/{name}"))
    work.run(load("swh/walk"), [MOST_ROWS, DEEPEST])
    work.run(f"CREATE TABLE ours AS {load('swh/files')}", [MOST_ROWS, DEEPEST])


def peer(work: Workspace) -> None:
    """One self-join a level."""
    work.run("DROP TABLE IF EXISTS theirs")
    work.run(START)
    level = 0
    while _count(work, f"walk_{level} WHERE type = 'dir'"):
        work.run(STEP.format(now=level, next=level + 1))
        level += 1
    union = " UNION ALL ".join(f"SELECT * FROM walk_{n} WHERE type = 'file'" for n in range(level + 1))
    work.run(f"CREATE TABLE theirs AS SELECT root, path, target FROM ({union}) ORDER BY root, path")
    for number in range(level + 1):
        work.run(f"DROP TABLE walk_{number}")


def _count(work: Workspace, what: str) -> int:
    [batch] = work.batches(f"SELECT count(*) FROM {what}")
    found: int = batch.column(0)[0].as_py()
    return found


def measure(folder: Path, runs: int, entries: int) -> list[Figure]:
    """Rows a second of both, after checking that they give the same rows."""
    table, roots = graph(entries)
    with Workspace(folder / "walk.db") as work:
        work.run("CREATE TABLE directory_entry AS FROM made", made=table)
        numbered = pa.table({"number": list(range(len(roots))), "directory_id": roots})
        work.run("CREATE TABLE roots AS FROM made", made=numbered)
        # No contents here: what is measured is the walk.
        work.run(
            "CREATE TABLE contents AS SELECT target AS sha1_git, target AS sha1, 0 AS length, 'visible' AS status "
            "FROM directory_entry WHERE false"
        )
        work.run("CREATE TABLE skipped AS SELECT sha1_git, status AS reason FROM contents")
        ours(work)
        peer(work)
        found = _count(work, "ours")
        same = "(SELECT r.directory_id, o.path, o.target FROM ours o JOIN roots r USING (number))"
        for one, two in ((same, "(FROM theirs)"), ("(FROM theirs)", same)):
            assert _count(work, f"({one} EXCEPT ALL {two})") == 0, "the two walks give different rows"
        seconds, their_seconds = alternate(lambda: ours(work), lambda: peer(work), times=runs)
    return [
        Figure(
            bench="walk",
            figure=f"files found ({found:,} in {len(roots):,} trees)",
            value=found / seconds,
            unit="rows/s",
            peer="self-joins",
            peer_value=found / their_seconds,
        )
    ]


def main() -> None:
    """Run the benchmark in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--runs", type=int, default=3, help="runs of each, the median counts")
    parser.add_argument("--entries", type=int, default=300_000, help="directory entries of all trees together")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="codelake-bench-") as work:
        show(measure(Path(work), options.runs, options.entries), as_json=options.json)


if __name__ == "__main__":
    main()
