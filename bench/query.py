"""Questions about code, in the lake and by the tools people use: `python -m bench.query [--json] [--runs N] [--slow]`.

Work: the Python files of this environment and of the peers' (`make bench-env`), at least 20,000, as files on disk and
as a lake. Every tool answers the same question on the same files; the answers are compared before a time is printed.
Ours is timed with everything it needs: opening the lake, starting its processes, reading Parquet. Peers that are Python
libraries are timed without their imports, command-line tools as whole processes. --slow adds semgrep and py-tree-sitter
in one process.
"""

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import duckdb

import codelake

from . import Figure, alternate, show

ROOT = Path(__file__).parent.parent
PEERS = ROOT / ".venv-bench" / "bin"
FEWEST_FILES = 20_000
EVAL = "eval($$$A)"
NAMES = "(function_definition name: (identifier) @name)"
NAMES_RULE = "{id: names, language: python, rule: {kind: identifier, inside: {kind: function_definition, field: name}}}"
NEEDLE = "lru_cache("
EVERYTHING = ["--no-ignore=hidden", "--no-ignore=dot", "--no-ignore=exclude", "--no-ignore=global",
              "--no-ignore=parent", "--no-ignore=vcs", "--threads=2"]  # fmt: skip
AGGREGATE = """SELECT repo_name, split_part(path, '/', 1) AS top, count(*) AS files, sum(length_bytes) AS size
FROM {table} WHERE language = 'Python' AND length_bytes BETWEEN 100 AND 100000 AND avg_line_length < 40
GROUP BY ALL ORDER BY ALL"""
QUERY_RUNS = 21
# A result ten times the limit: what is streamed, and the most that the process may hold.
STREAM_LIMIT = "100MB"
STREAMED = r"""
import re, sys, codelake
with codelake.open(sys.argv[1], create=False, progress=False, memory_limit=sys.argv[2]) as lake:
    size = 0
    with lake.sql(sys.argv[3]).to_arrow_reader(1024) as reader:
        for batch in reader:
            size += batch.nbytes
# Not ru_maxrss: it keeps the peak of the process that started this one.
print(size, int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) * 1024)
"""


def make_corpus(root: Path) -> int:
    """Copy Python files that are text to `root`; returns how many. Raises SystemExit for too few."""
    origins = [Path(sysconfig.get_paths()["stdlib"]), Path(sysconfig.get_paths()["purelib"])]
    origins += sorted((ROOT / ".venv-bench" / "lib").glob("python*/site-packages"))
    seen: set[Path] = set()
    for number, origin in enumerate(origins):
        for path in sorted(origin.rglob("*.py")):
            # The same package in both environments counts once.
            if (relative := path.relative_to(origin)) in seen:
                continue
            data = path.read_bytes() if path.is_file() and not path.is_symlink() else b"\0"
            # What no tool reads the same way: other encodings, byte order marks, files over ast-grep's 3 MB.
            with suppress(UnicodeDecodeError):
                data.decode()
                if b"\0" in data or data.startswith(b"\xef\xbb\xbf") or len(data) > 3_000_000 or not data.strip():
                    continue
                target = root / f"{number}-{origin.name}" / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
                seen.add(relative)
    if len(seen) < FEWEST_FILES:
        raise SystemExit(f"{len(seen):,} Python files here, {FEWEST_FILES:,} are needed: `make bench-env` brings more")
    return len(seen)


def command(*arguments: str, good: tuple[int, ...] = (0,)) -> tuple[float, str]:
    """Seconds and standard output of one process of the peers' environment."""
    started = perf_counter()
    done = subprocess.run([str(PEERS / arguments[0]), *arguments[1:]], check=False, capture_output=True, text=True)
    seconds = perf_counter() - started
    if done.returncode not in good:
        raise SystemExit(f"{arguments[0]}: exit status {done.returncode}: {done.stderr.strip()[-2000:]}")
    return seconds, done.stdout


def script(*arguments: str) -> tuple[float, Any]:
    """Seconds and answer of one piece of bench/query_peers.py."""
    _, out = command("python", str(ROOT / "bench" / "query_peers.py"), *arguments)
    told = json.loads(out)
    return told["seconds"], told["answer"]


def by_file(out: str, corpus: Path, key: str = "file") -> Counter[str]:
    """Matches a file of what a tool printed: one JSON object a line."""
    return Counter(os.path.relpath(json.loads(line)[key], corpus) for line in out.splitlines())


