"""Sources against their floors: `python -m bench.sources [--json] [--repository PATH] [--megabytes N] [--runs N]`.

History: a repository with many revisions, every tag ingested, against `git cat-file --batch-all-objects --batch`, which
reads every object and throws it away. The repository is made of several versions of a package (wheels, fetched by pip
and never installed), or the one at --repository. Second visit: a repository made of the files of this Python
environment; 1 % of them are changed, and the second ingest is held against the first. Then the languages
(bench.language) and the walk over Software Heritage's tables (bench.walk).
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from statistics import median
from time import perf_counter

import codelake

from . import Figure, language, show, walk
from .lake import git, make_tree

PACKAGE = "django"
VERSIONS = ("2.2", "3.0", "3.1", "3.2", "4.0", "4.1", "4.2", "5.0", "5.1", "5.2")
CHANGED = 0.01
WORKERS = 2
WALK_ENTRIES = 300_000
_IDENTITY = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0")


def make_history(root: Path) -> Path:
    """A packed repository of VERSIONS of PACKAGE, one tagged revision each. Raises RuntimeError if pip cannot fetch."""
    repository = root / "history"
    repository.mkdir(parents=True)
    git(repository, "init", "-q", "-b", "main")
    for version in VERSIONS:
        wheels = root / f"wheel-{version}"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "-d"]
        done = subprocess.run(
            [*command, str(wheels), f"{PACKAGE}=={version}"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"pip cannot fetch {PACKAGE} {version} (name a --repository): {done.stderr.strip()}")
        shutil.rmtree(repository / PACKAGE, ignore_errors=True)
        with zipfile.ZipFile(next(wheels.glob("*.whl"))) as archive:
            archive.extractall(repository)
        git(repository, "add", "-A", "-f")
        git(repository, *_IDENTITY, "commit", "-q", "-m", version)
        git(repository, "tag", version)
    git(repository, "gc", "--quiet")
    return repository


def history(work: Path, repository: Path, runs: int) -> list[Figure]:
    """Every tag of a repository into committed Parquet, against reading all of its objects."""
    ours, floor = [], []
    for _ in range(runs):
        shutil.rmtree(work / "lake", ignore_errors=True)
        with codelake.open(work / "lake", progress=False) as lake:
            started = perf_counter()
            report = lake.ingest(f"git:{repository}", all_tags=True, workers=WORKERS)
            ours.append(perf_counter() - started)
        started = perf_counter()
        command = ["git", "-C", str(repository), "cat-file", "--batch-all-objects", "--batch"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        floor.append(perf_counter() - started)
    listing = git(
        repository, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname) %(objectsize)"
    )
    blobs = {line.split()[1]: int(line.split()[2]) for line in listing.splitlines() if line.startswith("blob ")}
    with codelake.open(work / "lake", create=False, progress=False) as lake:
        stored = dict(lake.sql("SELECT blob_id, length_bytes FROM blobs WHERE path NOT LIKE '%.ipynb/%'").fetchall())
    reachable = {blob: blobs[blob] for blob in stored if blob in blobs}
    assert stored == reachable, "the lake has contents that git does not have"
    if len(stored) < len(blobs):
        print(f"{len(blobs) - len(stored)} of {len(blobs)} blobs are in no tagged revision", file=sys.stderr)
    seconds, least = median(ours), median(floor)
    peer = "cat-file to /dev/null"
    return [
        Figure(bench="sources", figure="git history, contents", value=sum(stored.values()) / 1e6 / seconds, unit="MB/s",
               peer=peer, peer_value=sum(blobs.values()) / 1e6 / least),
        Figure(bench="sources", figure="git history, blobs", value=len(stored) / seconds, unit="blobs/s",
               peer=peer, peer_value=len(blobs) / least),
        Figure(bench="sources", figure="git history, files of all visits", value=report["files"] / seconds,
               unit="files/s", peer=f"{peer}, blobs", peer_value=len(blobs) / least),
    ]  # fmt: skip


def second_visit(work: Path, megabytes: int, runs: int) -> list[Figure]:
    """A visit after 1 % of the files changed, against the first."""
    repository = work / "tree"
    files, _ = make_tree(repository, megabytes)
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A", "-f")
    git(repository, *_IDENTITY, "commit", "-q", "-m", "all")
    git(repository, "gc", "--quiet")
    paths = git(repository, "-c", "core.quotePath=false", "ls-files", "-z").split("\0")[:-1]
    chance = random.Random(0)
    first, second = [], []
    for run in range(runs):
        shutil.rmtree(work / "lake", ignore_errors=True)
        with codelake.open(work / "lake", progress=False) as lake:
            started = perf_counter()
            lake.ingest(f"git:{repository}", workers=WORKERS)
            first.append(perf_counter() - started)
        for path in chance.sample(paths, int(files * CHANGED)):
            with (repository / path).open("ab") as sink:
                sink.write(f"\n# changed in run {run}\n".encode())
        git(repository, *_IDENTITY, "commit", "-q", "-a", "-m", str(run))
        with codelake.open(work / "lake", progress=False) as lake:
            started = perf_counter()
            lake.ingest(f"git:{repository}", workers=WORKERS)
            second.append(perf_counter() - started)
            latest = "visit_date = (SELECT max(visit_date) FROM repos) AND derived_from IS NULL"
            stored = dict(lake.sql(f"SELECT path, blob_id FROM files WHERE {latest}").fetchall())
        listed = git(repository, "-c", "core.quotePath=false", "ls-tree", "-r", "HEAD").splitlines()
        assert stored == {line.split("\t")[1]: line.split()[2] for line in listed}, (
            "a file of the second visit is wrong"
        )
    return [
        Figure(bench="sources", figure=f"second visit, 1 % of {files:,} files changed", value=median(second), unit="s",
               peer="first visit", peer_value=median(first)),
    ]  # fmt: skip


def main() -> None:
    """Run the benchmark in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--runs", type=int, default=3, help="runs, the median counts")
    parser.add_argument("--megabytes", type=int, default=600, help="size of the tree of the second visit")
    parser.add_argument("--repository", type=Path, help="a repository with tags, instead of one made of packages")
    options = parser.parse_args()
    os.environ.setdefault("CODELAKE_CACHE", str(Path(tempfile.gettempdir()) / "codelake-bench-cache"))
    with tempfile.TemporaryDirectory(prefix="codelake-bench-") as name:
        work = Path(name)
        repository = options.repository or make_history(work)
        figures = history(work, repository.resolve(), options.runs)
        figures += second_visit(work, options.megabytes, options.runs)
        figures += language.measure(options.runs)
        (work / "walk").mkdir()
        figures += walk.measure(work / "walk", options.runs, entries=WALK_ENTRIES)
    show(figures, as_json=options.json)


if __name__ == "__main__":
    main()
