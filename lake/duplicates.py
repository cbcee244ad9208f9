"""The table `duplicates`: clusters of near-duplicates among the curated files of each language.

MinHash-LSH finds candidates (signatures of 256 slots by rensa's R-MinHash, cut into bands), exact Jaccard similarity of
the files' shingles (lake/shingles.py) decides on each, and the clusters are the connected components of the pairs that
reach the threshold. Which member stands for a cluster is decided by sql/duplicates/files.sql.

Precision: no two files are joined but by pairs at or above the threshold; a cluster is a chain of such pairs, so
`jaccard` to the representative may be less. Recall: a pair at the threshold is a candidate with a probability of at
least _RECALL, a more similar one sooner. In a bucket (files with an equal band) each file meets its _WINDOW next in
the order of set sizes, so ten thousand files with the same boilerplate cost ten thousand times _WINDOW at most, and one
comparison each where they are copies; a pair farther apart in all of its buckets is missed unless a chain joins it. A
pair already joined is not looked at again.

Memory: 8 bytes a band and file of one language (336 at 0.7); the shingles, some 0.7 bytes a byte of text, are in a
temporary file, which is read where it is needed.
"""

import hashlib
import json
import os
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..engine.duck import Session
from ..engine.errors import LakeError
from ..engine.progress import Progress, silent
from ..sql import load
from . import spdx
from .catalog import LakeCatalog, Place, table_files
from .commit import Commit
from .report import Report
from .schemas import NAMESPACE
from .shingles import NGRAM, Bytes, Hashes, Places, jaccard, shingles_of

VERSION = "1"
THRESHOLD = 0.7
"""The Stack v2 and v3's (bigcode-dataset near_deduplication/bigcode-v2/run.sh; card of the-stack-v3)."""

_PERMUTATIONS = 256
_SEED = 42
_RECALL = 0.99
_WINDOW = 64
_BATCH_ROWS = 256
_PIECE_BYTES = 4 << 20
_ROWS = 1 << 16

Keys: TypeAlias = npt.NDArray[np.uint64]
_Piece: TypeAlias = tuple[pa.Array, list[Hashes], Keys]


def duplicates(
    catalog: LakeCatalog,
    where: Place,
    *,
    threshold: float = THRESHOLD,
    memory_limit: str | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> Report:
    """Bring `duplicates` up to what `code` holds now, in one commit.

    Nothing is done when neither `code` nor the settings changed since the last time. threshold: Jaccard similarity of
    the sets of word 5-grams from which two files are near-duplicates, above 0 to 1. memory_limit: of DuckDB. threads:
    by default one a core. Raises LakeError for another threshold, and if another process changes `duplicates`.
    """
    started = time.monotonic()
    if not 0 < threshold <= 1:
        raise LakeError(f"duplicates: the threshold is a similarity above 0 and up to 1, not {threshold:g}; try 0.7")
    stage = stage_hash(threshold)
    tables = {name: catalog.load_table((NAMESPACE, name)) for name in ("code", "duplicates")}
    snapshots = {name: table.metadata.current_snapshot_id for name, table in tables.items()}
    files = {name: table_files(table, snapshots[name]) for name, table in tables.items()}
    inputs = hashlib.sha256(json.dumps([snapshots["code"], stage]).encode()).hexdigest()
    current = tables["duplicates"].current_snapshot()
    done = current is not None and current.summary is not None and current.summary.get("codelake.inputs") == inputs
    with Session(memory_limit=memory_limit, threads=threads) as session:
        session.define(files.values())
        if not done:
            with Commit(catalog, where, "duplicates") as commit:
                commit.only_writer("duplicates", snapshots["duplicates"])
                for rows in _all(session, threshold, threads, progress):
                    commit.append("duplicates", rows.append_column("stage_hash", pa.array([stage] * rows.num_rows)))
                commit.remove_files("duplicates", [file.path for file in files["duplicates"].files])
                commit.note("duplicates", inputs=inputs)
            table = catalog.load_table((NAMESPACE, "duplicates"))
            session.define([table_files(table, table.metadata.current_snapshot_id)])
        names = ("files", "clusters", "duplicates", "duplicate_bytes")
        found = session.sql(load("duplicates/counts")).fetchall()[0]
    counts = dict(zip(names, map(int, found), strict=True)) | {"unchanged": int(done)}
    return Report(title="duplicates", counts=counts, seconds=time.monotonic() - started)


def stage_hash(threshold: float) -> str:
    """What the duplicates depend on besides the files."""
    from rensa import RMinHash

    settings = [VERSION, RMinHash.ALGORITHM_VERSION, NGRAM, _PERMUTATIONS, _SEED, _RECALL, _WINDOW, threshold]
    return hashlib.sha256(json.dumps([*settings, spdx.LICENSE_TYPES, load("duplicates/files")]).encode()).hexdigest()


def bands(threshold: float) -> tuple[int, int]:
    """How many bands of how many rows: the longest that find a pair at the threshold with a probability of _RECALL.

    A pair of similarity s is a candidate with probability 1 - (1 - s^rows)^bands (Leskovec, Rajaraman and Ullman,
    Mining of Massive Datasets, 3.4.2).
    """
    for rows in range(_PERMUTATIONS, 1, -1):
        number = _PERMUTATIONS // rows
        if 1 - (1 - threshold**rows) ** number >= _RECALL:
            return number, rows
    return _PERMUTATIONS, 1


def band_keys(sets: Sequence[Hashes], threshold: float) -> Keys:
    """A hash of each band of each set's signature: [sets, bands]. Those of empty sets mean nothing."""
    from rensa import RMinHash

    number, rows = bands(threshold)
    if not sets:
        return np.empty((0, number), np.uint64)
    offsets = np.cumsum([0, *map(len, sets)]).astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(sets), offsets, _PERMUTATIONS, _SEED)
    slots = np.array(matrix.to_rows(), np.uint64)[:, : number * rows].reshape(len(sets), number, rows)
    factors = np.random.PCG64(_SEED).random_raw(rows) | np.uint64(1)
    keys: Keys = (slots * factors).sum(axis=2, dtype=np.uint64)
    return keys


