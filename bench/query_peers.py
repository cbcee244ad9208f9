"""What the peers of bench.query do, run by the Python of `make bench-env`: `query_peers.py WORK FOLDER|PARQUET...`.

Prints one JSON object: {"seconds": of the work itself, "answer": …}. Imports nothing of ours.
"""

import json
import sys
from pathlib import Path
from time import perf_counter


def parse_all(folder: str, source: str) -> dict[str, int]:
    """Every .py file parsed in this process and asked `source`: path -> number of matches."""
    from tree_sitter import Parser, Query, QueryCursor
    from tree_sitter_language_pack import get_language

    language = get_language("python")
    parser, query = Parser(language), Query(language, source)
    found = {}
    for path in sorted(Path(folder).rglob("*.py")):
        tree = parser.parse(path.read_bytes())
        if count := len(QueryCursor(query).matches(tree.root_node)):
            found[str(path.relative_to(folder))] = count
    return found


def datasets_filter(needle: str, files: list[str]) -> int:
    """Hugging Face datasets: load the Parquet files and filter by a substring, without its cache on disk."""
    import datasets

    datasets.disable_caching()
    datasets.disable_progress_bars()
    rows = datasets.load_dataset("parquet", data_files=files, split="train", columns=["content"])
    return len(rows.filter(lambda batch: [needle in text for text in batch["content"]], batched=True))


def polars_filter(needle: str, files: list[str]) -> int:
    """Polars: the same over a lazy scan."""
    import polars

    scan = polars.scan_parquet(files, hive_partitioning=False)
    kept = scan.filter(polars.col("content").str.contains(needle, literal=True)).select(polars.len())
    return int(kept.collect().item())


def main() -> None:
    """Run one piece of work and print its answer."""
    work, text, *rest = sys.argv[1:]
    started = perf_counter()
    if work == "parse":
        answer: object = parse_all(rest[0], text)
    elif work == "datasets":
        answer = datasets_filter(text, rest)
    else:
        answer = polars_filter(text, rest)
    print(json.dumps({"seconds": perf_counter() - started, "answer": answer}))


if __name__ == "__main__":
    main()