def searched(lake_path: Path, query: str, kind: str) -> tuple[float, Counter[str]]:
    """Seconds from opening the lake to the matches of each path of `files`, and those."""
    started = perf_counter()
    with codelake.open(lake_path, create=False, progress=False) as lake:
        rows = lake.sql(
            "SELECT path, n FROM files JOIN (SELECT blob_id, count(DISTINCT match) AS n FROM "
            "code_search(?, language := 'Python', kind := ?) GROUP BY blob_id) USING (blob_id)",
            params=[query, kind],
        ).fetchall()
    return perf_counter() - started, Counter(dict(rows))


def agree(question: str, ours: Counter[str], theirs: Counter[str], *, share: float = 1.0) -> None:
    """Stop if the two answers differ in more than 1 - `share` of the files."""
    wrong = [path for path in ours.keys() | theirs.keys() if ours[path] != theirs[path]]
    if len(wrong) > (1 - share) * len(theirs):
        some = ", ".join(f"{path} ({ours[path]} / {theirs[path]})" for path in sorted(wrong)[:5])
        raise SystemExit(f"{question}: {len(wrong)} of {len(theirs)} files differ (ours / theirs): {some}")
    if wrong:
        print(f"{question}: {len(wrong)} of {len(theirs)} files differ", file=sys.stderr)


def repeated(runs: int, work: Callable[[], tuple[float, Any]]) -> tuple[float, Any]:
    """Median seconds of `runs` runs, and the answer of the last."""
    results = [work() for _ in range(runs)]
    return median(seconds for seconds, _ in results), results[-1][1]


def figure(name: str, value: float, unit: str, peer: str, peer_value: float) -> Figure:
    """One row of the table."""
    return Figure(bench="query", figure=name, value=value, unit=unit, peer=peer, peer_value=peer_value)


def patterns(lake: Path, corpus: Path, runs: int, slow: bool) -> list[Figure]:
    """A rare call and every function's name, against tools that parse."""

    def ast_grep(*arguments: str) -> tuple[float, Counter[str]]:
        seconds, out = command("ast-grep", *arguments, "--json=stream", *EVERYTHING, str(corpus), good=(0, 1))
        return seconds, by_file(out, corpus)

    figures = []
    ours, found = repeated(runs, lambda: searched(lake, EVAL, "ast_grep"))
    theirs, expected = repeated(runs, lambda: ast_grep("run", "-p", EVAL, "-l", "python"))
    agree("eval", found, expected, share=0.99)
    floor, _ = repeated(runs, lambda: command("rg", "-uuu", "-l", r"\beval\(", str(corpus)))
    figures.append(figure("calls of eval", ours, "s", "ast-grep", theirs))
    figures.append(figure("calls of eval", ours, "s", "ripgrep (floor)", floor))
    if slow:
        seconds, out = command("semgrep", "scan", "--metrics=off", "--disable-version-check", "--no-git-ignore", "-q",
                               "--json", "-j", "2", "-e", "eval(...)", "-l", "python", str(corpus))  # fmt: skip
        files = {os.path.relpath(item["path"], corpus) for item in json.loads(out)["results"]}
        print(f"semgrep finds {len(files)} files, the lake {len(found)}", file=sys.stderr)
        figures.append(figure("calls of eval", ours, "s", "semgrep", seconds))

    ours, found = repeated(runs, lambda: searched(lake, NAMES, "ts"))
    theirs, expected = repeated(runs, lambda: ast_grep("scan", "--inline-rules", NAMES_RULE))
    agree("names", found, expected, share=0.99)
    figures.append(figure("names of functions", ours, "s", "ast-grep", theirs))
    if slow:
        seconds, answer = script("parse", NAMES, str(corpus))
        agree("names by py-tree-sitter", found, Counter(answer), share=1.0)
        figures.append(figure("names of functions", ours, "s", "py-tree-sitter", seconds))
    return figures


def symbols(lake_path: Path, runs: int) -> list[Figure]:
    """The same question from the table of symbols and by parsing."""
    question = "SELECT count(*), count(DISTINCT blob_id) FROM {}"
    parsed = question.format(f"code_search('{NAMES}', language := 'Python')")
    stored = question.format("definitions WHERE language = 'Python' AND kind IN ('function', 'method')")
    with codelake.open(lake_path, create=False, progress=False) as lake:
        slow, expected = repeated(1, lambda: _timed(lambda: lake.sql(parsed).fetchall()))
        fast, found = repeated(QUERY_RUNS, lambda: _timed(lambda: lake.sql(stored).fetchall()))
    if found != expected:
        raise SystemExit(f"symbols: {found} stored, {expected} parsed")
    return [figure("definitions from symbols", fast, "s", "parsing", slow)]


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = perf_counter()
    answer = work()
    return perf_counter() - started, answer