def joined(sets: Sequence[Hashes], keys: Keys, threshold: float) -> tuple[Places, list[tuple[int, int]]]:
    """The smallest index of the cluster of each set, and the pairs that join them: a forest of verified edges.

    keys: those of `band_keys`. An empty set is alone.
    """
    sizes = np.array([len(one) for one in sets], np.int64)
    some = np.flatnonzero(sizes)
    parents = np.arange(len(sets))
    edges: list[tuple[int, int]] = []
    for band in range(keys.shape[1]):
        column = keys[some, band]
        order = np.lexsort((sizes[some], column))
        column, members = column[order], some[order]
        # Places of the sorted column that are in one bucket with the place `step` after them.
        places = np.arange(len(members))
        for step in range(1, _WINDOW + 1):
            places = places[places + step < len(members)]
            places = places[column[places] == column[places + step]]
            if not len(places):
                break
            ones, others = members[places], members[places + step]
            apart = _roots(parents, ones) != _roots(parents, others)
            # No similarity is above the ratio of the sizes, and the members of a bucket are sorted by size.
            apart &= sizes[ones] >= threshold * sizes[others] * (1 - 1e-9)
            for one, other in zip(ones[apart].tolist(), others[apart].tolist(), strict=True):
                left, right = _root(parents, one), _root(parents, other)
                if left != right and jaccard(sets[one], sets[other]) >= threshold:
                    parents[max(left, right)] = min(left, right)
                    edges.append((one, other))
    return _roots(parents, np.arange(len(sets))), edges


def _roots(parents: Places, of: Places) -> Places:
    roots = parents[of]
    while not np.array_equal(above := parents[roots], roots):
        roots = above
    parents[of] = roots
    return roots


def _root(parents: Places, of: int) -> int:
    while (above := int(parents[of])) != of:
        of = above
    return of


def _all(session: Session, threshold: float, threads: int | None, progress: Progress) -> Iterator[pa.Table]:
    """The rows of the table but for their stage_hash, language by language."""
    ranks = {"license_type": list(spdx.LICENSE_TYPES), "rank": list(range(len(spdx.LICENSE_TYPES)))}
    session.store("license_types", pa.table(ranks))
    languages = session.sql(
        "SELECT language, sum(length_bytes)::BIGINT, count(*) FROM code GROUP BY language ORDER BY language"
    ).fetchall()
    total = sum(size for _, size, _ in languages)
    size = files = 0
    width = threads or len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(width, "duplicates") as pool:
        for language, language_size, language_files in languages:
            if language_files > 1:
                yield from _of_language(session, language, threshold, pool, 2 * width)
            size += language_size
            files += language_files
            progress(size, total, files=files, size=size, note=language)


