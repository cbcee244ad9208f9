"""Near-duplicates against datasketch: `python -m bench.duplicates [--json] [--datasketch PYTHON]`.

The same Python files of this environment go to both, from texts in memory to clusters: shingles of
five words, 256 slots, bands, exact verification, components. Seconds are processor time of the whole process.
datasketch cuts bands by its own optimum for 0.7. It is no dependency: PYTHON is an interpreter with
`pip install datasketch==2.0.0 xxhash==4.1.0`; without it the peer's column is empty. It reads every n-th file, some
PEER_BYTES in all.

Recall and precision: every pair of a sample of 2,000 files, by sets of Python's own. A pair is found if both are in one
cluster; precision is of the pairs that join clusters.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from time import process_time

import numpy as np

from codelake.lake.duplicates import THRESHOLD, band_keys, joined
from codelake.lake.shingles import Hashes, Places, shingles_of

from . import Figure, show

BYTES, PEER_BYTES, SAMPLE = 60 << 20, 6 << 20, 2000
_PIECE = 64

PEER = """
import json, re, sys, time
import numpy as np, xxhash
from datasketch import MinHash, MinHashLSH
texts = [open(path, "rb").read() for path in json.load(open(sys.argv[1]))]
started = time.process_time()
lsh = MinHashLSH(threshold=0.7, num_perm=256)
sets, parent, word = [], list(range(len(texts))), re.compile(rb"[A-Za-z0-9_\\x80-\\xff]+")
def root(one):
    while parent[one] != one:
        one = parent[one]
    return one
for number, text in enumerate(texts):
    words = word.findall(text)
    grams = {b" ".join(words[n : n + 5]) for n in range(max(1, len(words) - 4))}
    sketch = MinHash(num_perm=256, hashfunc=xxhash.xxh32_intdigest)
    sketch.update_batch(grams)
    for other in lsh.query(sketch):
        if root(other) != root(number):
            if len(grams & sets[other]) >= 0.7 * len(grams | sets[other]):
                low, high = sorted((root(other), root(number)))
                parent[high] = low
    lsh.insert(number, sketch)
    sets.append(grams)
print(sum(map(len, texts)) / (time.process_time() - started))
"""


def source_files() -> list[Path]:
    """Python files of this environment, some BYTES in all."""
    roots = [Path(folder) for folder in dict.fromkeys(sys.path) if folder.endswith(("site-packages", "python3.11"))]
    found = sorted({path for root in roots for path in root.rglob("*.py") if path.is_file()})
    return _spread(found, BYTES)


def _spread(paths: list[Path], size: int) -> list[Path]:
    total = sum(path.stat().st_size for path in paths)
    return paths[:: max(1, round(total / size))]


def ours(texts: list[bytes]) -> tuple[Places, list[tuple[int, int]]]:
    """The cluster of each text, and the pairs that join them."""
    sets: list[Hashes] = []
    keys = []
    for start in range(0, len(texts), _PIECE):
        some = texts[start : start + _PIECE]
        offsets = np.cumsum([0, *map(len, some)])
        found = list(shingles_of(np.frombuffer(b"".join(some), np.uint8), offsets))
        keys.append(band_keys(found, THRESHOLD))
        sets += found
    return joined(sets, np.concatenate(keys), THRESHOLD)


def peer(python: str, paths: list[Path]) -> float:
    """Bytes a second of datasketch."""
    with tempfile.TemporaryDirectory() as work:
        listed = Path(work) / "paths.json"
        listed.write_text(json.dumps([str(path) for path in paths]))
        done = subprocess.run([python, "-c", PEER, str(listed)], check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"bench.duplicates: datasketch at {python} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return float(done.stdout)


def similar_pairs(texts: list[bytes]) -> set[tuple[int, int]]:
    """All pairs with exact Jaccard similarity of THRESHOLD or more, by counting what each text shares with all before."""  # noqa: E501
    word = re.compile(rb"[A-Za-z0-9_\x80-\xff]+")
    holders: dict[tuple[bytes, ...], list[int]] = defaultdict(list)
    sizes = np.zeros(len(texts), np.int64)
    pairs: set[tuple[int, int]] = set()
    for number, text in enumerate(texts):
        words = word.findall(text)
        grams = {tuple(words[n : n + 5]) for n in range(max(1, len(words) - 4))} if words else set()
        sizes[number] = len(grams)
        shared = [one for gram in grams for one in holders[gram]]
        common = np.bincount(np.array(shared, np.int64), minlength=len(texts))
        for other in np.flatnonzero(common):
            if common[other] / (sizes[other] + len(grams) - common[other]) >= THRESHOLD:
                pairs.add((int(other), number))
        for gram in grams:
            holders[gram].append(number)
    return pairs


def measure(python: str | None) -> list[Figure]:
    """All figures."""
    paths = source_files()
    texts = [path.read_bytes() for path in paths]
    ours(texts[:_PIECE])
    started = process_time()
    ours(texts)
    speed = sum(map(len, texts)) / 1e6 / (process_time() - started)
    peer_speed = peer(python, _spread(paths, PEER_BYTES)) / 1e6 if python else float("nan")
    sample = texts[:SAMPLE]
    roots, edges = ours(sample)
    pairs = similar_pairs(sample)
    found = sum(roots[one] == roots[other] for one, other in pairs)
    good = sum((min(edge), max(edge)) in pairs for edge in edges)
    size = sum(map(len, texts)) / 1e6
    return [
        Figure(bench="duplicates", figure=figure, value=value, unit=unit, peer=name, peer_value=peer_value)
        for figure, value, unit, name, peer_value in (
            (
                f"end to end, a core ({len(texts)} files, {size:.0f} MB)",
                speed / 1e6,
                "MB/s",
                "datasketch",
                peer_speed / 1e6,
            ),
            (f"recall of {len(pairs)} pairs", found / max(1, len(pairs)), "", "brute force", 1.0),
            (f"precision of {len(edges)} joins", good / max(1, len(edges)), "", "brute force", 1.0),
        )
    ]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--datasketch", help="Python of an environment with datasketch")
    options = parser.parse_args()
    show(measure(options.datasketch), as_json=options.json)


if __name__ == "__main__":
    main()