def filters(lake_path: Path, runs: int) -> list[Figure]:
    """Columns and substrings, against DuckDB by hand, Hugging Face datasets and Polars."""
    with codelake.open(lake_path, create=False, progress=False) as lake:
        files = [file.path for file in lake.tables()["code"].files if file.partition["language"] == "Python"]
        hive = "hive_partitioning = true, hive_types = {'language': VARCHAR, 'license_type': VARCHAR}"
        scan = f"read_parquet({files!r}, {hive})"
        with duckdb.connect() as connection:

            def ours() -> Any:
                return lake.sql(AGGREGATE.format(table="code")).fetchall()

            def by_hand() -> Any:
                return connection.execute(AGGREGATE.format(table=scan)).fetchall()

            if ours() != by_hand():
                raise SystemExit("aggregate: the lake and DuckDB by hand give different answers")
            value, peer = alternate(ours, by_hand, times=QUERY_RUNS)
        count = "SELECT count(*) FROM code WHERE language = 'Python' AND contains(content, ?)"
        contains, found = repeated(runs, lambda: _timed(lambda: lake.sql(count, params=[NEEDLE]).fetchall()[0][0]))
    figures = [figure("filtered aggregate", value * 1e3, "ms", "DuckDB by hand", peer * 1e3)]
    for work in ("datasets", "polars"):
        seconds, answer = repeated(runs, lambda work=work: script(work, NEEDLE, *files))  # type: ignore[misc]
        if answer != found:
            raise SystemExit(f"files with {NEEDLE!r}: {found} in the lake, {answer} by {work}")
        figures.append(figure("files with a substring", contains, "s", work, seconds))
    return figures


def streaming(lake_path: Path, runs: int) -> list[Figure]:
    """Memory of a large result, the wait for a first batch, and a pattern query that stops early."""
    query = "SELECT content FROM code, range(8)"
    done = subprocess.run(
        [sys.executable, "-c", STREAMED, str(lake_path), STREAM_LIMIT, query],
        check=True,
        capture_output=True,
        text=True,
    )
    size, peak = map(int, done.stdout.split())

    def first() -> tuple[float, Any]:
        started = perf_counter()
        with (
            codelake.open(lake_path, create=False, progress=False) as lake,
            lake.sql("SELECT path, license, length_bytes FROM code WHERE num_lines > 100").to_arrow_reader(
                1024
            ) as rows,
        ):
            rows.read_next_batch()
            return perf_counter() - started, None

    def some(limit: str) -> tuple[float, Any]:
        started = perf_counter()
        with codelake.open(lake_path, create=False, progress=False) as lake:
            lake.sql(f"SELECT path FROM code_search('{NAMES}', language := 'Python') {limit}").fetchall()
        return perf_counter() - started, None

    batch, _ = repeated(QUERY_RUNS, first)
    ten, _ = repeated(runs, lambda: some("LIMIT 10"))
    whole, _ = repeated(1, lambda: some(""))
    return [
        figure("memory while streaming", peak / 1e6, "MB", "size of the result", size / 1e6),
        figure("first batch of metadata", batch * 1e3, "ms", "goal", 200),
        figure("ten matches", ten, "s", "all matches", whole),
    ]


def main() -> None:
    """Run the benchmark in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--runs", type=int, default=3, help="runs of each tool, the median counts")
    parser.add_argument("--slow", action="store_true", help="semgrep and a single py-tree-sitter process, too")
    parser.add_argument("--work", type=Path, help="keep the corpus and the lake in this folder and use them again")
    options = parser.parse_args()
    if not PEERS.is_dir():
        raise SystemExit("the peers are not installed: run `make bench-env` first")
    with tempfile.TemporaryDirectory(prefix="codelake-bench-") as temporary:
        work = options.work or Path(temporary)
        corpus, lake = work / "corpus", work / "lake"
        if not lake.is_dir():
            files = make_corpus(corpus)
            with codelake.open(lake, progress=False) as new:
                new.ingest(corpus)
                new.curate()
                new.symbols()
            print(f"{files:,} files", file=sys.stderr)
        found = [
            *patterns(lake, corpus, options.runs, options.slow),
            *symbols(lake, options.runs),
            *filters(lake, options.runs),
            *streaming(lake, options.runs),
        ]
        show(found, as_json=options.json)


if __name__ == "__main__":
    main()