def _of_language(
    session: Session, language: str, threshold: float, pool: ThreadPoolExecutor, ahead: int
) -> Iterator[pa.Table]:
    found = session.arrow(load("duplicates/files"), [language])
    blob_ids = np.array(found["blob_id"].to_pylist(), "S")
    keys = np.empty((len(blob_ids), bands(threshold)[0]), np.uint64)
    with _Spool(len(blob_ids)) as sets:
        for ids, some, some_keys in _pieces(session, language, threshold, pool, ahead):
            indices = np.searchsorted(blob_ids, np.array(ids.to_pylist(), "S"))
            keys[indices] = some_keys
            for index, one in zip(indices.tolist(), some, strict=True):
                sets.put(index, one)
        sets.finish()
        roots, _ = joined(sets, keys, threshold)
        del keys
        yield from _rows(blob_ids, roots, found["place"].to_numpy(), sets)


def _pieces(
    session: Session, language: str, threshold: float, pool: ThreadPoolExecutor, ahead: int
) -> Iterator[_Piece]:
    """The ids, shingles and band keys of the files, some at a time, in the order of `code`."""
    waiting: deque[Future[_Piece]] = deque()
    with session.sql(load("duplicates/contents"), [language]).to_arrow_reader(_BATCH_ROWS) as reader:
        for batch in reader:
            contents = batch["content"].cast(pa.large_binary())
            first = 0
            while first < len(contents):
                offsets = _offsets(contents[first:])
                number = max(1, int(np.searchsorted(offsets, offsets[0] + _PIECE_BYTES, "right")) - 1)
                ids = batch["blob_id"][first : first + number]
                waiting.append(pool.submit(_work, ids, contents[first : first + number], threshold))
                first += number
                # Two for each thread keep it busy; more would only be held.
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _offsets(contents: pa.Array) -> Places:
    return np.frombuffer(contents.buffers()[1], np.int64)[contents.offset :][: len(contents) + 1]


def _work(ids: pa.Array, contents: pa.Array, threshold: float) -> _Piece:
    data: Bytes = np.frombuffer(contents.buffers()[2] or b"", np.uint8)
    sets = list(shingles_of(data, _offsets(contents)))
    return ids, sets, band_keys(sets, threshold)


def _rows(blob_ids: npt.NDArray[np.bytes_], roots: Places, place: Places, sets: Sequence[Hashes]) -> Iterator[pa.Table]:
    members = np.flatnonzero(np.bincount(roots, minlength=len(roots))[roots] > 1)
    members = members[np.lexsort((place[members], roots[members]))]
    # The first of a cluster is the one with the lowest place.
    _, first, inverse = np.unique(roots[members], return_index=True, return_inverse=True)
    kept = members[first][inverse]
    for start in range(0, len(members), _ROWS):
        some, some_kept = members[start : start + _ROWS], kept[start : start + _ROWS]
        ids, clusters, representatives = (
            pa.array(blob_ids[indices].astype("U").tolist(), pa.string()) for indices in (some, roots[some], some_kept)
        )
        similar = [jaccard(sets[a], sets[b]) for a, b in zip(some.tolist(), some_kept.tolist(), strict=True)]
        yield pa.table({"blob_id": ids, "cluster_id": clusters, "jaccard": similar, "representative": representatives})


class _Spool(Sequence[Hashes]):
    """Sets in a temporary file: put in any order, then read by index."""

    def __init__(self, count: int) -> None:
        self.starts, self.sizes = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._end = 0
        self._data: Hashes = np.empty(0, np.uint64)

    def __enter__(self) -> "_Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: Any) -> Any:
        start = self.starts[index]
        return self._data[start : start + self.sizes[index]]

    def put(self, index: int, one: Hashes) -> None:
        self.starts[index], self.sizes[index] = self._end, len(one)
        self._end += len(one)
        self._file.write(one.data)

    def finish(self) -> None:
        """No more is put; from now on it can be read."""
        self._file.flush()
        if self._end:
            self._data = np.asarray(np.memmap(self._file, np.uint64, "r"))
