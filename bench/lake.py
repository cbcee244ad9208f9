"""The lake against git and against hand-written DuckDB: `python -m bench.lake [--json] [--runs N] [--megabytes N]`.

Work: a tree of the text files of the Python environment that runs this. Ingest and `git add -A` each hash and store
every file into a new, empty target. The aggregate is the same SQL through `lake.sql` and over the same Parquet files
by hand. Storage is the blobs table against git's packfile after `git gc`.
"""

import argparse
import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import duckdb

import codelake
from codelake.lake.blobs import is_binary

from . import Figure, alternate, show

AGGREGATE = """SELECT language, count(*) AS files, sum(length_bytes) AS size, avg(num_lines) AS lines
FROM {table} WHERE license_type = 'none' AND length_bytes BETWEEN 100 AND 100000 AND path LIKE '%/%'
GROUP BY language ORDER BY size DESC, language"""
QUERY_RUNS = 31


def git(root: Path, *arguments: str) -> str:
    """Run git without the user's configuration."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(["git", *arguments], cwd=root, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def make_tree(root: Path, megabytes: int) -> tuple[int, int]:
    """Copy text files of the environment to `root` until they are `megabytes`; returns files and bytes."""
    paths = sysconfig.get_paths()
    files = size = 0
    for origin in (Path(paths["purelib"]), Path(paths["stdlib"])):
        for path in sorted(origin.rglob("*")):
            if path.is_symlink() or not path.is_file() or path.stat().st_size > 10 << 20 or path.suffix == ".pyc":
                continue
            data = path.read_bytes()
            if is_binary(data):
                continue
            target = root / origin.name / path.relative_to(origin)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            files, size = files + 1, size + len(data)
            if size > megabytes * 1_000_000:
                return files, size
    return files, size


def measure(work: Path, runs: int, megabytes: int) -> list[Figure]:
    """All figures, after checking that both sides stored and answered the same."""
    tree = work / "tree"
    files, size = make_tree(tree, megabytes)
    ours, theirs = [], []
    for _ in range(runs):
        shutil.rmtree(work / "lake", ignore_errors=True)
        started = perf_counter()
        with codelake.open(work / "lake", progress=False) as lake:
            lake.ingest(tree)
        ours.append(perf_counter() - started)
        shutil.rmtree(tree / ".git", ignore_errors=True)
        git(tree, "init", "-q")
        started = perf_counter()
        git(tree, "add", "-A", "-f")
        theirs.append(perf_counter() - started)
    with codelake.open(work / "lake", create=False, progress=False) as lake:
        listed = {
            line.split("\t")[1]: line.split()[1]
            for line in git(tree, "-c", "core.quotePath=false", "ls-files", "-s").splitlines()
        }
        stored = dict(lake.sql("SELECT path, blob_id FROM files").fetchall())
        assert stored == listed, "the lake and git disagree about a file"
        kept = lake.sql("SELECT count(*) FROM blobs WHERE content IS NULL").fetchall()
        assert kept == [(0,)], "the lake did not keep every content"
        lake.curate()
        by_lake, by_hand = aggregate(lake)
        git(
            tree,
            "-c",
            "user.name=bench",
            "-c",
            "user.email=bench@localhost",
            "-c",
            "gc.auto=0",
            "commit",
            "-q",
            "-m",
            "all",
        )
        git(tree, "gc", "--quiet", "--prune=now")
        packed = sum(path.stat().st_size for path in (tree / ".git" / "objects" / "pack").glob("*.pack"))
        held = sum(file.bytes for file in lake.tables()["blobs"].files)
    seconds, peer = median(ours), median(theirs)
    loose = "git add -A"
    return [
        Figure(
            bench="lake",
            figure="ingest",
            value=size / 1e6 / seconds,
            unit="MB/s",
            peer=loose,
            peer_value=size / 1e6 / peer,
        ),
        Figure(
            bench="lake",
            figure="ingest files",
            value=files / seconds,
            unit="files/s",
            peer=loose,
            peer_value=files / peer,
        ),
        Figure(
            bench="lake",
            figure="filtered aggregate",
            value=by_lake * 1e3,
            unit="ms",
            peer="DuckDB by hand",
            peer_value=by_hand * 1e3,
        ),
        Figure(
            bench="lake", figure="storage", value=held / 1e6, unit="MB", peer="git packfile", peer_value=packed / 1e6
        ),
    ]


def aggregate(lake: codelake.Lake) -> tuple[float, float]:
    """Median seconds of the aggregate through the lake and by hand over its files."""
    files = [file.path for file in lake.tables()["code"].files]
    connection = duckdb.connect()
    scan = "read_parquet($files, hive_partitioning = true, hive_types = {'language': VARCHAR, 'license_type': VARCHAR})"

    def ours() -> list[tuple[object, ...]]:
        return list(lake.sql(AGGREGATE.format(table="code")).fetchall())

    def by_hand() -> list[tuple[object, ...]]:
        return list(connection.execute(AGGREGATE.format(table=scan), {"files": files}).fetchall())

    assert ours() == by_hand(), "the lake and DuckDB by hand give different answers"
    result = alternate(ours, by_hand, times=QUERY_RUNS)
    connection.close()
    return result


def main() -> None:
    """Run the benchmark in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--runs", type=int, default=3, help="ingest runs, the median counts")
    parser.add_argument("--megabytes", type=int, default=300, help="size of the tree")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="codelake-bench-") as work:
        show(measure(Path(work), options.runs, options.megabytes), as_json=options.json)


if __name__ == "__main__":
    main()
